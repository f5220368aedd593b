package gateway

import (
	"slices"
	"strings"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
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

// getOpenAIModel serves GET /v1/models/{name}, for any name that a call may use.
func (g *Gateway) getOpenAIModel(x *exchange) {
	name := x.rest()
	if g.isAuto(name) {
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
	x.writeJSON(newOpenAIModel(name, ownerOf(snap, match)))
}

func (g *Gateway) isAuto(name string) bool {
	strategy, ok := strings.CutPrefix(name, cartrita.AutoModel+":")
	if !ok {
		return name == cartrita.AutoModel
	}
	return slices.ContainsFunc(g.cfg.Strategies(), func(s Strategy) bool { return s.Name == strategy })
}

func ownerOf(snap *registry.Snapshot, match registry.Match) string {
	return snap.Served[match.Served[0]].Model.Provider
}
