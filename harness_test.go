package cartrita_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/registry/catalogue"
	"github.com/cartrita/cartrita/route"
	"github.com/cartrita/cartrita/store/memory"
)

// lab is a Service over scripted endpoints: a, b and c, where a looks best.
type lab struct {
	*cartrita.Service
	t      *testing.T
	health *health.Tracker
	script script
}

// script answers for every endpoint, by its upstream name.
type script map[string]func(ctx context.Context, call *model.Call) (*provider.Response, error)

func (s script) Do(ctx context.Context, ep *model.Endpoint, call *model.Call) (*provider.Response, error) {
	return s[ep.Upstream](ctx, call)
}

func newLab(t *testing.T, sc script, edit ...func(*model.Endpoint)) *lab {
	t.Helper()
	return newLabWith(t, sc, func(*cartrita.Config) {}, edit...)
}

func newLabWith(t *testing.T, sc script, configure func(*cartrita.Config), edit ...func(*model.Endpoint)) *lab {
	t.Helper()
	reg := registry.New(registry.Config{Catalogue: func() (*catalogue.Catalogue, error) { return &catalogue.Catalogue{}, nil }})
	if err := reg.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	usd := func(s string) *model.Money { m, _ := model.ParseMoney(s); return &m }
	var models []model.Model
	var endpoints []model.Endpoint
	for i, name := range []string{"a", "b", "c"} {
		context := int64(1000 * (i + 1))
		models = append(models, model.Model{
			ID: model.ModelID("m-" + name), Provider: "lab", Tasks: []model.Task{model.TaskChat}, ContextLength: &context,
			LatencyMS: &model.Figure{Value: 1, Source: "test"},
			Quality:   map[string]model.Figure{model.MetricComposite: {Value: 0.9 - 0.2*float64(i), Source: "test"}},
		})
		endpoints = append(endpoints, model.Endpoint{
			ID: model.EndpointID("lab/" + name), Provider: "lab", Kind: model.ProviderOpenAI, BaseURL: "http://127.0.0.1:1/v1",
			Ready: true, Model: model.ModelID("m-" + name), Upstream: name,
			Pricing: &model.Pricing{Input: usd("1"), Output: usd("2")},
		})
	}
	for _, f := range edit {
		for i := range endpoints {
			f(&endpoints[i])
		}
	}
	if err := reg.SetEndpoints(endpoints, models); err != nil {
		t.Fatal(err)
	}
	store, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	log, err := event.Open(event.Config{Sink: store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- log.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
		_ = log.Close()
	})
	strategies, err := route.NewStrategies(route.QualityFirst)
	if err != nil {
		t.Fatal(err)
	}
	tracker, err := health.New(health.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, script: sc, health: tracker}
	cfg := cartrita.Config{
		Registry: reg, Events: log, Reader: store, Health: tracker,
		Settings: cartrita.Settings{Providers: map[string]provider.Client{"lab": sc}, Strategies: strategies},
	}
	configure(&cfg)
	l.Service, err = cartrita.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// stored returns the record of a call as it was stored.
func (l *lab) stored(id model.CallID) *model.Record {
	l.t.Helper()
	if err := l.Events().Flush(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	rec, err := l.Reader().Call(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return rec
}

// idle fails unless no endpoint counts a call as in flight.
func (l *lab) idle() {
	l.t.Helper()
	for _, e := range l.Endpoints() {
		if e.Health.InFlight != 0 || e.Health.Queued != 0 {
			l.t.Errorf("%s: %d in flight, %d queued at the end", e.ID, e.Health.InFlight, e.Health.Queued)
		}
	}
}

func newCall(t testing.TB, stream bool) *model.Call {
	t.Helper()
	body, err := jsonscan.Parse([]byte(`{"model":"auto","messages":[{"role":"user","content":"hello there, how are you?"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return &model.Call{
		ID: model.NewCallID(), Surface: model.SurfaceChat, Task: model.TaskChat, Body: body, Model: "auto",
		Stream: stream, PromptBytes: 26, Received: time.Now(),
	}
}

// page is a Writer that keeps what it was given, and may break.
type page struct {
	mu        sync.Mutex
	info      cartrita.Info
	started   bool
	status    int
	text      string
	ended     bool
	endErr    *model.Error
	breakNow  bool // fail the next Chunk
	onChunk   func()
	endRecord *model.Record
}

func (p *page) Answer(info cartrita.Info, status int, _ http.Header, body []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.info, p.status, p.text = info, status, string(body)
	return nil
}

func (p *page) Start(info cartrita.Info, _ http.Header) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.info, p.started = info, true
	return nil
}

func (p *page) Chunk(data []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.breakNow {
		return errors.New("connection reset by caller")
	}
	p.text += string(data)
	if p.onChunk != nil {
		p.onChunk()
	}
	return nil
}

func (p *page) End(rec *model.Record, err *model.Error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.endErr, p.endRecord = true, err, rec
	return nil
}

// tape is a provider.Stream that plays chunks and then ends with err.
type tape struct {
	ctx    context.Context
	chunks []provider.Chunk
	err    error
	closed *bool
}

func (s *tape) Next() (provider.Chunk, error) {
	if s.ctx != nil && s.ctx.Err() != nil {
		return provider.Chunk{}, &model.Error{Kind: model.KindCanceled, Err: s.ctx.Err()}
	}
	if len(s.chunks) == 0 {
		return provider.Chunk{}, s.err
	}
	c := s.chunks[0]
	s.chunks = s.chunks[1:]
	return c, nil
}

func (s *tape) Close() error {
	if s.closed != nil {
		*s.closed = true
	}
	return nil
}

func role() provider.Chunk { return provider.Chunk{Data: []byte("data: {\"role\"}\n\n")} }
func text(s string) provider.Chunk {
	return provider.Chunk{Data: []byte("data: {\"text\":\"" + s + "\"}\n\n"), Content: true, OutputBytes: len(s)}
}
func done() provider.Chunk { return provider.Chunk{Data: []byte("data: [DONE]\n\n"), Done: true} }
func usage(in, out int64) provider.Chunk {
	return provider.Chunk{
		Data:      []byte("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10}}\n\n"),
		UsageOnly: true,
		Usage:     model.Usage{Input: model.Known(in), Output: model.Known(out), Source: model.UsageUpstream},
	}
}

// streams answers with the chunks; err nil means a proper end.
func streams(err error, chunks ...provider.Chunk) func(context.Context, *model.Call) (*provider.Response, error) {
	if err == nil {
		err = io.EOF
	}
	return func(ctx context.Context, _ *model.Call) (*provider.Response, error) {
		return &provider.Response{Status: 200, Stream: &tape{ctx: ctx, chunks: chunks, err: err}}, nil
	}
}

// answers gives a whole answer with usage.
func answers(body string, u model.Usage) func(context.Context, *model.Call) (*provider.Response, error) {
	return func(context.Context, *model.Call) (*provider.Response, error) {
		return &provider.Response{Status: 200, Body: []byte(body), Usage: u}, nil
	}
}

func fails(kind model.Kind) func(context.Context, *model.Call) (*provider.Response, error) {
	return func(context.Context, *model.Call) (*provider.Response, error) {
		return nil, &model.Error{Op: "script", Kind: kind, Status: 500, Message: kind.String()}
	}
}

var counted = model.Usage{Input: model.Known(10), Output: model.Known(5), Source: model.UsageUpstream}
