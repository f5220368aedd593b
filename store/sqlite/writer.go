package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	moderncsqlite "modernc.org/sqlite"

	"github.com/cartrita/cartrita/store/batch"
)

// writer is the one connection that writes, with its statements prepared. Its
// statements run without the caller's context: the driver starts a goroutine
// for every statement that could be cancelled.
type writer struct {
	conn      *sql.Conn
	calls     bulk
	rollups   bulk
	sums      bulk
	past      bulk
	block     *sql.Stmt
	position  *sql.Stmt
	spend     *sql.Stmt
	addTarget *sql.Stmt
	known     *sql.Stmt
	boundary  *sql.Stmt // of cost_past
	pack      batch.Packer
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{conn: conn, calls: bulk{columns: 16}, rollups: bulk{columns: 20}, sums: bulk{columns: 21}, past: bulk{columns: 21}}
	const insert = `INSERT INTO calls (seq, id, started, target, state, task, strategy, user_id, workflow_id, stage, session_id, key_id, team, project, supervisor, tags) VALUES `
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&w.calls.many, insert + w.calls.values(bulkRows)},
		{&w.calls.one, insert + w.calls.values(1)},
		{&w.rollups.many, rollupInsert + w.rollups.values(bulkRows) + tallyAdd("cost_rollup")},
		{&w.rollups.one, rollupInsert + w.rollups.values(1) + tallyAdd("cost_rollup")},
		{&w.sums.many, `INSERT INTO cost_sums ` + sumColumns + w.sums.values(bulkRows) + tallyAdd("cost_sums")},
		{&w.sums.one, `INSERT INTO cost_sums ` + sumColumns + w.sums.values(1) + tallyAdd("cost_sums")},
		{&w.past.many, `INSERT INTO cost_past ` + sumColumns + w.past.values(bulkRows) + tallyAdd("cost_past")},
		{&w.past.one, `INSERT INTO cost_past ` + sumColumns + w.past.values(1) + tallyAdd("cost_past")},
		{&w.block, `INSERT INTO call_blocks (seq, records, plans) VALUES (?, ?, ?)`},
		{&w.position, `INSERT INTO spool_position VALUES (?, ?, ?)
			ON CONFLICT (spool) DO UPDATE SET segment = excluded.segment, "offset" = excluded."offset"`},
		{&w.spend, `INSERT INTO budget_spend (budget, period, calls, cost, assumed, tokens, requests) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, cost = cost + excluded.cost, assumed = assumed + excluded.assumed,
			tokens = tokens + excluded.tokens, requests = requests + excluded.requests`},
		{&w.addTarget, `INSERT INTO targets (endpoint, model, provider) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET endpoint = excluded.endpoint RETURNING id`},
		{&w.boundary, askPast},
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
	for _, s := range []*sql.Stmt{w.calls.many, w.calls.one, w.rollups.many, w.rollups.one, w.sums.many, w.sums.one, w.past.many, w.past.one, w.block, w.position, w.spend, w.addTarget, w.known, w.boundary} {
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

// call adds the row of a call.
func (w *writer) call(ctx context.Context, r batch.Row, target int64) error {
	c := r.Call
	var started any
	if !c.Started.IsZero() {
		started = c.Started.UnixMicro()
	}
	return w.calls.row(ctx, r.Seq, c.ID[:], started, target, string(c.State), c.Task.String(), orNull(c.Strategy),
		orNull(c.User), orNull(c.Workflow), orNull(c.Stage), orNull(c.Session),
		orNull(string(c.Key)), orNull(c.Team), orNull(c.Project), orNull(c.Supervisor), tagsOrNull(c.Tags))
}

// tagsOrNull writes tags as a JSON array.
func tagsOrNull(tags []string) any {
	if len(tags) == 0 {
		return nil
	}
	doc, err := json.Marshal(tags)
	if err != nil {
		panic("sqlite: strings cannot be written as JSON: " + err.Error()) // they always can
	}
	return string(doc)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (w *writer) blocks(ctx context.Context, rows []batch.Row) error {
	for len(rows) > 0 {
		n := batch.BlockSize(rows)
		records, plans := w.pack.Pack(rows[0].Seq, rows[:n])
		if _, err := w.block.ExecContext(ctx, rows[0].Seq, records, plans); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// bulk inserts rows many at a time: a statement costs more than a row.
type bulk struct {
	columns   int
	many, one *sql.Stmt
	args      []any // of rows that wait for a statement
}

const bulkRows = 16

// values is the part of a statement that stands for n rows.
func (b *bulk) values(n int) string {
	one := "(?" + strings.Repeat(",?", b.columns-1) + ")"
	return one + strings.Repeat(","+one, n-1)
}

// row adds one row.
func (b *bulk) row(ctx context.Context, args ...any) error {
	b.args = append(b.args, args...)
	if len(b.args) < bulkRows*b.columns {
		return nil
	}
	_, err := b.many.ExecContext(ctx, b.args...)
	b.args = b.args[:0]
	return err
}

// end inserts the rows that wait.
func (b *bulk) end(ctx context.Context) error {
	for i := 0; i < len(b.args); i += b.columns {
		if _, err := b.one.ExecContext(ctx, b.args[i:i+b.columns]...); err != nil {
			return err
		}
	}
	b.args = b.args[:0]
	return nil
}

// isBusy reports whether another process stands in the way.
func isBusy(err error) bool {
	const busy = 5 // primary code; extended codes carry it in the low byte
	var e *moderncsqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == busy
}

// isConstraint reports whether the values, not the circumstances, are at fault.
func isConstraint(err error) bool {
	const constraint = 19 // likewise
	var e *moderncsqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == constraint
}
