package config

import (
	"fmt"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/cartrita/cartrita/model"
)

func (v *validator) providers() {
	names, ids := map[string]bool{}, map[string]bool{}
	for i := range v.c.Providers {
		p, at := &v.c.Providers[i], fmt.Sprintf("providers[%d]", i)
		v.name(at+".name", p.Name, names)
		if p.Kind != "" {
			v.oneOf(at+".kind", string(p.Kind), string(model.ProviderOpenAI), string(model.ProviderAnthropic), string(model.ProviderHuggingFace))
		}
		if p.BaseURL != "" {
			v.url(at+".base_url", p.BaseURL)
			v.plaintext(at+".base_url", p)
		}
		v.headers(at+".headers", p.Headers)
		v.tags(at+".tags", p.Tags)
		v.atLeast(at+".max_concurrency", int64(p.MaxConcurrency), 0, "0")
		for j := range p.Endpoints {
			v.endpoint(fmt.Sprintf("%s.endpoints[%d]", at, j), p, &p.Endpoints[j], ids)
		}
	}
}

// plaintext warns of a credential that would cross a network in clear.
func (v *validator) plaintext(path string, p *Provider) {
	u, err := url.Parse(p.BaseURL)
	if err == nil && u.Scheme == "http" && p.APIKey != "" && !Loopback(u.Hostname()) {
		v.warn(path, "the credential is sent to %s without encryption; use https if the network is not yours", u.Host)
	}
}

func (v *validator) endpoint(at string, p *Provider, e *Endpoint, ids map[string]bool) {
	v.modelID(at+".model", e.Model)
	if strings.ContainsAny(e.Upstream, "\r\n") {
		v.problem(at+".upstream", "want a name on one line")
	}
	if name := e.Upstream; name != "" {
		id := p.Name + "/" + name
		if ids[id] {
			v.problem(at+".upstream", "provider %s already serves %q; one endpoint for each upstream name", p.Name, name)
		}
		ids[id] = true
	}
	v.pricing(at+".pricing", e.Pricing)
	v.tags(at+".tags", e.Tags)
	v.atLeast(at+".max_concurrency", int64(e.MaxConcurrency), 0, "0")
	if d := e.Describe; d != nil {
		if d.ID != "" && d.ID != e.Model && v.read(at+".model") {
			v.problem(at+".describe.model_id", "%q: want the endpoint's model, %q, or nothing", d.ID, e.Model)
		}
		v.pricing(at+".describe.cost_profile", d.Pricing)
	}
}

// Headers that the gateway sets itself.
var ownHeaders = []string{"Connection", "Content-Length", "Content-Type", "Host", "Transfer-Encoding"}

// Headers whose value is a credential.
var secretHeaders = []string{"Api-Key", "Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key"}

func (v *validator) headers(path string, h map[string]string) {
	for _, name := range sortedKeys(h) {
		at, value := join(path, name), h[name]
		key := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			v.problem(at, "%q: want the name of an HTTP header", name)
		case slices.Contains(ownHeaders, key):
			v.problem(at, "the gateway sets %s itself", key)
		case isRef(value):
			if err := checkRef(value); err != nil {
				v.problem(at, "%s", err)
			}
		case slices.Contains(secretHeaders, key):
			v.problem(at, "%s", checkRef(""))
		case !httpguts.ValidHeaderFieldValue(value):
			v.problem(at, "want text on one line")
		}
	}
}

func (v *validator) tags(path string, tags []string) {
	for i, t := range tags {
		if t == "" || strings.ContainsAny(t, " ,\t\r\n") {
			v.problem(fmt.Sprintf("%s[%d]", path, i), "%q: want a tag without spaces and commas", t)
		}
	}
}

func (v *validator) pricing(path string, p *model.Pricing) {
	if p == nil {
		return
	}
	for _, found := range p.Problems() {
		v.problem(join(path, found.Path), "%s", found.Message)
	}
	for _, text := range p.Warnings() {
		field, said, _ := strings.Cut(text, ": ")
		v.warn(join(path, field), "%s", said)
	}
}
