package gateway

import (
	"context"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// fakeService answers calls with its serve function, and remembers what it got.
type fakeService struct {
	serve    func(ctx context.Context, call *model.Call, w cartrita.Writer) (*model.Record, error)
	criteria model.Criteria // last given to Select or Estimate
	estimate cartrita.EstimateRequest
	err      error // returned by Select, Estimate and Decision
}

func (f *fakeService) Serve(ctx context.Context, call *model.Call, w cartrita.Writer) (*model.Record, error) {
	return f.serve(ctx, call, w)
}

func (f *fakeService) Select(_ context.Context, c model.Criteria) (*cartrita.Selection, error) {
	f.criteria = c
	cost := model.Money(12_500)
	return &cartrita.Selection{Selected: "openai/gpt-4o", Endpoint: "openai/gpt-4o", Reason: "because", EstimatedCostUSD: &cost}, f.err
}

func (f *fakeService) Estimate(_ context.Context, req cartrita.EstimateRequest) ([]cartrita.EndpointEstimate, error) {
	f.criteria, f.estimate = req.Criteria, req
	return []cartrita.EndpointEstimate{{Endpoint: "openai/gpt-4o", Model: "openai/gpt-4o"}}, f.err
}

// EstimateCall charges a dollar for each call, and knows no model "nobody".
func (f *fakeService) EstimateCall(_ context.Context, call *model.Call, level float64) (*cartrita.CallEstimate, error) {
	if call.Model == "nobody" {
		return nil, &model.Error{Kind: model.KindNotFound, Param: "model", Message: "no such model"}
	}
	x := &cartrita.CallEstimate{Endpoint: "openai/gpt-4o", Model: "openai/gpt-4o"}
	x.Estimate = model.Estimate{Expected: model.USD, Low: model.USD, High: model.USD, InputTokens: call.PromptBytes, Priced: true}
	x.Level = level
	return x, f.err
}

func (f *fakeService) Calibration() []cartrita.Calibration {
	return []cartrita.Calibration{{Model: "openai/gpt-4o", Task: model.TaskChat, Calls: 40, Covered: 36, Share: 0.9, Level: 0.9, Note: "few"}}
}

func (f *fakeService) Decision(_ context.Context, id model.CallID) (*cartrita.Decision, error) {
	if f.err != nil {
		return nil, f.err
	}
	return &cartrita.Decision{Record: &model.Record{ID: id, State: model.StateCompleted}, Explanation: "because"}, nil
}

// fakeEvents hands out what is sent on its channel, and counts flushes.
type fakeEvents struct {
	ch      chan event.Event
	flushes int
	err     error
	filter  event.Filter
}

func (f *fakeEvents) Flush(context.Context) error { f.flushes++; return f.err }

func (f *fakeEvents) Subscribe(ctx context.Context, filter event.Filter) iter.Seq[event.Event] {
	f.filter = filter
	return func(yield func(event.Event) bool) {
		for {
			select {
			case e := <-f.ch:
				if !yield(e) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// fakeReader returns what it is told and remembers what it was asked.
type fakeReader struct {
	page   event.Page
	report event.CostReport
	err    error
	days   []event.DailyCost
	filter event.Filter
	query  event.CostQuery
}

func (f *fakeReader) Call(context.Context, model.CallID) (*model.Record, error) { return nil, f.err }

func (f *fakeReader) Calls(_ context.Context, filter event.Filter) (event.Page, error) {
	f.filter = filter
	return f.page, f.err
}

func (f *fakeReader) Costs(_ context.Context, q event.CostQuery) (event.CostReport, error) {
	f.query = q
	return f.report, f.err
}

func (f *fakeReader) DailyCosts(_ context.Context, q event.CostQuery) ([]event.DailyCost, error) {
	f.query = q
	return f.days, f.err
}

// world is a gateway over fakes behind a real server.
type world struct {
	*Gateway
	t       testing.TB
	service *fakeService
	events  *fakeEvents
	reader  *fakeReader
	url     string
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, service: &fakeService{serve: serveUnary}, events: &fakeEvents{ch: make(chan event.Event)}, reader: &fakeReader{}}
	cfg := Config{
		Service: w.service, Registry: testRegistry(t), Events: w.events, Reader: w.reader,
		Endpoints:  testEndpoints,
		Strategies: func() []Strategy { return []Strategy{{Name: "balanced", Default: true}, {Name: "speed-first"}} },
		Version:    Version{Version: "1.2.3"},
	}
	for _, f := range change {
		f(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Gateway = g
	srv := httptest.NewUnstartedServer(g)
	srv.Config = g.Server()
	srv.Start()
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

func testEndpoints() []cartrita.EndpointState {
	return []cartrita.EndpointState{
		{Endpoint: model.Endpoint{ID: "anthropic/claude", Provider: "anthropic", Model: "anthropic/claude"}},
		{Endpoint: model.Endpoint{ID: "openai/gpt-4o", Provider: "openai", Model: "openai/gpt-4o"}, Health: model.Health{InFlight: 3}},
	}
}

// do sends a request; header is key, value, key, value, ...
func (w *world) do(method, path, body string, header ...string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		} else {
			req.Header.Add(header[i], header[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp
}

// text reads the whole body.
func text(t testing.TB, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const (
	chatBody   = `{"model":"auto","messages":[{"role":"user","content":"hello"}]}`
	streamBody = `{"model":"auto","stream":true,"messages":[{"role":"user","content":"hello"}]}`
	answerBody = `{"id":"x","object":"chat.completion","choices":[]}`
)

func testInfo(call *model.Call) cartrita.Info {
	return cartrita.Info{
		ID: call.ID, Model: "openai/gpt-4o", Endpoint: "openai/gpt-4o", Provider: "openai", Attempts: 2,
		Estimated: 14_000, Overhead: 1234 * time.Microsecond,
	}
}

func testRecord(call *model.Call) *model.Record {
	return &model.Record{
		ID: call.ID, Received: call.Received, Surface: call.Surface, State: model.StateCompleted,
		Model: "openai/gpt-4o", Endpoint: "openai/gpt-4o", Provider: "openai",
		Attempts: []model.Attempt{
			{Endpoint: "anthropic/claude", Error: &model.Failure{Kind: model.KindUpstream}},
			{Endpoint: "openai/gpt-4o", Status: 200, LatencyMS: 12},
		},
		Usage:  model.Usage{Input: model.Known(10), Output: model.Known(5), Source: model.UsageUpstream},
		Cost:   model.CostBreakdown{Total: 12_500},
		TTFTMS: 7, LatencyMS: 12, OverheadMS: 1.5,
	}
}

func serveUnary(_ context.Context, call *model.Call, w cartrita.Writer) (*model.Record, error) {
	info := testInfo(call)
	info.Cost, info.CostKnown = 12_500, true
	return testRecord(call), w.Answer(info, http.StatusOK, http.Header{"X-Ratelimit-Limit": {"9"}}, []byte(answerBody))
}

// serveStream answers with the chunks, then ends with failure.
func serveStream(failure *model.Error, chunks ...string) func(context.Context, *model.Call, cartrita.Writer) (*model.Record, error) {
	return func(_ context.Context, call *model.Call, w cartrita.Writer) (*model.Record, error) {
		rec := testRecord(call)
		if err := w.Start(testInfo(call), nil); err != nil {
			return rec, err
		}
		for _, c := range chunks {
			if w.Chunk([]byte(c)) != nil {
				break
			}
		}
		if failure != nil {
			rec.Error = &model.Failure{Kind: failure.Kind}
		}
		_ = w.End(rec, failure)
		return rec, nil
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
