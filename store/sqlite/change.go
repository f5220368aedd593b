package sqlite

import "context"

// execer runs a statement within a change.
type execer func(query string, args ...any) (rows int64, err error)

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
		return f(func(query string, args ...any) (int64, error) {
			done, err := s.write.conn.ExecContext(writing, query, args...)
			if err != nil {
				return 0, err
			}
			return done.RowsAffected()
		})
	})
}

// exec runs one statement that writes, behind other writers.
func (s *Store) exec(ctx context.Context, op, query string, args ...any) error {
	return s.change(ctx, op, func(exec execer) error {
		_, err := exec(query, args...)
		return err
	})
}

// deleteOne runs a statement that deletes a row; missing is its error when there
// is none.
func (s *Store) deleteOne(ctx context.Context, op string, missing error, query string, args ...any) error {
	return s.change(ctx, op, func(exec execer) error {
		if n, err := exec(query, args...); err != nil || n > 0 {
			return err
		}
		return missing
	})
}
