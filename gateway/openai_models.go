package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
)

// openAIModel is OpenAI's model object. Created is 0: the registry does not
// know when a model was made.
type openAIModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

type openAIList struct {
	Object string        `json:"object"`
	Data   []openAIModel `json:"data"`
}

func newOpenAIModel(id, owner string) openAIModel {
	return openAIModel{ID: id, Object: "model", OwnedBy: owner}
}

const ownSelf = "cartrita"

// listOpenAIModels serves GET /v1/models: the names that a call can be sent
// to, not the whole catalogue. First auto with every strategy, then the models
// that have an endpoint, by id.
func (g *Gateway) listOpenAIModels(x *exchange) {
	data := []openAIModel{newOpenAIModel(cartrita.AutoModel, ownSelf)}
	for _, s := range g.cfg.Strategies() {
		if _, ok := x.who.Allow.Strategy(s.Name, ""); !ok {
			continue
		}
		data = append(data, newOpenAIModel(cartrita.AutoModel+":"+s.Name, ownSelf))
	}
	auto := len(data)
	served := g.cfg.Registry.Snapshot().Served
	allowed := x.who.Allow.Served(served)
	for i := range served {
		if allowed != nil && !allowed[i] {
			continue
		}
		data = append(data, newOpenAIModel(string(served[i].Model.ID), served[i].Model.Provider))
	}
	models := data[auto:]
	slices.SortFunc(models, func(a, b openAIModel) int { return strings.Compare(a.ID, b.ID) })
	data = data[:auto+len(slices.CompactFunc(models, func(a, b openAIModel) bool { return a.ID == b.ID }))]
	x.writeJSON(openAIList{"list", data})
}

// getOpenAIModel serves GET /v1/models/{name}, for any name that a call with the
// key may use.
func (g *Gateway) getOpenAIModel(x *exchange) {
	name := x.rest()
	if strategy, ok := g.isAuto(name); ok {
		if _, may := x.who.Allow.Strategy(strategy, ""); strategy != "" && !may {
			x.fail(notAllowed(name))
			return
		}
		x.writeJSON(newOpenAIModel(name, ownSelf))
		return
	}
	snap := g.cfg.Registry.Snapshot()
	match, err := snap.Resolve(name)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	if len(match.Served) == 0 {
		x.fail(&model.Error{
			Op: "gateway.getOpenAIModel", Kind: model.KindNotFound, Param: "model",
			Message: "is in the registry, but no endpoint is configured for it; see GET /api/v1/models/" + name,
		})
		return
	}
	allowed := x.who.Allow.Served(snap.Served)
	for _, i := range match.Served {
		if allowed == nil || allowed[i] {
			x.writeJSON(newOpenAIModel(name, snap.Served[i].Model.Provider))
			return
		}
	}
	x.fail(notAllowed(name))
}

// notAllowed refuses a name as a call with the key would be.
func notAllowed(name string) *model.Error {
	return &model.Error{
		Op: "gateway.getOpenAIModel", Kind: model.KindForbidden, Param: "model",
		Message: fmt.Sprintf("the API key may not use the model %.80q", name),
	}
}

// isAuto reports a name that leaves the choice to the router, and the strategy
// in it, if any.
func (g *Gateway) isAuto(name string) (strategy string, ok bool) {
	strategy, named := strings.CutPrefix(name, cartrita.AutoModel+":")
	if !named {
		return "", name == cartrita.AutoModel
	}
	return strategy, slices.ContainsFunc(g.cfg.Strategies(), func(s Strategy) bool { return s.Name == strategy })
}
