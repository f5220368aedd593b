package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
)

// embedder is a service whose embeddings calls are looked at; all others are
// answered.
type embedder struct {
	mu      sync.Mutex
	calls   []*model.Call
	chat    func(context.Context, *model.Call, cartrita.Writer) (*model.Record, error)
	refuse  error
	hold    chan struct{} // questions wait until it is closed; nil: not
	waiting chan struct{} // one for each that waits
}

func (e *embedder) serve(ctx context.Context, call *model.Call, w cartrita.Writer) (*model.Record, error) {
	if call.Surface != model.SurfaceEmbeddings {
		return e.chat(ctx, call, w)
	}
	e.mu.Lock()
	e.calls = append(e.calls, call)
	refuse := e.refuse
	e.mu.Unlock()
	if e.hold != nil {
		e.waiting <- struct{}{}
		<-e.hold
	}
	if refuse != nil {
		return nil, refuse
	}
	info := testInfo(call)
	info.Model = "lab/vectors-2"
	return testRecord(call), w.Answer(info, http.StatusOK, nil, []byte(`{"data":[{"index":0,"embedding":[1,2]}]}`))
}

// withPrompts is a world that embeds every prompt, in the background of the test.
func withPrompts(t *testing.T, store event.PromptStore, change ...func(*Config)) (*world, *keyWorld, *embedder) {
	t.Helper()
	w, kw := newWorldWithKeys(t, append(change, func(c *Config) {
		if c.Prompts = store; store == nil {
			c.Prompts = c.Trail.(*memory.Store)
		}
		c.Embeddings = Embeddings{Model: "auto:cheap", Sample: 1}
	})...)
	e := &embedder{chat: serveUnary}
	w.service.serve = e.serve
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() {
		if err := w.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); run.Wait() })
	return w, kw, e
}

// outcome reads how many prompts came to that.
func (g *Gateway) outcome(outcome, reason string) float64 {
	return g.metric(fmt.Sprintf(`cartrita_prompt_embeddings_total{outcome="%s",reason="%s"}`, outcome, reason))
}

// metric reads what /metrics shows; 0 for what is not there.
func (g *Gateway) metric(name string) (v float64) {
	rec := httptest.NewRecorder()
	g.metrics.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(rec.Body.String()) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, _ = strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return v
}

// until waits for what happens behind a call.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never comes that " + what)
		}
	}
}

func TestPromptsAreEmbeddedBehindTheirCalls(t *testing.T) {
	w, kw, e := withPrompts(t, nil)
	id, token := kw.make(t, key.Fields{Name: ptr("app"), Role: ptr(key.RoleCaller), Team: ptr("a")})
	auth := []string{"Authorization", "Bearer " + token, "X-Cartrita-Workflow-Run", "run-7", "X-Cartrita-Session", "s-1", "X-Cartrita-User", "ada", "X-Cartrita-Deadline-Ms", "60000"}
	body := `{"model":"auto","messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"thr\u0065e"}]}`
	unary := w.do("POST", "/v1/chat/completions", body, auth...)
	text(t, unary)
	until(t, "one is embedded", func() bool { return w.outcome(promptEmbedded, "") == 1 })
	e.chat = serveStream(nil, "data: {}\n\n")
	streamed := w.do("POST", "/v1/chat/completions", strings.Replace(body, `"auto"`, `"auto","stream":true`, 1), auth...)
	text(t, streamed)
	until(t, "both are embedded", func() bool { return w.outcome(promptEmbedded, "") == 2 })

	// None of these: a call that failed, or without messages, or the caller's own embeddings.
	e.chat = serveStream(&model.Error{Kind: model.KindUpstream}, "data: {}\n\n")
	record := e.chat
	e.chat = func(ctx context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		rec, err := record(ctx, call, out)
		rec.State = model.StateFailed
		return rec, err
	}
	text(t, w.do("POST", "/v1/chat/completions", streamBody, auth...))
	e.chat = serveUnary
	text(t, w.do("POST", "/v1/completions", `{"model":"auto","prompt":"once"}`, auth...))
	text(t, w.do("POST", "/v1/embeddings", `{"model":"vectors","input":"hello"}`, auth...))
	text(t, w.do("POST", "/v1/chat/completions", `{"model":"auto","messages":[{"role":"system","content":"no user"}]}`, auth...))
	until(t, "one is dropped for it has no text", func() bool { return w.outcome(promptDropped, reasonNoText) == 1 })

	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.calls) != 3 {
		t.Fatalf("%d embeddings calls, want two behind calls and the caller's own", len(e.calls))
	}
	for i, c := range e.calls[:2] {
		ctx := &c.Criteria.Context
		if c.Model != "auto:cheap" || !strings.Contains(string(c.Body.Raw), `["three"]`) || c.Caller.Key != id || c.Caller.Team != "a" ||
			ctx.UserID != "ada" || ctx.WorkflowRunID != "run-7" || ctx.SessionID != "s-1" || ctx.Priority != model.PriorityLow || ctx.DeadlineMS != nil {
			t.Errorf("question %d: %s %+v", i, c.Body.Raw, c)
		}
	}
	for _, resp := range []*http.Response{unary, streamed} {
		call, err := model.ParseCallID(resp.Header.Get(headerCallID))
		if err != nil {
			t.Fatal(err)
		}
		p, err := kw.store.Prompt(t.Context(), call)
		if err != nil || p.Embedder != "lab/vectors-2" || fmt.Sprint(p.Vector) != "[1 2]" || time.Since(p.At).Abs() > time.Minute {
			t.Errorf("kept: %+v, %v", p, err)
		}
		if call == e.calls[0].ID || call == e.calls[1].ID {
			t.Error("the question has the id of the call")
		}
	}
	until(t, "no bytes are held any more", func() bool { return w.prompts.held.used.Load() == 0 })
}

// What is refused leaves no vector and does not touch the call; it is counted by
// the reason.
func TestPromptsMayBeRefused(t *testing.T) {
	w, kw, e := withPrompts(t, nil)
	made := 0
	for kind, c := range map[model.Kind]struct {
		fields key.Fields
		refuse error
	}{
		model.KindRateLimited: {fields: key.Fields{Limits: &key.Limits{Requests: 1}}},
		model.KindBudget:      {refuse: model.Errorf("", model.KindBudget, "no money left")},
		model.KindForbidden:   {refuse: model.Errorf("", model.KindForbidden, "the key may not use the model")},
		model.KindUpstream:    {refuse: model.Errorf("", model.KindUpstream, "broken")},
		model.KindInternal:    {refuse: errors.New("unknown")},
	} {
		reason := kind.String()
		made++
		c.fields.Name, c.fields.Role = ptr(fmt.Sprint("key ", made)), ptr(key.RoleCaller)
		_, token := kw.make(t, c.fields)
		e.mu.Lock()
		e.refuse = c.refuse
		e.mu.Unlock()
		resp := w.do("POST", "/v1/chat/completions", chatBody, "Authorization", "Bearer "+token)
		if text(t, resp); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: the call got %s", reason, resp.Status)
		}
		until(t, "one is refused as "+reason, func() bool { return w.outcome(promptRefused, reason) == 1 })
		id, err := model.ParseCallID(resp.Header.Get(headerCallID))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kw.store.Prompt(t.Context(), id); model.KindOf(err) != model.KindNotFound {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

// A fault of ours behind a call, or of the store, ends one prompt and nothing else.
func TestFaultsBehindACall(t *testing.T) {
	w, _, e := withPrompts(t, brokenPrompts{})
	auth := []string{"Authorization", "Bearer " + localTestToken}
	text(t, w.do("POST", "/v1/chat/completions", chatBody, auth...))
	until(t, "one is not stored", func() bool { return w.outcome(promptDropped, reasonStore) == 1 })
	w.service.serve = func(ctx context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		if call.Surface == model.SurfaceEmbeddings {
			panic("broken")
		}
		return e.chat(ctx, call, out)
	}
	for n := 1.0; n < 2*promptWorkers; n++ {
		text(t, w.do("POST", "/v1/chat/completions", chatBody, auth...))
		until(t, "it goes on", func() bool { return w.outcome(promptRefused, model.KindInternal.String()) == n })
	}
	until(t, "no places are taken any more", func() bool { inside, _ := w.gate.Load(); return inside == 0 })
}

type brokenPrompts struct{ event.PromptStore }

func (brokenPrompts) SavePrompts(context.Context, []event.Prompt) error {
	return model.Errorf("", model.KindUnavailable, "the store is away")
}

// Whatever waits is bounded: what is more is dropped, and calls go on as before.
func TestTheQueueOfPromptsIsBounded(t *testing.T) {
	w, _, e := withPrompts(t, nil)
	e.hold, e.waiting = make(chan struct{}), make(chan struct{}, promptQueue+promptWorkers)
	auth := []string{"Authorization", "Bearer " + localTestToken}
	for range promptWorkers {
		text(t, w.do("POST", "/v1/chat/completions", chatBody, auth...))
	}
	for range promptWorkers {
		<-e.waiting
	}
	const more = 20
	for range promptQueue + more {
		if resp := w.do("POST", "/v1/chat/completions", chatBody, auth...); resp.StatusCode != http.StatusOK {
			t.Fatal(text(t, resp))
		} else {
			text(t, resp)
		}
	}
	until(t, "more are dropped", func() bool { return w.outcome(promptDropped, reasonFull) == more })
	if n := w.metric("cartrita_prompts_waiting"); n != promptQueue {
		t.Errorf("%v wait, want %d", n, promptQueue)
	}
	close(e.hold)
	until(t, "the others are embedded", func() bool { return w.outcome(promptEmbedded, "") == promptQueue+promptWorkers })

	// So are the bytes that they hold.
	w.prompts.held.limit = 1
	text(t, w.do("POST", "/v1/chat/completions", chatBody, auth...))
	until(t, "one is dropped for its size", func() bool { return w.outcome(promptDropped, reasonFull) == more+1 })
	until(t, "no bytes are held any more", func() bool { return w.prompts.held.used.Load() == 0 })
}

// What is under way at shutdown has a moment to finish, and no more.
func TestShutdownWaitsForPrompts(t *testing.T) {
	for name, c := range map[string]struct {
		takes, lasts time.Duration
		outcome      string
		reason       string
	}{
		"in time": {2 * time.Second, 2 * time.Second, promptEmbedded, ""},
		"late":    {time.Minute, promptGrace, promptRefused, model.KindCanceled.String()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := memory.New(memory.Config{})
				if err != nil {
					t.Fatal(err)
				}
				service := &fakeService{serve: func(ctx context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
					select {
					case <-time.After(c.takes):
						return testRecord(call), out.Answer(testInfo(call), http.StatusOK, nil, []byte(`{"data":[{"index":0,"embedding":[1,2]}]}`))
					case <-ctx.Done():
						return nil, model.Errorf("", model.KindCanceled, "left")
					}
				}}
				g, err := New(Config{
					Service: service, Registry: testRegistry(t), Events: &fakeEvents{}, Reader: &fakeReader{}, Endpoints: testEndpoints,
					Prompts: s, Embeddings: Embeddings{Model: "m", Sample: 1, Timeout: 2 * time.Minute},
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); _ = g.Run(ctx) }()
				q, bad := parseChat([]byte(chatBody))
				if bad != nil {
					t.Fatal(bad)
				}
				for range 2 * promptWorkers { // half of them wait
					q.call.ID = model.NewCallID()
					call := q.call
					g.prompts.offer(local, &call, &model.Record{State: model.StateCompleted, Received: time.Now()})
				}
				synctest.Wait()
				cancel()
				began := time.Now()
				<-done
				if took := time.Since(began); took != c.lasts {
					t.Errorf("it took %s, want %s", took, c.lasts)
				}
				if n := g.outcome(c.outcome, c.reason); n != promptWorkers {
					t.Errorf("%v are %s, want those that were under way", n, c.outcome)
				}
			})
		})
	}
}

func TestEmbeddingsConfig(t *testing.T) {
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{
		{Embeddings: Embeddings{Model: "m", Sample: 1.1}, Prompts: s}, {Embeddings: Embeddings{Sample: 0.1}, Prompts: s},
		{Embeddings: Embeddings{Model: "m", Sample: 0.1}},
	} {
		c.Service, c.Registry, c.Events, c.Reader, c.Endpoints = &fakeService{}, testRegistry(t), &fakeEvents{}, &fakeReader{}, testEndpoints
		if _, err := New(c); model.AsError(err).Param != "embeddings.sample" {
			t.Errorf("%+v: %v", c.Embeddings, err)
		}
	}
}
