package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/archive"
	"github.com/cartrita/cartrita/store/batch"
	"github.com/cartrita/cartrita/store/database"
)

var _ archive.Store = (*Store)(nil)

// removeBlocks is how many blocks are removed at once, with their calls; who
// stores calls waits meanwhile.
const removeBlocks = 8

// Boundary implements archive.Store and database.Export.
func (s *Store) Boundary(ctx context.Context) (below int64, err error) {
	below, err = boundary(ctx, s.read)
	return below, failure("sqlite.Boundary", err)
}

func boundary(ctx context.Context, from asker) (below int64, err error) {
	err = each(ctx, from, `SELECT below FROM archive_boundary`, func(r *sql.Rows) error { return r.Scan(&below) })
	return below, err
}

// NextCall implements archive.Source.
func (s *Store) NextCall(ctx context.Context, from int64) (number int64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(min(seq), 0) FROM calls WHERE seq >= ?`, from).Scan(&number)
	return number, failure("sqlite.NextCall", err)
}

// Span implements archive.Source.
func (s *Store) Span(ctx context.Context, from, below int64) (sp archive.Span, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(min(seq), 0), coalesce(max(seq), 0), count(*) FROM calls WHERE seq >= ? AND seq < ?`, from, below).
		Scan(&sp.First, &sp.Last, &sp.Calls)
	return sp, failure("sqlite.Span", err)
}

// WalkNumbers implements archive.Source.
func (s *Store) WalkNumbers(ctx context.Context, from, below int64, visit func([]event.Call) error) error {
	const op = "sqlite.WalkNumbers"
	var first int64 // of the block that holds the first
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM call_blocks WHERE seq <= ?`, from).Scan(&first); err != nil {
		return failure(op, err)
	}
	return eachBlock(ctx, s.read, first, func(b *block) (bool, error) {
		if b.seq >= below {
			return false, nil
		}
		entries, err := batch.Unpack(b.seq, b.records, b.plans)
		if err != nil {
			return false, database.Damaged(b.seq)
		}
		if calls := batch.Numbered(entries, from, below); len(calls) > 0 {
			return true, visit(calls)
		}
		return true, nil
	})
}

// FeedReaders implements archive.Source.
func (s *Store) FeedReaders(ctx context.Context) (out []archive.Reader, err error) {
	err = each(ctx, s.read, `SELECT reader, calls, until FROM feed_readers ORDER BY reader`, func(rows *sql.Rows) error {
		var r archive.Reader
		var until int64
		err := rows.Scan(&r.Name, &r.Calls, &until)
		r.Until = time.UnixMicro(until).UTC()
		out = append(out, r)
		return err
	})
	return out, failure("sqlite.FeedReaders", err)
}

// Seal implements archive.Store.
func (s *Store) Seal(ctx context.Context, _, below int64) error {
	const op = "sqlite.Seal"
	if err := s.exec(ctx, op, `UPDATE archive_boundary SET sealed = max(sealed, ?)`, below); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return failure(op, s.restart(ctx)) // the last number may be the seal's now
}

// MoveBoundary implements archive.Store.
func (s *Store) MoveBoundary(ctx context.Context, _ int64, m archive.Move) error {
	const op = "sqlite.MoveBoundary"
	return s.transact(ctx, op, func(writing context.Context) error {
		done, err := s.write.conn.ExecContext(writing, `UPDATE archive_boundary SET below = ? WHERE below = ?`, m.To, m.From)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return model.Errorf(op, model.KindConflict, "another process archives calls")
		}
		return s.record(writing, ctx, "", database.ArchiveChange(&m))
	})
}

// RemoveCalls implements archive.Store.
func (s *Store) RemoveCalls(ctx context.Context, _ int64) (removed int64, done bool, err error) {
	const op = "sqlite.RemoveCalls"
	err = s.transact(ctx, op, func(ctx context.Context) error {
		below, err := boundary(ctx, s.write.conn)
		if err != nil {
			return err
		}
		var blocks []int64
		err = each(ctx, s.write.conn, `SELECT seq FROM call_blocks WHERE seq < ? ORDER BY seq LIMIT ?`, func(rows *sql.Rows) error {
			var seq int64
			err := rows.Scan(&seq)
			blocks = append(blocks, seq)
			return err
		}, below, removeBlocks+1)
		if err != nil {
			return err
		}
		to := below
		if n := len(blocks); n > 1 { // the last may reach over the boundary
			to = blocks[n-1]
		} else if n == 1 {
			if err := s.cutBlock(ctx, blocks[0], below); err != nil {
				return err
			}
		}
		done = to == below
		removed, err = s.deleteBelow(ctx, to)
		return err
	})
	return removed, done, err
}

func (s *Store) deleteBelow(ctx context.Context, to int64) (calls int64, err error) {
	result, err := s.write.conn.ExecContext(ctx, `DELETE FROM calls WHERE seq < ?`, to)
	if err != nil {
		return 0, err
	}
	if _, err = s.write.conn.ExecContext(ctx, `DELETE FROM call_blocks WHERE seq < ?`, to); err != nil {
		return 0, err
	}
	if err := s.forgetAlone(ctx, to); err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// cutBlock writes what a block holds from a number on as one of its own.
func (s *Store) cutBlock(ctx context.Context, seq, from int64) error {
	var records, plans []byte
	if err := s.write.conn.QueryRowContext(ctx, `SELECT records, plans FROM call_blocks WHERE seq = ?`, seq).Scan(&records, &plans); err != nil {
		return err
	}
	entries, err := batch.Unpack(seq, records, plans)
	if err != nil {
		return database.Damaged(seq)
	}
	return s.write.blocks(ctx, batch.From(entries, from))
}
