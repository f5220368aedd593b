package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

func number(v float64) *float64 { return &v }

func TestRulesAreCompleted(t *testing.T) {
	for _, c := range []struct {
		rule Rule
		want func(r Rule) bool
	}{
		{Rule{Type: ErrorRate}, func(r Rule) bool {
			return r.Operator == Above && r.Window == DefaultWindow && r.MinCalls == DefaultMinCalls && r.Severity == Warning && *r.Enabled && r.By == ""
		}},
		{Rule{Type: Availability}, func(r Rule) bool { return r.Operator == Below && r.By == "endpoint" }},
		{Rule{Type: LatencySpike}, func(r Rule) bool { return r.Metric == "latency_p95" }},
		{Rule{Type: BudgetThreshold}, func(r Rule) bool {
			return r.Operator == AtLeast && r.Window == 0 && r.By == "budget" && r.MinCalls == 0
		}},
		{Rule{Type: BenchmarkDrift}, func(r Rule) bool { return r.Window == model.Duration(7*24*time.Hour) && r.By == "model" }},
		{Rule{Type: CostThreshold, Window: model.Duration(time.Hour), Operator: AtMost}, func(r Rule) bool {
			return r.Window == model.Duration(time.Hour) && r.Operator == AtMost && r.MinCalls == 0
		}},
	} {
		c.rule.Name, c.rule.Threshold = "r", number(0.5)
		if r, err := c.rule.Complete(); err != nil || !c.want(r) {
			t.Errorf("%s: %+v, %v", c.rule.Type, r, err)
		}
	}
}

func TestRulesAreChecked(t *testing.T) {
	for _, c := range []struct {
		param string
		edit  func(r *Rule)
	}{
		{"name", func(r *Rule) { r.Name = "" }},
		{"name", func(r *Rule) { r.Name = "a b" }},
		{"type", func(r *Rule) { r.Type = "nonsense" }},
		{"metric", func(r *Rule) { r.Metric = "latency_p95" }},
		{"metric", func(r *Rule) { r.Type, r.Metric = LatencySpike, "p95" }},
		{"by", func(r *Rule) { r.By = "tag" }},
		{"by", func(r *Rule) { r.Type, r.By = BudgetThreshold, "model" }},
		{"operator", func(r *Rule) { r.Operator = "=" }},
		{"threshold", func(r *Rule) { r.Threshold = nil }},
		{"threshold", func(r *Rule) { r.Threshold = number(-1) }},
		{"threshold", func(r *Rule) { r.Threshold = number(5) }},
		{"threshold", func(r *Rule) { r.Type, r.Threshold = BenchmarkDrift, number(5) }},
		{"threshold", func(r *Rule) { r.Type, r.Threshold = BudgetThreshold, number(90) }},
		{"window", func(r *Rule) { r.Window = model.Duration(time.Second) }},
		{"window", func(r *Rule) { r.Window = model.Duration(25 * time.Hour) }},
		{"window", func(r *Rule) { r.Type, r.Window = SpoolDepth, DefaultWindow }},
		{"for", func(r *Rule) { r.For = -1 }},
		{"for", func(r *Rule) { r.For = MaxFor + 1 }},
		{"resolve_after", func(r *Rule) { r.Clear = -1 }},
		{"repeat", func(r *Rule) { r.Repeat = MaxRepeat + 1 }},
		{"scope.user", func(r *Rule) { r.Scope.User = "a\x00b" }},
		{"scope.team", func(r *Rule) { r.Scope.Team = strings.Repeat("x", maxSubject+1) }},
		{"min_calls", func(r *Rule) { r.MinCalls = -1 }},
		{"min_calls", func(r *Rule) { r.Type, r.MinCalls = CostThreshold, 3 }},
		{"severity", func(r *Rule) { r.Severity = "bad" }},
		{"repeat", func(r *Rule) { r.Repeat = 1 }},
		{"scope.budget", func(r *Rule) { r.Scope.Budget = "b" }},
		{"scope.model", func(r *Rule) { r.Type, r.Scope.Model = BurnRate, "m" }},
		{"scope.provider", func(r *Rule) { r.Type, r.Scope.Provider = BenchmarkDrift, "p" }},
	} {
		r := Rule{Name: "r", Type: ErrorRate, Threshold: number(0.5)}
		c.edit(&r)
		if _, err := r.Complete(); model.KindOf(err) != model.KindInvalid || model.AsError(err).Param != c.param {
			t.Errorf("%s: %v", c.param, err)
		}
	}
}

// What a rule measures names its samples: who is told, and from when on, does not.
func TestVersionsFollowWhatIsMeasured(t *testing.T) {
	base := Rule{Name: "r", Type: ErrorRate, Threshold: number(0.5), Window: DefaultWindow}
	same, other := base, base
	same.Threshold, same.Channels, same.For, same.Severity = number(1), []string{"x"}, 1, Critical
	other.Scope.Model = "m"
	if base.version() != same.version() || base.version() == other.version() {
		t.Errorf("%s, %s, %s", base.version(), same.version(), other.version())
	}
}
