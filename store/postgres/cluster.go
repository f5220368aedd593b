package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/model"
)

var _ cluster.Store = (*Store)(nil)

// Beat implements cluster.Store.
func (s *Store) Beat(ctx context.Context, m cluster.Member, lead time.Duration) (term int64, err error) {
	err = s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO cluster_members (id, name, address, version, spool, config, started, seen)
			VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
			ON CONFLICT (id) DO UPDATE SET config = excluded.config, seen = excluded.seen`,
			m.ID, text(m.Name), text(m.Address), text(m.Version), m.Spool, text(m.Config), m.Started)
		if err != nil {
			return err
		}
		// The time is read once the row is locked.
		err = tx.QueryRow(ctx, `UPDATE cluster_lead SET holder = $1, until = clock_timestamp() + $2::interval,
			term = term + CASE WHEN holder = $1 AND until > clock_timestamp() THEN 0 ELSE 1 END
			WHERE holder = $1 OR until <= clock_timestamp() RETURNING term`, m.ID, lead).Scan(&term)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return term, s.failure("postgres.Beat", err)
}

// Depart implements cluster.Store.
func (s *Store) Depart(ctx context.Context, id string) error {
	return s.failure("postgres.Depart", s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM cluster_members WHERE id = $1`, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE cluster_lead SET holder = '', until = '-infinity' WHERE holder = $1`, id)
		return err
	}))
}

// Census implements cluster.Store.
func (s *Store) Census(ctx context.Context) (c cluster.Census, err error) {
	const op = "postgres.Census"
	var holder string
	if err := s.row(ctx, `SELECT holder, term, clock_timestamp() FROM cluster_lead`, nil, &holder, &c.Term, &c.At); err != nil {
		return c, s.failure(op, err)
	}
	c.At = c.At.UTC()
	c.Members, err = list(ctx, s, op, `SELECT id, name, address, version, spool, config, started, seen FROM cluster_members ORDER BY address, id`, nil,
		func(row pgx.CollectableRow) (m cluster.Member, err error) {
			err = row.Scan(&m.ID, &m.Name, &m.Address, &m.Version, &m.Spool, &m.Config, &m.Started, &m.Seen)
			m.Started, m.Seen, m.Leader = m.Started.UTC(), m.Seen.UTC(), m.ID == holder
			return m, err
		})
	return c, err
}

// fenced runs f in a transaction within which no other term can begin.
func (s *Store) fenced(ctx context.Context, op string, term int64, f func(ctx context.Context, tx pgx.Tx) error) error {
	return s.failure(op, s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var one int
		err := tx.QueryRow(ctx, `SELECT 1 FROM cluster_lead WHERE term = $1 AND holder <> '' FOR SHARE`, term).Scan(&one)
		if errors.Is(err, pgx.ErrNoRows) {
			return model.Errorf(op, model.KindConflict, "term %d is over: another gateway leads", term)
		}
		if err != nil {
			return err
		}
		return f(ctx, tx)
	}))
}

// ForgetMembers implements cluster.Store.
func (s *Store) ForgetMembers(ctx context.Context, term int64, unseen time.Duration) error {
	return s.fenced(ctx, "postgres.ForgetMembers", term, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM cluster_members WHERE seen < clock_timestamp() - $1::interval`, unseen)
		return err
	})
}

// BeginJob implements cluster.Store.
func (s *Store) BeginJob(ctx context.Context, term int64, name string, every time.Duration) (wait time.Duration, err error) {
	err = s.fenced(ctx, "postgres.BeginJob", term, func(ctx context.Context, tx pgx.Tx) error {
		var micros int64
		err := tx.QueryRow(ctx, `SELECT CASE WHEN ended IS NULL AND term <> $2 THEN 0
			ELSE extract(epoch FROM began + $3::interval - clock_timestamp()) * 1000000 END::bigint
			FROM cluster_jobs WHERE name = $1`, name, term, every).Scan(&micros)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if micros > 0 {
			wait = time.Duration(micros) * time.Microsecond
			return nil
		}
		_, err = tx.Exec(ctx, `INSERT INTO cluster_jobs (name, term, began) VALUES ($1, $2, clock_timestamp())
			ON CONFLICT (name) DO UPDATE SET term = excluded.term, began = excluded.began, ended = NULL, failure = ''`, name, term)
		return err
	})
	return wait, err
}

// EndJob implements cluster.Store.
func (s *Store) EndJob(ctx context.Context, term int64, name, reason string) error {
	return s.fenced(ctx, "postgres.EndJob", term, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE cluster_jobs SET ended = clock_timestamp(), failure = $3 WHERE name = $1 AND term = $2`, name, term, text(reason))
		return err
	})
}

// Partition makes the partitions of the near future, where they are missing.
func (s *Store) Partition(ctx context.Context) { s.partition(ctx, nil) }
