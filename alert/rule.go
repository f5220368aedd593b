package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Type is what a rule watches.
type Type string

// The types.
const (
	CostThreshold   Type = "cost_threshold"   // US dollars that calls cost
	LatencySpike    Type = "latency_spike"    // ms that calls take
	ErrorRate       Type = "error_rate"       // share of calls that fail by our fault or an upstream's
	Availability    Type = "availability"     // share of the times that an endpoint was wanted in which it served, whatever fallbacks save
	SafetyViolation Type = "safety_violation" // calls refused for what they contain
	BudgetThreshold Type = "budget_threshold" // share of a budget that is spent
	BurnRate        Type = "burn_rate"        // how many times as fast as it lasts a budget is spent
	BenchmarkDrift  Type = "benchmark_drift"  // share by which a model's measured quality fell
	SpoolDepth      Type = "spool_depth"      // bytes of events that a gateway has not stored yet
)

// kind is what there is to know of a type.
type kind struct {
	unit     string
	operator Operator
	calls    bool     // it is measured over calls
	share    bool     // its thresholds are from 0 to 1
	by       []string // what it can tell apart; the first is what it does unless told
	metrics  []string // of which the first is the default
}

var callDimensions = []string{"", "model", "endpoint", "provider", "key", "user", "team", "project", "task"}

var latencyMetrics = []string{"latency_p95", "latency_p50", "latency_p90", "latency_p99", "latency_mean", "ttft_p95", "ttft_p50", "ttft_p90", "ttft_p99", "ttft_mean"}

var kinds = map[Type]kind{
	CostThreshold:   {unit: "USD", operator: Above, calls: true, by: callDimensions},
	LatencySpike:    {unit: "ms", operator: Above, calls: true, by: callDimensions, metrics: latencyMetrics},
	ErrorRate:       {operator: Above, calls: true, share: true, by: callDimensions},
	Availability:    {operator: Below, calls: true, share: true, by: []string{"endpoint", "model", "provider"}},
	SafetyViolation: {unit: "calls", operator: AtLeast, calls: true, by: callDimensions},
	BudgetThreshold: {operator: AtLeast, share: true, by: []string{"budget"}},
	BurnRate:        {operator: Above, calls: true, by: []string{"budget"}},
	BenchmarkDrift:  {operator: Above, share: true, by: []string{"model"}},
	SpoolDepth:      {unit: "bytes", operator: Above, by: []string{"gateway"}},
}

// Types lists them all.
func Types() []Type {
	return []Type{CostThreshold, LatencySpike, ErrorRate, Availability, SafetyViolation, BudgetThreshold, BurnRate, BenchmarkDrift, SpoolDepth}
}

// Operator compares what was measured with a threshold.
type Operator string

// The operators.
const (
	Above   Operator = ">"
	AtLeast Operator = ">="
	Below   Operator = "<"
	AtMost  Operator = "<="
)

// holds reports whether value is to the threshold as the operator says.
func (o Operator) holds(value, threshold float64) bool {
	switch o {
	case Above:
		return value > threshold
	case AtLeast:
		return value >= threshold
	case Below:
		return value < threshold
	default:
		return value <= threshold
	}
}

// Rule says when somebody is to be told. Its zero fields take defaults (Complete).
type Rule struct {
	Name      string         `json:"name"`
	Type      Type           `json:"type"`
	Metric    string         `json:"metric,omitempty"` // of latency_spike
	Scope     Scope          `json:"scope,omitzero"`
	By        string         `json:"by,omitempty"` // each value fires for itself; "" is all together
	Operator  Operator       `json:"operator,omitempty"`
	Threshold *float64       `json:"threshold"`
	Window    model.Duration `json:"window,omitempty"`        // over which it is measured
	For       model.Duration `json:"for,omitempty"`           // that it must hold before it fires
	Clear     model.Duration `json:"resolve_after,omitempty"` // that it must not hold before it is resolved
	MinCalls  int64          `json:"min_calls,omitempty"`     // with fewer in the window nothing is known
	Severity  Severity       `json:"severity,omitempty"`
	Channels  []string       `json:"channels,omitempty"` // none: all
	Repeat    model.Duration `json:"repeat,omitempty"`   // between reminders while it fires; 0 none
	Enabled   *bool          `json:"enabled,omitempty"`
}

// Scope says which calls, budgets, models or gateways a rule watches: those that
// match every value given.
type Scope struct {
	Model    string `json:"model,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Provider string `json:"provider,omitempty"`
	Key      string `json:"key,omitempty"`
	User     string `json:"user,omitempty"`
	Team     string `json:"team,omitempty"`
	Project  string `json:"project,omitempty"`
	Task     string `json:"task,omitempty"`
	Budget   string `json:"budget,omitempty"` // name of a budget
}

// The bounds of rules.
const (
	DefaultWindow   = model.Duration(5 * time.Minute)
	DefaultMinCalls = 10 // of rates and latencies: one call of one is no rate
	MinWindow       = model.Duration(30 * time.Second)
	MaxWindow       = model.Duration(24 * time.Hour)
	MaxDriftWindow  = model.Duration(90 * 24 * time.Hour)
	MaxFor          = model.Duration(24 * time.Hour)
	MinRepeat       = model.Duration(time.Minute)
	MaxRepeat       = model.Duration(30 * 24 * time.Hour)
)

var ruleName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Complete checks a rule and returns it with its defaults. Errors: KindInvalid
// with the field.
func (r Rule) Complete() (Rule, error) {
	const op = "alert.Rule"
	if !ruleName.MatchString(r.Name) {
		return r, model.Invalidf(op, "name", "is %.70q: want at most 63 letters, digits, dots, dashes and underscores", r.Name)
	}
	k, known := kinds[r.Type]
	if !known {
		return r, model.Invalidf(op, "type", "is %.40q: want one of %s", r.Type, names(Types()))
	}
	for _, check := range []func(*kind) error{r.completeMeasure, r.completeTimes, r.completeTelling} {
		if err := check(&k); err != nil {
			return r, err
		}
	}
	return r.defaults(&k), nil
}

func (r *Rule) completeMeasure(k *kind) error {
	const op = "alert.Rule"
	switch {
	case r.Metric != "" && !slices.Contains(k.metrics, r.Metric):
		if k.metrics == nil {
			return model.Invalidf(op, "metric", "is not for rules of type %s", r.Type)
		}
		return model.Invalidf(op, "metric", "is %.40q: want one of %s", r.Metric, strings.Join(k.metrics, ", "))
	case r.By != "" && !slices.Contains(k.by, r.By):
		return model.Invalidf(op, "by", "is %.40q: want one of %s", r.By, strings.TrimPrefix(strings.Join(k.by, ", "), ", "))
	case r.Operator != "" && !slices.Contains([]Operator{Above, AtLeast, Below, AtMost}, r.Operator):
		return model.Invalidf(op, "operator", `is %.10q: want >, >=, < or <=`, r.Operator)
	case r.Threshold == nil:
		return model.Invalidf(op, "threshold", "is missing")
	case math.IsNaN(*r.Threshold) || math.IsInf(*r.Threshold, 0) || *r.Threshold < 0:
		return model.Invalidf(op, "threshold", "is %v: want a number that is not negative", *r.Threshold)
	case k.share && *r.Threshold > 1:
		return model.Invalidf(op, "threshold", "is %v: want a share from 0 to 1, such as 0.05 for 5 %%", *r.Threshold)
	case r.MinCalls < 0:
		return model.Invalidf(op, "min_calls", "must not be negative")
	case r.MinCalls > 0 && !slices.Contains(sparse, r.Type):
		return model.Invalidf(op, "min_calls", "is not for rules of type %s", r.Type)
	}
	if r.Scope.Task != "" {
		if _, err := model.ParseTask(r.Scope.Task); err != nil {
			return model.Invalidf(op, "scope.task", "%v", err)
		}
	}
	for _, f := range r.Scope.fields() {
		if f.value != "" && !f.fits(r.Type) {
			return model.Invalidf(op, "scope."+f.name, "is not for rules of type %s", r.Type)
		}
		if f.value != printable(f.value) {
			return model.Invalidf(op, "scope."+f.name, "want at most %d bytes without control characters", maxSubject)
		}
	}
	return nil
}

// sparse are the types that say nothing of few calls.
var sparse = []Type{LatencySpike, ErrorRate, Availability}

func (r *Rule) completeTimes(*kind) error {
	const op = "alert.Rule"
	most := MaxWindow
	if r.Type == BenchmarkDrift {
		most = MaxDriftWindow
	}
	switch {
	case r.Window != 0 && (r.Type == BudgetThreshold || r.Type == SpoolDepth):
		return model.Invalidf(op, "window", "is not for rules of type %s: they watch what is now", r.Type)
	case r.Window != 0 && (r.Window < MinWindow || r.Window > most):
		return model.Invalidf(op, "window", "is %s: want %s to %s", r.Window, MinWindow, most)
	case r.For < 0 || r.For > MaxFor:
		return model.Invalidf(op, "for", "is %s: want at most %s", r.For, MaxFor)
	case r.Clear < 0 || r.Clear > MaxFor:
		return model.Invalidf(op, "resolve_after", "is %s: want at most %s", r.Clear, MaxFor)
	case r.Repeat != 0 && (r.Repeat < MinRepeat || r.Repeat > MaxRepeat):
		return model.Invalidf(op, "repeat", "is %s: want %s to %s, or nothing for no reminders", r.Repeat, MinRepeat, MaxRepeat)
	}
	return nil
}

func (r *Rule) completeTelling(*kind) error {
	if r.Severity != "" && !slices.Contains(Severities(), r.Severity) {
		return model.Invalidf("alert.Rule", "severity", "is %.40q: want one of %s", r.Severity, names(Severities()))
	}
	for i, c := range r.Channels {
		if slices.Contains(r.Channels[:i], c) {
			return model.Invalidf("alert.Rule", "channels", "names %.70q twice", c)
		}
	}
	return nil
}

func (r Rule) defaults(k *kind) Rule {
	if r.Metric == "" && k.metrics != nil {
		r.Metric = k.metrics[0]
	}
	if r.By == "" {
		r.By = k.by[0]
	}
	if r.Operator == "" {
		r.Operator = k.operator
	}
	if r.Window == 0 && r.Type != BudgetThreshold && r.Type != SpoolDepth {
		r.Window = DefaultWindow
		if r.Type == BenchmarkDrift {
			r.Window = model.Duration(7 * 24 * time.Hour)
		}
	}
	if r.MinCalls == 0 && slices.Contains(sparse, r.Type) {
		r.MinCalls = DefaultMinCalls
	}
	if r.Severity == "" {
		r.Severity = Warning
	}
	if r.Enabled == nil {
		on := true
		r.Enabled = &on
	}
	return r
}

// field is one field of a scope.
type field struct {
	name, value string
}

func (s *Scope) fields() [9]field {
	return [...]field{
		{"model", s.Model}, {"endpoint", s.Endpoint}, {"provider", s.Provider}, {"key", s.Key}, {"user", s.User},
		{"team", s.Team}, {"project", s.Project}, {"task", s.Task}, {"budget", s.Budget},
	}
}

// fits reports whether rules of the type can be restricted by the field.
func (f *field) fits(t Type) bool {
	switch t {
	case BudgetThreshold, BurnRate:
		return f.name == "budget"
	case BenchmarkDrift:
		return f.name == "model"
	case SpoolDepth:
		return false
	default:
		return f.name != "budget"
	}
}

// version changes with all that changes what the rule measures: samples of
// another version say nothing about it.
func (r *Rule) version() string {
	doc, err := json.Marshal([]any{r.Type, r.Scope, r.By, r.bucket()})
	if err != nil {
		panic("alert: strings cannot be written as JSON: " + err.Error()) // they always can
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:6])
}

// bucket is the length of the pieces in which samples are kept: a window has 30
// or more of them where it can, and reaches back by at most one too many.
func (r *Rule) bucket() time.Duration {
	if r.Window == 0 {
		return gaugeEvery
	}
	for _, b := range [...]time.Duration{15 * time.Minute, 5 * time.Minute, time.Minute, 10 * time.Second} {
		if 30*b <= r.Window.Std() {
			return b
		}
	}
	return 2 * time.Second
}

func names[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}
