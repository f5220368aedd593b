package cartrita

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// subjectOf says whose budgets a call counts against.
func subjectOf(who *model.Caller, on *model.Context) budget.Subject {
	user := who.User
	if user == "" {
		user = on.UserID
	}
	return budget.Subject{
		Key: who.Key, User: user, Team: who.Team, Project: who.Project,
		Workflow: on.WorkflowRunID, Tags: who.Tags,
	}
}

// consultBudgets asks what the budgets of the call leave to choose from, and
// whether they pay for anything at all.
func (s *Service) consultBudgets(q *question, ans *answer) error {
	if s.budgets == nil {
		return nil
	}
	v := s.budgets.View(&q.subject)
	ans.degraded = v.Steps
	if v.Refusal != nil {
		return v.Refusal
	}
	if v.Limits == nil {
		return nil
	}
	ans.limits, ans.in.Budget = v.Limits, v.Limits
	if most := mostTokens(v.Limits, "", ""); q.size.MaxOutput.Or(math.MaxInt64) > most {
		q.size.MaxOutput = model.Known(most)
		ans.in.MaxOutput = q.size.MaxOutput
	}
	return nil
}

// mostTokens is the cap on answers of the endpoint; "" asks for the rules that
// are for every endpoint. MaxInt64 is none.
func mostTokens(limits *model.BudgetLimits, m model.ModelID, provider string) int64 {
	most := int64(math.MaxInt64)
	if limits == nil {
		return most
	}
	for i := range limits.Rules {
		r := &limits.Rules[i]
		if r.MaxOutput > 0 && r.Covers(m, provider) {
			most = min(most, r.MaxOutput)
		}
	}
	return most
}

// account is the money side of one call: what is held for the attempt under
// way, and what the attempts before it were charged.
type account struct {
	hold    *budget.Hold   // of the attempt under way; nil: nothing is held
	charged []model.Charge // by the attempts that ended
	counted bool           // the call is charged as a request already
	priced  bool           // the price of the attempt was known when it was held for
}

// stake holds money for the first attempt of the plan that the rate limits let
// through and the budgets pay for, and notes in the record those that they do not.
// It returns the decision to make that attempt, or a refusal: the last, or of rate
// limits the one that ends first.
func (r *run) stake(ctx context.Context) (route.Decision, *model.Error) {
	var failure *model.Error
	for _, a := range r.plan.Attempts {
		next := route.Decision{Action: route.Fall, Candidate: a.Candidate, Step: a.Step}
		refused := r.open(ctx, next)
		if refused == nil {
			return next, nil
		}
		failure = soonest(failure, refused)
	}
	return route.Decision{}, failure
}

// soonest is, of two refusals, the later one, unless both are of limits and the
// earlier one ends first.
func soonest(a, b *model.Error) *model.Error {
	if a != nil && a.Kind == model.KindRateLimited && b.Kind == model.KindRateLimited && a.RetryAfter > 0 &&
		(b.RetryAfter == 0 || a.RetryAfter < b.RetryAfter) {
		return a
	}
	return b
}

// open begins an attempt: its row in the record, its place in the rate limits, and
// the money it may take. A limit or budget that refuses leaves the row as an
// attempt that was never sent, and says nothing about the endpoint.
func (r *run) open(ctx context.Context, d route.Decision) *model.Error {
	cand := &r.plan.Candidates[d.Candidate]
	r.final = cand.Index
	retry := r.retries(cand.Endpoint, d.Action)
	r.rec.Attempts = append(r.rec.Attempts, model.Attempt{
		Endpoint: cand.Endpoint, Model: cand.Model, Step: d.Step, Retry: retry,
	})
	r.rec.Estimated = cand.Estimate.Expected
	failure := r.takeRates(ctx, cand)
	if failure == nil {
		if failure = r.reserve(cand); failure != nil {
			r.rates.Release(0)
		}
	}
	if failure != nil {
		r.row().Error = recorded(failure)
	}
	return failure
}

// reopen begins a further attempt. What it holds is in the spool before it is
// sent, so that a crash does not forget it.
func (r *run) reopen(ctx context.Context, d route.Decision) *model.Error {
	if failure := r.open(ctx, d); failure != nil || r.budgets == nil {
		return failure
	}
	if err := r.events.Amend(r.rec); err != nil {
		r.giveBack()
		failure := model.AsError(err)
		r.row().Error = recorded(failure)
		return failure
	}
	return nil
}

// row is the attempt under way.
func (r *run) row() *model.Attempt { return &r.rec.Attempts[len(r.rec.Attempts)-1] }

// reserve holds what the attempt may cost in every budget of the call.
func (r *run) reserve(cand *model.Candidate) *model.Error {
	if r.budgets == nil {
		return nil
	}
	hold, failure := r.budgets.Reserve(&r.subject, r.target(cand), r.stakes(cand))
	if failure != nil {
		return failure
	}
	r.money.hold = hold
	r.rec.Charges = hold.Charges(slices.Clone(r.money.charged))
	return nil
}

func (r *run) target(cand *model.Candidate) budget.Target {
	return budget.Target{Model: cand.Model, Provider: r.view.snap.Served[cand.Index].Provider}
}

// stakes are the figures among which each budget takes its own: the most that
// the attempt can cost, the upper end of its estimate, and, where its price is
// unknown, what the dearest endpoint that we know would take.
func (r *run) stakes(cand *model.Candidate) budget.Amounts {
	p, size := r.view.profiles[cand.Index], r.measured()
	if most := r.cap(cand); most < size.MaxOutput.Or(math.MaxInt64) {
		size.MaxOutput = model.Known(most)
	}
	e := cand.Estimate
	if size != r.size { // the estimate rests on what the caller says of the call
		e = r.cost.Estimate(p, size)
	}
	a := budget.Amounts{
		Quantile: e.High, Other: (*quantiles)(r), Tokens: p.WorstTokens(&size),
		Expected: e.InputTokens + e.OutputTokens*max(size.Choices, 1), Open: !size.MaxOutput.Known && r.call.Surface != model.SurfaceEmbeddings,
	}
	if !r.money.counted {
		a.Requests = 1
	}
	worst, known := p.Worst(&size)
	a.Known = known && e.Priced
	r.money.priced = a.Known
	if a.Worst = max(worst, e.High); a.Known {
		return a
	}
	a.AssumedMax = r.dearest(func(p *cost.Profile) model.Money {
		most, _ := p.Worst(&size)
		return most
	})
	return a
}

// quantiles are those of the cost of the attempt that is being opened.
type quantiles run

// Quantile implements budget.Quantiles.
func (q *quantiles) Quantile(share float64) model.Money {
	x, err := q.cost.Explain(q.view.profiles[q.final], (*run)(q).measured(), 2*share-1) // its interval leaves as much below as above
	if err != nil {
		return math.MaxInt64 // the worst case is less
	}
	return x.High
}

// Tokens implements budget.Quantiles.
func (q *quantiles) Tokens(share float64) int64 {
	x, err := q.cost.Explain(q.view.profiles[q.final], (*run)(q).measured(), 2*share-1)
	if err != nil {
		return math.MaxInt64
	}
	f := &x.Factors
	return int64(math.Ceil(f.Prompt.High + f.Answer.High*float64(f.Answers)))
}

// measured is the size of the call by what we see of it. What the caller says
// of it may guide the choice, but does not lower what is held.
func (r *run) measured() cost.Request {
	size := r.size
	size.InputTokens, size.OutputTokens = r.call.PromptTokens, model.Count{}
	return size
}

// dearest is the highest price among the endpoints whose price is known, and
// where that is nothing, at the highest price that there is.
func (r *run) dearest(price func(*cost.Profile) model.Money) (most model.Money) {
	for _, p := range r.view.profiles {
		most = max(most, price(p))
	}
	if most == 0 {
		most = price(r.cost.Dearest())
	}
	return most
}

// charge replaces what is held for the attempt by what it took. An attempt
// that was never sent, or that the upstream does not bill, gives it back.
func (r *run) charge(billed bool, u *model.Usage, took time.Duration, bill *model.CostBreakdown) {
	if r.budgets == nil {
		return
	}
	if !billed {
		r.giveBack()
		return
	}
	s := budget.Spend{Cost: bill.Total, Known: !bill.Unpriced, Tokens: u.Input.Or(0) + u.Output.Or(0)}
	if !r.money.counted {
		s.Requests, r.money.counted = 1, true
	}
	if bill.Unpriced && !r.money.priced { // else a part of the bill has no price, and what is likely bounds it
		s.AssumedMax = r.dearest(func(p *cost.Profile) model.Money { return p.Price(*u, took).Total })
	}
	r.money.charged = addCharges(r.money.charged, r.money.hold.Settle(nil, s))
	r.rec.Charges = r.money.charged
}

// giveBack ends the hold of an attempt that is charged nothing.
func (r *run) giveBack() {
	r.rates.Release(r.took)
	r.money.hold.Release()
	r.rec.Charges = r.money.charged
}

// assume charges what is held, when a fault of ours hides what was spent.
func (r *run) assume() {
	r.money.charged = addCharges(r.money.charged, r.money.hold.Assume(nil))
	r.rec.Charges = r.money.charged
}

// addCharges adds up the charges of attempts by budget and period.
func addCharges(sum, more []model.Charge) []model.Charge {
next:
	for _, c := range more {
		for i := range sum {
			if s := &sum[i]; s.Budget == c.Budget && s.Period.Equal(c.Period) {
				s.Cost += c.Cost
				s.Tokens += c.Tokens
				s.Requests += c.Requests
				s.Assumed = s.Assumed || c.Assumed
				continue next
			}
		}
		sum = append(sum, c)
	}
	return sum
}

// cap is the most tokens of an answer that budgets let the endpoint write;
// MaxInt64 is none.
func (r *run) cap(cand *model.Candidate) int64 {
	if r.call.Surface == model.SurfaceEmbeddings {
		return math.MaxInt64
	}
	return mostTokens(r.limits, cand.Model, r.view.snap.Served[cand.Index].Provider)
}

// capped returns the call with its answers bounded as the budgets ask of the
// endpoint; most calls are returned as they are.
func (r *run) capped(cand *model.Candidate) (*model.Call, *model.Error) {
	most := r.cap(cand)
	if r.call.MaxOutput.Or(math.MaxInt64) <= most {
		return r.call, nil
	}
	return withMaxOutput(r.call, most)
}

// The members by which callers bound an answer.
const (
	keyMaxTokens     = "max_tokens"
	keyMaxCompletion = "max_completion_tokens"
)

// withMaxOutput returns the call with its answers bounded by limit tokens.
func withMaxOutput(call *model.Call, limit int64) (*model.Call, *model.Error) {
	value := strconv.AppendInt(nil, limit, 10)
	edits := make([]jsonscan.Edit, 0, 2)
	for _, key := range [...]string{keyMaxTokens, keyMaxCompletion} {
		if _, there := call.Body.Get(key); there {
			edits = append(edits, jsonscan.Edit{Key: key, Value: value})
		}
	}
	if len(edits) == 0 {
		edits = append(edits, jsonscan.Edit{Key: keyMaxTokens, Value: value})
	}
	body, err := jsonscan.Parse(call.Body.Rewrite(nil, edits...))
	if err != nil {
		return nil, &model.Error{Op: "cartrita.withMaxOutput", Kind: model.KindInternal, Err: err}
	}
	out := *call
	out.Body, out.MaxOutput = body, model.Known(limit)
	return &out, nil
}

// unpriced is the data of a price.unknown event.
type unpriced struct {
	Endpoint model.EndpointID `json:"endpoint"`
	Model    model.ModelID    `json:"model"`
	Day      string           `json:"day"` // UTC
}

// noteUnpriced says, once a day for each endpoint, that calls go where the price
// is not known: their costs are lower bounds, and budgets assume something.
func (r *run) noteUnpriced(cand *model.Candidate) {
	u := unpriced{cand.Endpoint, cand.Model, r.now().UTC().Format(time.DateOnly)}
	if last, _ := r.unpricedSeen.Swap(cand.Endpoint, u.Day); last == u.Day {
		return
	}
	r.log.Warn("calls go to an endpoint without a known price", "endpoint", cand.Endpoint, "model", cand.Model)
	r.events.Notice(event.PriceUnknown, string(u.Endpoint)+" "+u.Day, time.Time{}, u)
}

// degradedWords says which steps of budgets a decision was made under.
func degradedWords(steps []model.BudgetStep) string {
	var b strings.Builder
	for i := range steps {
		s := &steps[i]
		fmt.Fprintf(&b, " The budget %s, %.0f %% used, asked for %s", s.Budget, 100*s.Used, s.Action)
		if s.Detail != "" {
			b.WriteString(" " + s.Detail)
		}
		b.WriteByte('.')
	}
	return b.String()
}
