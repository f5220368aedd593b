package budget

import (
	"fmt"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Refusal says why a call was not admitted: every budget that it would pass.
type Refusal struct {
	Exceeded []Exceeded `json:"exceeded"`
}

// Exceeded is one budget that refused a call. Dollars are decimal numbers.
type Exceeded struct {
	Budget   model.BudgetID `json:"budget"`
	Scope    Scope          `json:"scope,omitzero"`
	Period   Every          `json:"period"`
	Rolling  bool           `json:"rolling,omitempty"`
	Unit     string         `json:"unit"`           // usd, tokens or requests: what ran out first
	Reason   string         `json:"reason"`         // limit, held, too_large, ladder, unknown_price
	Step     *Step          `json:"step,omitempty"` // of the ladder, that stands in the way
	Limit    Limits         `json:"limit"`          //
	Spent    Quantities     `json:"spent"`          //
	Held     Limits         `json:"held"`           // by calls that are running
	Asked    Quantities     `json:"asked"`          // for this call
	Allowed  Limits         `json:"allowed"`        // what a call may still ask for now
	ResetsAt *time.Time     `json:"resets_at,omitempty"`

	open bool // nothing bounds the answer that the call asks for
}

// The reasons of a refusal.
const (
	reasonLimit   = "limit"         // what is spent leaves no room
	reasonHeld    = "held"          // what running calls hold leaves no room
	reasonLarge   = "too_large"     // it would not fit an empty budget
	reasonLadder  = "ladder"        // the ladder refuses
	reasonUnknown = "unknown_price" // and the budget takes no such calls
)

// heldWait is when to come back where running calls stand in the way: nobody
// knows when they end.
const heldWait = time.Second

// refusal says why a call does not fit, without words (inWords). Caller holds the lock, for reading at
// least.
func (l *Ledger) refusal(r *resolved, a *Amounts, now int64) *model.Error {
	d := &Refusal{}
	var wait time.Duration
	for _, in := range r.insts {
		ask, priced := in.state.asked(a)
		e, ok := in.exceeded(ask, priced)
		if !ok {
			continue
		}
		e.open = a.Open
		w := in.wait(&e, ask, now)
		e.resets(w, now)
		wait = max(wait, w)
		d.Exceeded = append(d.Exceeded, e)
	}
	return &model.Error{Op: "budget.Reserve", Kind: model.KindBudget, RetryAfter: wait, Details: d}
}

// resets notes when the budget may be passed: after wait, if that is known.
func (e *Exceeded) resets(wait time.Duration, now int64) {
	if wait > 0 && e.Reason != reasonHeld {
		t := instant(now + int64(wait))
		e.ResetsAt = &t
	}
}

// inWords gives a refusal its message, once no lock is held any more.
func inWords(err *model.Error) *model.Error {
	if err == nil {
		return nil
	}
	if d, ok := err.Details.(*Refusal); ok && len(d.Exceeded) > 0 {
		e := &d.Exceeded[0]
		if err.Message = e.message(); e.open && e.Reason == reasonLarge && e.Unit != unitNames[requests] {
			err.Param = "max_tokens"
		}
	}
	return err
}

// exceeded describes why an instance refuses; false when it does not.
func (in *instance) exceeded(ask amounts, priced bool) (Exceeded, bool) {
	s := in.state
	e := Exceeded{
		Budget: in.id, Scope: scopeOf(in.values), Period: s.Period, Rolling: s.Rolling,
		Unit: unitNames[usd], Spent: in.spent(), Asked: ask.quantities(),
	}
	var limit, held, allowed [units]*int64
	for u := range units {
		if !in.terms.limited[u] {
			continue
		}
		spent, used := in.win.spent[u].Load(), in.win.used[u].Load()
		most, running, left := in.terms.limit[u], max(used-spent, 0), max(in.terms.lease[u]-used, 0)
		limit[u], held[u], allowed[u] = &most, &running, &left
		if e.Reason != "" {
			continue
		}
		switch {
		case spent >= most && (u != requests || ask[u] > 0) || ask[u] > 0 && ask[u] <= most && spent+ask[u] > most:
			e.Reason = reasonLimit
		case ask[u] > most:
			e.Reason = reasonLarge
		case ask[u] > left:
			e.Reason = reasonHeld
		default:
			continue
		}
		e.Unit = unitNames[u]
	}
	e.Limit, e.Held, e.Allowed = limits(limit), limits(held), limits(allowed)
	switch {
	case !priced:
		e.Reason, e.Unit = reasonUnknown, unitNames[usd]
	case e.Reason == "" && in.terms.ladder && in.refuses():
		e.Reason, e.Unit, e.Step = reasonLadder, unitNames[in.scarcest()], in.state.marks[in.state.refuseAt].step
		for u := range units {
			if in.terms.limited[u] {
				allowed[u] = new(int64)
			}
		}
		e.Allowed = limits(allowed)
	}
	return e, e.Reason != ""
}

// scarcest is the limited unit of which the largest share is spent.
func (in *instance) scarcest() (unit int) {
	most := -1.0
	for u := range units {
		if limit := in.terms.limit[u]; in.terms.limited[u] {
			if share := float64(in.win.spent[u].Load()) / float64(max(limit, 1)); share > most {
				unit, most = u, share
			}
		}
	}
	return unit
}

// wait is the time until the call may fit: the end of the period, or when
// enough has left a rolling window. 0: it never will, or nobody knows.
func (in *instance) wait(e *Exceeded, ask amounts, now int64) time.Duration {
	switch {
	case e.Reason == reasonHeld:
		return heldWait
	case e.Reason == reasonLarge, e.Reason == reasonUnknown:
		return 0
	case e.Reason == reasonLadder:
		return in.untilLeft(in.state.refuseAt, now)
	}
	return in.untilSpent(now, func(u int, spent int64) bool {
		return spent < in.terms.limit[u] && spent+ask[u] <= in.terms.limit[u]
	})
}

// untilLeft is the time until a mark is left.
func (in *instance) untilLeft(i int, now int64) time.Duration {
	return in.untilSpent(now, func(u int, spent int64) bool { return spent < in.terms.leave[i][u] })
}

// untilSpent is the time until what is spent is little enough in each limited
// unit, or the period ends. 0: nobody knows.
func (in *instance) untilSpent(now int64, enoughOf func(unit int, spent int64) bool) time.Duration {
	switch {
	case in.win.end == never:
		return 0
	case !in.state.calendar.rolling():
		return time.Duration(in.win.end - now)
	}
	var free amounts
	for _, c := range in.win.cells {
		enough := true
		for u := range units {
			free[u] += c.spent[u].Load()
			if !in.terms.limited[u] {
				continue
			}
			enough = enough && enoughOf(u, in.win.spent[u].Load()-free[u])
		}
		if enough {
			return time.Duration(c.end + int64(in.state.calendar.width) - now)
		}
	}
	return 0
}

// message words a refusal for people.
func (e *Exceeded) message() string {
	if e.Reason == reasonUnknown {
		return fmt.Sprintf("budget %q (%s) takes no calls without a known price; name a model that has one", e.Budget, e.Scope)
	}
	unit := func(q Quantities) string {
		switch e.Unit {
		case unitNames[tokens]:
			return counted(q.Tokens, "token")
		case unitNames[requests]:
			return counted(q.Requests, "request")
		}
		return q.USD.String()
	}
	every := string(e.Period)
	if e.Rolling {
		every = "rolling " + every
	}
	none := unit(Quantities{})
	var b strings.Builder
	fmt.Fprintf(&b, "budget %q (%s, %s) has spent %s of %s", e.Budget, e.Scope, every, unit(e.Spent), unit(e.Limit.quantities()))
	if held := unit(e.Held.quantities()); held != none {
		fmt.Fprintf(&b, " and holds %s for running calls", held)
	}
	if asked := unit(e.Asked); asked != none && e.Reason != reasonLadder {
		fmt.Fprintf(&b, "; this call asks for %s", asked)
	}
	switch allowed := unit(e.Allowed.quantities()); {
	case e.Reason == reasonLarge && e.open && e.Unit != unitNames[requests]:
		b.WriteString(", which would not fit an empty budget, since nothing bounds its answer: set max_tokens, or let the budget reserve p95")
	case e.Reason == reasonLarge:
		b.WriteString(", which would not fit an empty budget: ask for less, or let the budget reserve p95")
	case e.Reason == reasonLadder:
		b.WriteString(e.Step.words())
	case allowed != none:
		fmt.Fprintf(&b, "; up to %s would still be allowed", allowed)
	}
	if e.ResetsAt != nil {
		fmt.Fprintf(&b, "; try again at %s", e.ResetsAt.Format(time.RFC3339))
	}
	return b.String()
}

// words say what a step of a ladder leaves to calls.
func (s *Step) words() string {
	at := fmt.Sprintf("; at its present step, %s from %.4g %% on, it allows only endpoints ", s.Action, 100*s.At)
	switch s.Action {
	case MaxPrice:
		return at + "expected to cost at most $" + string(s.Value) + " per 1,000 tokens"
	case RequireTag:
		return at + "of models tagged " + string(s.Value)
	case SelfHostedOnly:
		return at + "on hardware of your own"
	}
	return "; its ladder refuses calls from here on"
}

func counted(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
