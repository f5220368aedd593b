package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	moderncsqlite "modernc.org/sqlite"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

const (
	sqliteConstraint = 19 // primary code; extended codes carry it in the low byte
	insertRows       = 16 // calls per insert statement
)

// writer is the one connection that writes, with its statements prepared. Its
// statements run without the caller's context: the driver starts a goroutine
// for every statement that could be cancelled.
type writer struct {
	conn      *sql.Conn
	insert    [2]*sql.Stmt // insertRows calls, and one
	block     *sql.Stmt
	rollup    *sql.Stmt
	position  *sql.Stmt
	addTarget *sql.Stmt
	known     *sql.Stmt
	args      []any
	pack      packer
}

const callColumns = 11

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{conn: conn}
	values := func(n int) string {
		one := "(?" + strings.Repeat(",?", callColumns-1) + ")"
		return one + strings.Repeat(","+one, n-1)
	}
	const insert = `INSERT INTO calls (seq, id, started, target, state, task, strategy, user_id, workflow_id, stage, session_id) VALUES `
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&w.insert[0], insert + values(insertRows)},
		{&w.insert[1], insert + values(1)},
		{&w.block, `INSERT INTO call_blocks (seq, records, plans) VALUES (?, ?, ?)`},
		{&w.rollup, rollupUpsert},
		{&w.position, `INSERT INTO spool_position VALUES (?, ?, ?)
			ON CONFLICT (spool) DO UPDATE SET segment = excluded.segment, "offset" = excluded."offset"`},
		{&w.addTarget, `INSERT INTO targets (endpoint, model, provider) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET endpoint = excluded.endpoint RETURNING id`},
		{&w.known, `SELECT 1 FROM calls WHERE id = ?`},
	} {
		if *p.stmt, err = conn.PrepareContext(ctx, p.text); err != nil { //nolint:sqlclosecheck // writer.close closes them all
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

func (w *writer) close() error {
	var errs []error
	for _, s := range []*sql.Stmt{w.insert[0], w.insert[1], w.block, w.rollup, w.position, w.addTarget, w.known} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// do runs f in a transaction.
func (w *writer) do(f func(ctx context.Context) error) error {
	ctx := context.Background()
	if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f(ctx)
	if err == nil {
		_, err = w.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// After some errors SQLite has rolled back by itself; this one then fails
		// and changes nothing.
		_, _ = w.conn.ExecContext(ctx, "ROLLBACK")
	}
	return err
}

// Ingest implements event.Sink.
func (s *Store) Ingest(ctx context.Context, b event.Batch) error {
	const op = "sqlite.Ingest"
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return unavailable(op, "the batch was given up", err)
	}
	calls := make([]*event.Call, len(b.Calls))
	for i := range b.Calls {
		calls[i] = &b.Calls[i]
	}
	err := s.ingest(b, calls)
	if isConstraint(err) {
		// Some call is stored already, or another process has written. Both are
		// rare: look, and store the rest.
		if calls, err = s.unknown(ctx, calls); err == nil {
			if err = s.restart(ctx); err == nil {
				err = s.ingest(b, calls)
			}
		}
	}
	return failure(op, err)
}

func (s *Store) ingest(b event.Batch, calls []*event.Call) error {
	last := s.last
	added := map[target]int64{}
	err := s.write.do(func(ctx context.Context) error {
		rows := make([]row, len(calls))
		sums := rollups{}
		w := s.write
		w.args = w.args[:0]
		for i, c := range calls {
			last = max(last+1, c.Ended.UnixMicro())
			rows[i] = row{last, c}
			id, err := s.targetID(ctx, &c.Summary, added)
			if err != nil {
				return err
			}
			sums.add(c, id)
			w.args = appendCallArgs(w.args, rows[i], id)
			if len(w.args) == insertRows*callColumns {
				if _, err := w.insert[0].ExecContext(ctx, w.args...); err != nil {
					return err
				}
				w.args = w.args[:0]
			}
		}
		for i := 0; i < len(w.args); i += callColumns {
			if _, err := w.insert[1].ExecContext(ctx, w.args[i:i+callColumns]...); err != nil {
				return err
			}
		}
		if err := w.blocks(ctx, rows); err != nil {
			return err
		}
		if err := sums.write(ctx, w.rollup); err != nil {
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

func (w *writer) blocks(ctx context.Context, rows []row) error {
	for len(rows) > 0 {
		n := blockSize(rows)
		records, plans := w.pack.pack(rows[0].seq, rows[:n])
		if _, err := w.block.ExecContext(ctx, rows[0].seq, records, plans); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func appendCallArgs(args []any, r row, target int64) []any {
	c := r.call
	var started any
	if !c.Started.IsZero() {
		started = c.Started.UnixMicro()
	}
	return append(args, r.seq, c.ID[:], started, target, string(c.State), c.Task.String(), orNull(c.Strategy),
		orNull(c.User), orNull(c.Workflow), orNull(c.Stage), orNull(c.Session))
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
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
	return s.write.conn.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM calls`).Scan(&s.last)
}

// target is who served a call.
type target struct {
	endpoint model.EndpointID
	model    model.ModelID
	provider string
}

// targetID returns the number of the target of a call. New ones are noted in
// added until the transaction is through.
func (s *Store) targetID(ctx context.Context, c *event.Summary, added map[target]int64) (int64, error) {
	t := target{c.Endpoint, c.Model, c.Provider}
	if id, ok := s.targets[t]; ok {
		return id, nil
	}
	if id, ok := added[t]; ok {
		return id, nil
	}
	var id int64
	err := s.write.addTarget.QueryRowContext(ctx, string(t.endpoint), string(t.model), t.provider).Scan(&id)
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

func isConstraint(err error) bool {
	var e *moderncsqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqliteConstraint
}
