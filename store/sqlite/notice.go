package sqlite

import (
	"context"
	"strings"
	"time"

	"github.com/cartrita/cartrita/event"
)

// AddNotice implements event.NoticeStore.
func (s *Store) AddNotice(ctx context.Context, n event.Notice) (added bool, err error) {
	const op = "sqlite.AddNotice"
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return false, unavailable(op, "the notice was given up", err)
	}
	err = s.write.do(func(ctx context.Context) error {
		res, err := s.write.conn.ExecContext(ctx, `INSERT INTO notices (id, kind, key, at, data) VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, key) DO NOTHING`,
			n.ID, string(n.Kind), n.Key, n.At.UnixMicro(), string(n.Data))
		if err != nil {
			return err
		}
		rows, err := res.RowsAffected()
		added = rows > 0
		return err
	})
	return added, failure(op, err)
}

// Notices implements event.NoticeStore.
func (s *Store) Notices(ctx context.Context, kinds []event.Kind, since, until time.Time, limit int) ([]event.Notice, error) {
	const op = "sqlite.Notices"
	text := `SELECT id, kind, key, at, data FROM notices WHERE 1`
	var args []any
	if kinds != nil {
		text += ` AND kind IN (''` + strings.Repeat(`, ?`, len(kinds)) + `)`
		for _, k := range kinds {
			args = append(args, string(k))
		}
	}
	if !since.IsZero() {
		text += ` AND at >= ?`
		args = append(args, since.UnixMicro())
	}
	if !until.IsZero() {
		text += ` AND at < ?`
		args = append(args, until.UnixMicro())
	}
	rows, err := s.read.QueryContext(ctx, text+` ORDER BY at DESC, seq DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, failure(op, err)
	}
	defer rows.Close()
	var out []event.Notice
	for rows.Next() {
		var n event.Notice
		var at int64
		var data string
		if err := rows.Scan(&n.ID, &n.Kind, &n.Key, &at, &data); err != nil {
			return nil, failure(op, err)
		}
		n.At, n.Data = time.UnixMicro(at).UTC(), []byte(data)
		out = append(out, n)
	}
	return out, failure(op, rows.Err())
}
