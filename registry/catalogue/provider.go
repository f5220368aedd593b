package catalogue

import (
	"slices"
	"strings"

	"charm.land/catwalk/pkg/catwalk"

	"github.com/cartrita/cartrita/model"
)

// Provider is what is publicly known about a provider.
type Provider struct {
	ID     string             `json:"id"`   // "openrouter"
	Name   string             `json:"name"` // "OpenRouter"
	Kind   model.ProviderKind `json:"kind,omitempty"`
	URL    string             `json:"base_url,omitempty"` // without trailing slash; "" when there is no common one
	KeyVar string             `json:"key_variable,omitempty"`
	// Discoverable says that the key variable belongs to this provider and its
	// dialect is spoken here, so that endpoints may appear by themselves.
	Discoverable bool `json:"discoverable"`
}

// Where catwalk's data name a variable instead of an address, or a dialect
// that is not spoken here while the provider offers another.
var providerURLs = map[string]string{
	"openai":    "https://api.openai.com/v1",
	"anthropic": "https://api.anthropic.com",
	"gemini":    "https://generativelanguage.googleapis.com/v1beta/openai",
}

// Providers that share the key variable of another one of the same company. A
// key is good for one of them and must not be sent to the other.
var sharesKey = []string{"minimax-china", "zhipu-coding", "opencode-go"}

func providerOf(p *catwalk.Provider) Provider {
	id := string(p.ID)
	out := Provider{ID: id, Name: p.Name, Kind: kindOf(id, p.Type), URL: strings.TrimSuffix(p.APIEndpoint, "/")}
	if url, ok := providerURLs[id]; ok {
		out.URL = url
	}
	if strings.HasPrefix(out.URL, "$") {
		out.URL = ""
	}
	if name, ok := strings.CutPrefix(p.APIKey, "$"); ok {
		out.KeyVar = name
	}
	out.Discoverable = out.Kind != "" && out.URL != "" && out.KeyVar != "" && !slices.Contains(sharesKey, id)
	return out
}

// kindOf returns the dialect, "" where none that we speak is offered.
func kindOf(id string, t catwalk.Type) model.ProviderKind {
	switch {
	case id == "huggingface":
		return model.ProviderHuggingFace
	case id == "gemini":
		return model.ProviderOpenAI
	case t == catwalk.TypeAnthropic:
		return model.ProviderAnthropic
	case t == catwalk.TypeOpenAI, t == catwalk.TypeOpenAICompat, t == catwalk.TypeOpenRouter, t == catwalk.TypeVercel:
		return model.ProviderOpenAI
	}
	return ""
}

// Discover returns one endpoint per listing of every discoverable provider
// whose key variable is set. env looks a variable up, as os.Getenv does; the
// endpoints hold the variable's name, never its value. They are sorted by id.
func (c *Catalogue) Discover(env func(string) string) []model.Endpoint {
	var out []model.Endpoint
	for i := range c.Providers {
		p := &c.Providers[i]
		if !p.Discoverable || env(p.KeyVar) == "" {
			continue
		}
		for _, m := range c.byProvider[p.ID] {
			out = append(out, model.Endpoint{
				ID: model.EndpointID(m.ID), Provider: p.ID, Kind: p.Kind, BaseURL: p.URL,
				Credential: "env:" + p.KeyVar, Ready: true, Model: m.ID, Upstream: m.Upstream,
			})
		}
	}
	slices.SortFunc(out, func(a, b model.Endpoint) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}
