package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A rule about a budget that is not in the file may be about one that is made over
// the API: that is said, and no error.
func TestARuleAboutNoBudget(t *testing.T) {
	l, err := Parse("test.yaml", []byte(`
budgets: [{name: teams, period: monthly, limit_usd: 5}]
alerts:
  rules:
    - {name: a, type: budget_threshold, threshold: 0.9, scope: {budget: teams}}
    - {name: b, type: burn_rate, threshold: 3, scope: {budget: team}}
    - {name: c, type: cost_threshold, threshold: 3}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Problem{{
		Source: "test.yaml", Line: 6, Column: 56, Path: "alerts.rules[1].scope.budget",
		Message: `"team" is no budget of the configuration: until one of the name is made over the API, the rule watches nothing; did you mean teams?`,
	}}
	if diff := cmp.Diff(want, l.Warnings, cmp.AllowUnexported(Problem{})); diff != "" {
		t.Errorf("warnings: %s", diff)
	}
}

func TestAThresholdIsANumber(t *testing.T) {
	for _, text := range []string{".nan", ".inf", "-.inf", "1e999"} {
		_, err := Parse("test.yaml", []byte("alerts: {rules: [{name: a, type: error_rate, threshold: "+text+"}]}"))
		if ps := Problems(err); len(ps) != 1 || ps[0].Path != "alerts.rules[0].threshold" {
			t.Errorf("%s: %v", text, err)
		}
	}
}
