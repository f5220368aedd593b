package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// embedder asks an OpenAI-compatible embeddings endpoint, for searches by
// likeness.
type embedder struct {
	c       config.Embeddings
	secrets *config.Secrets
	http    *http.Client
}

// newEmbedder returns nil when none is configured: the registry then uses its
// built-in features.
func newEmbedder(c *config.Embeddings, secrets *config.Secrets) registry.Embedder {
	if c.BaseURL == "" {
		return nil
	}
	return &embedder{c: *c, secrets: secrets, http: &http.Client{Timeout: c.Timeout.Std()}}
}

// maxVectors bounds an answer.
const maxVectors = 64 << 20

// Embed implements registry.Embedder.
func (e *embedder) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	const op = "cartrita.Embed"
	key, err := e.secrets.Resolve(string(e.c.APIKey))
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"model": e.c.Model, "input": texts})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.c.BaseURL+"/embeddings", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return nil, &model.Error{Op: op, Kind: model.KindUnavailable, Message: "the embeddings endpoint does not answer", Err: err}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxVectors))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, &model.Error{Op: op, Kind: model.KindUpstream, Message: "the embeddings endpoint answered " + resp.Status, Err: err}
	}
	return vectors(raw, len(texts))
}

// vectors reads an answer; its items may stand in any order.
func vectors(raw []byte, n int) ([][]float32, error) {
	var answer struct {
		Data []struct {
			Index     int       `json:"index"`
			Embedding []float32 `json:"embedding"`
		} `json:"data"`
	}
	bad := model.Errorf("cartrita.Embed", model.KindUpstream, "the embeddings endpoint did not answer with %d vectors", n)
	if json.Unmarshal(raw, &answer) != nil || len(answer.Data) != n {
		return nil, bad
	}
	out := make([][]float32, n)
	for _, d := range answer.Data {
		if d.Index < 0 || d.Index >= n || len(d.Embedding) == 0 {
			return nil, bad
		}
		out[d.Index] = d.Embedding
	}
	for _, v := range out {
		if v == nil {
			return nil, bad
		}
	}
	return out, nil
}
