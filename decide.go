package cartrita

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/route"
)

// AutoModel is the model name that leaves the choice to the router;
// "auto:<strategy>" also names the strategy.
const AutoModel = "auto"

// question is what a decision is asked for, whoever asks.
type question struct {
	id       model.CallID
	name     string // of the model, as asked
	criteria *model.Criteria
	task     model.Task
	needs    model.FeatureSet
	size     cost.Request
	largest  float64       // as in route.Input
	text     func() string // the prompt's text, decoded; called only near a context limit
	received time.Time
	keep     int
	messages []byte // raw; nil: the prompt is none
	tools    []byte // their definitions, raw
	subject  budget.Subject

	prompt, prefix uint64 // fingerprints; 0 none
}

// answer is a decision together with what it rests on, which a fallback reads again.
type answer struct {
	in   route.Input
	plan *model.Plan
	view *view
	mem  *scratch

	limits       *model.BudgetLimits // what budgets ask; nil: nothing
	degraded     []model.BudgetStep  // the steps of their ladders behind it
	refusedTrace []byte              // of a refusal; else the plan has its trace
}

// decide takes the snapshots, estimates every endpoint and asks the router.
// The caller gives ans.mem back by release. On an error of the router ans.plan
// may be nil.
func (s *Service) decide(q *question, ans *answer) error {
	set := s.settings.Load()
	ans.view = s.current()
	snap := ans.view.snap
	ans.in = route.Input{
		Criteria: q.criteria, Task: q.task, Needs: q.needs, MaxOutput: q.size.MaxOutput, Largest: q.largest,
		Served: snap.Served, Table: ans.view.table, ChainOf: ans.view.chainOf,
		Seed: binary.LittleEndian.Uint64(q.id[8:]), Snapshot: snap.Version,
		Now: s.now(), Received: q.received, MaxAttempts: set.MaxAttempts, Keep: q.keep,
	}
	if err := s.consultBudgets(q, ans); err != nil {
		return err
	}
	if err := ans.choose(q, set, snap); err != nil {
		return err
	}
	ans.mem = s.scratch.Get().(*scratch)
	ans.mem.size(len(snap.Served))
	ans.in.Scratch = &ans.mem.route
	ans.in.Health = health.Views(ans.mem.health, ans.view.health, ans.in.Now)
	ans.in.Estimates = ans.mem.estimates
	s.cost.Estimates(ans.mem.estimates, ans.view.profiles, q.size)
	s.countNearLimits(q, ans)
	var err error
	ans.plan, err = route.Decide(&ans.in)
	if err != nil && ans.trySuspects() {
		ans.plan, err = route.Decide(&ans.in)
	}
	s.trace(q, ans, err)
	return s.explainBudgets(ans, err)
}

// trySuspects lets endpoints in that are avoided on the word of others alone. It
// reports whether there are any.
func (ans *answer) trySuspects() (any bool) {
	for i, e := range ans.view.health {
		if h := &ans.in.Health[i]; h.Circuit == model.CircuitOpen && e.Suspected(ans.in.Now) {
			h.Circuit, h.RetryAt, any = model.CircuitHalfOpen, time.Time{}, true
		}
	}
	return any
}

// choose resolves the names in the question: the strategy and the model.
func (ans *answer) choose(q *question, set *Settings, snap *registry.Snapshot) error {
	name, strategy := q.name, q.criteria.Strategy
	if name == "" || name == AutoModel {
		name = q.criteria.Model
	}
	if after, ok := strings.CutPrefix(name, AutoModel+":"); ok {
		if strategy != "" && strategy != after {
			return model.Invalidf("cartrita.decide", "strategy", "is %q, but the model name %q asks for another; want one of the two", strategy, name)
		}
		name, strategy = AutoModel, after
	}
	var err error
	if ans.in.Strategy, err = allowedStrategy(q.criteria.Allow, strategy, set.Strategies); err != nil {
		return err
	}
	ans.in.Allowed = q.criteria.Allow.Served(snap.Served)
	if b := ans.in.Budget; b != nil && b.Strategy != "" {
		if ans.in.Strategy, err = set.Strategies.Get(b.Strategy); err != nil {
			return err
		}
	}
	if name == "" || name == AutoModel {
		return nil
	}
	match, err := snap.Resolve(name)
	if err != nil {
		return err
	}
	if len(match.Served) == 0 && len(match.Chain) == 0 {
		why := "no endpoint is configured for it: set its provider's key or add it to a provider in the configuration"
		if match.Retired {
			why = "it is retired"
		}
		return &model.Error{
			Op: "cartrita.decide", Kind: model.KindNotFound, Param: "model",
			Message: fmt.Sprintf("model %q is in the registry, but %s", name, why),
		}
	}
	if err := ans.allowsNamed(name, match.Served); err != nil {
		return err
	}
	ans.in.Named, ans.in.Chain = match.Served, match.Chain
	if ans.in.Named == nil {
		ans.in.Named = []int32{}
	}
	return nil
}

// allowedStrategy finds the strategy, unless the caller's key does not allow it.
func allowedStrategy(allow *model.Allowance, name string, all *route.Strategies) (*route.Strategy, error) {
	s, err := all.Get(name)
	if err != nil || allow == nil {
		return s, err
	}
	use, ok := allow.Strategy(name, s.Name)
	if !ok {
		return nil, &model.Error{
			Op: "cartrita.decide", Kind: model.KindForbidden, Param: "strategy",
			Message: fmt.Sprintf("the API key may not use %q; it may use %s", s.Name, strings.Join(allow.Strategies, ", ")),
		}
	}
	return all.Get(use)
}

// allowsNamed refuses a model none of whose endpoints the caller's key may use:
// its fallback chain is no answer to a question that may not be asked.
func (ans *answer) allowsNamed(name string, served []int32) error {
	if ans.in.Allowed == nil || slices.ContainsFunc(served, func(i int32) bool { return ans.in.Allowed[i] }) {
		return nil
	}
	return &model.Error{
		Op: "cartrita.decide", Kind: model.KindForbidden, Param: "model",
		Message: fmt.Sprintf("the API key may not use the model %q", name),
	}
}

// countNearLimits replaces the predicted size of the prompt by the exact one
// at endpoints whose context limit lies within the prediction's error.
func (s *Service) countNearLimits(q *question, ans *answer) {
	// A token is at least a byte: a prompt with fewer bytes than the smallest
	// context has tokens fits everywhere.
	if q.text == nil || q.size.Images > 0 || q.size.PromptBytes+q.size.MaxOutput.Or(0) < ans.view.minContext {
		return
	}
	var counts []textCount
	for i := range ans.in.Served {
		p := ans.view.profiles[i]
		limit := ans.in.Served[i].Context - q.size.MaxOutput.Or(0)
		if ans.in.Served[i].Context == 0 || !ans.asked(int32(i)) || !s.cost.NeedsExact(p, q.size, limit) {
			continue
		}
		var n int64
		if n, counts = s.countOnce(counts, p, q); n >= 0 {
			size := q.size
			size.InputTokens = model.Known(n)
			ans.in.Estimates[i] = s.cost.Estimate(p, size)
			ans.in.Estimates[i].Method = model.MethodCounted
		}
	}
}

// textCount is the size of the prompt by one tokenizer; −1 when it has none.
type textCount struct {
	by     *cost.Profile
	tokens int64
}

// countOnce counts the prompt by the model's tokenizer, unless another model
// with the same one did.
func (s *Service) countOnce(known []textCount, p *cost.Profile, q *question) (int64, []textCount) {
	for _, c := range known {
		if cost.SameTokenizer(c.by, p) {
			return c.tokens, known
		}
	}
	c := textCount{by: p, tokens: -1}
	if n, exact := s.cost.CountTokens(p, q.text()); exact {
		c.tokens = n
	}
	return c.tokens, append(known, c)
}

// asked reports whether the endpoint may serve the call by its name.
func (ans *answer) asked(i int32) bool {
	if ans.in.Named == nil || slices.Contains(ans.in.Named, i) {
		return true
	}
	return slices.ContainsFunc(ans.in.Chain, func(link []int32) bool { return slices.Contains(link, i) })
}

// release gives the decision's memory back. ans.in must not be used afterwards.
func (s *Service) release(ans *answer) {
	if ans.mem != nil {
		s.scratch.Put(ans.mem)
		ans.mem, ans.in = nil, route.Input{}
	}
}
