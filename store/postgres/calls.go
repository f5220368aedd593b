package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// Call implements event.Reader.
func (s *Store) Call(ctx context.Context, id model.CallID) (*model.Record, error) {
	const op = "postgres.Call"
	var b block
	var seq int64
	err := s.row(ctx, `SELECT c.seq, b.seq, b.records, b.plans FROM calls c
		CROSS JOIN LATERAL (SELECT * FROM call_blocks WHERE seq <= c.seq ORDER BY seq DESC LIMIT 1) b WHERE c.id = $1`,
		[]any{[16]byte(id)}, &seq, &b.seq, &b.records, &b.plans)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, model.Errorf(op, model.KindNotFound, "no call %s is stored", id)
	}
	if err != nil {
		return nil, s.failure(op, err)
	}
	entries, err := batch.Unpack(b.seq, b.records, b.plans)
	if err != nil {
		return nil, s.failure(op, err)
	}
	e, err := find(entries, seq)
	if err != nil {
		return nil, s.failure(op, err)
	}
	return event.ParseRecord(e.Record, e.Plan)
}

// Calls implements event.Reader. It lists by seq: a call that was stored late,
// because its process could not reach the database, stands where it came.
func (s *Store) Calls(ctx context.Context, f event.Filter) (event.Page, error) {
	const op = "postgres.Calls"
	q, err := s.selectCalls(ctx, f)
	if err != nil || q == nil {
		return event.Page{}, s.failure(op, err)
	}
	calls, err := list(ctx, s, op, q.text, q.args, scanCall)
	if err != nil {
		return event.Page{}, err
	}
	page := event.Page{Calls: calls}
	if n := f.PageSize(); len(page.Calls) > n {
		page.Calls = page.Calls[:n]
		page.Next = strconv.FormatInt(page.Calls[n-1].Seq, 36)
	}
	return page, s.failure(op, s.fillCalls(ctx, page.Calls, f.Plans))
}

// scanCall reads seq, started, ended and strategy.
func scanCall(row pgx.CollectableRow) (c event.Call, err error) {
	var started *time.Time
	var strategy *string
	if err = row.Scan(&c.Seq, &started, &c.Ended, &strategy); err != nil {
		return c, err
	}
	if c.Ended = c.Ended.UTC(); started != nil {
		c.Started = started.UTC()
	}
	if strategy != nil {
		c.Strategy = *strategy
	}
	return c, nil
}

// fillCalls adds the documents to calls, which are in the order of seq, either way.
func (s *Store) fillCalls(ctx context.Context, calls []event.Call, plans bool) error {
	if len(calls) == 0 {
		return nil
	}
	blocks, err := s.blocksOf(ctx, calls, plans)
	if err != nil {
		return err
	}
	var entries []batch.Entry
	var of int64 // the block that the entries are of
	for i := range calls {
		c := &calls[i]
		b := blocks[c.Seq]
		if b == nil {
			return batch.ErrBlock
		}
		if b.seq != of {
			if entries, err = batch.Unpack(b.seq, b.records, b.plans); err != nil {
				return err
			}
			of = b.seq
		}
		e, err := find(entries, c.Seq)
		if err != nil {
			return err
		}
		if c.Record, err = event.ParseRecord(e.Record, e.Plan); err != nil {
			return err
		}
		strategy := c.Strategy // the record may come without the plan that has it
		c.Summary = event.Summarize(c.Record)
		c.Strategy = strategy
	}
	return nil
}

// blocksOf returns the blocks that hold the documents of calls, by the calls' seq.
func (s *Store) blocksOf(ctx context.Context, calls []event.Call, plans bool) (map[int64]*block, error) {
	seqs := make([]int64, len(calls))
	for i := range calls {
		seqs[i] = calls[i].Seq
	}
	column := `NULL::bytea`
	if plans {
		column = `b.plans`
	}
	// First which blocks, then each once: many calls are in one.
	rows, err := list(ctx, s, "postgres.Calls", `WITH found AS (
			SELECT array_agg(c.seq) AS calls, b.seq FROM unnest($1::bigint[]) AS c(seq)
			CROSS JOIN LATERAL (SELECT seq FROM call_blocks WHERE seq <= c.seq ORDER BY seq DESC LIMIT 1) b GROUP BY b.seq)
		SELECT found.calls, b.seq, b.records, `+column+` FROM found JOIN call_blocks b ON b.seq = found.seq`,
		[]any{seqs}, func(row pgx.CollectableRow) (b block, err error) {
			err = row.Scan(&b.calls, &b.seq, &b.records, &b.plans)
			return b, err
		})
	if err != nil {
		return nil, err
	}
	out := make(map[int64]*block, len(calls))
	for i := range rows {
		for _, seq := range rows[i].calls {
			out[seq] = &rows[i]
		}
	}
	return out, nil
}

// block is a row of call_blocks.
type block struct {
	seq            int64
	calls          []int64   // of a page, that it holds
	oldest, newest time.Time // when its calls ended; of a walk
	records, plans []byte
}

func find(entries []batch.Entry, seq int64) (*batch.Entry, error) {
	for i := range entries {
		if entries[i].Seq == seq {
			return &entries[i], nil
		}
	}
	return nil, batch.ErrBlock
}

// query is a query under construction.
type query struct {
	text string
	args []any
}

// add appends text in which "?" stands for the value.
func (q *query) add(text string, value any) {
	q.args = append(q.args, value)
	q.text += strings.Replace(text, "?", "$"+strconv.Itoa(len(q.args)), 1)
}

// maxTargets is the number of targets up to which each is walked by its own
// index, newest first; beyond it all calls are.
const maxTargets = 16

// selectCalls writes the query for a page, newest first, with one row more
// than the page holds. Without it (nil) nothing can match. Every form walks an
// index in order and stops after the page.
func (s *Store) selectCalls(ctx context.Context, f event.Filter) (*query, error) {
	const columns = `SELECT seq, started, ended, strategy FROM calls`
	limit := ` LIMIT ` + strconv.Itoa(f.PageSize()+1)
	q := &query{text: columns + ` WHERE true`}
	if f.Tag != "" {
		if may, err := s.narrowTag(ctx, &f); err != nil || !may {
			return nil, err
		}
	}
	byTarget := f.Model != "" || f.Endpoint != "" || f.Provider != ""
	own := f.User != "" || f.Workflow != "" || f.Session != "" || f.Key != "" || f.Team != "" || f.Project != "" || f.Stage != "" || f.Supervisor != "" ||
		f.State == model.StateFailed || f.State == model.StatePlanned || f.Strategy != "" && !byTarget
	var ids []int64
	if byTarget {
		var err error
		if ids, err = s.findTargets(ctx, f); err != nil || len(ids) == 0 {
			return nil, err
		}
	}
	each := byTarget && !own && len(ids) <= maxTargets
	if err := callConditions(q, f, own || each); err != nil {
		return nil, err
	}
	if byTarget && !each {
		q.add(` AND target = ANY(?)`, ids)
	}
	switch {
	case each:
		inner := q.text
		q.text = `SELECT c.* FROM `
		q.add(`unnest(?::bigint[]) AS t(id)`, ids)
		q.text += ` CROSS JOIN LATERAL (` + inner + ` AND target = t.id ORDER BY -seq` + limit + `) c ORDER BY c.seq DESC` + limit
	case own:
		q.text += ` ORDER BY -seq` + limit
	default:
		q.text += ` ORDER BY seq DESC` + limit
	}
	return q, nil
}

// narrowTag reports whether there may be calls of a tag. No index has tags, but
// the sums have those of calls that ended; what they don't have, only decisions
// without a call can have.
func (s *Store) narrowTag(ctx context.Context, f *event.Filter) (may bool, err error) {
	err = s.row(ctx, `SELECT EXISTS (SELECT 1 FROM cost_sums WHERE unit = 'month' AND dimension = 'tag' AND value = $1)`, []any{text(f.Tag)}, &may)
	if err != nil || may {
		return may, err
	}
	if f.State == "" {
		f.State = model.StatePlanned
	}
	return f.State == model.StatePlanned, nil
}

// callConditions writes the part of the condition that is on calls itself.
// With negative it says of -seq what it would say of seq, for the indexes that
// have that.
func callConditions(q *query, f event.Filter, negative bool) error {
	seq := func(condition, negated string, arg any) {
		if negative {
			condition = negated
		}
		q.add(` AND `+condition, arg)
	}
	if !f.Since.IsZero() {
		seq(`seq >= ?`, `-seq <= -(?::bigint)`, f.Since.UnixMicro()) // never below ended
		q.add(` AND ended >= ?`, f.Since)
	}
	if !f.Until.IsZero() {
		q.add(` AND ended < ?`, f.Until)
		// Where to begin: at the last block that holds such a call.
		const last = `(SELECT last FROM call_blocks WHERE oldest < ? ORDER BY seq DESC LIMIT 1)`
		seq(`seq <= `+last, `-seq >= -`+last, f.Until)
	}
	if f.Cursor != "" {
		cursor, err := strconv.ParseInt(f.Cursor, 36, 64)
		if err != nil {
			return model.Invalidf("postgres.Calls", "cursor", "is not one that a page gave")
		}
		seq(`seq < ?`, `-seq > -(?::bigint)`, cursor)
	}
	switch f.State {
	case "":
	case model.StateFailed, model.StatePlanned:
		q.text += ` AND state = '` + string(f.State) + `'` // literally: only then its partial index is used
	default:
		q.add(` AND state = ?`, string(f.State))
	}
	if f.Task != nil {
		q.add(` AND task = ?`, f.Task.String())
	}
	for _, c := range [...]struct{ column, value string }{
		{`strategy`, f.Strategy}, {`user_id`, f.User}, {`workflow_id`, f.Workflow}, {`stage`, f.Stage}, {`session_id`, f.Session},
		{`key_id`, string(f.Key)}, {`team`, f.Team}, {`project`, f.Project}, {`supervisor`, f.Supervisor},
	} {
		if c.value != "" {
			q.add(` AND `+c.column+` = ?`, text(c.value))
		}
	}
	if f.Tag != "" {
		q.add(` AND tags @> ARRAY[?::text]`, text(f.Tag))
	}
	return nil
}

// findTargets returns the numbers of the targets that match.
func (s *Store) findTargets(ctx context.Context, f event.Filter) ([]int64, error) {
	q := &query{text: `SELECT id FROM targets t WHERE true`}
	targetConditions(q, f.Model, f.Endpoint, f.Provider)
	return list(ctx, s, "postgres.Calls", q.text, q.args, pgx.RowTo[int64])
}

func targetConditions(q *query, m model.ModelID, e model.EndpointID, provider string) {
	for _, c := range [...]struct{ column, value string }{{`model`, string(m)}, {`endpoint`, string(e)}, {`provider`, provider}} {
		if c.value != "" {
			q.add(` AND t.`+c.column+` = ?`, text(c.value))
		}
	}
}
