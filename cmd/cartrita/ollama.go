package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
)

const (
	ollamaName  = "ollama"
	ollamaWait  = 500 * time.Millisecond // a server on this machine answers at once
	ollamaEvery = 30 * time.Second
)

// ollamaModel is an entry of Ollama's GET /api/tags.
type ollamaModel struct {
	Name    string `json:"name"`
	Details struct {
		Family        string `json:"family"`
		ParameterSize string `json:"parameter_size"` // "8.0B"
		Quantization  string `json:"quantization_level"`
	} `json:"details"`
}

// lookForServers asks now and then which models a local Ollama has, and puts
// changes in force.
func (n *node) lookForServers(ctx context.Context) {
	tick := time.NewTicker(ollamaEvery)
	defer tick.Stop()
	for {
		n.refreshOllama(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// refreshOllama puts what Ollama serves now in force, if that changed. A
// server that does not answer keeps its endpoints: their health says the rest.
func (n *node) refreshOllama(ctx context.Context) {
	c := n.current().Discovery
	if !c.Ollama {
		return
	}
	models, err := askOllama(ctx, c.OllamaURL)
	if err != nil {
		return
	}
	switch changed, err := n.add(ollamaServer(c.OllamaURL, models, n.registry.Describe)); {
	case err != nil:
		n.log.Warn("the models of Ollama were not taken over", "error", err)
	case changed:
		n.log.Info("models of Ollama", "url", c.OllamaURL, "models", len(models))
	}
}

func askOllama(ctx context.Context, base string) ([]ollamaModel, error) {
	ctx, cancel := context.WithTimeout(ctx, ollamaWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/tags", nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	var tags struct {
		Models []ollamaModel `json:"models"`
	}
	if err := json.Unmarshal(raw, &tags); err != nil || resp.StatusCode != http.StatusOK {
		return nil, model.Errorf("cartrita.askOllama", model.KindUpstream, "%s is no Ollama", base)
	}
	return tags.Models, nil
}

// ollamaServer describes what an Ollama serves. Nobody bills tokens there, so
// their price is known: it is 0.
func ollamaServer(base string, models []ollamaModel, describe func(provider, upstream string) model.Model) found {
	free := model.Money(0)
	f := found{provider: config.Provider{Name: ollamaName, Kind: model.ProviderOpenAI, BaseURL: base + "/v1"}}
	for _, om := range models {
		if om.Name == "" || strings.ContainsAny(om.Name, " \t\r\n") {
			continue
		}
		m := describe(ollamaName, om.Name)
		m.Family = orDefault(m.Family, om.Details.Family)
		if strings.Contains(om.Details.Family, "bert") {
			m.Tasks = []model.Task{model.TaskEmbeddings}
		}
		if b, err := strconv.ParseFloat(strings.TrimSuffix(om.Details.ParameterSize, "B"), 64); err == nil && b > 0 {
			m.ParametersBillion = &b
		}
		if q := om.Details.Quantization; q != "" {
			m.Quantizations = []string{q}
		}
		m.Pricing = &model.Pricing{Input: &free, Output: &free, Source: "Ollama bills nothing"}
		f.records = append(f.records, m)
	}
	f.provider.Endpoints = endpointsOf(f.records)
	return f
}
