package gateway

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/prompt"
	"github.com/cartrita/cartrita/model"
)

// Bounds of a search for calls.
const (
	defaultSimilar = 10
	maxSimilar     = 100
)

// similarRequest is the body of POST /api/v1/calls/similar: a text or a call, and
// which calls are searched, by the names that GET /api/v1/events knows them by.
type similarRequest struct {
	Text  string `json:"text"`
	Call  string `json:"call"`
	Limit int    `json:"limit"`

	Since      *string `json:"since"`
	Until      *string `json:"until"`
	Model      *string `json:"model"`
	Endpoint   *string `json:"endpoint"`
	Provider   *string `json:"provider"`
	Task       *string `json:"task_type"`
	Strategy   *string `json:"strategy"`
	User       *string `json:"user"`
	Workflow   *string `json:"workflow"`
	Stage      *string `json:"stage"`
	Session    *string `json:"session"`
	Supervisor *string `json:"supervisor"`
	Key        *string `json:"key"`
	Team       *string `json:"team"`
	Project    *string `json:"project"`
	Tag        *string `json:"tag"`
}

// filter reads which calls are searched.
func (r *similarRequest) filter(now time.Time) (event.Filter, *model.Error) {
	values := url.Values{}
	for name, value := range map[string]*string{
		"since": r.Since, "until": r.Until, "model": r.Model, "endpoint": r.Endpoint, "provider": r.Provider, "task_type": r.Task, "strategy": r.Strategy,
		"user": r.User, "workflow": r.Workflow, "stage": r.Stage, "session": r.Session, "supervisor": r.Supervisor,
		"key": r.Key, "team": r.Team, "project": r.Project, "tag": r.Tag,
	} {
		if value != nil {
			values.Set(name, *value)
		}
	}
	q := &query{values: values, now: now}
	f := eventFilter(q)
	f.Since, f.Until = q.moment("since"), q.moment("until")
	if err := q.done(); err != nil {
		return f, err
	}
	if err := f.Check(); err != nil {
		return f, model.AsError(err)
	}
	return f, nil
}

// check sets the default of the limit.
func (r *similarRequest) check() *model.Error {
	if r.Limit == 0 {
		r.Limit = defaultSimilar
	}
	switch {
	case r.Limit < 1 || r.Limit > maxSimilar:
		return model.Invalidf(opParse, "limit", "is %d; want an integer from 1 to %d", r.Limit, maxSimilar)
	case r.Text != "" && r.Call != "":
		return model.Invalidf(opParse, "call", "stands beside text; want one of the two")
	case strings.TrimSpace(r.Text) == "" && r.Call == "":
		return model.Invalidf(opParse, "text", "is missing; want what the calls were asked alike, or in call the id of one whose prompt to take")
	}
	return nil
}

// SimilarCalls is the answer of POST /api/v1/calls/similar.
type SimilarCalls struct {
	Embedder model.ModelID  `json:"embedder"` // whose vectors were compared
	Calls    []SimilarCall  `json:"calls"`    // nearest first
	Models   []SimilarModel `json:"models"`   // of these calls; most calls first
}

// SimilarCall is a call whose prompt is like what was asked for.
type SimilarCall struct {
	Score     float64          `json:"score"` // the cosine of the vectors, in [0,1]
	ID        model.CallID     `json:"call_id"`
	Ended     time.Time        `json:"ended_at"`
	State     model.State      `json:"state"`
	Model     model.ModelID    `json:"model"`
	Endpoint  model.EndpointID `json:"endpoint"`
	Provider  string           `json:"provider"`
	Cost      model.Money      `json:"cost_usd"` // of all attempts
	Unpriced  bool             `json:"unpriced,omitempty"`
	LatencyMS float64          `json:"latency_ms"`
	Attempts  int              `json:"attempts"`
}

// SimilarModel is how one model served the calls that were found.
type SimilarModel struct {
	Model     model.ModelID `json:"model"`
	Calls     int           `json:"calls"`           // that it answered
	Failures  int           `json:"failures"`        // attempts at it that failed
	Unpriced  int           `json:"unpriced_calls"`  // that it answered at no known price
	Cost      *model.Money  `json:"mean_cost_usd"`   // of the answers with a known price; null: none
	LatencyMS *float64      `json:"mean_latency_ms"` // of the calls that it answered; null: none
}

// findSimilarCalls serves POST /api/v1/calls/similar.
func (g *Gateway) findSimilarCalls(x *exchange) {
	defer x.releaseBody()
	r, err := x.readSimilar()
	if err != nil {
		x.fail(err)
		return
	}
	answer, ferr := x.similarTo(x.r.Context(), r)
	if ferr != nil {
		x.fail(model.AsError(ferr))
		return
	}
	x.writeJSON(answer)
}

func (x *exchange) readSimilar() (*similarRequest, *model.Error) {
	body, err := x.readBody()
	if err != nil {
		return nil, err
	}
	r := &similarRequest{}
	if err := x.g.similar.Decode(body, r); err != nil {
		return nil, err
	}
	return r, r.check()
}

func (x *exchange) similarTo(ctx context.Context, r *similarRequest) (*SimilarCalls, error) {
	filter, bad := r.filter(x.g.cfg.Clock())
	if bad != nil {
		return nil, bad
	}
	wish, err := x.wishOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := x.g.flushEvents(ctx); err != nil {
		return nil, err
	}
	q := &event.PromptQuery{Embedder: wish.Embedder, Vector: wish.Vector, K: r.Limit, Filter: filter}
	if r.Call != "" {
		q.K++ // itself, which is left out
	}
	found, err := x.g.cfg.Prompts.NearestPrompts(ctx, q)
	if err != nil {
		return nil, err
	}
	if r.Call != "" {
		found = slices.DeleteFunc(found, func(n event.PromptNeighbour) bool { return n.ID == wish.Call })
	}
	return summed(wish.Embedder, found[:min(r.Limit, len(found))]), nil
}

// wishOf returns the vector that is searched for: that of a stored call, or that
// which the model gives the text. For the latter the searcher pays.
func (x *exchange) wishOf(ctx context.Context, r *similarRequest) (event.Prompt, error) {
	if r.Call != "" {
		id, err := model.ParseCallID(r.Call)
		if err != nil {
			return event.Prompt{}, model.Invalidf(opParse, "call", "%v", err)
		}
		return x.g.cfg.Prompts.Prompt(ctx, id)
	}
	if x.g.cfg.Embeddings.Model == "" {
		return event.Prompt{}, model.Invalidf(opParse, "text", "cannot be compared: the configuration names no embeddings.model")
	}
	vs, by, err := likeness{x: x}.ask(ctx, []string{prompt.Cut(r.Text, promptText)})
	if err != nil {
		return event.Prompt{}, err
	}
	return event.Prompt{Embedder: by, Vector: vs[0]}, nil
}

// summed words what was found.
func summed(embedder model.ModelID, found []event.PromptNeighbour) *SimilarCalls {
	out := &SimilarCalls{Embedder: embedder, Calls: []SimilarCall{}}
	models := map[model.ModelID]*tally{}
	for i := range found {
		n := &found[i]
		rec := n.Record
		out.Calls = append(out.Calls, SimilarCall{
			Score: n.Score, ID: rec.ID, Ended: n.Ended, State: rec.State, Model: rec.Model, Endpoint: rec.Endpoint, Provider: rec.Provider,
			Cost: rec.Cost.Total, Unpriced: rec.Cost.Unpriced, LatencyMS: rec.LatencyMS, Attempts: len(rec.Attempts),
		})
		for j := range rec.Attempts {
			a := &rec.Attempts[j]
			if !a.Sent() {
				continue
			}
			t := models[a.Model]
			if t == nil {
				t = &tally{SimilarModel: SimilarModel{Model: a.Model}}
				models[a.Model] = t
			}
			t.add(a, rec)
		}
	}
	out.Models = []SimilarModel{}
	for _, t := range models {
		out.Models = append(out.Models, t.sum())
	}
	slices.SortFunc(out.Models, func(a, b SimilarModel) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Failures, b.Failures), cmp.Compare(a.Model, b.Model))
	})
	return out
}

// tally adds up the attempts at one model.
type tally struct {
	SimilarModel
	cost    model.Money
	latency float64
}

func (t *tally) add(a *model.Attempt, rec *model.Record) {
	if a.Error != nil {
		t.Failures++
		return
	}
	t.Calls++
	t.latency += rec.LatencyMS
	if rec.Cost.Unpriced {
		t.Unpriced++
		return
	}
	t.cost += a.Cost
}

func (t *tally) sum() SimilarModel {
	if t.Calls > 0 {
		mean := t.latency / float64(t.Calls)
		t.LatencyMS = &mean
	}
	if priced := t.Calls - t.Unpriced; priced > 0 {
		mean := t.cost / model.Money(priced)
		t.Cost = &mean
	}
	return t.SimilarModel
}
