package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// Registry is the part of *registry.Registry that the gateway speaks to.
type Registry interface {
	Snapshot() *registry.Snapshot
	// Search: KindInvalid, KindNotFound, KindConflict.
	Search(ctx context.Context, q registry.Query) (registry.Result, error)
	// History: KindNotFound.
	History(ctx context.Context, id model.ModelID) ([]registry.Version, error)
	// Import: KindInvalid, KindTooLarge, KindConflict.
	Import(ctx context.Context, format, name string, data []byte, o registry.ImportOptions) (registry.Report, error)
	// Retire: KindNotFound.
	Retire(ctx context.Context, id model.ModelID, actor string) (registry.Diff, error)
}

// maxHits is the most records that one search returns: more than any registry holds.
const maxHits = 100_000

// searchModels serves GET /api/v1/models.
func (g *Gateway) searchModels(x *exchange) {
	q := x.query()
	search := registry.Query{
		Text: q.text("q"), Similar: q.text("similar"), SimilarTo: q.text("similar_to"),
		Filters: q.list("filter"), Limit: q.number("limit", 1, maxHits),
	}
	if g.cfg.Embeddings.Model != "" {
		search.Embedder = likeness{x: x}
	}
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	result, err := g.cfg.Registry.Search(x.r.Context(), search)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	result.Hits = orEmpty(result.Hits)
	x.writeJSON(result)
}

// The last segments of a path under /api/v1/models/ that are not part of an id.
const (
	verbHistory = "history"
	verbRetire  = "retire"
)

// modelPath splits the rest of the path into the id of a record and a verb.
// Ids hold slashes: they may stand as they are, or encoded as %2F where an id
// itself ends like a verb.
func (x *exchange) modelPath() (id model.ModelID, verb string, err *model.Error) {
	rest, ok := strings.CutPrefix(x.r.URL.EscapedPath(), x.route.path)
	if i := strings.LastIndexByte(rest, '/'); i > 0 && (rest[i+1:] == verbHistory || rest[i+1:] == verbRetire) {
		rest, verb = rest[:i], rest[i+1:]
	}
	name, uerr := url.PathUnescape(rest)
	if !ok || uerr != nil {
		return "", "", errNoPath
	}
	return model.ModelID(name), verb, nil
}

// record is a model as the API shows it.
type record struct {
	*model.Model
	Endpoints []model.EndpointID `json:"endpoints"` // that serve it
}

// getModel serves GET /api/v1/models/{id} and …/{id}/history.
func (g *Gateway) getModel(x *exchange) {
	id, verb, err := x.modelPath()
	switch {
	case err != nil:
		x.fail(err)
	case verb == verbHistory:
		g.getHistory(x, id)
	case verb == verbRetire:
		x.fail(methodNotAllowed(http.MethodPost))
	default:
		g.getRecord(x, id)
	}
}

func (g *Gateway) getRecord(x *exchange, id model.ModelID) {
	snap := g.cfg.Registry.Snapshot()
	match, err := snap.Resolve(string(id))
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	rec := record{Endpoints: []model.EndpointID{}}
	for _, i := range match.Served {
		rec.Endpoints = append(rec.Endpoints, snap.Served[i].ID)
	}
	m, ok := snap.Model(id)
	switch {
	case ok:
		rec.Model = m
	case len(match.Served) > 0: // the name of an endpoint, a canonical id or an alias
		rec.Model = snap.Served[match.Served[0]].Model
	default:
		x.fail(&model.Error{
			Op: "gateway.getRecord", Kind: model.KindNotFound, Param: "model",
			Message: "names weights of several records; see GET /api/v1/models?q=" + url.QueryEscape(string(id)),
		})
		return
	}
	x.writeJSON(rec)
}

func (g *Gateway) getHistory(x *exchange, id model.ModelID) {
	versions, err := g.cfg.Registry.History(x.r.Context(), id)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(map[string]any{"model_id": id, "versions": orEmpty(versions)})
}

// postModel serves POST /api/v1/models/{id}/retire.
func (g *Gateway) postModel(x *exchange) {
	id, verb, err := x.modelPath()
	if err != nil {
		x.fail(err)
		return
	}
	if verb != verbRetire {
		x.fail(methodNotAllowed("GET, HEAD"))
		return
	}
	diff, rerr := g.cfg.Registry.Retire(x.r.Context(), id, x.actor())
	if rerr != nil {
		x.fail(model.AsError(rerr))
		return
	}
	x.writeJSON(diff)
}

// actor is who a change is recorded for: whom the key speaks for. Only a caller
// that no key names may say it itself.
func (x *exchange) actor() string {
	if named := x.who.Speaker(); named != "" {
		return named
	}
	if user := x.r.Header.Get(headerPrefix + "User"); len(user) <= maxContextBytes {
		return user
	}
	return ""
}

// formatOwn is the registry's name for files of complete records.
const formatOwn = "cartrita"

// upsertModels serves POST /api/v1/models: complete records, one or an array
// of them, all written or none.
func (g *Gateway) upsertModels(x *exchange) {
	q := x.query()
	o := registry.ImportOptions{Actor: x.actor(), DryRun: q.flag("dry_run"), Strict: true, Edit: true}
	g.importBody(x, q, formatOwn, "body", o)
}

// importModels serves POST /api/v1/models/import: the body is the file.
func (g *Gateway) importModels(x *exchange) {
	q := x.query()
	format, name := q.text("format"), q.text("name")
	if format == "" {
		format = "auto"
	}
	o := registry.ImportOptions{Actor: x.actor(), DryRun: q.flag("dry_run"), Strict: q.flag("strict")}
	g.importBody(x, q, format, name, o)
}

func (g *Gateway) importBody(x *exchange, q *query, format, name string, o registry.ImportOptions) {
	defer x.releaseBody()
	err := q.done()
	var data []byte
	if err == nil {
		data, err = x.readBody()
	}
	if err != nil {
		x.fail(err)
		return
	}
	report, ierr := g.cfg.Registry.Import(x.r.Context(), format, name, data, o)
	if ierr != nil {
		x.fail(model.AsError(ierr))
		return
	}
	x.writeJSON(report)
}
