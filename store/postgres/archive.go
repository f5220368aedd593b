package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

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

// dropWait is how long those who store calls may have to wait for a partition
// to be dropped. When it takes longer, it is left for another time.
const dropWait = "100ms"

// Boundary implements archive.Store and database.Export.
func (s *Store) Boundary(ctx context.Context) (below int64, err error) {
	err = s.row(ctx, `SELECT below FROM archive_boundary`, nil, &below)
	return below, s.failure("postgres.Boundary", err)
}

// NextCall implements archive.Source.
func (s *Store) NextCall(ctx context.Context, from int64) (number int64, err error) {
	err = s.row(ctx, `SELECT coalesce(min(seq), 0) FROM calls WHERE seq >= $1`, []any{from}, &number)
	return number, s.failure("postgres.NextCall", err)
}

// Span implements archive.Source.
func (s *Store) Span(ctx context.Context, from, below int64) (sp archive.Span, err error) {
	err = s.row(ctx, `SELECT coalesce(min(seq), 0), coalesce(max(seq), 0), count(*) FROM calls WHERE seq >= $1 AND seq < $2`, []any{from, below},
		&sp.First, &sp.Last, &sp.Calls)
	return sp, s.failure("postgres.Span", err)
}

// WalkNumbers implements archive.Source.
func (s *Store) WalkNumbers(ctx context.Context, from, below int64, visit func([]event.Call) error) error {
	const op = "postgres.WalkNumbers"
	condition := query{text: ` WHERE true`}
	condition.add(` AND last >= ?`, from)
	condition.add(` AND seq < ?`, below)
	ask := func(q *query) ([]block, error) { return list(ctx, s, op, q.text, q.args, scanBlock) }
	return eachBlock(ask, condition, func(b *block) error {
		entries, err := batch.Unpack(b.seq, b.records, b.plans)
		if err != nil {
			return database.Damaged(b.seq)
		}
		if calls := batch.Numbered(entries, from, below); len(calls) > 0 {
			return visit(calls)
		}
		return nil
	})
}

// FeedReaders implements archive.Source.
func (s *Store) FeedReaders(ctx context.Context) ([]archive.Reader, error) {
	return list(ctx, s, "postgres.FeedReaders", `SELECT reader, calls, until FROM feed_readers ORDER BY reader`, nil,
		func(row pgx.CollectableRow) (r archive.Reader, err error) {
			err = row.Scan(&r.Name, &r.Calls, &r.Until)
			r.Until = r.Until.UTC()
			return r, err
		})
}

// archiving runs f in a transaction within which no call is stored, in a term
// or, with 0, by hand.
func (s *Store) archiving(ctx context.Context, op string, term int64, f func(ctx context.Context, tx pgx.Tx) error) error {
	locked := func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT last FROM call_clock FOR UPDATE`); err != nil {
			return err
		}
		return f(ctx, tx)
	}
	if term == 0 {
		return s.failure(op, s.update(ctx, locked))
	}
	return s.fenced(ctx, op, term, locked)
}

// Seal implements archive.Store.
func (s *Store) Seal(ctx context.Context, term, below int64) error {
	return s.archiving(ctx, "postgres.Seal", term, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE call_clock SET last = $1 WHERE last < $1`, below-1)
		return err
	})
}

// MoveBoundary implements archive.Store.
func (s *Store) MoveBoundary(ctx context.Context, term int64, m archive.Move) error {
	const op = "postgres.MoveBoundary"
	return s.archiving(ctx, op, term, func(ctx context.Context, tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE archive_boundary SET below = $2 WHERE below = $1`, m.From, m.To)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return model.Errorf(op, model.KindConflict, "another process archives calls")
		}
		return s.record(ctx, tx, "", database.ArchiveChange(&m))
	})
}

// RemoveCalls implements archive.Store. Partitions of months that are over and
// empty go as well.
func (s *Store) RemoveCalls(ctx context.Context, term int64) (removed int64, done bool, err error) {
	var below int64
	err = s.archiving(ctx, "postgres.RemoveCalls", term, func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT below FROM archive_boundary`).Scan(&below); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT seq FROM call_blocks WHERE seq < $1 ORDER BY seq LIMIT $2`, below, removeBlocks+1)
		if err != nil {
			return err
		}
		blocks, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		to := below
		if n := len(blocks); n > 1 { // the last may reach over the boundary
			to = blocks[n-1]
		} else if n == 1 {
			if err := s.cutBlock(ctx, tx, blocks[0], below); err != nil {
				return err
			}
		}
		done = to == below
		removed, err = deleteBelow(ctx, tx, to)
		return err
	})
	if err == nil && done {
		s.dropMonths(ctx, below)
	}
	return removed, done, err
}

func deleteBelow(ctx context.Context, tx pgx.Tx, to int64) (calls int64, err error) {
	result, err := tx.Exec(ctx, `DELETE FROM calls WHERE seq < $1`, to)
	if err != nil {
		return 0, err
	}
	if _, err = tx.Exec(ctx, `DELETE FROM call_blocks WHERE seq < $1`, to); err != nil {
		return 0, err
	}
	return result.RowsAffected(), forgetAlone(ctx, tx, to)
}

// cutBlock writes what a block holds from a number on as one of its own.
func (s *Store) cutBlock(ctx context.Context, tx pgx.Tx, seq, from int64) error {
	var b block
	if err := tx.QueryRow(ctx, `SELECT seq, records, plans FROM call_blocks WHERE seq = $1`, seq).Scan(&b.seq, &b.records, &b.plans); err != nil {
		return err
	}
	entries, err := batch.Unpack(b.seq, b.records, b.plans)
	if err != nil {
		return database.Damaged(seq)
	}
	q := &pgx.Batch{}
	p := s.packers.Get().(*batch.Packer)
	defer s.packers.Put(p)
	queueBlocks(q, p, batch.From(entries, from))
	return tx.SendBatch(ctx, q).Close()
}

// dropMonths drops the partitions of months before a number that hold nothing.
// What cannot be dropped now is left for the next time.
func (s *Store) dropMonths(ctx context.Context, below int64) {
	const op = "postgres.RemoveCalls"
	names, err := list(ctx, s, op, `SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent IN ('calls'::regclass, 'call_blocks'::regclass) AND c.relname ~ '^call(s|_blocks)_[0-9]{4}_[0-9]{2}$' ORDER BY 1`, nil, pgx.RowTo[string])
	for _, name := range names {
		if err != nil {
			break
		}
		var begin time.Time
		if begin, err = time.Parse("2006_01", name[len(name)-len("2006_01"):]); err != nil || (monthOf(begin)+1).begin().UnixMicro() > below {
			continue
		}
		err = s.dropEmpty(ctx, name)
	}
	if err != nil && !lockTimedOut(err) && ctx.Err() == nil {
		s.log.WarnContext(ctx, "partitions of months whose calls are gone cannot be dropped", "error", err)
	}
}

// dropEmpty drops a partition unless it holds something. Whether it does is asked
// first without keeping anybody waiting.
func (s *Store) dropEmpty(ctx context.Context, name string) error {
	empty := `SELECT NOT EXISTS (SELECT 1 FROM ` + name + `)`
	var is bool
	if err := s.row(ctx, empty, nil, &is); err != nil || !is {
		return err
	}
	return s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// In the order in which makePartitions locks.
		_, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = '%[1]s'; SET LOCAL statement_timeout = '%[1]s'; SELECT last FROM call_clock FOR UPDATE`, dropWait))
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, empty).Scan(&is); err != nil || !is {
			return err
		}
		_, err = tx.Exec(ctx, `DROP TABLE `+name)
		return err
	})
}

// lockTimedOut reports whether a lock was not to be had in time, or the
// statement took too long.
func lockTimedOut(err error) bool {
	var e interface{ SQLState() string }
	return errors.As(err, &e) && (e.SQLState() == "55P03" || e.SQLState() == "57014")
}
