package alert_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/store/memory"
)

// channel is one that may be down.
type channel struct {
	mu    sync.Mutex
	err   error
	heard []alert.Notification
}

func (c *channel) Send(_ context.Context, n *alert.Notification) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.heard = append(c.heard, *n)
	}
	return c.err
}

func (c *channel) set(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// said is what the channel heard: "firing rule subject", in its order.
func (c *channel) said() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.heard {
		for _, a := range n.Alerts {
			out = append(out, fmt.Sprintf("%s %s %s", n.Event, n.Rule, a.Subject))
		}
	}
	return out
}

// world is a cluster of gateways on one store. Its time is that of synctest, or
// behind it.
type world struct {
	t        fataler
	store    *memory.Store
	gateways []*alert.Engine
	channels map[string]*channel
	leader   int
	behind   time.Duration

	mu      sync.Mutex
	budgets []alert.BudgetState
	drifts  []alert.Drift
	spool   int64
	told    []string
}

type fataler interface {
	Fatal(args ...any)
	Context() context.Context
}

func newWorld(t fataler, names ...string) *world {
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, channels: map[string]*channel{}}
	for _, name := range names {
		w.channels[name] = &channel{}
	}
	for i := range 3 {
		w.gateways = append(w.gateways, alert.New(alert.Config{
			Store: s, Gateway: fmt.Sprint("g", i), Clock: w.now,
			Budgets: func() []alert.BudgetState { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.budgets) },
			Drifts: func(context.Context, time.Time) ([]alert.Drift, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				return slices.Clone(w.drifts), nil
			},
			Self: func() (string, int64) {
				w.mu.Lock()
				defer w.mu.Unlock()
				return fmt.Sprint("g", i), w.spool * int64(i)
			},
			Tell: func(e alert.Event, n *alert.Incident) {
				w.mu.Lock()
				defer w.mu.Unlock()
				if what := fmt.Sprintf("%s %s %s", e, n.Rule, n.Subject); !slices.Contains(w.told, what) {
					w.told = append(w.told, what)
				}
			},
		}))
	}
	return w
}

func (w *world) now() time.Time { return time.Now().Add(-w.behind) }

func (w *world) configure(s alert.Settings, rules ...alert.Rule) {
	var err error
	s.Channels = map[string]alert.Channel{}
	var names []string
	for name, c := range w.channels {
		s.Channels[name] = c
		names = append(names, name)
	}
	if s.Rules, err = alert.CheckRules(rules, names); err != nil {
		w.t.Fatal(err)
	}
	for i := range s.Quiet {
		if s.Quiet[i], err = s.Quiet[i].Complete(); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, g := range w.gateways {
		g.Configure(s)
	}
}

// tick is five seconds in which all gateways store what they measured and the
// leader evaluates.
func (w *world) tick() {
	time.Sleep(5 * time.Second)
	for _, g := range w.gateways {
		ctx, cancel := context.WithCancel(w.t.Context())
		cancel() // once
		_ = g.Sample(ctx, time.Hour)
	}
	if err := w.gateways[w.leader].Evaluate(w.t.Context(), 1); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

func (w *world) ticks(d time.Duration) {
	for range d / (5 * time.Second) {
		w.tick()
	}
}

func number(v float64) *float64 { return &v }
