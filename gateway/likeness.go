package gateway

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// likeness asks a model for the vectors of a search. Each question is a call of
// whoever searches: their key's limits and models, budgets and records apply as
// to any other.
type likeness struct{ x *exchange }

// Name implements registry.Embedder.
func (l likeness) Name() string { return l.x.g.cfg.Embeddings.Model }

// Embed implements registry.Embedder.
func (l likeness) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	x, cfg := l.x, &l.x.g.cfg.Embeddings
	if !x.who.Role.Has(key.Infer) {
		return nil, model.Errorf("gateway.Embed", model.KindForbidden, "a key of the role %s sends no calls", x.who.Role)
	}
	body, err := json.Marshal(map[string]any{"model": cfg.Model, "input": texts})
	if err != nil {
		return nil, err
	}
	call, bad := x.callOf(body, parseEmbeddings)
	if bad != nil {
		return nil, bad
	}
	call.ID, call.Received = model.NewCallID(), x.g.cfg.Clock()
	if cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
	}
	var a kept
	if _, failure := x.carry(ctx, call, &a); failure != nil {
		return nil, failure
	}
	return vectors(a.body, len(texts))
}

// kept keeps a whole answer. Embeddings are never streamed.
type kept struct{ body []byte }

func (a *kept) Answer(_ cartrita.Info, _ int, _ http.Header, body []byte) error {
	a.body = append([]byte(nil), body...)
	return nil
}

func (*kept) Start(cartrita.Info, http.Header) error { return errStreamed }

func (*kept) Chunk([]byte) error { return errStreamed }

func (*kept) End(*model.Record, *model.Error) error { return errStreamed }

var errStreamed = model.Errorf("gateway.Embed", model.KindUpstream, "the embeddings came as a stream")

// vectors reads an answer; its items may stand in any order.
func vectors(raw []byte, n int) ([][]float32, error) {
	var answer struct {
		Data []struct {
			Index     int       `json:"index"`
			Embedding []float32 `json:"embedding"`
		} `json:"data"`
	}
	bad := model.Errorf("gateway.Embed", model.KindUpstream, "the model did not answer with %d vectors", n)
	if json.Unmarshal(raw, &answer) != nil || len(answer.Data) != n {
		return nil, bad
	}
	out := make([][]float32, n)
	for _, d := range answer.Data {
		if d.Index < 0 || d.Index >= n || len(d.Embedding) == 0 || out[d.Index] != nil {
			return nil, bad
		}
		out[d.Index] = d.Embedding
	}
	return out, nil
}
