package main

import (
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/anthropic"
	"github.com/cartrita/cartrita/provider/huggingface"
	"github.com/cartrita/cartrita/provider/openai"
	"github.com/cartrita/cartrita/provider/upstream"
	"github.com/cartrita/cartrita/registry/catalogue"
)

// fleet is every model server that is known: what the configuration names,
// what the environment has keys for, and what was found running.
type fleet struct {
	endpoints []model.Endpoint
	places    []string // parallel to endpoints: path in the configuration, "" for found ones
	inline    []model.Model
	records   []string                   // parallel to inline
	providers map[string]config.Provider // by name, complete
	warnings  []pathProblem              // endpoints that cannot serve yet
}

// found are servers that appeared by themselves, with records of their models.
type found struct {
	provider config.Provider
	records  []model.Model
}

// Addresses of vendors that a provider of another name may use too.
var vendorURLs = map[model.ProviderKind]string{
	model.ProviderAnthropic:   "https://api.anthropic.com",
	model.ProviderHuggingFace: "https://router.huggingface.co/v1",
}

// newFleet puts the fleet together. Problems are returned by their path in the
// configuration.
func newFleet(c *config.Config, cat *catalogue.Catalogue, secrets *config.Secrets, env func(string) string, others []found) (*fleet, []pathProblem) {
	f := &fleet{providers: map[string]config.Provider{}}
	var problems []pathProblem
	for i := range c.Models {
		f.describe(c.Models[i], fmt.Sprintf("models[%d]", i))
	}
	for i := range c.Providers {
		problems = append(problems, f.configured(c.Providers[i], fmt.Sprintf("providers[%d]", i), cat, secrets)...)
	}
	for _, o := range others {
		if _, taken := f.providers[o.provider.Name]; taken {
			continue // the configuration says what that name means
		}
		for _, m := range o.records {
			f.describe(m, "")
		}
		f.configured(o.provider, "", cat, secrets)
	}
	if c.Discovery.Env {
		f.discovered(cat.Discover(env))
	}
	return f, problems
}

// pathProblem is a problem by its path in the configuration.
type pathProblem struct{ path, message string }

func (f *fleet) describe(m model.Model, at string) {
	f.inline, f.records = append(f.inline, m), append(f.records, at)
}

// configured adds one provider with its endpoints. What the configuration
// leaves out comes from the catalogue's provider of the same name.
func (f *fleet) configured(p config.Provider, at string, cat *catalogue.Catalogue, secrets *config.Secrets) []pathProblem {
	known := catalogueProvider(cat, p.Name)
	if p.APIKey == "" && p.BaseURL == "" && known.KeyVar != "" && !hasSecret(p.Headers) {
		p.APIKey = config.Ref("env:" + known.KeyVar)
	}
	if p.Kind == "" {
		p.Kind = orDefault(known.Kind, model.ProviderOpenAI)
	}
	if p.BaseURL == "" {
		p.BaseURL = orDefault(known.URL, vendorURLs[p.Kind])
	}
	var problems []pathProblem
	if p.BaseURL == "" {
		problems = append(problems, pathProblem{at + ".base_url", fmt.Sprintf("is missing, and the catalogue knows no address of a provider named %q", p.Name)})
	}
	listed := p.Endpoints
	if len(listed) == 0 {
		if listed = catalogueEndpoints(cat, p.Name); len(listed) == 0 {
			problems = append(problems, pathProblem{at + ".endpoints", fmt.Sprintf("is missing, and the catalogue lists no models of a provider named %q", p.Name)})
		}
	}
	_, err := secrets.Resolve(string(p.APIKey))
	for j, e := range listed {
		place := at + ".endpoints"
		if len(p.Endpoints) > 0 {
			place = fmt.Sprintf("%s[%d]", place, j)
		}
		f.endpoint(p, e, place, err == nil)
	}
	if err != nil {
		f.warnings = append(f.warnings, pathProblem{at + ".api_key", fmt.Sprintf("%s; until then %s of %s cannot be used",
			model.AsError(err).Message, plural(len(listed), "endpoint"), p.Name)})
	}
	p.Endpoints = nil
	f.providers[p.Name] = p
	return problems
}

func (f *fleet) endpoint(p config.Provider, e config.Endpoint, at string, ready bool) {
	ep := model.Endpoint{
		Provider: p.Name, Kind: p.Kind, BaseURL: p.BaseURL, Credential: string(p.APIKey), Ready: ready,
		Model: e.Model, Upstream: e.Upstream, Hardware: e.Hardware, Pricing: e.Pricing,
		Tags: append(append([]string(nil), p.Tags...), e.Tags...), MaxConcurrency: orDefault(e.MaxConcurrency, p.MaxConcurrency),
	}
	f.endpoints, f.places = append(f.endpoints, ep), append(f.places, at)
	if e.Describe == nil {
		return
	}
	m := *e.Describe
	m.ID = e.Model
	m.Provider = orDefault(m.Provider, p.Name)
	m.Upstream = orDefault(m.Upstream, e.Upstream)
	m.Source = orDefault(m.Source, "configuration")
	if len(m.Tasks) == 0 {
		m.Tasks = []model.Task{model.TaskTextGeneration, model.TaskChat}
	}
	f.describe(m, at+".describe")
}

// discovered adds endpoints for keys in the environment, except of providers
// that are there already: what the configuration says of a name holds.
func (f *fleet) discovered(endpoints []model.Endpoint) {
	taken := maps.Clone(f.providers)
	for _, ep := range endpoints {
		if _, ok := taken[ep.Provider]; ok {
			continue
		}
		f.providers[ep.Provider] = config.Provider{Name: ep.Provider, Kind: ep.Kind, BaseURL: ep.BaseURL, APIKey: config.Ref(ep.Credential)}
		f.endpoints, f.places = append(f.endpoints, ep), append(f.places, "")
	}
}

func catalogueProvider(cat *catalogue.Catalogue, name string) catalogue.Provider {
	for _, p := range cat.Providers {
		if p.ID == name {
			return p
		}
	}
	return catalogue.Provider{}
}

func catalogueEndpoints(cat *catalogue.Catalogue, name string) (out []config.Endpoint) {
	for _, m := range cat.Models {
		if m.Provider == name {
			out = append(out, config.Endpoint{Model: m.ID, Upstream: m.Upstream})
		}
	}
	return out
}

// hasSecret reports whether a header brings the credential.
func hasSecret(headers map[string]string) bool {
	for _, v := range headers {
		if strings.HasPrefix(v, "env:") || strings.HasPrefix(v, "file:") {
			return true
		}
	}
	return false
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// clients are the provider clients in use by the name of the provider, with
// what they were made from: a reload keeps the connections of providers that
// did not change.
type clients map[string]madeClient

type madeClient struct {
	from    config.Provider
	headers map[string]string // resolved
	client  provider.Client
}

// update returns a client for every provider of the fleet.
func (c clients) update(f *fleet, secrets *config.Secrets) (clients, error) {
	next := make(clients, len(f.providers))
	for name, p := range f.providers {
		headers, err := resolveHeaders(p.Headers, secrets)
		if err != nil {
			return nil, err
		}
		made, ok := c[name]
		if !ok || !reflect.DeepEqual(made.from, p) || !reflect.DeepEqual(made.headers, headers) {
			made = madeClient{from: p, headers: headers}
			if made.client, err = newClient(p, headers, secrets.Resolve); err != nil {
				return nil, err
			}
		}
		next[name] = made
	}
	return next, nil
}

// with returns the clients of next and those of c that next does not have.
func (c clients) with(next clients) clients {
	out := maps.Clone(next)
	for name, made := range c {
		if _, ok := out[name]; !ok {
			out[name] = made
		}
	}
	return out
}

func (c clients) byName() map[string]provider.Client {
	out := make(map[string]provider.Client, len(c))
	for name, made := range c {
		out[name] = made.client
	}
	return out
}

func resolveHeaders(h map[string]string, secrets *config.Secrets) (map[string]string, error) {
	out := make(map[string]string, len(h))
	for name, value := range h {
		v, err := secrets.Literal(value)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// newClient makes the client for a provider's dialect.
func newClient(p config.Provider, headers map[string]string, credentials provider.Credentials) (provider.Client, error) {
	cfg := upstream.Config{
		Credentials: credentials, Headers: headers,
		ConnectTimeout: p.Timeouts.Connect.Std(), FirstTimeout: p.Timeouts.First.Std(),
		IdleTimeout: p.Timeouts.Idle.Std(), UnaryTimeout: p.Timeouts.Whole.Std(),
	}
	switch p.Kind {
	case model.ProviderAnthropic:
		return anthropic.New(anthropic.Config{Config: cfg})
	case model.ProviderHuggingFace:
		return huggingface.New(huggingface.Config{Config: cfg})
	case model.ProviderOpenAI:
		return openai.New(openai.Config{Config: cfg})
	}
	return nil, model.Invalidf("cartrita", "kind", "no client speaks %q", p.Kind)
}
