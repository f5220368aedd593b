package cartrita_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/route"
	"github.com/cartrita/cartrita/store/memory"
)

// ask serves a call for a model with a prompt, after some time.
func (p *past) ask(name, prompt string, after time.Duration, edit ...func(*model.Call)) *model.Record {
	p.t.Helper()
	p.now = p.now.Add(after)
	body, err := jsonscan.Parse(fmt.Appendf(nil, `{"messages":[{"role":"user","content":%q}]}`, prompt))
	if err != nil {
		p.t.Fatal(err)
	}
	c := &model.Call{
		ID: model.NewCallID(), Surface: model.SurfaceChat, Task: model.TaskChat, Body: body, Model: name,
		PromptBytes: int64(len(prompt)), Received: p.now,
	}
	for _, f := range edit {
		f(c)
	}
	rec, err := p.Serve(p.t.Context(), c, &page{})
	if rec == nil {
		p.t.Fatal(err)
	}
	return rec
}

func (p *past) suggest() *cartrita.SuggestReport {
	p.t.Helper()
	r, err := p.Suggest(p.t.Context(), cartrita.SuggestQuery{})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, s := range r.Suggestions {
		if s.Title == "" || s.How == "" || s.TradeOff == "" || s.Apply == "" || s.Confidence == "" || s.Scope == "" ||
			s.Saved.Low > s.Saved.Value || s.Saved.High < s.Saved.Value {
			p.t.Errorf("a suggestion that does not say all: %+v", s)
		}
	}
	return r
}

func found(r *cartrita.SuggestReport, kind cartrita.SuggestionKind) *cartrita.Suggestion {
	at := slices.IndexFunc(r.Suggestions, func(s cartrita.Suggestion) bool { return s.Kind == kind })
	if at < 0 {
		return nil
	}
	return &r.Suggestions[at]
}

func TestSuggestSaysWhenThereIsTooLittle(t *testing.T) {
	p := fresh(t, 20)
	for i := range 99 {
		p.ask("auto:quality-first", fmt.Sprint("prompt ", i%3), time.Second)
	}
	r := p.suggest()
	if len(r.Suggestions) != 0 || len(r.Silent) != 1 || !strings.Contains(r.Silent[0], "99 calls") {
		t.Errorf("%+v", r)
	}
}

// What is suggested is what a replay finds.
func TestSuggestDecidingByCost(t *testing.T) {
	p := fresh(t, 21)
	for i := range 300 {
		p.ask("auto:quality-first", fmt.Sprint("prompt ", i), time.Second)
	}
	r := p.suggest()
	s := found(r, cartrita.SuggestStrategy)
	if s == nil {
		t.Fatalf("nothing, because %v", r.Silent)
	}
	total := p.replay(cartrita.ReplayQuery{Change: cartrita.Change{Strategy: "cost-optimized"}}).Total
	near := func(a, b cartrita.Interval) bool {
		return math.Abs(a.Value-b.Value) < 1e-9 && math.Abs(a.Low-b.Low) < 1e-9 && a.Calls == b.Calls
	}
	if !near(s.Saved, total.Saved) || s.Calls != total.Changed || s.Quality == nil || !near(*s.Quality, *total.Quality) {
		t.Errorf("suggested %+v, replayed %+v", s, total)
	}
	if f := found(r, cartrita.SuggestSameQuality); f != nil && f.Quality.Value < 0 {
		t.Errorf("of no lower quality: %+v", f)
	}
	if s := found(r, cartrita.SuggestExactCache); s != nil {
		t.Errorf("no prompt is repeated: %+v", s)
	}
}

// The worst advice, a model that a condition of the calls forbids, cannot appear:
// when only one endpoint meets them, there is nothing to suggest.
func TestSuggestNothingThatAHardConditionForbids(t *testing.T) {
	p := fresh(t, 22)
	quality := 0.85
	for i := range 300 {
		p.ask("auto:quality-first", fmt.Sprint("prompt ", i), time.Second, func(c *model.Call) {
			c.Criteria.MinQuality, c.Criteria.RequiredTags = &quality, []string{"us"} // p1/model-0 alone
		})
	}
	r := p.suggest()
	if r.Calls != 300 || len(r.Suggestions) != 0 {
		t.Errorf("of %d calls: %+v", r.Calls, r.Suggestions)
	}
}

func TestSuggestCachingRepeatedPrompts(t *testing.T) {
	p := fresh(t, 23)
	type key struct {
		prompt string
		model  model.ModelID
	}
	calls, spent := map[key]float64{}, map[key]float64{}
	for i := range 200 {
		prompt := fmt.Sprint("prompt ", i%10)
		rec := p.ask("auto:quality-first", prompt, time.Second)
		if rec.State == model.StateCompleted {
			k := key{prompt, rec.Model}
			calls[k]++
			spent[k] += rec.Cost.Total.USD()
		}
	}
	want, repeated := 0.0, 0.0
	for k, n := range calls {
		want += spent[k] * (n - 1) / n
		repeated += n - 1
	}
	r := p.suggest()
	s := found(r, cartrita.SuggestExactCache)
	if s == nil || math.Abs(s.Saved.Value-want) > 1e-9 || s.Calls != int64(repeated) {
		t.Errorf("%+v, want $%v by %v calls", s, want, repeated)
	}
}

// machineFleet makes p0/model-4 a machine at so many dollars an hour; p1/model-4
// is hosted.
func machineFleet(p *past, hourly string) {
	endpoints, models := pastFleet()
	speed := 1e6
	endpoints[8].Pricing = &model.Pricing{Hourly: usd(hourly), TokensPerSecond: &speed}
	if err := p.Registry().SetEndpoints(endpoints, models); err != nil {
		p.t.Fatal(err)
	}
}

func TestSuggestHostedInsteadOfIdleHardware(t *testing.T) {
	p := fresh(t, 24)
	machineFleet(p, "10")
	var first, last time.Time
	hosted, n := model.Money(0), int64(0)
	for i := range 150 {
		rec := p.ask("model-4", fmt.Sprint("prompt ", i), 20*time.Minute)
		if i == 0 {
			first = p.now
		}
		last = p.now
		if rec.State == model.StateCompleted && rec.Endpoint == "p0/model-4" {
			hosted += 3000*model.Money(rec.Usage.Input.N) + 5000*model.Money(rec.Usage.Output.N) // $3 and $5 per million
			n++
		}
	}
	r := p.suggest()
	s := found(r, cartrita.SuggestHosted)
	if s == nil || s.Calls != n || n < 100 {
		t.Fatalf("of %d calls: %+v, %v", n, s, r.Silent)
	}
	if want := 10*last.Sub(first).Hours() - hosted.USD(); math.Abs(s.Saved.Value-want) > 1e-3*want {
		t.Errorf("saves %v, want %v", s.Saved.Value, want)
	}
	// One call that only the machine may serve: its data may not leave.
	p.ask("model-4", "private", time.Minute, func(c *model.Call) { c.Criteria.RequiredTags = []string{"eu"} })
	if s := found(p.suggest(), cartrita.SuggestHosted); s != nil {
		t.Errorf("an endpoint is suggested that may not serve every call: %+v", s)
	}
}

// Hardware is judged by all of its traffic: by that of one team or project it
// looks idle, or as if any endpoint would do.
func TestSuggestSwitchesNoHardwareOffForPartOfItsTraffic(t *testing.T) {
	p := fresh(t, 24)
	machineFleet(p, "10")
	for i := range 150 {
		p.ask("model-4", fmt.Sprint("prompt ", i), 20*time.Minute, func(c *model.Call) { c.Caller.Team, c.Caller.Project = "a", "p" })
		p.ask("model-4", fmt.Sprint(i, strings.Repeat("words ", 10)), time.Second, func(c *model.Call) {
			c.Caller.Team, c.Criteria.RequiredTags = "b", []string{"eu"} // the machine alone
		})
	}
	for _, q := range []cartrita.SuggestQuery{{}, {Team: "a"}, {Project: "p"}} {
		r, err := p.Suggest(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if s := found(r, cartrita.SuggestHosted); s != nil {
			t.Errorf("of %+v: %+v", q, s)
		}
		said := slices.ContainsFunc(r.Silent, func(why string) bool { return strings.Contains(why, "without team and project") })
		if part := q != (cartrita.SuggestQuery{}); said != part {
			t.Errorf("of %+v: not suggested %q", q, r.Silent)
		}
	}
}

// An hour's price that changed tells nothing of what the hours between cost.
func TestSuggestDoesNotGuessWhatHardwareCost(t *testing.T) {
	p := fresh(t, 24)
	for _, hourly := range []string{"100", "1"} {
		machineFleet(p, hourly)
		for i := range 150 {
			p.ask("model-4", fmt.Sprint("prompt ", i), 20*time.Minute)
		}
	}
	if s := found(p.suggest(), cartrita.SuggestHosted); s != nil {
		t.Errorf("%+v", s)
	}
}

// least is a source of random numbers that are all but zero.
type least struct{}

func (least) Uint64() uint64 { return 1000 << 32 }

// Calls that failed, or whose decision is not on record, needed a place too.
func TestSuggestKeepsHardwareThatSomeCallsMayNeed(t *testing.T) {
	for name, also := range map[string]func(p *past, store *memory.Store){
		"nothing": nil,
		"a call that failed": func(p *past, _ *memory.Store) {
			p.rng = rand.New(least{}) // the server answers 502
			p.ask("p0/model-4", "private", time.Minute, func(c *model.Call) { c.Criteria.RequiredTags = []string{"eu"} })
		},
		"a call without a decision on record": func(p *past, store *memory.Store) {
			rec := &model.Record{ID: model.NewCallID(), Received: p.now, State: model.StateCompleted, Endpoint: "p0/model-4"}
			c := event.Call{Started: p.now, Ended: p.now, Record: rec, Summary: event.Summarize(rec), RecordJSON: event.AppendRecord(nil, rec)}
			if _, err := store.Ingest(p.t.Context(), event.Batch{Spool: "other", Position: event.Position{Segment: 1, Offset: 1}, Calls: []event.Call{c}}); err != nil {
				p.t.Fatal(err)
			}
		},
	} {
		store, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		p := newPast(t, store, 24)
		machineFleet(p, "10")
		for i := range 150 {
			p.ask("model-4", fmt.Sprint("prompt ", i), 20*time.Minute)
		}
		if also != nil {
			also(p, store)
		}
		if s := found(p.suggest(), cartrita.SuggestHosted); (s == nil) != (also != nil) {
			t.Errorf("with %s besides: %+v", name, s)
		}
		p.stop()
	}
}

func TestSuggestBatchesAndShorterContexts(t *testing.T) {
	p := fresh(t, 25)
	endpoints, models := pastFleet()
	half := 0.5
	for i := range endpoints {
		endpoints[i].Pricing.Tiers = []model.PriceTier{{ServiceTier: "batch", Factor: &half}}
	}
	if err := p.Registry().SetEndpoints(endpoints, models); err != nil {
		t.Fatal(err)
	}
	spent, n := 0.0, int64(0)
	for i := range 300 {
		long := strings.Repeat("word ", 10+4000*(i%10/9)) // every tenth
		rec := p.ask("p0/model-2", fmt.Sprint(i, long), 30*time.Second, func(c *model.Call) { c.Criteria.Context.Priority = model.PriorityLow })
		if rec.State == model.StateCompleted {
			spent += rec.Cost.Total.USD()
			n++
		}
	}
	r := p.suggest()
	if s := found(r, cartrita.SuggestBatch); s == nil || s.Scope != "p0/model-2" || s.Calls != n || math.Abs(s.Saved.Value-spent/2) > 1e-6 {
		t.Errorf("batch: %+v, want half of $%v for %d calls; %v", s, spent, n, r.Silent)
	}
	if s := found(r, cartrita.SuggestContext); s == nil || (s.Saved.Low != 0 || s.Confidence != "low" || s.Saved.High > spent) {
		t.Errorf("context: %+v", s)
	}
}

// The strategy that the calls were decided under keeps them in the US: what is
// suggested must not lead out of it, though other strategies set no limits.
func TestSuggestNothingThatALimitOfTheStrategyForbids(t *testing.T) {
	p := fresh(t, 33)
	limited(p, route.Strategy{Name: "us-only", Weights: model.Weights{Quality: 1}, Limits: route.Limits{RequiredTags: []string{"us"}}})
	for i := range 300 {
		p.ask("auto:us-only", fmt.Sprint("prompt ", i), time.Second)
	}
	free := p.replay(cartrita.ReplayQuery{Changes: 1000, Change: cartrita.Change{Strategy: "cost-optimized"}})
	kept := p.replay(cartrita.ReplayQuery{Changes: 1000, Change: cartrita.Change{Strategy: "cost-optimized", KeepLimits: true}})
	abroad := func(r *cartrita.ReplayReport) (n int64) {
		for _, c := range r.Changes {
			if strings.HasPrefix(string(c.Would), "p0/") {
				n++
			}
		}
		return n
	}
	if n := abroad(free); n == 0 || free.Total.Beyond != n {
		t.Errorf("the strategy alone leads %d calls out of the US, reported %d", n, free.Total.Beyond)
	}
	if n := abroad(kept); n != 0 || kept.Total.Beyond != 0 || kept.Total.Changed == 0 {
		t.Errorf("with limits kept %d calls leave the US, reported %d, of %d", n, kept.Total.Beyond, kept.Total.Changed)
	}
	for _, kind := range []cartrita.SuggestionKind{cartrita.SuggestStrategy, cartrita.SuggestSameQuality} {
		if s := found(p.suggest(), kind); s != nil { // the US has nothing that is cheaper for certain
			t.Errorf("%s: %+v", kind, s)
		}
	}
}

// Advice for calls under a strategy with limits is to keep the limits.
func TestSuggestSaysToKeepTheStrategysLimits(t *testing.T) {
	p := fresh(t, 21)
	limited(p, route.Strategy{
		Name: "careful", Weights: model.Weights{Quality: .60, Cost: .10, Latency: .10, Safety: .15, Availability: .05},
		Limits: route.Limits{ExcludedTags: []string{"trial"}},
	})
	for i := range 300 {
		p.ask("auto:careful", fmt.Sprint("prompt ", i), time.Second)
	}
	s := found(p.suggest(), cartrita.SuggestStrategy)
	if s == nil {
		t.Fatal("nothing is suggested")
	}
	if !strings.Contains(s.Apply, "300 calls decided under strategies with hard limits (careful)") || !strings.Contains(s.Apply, "keep their limits") {
		t.Errorf("advises: %s", s.Apply)
	}
	total := p.replay(cartrita.ReplayQuery{Change: cartrita.Change{Strategy: "cost-optimized", KeepLimits: true}}).Total
	if s.Calls != total.Changed || math.Abs(s.Saved.Value-total.Saved.Value) > 1e-9 {
		t.Errorf("suggested %+v, replayed %+v", s, total)
	}
}

// A floor of the strategy holds for what is suggested as well.
func TestSuggestKeepsTheStrategysFloor(t *testing.T) {
	p := fresh(t, 34)
	for i := range 300 {
		p.ask("auto:frugal", fmt.Sprint("prompt ", i), time.Second) // min_quality_score 0.55
	}
	r := p.replay(cartrita.ReplayQuery{Changes: 1000, Change: cartrita.Change{Strategy: "cost-optimized", KeepLimits: true}})
	for _, c := range r.Changes {
		if strings.HasSuffix(string(c.Would), "/model-4") { // 0.5
			t.Fatalf("%+v", c)
		}
	}
}

// limited puts a strategy beside the built-in ones.
func limited(p *past, own route.Strategy) {
	p.t.Helper()
	set, err := route.NewStrategies("", own)
	if err != nil {
		p.t.Fatal(err)
	}
	up := answering{p}
	if err := p.Configure(cartrita.Settings{Providers: map[string]provider.Client{"p0": up, "p1": up}, Strategies: set}); err != nil {
		p.t.Fatal(err)
	}
}

// Calls that name a model keep it in the replay, and in the advice.
func TestSuggestTellsNamedCallsApart(t *testing.T) {
	p := fresh(t, 32)
	for i := range 400 {
		p.ask("model-0", fmt.Sprint("prompt ", i), time.Second)
		p.ask("auto:quality-first", fmt.Sprint("prompt ", i), time.Second)
	}
	apart := false
	for _, s := range p.suggest().Suggestions {
		if s.Kind != cartrita.SuggestStrategy {
			continue
		}
		named := strings.Contains(s.Scope, "name a model")
		if advised := strings.Contains(s.Apply, "auto:") || strings.Contains(s.Apply, "default_strategy"); advised == named || s.Calls > 400 {
			t.Errorf("%s, %d calls: %s", s.Scope, s.Calls, s.Apply)
		}
		apart = apart || named
		if named && s.Quality.Value != 0 {
			t.Errorf("calls that name a model change in quality: %+v", s.Quality)
		}
	}
	if !apart {
		t.Error("the calls that name a model are not suggested apart")
	}
}
