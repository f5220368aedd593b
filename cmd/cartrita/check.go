package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/registry/schema"
)

// check finds out whether a configuration could be put in force: models exist,
// addresses are complete, strategies are valid, secrets can be read. It opens
// the store if there is one, since endpoints may refer to stored records and
// lies over the configuration that is shared there, and adds to l's warnings.
func (a *app) check(l *config.Loaded) error {
	if l.Store == config.StoreMemory || l.Store == config.StoreSQLite && !fileExists(storePath(&l.Config)) {
		return a.checkWith(l, nil)
	}
	s, err := openStore(a.ctx, &l.Config, a.secrets(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // nothing was written
	latest, err := latestConfig(a.ctx, s)
	if err != nil {
		return err
	}
	whole, err := l.WithShared(shared(latest))
	if err == nil {
		err = a.checkWith(whole, s)
		l.Warnings = whole.Warnings
	}
	return err
}

// checkWith checks a configuration over the records of a store, nil for none.
func (a *app) checkWith(l *config.Loaded, s registry.Store) error {
	if _, err := newStrategies(&l.Router); err != nil {
		return err
	}
	if err := checkBudgets(l); err != nil {
		return err
	}
	if err := checkRateLimits(l); err != nil {
		return err
	}
	if err := checkSinks(l); err != nil {
		return err
	}
	secrets := a.secrets()
	if _, err := alertSettings(l, secrets); err != nil {
		return err
	}
	reg := registry.New(registry.Config{Store: s})
	if err := reg.Load(a.ctx); err != nil {
		return err
	}
	f, problems := newFleet(&l.Config, reg.Catalogue(), secrets, a.getenv, nil)
	problems = append(problems, unreadable(&l.Config, secrets)...)
	if err := l.Refuse(toProblems(problems)); err != nil {
		return err
	}
	if err := reg.SetEndpoints(f.endpoints, f.inline); err != nil {
		return placed(l, f, err)
	}
	l.Warnings = append(l.Warnings, l.Locate(toProblems(append(f.warnings, aimless(&l.Alerts, reg.Snapshot())...)))...)
	return nil
}

// unreadable lists the secrets without which serve does not start.
func unreadable(c *config.Config, secrets *config.Secrets) (problems []pathProblem) {
	for i, k := range c.APIKeys {
		if _, err := apiKey(i, k, secrets); err != nil {
			problems = append(problems, pathProblem{fmt.Sprintf("api_keys[%d].key", i), model.AsError(err).Message})
		}
	}
	if c.Keys.Secret != "" {
		if _, err := configuredKeySecret(c, secrets); err != nil {
			problems = append(problems, pathProblem{"keys.secret", model.AsError(err).Message})
		}
	}
	if _, err := newRedis(context.Background(), c, nil, secrets, nil); err != nil {
		problems = append(problems, pathProblem{"redis", model.AsError(err).Message})
	}
	for i, p := range c.Providers {
		if _, err := resolveHeaders(p.Headers, secrets); err != nil {
			problems = append(problems, pathProblem{fmt.Sprintf("providers[%d].headers", i), model.AsError(err).Message})
		}
	}
	return problems
}

func toProblems(list []pathProblem) []config.Problem {
	var out []config.Problem
	for _, p := range list {
		out = append(out, config.Problem{Path: p.path, Message: p.message})
	}
	return out
}

// placed translates what the registry refuses, by its own numbering, into
// problems of the configuration with their lines.
func placed(l *config.Loaded, f *fleet, err error) error {
	raw, jerr := json.Marshal(model.AsError(err).Details)
	var details struct {
		Problems []schema.Problem `json:"problems"`
	}
	if jerr != nil || json.Unmarshal(raw, &details) != nil || len(details.Problems) == 0 {
		return err
	}
	var out []config.Problem
	for _, p := range details.Problems {
		path := translate(p.Path, "endpoints", f.places)
		path = translate(path, "models", f.records)
		out = append(out, config.Problem{Path: endpointFields.Replace(path), Message: p.Message})
	}
	return l.Refuse(out)
}

// endpointFields maps the registry's names of an endpoint's fields to ours.
var endpointFields = strings.NewReplacer("].model_id", "].model", "].endpoint_id", "].upstream", "].cost_profile", "].pricing")

// translate replaces "list[3]" at the start of a path by the third place.
func translate(path, list string, places []string) string {
	rest, ok := strings.CutPrefix(path, list+"[")
	if !ok {
		return path
	}
	num, rest, _ := strings.Cut(rest, "]")
	i := 0
	for _, c := range num {
		i = i*10 + int(c-'0')
	}
	if i >= len(places) || places[i] == "" {
		return path
	}
	return places[i] + rest
}
