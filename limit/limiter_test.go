package limit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that tests move.
type clock struct{ t atomic.Int64 }

func (c *clock) now() time.Time      { return time.Unix(1_800_000_000, c.t.Load()) }
func (c *clock) add(d time.Duration) { c.t.Add(int64(d)) }
func (c *clock) server() time.Duration {
	return time.Duration(1_700_000_000*int64(time.Second) + c.t.Load())
}                                     // another one than the replicas'
func (c *clock) since() time.Duration { return time.Duration(c.t.Load()) }

// flaky is a Shared that can be away, before or after it did what it was asked.
type flaky struct {
	Shared
	away, mute atomic.Bool
	calls      atomic.Int64
}

func (f *flaky) Exchange(ctx context.Context, replica string, d []Demand) ([]Grant, error) {
	f.calls.Add(1)
	if f.away.Load() {
		return nil, errors.New("away")
	}
	g, err := f.Shared.Exchange(ctx, replica, d)
	if f.mute.Load() {
		return nil, errors.New("no answer")
	}
	return g, err
}

func (f *flaky) Beat(ctx context.Context, replica string) (int, error) {
	if f.away.Load() || f.mute.Load() {
		return 0, errors.New("away")
	}
	return f.Shared.Beat(ctx, replica)
}

type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func configured(t failer, l *Limiter, limits ...Limit) *Limiter {
	t.Helper()
	if err := l.Configure(limits); err != nil {
		t.Fatal(err)
	}
	return l
}

func local(t failer, c *clock, limits ...Limit) *Limiter {
	t.Helper()
	return configured(t, New(Config{Clock: c.now}), limits...)
}

// replicas are limiters over one Shared.
func replicas(t failer, n int, c *clock, limits ...Limit) ([]*Limiter, *flaky, *Local) {
	t.Helper()
	all := &Local{Clock: c.server}
	shared := &flaky{Shared: all}
	var out []*Limiter
	for i := range n {
		out = append(out, configured(t, New(Config{Shared: shared, Replica: fmt.Sprint("r", i), Clock: c.now}), limits...))
	}
	for range 2 { // the first knows of the last by its second beat
		for _, l := range out {
			l.beat(context.Background())
		}
	}
	return out, shared, all
}

func acquire(l *Limiter, s Subject, tokens int64) (*Hold, Standing, *model.Error) {
	h := new(Hold)
	st, err := l.Acquire(context.Background(), &s, nil, Tokens{tokens, tokens}, h)
	return h, st, err
}

func TestAWindowSlides(t *testing.T) {
	c := new(clock)
	l := local(t, c, Limit{Name: "all", Requests: 6})
	ask := func() *model.Error { _, _, err := acquire(l, Subject{}, 0); return err }
	for i := range 6 {
		if err := ask(); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		c.add(5 * time.Second)
	}
	_, st, err := acquire(l, Subject{}, 0)
	if err == nil || err.Kind != model.KindRateLimited || st.Requests.Remaining != 0 || st.Requests.Limit != 6 {
		t.Fatalf("request 7: %+v, %v", st, err)
	}
	if want := 31 * time.Second; err.RetryAfter != want { // the first was at 0 s and counts until 61 s
		t.Errorf("Retry-After %v, want %v", err.RetryAfter, want)
	}
	if want := 56 * time.Second; st.Requests.Reset != want { // the last was at 25 s
		t.Errorf("reset in %v, want %v", st.Requests.Reset, want)
	}
	c.add(err.RetryAfter - 1)
	if ask() == nil {
		t.Error("before Retry-After is over a request is admitted")
	}
	c.add(1)
	if err := ask(); err != nil {
		t.Errorf("after Retry-After: %v", err)
	}
	if ask() == nil {
		t.Error("one left the window, two were admitted")
	}
}

func TestTokensAreReservedAndCorrected(t *testing.T) {
	for _, replicated := range []bool{false, true} {
		c := new(clock)
		limit := Limit{Name: "all", Tokens: 1000, Requests: 100}
		l := local(t, c, limit)
		if replicated {
			all, _, _ := replicas(t, 1, c, limit)
			l = all[0]
		}
		h, st, err := acquire(l, Subject{}, 600)
		if err != nil || st.Tokens.Remaining != 400 {
			t.Fatalf("%+v, %v", st, err)
		}
		if _, st, err = acquire(l, Subject{}, 500); err == nil || st.Requests.Remaining != 99 {
			t.Errorf("600 and 500 of 1000: %+v, %v; the refused request must not count", st, err)
		}
		if _, _, err = acquire(l, Subject{}, 501); err == nil || err.Details.(*Refusal).Asked != 501 {
			t.Errorf("501 right after that: %v", err)
		}
		h.Release(100)
		c.add(RefusalTTL) // that it was refused is remembered so long
		h, st, err = acquire(l, Subject{}, 500)
		if err != nil || st.Tokens.Remaining != 400 {
			t.Errorf("after the correction: %+v, %v", st, err)
		}
		h.Release(900) // it took more than was reserved
		c.add(RefusalTTL)
		if _, st, err = acquire(l, Subject{}, 1); err == nil || st.Tokens.Remaining != 0 {
			t.Errorf("1000 are used: %+v, %v", st, err)
		}
		if _, _, err = acquire(l, Subject{}, 1001); err == nil || err.RetryAfter != 0 || !strings.Contains(err.Message, "shorten it") {
			t.Errorf("more than the whole limit: %v", err)
		}
	}
}

// What a call used beyond what was reserved counts, however late it is known.
func TestACorrectionAfterTheWindowCounts(t *testing.T) {
	c := new(clock)
	l := local(t, c, Limit{Name: "all", Tokens: 100})
	h, _, _ := acquire(l, Subject{}, 10)
	c.add(time.Hour)
	h.Release(110)
	if _, _, err := acquire(l, Subject{}, 1); err == nil {
		t.Error("100 tokens that were not reserved cost nothing")
	}
	c.add(time.Hour)
	h, _, _ = acquire(l, Subject{}, 100)
	c.add(time.Hour)
	h.Release(0) // its window is over: there is nothing to give back
	if _, _, err := acquire(l, Subject{}, 101); err == nil {
		t.Error("more than the limit was admitted")
	}
}

func TestScopes(t *testing.T) {
	c := new(clock)
	l := local(t, c,
		Limit{Name: "each user", Scope: Scope{User: Any}, Requests: 1},
		Limit{Name: "team a", Scope: Scope{Team: "a"}, Requests: 3},
		Limit{Name: "each tag", Scope: Scope{Tag: Any}, Requests: 2},
		Limit{Name: "big", Scope: Scope{Model: "m/big"}, Requests: 1},
		Limit{Name: "provider of user", Scope: Scope{User: Any, Provider: Any}, Requests: 1},
	)
	for i, step := range []struct {
		s     Subject
		limit string
	}{
		{Subject{User: "ada"}, ""},
		{Subject{User: "ada"}, "each user"},
		{Subject{User: "bob", Team: "a"}, ""},
		{Subject{User: "cy", Team: "a", Tags: []string{"x", "x"}}, ""},
		{Subject{Team: "a"}, ""},
		{Subject{Team: "a"}, "team a"},
		{Subject{User: "dan", Team: "a"}, "team a"},
		{Subject{User: "dan"}, ""}, // the refused one took nothing of its user
		{Subject{Tags: []string{"y", "x"}}, ""},
		{Subject{Tags: []string{"x", "z"}}, "each tag"},
		{Subject{}, ""},
		{Subject{Model: "m/big", Provider: "p"}, ""},
		{Subject{Model: "m/big", Provider: "p"}, "big"},
		{Subject{User: "ada", Model: "m/small", Provider: "p"}, ""},
		{Subject{User: "ada", Model: "m/small", Provider: "p"}, "provider of user"},
		{Subject{User: "ada", Model: "m/small", Provider: "q"}, ""},
	} {
		_, _, err := acquire(l, step.s, 0)
		got := ""
		if err != nil {
			got = err.Details.(*Refusal).Limit
		}
		if got != step.limit {
			t.Errorf("step %d, %+v: refused by %q, want %q", i, step.s, got, step.limit)
		}
	}
	v := l.View(1)
	if len(v.Limits) != 5 || v.Limits[0].Refused != 1 || len(v.Limits[0].Counters) != 1 || v.Limits[1].Counters[0].Requests.Remaining != 0 {
		t.Errorf("%+v", v)
	}
}

func TestAKeysOwnLimits(t *testing.T) {
	l := local(t, new(clock))
	own := &Limit{Name: KeyLimit, Window: time.Minute, Requests: 1}
	for i, want := range []string{"", "the API key's limit of 1 requests per minute is used up"} {
		_, err := l.Acquire(t.Context(), &Subject{Key: "k"}, own, Tokens{}, new(Hold))
		if got := err; (got == nil) != (want == "") || got != nil && got.Message != want {
			t.Errorf("call %d: %v", i, got)
		}
	}
	if _, err := l.Acquire(t.Context(), &Subject{Key: "other"}, own, Tokens{}, new(Hold)); err != nil {
		t.Error(err)
	}
}

// Nothing of what was counted is forgotten when limits change.
func TestConfigureKeepsWhatWasCounted(t *testing.T) {
	l := local(t, new(clock), Limit{Name: "a", Requests: 2}, Limit{Name: "b", Requests: 9})
	for range 2 {
		if _, _, err := acquire(l, Subject{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	configured(t, l, Limit{Name: "a", Requests: 3})
	if _, st, err := acquire(l, Subject{}, 0); err != nil || st.Requests.Remaining != 0 {
		t.Errorf("the third of three: %+v, %v", st, err)
	}
	if _, _, err := acquire(l, Subject{}, 0); err == nil {
		t.Error("a fourth was admitted")
	}
	for _, bad := range []struct {
		limit Limit
		field string
	}{
		{Limit{Requests: 1}, "[0].name"}, {Limit{Name: "key", Requests: 1}, "[0].name"}, {Limit{Name: "a"}, "[0].requests"},
		{Limit{Name: "a", Requests: -1}, "[0].requests"}, {Limit{Name: "a", Tokens: 1, Window: time.Millisecond}, "[0].window"},
	} {
		if err := l.Configure([]Limit{bad.limit}); model.AsError(err).Param != bad.field {
			t.Errorf("%+v: %v", bad.limit, err)
		}
	}
	if err := l.Configure([]Limit{{Name: "a", Requests: 1}, {Name: "a", Tokens: 1}}); model.AsError(err).Param != "[1].name" {
		t.Errorf("a name twice: %v", err)
	}
}

// past is what was admitted, to be looked at through windows.
type past struct {
	at []time.Duration
	n  []int64
}

func (p *past) add(at time.Duration, n int64) { p.at, p.n = append(p.at, at), append(p.n, n) }

// most is the most in any window: those that begin with an admission.
func (p *past) most(window time.Duration) (most int64) {
	for i := range p.at {
		sum := int64(0)
		for j := i; j < len(p.at) && p.at[j] < p.at[i]+window; j++ {
			sum += p.n[j]
		}
		most = max(most, sum)
	}
	return most
}

// No window of a minute, wherever it begins, holds more than the limit, whatever
// replicas ask at whatever times, and however often the Shared does not answer
// though it did what it was asked. A caller that comes back when it is told to is
// admitted unless somebody else was faster.
func TestNoWindowHoldsMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := new(clock)
		limit := rapid.Int64Range(1, 300).Draw(rt, "limit")
		n := rapid.IntRange(0, 4).Draw(rt, "replicas")
		var all []*Limiter
		rule := Limit{Name: "all", Requests: limit, Tokens: limit * 10}
		if n == 0 {
			all = []*Limiter{local(rt, c, rule)}
		} else {
			all, _, _ = replicas(rt, n, c, rule)
		}
		var requests, tokens past
		steps := rapid.SliceOfN(rapid.Uint32(), 1, 400).Draw(rt, "steps")
		for _, step := range steps {
			c.add(time.Duration(step%1500) * time.Millisecond / 4)
			l := all[int(step>>12)%len(all)]
			ask := int64(step>>16)%20 + 1
			h, st, err := acquire(l, Subject{}, ask)
			if err == nil {
				requests.add(c.since(), 1)
				used := ask
				if step&(1<<11) != 0 {
					used = ask / 2
					h.Release(used)
				}
				tokens.add(c.since(), used)
			} else if err.RetryAfter < 0 || err.RetryAfter > 63*time.Second {
				rt.Fatalf("Retry-After %v: %v", err.RetryAfter, err)
			}
			if st.Requests.Remaining < 0 || st.Requests.Remaining > limit {
				rt.Fatalf("remaining %d of %d", st.Requests.Remaining, limit)
			}
			if step%3 == 0 {
				l.tend(context.Background(), false)
			}
		}
		if got := requests.most(time.Minute); got > limit {
			rt.Fatalf("%d requests in a minute at a limit of %d", got, limit)
		}
		if got := tokens.most(time.Minute); got > rule.Tokens {
			rt.Fatalf("%d tokens in a minute at a limit of %d", got, rule.Tokens)
		}
	})
}

// A limit that nobody else uses is used to the last request, and again after the
// window.
func TestNothingIsStranded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := new(clock)
		limit := rapid.Int64Range(1, 2000).Draw(rt, "limit")
		all, shared, _ := replicas(rt, 3, c, Limit{Name: "all", Requests: limit})
		for round := range 2 {
			admitted := int64(0)
			for i := range 2*limit + 40 {
				if _, _, err := acquire(all[i%3], Subject{}, 0); err == nil {
					admitted++
				}
				c.add(time.Millisecond)
			}
			if admitted != limit {
				rt.Fatalf("round %d: %d of %d admitted", round, admitted, limit)
			}
			c.add(70 * time.Second)
			for _, l := range all {
				l.tend(context.Background(), false)
			}
		}
		if calls := shared.calls.Load(); limit > 1000 && calls > limit {
			rt.Fatalf("%d exchanges for %d requests", calls, 2*limit)
		}
	})
}

// While the Shared is away each replica admits its part; what it admitted is
// counted when the Shared is back, the old one or an empty one.
// Replicas that never met in the Shared count each other elsewhere.
// When what was shared is lost, what is admitted beyond the limit is no more than
// one window's worth, and with replicas that live much less.
// When the clock that counts is set, the window starts anew, and goes on sliding.
// An answer that is lost on its way never admits more.
func TestCallsAtOnce(t *testing.T) {
	for _, n := range []int{0, 1, 3} {
		c := new(clock)
		limit := Limit{Name: "all", Concurrency: 5}
		all := []*Limiter{local(t, c, limit)}
		if n > 0 {
			all, _, _ = replicas(t, n, c, limit)
		}
		var running, most, admitted atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		var tending, wg sync.WaitGroup
		for _, l := range all {
			tending.Go(func() { _ = l.Run(ctx) })
		}
		for i := range 24 {
			wg.Go(func() {
				for range 300 {
					c.add(time.Millisecond)
					h, _, err := acquire(all[i%len(all)], Subject{}, 0)
					if err != nil {
						continue
					}
					now := running.Add(1)
					for {
						old := most.Load()
						if now <= old || most.CompareAndSwap(old, now) {
							break
						}
					}
					admitted.Add(1)
					running.Add(-1)
					h.Release(0)
				}
			})
		}
		wg.Wait()
		cancel()
		tending.Wait()
		if most.Load() > 5 || admitted.Load() < 100 {
			t.Errorf("%d replicas: %d calls ran at once, %d were admitted", n, most.Load(), admitted.Load())
		}
	}
}

// The slots of a replica that died come free; those of one that renews them don't.
func TestARefusedCallerWaitsForNobody(t *testing.T) {
	c := new(clock)
	all, shared, _ := replicas(t, 1, c, Limit{Name: "all", Requests: 1})
	for range 1000 {
		_, _, _ = acquire(all[0], Subject{}, 0)
	}
	if calls := shared.calls.Load(); calls > 3 {
		t.Errorf("1000 calls at once cost %d exchanges", calls)
	}
}

// Callers who choose new names all the time neither fill the memory nor get past a
// limit.
func TestTheNumberOfCountersIsBounded(t *testing.T) {
	l := local(t, new(clock), Limit{Name: "each", Scope: Scope{User: Any}, Requests: 2})
	l.rules.Load().callers[0].counters.most = 10
	admitted := 0
	for i := range 1000 {
		if _, _, err := acquire(l, Subject{User: fmt.Sprint(i)}, 0); err == nil {
			admitted++
		}
	}
	if admitted != 12 { // ten users, and two others
		t.Errorf("%d calls of 1000 users are admitted", admitted)
	}
	if _, _, err := acquire(l, Subject{User: "3"}, 0); err != nil {
		t.Errorf("one who has a counter: %v", err)
	}
}

// Without anything to limit, replicas do not speak to what they share.
func TestNothingToLimitCostsNothing(t *testing.T) {
	l := local(t, new(clock))
	if l.inUse() {
		t.Error("in use without a limit")
	}
	if _, err := l.Acquire(t.Context(), &Subject{Key: "k"}, &Limit{Name: KeyLimit, Window: time.Minute, Requests: 1}, Tokens{}, new(Hold)); err != nil || !l.inUse() {
		t.Errorf("%v; in use with a key's own limit: %v", err, l.inUse())
	}
}

func TestIdleCountersAreDropped(t *testing.T) {
	c := new(clock)
	all, _, _ := replicas(t, 1, c, Limit{Name: "each", Scope: Scope{User: Any}, Requests: 5})
	for _, l := range append(all, local(t, c, Limit{Name: "each", Scope: Scope{User: Any}, Requests: 5})) {
		for i := range 50 {
			_, _, _ = acquire(l, Subject{User: fmt.Sprint(i)}, 0)
		}
		l.sweep()
		if got := len(l.View(100).Limits[0].Counters); got != 50 {
			t.Errorf("%d counters while they count", got)
		}
		c.add(2 * time.Minute)
		l.tend(t.Context(), false)
		l.sweep()
		if got := len(l.View(100).Limits[0].Counters); got != 0 {
			t.Errorf("%d counters are left", got)
		}
	}
}
