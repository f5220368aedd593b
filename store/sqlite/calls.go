package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// Call implements event.Reader.
func (s *Store) Call(ctx context.Context, id model.CallID) (*model.Record, error) {
	const op = "sqlite.Call"
	var seq int64
	err := s.read.QueryRowContext(ctx, `SELECT seq FROM calls WHERE id = ?`, id[:]).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, model.Errorf(op, model.KindNotFound, "no call %s is stored", id)
	}
	if err != nil {
		return nil, failure(op, err)
	}
	e, err := (&blockReader{db: s.read, plans: true}).entry(ctx, seq)
	if err != nil {
		return nil, failure(op, err)
	}
	return event.ParseRecord(e.Record, e.Plan)
}

// Calls implements event.Reader.
func (s *Store) Calls(ctx context.Context, f event.Filter) (event.Page, error) {
	const op = "sqlite.Calls"
	q, err := s.selectCalls(ctx, f)
	if err != nil || q == nil {
		return event.Page{}, failure(op, err)
	}
	rows, err := s.read.QueryContext(ctx, q.text.String(), q.args...)
	if err != nil {
		return event.Page{}, failure(op, err)
	}
	defer rows.Close()
	var page event.Page
	if page.Calls, err = scanCalls(rows); err != nil {
		return event.Page{}, failure(op, err)
	}
	if n := f.PageSize(); len(page.Calls) > n {
		page.Calls = page.Calls[:n]
		page.Next = strconv.FormatInt(page.Calls[n-1].Seq, 36)
	}
	return page, failure(op, s.fillCalls(ctx, page.Calls, f.Plans))
}

// scanCalls reads rows of seq, started and strategy.
func scanCalls(rows *sql.Rows) (out []event.Call, err error) {
	for rows.Next() {
		var c event.Call
		var started sql.NullInt64
		var strategy sql.NullString
		if err := rows.Scan(&c.Seq, &started, &strategy); err != nil {
			return nil, err
		}
		if started.Valid {
			c.Started = time.UnixMicro(started.Int64).UTC()
		}
		c.Strategy = strategy.String
		out = append(out, c)
	}
	return out, rows.Err()
}

// fillCalls adds the documents to calls, which are in the order of seq, either way.
func (s *Store) fillCalls(ctx context.Context, calls []event.Call, plans bool) error {
	r := blockReader{db: s.read, plans: plans}
	for i := range calls {
		c := &calls[i]
		e, err := r.entry(ctx, c.Seq)
		if err != nil {
			return err
		}
		c.Ended = time.UnixMicro(e.Ended).UTC()
		if c.Record, err = event.ParseRecord(e.Record, e.Plan); err != nil {
			return err
		}
		strategy := c.Strategy // the record may come without the plan that has it
		c.Summary = event.Summarize(c.Record)
		c.Strategy = strategy
	}
	return nil
}

// blockReader finds the documents of calls; it keeps the block read last.
type blockReader struct {
	db      *sql.DB
	plans   bool
	entries []batch.Entry
}

func (r *blockReader) entry(ctx context.Context, seq int64) (*batch.Entry, error) {
	if len(r.entries) == 0 || seq < r.entries[0].Seq || seq > r.entries[len(r.entries)-1].Seq {
		query := `SELECT seq, records, NULL FROM call_blocks WHERE seq <= ? ORDER BY seq DESC LIMIT 1`
		if r.plans {
			query = `SELECT seq, records, plans FROM call_blocks WHERE seq <= ? ORDER BY seq DESC LIMIT 1`
		}
		var first int64
		var records, plans []byte
		if err := r.db.QueryRowContext(ctx, query, seq).Scan(&first, &records, &plans); err != nil {
			return nil, err
		}
		var err error
		if r.entries, err = batch.Unpack(first, records, plans); err != nil {
			return nil, err
		}
	}
	for i := range r.entries {
		if r.entries[i].Seq == seq {
			return &r.entries[i], nil
		}
	}
	return nil, batch.ErrBlock
}

// callQuery is a query under construction.
type callQuery struct {
	text strings.Builder
	args []any
}

// maxTargets is the number of targets up to which each is walked by its own
// index, newest first; beyond it all calls are.
const maxTargets = 16

// selectCalls writes the query for a page, newest first, with one row more
// than the page holds. Without it (nil) nothing can match. Every form walks an
// index whose last column is seq from its end and stops after the page.
func (s *Store) selectCalls(ctx context.Context, f event.Filter) (*callQuery, error) {
	if f.Tag != "" {
		if may, err := s.narrowTag(ctx, &f); err != nil || !may {
			return nil, err
		}
	}
	where, args, err := callConditions(f)
	if err != nil {
		return nil, err
	}
	limit := strconv.Itoa(f.PageSize() + 1)
	const columns = `SELECT seq, started, strategy FROM calls`
	q := new(callQuery)
	if f.Model == "" && f.Endpoint == "" && f.Provider == "" {
		q.text.WriteString(columns + where + ` ORDER BY seq DESC LIMIT ` + limit)
		q.args = args
		return q, nil
	}
	ids, err := s.findTargets(ctx, f)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	if len(ids) > maxTargets || f.User != "" || f.Workflow != "" || f.Session != "" || f.Key != "" || f.Team != "" || f.Project != "" ||
		f.Stage != "" || f.Supervisor != "" || f.State == model.StatePlanned {
		q.text.WriteString(columns + where + ` AND +target IN (` + strings.Join(ids, ",") + `) ORDER BY seq DESC LIMIT ` + limit)
		q.args = args
		return q, nil
	}
	for i, id := range ids {
		if i > 0 {
			q.text.WriteString(` UNION ALL `)
		}
		q.text.WriteString(`SELECT * FROM (` + columns + ` INDEXED BY calls_target` + where + ` AND target = ` + id + ` ORDER BY seq DESC LIMIT ` + limit + `)`)
		q.args = append(q.args, args...)
	}
	q.text.WriteString(` ORDER BY seq DESC LIMIT ` + limit)
	return q, nil
}

// narrowTag reports whether there may be calls of a tag. No index has tags, but
// the sums have those of calls that ended; what they don't have, only decisions
// without a call can have.
func (s *Store) narrowTag(ctx context.Context, f *event.Filter) (may bool, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM cost_sums WHERE unit = 'month' AND dimension = 'tag' AND value = ?)`, f.Tag).Scan(&may)
	if err != nil || may {
		return may, err
	}
	if f.State == "" {
		f.State = model.StatePlanned
	}
	return f.State == model.StatePlanned, nil
}

// callConditions writes the part of the condition that is on calls itself.
func callConditions(f event.Filter) (string, []any, error) {
	var b strings.Builder
	b.WriteString(` WHERE 1`)
	var args []any
	add := func(cond string, arg any) {
		b.WriteString(` AND ` + cond)
		args = append(args, arg)
	}
	if !f.Since.IsZero() {
		add(`seq >= ?`, f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		add(`seq < ?`, f.Until.UnixMicro())
	}
	if f.Cursor != "" {
		seq, err := strconv.ParseInt(f.Cursor, 36, 64)
		if err != nil {
			return "", nil, model.Invalidf("sqlite.Calls", "cursor", "is not one that a page gave")
		}
		add(`seq < ?`, seq)
	}
	switch f.State {
	case "":
	case model.StateFailed, model.StatePlanned:
		b.WriteString(` AND state = '` + string(f.State) + `'`) // literally: only then its partial index is used
	default:
		add(`state = ?`, string(f.State))
	}
	if f.Task != nil {
		add(`task = ?`, f.Task.String())
	}
	for _, c := range [...]struct{ column, value string }{
		{`strategy`, f.Strategy}, {`user_id`, f.User}, {`workflow_id`, f.Workflow}, {`stage`, f.Stage}, {`session_id`, f.Session},
		{`key_id`, string(f.Key)}, {`team`, f.Team}, {`project`, f.Project}, {`supervisor`, f.Supervisor},
	} {
		if c.value != "" {
			add(c.column+` = ?`, c.value)
		}
	}
	if f.Tag != "" {
		add(`EXISTS (SELECT 1 FROM json_each(tags) WHERE json_each.value = ?)`, f.Tag)
	}
	return b.String(), args, nil
}

// findTargets returns the numbers of the targets that match.
func (s *Store) findTargets(ctx context.Context, f event.Filter) ([]string, error) {
	where, args := targetConditions(f.Model, f.Endpoint, f.Provider)
	rows, err := s.read.QueryContext(ctx, `SELECT id FROM targets t WHERE 1`+where, args...) //nolint:gosec // where holds column names of ours and question marks
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	return ids, rows.Err()
}

func targetConditions(m model.ModelID, e model.EndpointID, provider string) (where string, args []any) {
	for _, c := range [...]struct{ column, value string }{{`model`, string(m)}, {`endpoint`, string(e)}, {`provider`, provider}} {
		if c.value != "" {
			where += ` AND t.` + c.column + ` = ?`
			args = append(args, c.value)
		}
	}
	return where, args
}
