package cost

import (
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

// taught draws an estimator that learned from some calls to two models.
func taught(t *rapid.T) (*Estimator, []*Profile) {
	e := mustNew(t, Config{})
	ps := []*Profile{e.Profile(genServed(t)), e.Profile(served("lab/other", &model.Pricing{Input: usd("1"), Output: usd("4"), CachedRead: usd("0.1")}))}
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	for range rapid.IntRange(0, 100).Draw(t, "calls") {
		p, q := ps[rng.IntN(2)], genRequestFrom(rng)
		u := usage(1+rng.Int64N(50_000), rng.Int64N(1000), 0, rng.Int64N(3000), 0)
		e.Settled(p, q, e.Estimate(p, q), p.Price(u, 0).Total)
		e.Observe(p, q, u)
	}
	return e, ps
}

func genRequestFrom(rng *rand.Rand) Request {
	q := Request{Task: model.Task(rng.IntN(15)), PromptBytes: rng.Int64N(200_000), Text: model.TextKind(rng.IntN(4))}
	if rng.IntN(2) == 0 {
		q.MaxOutput = model.Known(1 + rng.Int64N(8000))
	}
	return q
}

func TestImportOfAnExportGivesTheSameEstimates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, ps := taught(t)
		raw, err := a.Export()
		if err != nil {
			t.Fatal(err)
		}
		b := mustNew(t, Config{})
		if err := b.Import(raw); err != nil {
			t.Fatal(err)
		}
		for _, p := range ps {
			same := *p
			same.known = b.knowledgeOf(p.known.canonical, p.reasoning)
			for range 20 {
				q := genRequest(t)
				if x, y := a.Estimate(p, q), b.Estimate(&same, q); x != y {
					t.Fatalf("%+v: estimated %+v, after the import %+v", q, x, y)
				}
			}
		}
		if again, err := b.Export(); err != nil || string(again) != string(raw) {
			t.Fatalf("a second export differs from the first (%v)", err)
		}
	})
}

func TestImportMerges(t *testing.T) {
	a, b := newEstimator(t, Config{}), newEstimator(t, Config{})
	s := served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")})
	q := Request{Task: model.TaskChat, PromptBytes: 4000}
	for range 60 {
		a.Observe(a.Profile(s), q, usage(1000, 0, 0, 100, 0))
		b.Observe(b.Profile(s), q, usage(1000, 0, 0, 300, 0))
	}
	raw, err := a.Export()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Import(raw); err != nil {
		t.Fatal(err)
	}
	if out := b.Estimate(b.Profile(s), q).OutputTokens; out < 180 || out > 240 {
		t.Errorf("half of the answers have 100 tokens, half 300: expected are %d, want about 200", out)
	}
}

func TestImportRefusesWhatIsDamaged(t *testing.T) {
	e := newEstimator(t, Config{})
	p := e.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")}))
	q := Request{Task: model.TaskChat, PromptBytes: 4000}
	e.Observe(p, q, usage(1000, 0, 0, 100, 0))
	good, err := e.Export()
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"cut":             string(good[:len(good)/2]),
		"empty":           "",
		"later version":   strings.Replace(string(good), `"version":1`, `"version":2`, 1),
		"unknown field":   strings.Replace(string(good), `"version":1`, `"version":1,"x":1`, 1),
		"bad bucket":      strings.Replace(string(good), `"b":[[`, `"b":[[1.5,0],[`, 1),
		"buckets amiss":   strings.Replace(string(good), `{"w":1,`, `{"w":7,`, 1),
		"unknown task":    strings.Replace(string(good), `"chat-completions"`, `"chatting"`, 1),
		"more covered":    strings.Replace(string(good), `"covered":0`, `"covered":5`, 1),
		"no such cell":    strings.Replace(string(good), `"cell":`, `"cell":9`, 1),
		"negative spread": strings.Replace(string(good), `"m2":0`, `"m2":-1`, 1),
	} {
		if raw == string(good) {
			t.Fatalf("%s: nothing was damaged in %s", name, good)
		}
		b := newEstimator(t, Config{})
		if err := b.Import([]byte(raw)); model.AsError(err) == nil || model.AsError(err).Kind != model.KindInvalid {
			t.Errorf("%s: Import = %.100v, want KindInvalid", name, err)
		}
		if est := b.Estimate(b.Profile(served("lab/model", nil)), q); est.Method != model.MethodPrior || b.Learned() != 0 {
			t.Errorf("%s: something was learned: %+v", name, est)
		}
	}
}

func TestCellsAreBounded(t *testing.T) {
	e := newEstimator(t, Config{MaxCells: 3})
	p := e.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")}))
	for limit := int64(1); limit < 10_000; limit *= 3 {
		e.Observe(p, Request{Task: model.TaskChat, PromptBytes: 100, MaxOutput: model.Known(limit)}, usage(25, 0, 0, 1, 0))
	}
	if n := e.cells.Load(); n != 3 {
		t.Errorf("%d cells, want 3", n)
	}
}

func FuzzImport(f *testing.F) {
	e := newEstimator(f, Config{})
	p := e.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")}))
	q := Request{Task: model.TaskChat, PromptBytes: 4000}
	for range 3 {
		e.Observe(p, q, usage(1000, 10, 0, 100, 0))
	}
	good, err := e.Export()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := newEstimator(t, Config{})
		if b.Import(raw) != nil {
			return
		}
		if est := b.Estimate(b.Profile(served("lab/model", &model.Pricing{Input: usd("1"), Output: usd("4")})), q); est.Low < 0 || est.Low > est.Expected || est.Expected > est.High {
			t.Fatalf("%.200s gives %+v", raw, est)
		}
	})
}
