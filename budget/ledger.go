package budget

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// DefaultMaxHold is the age from which a hold is reported as a leak.
const DefaultMaxHold = time.Hour

// maxSubjects bounds the callers whose budgets are remembered; past it the
// memory starts anew. Counters are not touched by that.
const maxSubjects = 1 << 16

// minPrune is the number of counters up to which none is dropped.
const minPrune = 4096

// Config configures a Ledger.
type Config struct {
	UnknownPrice UnknownPrice     // of budgets that name none; default assume-max
	MaxHold      time.Duration    // age from which a hold is a leak; default 1h
	OnCross      func(Crossing)   // told of each crossing, once; must not block; default: nobody
	Clock        func() time.Time // default time.Now
	Logger       *slog.Logger     // default: discards
}

// Subject is on whose account a call is made; constant for the call.
type Subject struct {
	Key                           model.KeyID
	User, Team, Project, Workflow string
	Tags                          []string
}

// Target is where one attempt goes.
type Target struct {
	Model    model.ModelID
	Provider string
}

// Ledger holds the counters of all budgets.
type Ledger struct {
	cfg    Config
	escrow *Escrow // shares limits with other gateways; nil: all of every limit is ours

	// mu is held for reading to move amounts between counters and journal, and
	// for writing to look at all of them at one instant or to change periods,
	// terms and instances. What is below it is written under the write lock.
	mu        sync.RWMutex
	budgets   []*state
	uses      [dims]bool // dimensions that any budget looks at
	insts     map[model.BudgetID]*instance
	away      map[awayKey]*instance // of budgets that are not in force any more
	resolved  map[string]*resolved
	loaded    map[model.BudgetID][]Spent               // of instances not made yet
	others    map[model.BudgetID]map[int64]othersSpent // what other gateways spent, by the start of periods and buckets
	bySpool   map[spoolKey]othersSpent                 // of which that is made up
	overrides map[model.BudgetID]Override
	held      map[*window]amounts // see heldNow; nil when the lock is not held
	pruneAt   int                 // number of instances at which those of past periods are dropped

	configured atomic.Bool // any budget at all
	journal    journal
	crossing   sync.Mutex // serialises changes of levels
}

// state is a configured budget, worked out.
type state struct {
	Budget
	order    int
	scope    [dims]string
	stars    []int // dimensions that are "*"
	targeted bool  // by model or provider
	calendar calendar
	quantile float64 // 0 worst
	marks    []mark
	refuseAt int // index of the first mark that refuses; −1 none

	hotMu sync.Mutex
	hot   atomic.Pointer[[]*instance] // with a mark passed; only of targeted ones
}

// New makes a ledger without budgets. Errors are KindInvalid with the field.
func New(c Config) (*Ledger, error) {
	if c.UnknownPrice == "" {
		c.UnknownPrice = AssumeMax
	}
	if c.MaxHold == 0 {
		c.MaxHold = DefaultMaxHold
	}
	if c.OnCross == nil {
		c.OnCross = func(Crossing) {}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case !slices.Contains([]UnknownPrice{Refuse, AssumeMax, Free}, c.UnknownPrice):
		return nil, model.Invalidf("budget.New", "unknown_price", "is %q: want refuse, assume-max or free", c.UnknownPrice)
	case c.MaxHold < 0:
		return nil, model.Invalidf("budget.New", "max_hold", "is %s: want a positive duration", c.MaxHold)
	}
	return &Ledger{
		cfg: c, insts: map[model.BudgetID]*instance{}, away: map[awayKey]*instance{}, resolved: map[string]*resolved{},
		loaded: map[model.BudgetID][]Spent{}, others: map[model.BudgetID]map[int64]othersSpent{}, bySpool: map[spoolKey]othersSpent{},
		overrides: map[model.BudgetID]Override{}, pruneAt: minPrune,
	}, nil
}

// Configure replaces the budgets. What was spent and is held stays with
// budgets of the same name. On an error nothing changes; errors are
// KindInvalid with the field, "[2].limit_usd".
func (l *Ledger) Configure(budgets []Budget) error {
	states := make([]*state, len(budgets))
	seen := map[string]bool{}
	for i, b := range budgets {
		s, err := newState(b.WithDefaults(l.cfg.UnknownPrice), i)
		if err == nil && seen[s.Name] {
			err = model.Invalidf("budget.Configure", "name", "%q is given twice", s.Name)
		}
		if err != nil {
			e := model.AsError(err)
			e.Param = fmt.Sprintf("[%d].%s", i, e.Param)
			return e
		}
		seen[s.Name] = true
		states[i] = s
	}
	now := l.cfg.Clock().UnixNano()
	l.mu.Lock()
	l.budgets, l.uses = states, [dims]bool{}
	byName := l.byName()
	for _, s := range states {
		for d, v := range s.scope {
			l.uses[d] = l.uses[d] || v != ""
		}
	}
	clear(l.resolved)
	l.held = l.journal.held()
	changed := l.adopt(byName, now)
	l.held = nil
	for _, s := range states {
		if len(s.stars) == 0 {
			changed = append(changed, l.instance(s, [dims]string{}, now))
		}
	}
	settleLevels(changed)
	l.configured.Store(len(states) > 0)
	l.mu.Unlock()
	l.relevel(changed)
	return nil
}

func newState(b Budget, order int) (*state, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	s := &state{Budget: b, order: order, scope: b.Scope.values(), marks: marksOf(&b)}
	s.calendar, _ = newCalendar(b.Period, b.Rolling, b.TimeZone)
	s.quantile, _ = quantileOf(b.Reserve)
	s.refuseAt = slices.IndexFunc(s.marks, func(m mark) bool { return m.step != nil && m.step.Action == RefuseCalls })
	s.targeted = b.Scope.Model != "" || b.Scope.Provider != ""
	for d, v := range s.scope {
		if v == Any {
			s.stars = append(s.stars, d)
		}
	}
	return s, nil
}

// adopt gives the instances there are to the new budgets of the same name; the
// others go away. Caller holds the lock.
func (l *Ledger) adopt(byName map[string]*state, now int64) []*instance {
	var kept []*instance
	for _, in := range l.insts {
		s := byName[in.state.Name]
		if s != nil && s.calendar.same(in.state.calendar) && slices.Equal(s.stars, in.state.stars) {
			l.fit(in, s, now)
			kept = append(kept, in)
			continue
		}
		l.goAway(in)
	}
	l.forget(now)
	// Counters per value are made when a call needs them; those that a store
	// knows, or that were away, are made now, to be listed.
	for k, in := range l.away {
		if s := byName[in.state.Name]; s != nil && s.awayKey(in.id) == k {
			kept = append(kept, l.instance(s, in.values, now))
		}
	}
	for id, entries := range l.loaded {
		if s, values, ok := parseID(byName, id); ok && s.counts(entries, now) {
			kept = append(kept, l.instance(s, values, now))
		}
	}
	return kept
}

// idOf is the name, followed by the values of the dimensions that are "*". The
// last value is as it is; a "/" in others is escaped.
func idOf(s *state, values [dims]string) model.BudgetID {
	id := s.Name
	for i, d := range s.stars {
		v := values[d]
		if i < len(s.stars)-1 {
			v = strings.ReplaceAll(strings.ReplaceAll(v, "%", "%25"), "/", "%2F")
		}
		id += "/" + v
	}
	return model.BudgetID(id)
}

func parseID(byName map[string]*state, id model.BudgetID) (*state, [dims]string, bool) {
	var values [dims]string
	name, rest, found := strings.Cut(string(id), "/")
	s := byName[name]
	if s == nil || found != (len(s.stars) > 0) {
		return nil, values, false
	}
	if !found {
		return s, values, true
	}
	parts := strings.SplitN(rest, "/", len(s.stars))
	if len(parts) != len(s.stars) {
		return nil, values, false
	}
	for i, d := range s.stars {
		v := parts[i]
		if i < len(parts)-1 {
			v = strings.ReplaceAll(strings.ReplaceAll(v, "%2F", "/"), "%25", "%")
		}
		values[d] = v
	}
	return s, values, true
}

// byName returns the budgets in force. Caller holds the lock.
func (l *Ledger) byName() map[string]*state {
	byName := make(map[string]*state, len(l.budgets))
	for _, s := range l.budgets {
		byName[s.Name] = s
	}
	return byName
}

// Spent is what a store knows of one budget in one period, or bucket of a
// rolling window.
type Spent struct {
	Budget model.BudgetID `json:"budget"`
	Period time.Time      `json:"period"`
	Quantities
	Assumed model.Money `json:"assumed_usd,omitzero"` // of it, what no bill says
}

// Load adds what a store has: once, at the start, before calls are served.
// Periods that are over count for nothing.
func (l *Ledger) Load(entries []Spent) {
	now := l.cfg.Clock().UnixNano()
	l.mu.Lock()
	byName := l.byName()
	var changed []*instance
	for _, e := range entries {
		l.loaded[e.Budget] = append(l.loaded[e.Budget], e)
		if s, values, ok := parseID(byName, e.Budget); ok && s.counts([]Spent{e}, now) {
			in := l.instance(s, values, now)
			l.take(in)
			changed = append(changed, in)
		}
	}
	settleLevels(changed)
	l.mu.Unlock()
	l.relevel(changed)
}

// counts reports whether any of the entries may still count: a counter whose
// periods are all over is not made for its past.
func (s *state) counts(entries []Spent, now int64) bool {
	first := s.calendar.first(now)
	return slices.ContainsFunc(entries, func(e Spent) bool { return e.Period.UnixNano() >= first })
}
