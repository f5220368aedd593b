package budget

import (
	"slices"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/model"
)

func TestScopeCheck(t *testing.T) {
	known := &Known{
		Keys:      []KnownKey{{"k1abcdefgh", "app"}, {"k2abcdefgh", "twice"}, {"k3abcdefgh", "twice"}, {"twice-3", "k1abcdefgh"}},
		Models:    []string{"openai/gpt-4o", "openai/gpt-4o"},
		Providers: []string{"openai", "groq"},
	}
	for _, tc := range []struct {
		scope    Scope
		warnings []string
		refused  string
	}{
		{scope: Scope{}},
		{scope: Scope{Key: Any, Model: Any, Provider: Any}},
		{scope: Scope{Key: "k1abcdefgh", Model: "openai/gpt-4o", Provider: "openai", User: "whoever", Team: "a", Tag: "x"}},
		{scope: Scope{Key: "app"}, refused: `scope.key: is the name of a key: want its id, "k1abcdefgh"`},
		{scope: Scope{Key: "twice"}, refused: `"k2abcdefgh" or "k3abcdefgh"`},
		{scope: Scope{Key: "nobody"}, warnings: []string{`scope.key: no key has the id "nobody" now, so nothing counts against the budget`}},
		{scope: Scope{Provider: "opnai"}, warnings: []string{`scope.provider: no endpoint belongs to the provider "opnai" now, so nothing counts against the budget: did you mean "openai"?`}},
		{
			scope: Scope{Key: "k2abcdefg", Model: "gpt-4o"},
			warnings: []string{
				`scope.key: no key has the id "k2abcdefg" now, so nothing counts against the budget: did you mean "k2abcdefgh" or "k1abcdefgh" or "k3abcdefgh"?`,
				`scope.model: no endpoint serves the model "gpt-4o" now, so nothing counts against the budget: did you mean "openai/gpt-4o"?`,
			},
		},
	} {
		warnings, err := tc.scope.Check(known)
		if tc.refused != "" {
			if e := model.AsError(err); err == nil || e.Param != "scope.key" || !strings.Contains(e.Param+": "+e.Message, tc.refused) {
				t.Errorf("%s: %v, want %s", tc.scope, err, tc.refused)
			}
			continue
		}
		if err != nil || !slices.Equal(warnings, tc.warnings) {
			t.Errorf("%s: %q, %v; want %q", tc.scope, warnings, err, tc.warnings)
		}
	}
}
