package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"
	_ "time/tzdata" // for budgets by local time where the system has no list of zones

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// newBook makes the book of budgets, without any. Crossings become events, and
// are told to the log. With a store that gateways share they share the budgets;
// tell has the others look at them.
func newBook(s store, events *event.Log, c *config.Config, tell func(), log *slog.Logger) (*budget.Book, error) {
	l, err := budget.New(budget.Config{Logger: log, OnCross: func(c budget.Crossing) {
		key := fmt.Sprintf("%s %s %s %v %s", c.Budget, c.Threshold, c.Action, c.At, c.Period.Format(time.RFC3339))
		events.Notice(event.BudgetCrossed, key, time.Time{}, c)
		log.Warn("budget: a threshold was crossed", "budget", string(c.Budget), "threshold", c.Threshold, "action", string(c.Action),
			"at", c.At, "used", c.Used, "spent", c.Spent.USD.String(), "period", c.Period)
	}})
	if err != nil {
		return nil, err
	}
	b := budget.NewBook(l, s, cartrita.Past{Events: events, History: s})
	if db, shared := sharedDatabase(s); shared {
		name, _ := os.Hostname() // only for people
		budget.NewEscrow(l, budget.EscrowConfig{
			Store: db, Spool: events.Spool(), Name: name, Changed: b.Refresh, Tell: tell, Logger: log,
			Open: c.BudgetSharing.WhenAway == config.WhenAwayOpen, FreeAfter: c.BudgetSharing.FreeAfter.Std(),
		})
	}
	return b, nil
}

// publicBook is the book as the gateway changes it: an override is an event.
type publicBook struct {
	*budget.Book
	events *event.Log
}

// overridden is the data of a budget.override event.
type overridden struct {
	Budget model.BudgetID `json:"budget"`
	budget.Override
}

// Override implements gateway.Budgets.
func (b publicBook) Override(ctx context.Context, id model.BudgetID, o budget.Override) error {
	if err := b.Book.Override(ctx, id, o); err != nil {
		return err
	}
	now := time.Now()
	b.events.Notice(event.BudgetOverridden, fmt.Sprintf("%s %d", id, now.UnixNano()), now, overridden{id, o})
	return nil
}

// budgetsOf returns the budgets of a configuration, with its policy for
// unknown prices where they name none.
func budgetsOf(c *config.Config) []budget.Budget {
	out := make([]budget.Budget, len(c.Budgets))
	for i := range c.Budgets {
		b := &c.Budgets[i]
		out[i] = budget.Budget{
			Name: b.Name, Scope: budget.Scope(b.Scope), Period: budget.Every(b.Period), Rolling: b.Rolling, TimeZone: b.TimeZone,
			LimitUSD: b.LimitUSD, LimitTokens: b.LimitTokens, LimitRequests: b.LimitRequests,
			Thresholds: budget.Thresholds(b.Thresholds), Reserve: b.Reserve,
			UnknownPrice: budget.UnknownPrice(orDefault(b.UnknownPrice, c.UnknownPrice)),
		}
		for _, s := range b.Ladder {
			out[i].Ladder = append(out[i].Ladder, budget.Step{At: s.At, Action: budget.Action(s.Action), Value: budget.Value(s.Value)})
		}
	}
	return out
}

// checkBudgets finds out whether the budgets of a configuration make sense.
func checkBudgets(l *config.Loaded) error {
	ledger, err := budget.New(budget.Config{})
	if err == nil {
		err = ledger.Configure(budgetsOf(&l.Config))
	}
	if err == nil {
		return nil
	}
	e := model.AsError(err)
	return l.Refuse([]config.Problem{{Path: "budgets" + e.Param, Message: e.Message}})
}

// loadBudgets tells the budgets what was spent. The calls of a former process
// must be in the store first: those in the spool are moved there, and those that
// it left under way were closed when the spool was opened.
func (n *node) loadBudgets() error {
	ctx, cancel := context.WithTimeout(n.ctx, loadTimeout)
	defer cancel()
	if err := n.events.Flush(ctx); err != nil {
		return err
	}
	if err := n.budgets.Load(ctx, n.spent); err != nil {
		return err
	}
	if e := n.budgets.Ledger().Escrow(); e != nil {
		n.background.Go(func() { n.logged("sharing the budgets", e.Run(n.ctx)) })
	}
	return nil
}

// leaveBudgets gives back what this gateway holds of the budgets, when it ends
// and all that it spent is on record.
func (n *node) leaveBudgets() {
	e, stats := n.budgets.Ledger().Escrow(), n.events.Stats()
	if e == nil || stats.Pending > 0 || stats.Queued > 0 || stats.Backlog > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	n.logged("leaving the budgets", e.Leave(ctx))
}

// spent reads what calls were charged since then.
func (n *node) spent(ctx context.Context, since time.Time) ([]budget.Spent, error) {
	stored, err := n.store.BudgetSpend(ctx, since)
	if err != nil {
		return nil, err
	}
	spent := make([]budget.Spent, len(stored))
	for i, s := range stored {
		spent[i] = budget.Spent{Budget: s.Budget, Period: s.Period, Quantities: budget.Quantities{USD: s.Cost, Tokens: s.Tokens, Requests: s.Requests}, Assumed: s.Assumed}
	}
	return spent, nil
}

// backfill counts what budgets that are new had spent before. What takes longer
// than a start may, a total over years of calls, goes on in the background.
func (n *node) backfill() {
	ctx, cancel := context.WithTimeout(n.ctx, loadTimeout)
	defer cancel()
	err := n.budgets.Backfill(ctx)
	if err == nil || n.ctx.Err() != nil {
		return
	}
	n.log.Warn("budgets that are new count from now on, until their past is known", "error", err)
	n.background.Go(func() { n.logged("counting the past of budgets", n.budgets.Backfill(n.ctx)) })
}

// loadTimeout bounds how long a start waits for the store.
const loadTimeout = time.Minute
