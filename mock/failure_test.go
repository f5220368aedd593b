package mock

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		profile    Profile
		status     int
		retryAfter string
		openAI     string
		anthropic  string
	}{
		{Profile{ErrorRate: 1}, 500, "", "server_error", "api_error"},
		{Profile{ErrorRate: 1, ErrorStatus: 502}, 502, "", "server_error", "api_error"},
		{Profile{ErrorRate: 1, ErrorStatus: 503, RetryAfter: 3 * time.Second}, 503, "3", "server_error", "overloaded_error"},
		{Profile{ErrorRate: 1, ErrorStatus: 401}, 401, "", "invalid_request_error", "authentication_error"},
		{Profile{RateLimitRate: 1, RetryAfter: 1500 * time.Millisecond}, 429, "2", "requests", "rate_limit_error"},
		{Profile{StreamErrorRate: 1}, 500, "", "server_error", "api_error"},
	} {
		tt.profile.Name = "a"
		s := newServer(t, tt.profile)
		r := post(s, chatPath, chat("hi", ""))
		if r.Code != tt.status || r.Header().Get("Retry-After") != tt.retryAfter || !strings.Contains(r.Body.String(), `"`+tt.openAI+`"`) {
			t.Errorf("%+v: %d %q %s", tt.profile, r.Code, r.Header().Get("Retry-After"), r.Body)
		}
		r = post(s, "/v1/messages", messages("hi", ""))
		if r.Code != tt.status || !strings.Contains(r.Body.String(), `"`+tt.anthropic+`"`) {
			t.Errorf("%+v on /v1/messages: %d %s", tt.profile, r.Code, r.Body)
		}
	}
}

func TestBrokenStreams(t *testing.T) {
	s := newServer(t, Profile{Name: "a", CutRate: 1, BreakAfter: 5}, Profile{Name: "b", StreamErrorRate: 1, BreakAfter: 5})
	cut := post(s, chatPath, chat("hi", `,"stream":true`))
	if j := join(t, cut.Body.String()); !cut.aborted || j.done || j.chunks != 6 { // the role and five tokens
		t.Errorf("cut: aborted %v, %+v", cut.aborted, j)
	}
	failed := post(s, chatPath, strings.Replace(chat("hi", `,"stream":true`), `"a"`, `"b"`, 1))
	if j := join(t, failed.Body.String()); failed.aborted || j.done || !j.failed || j.chunks != 6 {
		t.Errorf("stream error: aborted %v, %+v", failed.aborted, j)
	}
	whole := post(s, chatPath, chat("hi", ""))
	if !whole.aborted || whole.Header().Get("Content-Length") == "" || whole.Body.Len() == 0 {
		t.Errorf("an answer that is not streamed: aborted %v with %d bytes", whole.aborted, whole.Body.Len())
	}
	if got := s.Stats("a"); got.Broken != 2 || got.Answered != 0 {
		t.Errorf("stats %+v", got)
	}
}

// A cut stream never looks finished, wherever it is cut.
func TestCutStreamsHaveNoCleanEnd(t *testing.T) {
	s := newServer(t, Profile{Name: "a", CutRate: 1, AnswerTokens: 8, ReasoningTokens: 3, HideReasoning: true})
	for range 50 {
		for _, more := range []string{"", `,"max_tokens":1`, `,"max_tokens":3`, weatherTools} {
			if r := post(s, chatPath, chat("hi", `,"stream":true`+more)); !r.aborted || strings.Contains(r.Body.String(), "[DONE]") || strings.Contains(r.Body.String(), `"finish_reason":"`) {
				t.Fatalf("aborted %v: %s", r.aborted, r.Body)
			}
		}
	}
}

func TestFailureRates(t *testing.T) {
	s := newServer(t, Profile{Name: "a", AnswerTokens: 1, ErrorRate: 0.2, RateLimitRate: 0.1, CutRate: 0.3})
	const n = 5000
	for range n {
		post(s, chatPath, chat("hi", `,"stream":true`))
	}
	got := s.Stats("a")
	for name, share := range map[string]struct {
		count uint64
		want  float64
	}{
		"errors": {got.Errors, 0.2}, "rate limits": {got.RateLimited, 0.1}, "cuts": {got.Broken, 0.3}, "answers": {got.Answered, 0.4},
	} {
		if have := float64(share.count) / n; math.Abs(have-share.want) > 0.025 {
			t.Errorf("%s: %.3f of the requests, want %.1f", name, have, share.want)
		}
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Profile{Name: "a", TTFT: 200 * time.Millisecond, TokensPerSecond: 50, AnswerTokens: 100})
		for _, more := range []string{"", `,"stream":true,"stream_options":{"include_usage":true}`} {
			start := time.Now()
			r := post(s, chatPath, chat("hi", more))
			u := usageOf(t, r)
			took, want := time.Since(start), 200*time.Millisecond+time.Duration(u)*20*time.Millisecond
			if d := took - want; d < -25*time.Millisecond || d > 25*time.Millisecond {
				t.Errorf("%d tokens took %v, want %v", u, took, want)
			}
		}
	})
}

// usageOf returns the output tokens of an answer, streamed or not.
func usageOf(t *testing.T, r reply) int64 {
	if strings.HasPrefix(r.Body.String(), "data:") {
		return join(t, r.Body.String()).usage.Usage.CompletionTokens
	}
	return decode[chatReply](t, r.Body.String()).Usage.CompletionTokens
}

func TestHiddenReasoningTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Profile{Name: "a", TokensPerSecond: 10, AnswerTokens: 1, ReasoningTokens: 100, HideReasoning: true})
		start := time.Now()
		w := &firstByte{ResponseRecorder: httptest.NewRecorder()}
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, chatPath, strings.NewReader(chat("hi", `,"stream":true`))))
		if got := w.at.Sub(start); got != 10*time.Second {
			t.Errorf("the first token came after %v, want 10 s", got)
		}
	})
}

// firstByte notes when the first byte was written.
type firstByte struct {
	*httptest.ResponseRecorder
	at time.Time
}

func (w *firstByte) Write(b []byte) (int, error) {
	if w.at.IsZero() {
		w.at = time.Now()
	}
	return w.ResponseRecorder.Write(b)
}

func TestHangsUntilTheLimitOrTheClientLeaves(t *testing.T) {
	for _, tt := range []struct {
		name    string
		profile Profile
		stream  bool
	}{
		{"hang", Profile{HangRate: 1, HangLimit: time.Minute}, false},
		{"hang, streamed", Profile{HangRate: 1, HangLimit: time.Minute}, true},
		{"stall", Profile{StallRate: 1, HangLimit: time.Minute, BreakAfter: 3}, true},
		{"stall, not streamed", Profile{StallRate: 1, HangLimit: time.Minute}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.profile.Name = "a"
				s := newServer(t, tt.profile)
				body := chat("hi", "")
				if tt.stream {
					body = chat("hi", `,"stream":true`)
				}
				start := time.Now()
				if r := post(s, chatPath, body); !r.aborted || time.Since(start) != time.Minute {
					t.Errorf("aborted %v after %v, want after 1m", r.aborted, time.Since(start))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start = time.Now()
				r := do(s, httptest.NewRequestWithContext(ctx, http.MethodPost, chatPath, strings.NewReader(body)))
				if !r.aborted || time.Since(start) != time.Second || strings.Contains(r.Body.String(), "[DONE]") {
					t.Errorf("aborted %v after %v, want when the client left", r.aborted, time.Since(start))
				}
			})
		})
	}
}

func TestClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Profile{Name: "a", TTFT: time.Second, TokensPerSecond: 10})
		for i, more := range []string{"", `,"stream":true`} {
			for _, after := range []time.Duration{500 * time.Millisecond, 3 * time.Second} {
				ctx, cancel := context.WithTimeout(t.Context(), after)
				start := time.Now()
				do(s, httptest.NewRequestWithContext(ctx, http.MethodPost, chatPath, strings.NewReader(chat("hi", more))))
				cancel()
				if took := time.Since(start); took > after+200*time.Millisecond {
					t.Errorf("case %d: kept working %v for a client that left after %v", i, took, after)
				}
			}
		}
		if got := s.Stats("a"); got.Canceled != 4 || got.Answered != 0 || got.InFlight != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestMaxConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Profile{Name: "a", TTFT: time.Second, MaxConcurrency: 2})
		codes := make(chan int, 5)
		for range cap(codes) {
			go func() { codes <- post(s, chatPath, chat("hi", "")).Code }()
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		counts := map[int]int{}
		for range cap(codes) {
			counts[<-codes]++
		}
		if counts[200] != 2 || counts[429] != 3 {
			t.Errorf("%v, want two answers and three 429", counts)
		}
	})
}
