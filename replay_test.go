package cartrita_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/registry/catalogue"
	"github.com/cartrita/cartrita/route"
	"github.com/cartrita/cartrita/store/memory"
	"github.com/cartrita/cartrita/store/sqlite"
)

// past is a Service with a clock of its own over ten endpoints of five models,
// whose health moves with every call.
type past struct {
	*cartrita.Service
	t      testing.TB
	rng    *rand.Rand
	now    time.Time
	health *health.Tracker
	stop   func()
}

type keeper interface {
	event.Sink
	event.Reader
}

func usd(s string) *model.Money { m, _ := model.ParseMoney(s); return &m }

// pastFleet are the endpoints: model-0 is the best and the dearest, model-4 the
// cheapest; the second endpoint of each is dearer and faster.
func pastFleet() (endpoints []model.Endpoint, models []model.Model) {
	for i := range 10 {
		m := i / 2
		name := fmt.Sprintf("model-%d", m)
		context := int64(32_000)
		models = append(models, model.Model{
			ID: model.ModelID(fmt.Sprintf("p%d/%s", i%2, name)), Canonical: name, Provider: fmt.Sprintf("p%d", i%2),
			Tasks: []model.Task{model.TaskChat, model.TaskTextGeneration}, ContextLength: &context, Risk: model.Risk(1 + m%3),
			LatencyMS: &model.Figure{Value: float64(300 + 100*m - 100*(i%2)), Source: "test"},
			Quality:   map[string]model.Figure{model.MetricComposite: {Value: 0.9 - 0.1*float64(m), Source: "test"}},
			Features:  []model.Feature{model.FeatureTools},
		})
		endpoints = append(endpoints, model.Endpoint{
			ID: model.EndpointID(fmt.Sprintf("p%d/%s", i%2, name)), Provider: fmt.Sprintf("p%d", i%2), Kind: model.ProviderOpenAI,
			BaseURL: "http://127.0.0.1:1/v1", Ready: true, Model: models[i].ID, Upstream: name, MaxConcurrency: 4 * (i % 3),
			Pricing: &model.Pricing{Input: usd(fmt.Sprint(10 - 2*m + i%2)), Output: usd(fmt.Sprint(20 - 4*m + i%2))},
			Tags:    []string{[]string{"eu", "us"}[i%2]},
		})
	}
	return endpoints, models
}

func newPast(t testing.TB, store keeper, seed uint64) *past {
	t.Helper()
	reg := registry.New(registry.Config{Catalogue: func() (*catalogue.Catalogue, error) { return &catalogue.Catalogue{}, nil }})
	if err := reg.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := reg.SetEndpoints(pastFleet()); err != nil {
		t.Fatal(err)
	}
	p := &past{t: t, rng: rand.New(rand.NewPCG(seed, 3)), now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return p.now }
	log, err := event.Open(event.Config{Sink: store, Clock: clock, QueueCalls: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- log.Run(ctx) }()
	p.stop = func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = log.Close()
	}
	if p.health, err = health.New(health.Config{Clock: clock}); err != nil {
		t.Fatal(err)
	}
	estimator, err := cost.New(cost.Config{})
	if err != nil {
		t.Fatal(err)
	}
	own := route.Strategy{Name: "frugal", Weights: model.Weights{Quality: 1, Cost: 3}, Limits: route.Limits{MinQuality: new(float64)}}
	*own.Limits.MinQuality = 0.55
	strategies, err := route.NewStrategies("", own)
	if err != nil {
		t.Fatal(err)
	}
	up := answering{p}
	p.Service, err = cartrita.New(cartrita.Config{
		Registry: reg, Events: log, Reader: store, Health: p.health, Cost: estimator, Clock: clock,
		Settings: cartrita.Settings{Providers: map[string]provider.Client{"p0": up, "p1": up}, Strategies: strategies},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answering is every upstream: it takes time, answers at random length, and fails at times.
type answering struct{ p *past }

func (a answering) Do(_ context.Context, ep *model.Endpoint, call *model.Call) (*provider.Response, error) {
	a.p.now = a.p.now.Add(time.Duration(a.p.rng.IntN(900)) * time.Millisecond)
	if a.p.rng.IntN(12) == 0 {
		return nil, &model.Error{Op: "test", Kind: model.KindUpstream, Status: 502, Message: "no"}
	}
	if a.p.rng.IntN(200) == 0 { // longer than is waited for
		return nil, &model.Error{Op: "test", Kind: model.KindRateLimited, Status: 429, Message: "slow down", RetryAfter: time.Minute}
	}
	length := 50 + 40*int64(ep.Upstream[len(ep.Upstream)-1]-'0') + a.p.rng.Int64N(100) // longer answers of the cheaper ones
	return &provider.Response{Status: 200, Body: []byte(`{}`), Usage: model.Usage{
		Input: model.Known(call.PromptBytes/4 + 5), Output: model.Known(length), Source: model.UsageUpstream,
	}}, nil
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// call makes a random call: strategies, named models, limits, priorities.
func (p *past) call() *model.Call {
	r := p.rng
	prompt := fmt.Sprintf("%d ", r.IntN(50)) + strings.Repeat("word ", r.IntN(400))
	body, err := jsonscan.Parse(fmt.Appendf(nil, `{"messages":[{"role":"user","content":%q}]}`, prompt))
	if err != nil {
		p.t.Fatal(err)
	}
	c := &model.Call{
		ID: model.NewCallID(), Surface: model.SurfaceChat, Task: pick(r, model.TaskChat, model.TaskChat, model.TaskTextGeneration), Body: body,
		Model:       pick(r, "auto", "auto", "auto", "auto:cost-optimized", "auto:frugal", "model-1", "p0/model-3"),
		PromptBytes: int64(len(prompt)), Received: p.now,
		Caller: model.Caller{User: pick(r, "ann", "bob", ""), Team: pick(r, "red", "blue")},
	}
	if r.IntN(3) == 0 {
		c.MaxOutput = model.Known(int64(50 + r.IntN(400)))
	}
	if r.IntN(4) == 0 {
		quality := pick(r, 0.4, 0.65, 0.95)
		c.Criteria.MinQuality = &quality
	}
	if r.IntN(8) == 0 {
		c.Criteria.RequiredTags = []string{pick(r, "eu", "us")}
	}
	if r.IntN(8) == 0 {
		c.Criteria.MaxCost = usd(pick(r, "0.001", "0.01"))
	}
	if r.IntN(10) == 0 {
		w := r.Float64()
		c.Criteria.CostWeight = &w
		c.Criteria.LatencyWeight = &w
	}
	c.Criteria.Context.Priority = model.Priority(r.IntN(4) - 1)
	if r.IntN(10) == 0 {
		ms := int64(800 + r.IntN(20_000))
		c.Criteria.Context.DeadlineMS = &ms
	}
	return c
}

// serve makes n calls, some of them only decisions, and keeps endpoints busy
// so that load and queues count.
func (p *past) serve(n int) (recorded int) {
	var open []func()
	for range n {
		p.now = p.now.Add(time.Duration(p.rng.IntN(2000)) * time.Millisecond)
		if p.rng.IntN(3) == 0 {
			e := p.health.Endpoint(model.EndpointID(fmt.Sprintf("p%d/model-%d", p.rng.IntN(2), p.rng.IntN(5))))
			if ticket, ok := e.Begin(p.now); ok {
				e.Queue(1)
				open = append(open, func() {
					e.Queue(-1)
					e.Done(p.now, ticket, model.Outcome{Latency: time.Second, TTFT: time.Duration(100+p.rng.IntN(800)) * time.Millisecond, OutputTokens: 100})
				})
			}
		}
		if len(open) > 12 {
			open[0]()
			open = open[1:]
		}
		if p.rng.IntN(20) == 0 {
			if _, err := p.Select(p.t.Context(), cartrita.Criteria{Strategy: "speed-first"}); err == nil {
				recorded++
			}
			continue
		}
		rec, err := p.Serve(p.t.Context(), p.call(), &page{})
		if rec != nil {
			recorded++
		} else if k := model.KindOf(err); k != model.KindNoCandidate {
			p.t.Fatal(err)
		}
	}
	for _, done := range open {
		done()
	}
	return recorded
}

// Show 6: every one of so many decisions, made while health, load and learned
// lengths move, is made again exactly as it was.
func TestReplayDecidesIdentically(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 2000
	}
	store, err := memory.New(memory.Config{Calls: n})
	if err != nil {
		t.Fatal(err)
	}
	p := newPast(t, store, 1)
	defer p.stop()
	recorded := int64(p.serve(n))
	got, err := p.Replay(t.Context(), cartrita.ReplayQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Calls != recorded || got.Identical != recorded || got.Different != 0 || got.Untraced != 0 {
		t.Errorf("of %d recorded calls, %d were found, %d identical, %d different, %d without a trace:\n%+v",
			recorded, got.Calls, got.Identical, got.Different, got.Untraced, got.Mismatches)
	}
}

// A replay needs nothing but the store: after a restart, with another registry
// and other strategies in force, former calls are decided as they were.
func TestReplayAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cartrita.db")
	p := newPast(t, openSQLite(t, path), 2)
	recorded := int64(p.serve(5000))
	if err := p.Events().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.stop()

	p = newPast(t, openSQLite(t, path), 3)
	defer p.stop()
	endpoints, models := pastFleet()
	if err := p.Registry().SetEndpoints(endpoints[7:], models[7:]); err != nil {
		t.Fatal(err)
	}
	got, err := p.Replay(t.Context(), cartrita.ReplayQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Calls != recorded || got.Identical != recorded {
		t.Errorf("of %d recorded calls, %d were found, %d identical, %d without a trace:\n%+v",
			recorded, got.Calls, got.Identical, got.Untraced, got.Mismatches)
	}
}

func openSQLite(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// BenchmarkReplay replays 100,000 stored calls; the goal is under five seconds.
func BenchmarkReplay(b *testing.B) {
	const calls = 100_000
	p := newPast(b, openSQLite(b, filepath.Join(b.TempDir(), "cartrita.db")), 4)
	defer p.stop()
	for range calls / 1000 {
		p.serve(1000)
	}
	if err := p.Events().Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for name, q := range map[string]cartrita.ReplayQuery{
		"unchanged": {},
		"what-if":   {Change: cartrita.Change{Strategy: route.CostOptimized}, By: cartrita.ReplayByTask, Changes: 20},
	} {
		b.Run(name, func(b *testing.B) {
			stored := int64(0)
			for b.Loop() {
				got, err := p.Replay(b.Context(), q)
				if err != nil {
					b.Fatal(err)
				}
				if got.Calls < calls*9/10 || got.Identical != got.Calls {
					b.Fatalf("%d of %d calls are identical", got.Identical, got.Calls)
				}
				stored = got.Calls
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/float64(stored)*100_000, "s/100k-calls")
		})
	}
}

// scarred is a history in which the documents of some calls were damaged.
type scarred struct {
	*sqlite.Store
	record, trace int // which, counted from 1; 0 none
}

func (s *scarred) Walk(ctx context.Context, since, until time.Time, visit func([]event.Call) error) error {
	n := 0
	return s.Store.Walk(ctx, since, until, func(calls []event.Call) error {
		for i := range calls {
			c := &calls[i]
			n++
			switch n {
			case s.record:
				c.RecordJSON = c.RecordJSON[:len(c.RecordJSON)/2]
			case s.trace:
				c.PlanJSON = slices.Clone(c.PlanJSON)[:len(c.PlanJSON)-3]
			}
		}
		return visit(calls)
	})
}

// A damaged record costs no answer but its own: it is named, and in no figure.
func TestDamagedCallsAreLeftOut(t *testing.T) {
	const calls = 200
	store := &scarred{Store: openSQLite(t, filepath.Join(t.TempDir(), "cartrita.db"))}
	p := newPast(t, store, 5)
	defer p.stop()
	p.serve(calls)
	whole, err := p.Replay(t.Context(), cartrita.ReplayQuery{})
	if err != nil || whole.Count != 0 || whole.Identical == 0 {
		t.Fatalf("%+v, %v", whole, err)
	}
	store.record, store.trace = 17, 23
	got, err := p.Replay(t.Context(), cartrita.ReplayQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Count != 2 || len(got.First) != 2 || got.First[0].ID != (model.CallID{}) || got.First[1].ID == (model.CallID{}) || got.Calls != whole.Calls-2 || got.Identical != whole.Identical-2 {
		t.Errorf("%+v\nof %+v", got, whole)
	}
	advice, err := p.Suggest(t.Context(), cartrita.SuggestQuery{})
	if err != nil || advice.Count != 2 {
		t.Errorf("suggestions: %+v, %v", advice, err)
	}
	price := map[string]*model.Pricing{"p0/model-0": {Input: usd("1"), Output: usd("1")}}
	report, err := p.Reprice(t.Context(), cartrita.RepriceQuery{Prices: price})
	if err != nil || report.Count != 2 {
		t.Errorf("reprice: %+v, %v", report, err)
	}
}

// departed is a history that calls of before a time have left.
type departed struct {
	*sqlite.Store
	before time.Time
}

func (s *departed) Boundary(context.Context) (int64, error) { return s.before.UnixMicro(), nil }

// Who looks back further than there are calls is told.
func TestAReplaySaysFromWhenOnThereAreCalls(t *testing.T) {
	before := time.Now().UTC().AddDate(0, 0, -3).Truncate(24 * time.Hour)
	p := newPast(t, &departed{openSQLite(t, filepath.Join(t.TempDir(), "cartrita.db")), before}, 5)
	defer p.stop()
	p.serve(20)
	for since, want := range map[time.Time]*time.Time{{}: &before, before.Add(-time.Second): &before, before: nil, before.Add(time.Hour): nil} {
		got, err := p.Replay(t.Context(), cartrita.ReplayQuery{Since: since})
		if err != nil {
			t.Fatal(err)
		}
		advice, err := p.Suggest(t.Context(), cartrita.SuggestQuery{Since: since})
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []*time.Time{got.Archived, advice.Archived} {
			if (at == nil) != (want == nil) || at != nil && !at.Equal(*want) {
				t.Errorf("since %v: calls are there from %v on, want %v", since, at, want)
			}
		}
	}
}
