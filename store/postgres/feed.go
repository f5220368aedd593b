package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

var _ event.FeedStore = (*Store)(nil)

// Head implements event.Feed.
func (s *Store) Head(ctx context.Context) (p event.FeedPosition, err error) {
	err = s.row(ctx, `SELECT coalesce((SELECT max(seq) FROM calls), 0), coalesce((SELECT max(seq) FROM notices), 0)`, nil, &p.Calls, &p.Notices)
	return p, s.failure("postgres.Head", err)
}

// After implements event.Feed. Whoever stores calls or a notice does so alone,
// so their numbers rise in the order in which they can be seen.
func (s *Store) After(ctx context.Context, p event.FeedPosition, limit int) (*event.Stored, error) {
	const op = "postgres.After"
	calls, err := list(ctx, s, op, `SELECT seq, started, ended, strategy FROM calls WHERE seq > $1 ORDER BY seq LIMIT $2`, []any{p.Calls, limit}, scanCall)
	if err != nil {
		return nil, err
	}
	out := &event.Stored{Next: p}
	if len(calls) > 0 {
		out.Next.Calls = calls[len(calls)-1].Seq
	}
	out.Calls, err = batch.Whole(calls, func(some []event.Call) error { return s.fillCalls(ctx, some, true) }, s.damaged)
	if err != nil {
		return nil, s.failure(op, err)
	}
	out.Notices, err = list(ctx, s, op, `SELECT seq, id, kind, key, at, data::text FROM notices WHERE seq > $1 ORDER BY seq LIMIT $2`,
		[]any{p.Notices, limit}, func(row pgx.CollectableRow) (n event.Notice, err error) {
			var data string
			err = row.Scan(&out.Next.Notices, &n.ID, (*string)(&n.Kind), &n.Key, &n.At, &data)
			n.At, n.Data = n.At.UTC(), []byte(data)
			return n, err
		})
	return out, err
}

// ClaimFeed implements event.FeedStore.
func (s *Store) ClaimFeed(ctx context.Context, reader, holder string, ttl time.Duration, first event.FeedPosition) (p event.FeedPosition, held bool, err error) {
	const op = "postgres.ClaimFeed"
	err = s.exec(ctx, op, `INSERT INTO feed_readers (reader, calls, notices, holder, until) VALUES ($1, $2, $3, '', now()) ON CONFLICT DO NOTHING`,
		reader, first.Calls, first.Notices)
	if err != nil {
		return p, false, err
	}
	err = s.row(ctx, `UPDATE feed_readers SET holder = $2, until = now() + $3::interval
		WHERE reader = $1 AND (holder = $2 OR until <= now()) RETURNING calls, notices`, []any{reader, holder, ttl}, &p.Calls, &p.Notices)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, false, nil
	}
	return p, err == nil, s.failure(op, err)
}

// AdvanceFeed implements event.FeedStore.
func (s *Store) AdvanceFeed(ctx context.Context, reader, holder string, to event.FeedPosition) error {
	const op = "postgres.AdvanceFeed"
	var one int
	err := s.row(ctx, `UPDATE feed_readers SET calls = $3, notices = $4 WHERE reader = $1 AND holder = $2 AND until > now() RETURNING 1`,
		[]any{reader, holder, to.Calls, to.Notices}, &one)
	if errors.Is(err, pgx.ErrNoRows) {
		return model.Errorf(op, model.KindConflict, "another process reads for %s", reader)
	}
	return s.failure(op, err)
}

// ReleaseFeed implements event.FeedStore.
func (s *Store) ReleaseFeed(ctx context.Context, reader, holder string) error {
	return s.exec(ctx, "postgres.ReleaseFeed", `UPDATE feed_readers SET holder = '', until = now() WHERE reader = $1 AND holder = $2`, reader, holder)
}

// damaged tells of a call that cannot be shown.
func (s *Store) damaged(seq int64, err error) {
	s.log.Error("a stored call is damaged and left out of what is sent", "number", seq, "error", err)
}
