package cartrita

import (
	"context"
	"strings"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/internal/prompt"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// Select decides without calling. The decision is recorded, so that its
// request id can be explained later. Errors: KindInvalid with the field,
// KindNotFound for an unknown model, KindBudget when a budget of c.Caller
// refuses, KindNoCandidate with who was excluded by what, KindUnavailable when
// endpoints would do but take no calls now.
func (s *Service) Select(ctx context.Context, c Criteria) (*Selection, error) {
	q, err := s.ask(&c)
	if err != nil {
		return nil, err
	}
	var ans answer
	defer s.release(&ans)
	if err := s.decide(q, &ans); err != nil {
		return nil, err
	}
	rec := &model.Record{
		ID: q.id, Received: q.received, Surface: model.SurfaceSelect, Task: q.task, Asked: q.criteria.Model,
		Context: c.Context, Plan: ans.plan, State: model.StatePlanned,
		Estimated: ans.plan.First().Estimate.Expected,
	}
	if c.Caller != nil {
		rec.Caller = *c.Caller
	}
	if err := s.events.Outcome(rec); err != nil {
		return nil, err
	}
	return selection(q.id, ans.plan), nil
}

// ask turns criteria into a question.
func (s *Service) ask(c *Criteria) (*question, error) {
	who := c.Caller
	if who == nil {
		who = &model.Caller{}
	}
	q := &question{
		id: model.NewCallID(), name: c.Model, criteria: c, task: model.TaskChat, received: s.now(),
		subject: subjectOf(who, &c.Context),
		size:    cost.Request{InputTokens: optional(c.InputTokens), OutputTokens: optional(c.OutputTokens)},
	}
	if c.Task != nil {
		q.task = *c.Task
	}
	q.size.Task = q.task
	for _, field := range []struct {
		name string
		n    *int64
	}{{"input_tokens", c.InputTokens}, {"output_tokens", c.OutputTokens}} {
		if field.n != nil && *field.n < 0 {
			return nil, model.Invalidf("cartrita.Select", field.name, "is %d: want a number of tokens, at least 0", *field.n)
		}
	}
	if len(c.Messages) > 0 {
		size, err := prompt.Messages(c.Messages)
		if err != nil {
			return nil, err
		}
		q.messages = c.Messages
		q.size.PromptBytes, q.size.Text, q.size.Images, q.size.Attached, q.needs = size.Bytes, size.Text, size.Images, size.Attached, size.Needs
		q.text = func() string { return messagesText(c.Messages) }
	}
	return q, nil
}

func selection(id model.CallID, p *model.Plan) *Selection {
	first := p.First()
	out := &Selection{
		RequestID: id, Selected: first.Model, Endpoint: first.Endpoint, Strategy: p.Strategy, Weights: p.Weights,
		Score: first.Score, Reason: route.Explain(p), Confidence: p.Confidence, EstimatedCost: first.Estimate,
		FallbackAvailable: len(p.Attempts) > 1, Fallbacks: []model.EndpointID{},
		Candidates: p.Candidates, Excluded: worded(p.Excluded),
	}
	if first.Estimate.Priced {
		out.EstimatedCostUSD = &first.Estimate.Expected
	}
	if lat := first.Terms.Latency; lat.Known {
		out.EstimatedLatencyMS = &lat.Value
	}
	for _, a := range p.Attempts[1:] {
		out.Fallbacks = append(out.Fallbacks, p.Candidates[a.Candidate].Endpoint)
	}
	return out
}

func worded(ex []model.Exclusion) []ExcludedEndpoint {
	out := make([]ExcludedEndpoint, len(ex))
	for i, e := range ex {
		out[i] = ExcludedEndpoint{Exclusion: e, Reason: e.Reason()}
	}
	return out
}

// promptText returns the decoded text of a call's prompt, for a tokenizer.
func promptText(call *model.Call) string {
	if raw, ok := call.Body.Get("messages"); ok {
		return messagesText(raw)
	}
	for _, key := range []string{"prompt", "input"} {
		if raw, ok := call.Body.Get(key); ok {
			return stringsIn(raw)
		}
	}
	return ""
}

// promptRaw returns the prompt as it was received.
func promptRaw(call *model.Call) []byte {
	for _, key := range [...]string{"messages", "prompt", "input"} {
		if raw, ok := call.Body.Get(key); ok {
			return raw
		}
	}
	return nil
}

// messagesText joins the texts of a messages array: contents that are strings,
// and the text parts of the others.
func messagesText(raw []byte) string {
	var b strings.Builder
	add := func(raw []byte) {
		if raw[0] == '"' {
			s, _ := jsonscan.Unquote(raw)
			b.WriteString(s)
			b.WriteByte('\n')
		}
	}
	eachNamed(raw, "content", func(content []byte) {
		add(content)
		eachNamed(content, "text", add)
	})
	return b.String()
}

// eachNamed calls f for the member of that name of every object in an array.
func eachNamed(array []byte, name string, f func(value []byte)) {
	if array[0] != '[' {
		return
	}
	jsonscan.Each(array, func(_, object []byte) bool {
		jsonscan.Each(object, func(key, value []byte) bool {
			if jsonscan.Key(key) == name {
				f(value)
			}
			return true
		})
		return true
	})
}

// stringsIn joins a string, or the strings of an array.
func stringsIn(raw []byte) string {
	if raw[0] == '"' {
		s, _ := jsonscan.Unquote(raw)
		return s
	}
	var b strings.Builder
	jsonscan.Each(raw, func(_, v []byte) bool {
		b.WriteString(stringsIn(v))
		return true
	})
	return b.String()
}
