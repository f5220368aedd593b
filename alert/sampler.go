package alert

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/cartrita/cartrita/model"
)

// Call is what rules see of a call that ended.
type Call struct {
	Ended               time.Time
	Failed              bool
	Fault               model.Kind // of a call that failed
	Model, Endpoint     string
	Provider, Key, User string
	Team, Project, Task string
	Cost                model.Money
	LatencyMS, TTFTMS   float64 // 0 unknown
	Charges             []model.Charge
	Attempts            []Attempt
	// Shut is where the call could not go for no reason but that nothing was sent
	// there then (an open circuit, an upstream that asked to be left alone); where
	// there is any, Eligible is where it could.
	Shut, Eligible []Target
}

// Attempt is one attempt of a call that was sent.
type Attempt struct {
	Target
	Failed bool
	Fault  model.Kind // of an attempt that failed
}

// Target is an endpoint and what it belongs to.
type Target struct{ Model, Endpoint, Provider string }

// Sample is a Sum with what it is of.
type Sample struct {
	Rule    string
	Version string // of what the rule measures
	Subject string
	At      time.Time // beginning of the piece of time
	Gateway string    // whose calls they are; a part of them, should more come later
	Sum     Sum
}

// SampleKey names a sample.
type SampleKey struct {
	Rule, Version, Subject, Gateway string
	At                              int64 // µs
}

// Key returns what no other sample has.
func (s *Sample) Key() SampleKey {
	return SampleKey{s.Rule, s.Version, s.Subject, s.Gateway, s.At.UnixMicro()}
}

const (
	// MaxSubjects bounds what one rule tells apart; what comes beyond is together.
	MaxSubjects = 1000
	// Others is the subject of what comes beyond.
	Others = "(others)"
	// sampleKept is how long after its piece of time a sample can still grow.
	sampleKept = 2 * time.Minute
	// sampleSweep is between two sweeps for those that cannot.
	sampleSweep = time.Minute
	// gaugeEvery is how often what a gateway measures of itself is kept, gaugeStale
	// how long it is true.
	gaugeEvery = 10 * time.Second
	gaugeStale = 30 * time.Second
)

// Sampler adds up the calls of one gateway for the rules that watch calls. Safe
// for concurrent use. Calls that nobody asks about cost one lock.
type Sampler struct {
	gateway string
	clock   func() time.Time

	mu       sync.Mutex
	rules    []watch
	attempts bool // a rule asks for them
	gauges   bool // a rule asks what this gateway measures of itself
	part     int  // of what this gateway says: earlier parts do not change any more
	swept    time.Time
	sums     map[SampleKey]*grown
	subjects map[string]map[string]bool // by rule
}

type watch struct {
	Rule
	version string
	bucket  time.Duration
}

type grown struct {
	Sum
	at    time.Time
	end   time.Time
	saved bool
}

// NewSampler makes a sampler for the gateway of that name.
func NewSampler(gateway string, clock func() time.Time) *Sampler {
	return &Sampler{gateway: gateway, clock: clock, sums: map[SampleKey]*grown{}, subjects: map[string]map[string]bool{}}
}

// Watch replaces the rules, which are complete. Of those that stay as they are
// nothing is lost.
func (s *Sampler) Watch(rules []Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.attempts, s.gauges = nil, false, false
	versions := map[string]string{}
	for i := range rules {
		r := rules[i]
		if !*r.Enabled || !kinds[r.Type].calls && r.Type != SpoolDepth {
			continue
		}
		w := watch{Rule: r, version: r.version(), bucket: r.bucket()}
		s.rules = append(s.rules, w)
		versions[r.Name] = w.version
		s.attempts = s.attempts || r.Type == Availability || r.Type == SafetyViolation
		s.gauges = s.gauges || r.Type == SpoolDepth
	}
	maps.DeleteFunc(s.sums, func(k SampleKey, _ *grown) bool { return versions[k.Rule] != k.Version })
	maps.DeleteFunc(s.subjects, func(rule string, _ map[string]bool) bool { return versions[rule] == "" })
}

// Wants reports whether any rule watches calls, and whether it wants their attempts.
func (s *Sampler) Wants() (calls, attempts bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rules) > 0, s.attempts
}

// Add counts calls.
func (s *Sampler) Add(calls []Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.clock().Add(-MaxWindow.Std())
	for i := range s.rules {
		for j := range calls {
			if calls[j].Ended.After(oldest) {
				s.count(&s.rules[i], &calls[j])
			}
		}
	}
}

// Gauge takes what this gateway measures of itself: the bytes of its spool that
// are not stored yet, under the name that people know it by.
func (s *Sampler) Gauge(name string, spool int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gauges {
		return
	}
	for i := range s.rules {
		if w := &s.rules[i]; w.Type == SpoolDepth {
			*s.sum(w, name, s.clock()) = Sum{Calls: 1, Total: float64(spool)}
		}
	}
}

func (s *Sampler) count(w *watch, c *Call) {
	switch w.Type {
	case Availability:
		for i := range c.Attempts {
			if a := &c.Attempts[i]; w.Scope.at(&a.Target, c) && (!a.Failed || a.Fault.EndpointFault()) {
				sum := s.sum(w, a.subject(w.By), c.Ended)
				sum.Calls++
				sum.Bad += bit(a.Failed)
			}
		}
		s.countShut(w, c)
		return
	case SpoolDepth:
		return
	case BurnRate:
		for i := range c.Charges {
			if id := string(c.Charges[i].Budget); w.Scope.Budget == "" || budgetName(id) == w.Scope.Budget {
				sum := s.sum(w, id, c.Ended)
				sum.Calls++
				sum.Total += c.Charges[i].Cost.USD()
			}
		}
		return
	}
	if !w.Scope.call(c) {
		return
	}
	switch subject := callSubject(w.By, c); w.Type {
	case CostThreshold:
		sum := s.sum(w, subject, c.Ended)
		sum.Calls++
		sum.Total += c.Cost.USD()
	case LatencySpike:
		ms := c.LatencyMS
		if strings.HasPrefix(w.Metric, "ttft") {
			ms = c.TTFTMS
		}
		if ms > 0 && !c.Failed {
			s.sum(w, subject, c.Ended).addTime(ms)
		}
	case ErrorRate:
		if !c.Failed || ours(c.Fault) {
			sum := s.sum(w, subject, c.Ended)
			sum.Calls++
			sum.Bad += bit(c.Failed)
		}
	case SafetyViolation:
		if c.violates() {
			s.sum(w, subject, c.Ended).Bad++
		}
	}
}

// countShut counts a call at what it could not use, as it does an attempt that
// failed: once, and not where it could use another endpoint of the same subject.
func (s *Sampler) countShut(w *watch, c *Call) {
	var known []string
	for _, t := range c.Eligible {
		if w.Scope.at(&t, c) {
			known = append(known, t.subject(w.By))
		}
	}
	for _, t := range c.Shut {
		subject := t.subject(w.By)
		if !w.Scope.at(&t, c) || slices.Contains(known, subject) {
			continue
		}
		known = append(known, subject)
		sum := s.sum(w, subject, c.Ended)
		sum.Calls++
		sum.Bad++
	}
}

// violates reports whether a call, or an attempt of it, was refused for what it
// contains.
func (c *Call) violates() bool {
	return c.Failed && c.Fault == model.KindContentPolicy ||
		slices.ContainsFunc(c.Attempts, func(a Attempt) bool { return a.Failed && a.Fault == model.KindContentPolicy })
}

// ours reports whether a failure is one of the service: not of what the caller
// sent, may do or may spend.
func ours(k model.Kind) bool {
	switch k {
	case model.KindInternal, model.KindUpstream, model.KindUpstreamAuth, model.KindUnavailable, model.KindTimeout, model.KindRateLimited, model.KindNoCandidate:
		return true
	}
	return false
}

// sum finds the sum that a call counts in. Caller holds the lock.
func (s *Sampler) sum(w *watch, subject string, ended time.Time) *Sum {
	subject = s.subject(w.Name, printable(subject))
	at := ended.UTC().Truncate(w.bucket)
	key := SampleKey{w.Name, w.version, subject, s.gateway + "." + strconv.Itoa(s.part), at.UnixMicro()}
	g := s.sums[key]
	if g == nil {
		g = &grown{at: at, end: at.Add(w.bucket)}
		s.sums[key] = g
	}
	g.saved = false
	return &g.Sum
}

func (s *Sampler) subject(rule, subject string) string {
	seen := s.subjects[rule]
	if seen == nil {
		seen = map[string]bool{}
		s.subjects[rule] = seen
	}
	if seen[subject] {
		return subject
	}
	if len(seen) >= MaxSubjects {
		return Others
	}
	seen[subject] = true
	return subject
}

// Flush saves what changed since the last time, and forgets what is over: what
// comes for it later is a part of its own. Of what could not be saved nothing is
// lost. Sums are saved whole, so one that was saved twice counts once.
func (s *Sampler) Flush(ctx context.Context, save func(context.Context, []Sample) error) error {
	var samples []Sample
	s.mu.Lock()
	for k, g := range s.sums {
		if !g.saved {
			g.saved = true
			samples = append(samples, Sample{k.Rule, k.Version, k.Subject, g.at, k.Gateway, g.Sum.clone()})
		}
	}
	s.mu.Unlock()
	if len(samples) > 0 {
		if err := save(ctx, samples); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			for i := range samples {
				if g := s.sums[samples[i].Key()]; g != nil {
					g.saved = false
				}
			}
			return err
		}
	}
	s.sweep()
	return nil
}

// sweep forgets what is over.
func (s *Sampler) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	if !due(s.swept, now, sampleSweep) {
		return
	}
	s.swept = now
	before := len(s.sums)
	maps.DeleteFunc(s.sums, func(_ SampleKey, g *grown) bool { return g.saved && g.end.Before(now.Add(-sampleKept)) })
	if len(s.sums) < before {
		s.part++
		clear(s.subjects)
	}
}

func (s *Scope) call(c *Call) bool {
	for _, f := range [...]struct{ want, is string }{
		{s.Model, c.Model}, {s.Endpoint, c.Endpoint}, {s.Provider, c.Provider}, {s.Key, c.Key}, {s.User, c.User},
		{s.Team, c.Team}, {s.Project, c.Project}, {s.Task, c.Task},
	} {
		if f.want != "" && f.want != f.is {
			return false
		}
	}
	return true
}

// at is call, had the call gone there.
func (s *Scope) at(t *Target, c *Call) bool {
	there := *c
	there.Model, there.Endpoint, there.Provider = t.Model, t.Endpoint, t.Provider
	return s.call(&there)
}

// maxSubject is the most bytes of a subject, which a caller may have named.
const maxSubject = 256

// printable makes a subject that people can read and every database takes.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	if len(s) > maxSubject {
		s = strings.ToValidUTF8(s[:maxSubject-len("…")], "") + "…"
	}
	return s
}

func callSubject(by string, c *Call) string {
	switch by {
	case "model":
		return c.Model
	case "endpoint":
		return c.Endpoint
	case "provider":
		return c.Provider
	case "key":
		return c.Key
	case "user":
		return c.User
	case "team":
		return c.Team
	case "project":
		return c.Project
	case "task":
		return c.Task
	}
	return ""
}

func (t *Target) subject(by string) string {
	switch by {
	case "model":
		return t.Model
	case "provider":
		return t.Provider
	}
	return t.Endpoint
}

// budgetName is the name of the budget that a counter belongs to.
func budgetName(id string) string {
	name, _, _ := strings.Cut(id, "/")
	return name
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
