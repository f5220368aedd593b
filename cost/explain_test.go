package cost

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

func TestExplainAtTheOwnLevelIsTheEstimate(t *testing.T) {
	e := newEstimator(t, Config{})
	pricing := &model.Pricing{Input: usd("1"), Output: usd("4"), CachedRead: usd("0.1"), Request: usd("0.001"), Source: "list"}
	p := e.Profile(served("lab/model", pricing))
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		q := genRequestFrom(rng)
		q.Task = model.TaskChat
		u := usage(20+q.PromptBytes/4, q.PromptBytes/20, 0, 1+rng.Int64N(900), 0)
		e.Settled(p, q, e.Estimate(p, q), p.Price(u, 0).Total)
		e.Observe(p, q, u)
		e.refreshAll()
		x, err := e.Explain(p, q, 0)
		if err != nil || x.Estimate != e.Estimate(p, q) || x.Level != 0.9 {
			t.Fatalf("explained %+v (%v), estimated %+v", x, err, e.Estimate(p, q))
		}
		narrow, err := e.Explain(p, q, 0.6)
		if err != nil || narrow.Low < x.Low || narrow.High > x.High || narrow.Expected != x.Expected {
			t.Fatalf("at 60 %%: %+v (%v), at 90 %%: %+v", narrow.Estimate, err, x.Estimate)
		}
		if diff := x.Breakdown.Total - x.Expected; math.Abs(float64(diff)) > 0.02*float64(x.Expected)+10_000 {
			t.Fatalf("the classes add up to %v, expected are %v", x.Breakdown.Total, x.Expected)
		}
		if x.Breakdown.Request != *pricing.Request || x.Factors.CachedShare == 0 || x.Factors.PriceSource != "list" {
			t.Fatalf("breakdown %+v of %+v", x.Breakdown, x.Factors)
		}
	}
	if _, err := e.Explain(p, Request{}, 1.5); model.AsError(err) == nil || model.AsError(err).Param != "level" {
		t.Errorf("level 1.5: %v", err)
	}
}

// Whatever the price: explaining and estimating are one.
func TestExplainAgreesWithEstimate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, ps := taught(t)
		e.refreshAll()
		for range 20 {
			p, q := ps[rapid.IntRange(0, 1).Draw(t, "profile")], genRequest(t)
			x, err := e.Explain(p, q, 0)
			if err != nil || x.Estimate != e.Estimate(p, q) {
				t.Fatalf("%+v: explained %+v (%v), estimated %+v", q, x.Estimate, err, e.Estimate(p, q))
			}
		}
	})
}

// refreshAll publishes what is published only now and then.
func (e *Estimator) refreshAll() {
	for _, k := range e.known() {
		k.export(&e.learning)
	}
}

func TestConfidenceFollowsItsRules(t *testing.T) {
	pricing := &model.Pricing{Input: usd("1"), Output: usd("4")}
	for _, tt := range []struct {
		name   string
		calls  int
		spread float64
		price  *model.Pricing
		q      Request
		want   Confidence
	}{
		{"nothing learned", 0, 0, pricing, Request{PromptBytes: 4000}, ConfidenceLow},
		{"a few calls", 20, 0.2, pricing, Request{PromptBytes: 4000}, ConfidenceMedium},
		{"many alike", 200, 0.1, pricing, Request{PromptBytes: 4000}, ConfidenceHigh},
		{"many unlike", 200, 1, pricing, Request{PromptBytes: 400}, ConfidenceMedium},
		{"no price", 200, 0.1, nil, Request{PromptBytes: 4000}, ConfidenceLow},
		{"all given", 0, 0, pricing, Request{InputTokens: model.Known(10), OutputTokens: model.Known(10)}, ConfidenceHigh},
	} {
		e := newEstimator(t, Config{})
		p := e.Profile(served("lab/model", tt.price))
		rng := rand.New(rand.NewPCG(2, 2))
		tt.q.Task = model.TaskChat
		for range tt.calls {
			e.Observe(p, tt.q, usage(tt.q.PromptBytes/4, 0, 0, int64(200*math.Exp(tt.spread*rng.NormFloat64())), 0))
		}
		x, err := e.Explain(p, tt.q, 0)
		if err != nil || x.Confidence != tt.want {
			t.Errorf("%s: %s (%v), want %s: %+v", tt.name, x.Confidence, err, tt.want, x.Estimate)
		}
	}
}

// The total of a batch of independent calls lies in the interval of its sum.
func TestBatchSumCoversTheTotal(t *testing.T) {
	e := newEstimator(t, Config{})
	p := e.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")}))
	w := &world{rand.New(rand.NewPCG(7, 7)), 0.28, 350, 0.9}
	for range 600 {
		q, u := w.call()
		e.Settled(p, q, e.Estimate(p, q), p.Price(u, 0).Total)
		e.Observe(p, q, u)
	}
	for _, size := range []int{1, 10, 200} {
		inside, runs := 0, 300
		var width float64
		for range runs {
			var s, merged BatchSum
			var total model.Money
			for i := range size {
				q, u := w.call()
				x, err := e.Explain(p, q, 0.9)
				if err != nil {
					t.Fatal(err)
				}
				s.Add(&x, 0.9)
				part := BatchSum{}
				part.Add(&x, 0.9)
				merged.Merge(&part, 0.9)
				total += p.Price(u, 0).Total
				if i == 0 && (s.Low != x.Low || s.High != x.High) {
					t.Fatalf("the sum of one call %+v is not its estimate %+v", s, x.Estimate)
				}
			}
			if s != merged {
				t.Fatalf("sums merged are %+v, added %+v", merged, s)
			}
			if s.Low <= total && total <= s.High {
				inside++
			}
			width = float64(s.High-s.Low) / float64(s.Expected)
		}
		got := float64(inside) / float64(runs)
		t.Logf("%d calls: %.1f %% inside, width %.2f of the expected", size, 100*got, width)
		if got < 0.84 {
			t.Errorf("totals of %d calls: %.1f %% inside", size, 100*got)
		}
		if size == 200 && width > 0.5 {
			t.Errorf("the interval of 200 calls is %.2f of the expected total: no independence shows", width)
		}
	}
}

func TestCutAnswersTeachThatTheyWouldBeLonger(t *testing.T) {
	e := newEstimator(t, Config{})
	p := e.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")}))
	rng := rand.New(rand.NewPCG(8, 8))
	length := logNormal{300, 0.6}
	for range 1500 {
		q := Request{Task: model.TaskChat, PromptBytes: 4000}
		out := length.draw(rng)
		if rng.IntN(2) == 0 {
			q.MaxOutput = model.Known(200)
			out = math.Min(out, 200)
		}
		e.Observe(p, q, usage(1000, 0, 0, int64(out), 0))
	}
	x, err := e.Explain(p, Request{Task: model.TaskChat, PromptBytes: 4000}, 0)
	mean := 300 * math.Exp(0.18)
	if err != nil || math.Abs(x.Factors.Answer.Expected-mean) > 0.12*mean {
		t.Errorf("answers without limit are expected to have %.0f tokens (%v), truly %.0f", x.Factors.Answer.Expected, err, mean)
	}
	// A new kind of call rests on its task, in which half of the answers were cut.
	x, err = e.Explain(p, Request{Task: model.TaskChat, PromptBytes: 100_000, MaxOutput: model.Known(100_000)}, 0)
	if err != nil || math.Abs(x.Factors.Answer.Expected-mean) > 0.15*mean {
		t.Errorf("the task's answers are expected to have %.0f tokens (%v), truly %.0f", x.Factors.Answer.Expected, err, mean)
	}
}

func TestAModelsOtherTasksAndOtherModelsTeach(t *testing.T) {
	e := newEstimator(t, Config{})
	wordy := e.Profile(served("lab/wordy", &model.Pricing{Input: usd("1"), Output: usd("4")}))
	prior := e.Estimate(wordy, Request{Task: model.TaskTranslation, PromptBytes: 4000}).OutputTokens
	for range 300 {
		e.Observe(wordy, Request{Task: model.TaskChat, PromptBytes: 4000}, usage(1000, 0, 0, 1500, 0))
	}
	if got := e.Estimate(wordy, Request{Task: model.TaskTranslation, PromptBytes: 4000}); got.OutputTokens < prior*3/2 {
		t.Errorf("a model wordy in chat is expected to translate in %d tokens, before %d", got.OutputTokens, prior)
	}
	fresh := e.Profile(served("lab/fresh", &model.Pricing{Input: usd("1"), Output: usd("4")}))
	other := e.Estimate(fresh, Request{Task: model.TaskTranslation, PromptBytes: 4000}).OutputTokens
	if other <= prior {
		t.Errorf("where models are wordy, a new one is expected to write %d tokens, before %d", other, prior)
	}
	if own := e.Estimate(wordy, Request{Task: model.TaskTranslation, PromptBytes: 4000}).OutputTokens; own < other*11/10 {
		t.Errorf("the wordy model itself is expected to write %d tokens, any other %d", own, other)
	}
}
