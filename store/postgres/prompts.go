package postgres

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/nearest"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

var _ event.PromptStore = (*Store)(nil)

// promptStep is how many vectors are removed, or shown, at once: some megabytes.
const promptStep = 500

// SavePrompts implements event.PromptStore.
func (s *Store) SavePrompts(ctx context.Context, ps []event.Prompt) error {
	const op = "postgres.SavePrompts"
	q := &pgx.Batch{}
	lengths := map[int]bool{}
	ps = slices.SortedFunc(slices.Values(ps), func(a, b event.Prompt) int { return bytes.Compare(a.Call[:], b.Call[:]) }) // else two writers wait for each other's rows
	for i := range ps {
		p := &ps[i]
		if err := p.Check(op); err != nil {
			return err
		}
		lengths[len(p.Vector)] = true
		q.Queue(`INSERT INTO prompt_embeddings (call, at, embedder, dimensions, embedding) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (call) DO UPDATE SET at = excluded.at, embedder = excluded.embedder, dimensions = excluded.dimensions, embedding = excluded.embedding`,
			[16]byte(p.Call), p.At.Truncate(time.Microsecond), text(string(p.Embedder)), len(p.Vector), p.Vector)
	}
	if q.Len() == 0 {
		return nil
	}
	err := s.update(ctx, func(ctx context.Context, tx pgx.Tx) error { return tx.SendBatch(ctx, q).Close() })
	if err != nil {
		return s.failure(op, err)
	}
	s.index(ctx, promptVectors, slices.Collect(maps.Keys(lengths))...)
	return nil
}

const selectPrompts = `SELECT call, at, embedder, embedding FROM prompt_embeddings`

func scanPrompt(row pgx.CollectableRow) (p event.Prompt, err error) {
	err = row.Scan((*[16]byte)(&p.Call), &p.At, (*string)(&p.Embedder), &p.Vector)
	p.At = p.At.UTC()
	return p, err
}

// Prompt implements event.PromptStore.
func (s *Store) Prompt(ctx context.Context, id model.CallID) (event.Prompt, error) {
	const op = "postgres.Prompt"
	found, err := list(ctx, s, op, selectPrompts+` WHERE call = $1`, []any{[16]byte(id)}, scanPrompt)
	if err == nil && len(found) == 0 {
		err = model.Errorf(op, model.KindNotFound, "no vector of the prompt of call %s is stored", id)
	}
	if err != nil {
		return event.Prompt{}, err
	}
	return found[0], nil
}

// NearestPrompts implements event.PromptStore.
func (s *Store) NearestPrompts(ctx context.Context, q *event.PromptQuery) ([]event.PromptNeighbour, error) {
	const op = "postgres.NearestPrompts"
	asked, none, err := s.promptQuestion(ctx, q)
	if err != nil || none {
		return nil, s.failure(op, err)
	}
	found, err := search(ctx, s, op, asked, q.K)
	if err != nil {
		return nil, err
	}
	return found, s.failure(op, batch.Neighbours(found, func(calls []event.Call) error { return s.fillCalls(ctx, calls, false) }))
}

// promptQuestion words a query; none: nothing can match.
func (s *Store) promptQuestion(ctx context.Context, q *event.PromptQuery) (asked *question[event.PromptNeighbour], none bool, err error) {
	vectors := &query{}
	vectors.add(`embedder = ?`, text(string(q.Embedder)))
	if !q.Filter.Since.IsZero() {
		vectors.add(` AND at >= ?`, q.Filter.Since)
	}
	if !q.Filter.Until.IsZero() {
		vectors.add(` AND at < ?`, q.Filter.Until)
	}
	f := q.Filter
	f.Since, f.Until, f.Cursor = time.Time{}, time.Time{}, "" // of the vectors, which have them at hand
	calls := &query{args: vectors.args}
	if err := callConditions(calls, f, false); err != nil {
		return nil, false, err
	}
	if f.Model != "" || f.Endpoint != "" || f.Provider != "" {
		ids, err := s.findTargets(ctx, f)
		if err != nil || len(ids) == 0 {
			return nil, true, err
		}
		calls.add(` AND target = ANY(?)`, ids)
	}
	return &question[event.PromptNeighbour]{
		table: promptVectors, columns: `call, embedding`, where: vectors.text, args: calls.args, vector: q.Vector,
		join: func(part string, candidates bool) string {
			kind := ` JOIN `
			if candidates {
				kind = ` LEFT JOIN `
			}
			return `SELECT call, embedding, seq, started, ended, strategy FROM (` + part + `) p` + kind + `calls ON id = call` + calls.text
		},
		sieved:  calls.text != "",
		scan:    func(rows pgx.Rows) (event.PromptNeighbour, bool, error) { return scanNeighbour(rows, q.Vector) },
		compare: func(a, b event.PromptNeighbour) int { return a.Compare(&b) },
		score:   func(n event.PromptNeighbour) float64 { return n.Score },
	}, false, nil
}

// scanNeighbour reads a vector and its call; one without a call is not wanted.
func scanNeighbour(rows pgx.Rows, v []float32) (n event.PromptNeighbour, wanted bool, err error) {
	var found []float32
	var seq *int64
	var started, ended *time.Time
	var strategy *string
	if err := rows.Scan((*[16]byte)(&n.ID), &found, &seq, &started, &ended, &strategy); err != nil {
		return n, false, err
	}
	n.Score = nearest.Cosine(v, found)
	if seq == nil {
		return n, false, nil
	}
	n.Seq, n.Ended = *seq, ended.UTC()
	if started != nil {
		n.Started = started.UTC()
	}
	if strategy != nil {
		n.Strategy = *strategy
	}
	return n, true, nil
}

// ForgetPrompts implements event.PromptStore.
func (s *Store) ForgetPrompts(ctx context.Context, before time.Time) (forgotten int64, err error) {
	for n := int64(promptStep); n == promptStep; forgotten += n {
		err := s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
			done, err := tx.Exec(ctx, `DELETE FROM prompt_embeddings WHERE call IN (SELECT call FROM prompt_embeddings WHERE at < $1 LIMIT $2)`, before, promptStep)
			n = done.RowsAffected()
			return err
		})
		if err != nil {
			return forgotten, s.failure("postgres.ForgetPrompts", err)
		}
	}
	return forgotten, nil
}

// WalkPrompts implements database.Export.
func (s *Store) WalkPrompts(ctx context.Context, visit func([]event.Prompt) error) error {
	for after := (model.CallID{}); ; {
		some, err := list(ctx, s, "postgres.WalkPrompts", selectPrompts+` WHERE call > $1 ORDER BY call LIMIT $2`, []any{[16]byte(after), promptStep}, scanPrompt)
		if err != nil {
			return err
		}
		if len(some) > 0 {
			if err := visit(some); err != nil {
				return err
			}
			after = some[len(some)-1].Call
		}
		if len(some) < promptStep {
			return nil
		}
	}
}

// forgetAlone drops the vectors below a number whose calls are gone.
func forgetAlone(ctx context.Context, tx pgx.Tx, below int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM prompt_embeddings WHERE at < $1 AND NOT EXISTS (SELECT 1 FROM calls WHERE id = call)`, time.UnixMicro(below))
	return err
}
