package health_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/model"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// line is one endpoint with a clock that the test moves.
type line struct {
	*health.Endpoint
	now time.Time
}

func newLine(t testing.TB, c health.Config) *line {
	t.Helper()
	c.Clock = func() time.Time { return start }
	tr, err := health.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &line{tr.Endpoint("p/m"), start}
}

// call sends one call that ends at once, and reports whether it was sent.
func (l *line) call(o model.Outcome) bool {
	tk, ok := l.Begin(l.now)
	if ok {
		l.Done(l.now, tk, o)
	}
	return ok
}

func (l *line) circuit() model.Circuit   { return l.View(l.now).Circuit }
func (l *line) after(d time.Duration)    { l.now = l.now.Add(d) }
func fault(k model.Kind) model.Outcome   { return model.Outcome{Failed: true, Kind: k} }
func good(ttft float64) model.Outcome    { return model.Outcome{TTFT: ms(ttft), Latency: ms(2 * ttft)} }
func ms(f float64) time.Duration         { return time.Duration(f * float64(time.Millisecond)) }
func near(got, want, share float64) bool { return math.Abs(got-want) <= share*math.Abs(want)+1e-12 }

func TestNeverCalledIsZero(t *testing.T) {
	l := newLine(t, health.Config{})
	if got := l.View(l.now); got != (model.Health{}) {
		t.Errorf("view = %+v, want the zero value", got)
	}
}

func TestFigures(t *testing.T) {
	l := newLine(t, health.Config{HalfLife: time.Minute})
	l.call(model.Outcome{TTFT: ms(100), Latency: ms(1100), OutputTokens: 51})
	l.after(time.Minute) // the first now counts half
	l.call(model.Outcome{TTFT: ms(400), Latency: ms(2400), OutputTokens: 201})
	v := l.View(l.now)
	if !near(v.Samples, 1.5, 1e-9) || !near(v.TTFTMS, 300, 1e-9) || !near(v.LatencyMS, 1966.6666667, 1e-6) {
		t.Errorf("view = %+v, want 1.5 samples, 300 ms to the first token, 1966.67 ms whole", v)
	}
	if !near(v.TokensPerSecond, (0.5*50+100)/1.5, 1e-9) { // 50 tokens in 1 s, 200 in 2 s
		t.Errorf("speed = %v tokens/s", v.TokensPerSecond)
	}
	l.call(fault(model.KindUpstream))
	if v = l.View(l.now); !near(v.ErrorRate, 1/2.5, 1e-9) || !near(v.TTFTMS, 300, 1e-9) {
		t.Errorf("after a fault: error rate %v want 0.4, first token %v want 300 (faults are not fast)", v.ErrorRate, v.TTFTMS)
	}
	l.after(10 * time.Minute)
	if v = l.View(l.now); !near(v.Samples, 2.5/1024, 0.01) {
		t.Errorf("ten half-lives later %v samples, want %v", v.Samples, 2.5/1024)
	}
}

func TestOnlyFaultsOfTheEndpointCount(t *testing.T) {
	for k := model.KindInternal; k <= model.KindTimeout; k++ {
		l := newLine(t, health.Config{})
		for range 50 {
			l.call(fault(k))
		}
		v := l.View(l.now)
		if k.EndpointFault() != (v.ErrorRate == 1) || k.EndpointFault() != (v.Samples > 0) {
			t.Errorf("%v: error rate %v of %v samples, endpoint fault %v", k, v.ErrorRate, v.Samples, k.EndpointFault())
		}
		if opens := k.EndpointFault() && k != model.KindRateLimited; opens != (v.Circuit == model.CircuitOpen) {
			t.Errorf("%v: circuit %v", k, v.Circuit)
		}
		if v.InFlight != 0 {
			t.Errorf("%v: %d in flight", k, v.InFlight)
		}
	}
}

// beginAll begins n calls at once.
// TestSlowCallsCloseTheCircuit: calls that take longer than a probe's lease are
// verdicts all the same.
// TestLateProbes: a probe that outlived its lease speaks for its own opening,
// not for a later one.
func TestRateLimit(t *testing.T) {
	l := newLine(t, health.Config{})
	l.call(model.Outcome{Failed: true, Kind: model.KindRateLimited, RetryAfter: 20 * time.Second})
	v := l.View(l.now)
	if v.Circuit != model.CircuitClosed || !v.RetryAt.Equal(l.now.Add(20*time.Second)) || v.ErrorRate != 1 {
		t.Errorf("%+v, want closed, left alone for 20 s", v)
	}
	if l.call(good(1)) {
		t.Error("called before the time")
	}
	l.after(20 * time.Second)
	if v = l.View(l.now); !v.RetryAt.IsZero() || !l.call(good(1)) {
		t.Errorf("not called after the time: %+v", v)
	}
	for _, seconds := range []int{1, 2, 4, 5, 5} {
		want := time.Duration(seconds) * time.Second
		l.call(fault(model.KindRateLimited))
		if got := l.View(l.now).RetryAt.Sub(l.now); got != want {
			t.Errorf("without Retry-After: %v, want %v", got, want)
		}
		l.after(want)
	}
	l.call(model.Outcome{Failed: true, Kind: model.KindRateLimited, RetryAfter: 24 * time.Hour})
	if got := l.View(l.now).RetryAt.Sub(l.now); got != 10*time.Minute {
		t.Errorf("a day was believed: %v", got)
	}
}

func TestLaterShorterPauseDoesNotCutALongOne(t *testing.T) {
	l := newLine(t, health.Config{})
	a, _ := l.Begin(l.now)
	b, _ := l.Begin(l.now)
	l.Done(l.now, a, model.Outcome{Failed: true, Kind: model.KindRateLimited, RetryAfter: 20 * time.Second})
	l.Done(l.now, b, model.Outcome{Failed: true, Kind: model.KindRateLimited, RetryAfter: time.Second})
	if got := l.View(l.now).RetryAt.Sub(l.now); got != 20*time.Second {
		t.Errorf("left alone for %v, want 20s", got)
	}
}

func TestRetryAfterOfAFault(t *testing.T) {
	l := newLine(t, health.Config{})
	l.call(model.Outcome{Failed: true, Kind: model.KindUnavailable, RetryAfter: 3 * time.Second})
	if v := l.View(l.now); v.Circuit != model.CircuitClosed || !v.RetryAt.Equal(l.now.Add(3*time.Second)) {
		t.Errorf("%+v, want closed, left alone for 3 s", v)
	}
}

func TestLoad(t *testing.T) {
	l := newLine(t, health.Config{})
	a, _ := l.Begin(l.now)
	l.Begin(l.now)
	l.Queue(3)
	l.Queue(-1)
	if v := l.View(l.now); v.InFlight != 2 || v.Queued != 2 {
		t.Errorf("%d in flight and %d queued, want 2 and 2", v.InFlight, v.Queued)
	}
	l.Done(l.now, a, fault(model.KindCanceled))
	if v := l.View(l.now); v.InFlight != 1 || v.Samples != 0 {
		t.Errorf("%+v after a cancel", v)
	}
}

func TestHandlesAndViews(t *testing.T) {
	tr, err := health.New(health.Config{Clock: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	a, b := tr.Endpoint("a"), tr.Endpoint("b")
	if tr.Endpoint("a") != a || a.ID() != "a" {
		t.Error("the handle changed")
	}
	b.Begin(start)
	other := newLine(t, health.Config{})
	other.Begin(start)
	other.Begin(start)
	got := health.Views(make([]model.Health, 5), []*health.Endpoint{a, b, other.Endpoint}, start)
	if len(got) != 3 || got[0].InFlight != 0 || got[1].InFlight != 1 || got[2].InFlight != 2 {
		t.Errorf("views = %+v", got)
	}
	if got := health.Views(nil, nil, start); len(got) != 0 {
		t.Errorf("views of nothing = %v", got)
	}
}

func TestLogsChangesOfState(t *testing.T) {
	var buf bytes.Buffer
	l := newLine(t, health.Config{Logger: slog.New(slog.NewTextHandler(&buf, nil))})
	trip(l)
	l.after(5 * time.Second)
	l.call(good(1))
	for _, want := range []string{`msg="circuit opened" endpoint=p/m for=5s cause=upstream_error`, `msg="circuit closed" endpoint=p/m`} {
		if !strings.Contains(buf.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, buf.String())
		}
	}
}

func TestConfig(t *testing.T) {
	for field, c := range map[string]health.Config{
		"half_life": {HalfLife: -1}, "window": {Window: -1}, "open_for": {OpenFor: -1},
		"open_max": {OpenFor: time.Minute, OpenMax: time.Second}, "probe_lease": {ProbeLease: -1},
		"retry_after_max": {RetryAfterMax: -1}, "failures": {Failures: -1},
		"error_rate": {ErrorRate: 1.5}, "min_samples": {MinSamples: math.NaN()},
	} {
		_, err := health.New(c)
		var e *model.Error
		if !errors.As(err, &e) || e.Kind != model.KindInvalid || e.Param != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := health.New(health.Config{OpenFor: time.Hour}); err != nil {
		t.Errorf("an OpenFor above the default cap: %v", err)
	}
}

// Whatever happens in whatever order: calls in flight are counted exactly, a
// half-open circuit lets one call at a time through, figures stay in their ranges.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLine(t, health.Config{})
		var out []health.Ticket
		probes := map[health.Ticket]time.Time{}
		steps := rapid.IntRange(1, 200).Draw(rt, "steps")
		for range steps {
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0, 1:
				before := l.View(l.now)
				tk, ok := l.Begin(l.now)
				if takes := before.Circuit != model.CircuitOpen && !before.RetryAt.After(l.now); takes != ok {
					rt.Fatalf("view %+v, begin %v", before, ok)
				}
				if !ok {
					continue
				}
				out = append(out, tk)
				if tk.Probe() {
					for other, at := range probes {
						if l.now.Sub(at) < health.DefaultProbeLease {
							rt.Fatalf("two probes at once: %v and %v", other, tk)
						}
					}
					probes[tk] = l.now
				}
			case 2:
				if len(out) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(out)-1).Draw(rt, "which")
				o := model.Outcome{
					Failed:     rapid.IntRange(0, 9).Draw(rt, "failed") < 7,
					Kind:       rapid.SampledFrom([]model.Kind{model.KindUpstream, model.KindTimeout, model.KindRateLimited, model.KindCanceled, model.KindUnavailable}).Draw(rt, "kind"),
					TTFT:       ms(float64(rapid.IntRange(0, 5000).Draw(rt, "ttft"))),
					Latency:    ms(float64(rapid.IntRange(0, 9000).Draw(rt, "latency"))),
					RetryAfter: ms(float64(rapid.SampledFrom([]int{0, 0, 500, 60_000}).Draw(rt, "ask"))),
				}
				delete(probes, out[i])
				if out[i].Probe() && (!o.Failed || o.Kind.EndpointFault()) {
					clear(probes) // a verdict: what probes come now are of another opening
				}
				l.Done(l.now, out[i], o)
				out = append(out[:i], out[i+1:]...)
			case 3:
				l.after(ms(float64(rapid.IntRange(0, 20_000).Draw(rt, "wait"))))
			}
			v := l.View(l.now)
			if int(v.InFlight) != len(out) {
				rt.Fatalf("%d in flight, want %d", v.InFlight, len(out))
			}
			if v.ErrorRate < 0 || v.ErrorRate > 1 || v.Samples < 0 || v.TTFTMS < 0 || v.LatencyMS < 0 || math.IsNaN(v.ErrorRate+v.Samples+v.TTFTMS+v.LatencyMS+v.TokensPerSecond) {
				rt.Fatalf("figures out of range: %+v", v)
			}
			if !v.RetryAt.IsZero() && v.RetryAt.Sub(l.now) > health.DefaultRetryAfterMax {
				rt.Fatalf("shut for %v", v.RetryAt.Sub(l.now))
			}
		}
	})
}

// Run with -race: many callers on one endpoint, one reader.
func TestConcurrentUse(t *testing.T) {
	tr, err := health.New(health.Config{})
	if err != nil {
		t.Fatal(err)
	}
	e := tr.Endpoint("x")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				now := start.Add(time.Duration(i) * 100 * time.Millisecond)
				if tk, ok := e.Begin(now); ok {
					e.Done(now, tk, model.Outcome{Failed: (i+g)%3 == 0, Kind: model.KindUpstream, TTFT: 1, Latency: 2})
				}
				e.View(now)
			}
		})
	}
	wg.Wait()
	if v := e.View(start); v.InFlight != 0 {
		t.Errorf("%d in flight at the end", v.InFlight)
	}
}
