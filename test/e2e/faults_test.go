package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/mock"
	"github.com/cartrita/cartrita/model"
)

// upstream serves mock models on a loopback port.
func upstream(t *testing.T, profiles ...mock.Profile) string {
	t.Helper()
	s, err := mock.New(mock.Config{Profiles: profiles, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		srv.CloseClientConnections() // hanging requests would hold Close up
		srv.Close()
	})
	return srv.URL
}

// faultyConfig has three broken models that look better than the two sound ones.
const faultyConfig = `
models:
  - {model_id: flaky,   provider: lab, task_types: [chat-completions], status: active, quality_metrics: {composite: {value: 0.95, source: test}}}
  - {model_id: hanging, provider: lab, task_types: [chat-completions], status: active, quality_metrics: {composite: {value: 0.94, source: test}}}
  - {model_id: cutting, provider: lab, task_types: [chat-completions], status: active, quality_metrics: {composite: {value: 0.93, source: test}}}
  - {model_id: sound-1, provider: lab, task_types: [chat-completions], status: active, quality_metrics: {composite: {value: 0.60, source: test}}}
  - {model_id: sound-2, provider: lab, task_types: [chat-completions], status: active, quality_metrics: {composite: {value: 0.60, source: test}}}
router: {default_strategy: quality-first, max_attempts: 5}
providers:
  - name: lab
    kind: openai
    base_url: %s/v1
    timeouts: {first: 400ms, idle: 400ms, whole: 800ms}
    endpoints:
      - {model: flaky,   upstream: flaky,   pricing: {input_usd_per_million: 1, output_usd_per_million: 2}}
      - {model: hanging, upstream: hanging, pricing: {input_usd_per_million: 1, output_usd_per_million: 2}}
      - {model: cutting, upstream: cutting, pricing: {input_usd_per_million: 1, output_usd_per_million: 2}}
      - {model: sound-1, upstream: sound-1, pricing: {input_usd_per_million: 1, output_usd_per_million: 2}}
      - {model: sound-2, upstream: sound-2, pricing: {hourly_usd: 4.20, tokens_per_second: 1800}}
`

// TestFaultyUpstreams sends 1,000 calls, half of them streams, where the most
// attractive upstreams fail half their calls, hang, and cut streams.
func TestFaultyUpstreams(t *testing.T) {
	lab := upstream(t,
		mock.Profile{Name: "flaky", ErrorRate: 0.5, AnswerTokens: 20, TokensPerSecond: 2000},
		mock.Profile{Name: "hanging", HangRate: 1, AnswerTokens: 20},
		mock.Profile{Name: "cutting", CutRate: 0.5, AnswerTokens: 20, TokensPerSecond: 2000},
		mock.Profile{Name: "sound-1", AnswerTokens: 20, TokensPerSecond: 2000},
		mock.Profile{Name: "sound-2", AnswerTokens: 20, TokensPerSecond: 2000},
	)
	p := start(t, t.TempDir(), "--config", writeFile(t, "faulty.yaml", fmt.Sprintf(faultyConfig, lab)))

	const calls, workers = 1000, 16
	results := make([]result, calls)
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				results[i] = p.chat(fmt.Sprintf("question %d", i), i%2 == 0)
			}
		}()
	}
	for i := range calls {
		next <- i
	}
	close(next)
	wg.Wait()

	whole, reasons := 0, map[string]int{}
	for i, r := range results {
		if r.whole {
			whole++
			continue
		}
		reasons[r.reason]++
		if r.cleanEnd {
			t.Errorf("call %d: a broken answer ended as if it were whole: %s", i, r.reason)
		}
	}
	t.Logf("%d of %d whole; others: %v", whole, calls, reasons)
	if whole < calls*999/1000 {
		t.Errorf("%d of %d answered whole, want at least 99.9 %%", whole, calls)
	}
	checkBooks(t, p, results)
}

// result is what the caller of one request saw.
type result struct {
	id       string // call id
	whole    bool
	cleanEnd bool // [DONE], or a 200 with a body that parses
	reason   string
}

// chat sends one request and reads the answer as a careful client would.
func (p *process) chat(question string, stream bool) result {
	body, _ := json.Marshal(map[string]any{
		"model": "auto", "stream": stream, "messages": []map[string]string{{"role": "user", "content": question}},
	})
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Post(p.url+"/v1/chat/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		return result{reason: "transport: " + err.Error()}
	}
	defer resp.Body.Close()
	r := result{id: resp.Header.Get("X-Cartrita-Call-Id")}
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		r.reason = resp.Status + " " + string(b)
		return r
	}
	if stream {
		return readStream(resp.Body, r)
	}
	var answer struct {
		Choices []struct {
			Message      struct{ Content string }
			FinishReason string `json:"finish_reason"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		r.reason = "body: " + err.Error()
		return r
	}
	r.cleanEnd = true
	r.whole = len(answer.Choices) == 1 && answer.Choices[0].Message.Content != "" && answer.Choices[0].FinishReason == "stop"
	if !r.whole {
		r.reason = fmt.Sprintf("incomplete answer %+v", answer)
	}
	return r
}

// readStream wants content, a finish reason and [DONE], and no error event.
func readStream(body io.Reader, r result) result {
	var content, finish, failed bool
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			r.cleanEnd = true
			continue
		}
		var chunk struct {
			Error   json.RawMessage
			Choices []struct {
				Delta        struct{ Content string }
				FinishReason *string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			r.reason = "chunk: " + err.Error()
			return r
		}
		failed = failed || chunk.Error != nil
		for _, c := range chunk.Choices {
			content = content || c.Delta.Content != ""
			finish = finish || c.FinishReason != nil
		}
	}
	r.whole = content && finish && r.cleanEnd && !failed && lines.Err() == nil
	if !r.whole {
		r.reason = fmt.Sprintf("stream: content %v, finish %v, error event %v, read %v", content, finish, failed, lines.Err())
		if failed && lines.Err() == nil && !r.cleanEnd {
			r.reason = "stream: in-band error event"
		}
	}
	return r
}

// wireEvent is an event of the API as far as the books need it.
type wireEvent struct {
	ID     string `json:"id"`
	Kind   string `json:"type"`
	CallID string `json:"call_id"`
	Data   struct {
		Cost struct {
			Total model.Money `json:"total_usd"`
		} `json:"cost"`
	} `json:"data"`
}

// terminalEvents pages through every event. It returns the kinds of the
// terminal events by call, and the sum of all accumulated costs.
func terminalEvents(p *process) (kinds map[string][]string, cost model.Money) {
	p.t.Helper()
	kinds = map[string][]string{}
	seen := map[string]bool{}
	for cursor := ""; ; {
		var page struct {
			Events []wireEvent `json:"events"`
			Next   string      `json:"next"`
		}
		p.get("/api/v1/events?limit=500&cursor="+url.QueryEscape(cursor), &page)
		for _, e := range page.Events {
			if seen[e.ID] {
				p.t.Errorf("event %s is listed twice", e.ID)
			}
			seen[e.ID] = true
			switch e.Kind {
			case "model_call.completed", "model_call.failed":
				kinds[e.CallID] = append(kinds[e.CallID], e.Kind)
			case "model_cost.accumulated":
				cost += e.Data.Cost.Total
			}
		}
		if cursor = page.Next; cursor == "" {
			return kinds, cost
		}
	}
}

// checkBooks compares the events with what the callers saw and with the costs.
func checkBooks(t *testing.T, p *process, results []result) {
	t.Helper()
	terminal, cost := terminalEvents(p)
	for i, r := range results {
		if r.id == "" {
			t.Errorf("call %d has no id: %s", i, r.reason)
			continue
		}
		if n := len(terminal[r.id]); n != 1 {
			t.Errorf("call %d (%s) has %d terminal events: %v", i, r.id, n, terminal[r.id])
			continue
		}
		want := "model_call.completed"
		if !r.whole {
			want = "model_call.failed"
		}
		if got := terminal[r.id][0]; got != want {
			t.Errorf("call %d (%s): the caller saw %q, the event says %s", i, r.id, r.reason, got)
		}
	}
	if len(terminal) != len(results) {
		t.Errorf("%d calls have terminal events, %d were made", len(terminal), len(results))
	}
	var costs struct {
		Total struct {
			Calls int64       `json:"calls"`
			Cost  model.Money `json:"cost_usd"`
		} `json:"total"`
	}
	p.get("/api/v1/costs?since=24h&by=model", &costs)
	if costs.Total.Cost != cost || costs.Total.Calls != int64(len(results)) {
		t.Errorf("costs say %s over %d calls, events %s over %d", costs.Total.Cost, costs.Total.Calls, cost, len(results))
	}
	if cost == 0 {
		t.Error("the calls cost nothing")
	}
}
