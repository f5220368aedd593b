package budget

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/internal/near"
	"github.com/cartrita/cartrita/model"
)

// Known are the values that calls can have now in those parts of a scope whose
// values are known beforehand.
type Known struct {
	Keys      []KnownKey
	Models    []string // that an endpoint serves
	Providers []string // that have an endpoint
}

// KnownKey is a virtual key that is not revoked.
type KnownKey struct {
	ID   model.KeyID
	Name string
}

// Check finds values that no call has now: a budget of them never counts
// anything. They are warnings, since keys, models and providers come and go.
// Errors: KindInvalid with the field for the name of a key in place of its id.
func (s Scope) Check(known *Known) (warnings []string, err error) {
	if s.Key != "" && s.Key != Any {
		if warnings, err = checkKey(s.Key, known.Keys); err != nil {
			return nil, err
		}
	}
	for _, f := range []struct {
		field, value, what string
		known              []string
	}{
		{"scope.model", s.Model, "no endpoint serves the model", known.Models},
		{"scope.provider", s.Provider, "no endpoint belongs to the provider", known.Providers},
	} {
		if f.value != "" && f.value != Any && !slices.Contains(f.known, f.value) {
			warnings = append(warnings, warning(f.field, f.what, f.value, f.known))
		}
	}
	return warnings, nil
}

func checkKey(value string, keys []KnownKey) ([]string, error) {
	var ids, named []string
	for _, k := range keys {
		ids = append(ids, string(k.ID))
		if k.Name == value {
			named = append(named, fmt.Sprintf("%q", k.ID))
		}
	}
	switch {
	case slices.Contains(ids, value):
		return nil, nil
	case len(named) > 0:
		return nil, model.Invalidf("budget.Check", "scope.key", "is the name of a key: want its id, %s", strings.Join(named, " or "))
	}
	return []string{warning("scope.key", "no key has the id", value, ids)}, nil
}

func warning(field, what, value string, known []string) string {
	return fmt.Sprintf("%s: %s %q now, so nothing counts against the budget%s", field, what, value, near.Suggest(value, known))
}
