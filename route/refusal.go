package route

import (
	"fmt"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// NoCandidate is the Details of an error about a decision without candidates.
type NoCandidate struct {
	Considered int                `json:"considered"`
	Counts     map[string]int     `json:"excluded_by"` // number of endpoints by filter name
	Excluded   []ExcludedEndpoint `json:"excluded"`    // those that came furthest, at most Input.Keep
}

// ExcludedEndpoint is an exclusion with its reason in words.
type ExcludedEndpoint struct {
	model.Exclusion
	Reason string `json:"reason"`
}

// refusal is the error of a decision without candidates: for now, if only the
// circuit stands between an endpoint and the call; for money, if only a budget
// does; for the length of the prompt,
// if only the context does; else for these conditions.
func (d *decision) refusal() error {
	const op = "route.Decide"
	details := &NoCandidate{Considered: d.considered(), Counts: map[string]int{}}
	var by []string
	for f := passed; f > 0; f-- {
		filter := f - 1
		if n := d.counts[filter]; n > 0 {
			details.Counts[filter.String()] = n
			by = append(by, fmt.Sprintf("%d by %s", n, filter))
		}
	}
	for _, x := range d.exclusions() {
		details.Excluded = append(details.Excluded, ExcludedEndpoint{x, x.Reason()})
	}
	if d.counts[model.FilterCircuit] > 0 {
		e := d.notNow(op)
		e.Details = details
		return e
	}
	if d.counts[model.FilterBudget] > 0 {
		e := d.unaffordable(op)
		e.Details = details
		return e
	}
	e := model.Errorf(op, model.KindNoCandidate, "no endpoint may serve this call; excluded: %s", strings.Join(by, ", "))
	e.Details = details
	if tooLong := d.tooLong(op); tooLong != nil {
		tooLong.Details = details
		return tooLong
	}
	required, excluded := &d.bounds.required, &d.bounds.excluded
	switch tag, both := contradiction(required, excluded); {
	case both:
		e.Param = "required_tags"
		e.Message = fmt.Sprintf("no endpoint may serve this call: the tag %q is required and excluded at once", tag)
	case d.allRetired():
		e.Param = "model"
		e.Message = "the model is retired"
	case len(by) == 0 && d.anyModel:
		e.Message = "no endpoint is configured"
	case len(by) == 0:
		e.Param = "model"
		e.Message = "no configured endpoint serves this model or its fallback chain"
	}
	return e
}

// allRetired reports whether the call names a model of which every endpoint, with
// those of its chain, is retired.
func (d *decision) allRetired() bool {
	n := 0
	for i, m := range d.marks {
		if m.filter == model.FilterStatus && d.facts[i].status == model.StatusRetired {
			n++
		}
	}
	return !d.anyModel && n > 0 && n == d.considered()
}

func contradiction(required, excluded *[2][]string) (string, bool) {
	for _, r := range required {
		for _, x := range excluded {
			if tag, both := shared(r, x); both {
				return tag, true
			}
		}
	}
	return "", false
}

// tooLong is the error when a larger context is all that an endpoint lacks; nil
// when something else is in the way, or no such context is known.
func (d *decision) tooLong(op string) *model.Error {
	roomy := *d
	roomy.anyLength = true
	largest := -1
	for i, m := range d.marks {
		named := !d.anyModel && m.group == groupFirst
		f := &d.facts[i]
		if m.filter != model.FilterContextLength || !f.contextKnown || d.need(&d.estimates[i], named) <= f.context {
			continue
		}
		if by := roomy.filter(i, named); by != passed && by != model.FilterCircuit {
			continue
		}
		if largest < 0 || f.context > d.facts[largest].context {
			largest = i
		}
	}
	if largest < 0 {
		return nil
	}
	prompt := d.prompt(&d.estimates[largest])
	what := fmt.Sprintf("the prompt has about %d tokens", prompt)
	if most := d.in.MaxOutput; most.Known && prompt <= d.facts[largest].context {
		what += fmt.Sprintf(" and the answer may have %d", most.N)
	}
	return model.Errorf(op, model.KindContextLength, "%s; the largest context of the endpoints that may serve this call has %d", what, d.facts[largest].context)
}

// notNow is the error when endpoints meet the conditions but take no calls.
func (d *decision) notNow(op string) *model.Error {
	kind, wait := model.KindRateLimited, time.Duration(-1)
	for i, m := range d.marks {
		if m.filter != model.FilterCircuit {
			continue
		}
		h := &d.health[i]
		if h.Circuit == model.CircuitOpen {
			kind = model.KindUnavailable
		}
		if !h.RetryAt.IsZero() {
			if w := max(h.RetryAt.Sub(d.in.Now), 0); wait < 0 || w < wait {
				wait = w
			}
		}
	}
	n := d.counts[model.FilterCircuit]
	what := "are rate limited by their upstream"
	if kind == model.KindUnavailable {
		what = "are not taking calls after repeated failures"
	}
	e := model.Errorf(op, kind, "the %d endpoints that may serve this call %s", n, what)
	if n == 1 {
		e.Message = "the only endpoint that may serve this call " + strings.Replace(strings.Replace(what, "are", "is", 1), "their", "its", 1)
	}
	e.RetryAfter = max(wait, 0)
	return e
}
