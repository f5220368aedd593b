package usage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/anthropic"
	"github.com/cartrita/cartrita/provider/openai"
	"github.com/cartrita/cartrita/provider/usage"
)

// golden is a recorded answer, what it costs, and what it costs by the fault
// that the case is named after.
type golden struct {
	Case    string            `json:"case"`
	Counts  string            `json:"counts"` // where they come from
	Dialect string            `json:"dialect"`
	Pricing model.Pricing     `json:"pricing"`
	Answer  json.RawMessage   `json:"answer"` // in one piece
	Events  []json.RawMessage `json:"events"` // of a stream
	Usage   json.RawMessage   `json:"usage"`  // of a dialect that has no client yet
	Want    string            `json:"want"`

	Wrong        string         `json:"wrong"`
	Fault        string         `json:"fault"`
	WrongUsage   model.Usage    `json:"wrong_usage"`
	WrongPricing *model.Pricing `json:"wrong_pricing"`
}

// Bills that peers got wrong in public, from the bytes that an upstream sends
// to the figure, through the client that reads them.
func TestGoldenBills(t *testing.T) {
	files, err := filepath.Glob("testdata/bills/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no bills", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			var g golden
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dec := json.NewDecoder(bytes.NewReader(raw))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&g); err != nil {
				t.Fatal(err)
			}
			if err := g.Pricing.Validate(); err != nil {
				t.Fatal(err)
			}
			u, passedOn := g.read(t)
			bill := cost.Price(&g.Pricing, u, 0)
			if got := rounded(bill.Total, g.Want); got != g.Want || bill.Unpriced {
				t.Errorf("%+v\ncosts $%s (%+v), want $%s", u, got, bill, g.Want)
			}
			wrongPricing := &g.Pricing
			if g.WrongPricing != nil {
				wrongPricing = g.WrongPricing
			}
			wrong := cost.Price(wrongPricing, g.WrongUsage, 0)
			if got := rounded(wrong.Total, g.Wrong); got != g.Wrong || g.Wrong == g.Want {
				t.Errorf("the fault (%s) gives $%s, want $%s: the case would not show it", g.Fault, got, g.Wrong)
			}
			if passedOn == nil {
				return
			}
			if again := usage.OpenAI(passedOn); cost.Price(&g.Pricing, again, 0).Total != bill.Total && u.ServiceTier == "" {
				t.Errorf("the answer passed on says %s, which costs %s and not %s", passedOn, cost.Price(&g.Pricing, again, 0).Total, bill.Total)
			}
		})
	}
}

// rounded writes an amount with as many decimals as the figure has.
func rounded(m model.Money, like string) string {
	_, decimals, _ := strings.Cut(like, ".")
	return fmt.Sprintf("%.*f", len(decimals), m.USD())
}

// read returns the usage of the recording, and the usage object that the
// caller of a client sees.
func (g *golden) read(t *testing.T) (model.Usage, []byte) {
	t.Helper()
	switch g.Dialect {
	case "gemini":
		return usage.Gemini(g.Usage), nil
	case "bedrock":
		return usage.Bedrock(g.Usage), nil
	case "anthropic":
		c, err := anthropic.New(anthropic.Config{Clock: now})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return g.call(t, c)
	case "openai":
		c, err := openai.New(openai.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return g.call(t, c)
	}
	t.Fatalf("unknown dialect %q", g.Dialect)
	return model.Usage{}, nil
}

func now() time.Time { return time.Unix(1_790_000_000, 0) }

// call makes the call at a server that answers with the recording.
func (g *golden) call(t *testing.T, c provider.Client) (model.Usage, []byte) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(g.serve))
	defer server.Close()
	request := `{"model":"m","messages":[{"role":"user","content":"Hi"}]`
	if g.Events != nil {
		request += `,"stream":true,"stream_options":{"include_usage":true}`
	}
	body, err := jsonscan.Parse([]byte(request + `}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(context.Background(), &model.Endpoint{BaseURL: server.URL, Upstream: "m"},
		&model.Call{Surface: model.SurfaceChat, Body: body, Stream: g.Events != nil})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Stream == nil {
		return resp.Usage, member(resp.Body)
	}
	defer resp.Stream.Close()
	var u model.Usage
	var seen []byte
	for {
		chunk, err := resp.Stream.Next()
		if errors.Is(err, io.EOF) {
			return u, seen
		}
		if err != nil {
			t.Fatal(err)
		}
		if chunk.Usage.Source != "" {
			u = chunk.Usage
			if chunk.UsageOnly {
				seen = member(bytes.TrimPrefix(bytes.TrimSpace(chunk.Data), []byte("data: ")))
			}
		}
	}
}

func member(body []byte) []byte {
	var b struct {
		Usage json.RawMessage `json:"usage"`
	}
	if json.Unmarshal(body, &b) != nil {
		return nil
	}
	return b.Usage
}

func (g *golden) serve(w http.ResponseWriter, _ *http.Request) {
	if g.Events == nil {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(g.Answer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, raw := range g.Events {
		var line bytes.Buffer
		_ = json.Compact(&line, raw)
		var named struct {
			Type string `json:"type"`
		}
		switch {
		case line.String() == `"[DONE]"`:
			line.Reset()
			line.WriteString("[DONE]")
		case json.Unmarshal(raw, &named) == nil && named.Type != "":
			fmt.Fprintf(w, "event: %s\n", named.Type)
		}
		fmt.Fprintf(w, "data: %s\n\n", &line)
	}
}
