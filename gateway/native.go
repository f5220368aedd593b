package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
)

// readCriteria reads the body of a decision without a call. Headers and the
// name of the API key complete it, as they do for calls.
func (x *exchange) readCriteria() (c model.Criteria, err *model.Error) {
	defer x.releaseBody()
	body, err := x.readBody()
	if err == nil {
		err = x.g.criteria.Decode(body, &c)
	}
	if err == nil {
		err = x.complete(&c)
	}
	return c, err
}

// complete adds to criteria what headers and the API key say.
func (x *exchange) complete(c *model.Criteria) *model.Error {
	c.Caller, c.Allow = &x.who.Caller, x.who.Allow
	err := fromHeaders(c, x.r.Header)
	if err == nil {
		err = x.g.identify(x.who, &c.Context)
	}
	if err == nil {
		err = checkKept(c)
	}
	return err
}

// selectModel serves POST /api/v1/select.
func (g *Gateway) selectModel(x *exchange) {
	c, err := x.readCriteria()
	if err != nil {
		x.fail(err)
		return
	}
	if err := x.takeLimits("", limit.Tokens{}); err != nil {
		x.fail(err)
		return
	}
	defer x.giveLimits()
	selection, serr := g.cfg.Service.Select(x.r.Context(), c)
	if serr != nil {
		x.fail(model.AsError(serr))
		return
	}
	x.writeJSON(selection)
}

// listEndpoints serves GET /api/v1/endpoints.
func (g *Gateway) listEndpoints(x *exchange) {
	q := x.query()
	name, provider := model.ModelID(q.text("model")), q.text("provider")
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	endpoints := slices.DeleteFunc(slices.Clone(g.cfg.Endpoints()), func(e cartrita.EndpointState) bool {
		return name != "" && e.Model != name || provider != "" && e.Provider != provider
	})
	x.writeJSON(map[string]any{"endpoints": orEmpty(endpoints)})
}

// listStrategies serves GET /api/v1/strategies.
func (g *Gateway) listStrategies(x *exchange) {
	x.writeJSON(map[string]any{"strategies": orEmpty(g.cfg.Strategies())})
}

// getSchema serves GET /api/v1/schema/{name}.
func (g *Gateway) getSchema(x *exchange) {
	name := x.rest()
	schema, ok := g.cfg.Schemas[name]
	if !ok {
		names := make([]string, 0, len(g.cfg.Schemas))
		for n := range g.cfg.Schemas {
			names = append(names, n)
		}
		slices.Sort(names)
		x.fail(model.Errorf("gateway.getSchema", model.KindNotFound, "no schema is named %.40q%s; there are: %s",
			name, strict.Hint(name, names), strings.Join(names, ", ")))
		return
	}
	x.writeBody(http.StatusOK, []string{"application/schema+json"}, schema)
}

// getVersion serves GET /api/v1/version.
func (g *Gateway) getVersion(x *exchange) { x.writeJSON(g.cfg.Version) }

// index serves GET /: what is here, for people who open the address.
func (g *Gateway) index(x *exchange) {
	x.writeJSON(map[string]any{
		"name": "cartrita", "version": g.cfg.Version.Version, "paths": g.routes.paths(),
	})
}

// healthz serves GET /healthz: the process answers.
func (g *Gateway) healthz(x *exchange) { x.writeJSON(map[string]string{"status": "ok"}) }

// readyz serves GET /readyz: calls can be served.
func (g *Gateway) readyz(x *exchange) {
	if err := g.ready(x.r.Context()); err != nil {
		e := *model.AsError(err)
		e.Kind = model.KindUnavailable
		x.fail(&e)
		return
	}
	x.writeJSON(map[string]string{"status": "ready"})
}

// exposeMetrics serves GET /metrics.
func (g *Gateway) exposeMetrics(x *exchange) {
	x.status = http.StatusOK
	g.metrics.handler.ServeHTTP(x.w, x.r)
}

// orEmpty makes a nil slice an empty JSON array.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
