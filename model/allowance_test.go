package model

import (
	"slices"
	"testing"
)

func TestAllowanceMatches(t *testing.T) {
	served := []Served{
		{Endpoint: &Endpoint{ID: "openai/gpt-4o", Model: "openai/gpt-4o"}, Model: &Model{ID: "openai/gpt-4o", Canonical: "gpt-4o", Aliases: []string{"4o"}}},
		{Endpoint: &Endpoint{ID: "azure/eu/gpt-4o", Model: "openai/gpt-4o"}, Model: &Model{ID: "openai/gpt-4o", Canonical: "gpt-4o"}},
		{Endpoint: &Endpoint{ID: "anthropic/claude", Model: "anthropic/claude"}, Model: &Model{ID: "anthropic/claude"}},
	}
	for _, c := range []struct {
		models, endpoints []string
		want              []bool
	}{
		{nil, nil, nil},
		{[]string{"openai/*"}, nil, []bool{true, true, false}},
		{[]string{"gpt-4o"}, nil, []bool{true, true, false}},
		{[]string{"4o"}, nil, []bool{true, false, false}},
		{nil, []string{"azure/*"}, []bool{false, true, false}},
		{[]string{"openai/*"}, []string{"openai/*", "anthropic/*"}, []bool{true, false, false}},
		{[]string{"*"}, nil, []bool{true, true, true}},
		{[]string{"open"}, nil, []bool{false, false, false}},
		{[]string{"openai/gpt-?o", "*/claude"}, nil, []bool{true, true, true}},
	} {
		a := &Allowance{Models: c.models, Endpoints: c.endpoints}
		for range 2 { // the second time from memory
			if got := a.Served(served); !slices.Equal(got, c.want) {
				t.Errorf("models %v, endpoints %v: %v, want %v", c.models, c.endpoints, got, c.want)
			}
		}
		if other := slices.Clone(served[2:]); len(c.want) > 0 && !slices.Equal(a.Served(other), c.want[2:]) {
			t.Errorf("models %v, endpoints %v: another snapshot gets the former verdict", c.models, c.endpoints)
		}
	}
	if (*Allowance)(nil).Served(served) != nil {
		t.Error("no allowance forbids something")
	}
}

func TestAllowanceStrategy(t *testing.T) {
	for _, c := range []struct {
		list           []string
		name, use, why string
		ok             bool
	}{
		{nil, "speed-first", "speed-first", "no list", true},
		{[]string{"cost-optimized"}, "speed-first", "speed-first", "outside", false},
		{[]string{"cost-optimized"}, "cost-optimized", "cost-optimized", "inside", true},
		{[]string{"cost-optimized"}, "", "cost-optimized", "the default is outside", true},
		{[]string{"cost-*", "balanced"}, "", "", "the default is inside", true},
		{[]string{"cost-*"}, "", "balanced", "nothing to choose", false},
	} {
		use, ok := (&Allowance{Strategies: c.list}).Strategy(c.name, "balanced")
		if use != c.use || ok != c.ok {
			t.Errorf("%s: %q, %v", c.why, use, ok)
		}
	}
}
