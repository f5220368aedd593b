package gateway

import (
	"context"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// limitedWorld answers every call with so many tokens of output, and has a key
// with the limits.
func limitedWorld(t *testing.T, l key.Limits, output int64) (*world, string) {
	t.Helper()
	w, kw := newWorldWithKeys(t)
	serve := w.service.serve
	w.service.serve = func(ctx context.Context, call *model.Call, wr cartrita.Writer) (*model.Record, error) {
		rec, err := serve(ctx, call, wr)
		rec.Usage = model.Usage{Input: model.Known(8), Output: model.Known(output)}
		return rec, err
	}
	_, token := kw.make(t, key.Fields{Name: ptr("app"), Limits: &l})
	return w, token
}

func (w *world) chat(token, members string) *http.Response {
	return w.do("POST", "/v1/chat/completions", withMembers(members), "Authorization", "Bearer "+token)
}

// TestHugeNumbersKeepTheLimits: numbers that overflow when they are added up
// neither get a call through nor cost the key a place.
func TestHugeNumbersKeepTheLimits(t *testing.T) {
	w, token := limitedWorld(t, key.Limits{Tokens: 100_000, Concurrency: 1}, 5)
	for range 3 {
		resp := w.chat(token, `"max_tokens":2147483647,"n":2147483647,"cartrita":{"input_tokens":100000000},`)
		if body := text(t, resp); resp.StatusCode != http.StatusTooManyRequests {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
	if resp := w.chat(token, `"max_tokens":5,`); resp.StatusCode != http.StatusOK {
		t.Errorf("the call after them: %d %s", resp.StatusCode, text(t, resp))
	}
}

// TestCallThatNeverFits: clients that try every 429 again are told not to.
func TestCallThatNeverFits(t *testing.T) {
	w, token := limitedWorld(t, key.Limits{Tokens: 50}, 5)
	resp := w.chat(token, `"max_tokens":400,`)
	body := text(t, resp)
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("X-Should-Retry") != "false" || resp.Header.Get("Retry-After") != "" {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	if resp = w.chat(token, `"max_tokens":40,`); resp.StatusCode != http.StatusOK || resp.Header.Get("X-Should-Retry") != "" {
		t.Errorf("a call that fits: %d %s", resp.StatusCode, text(t, resp))
	}
	if resp = w.chat(token, `"max_tokens":45,`); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || resp.Header.Get("X-Should-Retry") != "" {
		t.Errorf("a call that fits later: %d %v", resp.StatusCode, resp.Header)
	}
}

// TestUnboundedAnswersCount: calls that name no maximum are counted before they
// are sent, so that a crowd of them does not pass the limit at once.
func TestUnboundedAnswersCount(t *testing.T) {
	const limit = 4000
	w, token := limitedWorld(t, key.Limits{Tokens: limit}, 100)
	crowd := func() (served int64) {
		var n atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if w.chat(token, "").StatusCode == http.StatusOK {
					n.Add(1)
				}
			})
		}
		all.Wait()
		return n.Load()
	}
	if n := crowd(); n == 0 || n > 20 {
		t.Errorf("%d of 20 served", n)
	}
	small, key1 := limitedWorld(t, key.Limits{Tokens: 50}, 139)
	w, token = small, key1
	if n := crowd(); n != 1 {
		t.Errorf("%d calls of 139 tokens served by a limit of 50 at once, want 1", n)
	}
}

// reserved is what a call takes of a limit.
func reserved(g *Gateway, call *model.Call, limit int64) int64 {
	ask := g.reservation(call)
	return max(ask.Least, min(ask.Most, limit))
}

func TestReservation(t *testing.T) {
	g := &Gateway{}
	n := int64(math.MaxInt64)
	for name, c := range map[string]struct {
		call        model.Call
		limit, want int64
	}{
		"bounded":                   {model.Call{PromptBytes: 40, MaxOutput: model.Known(100), Choices: 3}, 1000, 310},
		"unbounded":                 {model.Call{PromptBytes: 40}, 100_000, 10 + firstAnswer},
		"small limit":               {model.Call{PromptBytes: 40}, 100, 100},
		"long prompt":               {model.Call{PromptBytes: 4000}, 100, 1000},
		"a file":                    {model.Call{PromptBytes: 40, Attached: 4000, MaxOutput: model.Known(100)}, 5000, 10 + 1000 + 100},
		"a file that is only named": {model.Call{PromptBytes: 40, Attached: 1 << 40, MaxOutput: model.Known(0)}, 5000, 5000},
		"embeddings":                {model.Call{PromptBytes: 40, Surface: model.SurfaceEmbeddings}, 1000, 10},
		"overflow":                  {model.Call{MaxOutput: model.Known(n / 2), Choices: 5, Criteria: model.Criteria{InputTokens: &n}}, 1000, n},
	} {
		if got := reserved(g, &c.call, c.limit); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	for range 200 {
		g.answers.saw(100)
	}
	if got := reserved(g, &model.Call{}, 100_000); got < 100 || got > 140 {
		t.Errorf("after answers of 100 tokens it reserves %d", got)
	}
}

// TestWhatBoundsAnAnswer: of two maxima the larger counts, and each prompt of
// a list is answered.
func TestWhatBoundsAnAnswer(t *testing.T) {
	for body, want := range map[string]model.Count{
		`{"model":"a","max_completion_tokens":1,"max_tokens":100000,` + okMessages + `}`: model.Known(100000),
		`{"model":"a","max_completion_tokens":20,"max_tokens":10,` + okMessages + `}`:    model.Known(20),
		`{"model":"a","max_completion_tokens":20,` + okMessages + `}`:                    model.Known(20),
		`{"model":"a",` + okMessages + `}`:                                               {},
	} {
		q, err := parseChat([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if q.call.MaxOutput != want {
			t.Errorf("%s: %+v, want %+v", body, q.call.MaxOutput, want)
		}
	}
	for body, want := range map[string]int64{
		`{"model":"a","prompt":"x"}`:                     0,
		`{"model":"a","prompt":["x","y","z"]}`:           3,
		`{"model":"a","n":2,"prompt":["x","y","z"]}`:     6,
		`{"model":"a","prompt":[[1,2],[3]],"best_of":4}`: 8,
		`{"model":"a","prompt":[1,2,3]}`:                 0,
	} {
		q, err := parseCompletion([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if q.call.Choices != want {
			t.Errorf("%s: %d answers, want %d", body, q.call.Choices, want)
		}
	}
}

const okMessages = `"messages":[{"role":"user","content":"hi"}]`
