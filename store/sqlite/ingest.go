package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// Ingest implements event.Sink.
func (s *Store) Ingest(ctx context.Context, b event.Batch) (stored []*event.Call, err error) {
	const op = "sqlite.Ingest"
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, unavailable(op, "the batch was given up", err)
	}
	archived := int64(math.MinInt64)
	if b.Again {
		if archived, err = boundary(ctx, s.read); err != nil {
			return nil, failure(op, err)
		}
	}
	calls := make([]*event.Call, 0, len(b.Calls))
	now, ahead := time.Now(), time.Duration(0)
	for i := range b.Calls {
		c, by := batch.Arrived(&b.Calls[i], now)
		ahead = max(ahead, by)
		if c.Ended.UnixMicro() >= archived { // its number was not lower than that
			calls = append(calls, c)
		}
	}
	s.clocks.Tell(s.log, b.Spool, ahead, s.last, now)
	err = s.ingest(b, calls)
	for try := 0; isConstraint(err) && try < maxWriters; try++ {
		// Some call is stored already, or another process has written. Both are
		// rare: look, and store the rest.
		if calls, err = s.unknown(ctx, calls); err == nil {
			if err = s.restart(ctx); err == nil {
				err = s.ingest(b, calls)
			}
		}
	}
	if err != nil {
		return nil, failure(op, err)
	}
	return calls, nil
}

// maxWriters is how often another process may come first with the same number.
const maxWriters = 10

func (s *Store) ingest(b event.Batch, calls []*event.Call) error {
	last := s.last
	added := map[event.Target]int64{}
	err := s.write.do(func(ctx context.Context) error {
		rows := make([]batch.Row, len(calls))
		sums, spend := batch.Rollups{}, batch.Spending{}
		number := func(t event.Target) (int64, error) { return s.targetID(ctx, t, added) }
		w := s.write
		w.calls.args, w.rollups.args, w.sums.args, w.past.args = w.calls.args[:0], w.rollups.args[:0], w.sums.args[:0], w.past.args[:0]
		for i, c := range calls {
			last = max(last+1, c.Ended.UnixMicro())
			rows[i] = batch.Row{Seq: last, Call: c}
			id, err := number(c.Target())
			if err != nil {
				return err
			}
			if err := sums.Add(c, number); err != nil {
				return err
			}
			spend.Add(c)
			if err := w.call(ctx, rows[i], id); err != nil {
				return err
			}
		}
		if err := w.calls.end(ctx); err != nil {
			return err
		}
		if err := w.blocks(ctx, rows); err != nil {
			return err
		}
		if err := writeRollups(ctx, sums, &w.rollups); err != nil {
			return err
		}
		var past int64
		if err := w.boundary.QueryRowContext(ctx).Scan(&past); err != nil {
			return err
		}
		if err := w.writeSums(ctx, sums.Coarse(batch.HourTime(past))); err != nil {
			return err
		}
		if err := writeSpending(ctx, spend, w.spend); err != nil {
			return err
		}
		if b.Position == (event.Position{}) {
			return nil
		}
		_, err := w.position.ExecContext(ctx, b.Spool, int64(b.Position.Segment), b.Position.Offset)
		return err
	})
	if err != nil {
		return err
	}
	s.last = last
	for t, id := range added {
		s.targets[t] = id
	}
	return nil
}

// unknown returns the calls that are not stored yet, each once.
func (s *Store) unknown(ctx context.Context, calls []*event.Call) ([]*event.Call, error) {
	seen := map[model.CallID]bool{}
	var out []*event.Call
	for _, c := range calls {
		id := c.ID
		var one int
		err := s.write.known.QueryRowContext(ctx, id[:]).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) && !seen[id] {
			seen[id] = true
			out = append(out, c)
		} else if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
	}
	return out, nil
}

// restart reads from the file what the writer keeps in memory.
func (s *Store) restart(ctx context.Context) error {
	clear(s.targets)
	return s.write.conn.QueryRowContext(ctx, `SELECT max(coalesce((SELECT max(seq) FROM calls), 0), (SELECT sealed FROM archive_boundary) - 1)`).Scan(&s.last)
}

// targetID returns the number of a target. New ones are noted in added until
// the transaction is through.
func (s *Store) targetID(ctx context.Context, t event.Target, added map[event.Target]int64) (int64, error) {
	if id, ok := s.targets[t]; ok {
		return id, nil
	}
	if id, ok := added[t]; ok {
		return id, nil
	}
	var id int64
	err := s.write.addTarget.QueryRowContext(ctx, string(t.Endpoint), string(t.Model), t.Provider).Scan(&id)
	added[t] = id
	return id, err
}

// Position implements event.Sink.
func (s *Store) Position(ctx context.Context, spool string) (p event.Position, err error) {
	var segment int64
	err = s.read.QueryRowContext(ctx, `SELECT segment, "offset" FROM spool_position WHERE spool = ?`, spool).Scan(&segment, &p.Offset)
	if errors.Is(err, sql.ErrNoRows) {
		return event.Position{}, nil
	}
	p.Segment = uint64(segment)
	return p, failure("sqlite.Position", err)
}
