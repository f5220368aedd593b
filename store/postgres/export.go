package postgres

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/store/database"
)

var _ database.Store = (*Store)(nil)

// AllOverrides implements database.Export.
func (s *Store) AllOverrides(ctx context.Context) ([]budget.SavedOverride, error) {
	return list(ctx, s, "postgres.AllOverrides", `SELECT budget, at, doc::text FROM budget_overrides ORDER BY seq`, nil, scanOverride)
}

func scanOverride(row pgx.CollectableRow) (o budget.SavedOverride, err error) {
	var doc string
	if err := row.Scan((*string)(&o.Budget), &o.At, &doc); err != nil {
		return o, err
	}
	if err := json.Unmarshal([]byte(doc), &o.Override); err != nil {
		return o, unavailable("postgres.Overrides", "a stored override cannot be read", err)
	}
	o.At = o.At.UTC()
	return o, nil
}

// FleetIDs implements database.Export.
func (s *Store) FleetIDs(ctx context.Context) ([]uint64, error) {
	ids, err := list(ctx, s, "postgres.FleetIDs", `SELECT id FROM fleets`, nil, func(row pgx.CollectableRow) (uint64, error) {
		var id int64
		err := row.Scan(&id)
		return uint64(id), err
	})
	slices.Sort(ids) // as unsigned numbers
	return ids, err
}

// CallStarts implements database.Export.
func (s *Store) CallStarts(ctx context.Context, first, last int64) (map[int64]time.Time, error) {
	type start struct {
		seq int64
		at  time.Time
	}
	starts, err := list(ctx, s, "postgres.CallStarts", `SELECT seq, started FROM calls WHERE seq BETWEEN $1 AND $2 AND started IS NOT NULL`, []any{first, last},
		func(row pgx.CollectableRow) (c start, err error) {
			err = row.Scan(&c.seq, &c.at)
			return c, err
		})
	out := make(map[int64]time.Time, len(starts))
	for _, c := range starts {
		out[c.seq] = c.at.UTC()
	}
	return out, err
}
