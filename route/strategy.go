package route

import (
	"math"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/internal/near"
	"github.com/cartrita/cartrita/model"
)

// The names of the built-in strategies.
const (
	QualityFirst   = "quality-first"
	CostOptimized  = "cost-optimized"
	Balanced       = "balanced"
	SpeedFirst     = "speed-first"
	SafetyCritical = "safety-critical"
)

// Strategy is a routing policy: what counts how much, what is never allowed,
// and what may follow a failure.
type Strategy struct {
	Name     string        `json:"name" yaml:"name"`
	Weights  model.Weights `json:"weights" yaml:"weights"` // any positive scale; normalised to sum 1
	Limits   Limits        `json:"limits,omitzero" yaml:"limits,omitempty"`
	Fallback Fallback      `json:"fallback,omitzero" yaml:"fallback,omitempty"`
}

// Limits are hard conditions that a strategy adds to those of the caller; where
// both set one, the stricter holds. The zero value limits nothing. An endpoint
// whose figure is unknown does not meet a limit on it.
type Limits struct {
	MaxCost            *model.Money `json:"max_cost_usd,omitempty" yaml:"max_cost_usd,omitempty"`
	MaxCostPer1KTokens *model.Money `json:"max_cost_per_1k_tokens,omitempty" yaml:"max_cost_per_1k_tokens,omitempty"`
	MaxLatencyMS       *float64     `json:"max_latency_ms,omitempty" yaml:"max_latency_ms,omitempty"`
	MinQuality         *float64     `json:"min_quality_score,omitempty" yaml:"min_quality_score,omitempty"`
	MaxRisk            model.Risk   `json:"max_risk_level,omitzero" yaml:"max_risk_level,omitempty"`
	CommercialUse      bool         `json:"commercial_use,omitempty" yaml:"commercial_use,omitempty"`
	RequiredTags       []string     `json:"required_tags,omitempty" yaml:"required_tags,omitempty"`
	ExcludedTags       []string     `json:"excluded_tags,omitempty" yaml:"excluded_tags,omitempty"`
}

// Scope says how far a fallback may go.
type Scope string

// The scopes. The empty scope is ScopeAny.
const (
	ScopeAny       Scope = "any"        // same model, its chain, then next by score
	ScopeSameModel Scope = "same-model" // only other endpoints of the chosen model
	ScopeNone      Scope = "none"       // no fallback; a worthwhile retry of the same endpoint is still made
)

// Fallback are the rules for what follows a failed attempt.
type Fallback struct {
	Scope Scope `json:"scope,omitempty" yaml:"scope,omitempty"`
	// NoLessSafe keeps every fallback at or below the risk level of the choice.
	NoLessSafe bool `json:"no_less_safe,omitempty" yaml:"no_less_safe,omitempty"`
	// ContentPolicy lets another model try what one refused for its content.
	ContentPolicy bool `json:"content_policy,omitempty" yaml:"content_policy,omitempty"`
}

// BuiltIn returns a fresh copy of the five built-in strategies, by name.
func BuiltIn() []Strategy {
	return []Strategy{
		{Name: Balanced, Weights: model.Weights{Quality: .35, Cost: .25, Latency: .25, Safety: .10, Availability: .05}},
		{Name: CostOptimized, Weights: model.Weights{Quality: .20, Cost: .50, Latency: .10, Safety: .15, Availability: .05}},
		{Name: QualityFirst, Weights: model.Weights{Quality: .60, Cost: .10, Latency: .10, Safety: .15, Availability: .05}},
		{
			Name:     SafetyCritical,
			Weights:  model.Weights{Quality: .25, Cost: .10, Latency: .15, Safety: .45, Availability: .05},
			Fallback: Fallback{NoLessSafe: true},
		},
		{Name: SpeedFirst, Weights: model.Weights{Quality: .20, Cost: .10, Latency: .50, Safety: .15, Availability: .05}},
	}
}

// Strategies is a set of strategies by name: the built-in ones and those of
// the configuration. Immutable; its strategies are shared, not to be written.
type Strategies struct{ list []Strategy } // default first, then by name

// NewStrategies validates own strategies and adds them to the built-in ones; an
// own strategy replaces the built-in one of its name. def names the default,
// Balanced when empty. Errors are KindInvalid with the path of the field
// ("strategies.<name>.weights.cost", "default_strategy").
func NewStrategies(def string, own ...Strategy) (*Strategies, error) {
	list := BuiltIn()
	seen := make(map[string]bool, len(own))
	for i := range own {
		s := own[i]
		if err := s.Validate(); err != nil {
			return nil, err
		}
		if seen[s.Name] {
			return nil, model.Invalidf("route.NewStrategies", "strategies."+s.Name, "is defined twice")
		}
		seen[s.Name] = true
		s.Weights, _ = normal(s.Weights)
		if at := slices.IndexFunc(list, func(b Strategy) bool { return b.Name == s.Name }); at >= 0 {
			list[at] = s
		} else {
			list = append(list, s)
		}
	}
	if def == "" {
		def = Balanced
	}
	slices.SortFunc(list, func(a, b Strategy) int {
		if first := a.Name == def; first != (b.Name == def) {
			return map[bool]int{true: -1, false: 1}[first]
		}
		return strings.Compare(a.Name, b.Name)
	})
	set := &Strategies{list}
	if list[0].Name != def {
		return nil, model.Invalidf("route.NewStrategies", "default_strategy", "unknown strategy %q: want one of %s%s", def, set.names(), set.near(def))
	}
	return set, nil
}

// Get returns the strategy of that name, the default for "". An unknown name is
// a KindInvalid error that lists the known ones.
func (s *Strategies) Get(name string) (*Strategy, error) {
	if name == "" {
		return &s.list[0], nil
	}
	for i := range s.list {
		if s.list[i].Name == name {
			return &s.list[i], nil
		}
	}
	return nil, model.Invalidf("route.Strategies", "strategy", "unknown strategy %q: want one of %s%s", name, s.names(), s.near(name))
}

// List returns the strategies, default first, then by name.
func (s *Strategies) List() []Strategy { return s.list }

func (s *Strategies) names() string { return strings.Join(s.sorted(), ", ") }

// near suggests the names that a misspelt one may stand for.
func (s *Strategies) near(name string) string { return near.Suggest(name, s.sorted()) }

func (s *Strategies) sorted() []string {
	names := make([]string, len(s.list))
	for i := range s.list {
		names[i] = s.list[i].Name
	}
	slices.Sort(names)
	return names
}

// Validate checks a strategy of the configuration. Errors are KindInvalid with
// the path of the field below "strategies".
func (s *Strategy) Validate() error {
	const op = "route.Strategy"
	path := "strategies." + s.Name
	if s.Name == "" || strings.ContainsAny(s.Name, " \t\n:/") || s.Name == "auto" {
		return model.Invalidf(op, path, "want a name without spaces, ':' and '/', other than \"auto\", got %q", s.Name)
	}
	for name, w := range weightsByName(&s.Weights) {
		if err := checkWeight(op, path+".weights."+name, *w); err != nil {
			return err
		}
	}
	if _, ok := normal(s.Weights); !ok {
		return model.Invalidf(op, path+".weights", "want at least one weight above 0")
	}
	if err := s.Limits.validate(op, path+".limits."); err != nil {
		return err
	}
	switch s.Fallback.Scope {
	case "", ScopeAny, ScopeSameModel, ScopeNone:
		return nil
	}
	return model.Invalidf(op, path+".fallback.scope", "unknown scope %q: want one of %s, %s, %s",
		s.Fallback.Scope, ScopeAny, ScopeSameModel, ScopeNone)
}

func (l *Limits) validate(op, path string) error {
	if err := checkMoney(op, path+"max_cost_usd", l.MaxCost); err != nil {
		return err
	}
	if err := checkMoney(op, path+"max_cost_per_1k_tokens", l.MaxCostPer1KTokens); err != nil {
		return err
	}
	if err := checkLatency(op, path+"max_latency_ms", l.MaxLatencyMS); err != nil {
		return err
	}
	if err := checkQuality(op, path+"min_quality_score", l.MinQuality); err != nil {
		return err
	}
	return checkTags(op, path, l.RequiredTags, l.ExcludedTags)
}

// checkTags refuses a strategy that no endpoint can ever meet.
func checkTags(op, path string, required, excluded []string) error {
	if tag, both := shared(required, excluded); both {
		return model.Invalidf(op, path+"excluded_tags", "the tag %q is required and excluded at once", tag)
	}
	return nil
}

func shared(a, b []string) (string, bool) {
	for _, tag := range a {
		if slices.Contains(b, tag) {
			return tag, true
		}
	}
	return "", false
}

func checkMoney(op, param string, m *model.Money) error {
	if m != nil && *m < 0 {
		return model.Invalidf(op, param, "want 0 or more dollars, got %s", *m)
	}
	return nil
}

func checkLatency(op, param string, ms *float64) error {
	if ms != nil && !(*ms > 0 && *ms <= math.MaxFloat64) {
		return model.Invalidf(op, param, "want a number of milliseconds above 0, got %v", *ms)
	}
	return nil
}

func checkQuality(op, param string, q *float64) error {
	if q != nil && !(*q >= 0 && *q <= 1) {
		return model.Invalidf(op, param, "want a number from 0 to 1, got %v", *q)
	}
	return nil
}
