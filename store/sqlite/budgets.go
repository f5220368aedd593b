package sqlite

import (
	"context"
	"encoding/json"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ budget.Store = (*Store)(nil)

// Budgets implements budget.Store.
func (s *Store) Budgets(ctx context.Context) ([]budget.Budget, error) {
	return documents[budget.Budget](ctx, s, "sqlite.Budgets", `SELECT doc FROM budgets ORDER BY name`)
}

// Openings implements budget.Store.
func (s *Store) Openings(ctx context.Context) ([]budget.Opening, error) {
	return documents[budget.Opening](ctx, s, "sqlite.Openings", `SELECT doc FROM budget_openings ORDER BY name`)
}

// documents reads rows of one JSON document each.
func documents[T any](ctx context.Context, s *Store, op, query string, args ...any) ([]T, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, failure(op, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var doc []byte
		var v T
		if err := rows.Scan(&doc); err != nil {
			return nil, failure(op, err)
		}
		if err := json.Unmarshal(doc, &v); err != nil {
			return nil, unavailable(op, "a stored document cannot be read", err)
		}
		out = append(out, v)
	}
	return out, failure(op, rows.Err())
}

// SaveBudget implements budget.Store.
func (s *Store) SaveBudget(ctx context.Context, b budget.Budget) error {
	doc, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return s.saveDocument(ctx, "sqlite.SaveBudget", &database.Budgets, b.Name, doc)
}

// DeleteBudget implements budget.Store.
func (s *Store) DeleteBudget(ctx context.Context, name string) error {
	const op = "sqlite.DeleteBudget"
	return s.deleteDocument(ctx, op, &database.Budgets, name, model.Errorf(op, model.KindNotFound, "there is no budget %q", name))
}

// SaveOpening implements budget.Store.
func (s *Store) SaveOpening(ctx context.Context, o budget.Opening) error {
	doc, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return s.exec(ctx, "sqlite.SaveOpening",
		`INSERT INTO budget_openings (name, doc) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET doc = excluded.doc`, o.Name, string(doc))
}

// Overrides implements budget.Store.
func (s *Store) Overrides(ctx context.Context) ([]budget.SavedOverride, error) {
	return s.overrides(ctx, "sqlite.Overrides", `SELECT budget, at, doc FROM budget_overrides
		WHERE seq IN (SELECT max(seq) FROM budget_overrides GROUP BY budget) ORDER BY budget`)
}

// SaveOverride implements budget.Store.
func (s *Store) SaveOverride(ctx context.Context, o budget.SavedOverride) error {
	doc, err := json.Marshal(o.Override)
	if err != nil {
		return err
	}
	return s.transact(ctx, "sqlite.SaveOverride", func(writing context.Context) error {
		if _, err := s.write.conn.ExecContext(writing, `INSERT INTO budget_overrides (budget, at, doc) VALUES (?, ?, ?)`, string(o.Budget), o.At.UnixMicro(), string(doc)); err != nil {
			return err
		}
		return s.record(writing, ctx, o.Actor, database.OverrideChange(&o))
	})
}
