package cartrita

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/model"
)

// RepriceQuery asks what stored calls would have cost at other prices, where
// they went being as it was.
type RepriceQuery struct {
	Since   time.Time `json:"since,omitzero"` // of calls that ended; zero: from the first
	Until   time.Time `json:"until,omitzero"`
	User    string    `json:"user,omitempty"`
	Team    string    `json:"team,omitempty"`
	Project string    `json:"project,omitempty"`
	// Prices by endpoint id or model id; the endpoint's comes first. One holds for
	// calls received from its effective_from up to its effective_until.
	Prices map[string]*model.Pricing `json:"prices"`
}

// RepriceReport is what the prices would change. Nothing is written: records
// keep what held at their time.
type RepriceReport struct {
	Calls   int64         `json:"calls"`   // that were looked at
	Changed int64         `json:"changed"` // whose cost would be another
	Total   RepriceLine   `json:"total"`
	Lines   []RepriceLine `json:"endpoints"` // largest difference first
	Damaged
}

// RepriceLine adds up the attempts at one endpoint to which a price applies.
type RepriceLine struct {
	Endpoint   model.EndpointID `json:"endpoint,omitempty"` // absent in the total
	Model      model.ModelID    `json:"model,omitempty"`
	Attempts   int64            `json:"attempts"`
	Old        model.Money      `json:"old_usd"`
	New        model.Money      `json:"new_usd"`
	Difference model.Money      `json:"difference_usd"` // new less old
	Unpriced   int64            `json:"unpriced"`       // attempts that the new price knows in part only: new is a lower bound
}

func (l *RepriceLine) add(o *RepriceLine) {
	l.Attempts += o.Attempts
	l.Old += o.Old
	l.New += o.New
	l.Difference += o.Difference
	l.Unpriced += o.Unpriced
}

// Reprice says what a corrected price would change, from the usage on record.
// Errors: KindInvalid with the field, KindUnavailable when nothing keeps a history.
func (s *Service) Reprice(ctx context.Context, q RepriceQuery) (*RepriceReport, error) {
	const op = "cartrita.Reprice"
	if len(q.Prices) == 0 {
		return nil, model.Invalidf(op, "prices", "is empty: want cost profiles by endpoint or model id")
	}
	if err := checkPrices(op, "prices.", q.Prices); err != nil {
		return nil, err
	}
	names := pastNames{service: s}
	if err := names.checkPrices(ctx, op, "prices.", q.Prices); err != nil {
		return nil, err
	}
	calls := ReplayQuery{Since: q.Since, Until: q.Until, User: q.User, Team: q.Team, Project: q.Project}
	sum := newRepricer(q.Prices)
	damaged, err := s.eachTrace(ctx, &calls, func() visitor { return newRepricer(q.Prices) }, func(v visitor) { sum.merge(v.(*repricer)) })
	if err != nil {
		return nil, err
	}
	report := sum.report()
	report.Damaged = damaged
	return report, nil
}

// checkPrices refuses prices that cannot be computed with; path stands before
// the name of the one at fault.
func checkPrices(op, path string, prices map[string]*model.Pricing) error {
	for name, p := range prices {
		if p == nil {
			return model.Invalidf(op, path+name, "is null: want a cost profile")
		}
		if err := p.Validate(); err != nil {
			e := *model.AsError(err)
			e.Param = path + name + "." + e.Param
			return &e
		}
	}
	return nil
}

// repricer adds up what prices change.
type repricer struct {
	prices         map[string]*model.Pricing
	calls, changed int64
	lines          map[model.EndpointID]*RepriceLine
}

func newRepricer(prices map[string]*model.Pricing) *repricer {
	return &repricer{prices: prices, lines: map[model.EndpointID]*RepriceLine{}}
}

func (r *repricer) visit(c *stored) error {
	r.calls++
	changed := false
	for i := range c.rec.Attempts {
		a := &c.rec.Attempts[i]
		p := r.priceOf(a, c.rec.Received)
		if p == nil || a.Usage.Source == "" { // nothing was billed for it
			continue
		}
		bill := cost.Price(p, a.Usage, time.Duration(a.LatencyMS*float64(time.Millisecond)))
		one := RepriceLine{Attempts: 1, Old: a.Cost, New: bill.Total, Difference: bill.Total - a.Cost}
		if bill.Unpriced {
			one.Unpriced = 1
		}
		changed = changed || one.Difference != 0
		r.line(a.Endpoint, a.Model).add(&one)
	}
	if changed {
		r.changed++
	}
	return nil
}

// priceOf returns the price that applies to an attempt at its time; nil for none.
func (r *repricer) priceOf(a *model.Attempt, at time.Time) *model.Pricing {
	p := r.prices[string(a.Endpoint)]
	if p == nil {
		p = r.prices[string(a.Model)]
	}
	if p == nil || at.Before(p.EffectiveFrom) || !p.EffectiveUntil.IsZero() && !at.Before(p.EffectiveUntil) {
		return nil
	}
	return p
}

func (r *repricer) line(e model.EndpointID, m model.ModelID) *RepriceLine {
	l := r.lines[e]
	if l == nil {
		l = &RepriceLine{Endpoint: e, Model: m}
		r.lines[e] = l
	}
	return l
}

func (r *repricer) merge(o *repricer) {
	r.calls += o.calls
	r.changed += o.changed
	for e, l := range o.lines {
		r.line(e, l.Model).add(l)
	}
}

func (r *repricer) report() *RepriceReport {
	out := &RepriceReport{Calls: r.calls, Changed: r.changed, Lines: []RepriceLine{}}
	for _, l := range r.lines {
		out.Total.add(l)
		out.Lines = append(out.Lines, *l)
	}
	slices.SortFunc(out.Lines, func(a, b RepriceLine) int {
		return cmp.Or(cmp.Compare(max(b.Difference, -b.Difference), max(a.Difference, -a.Difference)), cmp.Compare(a.Endpoint, b.Endpoint))
	})
	return out
}
