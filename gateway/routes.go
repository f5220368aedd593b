package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// route is one path, or all paths below one, with what serves it.
type route struct {
	path    string // for metrics; with a trailing slash it stands for everything below
	methods map[string]func(*exchange)
	allow   string
	open    bool      // served without a key and from any host
	openAI  bool      // errors use OpenAI's own codes
	reads   key.Right // what GET wants of a key's role
	writes  key.Right // what POST wants
	deletes key.Right // what DELETE wants
	metrics *routeMetrics
}

// routes finds the route of a request without pattern matching: most requests
// are for a handful of fixed paths.
type routes struct {
	exact  map[string]*route
	below  []*route // for paths that begin with theirs
	absent *route   // what unknown paths are counted under
}

func (g *Gateway) routeTable() routes {
	t := routes{exact: map[string]*route{}, absent: &route{path: "other"}}
	t.absent.metrics = g.metrics.forRoute(t.absent.path)
	add := func(path string, methods map[string]func(*exchange)) *route {
		rt := &route{path: path, methods: methods, allow: allowed(methods), metrics: g.metrics.forRoute(path)}
		rt.openAI = strings.HasPrefix(path, "/v1/")
		if rt.reads, rt.writes = key.Read, key.Write; rt.openAI {
			rt.reads, rt.writes = key.Ask, key.Infer
		}
		if strings.HasSuffix(path, "/") && path != "/" {
			t.below = append(t.below, rt)
		} else {
			t.exact[path] = rt
		}
		return rt
	}
	get := func(f func(*exchange)) map[string]func(*exchange) {
		return map[string]func(*exchange){http.MethodGet: f, http.MethodHead: f}
	}
	post := func(f func(*exchange)) map[string]func(*exchange) {
		return map[string]func(*exchange){http.MethodPost: f}
	}
	both := func(read, write func(*exchange)) map[string]func(*exchange) {
		m := get(read)
		m[http.MethodPost] = write
		return m
	}

	add("/v1/chat/completions", post(g.serveCall(parseChat)))
	add("/v1/completions", post(g.serveCall(parseCompletion)))
	add("/v1/embeddings", post(g.serveCall(parseEmbeddings)))
	add("/v1/models", get(g.listOpenAIModels))
	add("/v1/models/", get(g.getOpenAIModel))

	add("/api/v1/select", post(g.selectModel)).wants(key.Ask, key.Ask)
	add("/api/v1/estimate", post(g.estimate)).wants(key.Ask, key.Ask)
	add("/api/v1/estimate/batch", post(g.estimateBatch)).wants(key.Ask, key.Ask)
	add("/api/v1/estimate/calibration", get(g.getCalibration))
	add("/api/v1/models", both(g.searchModels, g.upsertModels))
	add("/api/v1/models/import", post(g.importModels))
	add("/api/v1/models/", both(g.getModel, g.postModel))
	add("/api/v1/endpoints", get(g.listEndpoints))
	add("/api/v1/strategies", get(g.listStrategies))
	add("/api/v1/events", get(g.listEvents))
	add("/api/v1/events/stream", get(g.streamEvents))
	add("/api/v1/decisions/", get(g.getDecision))
	add("/api/v1/costs", get(g.sumCosts))
	g.addBudgetRoutes(add)
	g.addLimitRoutes(add)
	g.addReplayRoutes(add)
	g.addKeyRoutes(add)
	g.addConfigRoutes(add)
	g.addClusterRoutes(add)
	g.addAlertRoutes(add)
	g.addAuditRoutes(add)
	add("/api/v1/schema/", get(g.getSchema))
	add("/api/v1/version", get(g.getVersion)).wants(key.Ask, key.Ask)

	add("/", get(g.index)).wants(key.Ask, key.Ask)
	add("/metrics", get(g.exposeMetrics))
	add("/healthz", get(g.healthz)).open = true
	add("/readyz", get(g.readyz)).open = true
	return t
}

// wants sets what GET and POST want of a key's role, where that is not what most
// paths want: reading and writing, under /v1 asking and calling.
func (rt *route) wants(reads, writes key.Right) { rt.reads, rt.writes = reads, writes }

func allowed(methods map[string]func(*exchange)) string {
	var names []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		if methods[m] != nil {
			names = append(names, m)
		}
	}
	return strings.Join(names, ", ")
}

// find returns the route of a request. The route is set even when the method
// is refused; for an unknown path it is the one that those are counted under.
func (t *routes) find(r *http.Request) (*route, *model.Error) {
	rt := t.exact[r.URL.Path]
	if rt == nil {
		rt = t.prefixed(r.URL.Path)
	}
	if rt == nil {
		return t.absent, errNoPath
	}
	if rt.methods[r.Method] == nil {
		return rt, methodNotAllowed(rt.allow)
	}
	return rt, nil
}

var errNoPath = model.Errorf("gateway.route", model.KindNotFound, "no such path; GET / lists what is served")

func methodNotAllowed(allow string) *model.Error {
	return &model.Error{
		Op: "gateway.route", Kind: model.KindInvalid,
		Message: "the path takes " + allow + " only", Err: &methodError{allow},
	}
}

func (t *routes) prefixed(path string) *route {
	for _, rt := range t.below {
		if len(path) > len(rt.path) && strings.HasPrefix(path, rt.path) {
			return rt
		}
	}
	return nil
}

// rest is what follows the route's path: the id of the thing asked for.
func (x *exchange) rest() string { return x.r.URL.Path[len(x.route.path):] }

func (rt *route) serve(x *exchange) { rt.methods[x.r.Method](x) }

// paths lists what is served, sorted.
func (t *routes) paths() []string {
	var out []string
	for path := range t.exact {
		out = append(out, path)
	}
	for _, rt := range t.below {
		out = append(out, rt.path+"{id}")
	}
	slices.Sort(out)
	return out
}
