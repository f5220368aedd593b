package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/budget"
)

var _ budget.Store = (*Store)(nil)

// Budgets implements budget.Store.
func (s *Store) Budgets(ctx context.Context) ([]budget.Budget, error) {
	const op = "postgres.Budgets"
	return list(ctx, s, op, `SELECT doc::text FROM budgets ORDER BY name COLLATE "C"`, nil,
		func(row pgx.CollectableRow) (b budget.Budget, err error) {
			var doc string
			if err := row.Scan(&doc); err != nil {
				return b, err
			}
			if err := json.Unmarshal([]byte(doc), &b); err != nil {
				return b, unavailable(op, "a stored budget cannot be read", err)
			}
			return b, nil
		})
}

// SaveBudget implements budget.Store.
func (s *Store) SaveBudget(ctx context.Context, b budget.Budget) error {
	doc, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return s.exec(ctx, "postgres.SaveBudget",
		`INSERT INTO budgets (name, doc) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET doc = excluded.doc`, b.Name, string(doc))
}

// Overrides implements budget.Store.
func (s *Store) Overrides(ctx context.Context) ([]budget.SavedOverride, error) {
	const op = "postgres.Overrides"
	return list(ctx, s, op, `SELECT budget, at, doc::text FROM budget_overrides
		WHERE seq IN (SELECT max(seq) FROM budget_overrides GROUP BY budget) ORDER BY budget COLLATE "C"`, nil,
		func(row pgx.CollectableRow) (o budget.SavedOverride, err error) {
			var doc string
			if err := row.Scan((*string)(&o.Budget), &o.At, &doc); err != nil {
				return o, err
			}
			if err := json.Unmarshal([]byte(doc), &o.Override); err != nil {
				return o, unavailable(op, "a stored override cannot be read", err)
			}
			o.At = o.At.UTC()
			return o, nil
		})
}

// SaveOverride implements budget.Store.
func (s *Store) SaveOverride(ctx context.Context, o budget.SavedOverride) error {
	doc, err := json.Marshal(o.Override)
	if err != nil {
		return err
	}
	return s.exec(ctx, "postgres.SaveOverride",
		`INSERT INTO budget_overrides (budget, at, doc) VALUES ($1, $2, $3)`, string(o.Budget), o.At, string(doc))
}
