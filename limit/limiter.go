package limit

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// DefaultTimeout is how long an exchange may take.
const DefaultTimeout = 250 * time.Millisecond

// Config of a Limiter.
type Config struct {
	Shared  Shared        // nil: nobody shares the limits
	Replica string        // name of this one among those of Shared
	Timeout time.Duration // of an exchange; default DefaultTimeout
	// Count, as Shared.Beat, says how many replicas there are while Shared is away.
	// Default: as many as Shared said last.
	Count  func(ctx context.Context, replica string) (replicas int, err error)
	Clock  func() time.Time // default time.Now; it must carry the monotonic reading
	Logger *slog.Logger     // default: discards
}

// Limiter holds the counters. Make it with New; have Run run.
type Limiter struct {
	shared  Shared
	replica string
	timeout time.Duration
	count   func(context.Context, string) (int, error) // nil: nobody knows
	clock   func() time.Time
	base    time.Time
	log     *slog.Logger

	rules    atomic.Pointer[rules]
	keys     counters // of keys' own limits
	away     atomic.Bool
	replicas atomic.Int64
	refused  sync.Map // name of a limit → *atomic.Int64
	kick     chan struct{}

	mu    sync.Mutex // guards what follows
	queue []*counter // that Run looks after
}

// rules are the limits in force. Immutable; the counters are not.
type rules struct {
	callers, targets []*rule // targets: by model or provider
}

type rule struct {
	Limit
	counters counters
}

// counters are those of one limit, by value.
type counters struct {
	most    int // values; 0: any number
	mu      sync.RWMutex
	byValue map[string]*counter
}

// maxValues is how many counters one limit has at a time, since callers may choose
// the values of "*". Those beyond share the counter of the value others.
const (
	maxValues = 100_000
	others    = "(others)"
)

// Standing is what a call's limits have left: of each unit that of the limit which
// is nearest to its end.
type Standing struct{ Requests, Tokens Gauge }

// Gauge is one limit. Limit 0: there is none.
type Gauge struct {
	Limit, Remaining int64
	Reset            time.Duration // until all of it is there again
}

// New makes a Limiter without limits. It does no I/O.
func New(c Config) *Limiter {
	l := &Limiter{shared: c.Shared, replica: c.Replica, timeout: c.Timeout, count: c.Count, clock: c.Clock, log: c.Logger, kick: make(chan struct{}, 1)}
	if l.timeout <= 0 {
		l.timeout = DefaultTimeout
	}
	if l.clock == nil {
		l.clock = time.Now
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.base = l.clock()
	l.replicas.Store(1)
	l.rules.Store(&rules{})

	return l
}

// Configure replaces the limits. Those that stay, by name, scope and window, go on
// with what was counted. Errors: KindInvalid, with the index and the field.
func (l *Limiter) Configure(limits []Limit) error {
	old := map[[2]any]*rule{}
	for _, r := range append(l.rules.Load().callers, l.rules.Load().targets...) {
		old[[2]any{r.Name, r.Scope}] = r
	}
	next, seen := &rules{}, map[string]bool{}
	for i, lim := range limits {
		if lim.Window == 0 {
			lim.Window = DefaultWindow
		}
		at := "[" + strconv.Itoa(i) + "]"
		if err := lim.Validate(); err != nil {
			e := model.AsError(err)
			return model.Invalidf("limit.Configure", at+"."+e.Param, "%s", e.Message)
		}
		if seen[lim.Name] {
			return model.Invalidf("limit.Configure", at+".name", "%q is used twice", lim.Name)
		}
		seen[lim.Name] = true
		r := &rule{Limit: lim}
		r.counters.most = maxValues
		if was := old[[2]any{lim.Name, lim.Scope}]; was != nil && was.Window == lim.Window {
			r.counters.byValue = was.counters.all()
		}
		if lim.Scope.targeted() {
			next.targets = append(next.targets, r)
		} else {
			next.callers = append(next.callers, r)
		}
	}
	l.rules.Store(next)
	return nil
}

// all copies the index.
func (cs *counters) all() map[string]*counter {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	out := make(map[string]*counter, len(cs.byValue))
	for v, c := range cs.byValue {
		out[v] = c
	}
	return out
}

// inUse reports whether anything is limited at all.
func (l *Limiter) inUse() bool {
	l.keys.mu.RLock()
	defer l.keys.mu.RUnlock()
	return l.OfCallers() || l.OfTargets() || len(l.keys.byValue) > 0
}

// OfCallers reports whether there are limits that look at callers alone.
func (l *Limiter) OfCallers() bool { return len(l.rules.Load().callers) > 0 }

// OfTargets reports whether there are limits by model or provider.
func (l *Limiter) OfTargets() bool { return len(l.rules.Load().targets) > 0 }

func (l *Limiter) now() int64 { return int64(l.clock().Sub(l.base)) }

// Acquire takes one call from every limit that it falls under, all or none: those
// by model and provider when the subject has them, else all others and those that
// its key has itself. A nil error needs one Release of the hold, and the hold must
// be empty before. The standing is valid also beside an error, which is
// KindRateLimited with the time to come back, none where the call will never fit,
// or KindCanceled. own is not changed afterwards.
func (l *Limiter) Acquire(ctx context.Context, s *Subject, own *Limit, ask Tokens, h *Hold) (st Standing, err *model.Error) {
	rules := l.rules.Load()
	list := rules.callers
	if s.Model != "" {
		list = rules.targets
	}
	if len(list) == 0 && own == nil {
		return st, nil
	}
	h.limiter = l
	if h.takes == nil {
		h.takes = h.first[:0]
	}
	if own != nil {
		err = l.take(ctx, &l.keys, own, s.Key, ask, h, &st)
	}
	for i := 0; i < len(list) && err == nil; i++ {
		err = l.takeRule(ctx, list[i], s, ask, h, &st)
	}
	if err != nil {
		h.undo()
		l.note(err)
	}
	return st, err
}

func (l *Limiter) takeRule(ctx context.Context, r *rule, s *Subject, ask Tokens, h *Hold, st *Standing) *model.Error {
	if r.Scope.Tag != Any {
		value, ok := r.Scope.value(s, "")
		if !ok {
			return nil
		}
		return l.take(ctx, &r.counters, &r.Limit, value, ask, h, st)
	}
	for _, tag := range s.Tags {
		value, ok := r.Scope.value(s, tag)
		if !ok || h.has(&r.counters, value) { // a tag may stand twice
			continue
		}
		if err := l.take(ctx, &r.counters, &r.Limit, value, ask, h, st); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hold) has(cs *counters, value string) bool {
	for i := range h.takes {
		if t := &h.takes[i]; t.of == cs && t.c.value == value {
			return true
		}
	}
	return false
}

// take takes from one counter.
func (l *Limiter) take(ctx context.Context, cs *counters, limit *Limit, value string, ask Tokens, h *Hold, st *Standing) *model.Error {
	n := Amount{Requests: 1, Tokens: ask.of(limit.Tokens)}
	for {
		c := cs.get(l, limit, value)
		c.mu.Lock()
		if c.gone.Load() {
			c.mu.Unlock()
			continue
		}
		now := l.now()
		c.limit, c.last = limit, now
		c.own.advance(now / c.width)
		t, r, err := l.admit(ctx, c, now, n)
		c.mu.Unlock()
		if err == nil {
			t.of = cs
			h.takes = append(h.takes, t)
		}
		st.see(r)
		return err
	}
}

// admit decides. Caller holds the counter's lock, which is let go while the Shared
// is asked.
func (l *Limiter) admit(ctx context.Context, c *counter, now int64, n Amount) (t take, r reading, err *model.Error) {
	t = take{c: c, Amount: n, slot: c.limit.Concurrency > 0, tokens: c.limit.Tokens > 0}
	if limit := c.limit; limit.Tokens > 0 && n.Tokens > limit.Tokens {
		return t, l.read(c, now), refusal(limit, c.value, TokensUnit, n.Tokens, 0)
	}
	for c.link != nil && !l.away.Load() {
		done, err := l.takeLeased(ctx, c, n, &t)
		if err != nil {
			return t, l.read(c, l.now()), err
		}
		if done {
			c.own.advance(l.now() / c.width)
			t.step = c.begin(n)
			return t, l.read(c, l.now()), nil
		}
	}
	part := c.limit
	if c.link != nil { // the Shared is away: our part of it
		now = l.now()
		c.own.advance(now / c.width)
		part = l.part(c.limit)
	}
	if err := c.takeLocal(now, part, n); err != nil {
		return t, c.read(now, part), err
	}
	t.step = c.begin(n)
	if c.link != nil {
		c.link.alone = merge(c.link.alone, Delta{t.step, n})
		l.attend(c)
	}
	return t, c.read(now, part), nil
}

// part is what one replica admits while the Shared is away.
func (l *Limiter) part(limit *Limit) *Limit {
	n := max(l.replicas.Load(), 1)
	of := func(limit int64) int64 {
		if limit == 0 {
			return 0
		}
		return max(limit/n, 1)
	}
	p := *limit
	p.Requests, p.Tokens, p.Concurrency = of(p.Requests), of(p.Tokens), of(p.Concurrency)
	return &p
}

// read is what a counter has left. Caller holds its lock.
func (l *Limiter) read(c *counter, now int64) reading {
	if c.link == nil {
		return c.read(now, c.limit)
	}
	return c.link.read(c, now)
}

// end takes back from a counter.
func (l *Limiter) end(t *take, change Amount) {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	now := l.now()
	c.end(now, t, change)
	if c.link == nil {
		return
	}
	if c.link.end(c, now, t, change) {
		l.attend(c)
	}
	if t.slot && c.link.tight { // somebody waits for it
		l.attend(c)
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
}

// see keeps, of each unit, the limit that is nearest to its end.
func (st *Standing) see(r reading) {
	st.Requests = nearer(st.Requests, r.requests)
	st.Tokens = nearer(st.Tokens, r.tokens)
}

func nearer(a, b Gauge) Gauge {
	if a.Limit == 0 || b.Limit != 0 && b.Remaining < a.Remaining {
		return b
	}
	return a
}

// get returns the counter of a value, a new one where there is none.
func (cs *counters) get(l *Limiter, limit *Limit, value string) *counter {
	cs.mu.RLock()
	c := cs.byValue[value]
	cs.mu.RUnlock()
	if c != nil && !c.gone.Load() {
		return c
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.most > 0 && len(cs.byValue) >= cs.most && cs.byValue[value] == nil {
		value = others
	}
	if c = cs.byValue[value]; c != nil && !c.gone.Load() {
		return c
	}
	c = &counter{value: value, limit: limit, width: int64(stepOf(limit.Window))}
	c.own.at = l.now() / c.width
	if l.shared != nil {
		c.name = limit.Name + "/" + limit.Window.String() + "/" + value
		c.link = &link{}
	}
	if cs.byValue == nil {
		cs.byValue = map[string]*counter{}
	}
	cs.byValue[value] = c
	return c
}

// note counts a refusal, for metrics.
func (l *Limiter) note(err *model.Error) {
	r, ok := err.Details.(*Refusal)
	if !ok {
		return
	}

	n, ok := l.refused.Load(r.Limit)
	if !ok {
		n, _ = l.refused.LoadOrStore(r.Limit, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}
