package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// spendKey is the primary key of a row of budget_spend.
type spendKey struct {
	budget model.BudgetID
	period int64 // µs since the epoch
}

// spending adds up the charges of a batch, so that a row is written once.
type spending map[spendKey]*event.BudgetSpend

func (s spending) add(c *event.Call) {
	for i := range c.Charges {
		charge := &c.Charges[i]
		k := spendKey{charge.Budget, charge.Period.UnixMicro()}
		if s[k] == nil {
			s[k] = &event.BudgetSpend{}
		}
		s[k].Add(charge)
	}
}

func (s spending) write(ctx context.Context, stmt *sql.Stmt) error {
	for k, b := range s {
		if _, err := stmt.ExecContext(ctx, string(k.budget), k.period, b.Calls, int64(b.Cost), int64(b.Assumed), b.Tokens, b.Requests); err != nil {
			return err
		}
	}
	return nil
}

// BudgetSpend implements event.SpendReader.
func (s *Store) BudgetSpend(ctx context.Context, since time.Time) ([]event.BudgetSpend, error) {
	const op = "sqlite.BudgetSpend"
	rows, err := s.read.QueryContext(ctx, `SELECT budget, period, calls, cost, assumed, tokens, requests
		FROM budget_spend WHERE period >= ? ORDER BY budget, period`, since.UnixMicro())
	if err != nil {
		return nil, failure(op, err)
	}
	defer rows.Close()
	var out []event.BudgetSpend
	for rows.Next() {
		var b event.BudgetSpend
		var period int64
		if err := rows.Scan(&b.Budget, &period, &b.Calls, &b.Cost, &b.Assumed, &b.Tokens, &b.Requests); err != nil {
			return nil, failure(op, err)
		}
		b.Period = time.UnixMicro(period).UTC()
		out = append(out, b)
	}
	return out, failure(op, rows.Err())
}
