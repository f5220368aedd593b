package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

// Audit works the sums out anew from every stored call and compares them with
// those that are stored. With repair, what was worked out takes their place, some
// rows at a time, and other processes store calls in between: no sums are held
// still while calls are read. What is returned is what differed before. progress
// is told how many calls were read since the last time. Errors: KindUnavailable;
// before anything is changed, KindConflict for a repair without all documents, and
// KindInvalid for one with a single connection.
func (s *Store) Audit(ctx context.Context, repair bool, progress func(calls int)) (a *database.Audit, err error) {
	const op = "postgres.Audit"
	if repair && s.pool.Config().MaxConns < 2 { // one reads, and one replaces rows beside it
		return nil, model.Invalidf(op, "pool_max_conns", "a rebuild takes two connections at once: set it to 2 or more in the database's URL")
	}
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	if repair {
		snapshot.AccessMode = pgx.ReadWrite
	}
	err = pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) (err error) {
		if repair { // one process at a time; taken before the moment is chosen that is read, and held while rows are replaced beside it
			if _, err := tx.Exec(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE archive_boundary IN SHARE UPDATE EXCLUSIVE MODE`); err != nil {
				return err
			}
		}
		if a, err = s.compare(ctx, tx, database.Options{Progress: progress}); err != nil || !repair {
			return err
		}
		if err := a.Unaccounted(op); err != nil {
			return err
		}
		return s.rebuild(ctx, tx, a)
	})
	if err != nil {
		return nil, s.failure(op, err)
	}
	return a, nil
}

// rebuild replaces what a comparison in the transaction found.
func (s *Store) rebuild(ctx context.Context, tx pgx.Tx, a *database.Audit) error {
	// The entry comes first: no row changes of which the trail does not tell.
	err := s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return s.record(ctx, tx, "", database.RebuildChange(a))
	})
	if err != nil {
		return err
	}
	if a.Listed() {
		return s.repair(ctx, &database.Found{Rollups: a.Rollups, Spending: a.Spending})
	}
	_, err = s.compare(ctx, tx, database.Options{Progress: func(int) {}, Repair: s.repair}) // of the same moment
	return err
}

func (s *Store) compare(ctx context.Context, tx pgx.Tx, o database.Options) (a *database.Audit, err error) {
	// In the order in which makePartitions locks them, and both before either is
	// read: whoever has one waits for nobody who has the other.
	if _, err := tx.Exec(ctx, `LOCK TABLE calls, call_blocks IN ACCESS SHARE MODE`); err != nil {
		return nil, err
	}
	if err := tx.QueryRow(ctx, `SELECT below FROM archive_boundary`).Scan(&o.Boundary); err != nil {
		return nil, err
	}
	if o.Past, err = pastOf(ctx, tx); err != nil {
		return nil, err
	}
	o.Counted = cleaned
	if a, err = database.Compare(ctx, auditSource{s, tx}, o); err != nil {
		return nil, err
	}
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM calls`).Scan(&a.Rows); err != nil {
		return nil, err
	}
	source := auditSource{s, tx}
	return a, a.Match(ctx, source, source.numbers)
}
