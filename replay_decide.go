package cartrita

import (
	"context"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// change is a Change with its names resolved.
type change struct {
	*Change
	strategy *route.Strategy // nil: that of each call
	purse    *simulation     // nil: no budgets are simulated
}

func (s *Service) newChange(q *ReplayQuery) (*change, error) {
	const op = "cartrita.Replay"
	c := &change{Change: &q.Change}
	switch {
	case q.Change.Own != nil && q.Change.Strategy != "":
		return nil, model.Invalidf(op, "change.own_strategy", "stands beside a strategy by name; want one of the two")
	case q.Change.Own != nil:
		if err := q.Change.Own.Validate(); err != nil {
			return nil, ownAt(err, q.Change.Own.Name)
		}
		c.strategy = q.Change.Own
	case q.Change.Strategy != "":
		var err error
		if c.strategy, err = s.Strategies().Get(q.Change.Strategy); err != nil {
			return nil, err
		}
	}
	if b := q.Change.Budget; b != nil && b.Strategy != "" {
		var err error
		if c.strategy, err = s.Strategies().Get(b.Strategy); err != nil {
			return nil, err
		}
	}
	if q.Change.Budget != nil && q.Change.Budgets != nil {
		return nil, model.Invalidf(op, "change.budgets", "stands beside budget; want one of the two")
	}
	var err error
	if c.purse, err = newSimulation(q.Change.Budgets, s.Strategies()); err != nil {
		return nil, err
	}
	if err := checkPrices(op, "change.prices.", q.Change.Prices); err != nil {
		return nil, err
	}
	if q.Changes < 0 || q.Changes > maxChanges {
		return nil, model.Invalidf(op, "changes", "is %d: want a number from 0 to %d", q.Changes, maxChanges)
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return nil, model.Invalidf(op, "until", "is not after since")
	}
	switch q.By {
	case "", ReplayByModel, ReplayByEndpoint, ReplayByTask, ReplayByStrategy, ReplayByUser, ReplayByTeam, ReplayByProject, ReplayByStage:
		return c, nil
	}
	return nil, model.Invalidf(op, "by", "unknown %q: want one of model, endpoint, task, strategy, user, team, project, stage", string(q.By))
}

// ownAt says of an error of a strategy that it is in own_strategy, not in the
// configuration.
func ownAt(err error, name string) error {
	e := *model.AsError(err)
	member := strings.TrimPrefix(e.Param, "strategies."+name)
	if member == "" {
		member = ".name"
	}
	e.Param = "change.own_strategy" + member
	return &e
}

// checkNames refuses what names no model or endpoint.
func (s *Service) checkNames(ctx context.Context, c *Change) error {
	const op = "cartrita.Replay"
	names := pastNames{service: s}
	for path, list := range map[string][]model.ModelID{"change.exclude_models": c.ExcludeModels, "change.only_models": c.OnlyModels} {
		for _, name := range list {
			if err := names.check(ctx, op, path, string(name), false); err != nil {
				return err
			}
		}
	}
	return names.checkPrices(ctx, op, "change.prices.", c.Prices)
}

// replayer decides again, for one worker.
type replayer struct {
	change *change
	totals *totals
	again  route.Again
	only   []int32
	within route.Strategy // of the change, with the limits of the call's own
}

func newReplayer(c *change, t *totals) *replayer { return &replayer{change: c, totals: t} }

// visit implements visitor.
func (r *replayer) visit(c *stored) error {
	if c.trace == nil || c.fleet == nil {
		r.totals.found(c)
		r.totals.Untraced++
		return nil
	}
	in, err := r.again.Input(c.trace, c.fleet)
	if err != nil {
		return err
	}
	r.totals.found(c)
	same, _ := route.Decide(in) // a refusal is a decision too
	if c.trace.Partial {
		r.totals.Partial++
	}
	if !c.trace.Same(same) {
		r.totals.differs(c, same)
		return nil
	}
	r.totals.Identical++
	if r.change.none() {
		return nil
	}
	other, err := r.decide(in, c)
	if err != nil && model.KindOf(err) == model.KindInvalid {
		return err
	}
	compared := r.compare(c, same, other)
	if r.change.purse != nil && other != nil && !r.change.purse.charge(c, &compared) {
		other = nil
		compared = r.compare(c, same, other)
	}
	compared.beyond = r.beyond(in, c, other)
	r.totals.add(compared)
	return nil
}

// decide asks what would have been chosen under the change.
func (r *replayer) decide(in *route.Input, c *stored) (*model.Plan, error) {
	if r.change.strategy != nil {
		in.Strategy = r.change.strategy
		if r.change.KeepLimits {
			r.within = in.Strategy.Within(&c.trace.Strategy)
			in.Strategy = &r.within
		}
	}
	if r.change.Budget != nil {
		in.Budget = r.change.Budget
	}
	if r.change.purse != nil {
		if open, err := r.change.purse.consult(in, c); err != nil || !open {
			return nil, err
		}
	}
	if r.only == nil {
		r.only = []int32{}
	}
	r.only = r.only[:0]
	for i := range c.trace.Endpoints {
		f := &c.trace.Endpoints[i]
		s := &c.fleet.Served[f.At]
		if !r.change.allows(s) {
			continue
		}
		r.only = append(r.only, f.At)
		if p := r.change.pricing(s); p != s.Pricing {
			in.Estimates[f.At] = repriced(f.Estimate, s, p, &c.trace.Request)
		}
	}
	in.Only = r.only // never nil, which would be all
	return route.Decide(in)
}

// beyond reports whether the call would have gone where a hard limit of the
// strategy that it was decided under forbids. in is that of decide.
func (r *replayer) beyond(in *route.Input, c *stored, other *model.Plan) bool {
	if other == nil || r.change.strategy == nil || r.change.KeepLimits || !c.trace.Strategy.Limited() {
		return false
	}
	r.within = r.change.strategy.Within(&c.trace.Strategy)
	r.only = append(r.only[:0], int32(other.First().Index))
	in.Strategy, in.Only = &r.within, r.only
	p, _ := route.Decide(in)
	return p == nil
}

func (c *change) allows(s *model.Served) bool {
	id, canonical := s.Endpoint.Model, model.ModelID(s.Model.Canonical)
	named := func(list []model.ModelID) bool {
		return slices.Contains(list, id) || canonical != "" && slices.Contains(list, canonical)
	}
	return !named(c.ExcludeModels) && (len(c.OnlyModels) == 0 || named(c.OnlyModels))
}

// pricing is the price of an endpoint under the change.
func (c *change) pricing(s *model.Served) *model.Pricing {
	if p, ok := c.Prices[string(s.ID)]; ok {
		return p
	}
	if p, ok := c.Prices[string(s.Endpoint.Model)]; ok {
		return p
	}
	return s.Pricing
}

// repriced is an estimate at another price: scaled by what the expected tokens
// cost at the two prices or, where they had no price, exactly what they cost.
func repriced(e model.Estimate, s *model.Served, p *model.Pricing, r *route.Request) model.Estimate {
	u := model.Usage{Input: model.Known(e.InputTokens), Output: model.Known(e.OutputTokens * max(r.Choices, 1))}
	now := cost.Price(withThroughput(p, s), u, cost.AssumedTime)
	before := cost.Price(withThroughput(s.Pricing, s), u, cost.AssumedTime)
	out := e
	out.Priced = !now.Unpriced
	switch {
	case now.Unpriced:
		out.Expected, out.Low, out.High = 0, 0, 0
	case !e.Priced || before.Unpriced || before.Total == 0:
		out.Expected, out.Low, out.High = now.Total, now.Total, now.Total
	default:
		f := float64(now.Total) / float64(before.Total)
		scale := func(m model.Money) model.Money { return model.Money(float64(m)*f + 0.5) }
		out.Expected, out.Low, out.High = scale(e.Expected), scale(e.Low), scale(e.High)
	}
	return out
}

// withThroughput completes a price by the hour with what is known of the
// model's speed on the endpoint's hardware.
func withThroughput(p *model.Pricing, s *model.Served) *model.Pricing {
	if p == nil || p.Hourly == nil {
		return p
	}
	if _, declared := p.MachineThroughput(); declared {
		return p
	}
	f, ok := s.Model.Throughput[s.Hardware]
	if !ok {
		return p
	}
	own := *p
	own.TokensPerSecond = &f.Value
	return &own
}
