package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ key.Store = (*Store)(nil)

// LoadKeys implements key.Store.
func (s *Store) LoadKeys(ctx context.Context) ([]key.Stored, error) {
	return list(ctx, s, "postgres.LoadKeys", `SELECT key_id, number, key::text, last_used FROM api_keys`, nil,
		func(row pgx.CollectableRow) (k key.Stored, err error) {
			var doc string
			var used *time.Time
			err = row.Scan((*string)(&k.ID), &k.Number, &doc, &used)
			if k.Doc = []byte(doc); used != nil {
				k.LastUsed = used.UTC()
			}
			return k, err
		})
}

// SaveKey implements key.Store.
func (s *Store) SaveKey(ctx context.Context, k key.Stored) error {
	const op = "postgres.SaveKey"
	return s.failure(op, s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lock(ctx, tx, lockKeys); err != nil {
			return err
		}
		var have int
		var before []byte
		err := tx.QueryRow(ctx, `SELECT number, key::text FROM api_keys WHERE key_id = $1`, string(k.ID)).Scan(&have, &before)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if k.Number != have+1 {
			return model.Errorf(op, model.KindConflict, "the key %s is at version %d: version %d cannot follow", k.ID, have, k.Number)
		}
		_, err = tx.Exec(ctx, `INSERT INTO api_keys (key_id, number, change, key)
			VALUES ($1, $2, (SELECT coalesce(max(change), 0) + 1 FROM api_keys), $3)
			ON CONFLICT (key_id) DO UPDATE SET number = excluded.number, change = excluded.change, key = excluded.key`,
			string(k.ID), k.Number, string(k.Doc))
		if err != nil {
			return err
		}
		return s.record(ctx, tx, "", database.KeyChange(&k, before))
	}))
}

// TouchKeys implements key.Store.
func (s *Store) TouchKeys(ctx context.Context, used map[model.KeyID]time.Time) error {
	if len(used) == 0 {
		return nil
	}
	var ids []string
	var times []time.Time
	for id, t := range used {
		ids, times = append(ids, string(id)), append(times, t.Truncate(time.Second))
	}
	// In the order of ids, as every process takes them: none waits for another in
	// a circle. What was used within a process is written also when it ends.
	return s.exec(context.WithoutCancel(ctx), "postgres.TouchKeys", `
		WITH used AS (SELECT k.key_id, u.at FROM unnest($1::text[], $2::timestamptz[]) AS u(id, at)
			JOIN api_keys k ON k.key_id = u.id ORDER BY k.key_id FOR UPDATE OF k)
		UPDATE api_keys k SET last_used = greatest(k.last_used, used.at) FROM used WHERE k.key_id = used.key_id`, ids, times)
}

// KeysVersion implements key.Store.
func (s *Store) KeysVersion(ctx context.Context) (uint64, error) {
	var n int64
	err := s.row(ctx, `SELECT coalesce(max(change), 0) FROM api_keys`, nil, &n)
	return uint64(n), s.failure("postgres.KeysVersion", err)
}
