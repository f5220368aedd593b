package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

var _ event.FeedStore = (*Store)(nil)

// Head implements event.Feed.
func (s *Store) Head(ctx context.Context) (p event.FeedPosition, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT coalesce((SELECT max(seq) FROM calls), 0), coalesce((SELECT max(seq) FROM notices), 0)`).Scan(&p.Calls, &p.Notices)
	return p, failure("sqlite.Head", err)
}

// After implements event.Feed.
func (s *Store) After(ctx context.Context, p event.FeedPosition, limit int) (*event.Stored, error) {
	const op = "sqlite.After"
	out := &event.Stored{Next: p}
	calls, err := s.callsAfter(ctx, p.Calls, limit)
	if err != nil {
		return nil, failure(op, err)
	}
	if n := len(calls); n > 0 {
		out.Next.Calls = calls[n-1].Seq
	}
	out.Calls, err = batch.Whole(calls, func(some []event.Call) error { return s.fillCalls(ctx, some, true) }, s.damaged)
	if err != nil {
		return nil, failure(op, err)
	}
	rows, err := s.read.QueryContext(ctx, `SELECT seq, id, kind, key, at, data FROM notices WHERE seq > ? ORDER BY seq LIMIT ?`, p.Notices, limit)
	if err != nil {
		return nil, failure(op, err)
	}
	defer rows.Close()
	for rows.Next() {
		var n event.Notice
		var at int64
		var data string
		if err := rows.Scan(&out.Next.Notices, &n.ID, &n.Kind, &n.Key, &at, &data); err != nil {
			return nil, failure(op, err)
		}
		n.At, n.Data = time.UnixMicro(at).UTC(), []byte(data)
		out.Notices = append(out.Notices, n)
	}
	return out, failure(op, rows.Err())
}

func (s *Store) callsAfter(ctx context.Context, after int64, limit int) ([]event.Call, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT seq, started, strategy FROM calls WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return scanCalls(rows)
}

// damaged tells of a call that cannot be shown.
func (s *Store) damaged(seq int64, err error) {
	s.log.Error("a stored call is damaged and left out of what is sent", "number", seq, "error", err)
}

// ClaimFeed implements event.FeedStore.
func (s *Store) ClaimFeed(ctx context.Context, reader, holder string, ttl time.Duration, first event.FeedPosition) (p event.FeedPosition, held bool, err error) {
	const op = "sqlite.ClaimFeed"
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.write.do(func(ctx context.Context) error {
		now := time.Now()
		_, err := s.write.conn.ExecContext(ctx, `INSERT INTO feed_readers (reader, calls, notices, holder, until) VALUES (?, ?, ?, '', 0) ON CONFLICT DO NOTHING`,
			reader, first.Calls, first.Notices)
		if err != nil {
			return err
		}
		return s.write.conn.QueryRowContext(ctx, `UPDATE feed_readers SET holder = ?2, until = ?3
			WHERE reader = ?1 AND (holder = ?2 OR until <= ?4) RETURNING calls, notices`,
			reader, holder, now.Add(ttl).UnixMicro(), now.UnixMicro()).Scan(&p.Calls, &p.Notices)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return p, false, nil
	}
	return p, err == nil, failure(op, err)
}

// AdvanceFeed implements event.FeedStore.
func (s *Store) AdvanceFeed(ctx context.Context, reader, holder string, to event.FeedPosition) error {
	const op = "sqlite.AdvanceFeed"
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return unavailable(op, "the change was given up", err)
	}
	return failure(op, s.write.do(func(ctx context.Context) error {
		done, err := s.write.conn.ExecContext(ctx, `UPDATE feed_readers SET calls = ?, notices = ? WHERE reader = ? AND holder = ? AND until > ?`,
			to.Calls, to.Notices, reader, holder, time.Now().UnixMicro())
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return model.Errorf(op, model.KindConflict, "another process reads for %s", reader)
	}))
}

// ReleaseFeed implements event.FeedStore.
func (s *Store) ReleaseFeed(ctx context.Context, reader, holder string) error {
	return s.exec(ctx, "sqlite.ReleaseFeed", `UPDATE feed_readers SET holder = '', until = 0 WHERE reader = ? AND holder = ?`, reader, holder)
}
