package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cartrita/cartrita/store/database"
)

// execer runs a statement within a change.
type execer func(query string, args ...any) error

// transact runs f in one transaction, behind other writers.
func (s *Store) transact(ctx context.Context, op string, f func(writing context.Context) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return unavailable(op, "the change was given up", err)
	}
	return failure(op, s.write.do(f))
}

// change runs statements in one transaction, behind other writers.
func (s *Store) change(ctx context.Context, op string, f func(execer) error) error {
	return s.transact(ctx, op, func(writing context.Context) error {
		return f(func(query string, args ...any) error {
			_, err := s.write.conn.ExecContext(writing, query, args...)
			return err
		})
	})
}

// exec runs one statement that writes, behind other writers.
func (s *Store) exec(ctx context.Context, op, query string, args ...any) error {
	return s.change(ctx, op, func(exec execer) error { return exec(query, args...) })
}

// saveDocument adds a document or replaces the one of the same name.
func (s *Store) saveDocument(ctx context.Context, op string, of *database.Documents, name string, doc []byte) error {
	return s.transact(ctx, op, func(writing context.Context) error {
		var before []byte
		err := s.write.conn.QueryRowContext(writing, `SELECT doc FROM `+of.Table+` WHERE name = ?`, name).Scan(&before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := s.write.conn.ExecContext(writing, `INSERT INTO `+of.Table+` (name, doc) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET doc = excluded.doc`, name, string(doc)); err != nil { //nolint:gosec // the table is one of ours
			return err
		}
		return s.record(writing, ctx, "", of.Change(name, before, doc))
	})
}

// deleteDocument removes the document of a name; missing is its error when there
// is none.
func (s *Store) deleteDocument(ctx context.Context, op string, of *database.Documents, name string, missing error) error {
	return s.transact(ctx, op, func(writing context.Context) error {
		var before []byte
		err := s.write.conn.QueryRowContext(writing, `DELETE FROM `+of.Table+` WHERE name = ? RETURNING doc`, name).Scan(&before)
		if errors.Is(err, sql.ErrNoRows) {
			return missing
		}
		if err != nil {
			return err
		}
		return s.record(writing, ctx, "", of.Change(name, before, nil))
	})
}
