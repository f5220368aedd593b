package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/internal/near"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// scopes are the names that rules of alerts can be about, but for callers and
// budgets.
type scopes struct {
	models, endpoints, providers []string // of the endpoints
	records                      []string // models with or without endpoints
}

func (s *scopes) add(model, endpoint, provider string) {
	s.models, s.endpoints, s.providers = append(s.models, model), append(s.endpoints, endpoint), append(s.providers, provider)
}

// scopesOf returns those of a registry.
func scopesOf(snap *registry.Snapshot) *scopes {
	s := &scopes{}
	for i := range snap.Served {
		e := &snap.Served[i]
		s.add(string(e.Model.ID), string(e.ID), e.Provider)
	}
	for _, m := range snap.Models {
		s.records = append(s.records, string(m.ID))
	}
	return s
}

// scopesAt returns those of a gateway that a rule may name.
func scopesAt(ctx context.Context, c *client, r *alert.Rule) (*scopes, error) {
	s := &scopes{}
	if r.Type == alert.BenchmarkDrift {
		doc, err := c.get(ctx, modelPath(r.Scope.Model, ""), nil)
		if err == nil { // it may be found by another name
			s.records = []string{gjson.GetBytes(doc, "model_id").Str}
		} else if model.KindOf(err) != model.KindNotFound {
			return nil, err
		}
		return s, nil
	}
	doc, err := c.get(ctx, "/api/v1/endpoints", nil)
	for _, e := range gjson.GetBytes(doc, "endpoints").Array() {
		s.add(e.Get("model_id").Str, e.Get("endpoint_id").Str, e.Get("provider").Str)
	}
	return s, err
}

// missing says what a rule is about that there is not, by the field.
func (s *scopes) missing(of alert.Type, scope *alert.Scope) (out []pathProblem) {
	served, models := "no endpoint serves the model", s.models
	if of == alert.BenchmarkDrift {
		served, models = "there is no model", s.records
	}
	for _, f := range []struct {
		field, value, what string
		known              []string
	}{
		{"scope.model", scope.Model, served, models},
		{"scope.endpoint", scope.Endpoint, "there is no endpoint", s.endpoints},
		{"scope.provider", scope.Provider, "no endpoint belongs to the provider", s.providers},
	} {
		if f.value != "" && !slices.Contains(f.known, f.value) {
			out = append(out, pathProblem{f.field, fmt.Sprintf("%s %.70q now, so the rule watches nothing%s", f.what, f.value, near.Suggest(f.value, f.known))})
		}
	}
	return out
}

// aimless lists what rules of a configuration are about that there is not.
func aimless(c *config.Alerts, snap *registry.Snapshot) (out []pathProblem) {
	s := scopesOf(snap)
	for i, r := range alertRulesOf(c) {
		for _, p := range s.missing(r.Type, &r.Scope) {
			out = append(out, pathProblem{fmt.Sprintf("alerts.rules[%d].%s", i, p.path), p.message})
		}
	}
	return out
}
