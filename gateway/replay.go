package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// Replays is the part of *cartrita.Service that looks back over many calls.
type Replays interface {
	Replay(ctx context.Context, q cartrita.ReplayQuery) (*cartrita.ReplayReport, error)
	Suggest(ctx context.Context, q cartrita.SuggestQuery) (*cartrita.SuggestReport, error)
	Reprice(ctx context.Context, q cartrita.RepriceQuery) (*cartrita.RepriceReport, error)
}

var (
	decodeChange = strict.For[cartrita.Change]("gateway.replay")
	decodePrices = strict.For[repricing]("gateway.reprice")
)

// repricing is the body of POST /api/v1/costs/reprice.
type repricing struct {
	Prices map[string]*model.Pricing `json:"prices"` // by endpoint or model id
	DryRun bool                      `json:"dry_run"`
}

func (g *Gateway) addReplayRoutes(add func(string, map[string]func(*exchange)) *route) {
	if g.cfg.Replays == nil {
		return
	}
	// Asking in a body what would have been changes nothing: who may read, may.
	add("/api/v1/replay", both(g.replay, g.replay)).wants(key.Read, key.Read)
	add("/api/v1/costs/reprice", map[string]func(*exchange){http.MethodPost: g.reprice}).wants(key.Read, key.Read)
	add("/api/v1/costs/suggest", reads(g.suggest))
}

// reprice serves POST /api/v1/costs/reprice.
func (g *Gateway) reprice(x *exchange) {
	q := x.query()
	query := cartrita.RepriceQuery{
		Since: q.moment("since"), Until: q.moment("until"), User: q.text("user"), Team: q.text("team"), Project: q.text("project"),
	}
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	defer x.releaseBody()
	body, err := x.readBody()
	if err != nil {
		x.fail(err)
		return
	}
	var in repricing
	if err := decodePrices.Decode(body, &in); err != nil {
		x.fail(err)
		return
	}
	if !in.DryRun {
		x.fail(model.Invalidf("gateway.reprice", "dry_run", "is not set: a call keeps the price that held at its time, and records are never rewritten; "+
			"with dry_run true the difference is worked out"))
		return
	}
	query.Prices = in.Prices
	report, rerr := g.cfg.Replays.Reprice(x.r.Context(), query)
	if rerr != nil {
		x.fail(model.AsError(rerr))
		return
	}
	x.writeJSON(report)
}

// suggest serves GET /api/v1/costs/suggest.
func (g *Gateway) suggest(x *exchange) {
	q := x.query()
	query := cartrita.SuggestQuery{Since: q.moment("since"), Until: q.moment("until"), Team: q.text("team"), Project: q.text("project")}
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	report, err := g.cfg.Replays.Suggest(x.r.Context(), query)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(report)
}

// replay serves GET and POST /api/v1/replay. A POST has the change in its body.
func (g *Gateway) replay(x *exchange) {
	query, err := x.replayQuery()
	if err != nil {
		x.fail(err)
		return
	}
	report, rerr := g.cfg.Replays.Replay(x.r.Context(), query)
	if rerr != nil {
		x.fail(changeError(rerr, x.r.Method == http.MethodPost))
		return
	}
	x.writeJSON(report)
}

// changeError names the parameter at fault as the caller wrote it: a body is
// the change, and a query has each model by itself.
func changeError(err error, inBody bool) *model.Error {
	e := *model.AsError(err)
	e.Param = strings.TrimPrefix(e.Param, "change.")
	if !inBody {
		switch e.Param {
		case "exclude_models":
			e.Param = "exclude_model"
		case "only_models":
			e.Param = "only_model"
		}
	}
	return &e
}

func (x *exchange) replayQuery() (out cartrita.ReplayQuery, err *model.Error) {
	q := x.query()
	out = cartrita.ReplayQuery{
		Since: q.moment("since"), Until: q.moment("until"), User: q.text("user"), Team: q.text("team"), Project: q.text("project"),
		By: cartrita.ReplayBy(q.text("by")), Changes: q.number("changes", 0, 10_000),
	}
	if x.r.Method == http.MethodPost {
		if err := q.done(); err != nil {
			return out, err
		}
		defer x.releaseBody()
		body, err := x.readBody()
		if err != nil {
			return out, err
		}
		return out, decodeChange.Decode(body, &out.Change)
	}
	out.Change.Strategy = q.text("strategy")
	out.Change.KeepLimits = q.flag("keep_limits")
	for _, m := range q.list("exclude_model") {
		out.Change.ExcludeModels = append(out.Change.ExcludeModels, model.ModelID(m))
	}
	for _, m := range q.list("only_model") {
		out.Change.OnlyModels = append(out.Change.OnlyModels, model.ModelID(m))
	}
	return out, q.done()
}
