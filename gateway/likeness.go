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
type likeness struct {
	x *exchange
	// behind is the context of the call that the question follows, nil for none.
	// It is the question's own, at the lowest priority and without its limits.
	behind *model.Context
}

// Name implements registry.Embedder.
func (l likeness) Name() string { return l.x.g.cfg.Embeddings.Model }

// Embed implements registry.Embedder.
func (l likeness) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	vs, _, err := l.ask(ctx, texts)
	return vs, err
}

// ask also says which model answered: what is configured may be a strategy, or
// mean another model tomorrow.
func (l likeness) ask(ctx context.Context, texts []string) ([][]float32, model.ModelID, error) {
	x, cfg := l.x, &l.x.g.cfg.Embeddings
	if !x.who.Role.Has(key.Infer) {
		return nil, "", model.Errorf("gateway.Embed", model.KindForbidden, "a key of the role %s sends no calls", x.who.Role)
	}
	body, err := json.Marshal(map[string]any{"model": cfg.Model, "input": texts})
	if err != nil {
		return nil, "", err
	}
	call, bad := x.callOf(body, parseEmbeddings)
	if bad != nil {
		return nil, "", bad
	}
	call.ID, call.Received = model.NewCallID(), x.g.cfg.Clock()
	if c := l.behind; c != nil {
		call.Criteria.Context = model.Context{
			UserID: c.UserID, WorkflowRunID: c.WorkflowRunID, Stage: c.Stage, Supervisor: c.Supervisor, SessionID: c.SessionID, Priority: model.PriorityLow,
		}
	}
	if cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
	}
	var a kept
	if _, failure := x.carry(ctx, call, &a); failure != nil {
		return nil, "", failure
	}
	vs, err := vectors(a.body, len(texts))
	return vs, a.by, err
}

// kept keeps a whole answer. Embeddings are never streamed.
type kept struct {
	body []byte
	by   model.ModelID
}

func (a *kept) Answer(info cartrita.Info, _ int, _ http.Header, body []byte) error {
	a.body, a.by = append([]byte(nil), body...), info.Model
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
