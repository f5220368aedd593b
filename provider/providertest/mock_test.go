package providertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/mock"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/anthropic"
	"github.com/cartrita/cartrita/provider/openai"
	"github.com/cartrita/cartrita/provider/upstream"
)

// clients are the providers whose servers the mock can play.
func clients(t *testing.T) map[string]provider.Client {
	limits := upstream.Config{IdleTimeout: 300 * time.Millisecond, FirstTimeout: 300 * time.Millisecond}
	o, err1 := openai.New(openai.Config{Config: limits})
	a, err2 := anthropic.New(anthropic.Config{Config: limits})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = o.Close(), a.Close() })
	return map[string]provider.Client{"openai": o, "anthropic": a}
}

func newMock(t *testing.T, p mock.Profile) *model.Endpoint {
	p.Name = "claude-haiku-4-5"
	h, err := mock.New(mock.Config{Profiles: []mock.Profile{p}, Seed: 7, Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &model.Endpoint{BaseURL: srv.URL + "/v1", Upstream: p.Name}
}

func parseCall(t *testing.T, body string) *model.Call {
	obj, err := jsonscan.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return &model.Call{Surface: model.SurfaceChat, Task: model.TaskChat, Body: obj, Stream: strings.Contains(body, `"stream":true`)}
}

// text is the answer text of a chunk or an answer.
func text(data []byte) (s string) {
	for line := range strings.Lines(string(data)) {
		var out struct {
			Choices []struct{ Message, Delta struct{ Content string } }
		}
		line, _ = strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if json.Unmarshal([]byte(line), &out) == nil {
			for _, c := range out.Choices {
				s += c.Message.Content + c.Delta.Content
			}
		}
	}
	return s
}

// take reads a whole answer.
func take(c provider.Client, ep *model.Endpoint, call *model.Call) (answer string, u model.Usage, err error) {
	resp, err := c.Do(context.Background(), ep, call)
	if err != nil {
		return "", u, err
	}
	if resp.Stream == nil {
		return text(resp.Body), resp.Usage, nil
	}
	defer func() { _ = resp.Stream.Close() }()
	for {
		chunk, err := resp.Stream.Next()
		if errors.Is(err, io.EOF) {
			return answer, u, nil
		}
		if err != nil {
			return answer, u, err
		}
		answer += text(chunk.Data)
		if chunk.Usage.Source != "" {
			u = chunk.Usage
		}
	}
}

// TestMock: a strict server takes what both clients send, and both bring back
// the same answer, streamed or not.
func TestMock(t *testing.T) {
	ep := newMock(t, mock.Profile{AnswerTokens: 40, ReasoningTokens: 20})
	const tool = `"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]`
	for name, extra := range map[string]string{
		"plain":  ``,
		"schema": `,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}}}`,
		"tools":  `,"tool_choice":"required",` + tool,
		"think":  `,"reasoning_effort":"low"`,
	} {
		for kind, c := range clients(t) {
			t.Run(name+"/"+kind, func(t *testing.T) {
				body := `{"model":"auto","max_completion_tokens":4096,"user":"u","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Cats?"}]` + extra
				whole, u1, err1 := take(c, ep, parseCall(t, body+"}"))
				streamed, u2, err2 := take(c, ep, parseCall(t, body+`,"stream":true}`))
				if err := errors.Join(err1, err2); err != nil {
					t.Fatal(err)
				}
				if whole != streamed || (whole == "") != (name == "tools") {
					t.Errorf("whole %q, streamed %q", whole, streamed)
				}
				if u1.Input.Or(0) == 0 || u1.Output.Or(0) == 0 || u1.Input != u2.Input || u1.Output != u2.Output {
					t.Errorf("usage whole %+v, streamed %+v", u1, u2)
				}
			})
		}
	}
}

// TestMockFailures: of streams that are cut, stall, break with an error or are
// refused, none comes to a clean end, and all others are whole.
func TestMockFailures(t *testing.T) {
	sound := newMock(t, mock.Profile{AnswerTokens: 30})
	broken := newMock(t, mock.Profile{AnswerTokens: 30, CutRate: 0.2, StallRate: 0.02, StreamErrorRate: 0.2, ErrorRate: 0.1, RateLimitRate: 0.1, HangRate: 0.02, HangLimit: time.Second})
	call := parseCall(t, `{"model":"auto","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"Cats?"}]}`)
	for kind, c := range clients(t) {
		t.Run(kind, func(t *testing.T) {
			want, _, err := take(c, sound, call)
			if err != nil || want == "" {
				t.Fatalf("%q, %v", want, err)
			}
			var mu sync.Mutex
			kinds := map[string]int{}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 50 {
						got, _, err := take(c, broken, call)
						outcome := "whole"
						if err != nil {
							outcome = model.KindOf(err).String()
						} else if got != want {
							outcome = "clean end of a broken answer"
						}
						mu.Lock()
						kinds[outcome]++
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			for outcome := range kinds {
				switch outcome {
				case "whole", "upstream_error", "rate_limit_exceeded", "timeout", "unavailable":
				default:
					t.Errorf("%d times: %s", kinds[outcome], outcome)
				}
			}
			if kinds["whole"] < 80 || kinds["upstream_error"] < 80 || kinds["rate_limit_exceeded"] < 10 {
				t.Errorf("outcomes %v", kinds)
			}
		})
	}
}
