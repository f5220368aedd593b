package route

import (
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

// Strategies is a set of strategies by name: the built-in ones and those of
// the configuration. Immutable.
type Strategies struct{ list []Strategy }

// NewStrategies validates own strategies and adds them to the built-in ones; an
// own strategy replaces the built-in one of its name. def names the default,
// Balanced when empty. Errors are KindInvalid with the path of the field
// ("strategies.<name>.weights.cost").
func NewStrategies(def string, own ...Strategy) (*Strategies, error) { return nil, nil }

// Get returns the strategy of that name, the default for "". An unknown name is
// a KindInvalid error that lists the known ones.
func (s *Strategies) Get(name string) (*Strategy, error) { return nil, nil }

// List returns the strategies, default first, then by name.
func (s *Strategies) List() []Strategy { return s.list }

// BuiltIn returns a fresh copy of the five built-in strategies.
func BuiltIn() []Strategy { return nil }

// Normalise returns the weights of a decision, which sum to 1: the strategy's,
// or those of the caller where it gives any.
func Normalise(s *Strategy, c *model.Criteria) (model.Weights, error) { return model.Weights{}, nil }
