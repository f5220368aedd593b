package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
)

// AddNotice implements event.NoticeStore.
func (s *Store) AddNotice(ctx context.Context, n event.Notice) (added bool, err error) {
	const op = "postgres.AddNotice"
	return added, s.failure(op, s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lock(ctx, tx, lockNotices); err != nil { // their numbers rise in the order in which they can be seen
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO notices (id, kind, key, at, data) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kind, key) DO NOTHING`,
			n.ID, string(n.Kind), text(n.Key), n.At, string(n.Data))
		added = err == nil && tag.RowsAffected() > 0
		return err
	}))
}

// Notices implements event.NoticeStore.
func (s *Store) Notices(ctx context.Context, kinds []event.Kind, since, until time.Time, limit int) ([]event.Notice, error) {
	q := &query{text: `SELECT id, kind, key, at, data::text FROM notices WHERE true`}
	if kinds != nil {
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = string(k)
		}
		q.add(` AND kind = ANY(?)`, names)
	}
	if !since.IsZero() {
		q.add(` AND at >= ?`, since)
	}
	if !until.IsZero() {
		q.add(` AND at < ?`, until)
	}
	q.add(` ORDER BY at DESC, seq DESC LIMIT ?`, limit)
	return list(ctx, s, "postgres.Notices", q.text, q.args, func(row pgx.CollectableRow) (n event.Notice, err error) {
		var data string
		err = row.Scan(&n.ID, (*string)(&n.Kind), &n.Key, &n.At, &data)
		n.At, n.Data = n.At.UTC(), []byte(data)
		return n, err
	})
}
