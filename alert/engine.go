package alert

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/cartrita/cartrita/model"
)

const (
	// sendWait bounds one attempt to deliver.
	sendWait = 30 * time.Second
	// logKept is how long deliveries and what was resolved stay on record,
	// samplesKept how long samples do.
	logKept     = 30 * 24 * time.Hour
	samplesKept = time.Duration(MaxWindow) + time.Hour
	sweepEvery  = time.Minute
	// retold is how many incidents are told once more, of at most so long ago.
	retold    = 1000
	retoldFor = time.Hour
)

// Config configures an Engine.
type Config struct {
	Store   Store
	Budgets func() []BudgetState // all that there are now
	// Drifts says what became of the measured qualities of models since then.
	Drifts func(ctx context.Context, since time.Time) ([]Drift, error)
	// Self is the name of this gateway for people, and the bytes of its spool that
	// are not stored yet.
	Self func() (name string, spool int64)
	// Tell is called for what fired and what was resolved, when that is stored:
	// once, but for what is told again after a process died.
	Tell    func(e Event, n *Incident)
	OnWrite func()           // called when rules were changed here; returns at once; default: nothing
	Gateway string           // that no other has, nor had
	Clock   func() time.Time // default time.Now
	Logger  *slog.Logger     // default: discards
}

// Settings are what a configuration says of alerts.
type Settings struct {
	Rules     []Rule
	Channels  map[string]Channel
	Quiet     []Quiet
	GroupWait time.Duration // for more of the same rule, before a message is sent
}

// Engine watches rules and tells people. Every gateway has one; of those on one
// store the one that leads evaluates and delivers. Safe for concurrent use.
type Engine struct {
	cfg     Config
	sampler *Sampler
	nudged  chan struct{} // rules may have changed
	past    past

	mu       sync.Mutex
	settings Settings
	created  []Rule // that the store keeps, by name
	swept    time.Time

	sending struct {
		sync.Mutex
		channels map[string]bool // that something is being sent to
	}
	senders sync.WaitGroup
	told    atomic.Int64 // the term in which others know all that is stored
	stats   stats
}

// New makes an engine without rules.
func New(c Config) *Engine {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OnWrite == nil {
		c.OnWrite = func() {}
	}
	e := &Engine{cfg: c, nudged: make(chan struct{}, 1), sampler: NewSampler(c.Gateway, c.Clock)}
	e.sending.channels = map[string]bool{}
	e.past.byRule = map[string]*settled{}
	return e
}

// Sampler returns what is to be told of the calls of this gateway.
func (e *Engine) Sampler() *Sampler { return e.sampler }

// CheckRules completes the rules of a configuration. Errors: KindInvalid, whose
// Param begins with the rule's place: "[2].window".
func CheckRules(rules []Rule, channels []string) ([]Rule, error) {
	seen := map[string]bool{}
	out := make([]Rule, len(rules))
	for i, r := range rules {
		var err error
		if out[i], err = r.Complete(); err == nil {
			err = checkChannels(&r, channels)
		}
		if err == nil && seen[r.Name] {
			err = model.Invalidf("alert.Rule", "name", "is %q as that of another rule", r.Name)
		}
		if err != nil {
			inner := *model.AsError(err)
			inner.Param = fmt.Sprintf("[%d].%s", i, inner.Param)
			return nil, &inner
		}
		seen[r.Name] = true
	}
	return out, nil
}

func checkChannels(r *Rule, known []string) error {
	for _, c := range r.Channels {
		if !slices.Contains(known, c) {
			return model.Invalidf("alert.Rule", "channels", "%s", noChannel(c, known))
		}
	}
	return nil
}

// noChannel says which channels there are instead of name.
func noChannel(name string, known []string) string {
	instead := "it has none"
	if len(known) > 0 {
		instead = "want one of " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("no channel of the configuration has the name %.70q: %s", name, instead)
}

// Configure puts settings in force, whose rules and quiet hours are complete.
func (e *Engine) Configure(s Settings) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settings = s
	e.sampler.Watch(e.rulesLocked())
}

// Refresh takes over the rules that the store keeps. Errors: KindUnavailable.
func (e *Engine) Refresh(ctx context.Context) error {
	created, err := e.cfg.Store.AlertRules(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.created = created
	e.sampler.Watch(e.rulesLocked())
	return nil
}

// rulesLocked are those in force: where a rule of the configuration has the name
// of one that was created, it counts. Caller holds the lock.
func (e *Engine) rulesLocked() []Rule {
	out := slices.Clone(e.settings.Rules)
	for _, r := range e.created {
		if !slices.ContainsFunc(e.settings.Rules, func(c Rule) bool { return c.Name == r.Name }) {
			out = append(out, r)
		}
	}
	return out
}

// OwnedRule is a rule and where it comes from.
type OwnedRule struct {
	Rule
	Configured bool `json:"configured"` // by the configuration; else over the API
}

// Rules returns the rules in force.
func (e *Engine) Rules() []OwnedRule {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []OwnedRule{}
	for i, r := range e.rulesLocked() {
		out = append(out, OwnedRule{r, i < len(e.settings.Rules)})
	}
	return out
}

// Channels returns the names of the channels, sorted.
func (e *Engine) Channels() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.settings.Channels))
}

// SaveRule creates a rule or replaces one that was created. Errors: KindInvalid,
// KindConflict for the name of a rule of the configuration, KindUnavailable.
func (e *Engine) SaveRule(ctx context.Context, r Rule) (Rule, error) {
	r, err := r.Complete()
	if err == nil {
		err = checkChannels(&r, e.Channels())
	}
	if err == nil {
		err = e.notConfigured(r.Name)
	}
	if err == nil {
		err = e.cfg.Store.SaveAlertRule(ctx, r)
	}
	if err != nil {
		return r, err
	}
	e.cfg.OnWrite()
	return r, e.Refresh(ctx)
}

// DeleteRule removes a rule that was created. Errors: KindNotFound, KindConflict
// for one of the configuration, KindUnavailable.
func (e *Engine) DeleteRule(ctx context.Context, name string) error {
	if err := e.notConfigured(name); err != nil {
		return err
	}
	if err := e.cfg.Store.DeleteAlertRule(ctx, name); err != nil {
		return err
	}
	e.cfg.OnWrite()
	return e.Refresh(ctx)
}

func (e *Engine) notConfigured(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if slices.ContainsFunc(e.settings.Rules, func(r Rule) bool { return r.Name == name }) {
		return model.Errorf("alert.Rule", model.KindConflict, "the rule %q is one of the configuration: change it there", name)
	}
	return nil
}

// Board returns what holds and what waits. Errors: KindUnavailable.
func (e *Engine) Board(ctx context.Context) (*Board, error) { return e.cfg.Store.AlertBoard(ctx) }

// Nudge has rules read anew that another gateway may have changed.
func (e *Engine) Nudge() {
	select {
	case e.nudged <- struct{}{}:
	default: // it is about to be done
	}
}

// Sample keeps the rules and what is measured at this gateway up to date, until
// ctx ends.
func (e *Engine) Sample(ctx context.Context, every time.Duration) error {
	t := time.NewTicker(every)
	defer t.Stop()
	failing := false
	for {
		err := e.Refresh(ctx)
		if err == nil {
			e.sampler.Gauge(e.cfg.Self())
			err = e.sampler.Flush(ctx, e.cfg.Store.SaveSamples)
		}
		if now := err != nil; now != failing && ctx.Err() == nil {
			if failing = now; failing {
				e.cfg.Logger.Warn("alerts: what is measured here cannot be stored now; it is kept for as long as it matters", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-e.nudged:
		case <-t.C:
		}
	}
}

// Wait returns when no message is under way any more: behind the last Evaluate,
// whose context has ended.
func (e *Engine) Wait() { e.senders.Wait() }

// Evaluate measures all rules, stores what fires and what is resolved, and begins
// to deliver what is due: the job of the gateway that leads in the term. It does
// not wait for channels. Errors: KindConflict when the term is over,
// KindUnavailable.
func (e *Engine) Evaluate(ctx context.Context, term int64) error {
	now := e.now()
	if err := e.Refresh(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	rules, settings := e.rulesLocked(), e.settings
	configured := len(settings.Rules)
	e.mu.Unlock()
	if err := e.retell(ctx, term, now); err != nil {
		return err
	}
	busy := e.busy()
	board, err := e.cfg.Store.AlertBoard(ctx)
	if err != nil {
		return err
	}
	if len(rules) == 0 && len(board.States) == 0 && len(board.Queue) == 0 {
		e.stats.evaluated(board, now)
		return nil
	}
	m, err := e.measure(ctx, rules, now)
	if err != nil {
		return err
	}
	t := telling{slices.Sorted(maps.Keys(settings.Channels)), settings.Quiet, settings.GroupWait, busy, newID}
	change, transitions, late := advance(rules, configured, board.States, m, t.channelsOf, newID)
	change.Deliveries = t.plan(slices.Concat(transitions, late), board.Queue, now)
	for i := range transitions {
		if tr := &transitions[i]; tr.event != Reminder {
			r := &tr.state.Rule
			change.Incidents = append(change.Incidents, Incident{r.Name, r.Type, r.Severity, tr.state.alert(tr)})
		}
	}
	if !change.empty() {
		if err := e.cfg.Store.SaveAlerts(ctx, term, change); err != nil {
			e.told.Store(0) // it may be stored all the same
			return err
		}
		for i := range transitions {
			e.tell(&transitions[i])
		}
		busy = e.busy()
		if board, err = e.cfg.Store.AlertBoard(ctx); err != nil {
			return err
		}
	}
	e.stats.evaluated(board, now)
	e.deliver(ctx, term, ready(board.Queue, now), settings.Channels, busy)
	return e.sweep(ctx, term, rules, now)
}

func (e *Engine) measure(ctx context.Context, rules []Rule, now time.Time) (*measured, error) {
	m := &measured{now: now, settled: map[string][]Sample{}, samples: map[string][]Sample{}, drifts: map[string][]Drift{}}
	for i := range rules {
		r := &rules[i]
		if !*r.Enabled {
			continue
		}
		var err error
		switch {
		case r.Type == BenchmarkDrift:
			m.drifts[r.Name], err = e.cfg.Drifts(ctx, now.Add(-r.Window.Std()))
		case r.Type == SpoolDepth:
			m.samples[r.Name], err = e.cfg.Store.Samples(ctx, r.Name, r.version(), windowStart(r, now).Add(-gaugeEvery))
		case kinds[r.Type].calls:
			m.settled[r.Name], m.samples[r.Name], err = e.past.read(ctx, e.cfg.Store, r, windowStart(r, now), now)
		}
		if err != nil {
			return nil, err
		}
		if m.budgets == nil && (r.Type == BudgetThreshold || r.Type == BurnRate) {
			m.budgets = e.cfg.Budgets()
		}
	}
	e.past.keep(m.settled)
	return m, nil
}

// retell has who wants to know told once more of what fired or was resolved of
// late, when this gateway begins to lead or does not know what was stored: between
// storing and telling a process may die. Whoever is told tells the same by its
// incident.
func (e *Engine) retell(ctx context.Context, term int64, now time.Time) error {
	if e.cfg.Tell == nil || e.told.Load() == term {
		return nil
	}
	latest, err := e.cfg.Store.Incidents(ctx, "", retold)
	if err != nil {
		return err
	}
	for i := range latest {
		n := &latest[i]
		if now.Sub(n.Since) < retoldFor {
			e.cfg.Tell(Firing, n)
		}
		if !n.Until.IsZero() && now.Sub(n.Until) < retoldFor {
			e.cfg.Tell(Resolved, n)
		}
	}
	e.told.Store(term)
	return nil
}

// tell says what fired or was resolved to the log and to who else wants to know.
func (e *Engine) tell(t *transition) {
	a, r := t.state.alert(t), t.state.Rule
	switch t.event {
	case Firing:
		e.cfg.Logger.Warn("alert: "+a.Summary, "rule", r.Name, "severity", string(r.Severity), "incident", a.Incident)
	case Resolved:
		e.cfg.Logger.Info("alert resolved: "+a.Summary, "rule", r.Name, "severity", string(r.Severity), "incident", a.Incident)
	default:
		return
	}
	if e.cfg.Tell != nil {
		e.cfg.Tell(t.event, &Incident{r.Name, r.Type, r.Severity, a})
	}
}

// sweep forgets what nobody asks for any more: of each rule what is before its
// window, of those that are gone what is before any.
func (e *Engine) sweep(ctx context.Context, term int64, rules []Rule, now time.Time) error {
	e.mu.Lock()
	again := due(e.swept, now, sweepEvery)
	e.mu.Unlock()
	if !again {
		return nil
	}
	for i := range rules {
		if r := &rules[i]; r.Type == SpoolDepth || kinds[r.Type].calls {
			if err := e.cfg.Store.ForgetSamples(ctx, term, r.Name, windowStart(r, now).Add(-sampleKept)); err != nil {
				return err
			}
		}
	}
	if err := e.cfg.Store.ForgetSamples(ctx, term, "", now.Add(-samplesKept)); err != nil {
		return err
	}
	if err := e.cfg.Store.ForgetAlerts(ctx, term, now.Add(-logKept)); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.swept = now
	return nil
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
