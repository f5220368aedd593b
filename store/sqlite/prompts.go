package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/nearest"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

var _ event.PromptStore = (*Store)(nil)

// promptStep is how many vectors are removed, or shown, at once: some megabytes,
// for which no other writer waits long.
const promptStep = 500

// SavePrompts implements event.PromptStore.
func (s *Store) SavePrompts(ctx context.Context, ps []event.Prompt) error {
	const op = "sqlite.SavePrompts"
	for i := range ps {
		if err := ps[i].Check(op); err != nil {
			return err
		}
	}
	return s.change(ctx, op, func(exec execer) error {
		for i := range ps {
			p := &ps[i]
			if err := exec(`INSERT OR REPLACE INTO prompt_embeddings (call, at, embedder, dimensions, embedding) VALUES (?, ?, ?, ?, ?)`,
				p.Call[:], p.At.UnixMicro(), string(p.Embedder), len(p.Vector), packVector(p.Vector)); err != nil {
				return err
			}
		}
		return nil
	})
}

const selectPrompts = `SELECT call, at, embedder, embedding FROM prompt_embeddings`

func scanPrompt(scan func(...any) error) (p event.Prompt, err error) {
	var id, packed []byte
	var at int64
	if err := scan(&id, &at, (*string)(&p.Embedder), &packed); err != nil {
		return p, err
	}
	p.Call, p.At, p.Vector = model.CallID(id), time.UnixMicro(at).UTC(), unpackVector(packed)
	return p, nil
}

// Prompt implements event.PromptStore.
func (s *Store) Prompt(ctx context.Context, id model.CallID) (event.Prompt, error) {
	const op = "sqlite.Prompt"
	p, err := scanPrompt(s.read.QueryRowContext(ctx, selectPrompts+` WHERE call = ?`, id[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return p, model.Errorf(op, model.KindNotFound, "no vector of the prompt of call %s is stored", id)
	}
	return p, failure(op, err)
}

// NearestPrompts implements event.PromptStore. It compares with every vector of
// the calls that the filter wants, one at a time.
func (s *Store) NearestPrompts(ctx context.Context, q *event.PromptQuery) ([]event.PromptNeighbour, error) {
	const op = "sqlite.NearestPrompts"
	condition, args, none, err := s.promptConditions(ctx, q)
	if err != nil || none {
		return nil, failure(op, err)
	}
	best := nearest.NewBest(q.K, func(a, b event.PromptNeighbour) int { return a.Compare(&b) })
	err = each(ctx, s.read, `SELECT call, seq, started, strategy, embedding FROM prompt_embeddings JOIN calls ON id = call`+condition, func(rows *sql.Rows) error {
		var n event.PromptNeighbour
		var id, packed sql.RawBytes
		var started sql.NullInt64
		var strategy sql.NullString
		if err := rows.Scan(&id, &n.Seq, &started, &strategy, &packed); err != nil {
			return err
		}
		if n.ID, n.Strategy = model.CallID(id), strategy.String; started.Valid {
			n.Started = time.UnixMicro(started.Int64).UTC()
		}
		n.Score = nearest.Cosine(q.Vector, unpackVector(packed))
		best.Add(n)
		return nil
	}, args...)
	if err != nil {
		return nil, failure(op, err)
	}
	found := best.Sorted()
	return found, failure(op, batch.Neighbours(found, func(calls []event.Call) error { return s.fillCalls(ctx, calls, false) }))
}

// promptConditions writes which vectors are compared; none: nothing can match.
func (s *Store) promptConditions(ctx context.Context, q *event.PromptQuery) (condition string, args []any, none bool, err error) {
	f := q.Filter
	since, until := f.Since, f.Until // of the vectors, which have them at hand
	f.Since, f.Until, f.Cursor = time.Time{}, time.Time{}, ""
	if condition, args, err = callConditions(f); err != nil {
		return "", nil, false, err
	}
	condition += ` AND embedder = ? AND dimensions = ?`
	args = append(args, string(q.Embedder), len(q.Vector))
	if !since.IsZero() {
		condition += ` AND at >= ?`
		args = append(args, since.UnixMicro())
	}
	if !until.IsZero() {
		condition += ` AND at < ?`
		args = append(args, until.UnixMicro())
	}
	if f.Model != "" || f.Endpoint != "" || f.Provider != "" {
		ids, err := s.findTargets(ctx, f)
		if err != nil || len(ids) == 0 {
			return "", nil, true, err
		}
		condition += ` AND +target IN (` + strings.Join(ids, ",") + `)`
	}
	return condition, args, q.K <= 0 || len(q.Vector) == 0, nil
}

// ForgetPrompts implements event.PromptStore.
func (s *Store) ForgetPrompts(ctx context.Context, before time.Time) (forgotten int64, err error) {
	for n := int64(promptStep); n == promptStep; forgotten += n {
		err := s.transact(ctx, "sqlite.ForgetPrompts", func(writing context.Context) error {
			done, err := s.write.conn.ExecContext(writing, `DELETE FROM prompt_embeddings WHERE rowid IN (SELECT rowid FROM prompt_embeddings WHERE at < ? LIMIT ?)`, before.UnixMicro(), promptStep)
			if err != nil {
				return err
			}
			n, err = done.RowsAffected()
			return err
		})
		if err != nil {
			return forgotten, err
		}
	}
	return forgotten, nil
}

// WalkPrompts implements database.Export.
func (s *Store) WalkPrompts(ctx context.Context, visit func([]event.Prompt) error) error {
	const op = "sqlite.WalkPrompts"
	for after := []byte{}; ; {
		var some []event.Prompt
		err := each(ctx, s.read, selectPrompts+` WHERE call > ? ORDER BY call LIMIT ?`, func(rows *sql.Rows) error {
			p, err := scanPrompt(rows.Scan)
			some = append(some, p)
			return err
		}, after, promptStep)
		if err != nil {
			return failure(op, err)
		}
		if len(some) > 0 {
			if err := visit(some); err != nil {
				return err
			}
			after = some[len(some)-1].Call[:]
		}
		if len(some) < promptStep {
			return nil
		}
	}
}

// forgetAlone drops the vectors below a number whose calls are gone.
func (s *Store) forgetAlone(ctx context.Context, below int64) error {
	_, err := s.write.conn.ExecContext(ctx, `DELETE FROM prompt_embeddings WHERE at < ? AND NOT EXISTS (SELECT 1 FROM calls WHERE id = call)`, below)
	return err
}
