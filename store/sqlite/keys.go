package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ key.Store = (*Store)(nil)

// LoadKeys implements key.Store.
func (s *Store) LoadKeys(ctx context.Context) ([]key.Stored, error) {
	const op = "sqlite.LoadKeys"
	rows, err := s.read.QueryContext(ctx, `SELECT key_id, number, key, last_used FROM api_keys`)
	if err != nil {
		return nil, failure(op, err)
	}
	defer rows.Close()
	var out []key.Stored
	for rows.Next() {
		var k key.Stored
		var used int64
		if err := rows.Scan(&k.ID, &k.Number, (*[]byte)(&k.Doc), &used); err != nil {
			return nil, failure(op, err)
		}
		if used > 0 {
			k.LastUsed = time.Unix(used, 0).UTC()
		}
		out = append(out, k)
	}
	return out, failure(op, rows.Err())
}

// SaveKey implements key.Store.
func (s *Store) SaveKey(ctx context.Context, k key.Stored) error {
	const op = "sqlite.SaveKey"
	return s.transact(ctx, op, func(writing context.Context) error {
		conn := s.write.conn
		var have int
		var before []byte
		err := conn.QueryRowContext(writing, `SELECT number, key FROM api_keys WHERE key_id = ?`, string(k.ID)).Scan(&have, &before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if k.Number != have+1 {
			return model.Errorf(op, model.KindConflict, "the key %s is at version %d: version %d cannot follow", k.ID, have, k.Number)
		}
		_, err = conn.ExecContext(writing, `INSERT INTO api_keys (key_id, number, change, key)
			VALUES (?, ?, (SELECT coalesce(max(change), 0) + 1 FROM api_keys), ?)
			ON CONFLICT (key_id) DO UPDATE SET number = excluded.number, change = excluded.change, key = excluded.key`,
			string(k.ID), k.Number, string(k.Doc))
		if err != nil {
			return err
		}
		return s.record(writing, ctx, "", database.KeyChange(&k, before))
	})
}

// TouchKeys implements key.Store.
func (s *Store) TouchKeys(_ context.Context, used map[model.KeyID]time.Time) error {
	if len(used) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return failure("sqlite.TouchKeys", s.write.do(func(ctx context.Context) error {
		for id, t := range used {
			if _, err := s.write.conn.ExecContext(ctx, `UPDATE api_keys SET last_used = max(last_used, ?) WHERE key_id = ?`, t.Unix(), string(id)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// KeysVersion implements key.Store.
func (s *Store) KeysVersion(ctx context.Context) (uint64, error) {
	var n int64
	err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(change), 0) FROM api_keys`).Scan(&n)
	return uint64(n), failure("sqlite.KeysVersion", err)
}
