package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/batch"
)

func writeSpending(ctx context.Context, s batch.Spending, stmt *sql.Stmt) error {
	for k, b := range s {
		if _, err := stmt.ExecContext(ctx, string(k.Budget), k.Period, b.Calls, int64(b.Cost), int64(b.Assumed), b.Tokens, b.Requests); err != nil {
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
		b, err := scanSpend(rows)
		if err != nil {
			return nil, failure(op, err)
		}
		out = append(out, b)
	}
	return out, failure(op, rows.Err())
}

// scanSpend reads the columns of BudgetSpend's question.
func scanSpend(rows *sql.Rows) (b event.BudgetSpend, err error) {
	var period int64
	err = rows.Scan(&b.Budget, &period, &b.Calls, &b.Cost, &b.Assumed, &b.Tokens, &b.Requests)
	b.Period = time.UnixMicro(period).UTC()
	return b, err
}
