package cost

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

func TestNewRefusesBadConfig(t *testing.T) {
	for param, cfg := range map[string]Config{
		"level":  {Level: 1},
		"memory": {Memory: 3},
	} {
		_, err := New(cfg)
		if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != param {
			t.Errorf("New(%+v) = %v, want an error about %s", cfg, err, param)
		}
	}
}

func genRequest(t *rapid.T) Request {
	c := func(label string) model.Count {
		if n := rapid.Int64Range(-1_000_000, 1_000_000).Draw(t, label); n >= 0 {
			return model.Known(n)
		}
		return model.Count{}
	}
	return Request{
		Task:        model.Task(rapid.IntRange(0, 14).Draw(t, "task")),
		PromptBytes: rapid.Int64Range(0, 10_000_000).Draw(t, "bytes"),
		Images:      rapid.IntRange(0, 10).Draw(t, "images"),
		InputTokens: c("input"), OutputTokens: c("output"), MaxOutput: c("max"),
	}
}

func genServed(t *rapid.T) *model.Served {
	s := served("lab/model", genPricing(t))
	if rapid.Bool().Draw(t, "limits known") {
		s.Context = rapid.Int64Range(1, 2_000_000).Draw(t, "context")
		s.MaxOutput = rapid.Int64Range(1, 200_000).Draw(t, "max output")
	}
	if rapid.Bool().Draw(t, "reasons") {
		s.Features = model.Features(model.FeatureReasoning)
	}
	return s
}

func TestEstimateIsOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := mustNew(t, Config{})
		p := e.Profile(genServed(t))
		for range rapid.IntRange(0, 30).Draw(t, "observations") {
			e.Observe(p, genRequest(t), genUsage(t))
		}
		est := e.Estimate(p, genRequest(t))
		if est.Low < 0 || est.Low > est.Expected || est.Expected > est.High {
			t.Fatalf("want 0 ≤ Low ≤ Expected ≤ High: %+v", est)
		}
		if est.InputTokens < 0 || est.OutputTokens < 0 {
			t.Fatalf("negative tokens: %+v", est)
		}
		if !est.Priced && est.High != 0 {
			t.Fatalf("unpriced with an amount: %+v", est)
		}
	})
}

// With both counts given there is nothing to predict: the estimate is the bill.
func TestEstimateOfKnownTokensIsThePrice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := mustNew(t, Config{})
		p := e.Profile(served("lab/model", genPricing(t)))
		in, out := rapid.Int64Range(0, 1e9).Draw(t, "in"), rapid.Int64Range(0, 1e9).Draw(t, "out")
		est := e.Estimate(p, Request{InputTokens: model.Known(in), OutputTokens: model.Known(out)})
		bill := p.Price(usage(in, -1, -1, out, -1), 0)
		if !est.Priced {
			if !bill.Unpriced {
				t.Fatalf("not priced, yet the bill is %+v", bill)
			}
			return
		}
		if est.Low != bill.Total || est.Expected != bill.Total || est.High != bill.Total {
			t.Fatalf("estimate %+v, bill %v", est, bill.Total)
		}
	})
}

func TestEstimateIsMonotoneInThePrompt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := mustNew(t, Config{})
		p := e.Profile(served("lab/model", genPricing(t)))
		q := genRequest(t)
		q.InputTokens, q.PromptBytes = model.Count{}, q.PromptBytes+1
		longer := q
		longer.PromptBytes += rapid.Int64Range(0, 1_000_000).Draw(t, "more")
		if a, b := e.Estimate(p, q), e.Estimate(p, longer); b.Expected < a.Expected || b.High < a.High {
			t.Fatalf("a longer prompt costs less: %+v, then %+v", a, b)
		}
	})
}

func mustNew(t *rapid.T, cfg Config) *Estimator {
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEstimatePriorsAndCaps(t *testing.T) {
	e := newEstimator(t, Config{})
	price := &model.Pricing{Input: usd("1"), Output: usd("1")}
	chat := e.Profile(served("lab/chat", price))
	thinker := served("lab/thinker", price)
	thinker.Features = model.Features(model.FeatureReasoning)
	small := served("lab/small", price)
	small.Context, small.MaxOutput = 1000, 100

	q := Request{Task: model.TaskChat, PromptBytes: 3600}
	base := e.Estimate(chat, q)
	if base.Method != model.MethodPrior || base.InputTokens < 850 || base.InputTokens > 1000 {
		t.Errorf("prior estimate %+v, want method prior and about 908 input tokens", base)
	}
	if got := e.Estimate(e.Profile(thinker), q); got.OutputTokens <= base.OutputTokens {
		t.Errorf("a reasoning model is expected to write %d tokens, another %d", got.OutputTokens, base.OutputTokens)
	}
	if got := e.Estimate(e.Profile(small), q); got.OutputTokens > min(100, 1000-got.InputTokens) {
		t.Errorf("output of %d tokens passes the model's limits", got.OutputTokens)
	}
	q.MaxOutput = model.Known(50)
	if got := e.Estimate(chat, q); got.OutputTokens < 45 || got.OutputTokens > 50 || got.High >= base.High {
		t.Errorf("max 50 tokens: %+v", got)
	}
	if got := e.Estimate(chat, Request{Task: model.TaskEmbeddings, PromptBytes: 4000}); got.OutputTokens != 0 {
		t.Errorf("embeddings write %d tokens", got.OutputTokens)
	}
	if got := e.Estimate(chat, Request{Task: model.TaskChat}); got.InputTokens != 500 || got.High < 2*got.Expected {
		t.Errorf("a call of which nothing is known: %+v, want 500 input tokens and a wide interval", got)
	}
	counted := Request{Task: model.TaskChat, InputTokens: model.Known(10)}
	if got := e.Estimate(chat, counted); got.Method != model.MethodCounted || got.InputTokens != 10 {
		t.Errorf("counted prompt: %+v", got)
	}
}

func TestEstimatePriced(t *testing.T) {
	e := newEstimator(t, Config{})
	hosted := served("lab/hosted", &model.Pricing{Hourly: usd("4")})
	hosted.Hardware = "1xH100"
	hosted.Model.Throughput = map[string]model.Figure{"1xH100": {Value: 1000}}
	for _, tt := range []struct {
		name string
		s    *model.Served
		task model.Task
		want bool
	}{
		{"no pricing", served("a", nil), model.TaskChat, false},
		{"empty pricing", served("a", &model.Pricing{}), model.TaskChat, false},
		{"input price alone, chat", served("a", &model.Pricing{Input: usd("1")}), model.TaskChat, false},
		{"input price alone, embeddings", served("a", &model.Pricing{Input: usd("1")}), model.TaskEmbeddings, true},
		{"free", served("a", &model.Pricing{Input: usd("0"), Output: usd("0")}), model.TaskChat, true},
		{"request price alone", served("a", &model.Pricing{Request: usd("1")}), model.TaskChat, true},
		{"hardware without throughput", served("a", &model.Pricing{Hourly: usd("4")}), model.TaskChat, false},
		{"hardware with the model's measured throughput", hosted, model.TaskChat, true},
	} {
		est := e.Estimate(e.Profile(tt.s), Request{Task: tt.task, PromptBytes: 100})
		if est.Priced != tt.want {
			t.Errorf("%s: Priced = %v, want %v", tt.name, est.Priced, tt.want)
		}
	}
}

// world is a model server whose true tokens per byte and answer lengths are known.
type world struct {
	rng                  *rand.Rand
	perByte, median, sig float64
}

func (w *world) call() (Request, model.Usage) {
	bytes := 200 + w.rng.Int64N(20_000)
	in := 8 + float64(bytes)*w.perByte*math.Exp(0.08*w.rng.NormFloat64())
	out := w.median * math.Exp(w.sig*w.rng.NormFloat64())
	return Request{Task: model.TaskChat, PromptBytes: bytes}, usage(int64(in), 0, 0, int64(out), 0)
}

func TestEstimateLearns(t *testing.T) {
	e := newEstimator(t, Config{})
	p := e.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")}))
	w := &world{rand.New(rand.NewPCG(1, 2)), 0.40, 60, 0.5}
	for range 400 {
		q, u := w.call()
		e.Observe(p, q, u)
	}
	est := e.Estimate(p, Request{Task: model.TaskChat, PromptBytes: 10_000})
	if est.Method != model.MethodLearned {
		t.Errorf("method %s, want learned", est.Method)
	}
	if math.Abs(float64(est.InputTokens)-4008) > 200 {
		t.Errorf("10,000 bytes are predicted as %d tokens, truly about 4,008", est.InputTokens)
	}
	if mean := 60 * math.Exp(0.125); math.Abs(float64(est.OutputTokens)-mean) > 0.15*mean {
		t.Errorf("answers are predicted as %d tokens, truly %.0f on average", est.OutputTokens, mean)
	}
	other := e.Estimate(p, Request{Task: model.TaskSummarization, PromptBytes: 10_000})
	if other.Method != model.MethodPrior {
		t.Errorf("learning chat taught summarization: %+v", other)
	}
	again := e.Estimate(e.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")})), Request{Task: model.TaskChat, PromptBytes: 10_000})
	if again != est {
		t.Errorf("a new profile of the same model forgot: %+v, want %+v", again, est)
	}

	w.perByte, w.median = 0.25, 300 // the model changes
	for range 1500 {
		q, u := w.call()
		e.Observe(p, q, u)
	}
	est = e.Estimate(p, Request{Task: model.TaskChat, PromptBytes: 10_000})
	if math.Abs(float64(est.InputTokens)-2508) > 130 || est.OutputTokens < 280 || est.OutputTokens > 400 {
		t.Errorf("after the change: %+v, want about 2,508 and 340 tokens", est)
	}
}

func TestIntervalCoversAsStated(t *testing.T) {
	for _, level := range []float64{0.8, 0.9} {
		e := newEstimator(t, Config{Level: level})
		p := e.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")}))
		w := &world{rand.New(rand.NewPCG(3, 4)), 0.28, 350, 0.9}
		inside, n := 0, 6000
		for i := range n + 500 {
			q, u := w.call()
			est, actual := e.Estimate(p, q), p.Price(u, 0).Total
			if i >= 500 && est.Low <= actual && actual <= est.High {
				inside++
			}
			e.Observe(p, q, u)
		}
		if got := float64(inside) / float64(n); math.Abs(got-level) > 0.03 {
			t.Errorf("the %.0f %% interval covers %.1f %% of the bills", 100*level, 100*got)
		}
	}
}

func TestEstimateAnticipatesTheCache(t *testing.T) {
	e := newEstimator(t, Config{})
	pricing := &model.Pricing{Input: usd("1"), Output: usd("0"), CachedRead: usd("0.1")}
	p := e.Profile(served("lab/model", pricing))
	q := Request{Task: model.TaskChat, InputTokens: model.Known(1000), PromptBytes: 4000}
	before := e.Estimate(p, q)
	for i := range 400 {
		e.Observe(p, q, usage(1000, int64(800+i%100), 0, 10, 0))
	}
	after := e.Estimate(p, q)
	want := p.Price(usage(1000, 850, 0, 10, 0), 0).Total // 235,000
	if before.Expected != 1_000_000 || math.Abs(float64(after.Expected-want)) > 20_000 {
		t.Errorf("expected %v before and %v after learning the cache share, want $0.001 and about %v", before.Expected, after.Expected, want)
	}
	if after.Low > want || after.High < want || after.High > before.High/2 {
		t.Errorf("interval %v to %v around %v", after.Low, after.High, want)
	}
}

func TestObserveIgnoresWhatTeachesNothing(t *testing.T) {
	e := newEstimator(t, Config{})
	p := e.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")}))
	q := Request{Task: model.TaskChat, PromptBytes: 1000}
	before := e.Estimate(p, q)
	counted := usage(1, 0, 0, 1, 0)
	counted.Source = model.UsageCounted
	for range 20 {
		e.Observe(p, q, counted)
		e.Observe(p, q, usage(-1, -1, -1, -1, -1))
	}
	if after := e.Estimate(p, q); after != before {
		t.Errorf("the estimate moved from %+v to %+v", before, after)
	}
}

func TestEstimateAllocatesNothing(t *testing.T) {
	e := newEstimator(t, Config{})
	p := e.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")}))
	q := Request{Task: model.TaskChat, PromptBytes: 1000}
	if n := testing.AllocsPerRun(100, func() { sinkEstimate = e.Estimate(p, q) }); n != 0 {
		t.Errorf("Estimate allocates %v times", n)
	}
}

func TestEstimateWhileLearning(t *testing.T) {
	e := newEstimator(t, Config{})
	s := served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			w := &world{rand.New(rand.NewPCG(5, uint64(g))), 0.3, 100, 1}
			for range 200 {
				p := e.Profile(s)
				q, u := w.call()
				if est := e.Estimate(p, q); est.Low > est.Expected || est.Expected > est.High {
					t.Errorf("torn estimate %+v", est)
				}
				e.Observe(p, q, u)
			}
		})
	}
	wg.Wait()
}
