package gateway

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// Budgets is the part of *budget.Book that the gateway speaks to.
type Budgets interface {
	// List returns the budgets as they were given, with the thresholds in force.
	List() []budget.Budget
	// Create: KindInvalid, KindConflict, KindUnavailable.
	Create(ctx context.Context, b budget.Budget) error
	// Delete: KindNotFound, KindConflict, KindUnavailable.
	Delete(ctx context.Context, name string) error
	// Override: KindInvalid, KindNotFound, KindUnavailable.
	Override(ctx context.Context, id model.BudgetID, o budget.Override) error
	// Openings returns what the budgets had spent when they came into force.
	Openings() []budget.Opening
	Ledger() *budget.Ledger
}

var (
	decodeBudget   = strict.For[budget.Budget]("gateway.createBudget")
	decodeOverride = strict.For[budget.Override]("gateway.overrideBudget")
)

// budgetState is a budget with its counters, as the API shows it.
type budgetState struct {
	Budget   budget.Budget   `json:"budget"`
	Counters []budget.Status `json:"counters"`           // one, or one per value of "*" that was seen
	Warnings []string        `json:"warnings,omitempty"` // of one that was just created: what it cannot count
}

// verbOverride is the last segment of the path that overrides a budget.
const verbOverride = "override"

func (g *Gateway) budgetStates() []budgetState {
	status := g.cfg.Budgets.Ledger().Status()
	out := []budgetState{}
	for _, b := range g.cfg.Budgets.List() {
		s := budgetState{Budget: b, Counters: []budget.Status{}}
		for _, c := range status {
			if c.Name == b.Name {
				s.Counters = append(s.Counters, c)
			}
		}
		out = append(out, s)
	}
	return out
}

// listBudgets serves GET /api/v1/budgets.
func (g *Gateway) listBudgets(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	x.writeJSON(map[string]any{"budgets": g.budgetStates()})
}

// createBudget serves POST /api/v1/budgets.
func (g *Gateway) createBudget(x *exchange) {
	var b budget.Budget
	if err := readBody(x, decodeBudget, &b); err != nil {
		x.fail(err)
		return
	}
	warnings, err := b.Scope.Check(g.known())
	if err == nil {
		err = g.cfg.Budgets.Create(x.r.Context(), b)
	}
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	g.writeBudget(x, model.BudgetID(b.Name), warnings...)
}

// known are the values that the scopes of budgets may have.
func (g *Gateway) known() *budget.Known {
	k := &budget.Known{}
	if g.cfg.Keys != nil {
		for _, of := range g.cfg.Keys.List() {
			if of.Revoked.IsZero() {
				k.Keys = append(k.Keys, budget.KnownKey{ID: of.ID, Name: of.Name})
			}
		}
	}
	for _, e := range g.cfg.Endpoints() {
		k.Models, k.Providers = append(k.Models, string(e.Model)), append(k.Providers, e.Provider)
	}
	return k
}

// BudgetWarnings says of the budgets in force what keeps them from ever
// counting anything, each with the budget's name.
func (g *Gateway) BudgetWarnings() (out []string) {
	if g.cfg.Budgets == nil {
		return nil
	}
	known := g.known()
	for _, b := range g.cfg.Budgets.List() {
		warnings, err := b.Scope.Check(known)
		if err != nil {
			e := model.AsError(err)
			warnings = []string{e.Param + " " + e.Message}
		}
		for _, w := range warnings {
			out = append(out, fmt.Sprintf("budget %q: %s", b.Name, w))
		}
	}
	return out
}

// readBody decodes the body of a request that takes no parameters.
func readBody[T any](x *exchange, d strict.Decoder[T], v *T) *model.Error {
	defer x.releaseBody()
	if err := x.query().done(); err != nil {
		return err
	}
	body, err := x.readBody()
	if err != nil {
		return err
	}
	return d.Decode(body, v)
}

// getBudget serves GET /api/v1/budgets/{name} and, for a counter of a budget
// with "*", …/{name}/{value}.
func (g *Gateway) getBudget(x *exchange) {
	if id, err := x.budgetID(); err != nil {
		x.fail(err)
	} else {
		g.writeBudget(x, id)
	}
}

// deleteBudget serves DELETE /api/v1/budgets/{name}: it answers with the budget
// as it stood.
func (g *Gateway) deleteBudget(x *exchange) {
	id, err := x.budgetID()
	if err != nil {
		x.fail(err)
		return
	}
	last, _ := g.budgetState(id)
	if err := g.cfg.Budgets.Delete(x.r.Context(), string(id)); err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(last)
}

// budgetID is the budget or counter that the path names.
func (x *exchange) budgetID() (model.BudgetID, *model.Error) {
	if err := x.query().done(); err != nil {
		return "", err
	}
	id, err := url.PathUnescape(strings.TrimPrefix(x.r.URL.EscapedPath(), x.route.path))
	if err != nil {
		return "", errNoPath
	}
	return model.BudgetID(id), nil
}

// writeBudget answers with a budget, or with the one counter of it that has the id.
func (g *Gateway) writeBudget(x *exchange, id model.BudgetID, warnings ...string) {
	s, ok := g.budgetState(id)
	if !ok {
		x.fail(model.Errorf("gateway.getBudget", model.KindNotFound, "there is no budget %.80q; see GET /api/v1/budgets", id))
		return
	}
	s.Warnings = warnings
	x.writeJSON(s)
}

func (g *Gateway) budgetState(id model.BudgetID) (budgetState, bool) {
	for _, s := range g.budgetStates() {
		if s.Budget.Name == string(id) {
			return s, true
		}
		for _, c := range s.Counters {
			if c.ID == id {
				return budgetState{Budget: s.Budget, Counters: []budget.Status{c}}, true
			}
		}
	}
	return budgetState{}, false
}

// postBudget serves POST /api/v1/budgets/{id}/override.
func (g *Gateway) postBudget(x *exchange) {
	rest, found := strings.CutSuffix(strings.TrimPrefix(x.r.URL.EscapedPath(), x.route.path), "/"+verbOverride)
	id, err := url.PathUnescape(rest)
	if !found || err != nil {
		x.fail(methodNotAllowed("GET, HEAD, DELETE"))
		return
	}
	var o budget.Override
	if err := readBody(x, decodeOverride, &o); err != nil {
		x.fail(err)
		return
	}
	if o.Actor == "" || x.who.Speaker() != "" {
		o.Actor = x.actor()
	}
	if err := g.cfg.Budgets.Override(x.r.Context(), model.BudgetID(id), o); err != nil {
		x.fail(model.AsError(err))
		return
	}
	g.writeBudget(x, model.BudgetID(id))
}

// auditBudgets serves GET /api/v1/budgets/audit: the charges in the records of
// calls, added up and compared with the counters.
func (g *Gateway) auditBudgets(x *exchange) {
	q := x.query()
	since := q.moment("since")
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	ledger := g.cfg.Budgets.Ledger()
	if since.IsZero() {
		since = earliest(ledger.Status())
	}
	if err := g.flushEvents(x.r.Context()); err != nil {
		x.fail(model.AsError(err))
		return
	}
	var failed error
	report := ledger.Audit(g.charges(x.r.Context(), since, &failed), g.cfg.Budgets.Openings())
	if failed != nil {
		x.fail(model.AsError(failed))
		return
	}
	x.writeJSON(map[string]any{"since": since, "records": report, "counters": ledger.Check()})
}

// earliest is the start of the oldest period that a counter shows.
func earliest(status []budget.Status) time.Time {
	var first time.Time
	for i := range status {
		if at := status[i].PeriodStart; i == 0 || at.Before(first) {
			first = at
		}
	}
	return first
}

// charges reads the charges of all calls that ended since then.
func (g *Gateway) charges(ctx context.Context, since time.Time, failed *error) iter.Seq[model.Charge] {
	return func(yield func(model.Charge) bool) {
		f := event.Filter{Since: since, Limit: event.MaxLimit}
		for {
			page, err := g.cfg.Reader.Calls(ctx, f)
			if err != nil {
				*failed = err
				return
			}
			for i := range page.Calls {
				for _, c := range page.Calls[i].Record.Charges {
					if !yield(c) {
						return
					}
				}
			}
			if f.Cursor = page.Next; f.Cursor == "" {
				return
			}
		}
	}
}

// listLeases serves GET /api/v1/budget-leases: what each gateway holds of the
// budgets that they share.
func (g *Gateway) listLeases(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	replicas := []budget.Replica{}
	if e := g.cfg.Budgets.Ledger().Escrow(); e != nil {
		var err error
		if replicas, err = e.Leases(x.r.Context()); err != nil {
			x.fail(model.AsError(err))
			return
		}
	}
	x.writeJSON(map[string]any{"gateways": replicas})
}

// releaseLeases serves DELETE /api/v1/budget-leases/{spool}: what a gateway that
// does not come back holds is free for the others.
func (g *Gateway) releaseLeases(x *exchange) {
	const op = "gateway.releaseLeases"
	spool := strings.TrimPrefix(x.r.URL.Path, x.route.path)
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	e := g.cfg.Budgets.Ledger().Escrow()
	if e == nil {
		x.fail(model.Errorf(op, model.KindNotFound, "this gateway shares its budgets with no other"))
		return
	}
	replicas, err := e.Leases(x.r.Context())
	if err == nil {
		err = e.Release(x.r.Context(), spool)
	}
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	i := slices.IndexFunc(replicas, func(r budget.Replica) bool { return r.Spool == spool })
	if i < 0 {
		x.fail(model.Errorf(op, model.KindConflict, "the gateway %.80q came back in between", spool))
		return
	}
	x.writeJSON(map[string]any{"released": replicas[i]})
}

// maxBudgetSeries bounds the counters that /metrics shows one by one.
const maxBudgetSeries = 1000

// budgetCollector exposes the state of the ledger.
type budgetCollector struct{ g *Gateway }

var (
	budgetImbalance = prometheus.NewDesc("cartrita_budget_imbalance_usd", "What counters and entries of the budgets disagree by; 0 when sound.", nil, nil)
	budgetHolds     = prometheus.NewDesc("cartrita_budget_holds", "Attempts under way that hold money.", nil, nil)
	budgetLeaks     = prometheus.NewDesc("cartrita_budget_leaked_holds", "Holds older than any call can be.", nil, nil)
	budgetUsed      = prometheus.NewDesc("cartrita_budget_used_ratio", "Share of the limit that is spent.", []string{"budget"}, nil)
	budgetAway      = prometheus.NewDesc("cartrita_budget_store_away", "1 while the database that shares the budgets does not answer.", nil, nil)
	budgetBeyond    = prometheus.NewDesc("cartrita_budget_admitted_away_total", "Calls admitted beyond what this gateway held, while the database was away.", nil, nil)
	budgetBeyondUSD = prometheus.NewDesc("cartrita_budget_admitted_away_usd_total", "What was held for them.", nil, nil)
	budgetOver      = prometheus.NewDesc("cartrita_budget_overshoot_usd_total", "What calls cost more than was held for them.", []string{"budget"}, nil)
)

// Describe implements prometheus.Collector.
func (c budgetCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{budgetImbalance, budgetHolds, budgetLeaks, budgetUsed, budgetOver, budgetAway, budgetBeyond, budgetBeyondUSD} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c budgetCollector) Collect(ch chan<- prometheus.Metric) {
	l := c.g.cfg.Budgets.Ledger()
	im := l.Check()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(budgetImbalance, im.USD.USD())
	gauge(budgetHolds, float64(im.Holds))
	gauge(budgetLeaks, float64(im.Leaks))
	if e := l.Escrow(); e != nil {
		s := e.Sharing()
		away := 0.0
		if s.Away {
			away = 1
		}
		gauge(budgetAway, away)
		ch <- prometheus.MustNewConstMetric(budgetBeyond, prometheus.CounterValue, float64(s.Beyond.Requests))
		ch <- prometheus.MustNewConstMetric(budgetBeyondUSD, prometheus.CounterValue, s.Beyond.USD.USD())
	}
	for _, s := range l.First(maxBudgetSeries) {
		id := strings.ToValidUTF8(string(s.ID), "\uFFFD") // records of an earlier version may hold others
		gauge(budgetUsed, s.Used, id)
		ch <- prometheus.MustNewConstMetric(budgetOver, prometheus.CounterValue, s.Overshoot.USD.USD(), id)
	}
}

// addBudgetRoutes adds the paths of budgets where there are any to speak of.
func (g *Gateway) addBudgetRoutes(add func(string, map[string]func(*exchange)) *route) {
	if g.cfg.Budgets == nil {
		return
	}
	list, one := reads(g.listBudgets), reads(g.getBudget)
	list[http.MethodPost], one[http.MethodPost], one[http.MethodDelete] = g.createBudget, g.postBudget, g.deleteBudget
	add("/api/v1/budgets", list).wants(key.Read, key.Manage)
	add("/api/v1/budgets/audit", reads(g.auditBudgets))
	add("/api/v1/budget-leases", reads(g.listLeases))
	add("/api/v1/budget-leases/", map[string]func(*exchange){http.MethodDelete: g.releaseLeases}).deletes = key.Manage
	add("/api/v1/budgets/", one).deletes = key.Manage // an override changes no budget for good: writing will do
}
