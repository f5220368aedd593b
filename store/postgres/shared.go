package postgres

import (
	"context"
	"crypto/rand"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

var _ event.SharedStore = (*Store)(nil)

// SharedSecret implements event.SharedStore.
func (s *Store) SharedSecret(ctx context.Context) (secret []byte, err error) {
	made := make([]byte, 32)
	_, _ = rand.Read(made) // it never fails
	err = s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO shared_secret (secret) VALUES ($1) ON CONFLICT DO NOTHING`, made); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT secret FROM shared_secret`).Scan(&secret)
	})
	return secret, s.failure("postgres.SharedSecret", err)
}

// Stored implements event.SharedStore.
func (s *Store) Stored(ctx context.Context, ids []model.CallID) (map[model.CallID]bool, error) {
	known := map[model.CallID]bool{}
	if len(ids) == 0 {
		return known, nil
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	q := &pgx.Batch{}
	queueStored(q, ids, known)
	return known, s.failure("postgres.Stored", s.pool.SendBatch(ctx, q).Close())
}
