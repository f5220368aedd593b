package postgres

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ budget.Store = (*Store)(nil)

// Budgets implements budget.Store.
func (s *Store) Budgets(ctx context.Context) ([]budget.Budget, error) {
	return documents[budget.Budget](ctx, s, "postgres.Budgets", `SELECT doc::text FROM budgets ORDER BY name COLLATE "C"`)
}

// Openings implements budget.Store.
func (s *Store) Openings(ctx context.Context) ([]budget.Opening, error) {
	return documents[budget.Opening](ctx, s, "postgres.Openings", `SELECT doc::text FROM budget_openings ORDER BY name COLLATE "C"`)
}

// documents reads rows of one JSON document each.
func documents[T any](ctx context.Context, s *Store, op, query string, args ...any) ([]T, error) {
	return list(ctx, s, op, query, args, func(row pgx.CollectableRow) (v T, err error) {
		var doc string
		if err := row.Scan(&doc); err != nil {
			return v, err
		}
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			return v, unavailable(op, "a stored document cannot be read", err)
		}
		return v, nil
	})
}

// SaveBudget implements budget.Store.
func (s *Store) SaveBudget(ctx context.Context, b budget.Budget) error {
	doc, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return s.saveDocument(ctx, "postgres.SaveBudget", &database.Budgets, b.Name, doc)
}

// saveDocument adds a document or replaces the one of the same name.
func (s *Store) saveDocument(ctx context.Context, op string, of *database.Documents, name string, doc []byte) error {
	return s.failure(op, s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var before []byte
		err := tx.QueryRow(ctx, `SELECT doc::text FROM `+of.Table+` WHERE name = $1 FOR UPDATE`, name).Scan(&before)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO `+of.Table+` (name, doc) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET doc = excluded.doc`, name, string(doc)); err != nil {
			return err
		}
		return s.record(ctx, tx, "", of.Change(name, before, doc))
	}))
}

// deleteDocument removes the document of a name; missing is its error when there
// is none.
func (s *Store) deleteDocument(ctx context.Context, op string, of *database.Documents, name string, missing error) error {
	return s.failure(op, s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var before []byte
		err := tx.QueryRow(ctx, `DELETE FROM `+of.Table+` WHERE name = $1 RETURNING doc::text`, name).Scan(&before)
		if errors.Is(err, pgx.ErrNoRows) {
			return missing
		}
		if err != nil {
			return err
		}
		return s.record(ctx, tx, "", of.Change(name, before, nil))
	}))
}

// DeleteBudget implements budget.Store.
func (s *Store) DeleteBudget(ctx context.Context, name string) error {
	const op = "postgres.DeleteBudget"
	return s.deleteDocument(ctx, op, &database.Budgets, name, model.Errorf(op, model.KindNotFound, "there is no budget %q", name))
}

// SaveOpening implements budget.Store.
func (s *Store) SaveOpening(ctx context.Context, o budget.Opening) error {
	doc, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return s.exec(ctx, "postgres.SaveOpening",
		`INSERT INTO budget_openings (name, doc) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET doc = excluded.doc`, o.Name, string(doc))
}

// Overrides implements budget.Store.
func (s *Store) Overrides(ctx context.Context) ([]budget.SavedOverride, error) {
	return list(ctx, s, "postgres.Overrides", `SELECT budget, at, doc::text FROM budget_overrides
		WHERE seq IN (SELECT max(seq) FROM budget_overrides GROUP BY budget) ORDER BY budget COLLATE "C"`, nil, scanOverride)
}

// SaveOverride implements budget.Store.
func (s *Store) SaveOverride(ctx context.Context, o budget.SavedOverride) error {
	doc, err := json.Marshal(o.Override)
	if err != nil {
		return err
	}
	return s.failure("postgres.SaveOverride", s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO budget_overrides (budget, at, doc) VALUES ($1, $2, $3)`, string(o.Budget), o.At, string(doc)); err != nil {
			return err
		}
		return s.record(ctx, tx, o.Actor, database.OverrideChange(&o))
	}))
}
