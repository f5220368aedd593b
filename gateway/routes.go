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
	add("/v1/chat/completions", writes(g.serveCall(parseChat)))
	add("/v1/completions", writes(g.serveCall(parseCompletion)))
	add("/v1/embeddings", writes(g.serveCall(parseEmbeddings)))
	add("/v1/models", reads(g.listOpenAIModels))
	add("/v1/models/", reads(g.getOpenAIModel))

	add("/api/v1/select", writes(g.selectModel)).wants(key.Ask, key.Ask)
	add("/api/v1/estimate", writes(g.estimate)).wants(key.Ask, key.Ask)
	add("/api/v1/estimate/batch", writes(g.estimateBatch)).wants(key.Ask, key.Ask)
	add("/api/v1/estimate/calibration", reads(g.getCalibration))
	add("/api/v1/models", both(g.searchModels, g.upsertModels))
	add("/api/v1/models/import", writes(g.importModels))
	add("/api/v1/models/", both(g.getModel, g.postModel))
	add("/api/v1/endpoints", reads(g.listEndpoints))
	add("/api/v1/strategies", reads(g.listStrategies))
	add("/api/v1/events", reads(g.listEvents))
	add("/api/v1/events/stream", reads(g.streamEvents))
	add("/api/v1/decisions/", reads(g.getDecision))
	add("/api/v1/costs", reads(g.sumCosts))
	if g.cfg.Prompts != nil {
		add("/api/v1/calls/similar", writes(g.findSimilarCalls)).wants(key.Read, key.Read)
	}
	g.addBudgetRoutes(add)
	g.addLimitRoutes(add)
	g.addReplayRoutes(add)
	g.addKeyRoutes(add)
	g.addConfigRoutes(add)
	g.addClusterRoutes(add)
	g.addAlertRoutes(add)
	g.addAuditRoutes(add)
	add("/api/v1/schema/", reads(g.getSchema))
	add("/api/v1/version", reads(g.getVersion)).wants(key.Ask, key.Ask)

	add("/", reads(g.index)).wants(key.Ask, key.Ask)
	add("/metrics", reads(g.exposeMetrics))
	add("/healthz", reads(g.healthz)).open = true
	add("/readyz", reads(g.readyz)).open = true
	return t
}

// reads serves GET and HEAD, writes POST, both all three.
func reads(f func(*exchange)) map[string]func(*exchange) {
	return map[string]func(*exchange){http.MethodGet: f, http.MethodHead: f}
}

func writes(f func(*exchange)) map[string]func(*exchange) {
	return map[string]func(*exchange){http.MethodPost: f}
}

func both(read, write func(*exchange)) map[string]func(*exchange) {
	m := reads(read)
	m[http.MethodPost] = write
	return m
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
