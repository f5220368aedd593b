package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/store/database"
)

var _ database.Store = (*Store)(nil)

// AllOverrides implements database.Export.
func (s *Store) AllOverrides(ctx context.Context) ([]budget.SavedOverride, error) {
	return s.overrides(ctx, "sqlite.AllOverrides", `SELECT budget, at, doc FROM budget_overrides ORDER BY seq`)
}

func (s *Store) overrides(ctx context.Context, op, query string) (out []budget.SavedOverride, err error) {
	err = each(ctx, s.read, query, func(rows *sql.Rows) error {
		var o budget.SavedOverride
		var at int64
		var doc []byte
		if err := rows.Scan((*string)(&o.Budget), &at, &doc); err != nil {
			return err
		}
		if err := json.Unmarshal(doc, &o.Override); err != nil {
			return unavailable(op, "a stored override cannot be read", err)
		}
		o.At = time.UnixMicro(at).UTC()
		out = append(out, o)
		return nil
	})
	return out, failure(op, err)
}

// FleetIDs implements database.Export.
func (s *Store) FleetIDs(ctx context.Context) (out []uint64, err error) {
	err = each(ctx, s.read, `SELECT id FROM fleets`, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		out = append(out, uint64(id))
		return err
	})
	slices.Sort(out) // as unsigned numbers
	return out, failure("sqlite.FleetIDs", err)
}

// CallStarts implements database.Export.
func (s *Store) CallStarts(ctx context.Context, first, last int64) (map[int64]time.Time, error) {
	out := map[int64]time.Time{}
	err := each(ctx, s.read, `SELECT seq, started FROM calls WHERE seq BETWEEN ? AND ? AND started IS NOT NULL`, func(rows *sql.Rows) error {
		var seq, started int64
		err := rows.Scan(&seq, &started)
		out[seq] = time.UnixMicro(started).UTC()
		return err
	}, first, last)
	return out, failure("sqlite.CallStarts", err)
}
