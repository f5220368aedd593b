package postgres

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// Ingest implements event.Sink.
func (s *Store) Ingest(ctx context.Context, b event.Batch) (stored []*event.Call, err error) {
	calls := make([]*event.Call, 0, len(b.Calls))
	seen := make(map[model.CallID]bool, len(b.Calls))
	for i := range b.Calls {
		if c := &b.Calls[i]; !seen[c.ID] {
			seen[c.ID] = true
			calls = append(calls, cleaned(c))
		}
	}
	s.partition(ctx, calls)
	stored, err = s.ingest(ctx, b, calls)
	if refused(err) && s.forgetTargets() {
		stored, err = s.ingest(ctx, b, calls) // the database may have been restored to before a target was added
	}
	return stored, s.failure("postgres.Ingest", err)
}

// ingest stores what is new of the calls, and returns that. Between the first and
// the last statement no other process stores any.
func (s *Store) ingest(ctx context.Context, b event.Batch, calls []*event.Call) (stored []*event.Call, err error) {
	var added map[event.Target]int64
	err = s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		stored = stored[:0]
		clock, known, err := takeClock(ctx, tx, calls)
		if err != nil {
			return err
		}
		archived := int64(math.MinInt64)
		if b.Again {
			if err := tx.QueryRow(ctx, `SELECT below FROM archive_boundary`).Scan(&archived); err != nil {
				return err
			}
		}
		rows := make([]batch.Row, 0, len(calls))
		last, ahead := clock.last, time.Duration(0)
		for _, c := range calls {
			if known[c.ID] {
				continue
			}
			c, by := batch.Arrived(c, clock.now)
			ahead = max(ahead, by)
			if at := c.Ended.UnixMicro(); at >= archived { // its number was not lower than that
				last = max(last+1, at)
				rows, stored = append(rows, batch.Row{Seq: last, Call: c}), append(stored, c)
			}
		}
		s.clocks.Tell(s.log, b.Spool, ahead, clock.last, clock.now)
		if len(rows) == 0 {
			return writePosition(ctx, tx, b)
		}
		var ids map[event.Target]int64
		if ids, added, err = s.targetIDs(ctx, tx, rows); err != nil {
			return err
		}
		if err := copyCalls(ctx, tx, rows, ids); err != nil {
			return err
		}
		return s.writeSums(ctx, tx, b, rows, ids, clock.past)
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, id := range added {
		s.targets[t] = id
	}
	return stored, nil
}

// callClock is what calls are numbered by.
type callClock struct {
	last int64     // the number given last
	now  time.Time // of the server
	past time.Time // sums of cost_past are of calls that ended before
}

// takeClock waits until no other process stores calls, and returns the clock and
// which of the calls are stored already.
func takeClock(ctx context.Context, tx pgx.Tx, calls []*event.Call) (c callClock, known map[model.CallID]bool, err error) {
	known = map[model.CallID]bool{}
	q := &pgx.Batch{} // one round trip; each statement sees what was committed when it starts
	q.Queue(`SELECT last, clock_timestamp() FROM call_clock FOR UPDATE`).QueryRow(func(row pgx.Row) error { return row.Scan(&c.last, &c.now) })
	q.Queue(askPast).QueryRow(func(row pgx.Row) error { return row.Scan(&c.past) })
	if len(calls) > 0 {
		ids := make([]model.CallID, len(calls))
		for i, c := range calls {
			ids[i] = c.ID
		}
		queueStored(q, ids, known)
	}
	err = tx.SendBatch(ctx, q).Close() // scans what was asked
	return c, known, err
}

// queueStored asks which calls are stored: one look into the index for each,
// whatever the planner believes of a month that has just begun.
func queueStored(q *pgx.Batch, calls []model.CallID, known map[model.CallID]bool) {
	ids := make([]pgtype.UUID, len(calls))
	for i, id := range calls {
		ids[i] = pgtype.UUID{Bytes: id, Valid: true}
	}
	q.Queue(`SELECT c.id FROM unnest($1::uuid[]) AS u(id) CROSS JOIN LATERAL (SELECT id FROM calls WHERE id = u.id LIMIT 1) c`, ids).Query(func(rows pgx.Rows) error {
		var id [16]byte
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error { known[id] = true; return nil })
		return err
	})
}

var callColumns = []string{
	"id", "seq", "started", "ended", "target", "state", "task", "strategy", "user_id", "workflow_id", "stage", "session_id",
	"key_id", "team", "project", "supervisor", "tags",
}

func copyCalls(ctx context.Context, tx pgx.Tx, rows []batch.Row, targets map[event.Target]int64) error {
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"calls"}, callColumns, pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		c := rows[i].Call
		var started any
		if !c.Started.IsZero() {
			started = c.Started
		}
		var tags any
		if len(c.Tags) > 0 {
			tags = c.Tags
		}
		return []any{
			[16]byte(c.ID), rows[i].Seq, started, c.Ended, targets[c.Target()], string(c.State), c.Task.String(), orNull(c.Strategy),
			orNull(c.User), orNull(c.Workflow), orNull(c.Stage), orNull(c.Session),
			orNull(string(c.Key)), orNull(c.Team), orNull(c.Project), orNull(c.Supervisor), tags,
		}, nil
	}))
	return err
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// writeSums stores what comes with the rows: documents, rollups, charges, the
// clock and the position, in one round trip.
func (s *Store) writeSums(ctx context.Context, tx pgx.Tx, b event.Batch, rows []batch.Row, targets map[event.Target]int64, past time.Time) error {
	q := &pgx.Batch{}
	sums, spend := batch.Rollups{}, batch.Spending{}
	number := func(t event.Target) (int64, error) { return targets[t], nil }
	for _, r := range rows {
		if err := sums.Add(r.Call, number); err != nil {
			return err
		}
		spend.Add(r.Call)
	}
	q.Queue(`UPDATE call_clock SET last = $1`, rows[len(rows)-1].Seq)
	p := s.packers.Get().(*batch.Packer)
	defer s.packers.Put(p)
	queueBlocks(q, p, rows)
	queueRollups(q, sums)
	queueSums(q, sums.Coarse(past))
	queueSpending(q, spend, b.Spool, rows[len(rows)-1].Seq)
	queuePosition(q, b)
	return tx.SendBatch(ctx, q).Close()
}

func queueBlocks(q *pgx.Batch, p *batch.Packer, rows []batch.Row) {
	for len(rows) > 0 {
		n := batch.BlockSize(rows)
		oldest, newest := rows[0].Call.Ended, rows[0].Call.Ended
		for _, r := range rows[1:n] {
			oldest, newest = earlier(oldest, r.Call.Ended), later(newest, r.Call.Ended)
		}
		records, plans := p.Pack(rows[0].Seq, rows[:n])
		q.Queue(`INSERT INTO call_blocks (seq, last, oldest, newest, records, plans) VALUES ($1, $2, $3, $4, $5, $6)`,
			rows[0].Seq, rows[n-1].Seq, oldest, newest, bytes.Clone(records), bytes.Clone(plans))
		rows = rows[n:]
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func queuePosition(q *pgx.Batch, b event.Batch) {
	if b.Position == (event.Position{}) {
		return
	}
	q.Queue(`INSERT INTO spool_position (spool, segment, "offset") VALUES ($1, $2, $3)
		ON CONFLICT (spool) DO UPDATE SET segment = excluded.segment, "offset" = excluded."offset"`,
		b.Spool, int64(b.Position.Segment), b.Position.Offset)
}

func writePosition(ctx context.Context, tx pgx.Tx, b event.Batch) error {
	q := &pgx.Batch{}
	queuePosition(q, b)
	return tx.SendBatch(ctx, q).Close()
}

// targetIDs returns the numbers of the targets of the rows, and which of them
// are not remembered yet: they are not there before the transaction is through.
func (s *Store) targetIDs(ctx context.Context, tx pgx.Tx, rows []batch.Row) (ids, added map[event.Target]int64, err error) {
	ids, added = map[event.Target]int64{}, map[event.Target]int64{}
	var unknown []event.Target
	number := func(t event.Target) {
		if _, asked := ids[t]; asked {
			return
		}
		id, ok := s.targets[t]
		if ids[t] = id; !ok {
			unknown = append(unknown, t)
		}
	}
	s.mu.Lock()
	for _, r := range rows {
		number(r.Call.Target())
		for t := range r.Call.Parts() {
			number(t)
		}
	}
	s.mu.Unlock()
	if len(unknown) == 0 {
		return ids, added, nil
	}
	if added, err = addTargets(ctx, tx, unknown); err != nil {
		return nil, nil, err
	}
	maps.Copy(ids, added)
	return ids, added, nil
}

// addTargets returns the numbers of targets, each named once, and gives one to
// those that have none.
func addTargets(ctx context.Context, tx pgx.Tx, targets []event.Target) (map[event.Target]int64, error) {
	var endpoints, models, providers []string
	for _, t := range targets {
		endpoints, models, providers = append(endpoints, string(t.Endpoint)), append(models, string(t.Model)), append(providers, t.Provider)
	}
	found, err := tx.Query(ctx, `INSERT INTO targets (endpoint, model, provider) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
		ON CONFLICT (endpoint, model, provider) DO UPDATE SET endpoint = excluded.endpoint RETURNING id, endpoint, model, provider`,
		endpoints, models, providers)
	if err != nil {
		return nil, err
	}
	ids := make(map[event.Target]int64, len(targets))
	var t event.Target
	var id int64
	_, err = pgx.ForEachRow(found, []any{&id, (*string)(&t.Endpoint), (*string)(&t.Model), &t.Provider}, func() error {
		ids[t] = id
		return nil
	})
	return ids, err
}

// forgetTargets reports whether there were any.
func (s *Store) forgetTargets() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := len(s.targets) > 0
	clear(s.targets)
	return had
}

// Position implements event.Sink.
func (s *Store) Position(ctx context.Context, spool string) (p event.Position, err error) {
	var segment int64
	err = s.row(ctx, `SELECT segment, "offset" FROM spool_position WHERE spool = $1`, []any{spool}, &segment, &p.Offset)
	if errors.Is(err, pgx.ErrNoRows) {
		return event.Position{}, nil
	}
	p.Segment = uint64(segment)
	return p, s.failure("postgres.Position", err)
}
