package registry_test

import (
	"strings"
	"testing"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// TestRetireByName: every name by which a record is read names it for retiring,
// too, unless it is one of several records.
func TestRetireByName(t *testing.T) {
	ctx := t.Context()
	r := small(t, nil)
	weights := func(m *model.Model) { m.Canonical, m.Aliases = "gpt-x", []string{"best"} }
	if _, err := r.Apply(ctx, registry.Change{Models: []model.Model{
		record("alpha/gpt-x", weights), record("beta/gpt-x", weights),
		record("alpha/solo", func(m *model.Model) { m.Canonical = "solo" }), record("alpha/other"),
	}}); err != nil {
		t.Fatal(err)
	}
	if err := r.SetEndpoints([]model.Endpoint{endpoint("box", "alpha/other", func(e *model.Endpoint) { e.Upstream = "o" })}, nil); err != nil {
		t.Fatal(err)
	}
	_, err := r.Retire(ctx, "best", "ann")
	if model.KindOf(err) != model.KindConflict || !strings.Contains(err.Error(), `"alpha/gpt-x"`) || !strings.Contains(err.Error(), `"beta/gpt-x"`) {
		t.Errorf("an alias of two records: %v: want KindConflict that names both", err)
	}
	for name, id := range map[model.ModelID]model.ModelID{
		"solo": "alpha/solo", "box/o": "alpha/other", "ALPHA/GPT-X": "alpha/gpt-x",
	} {
		diff, err := r.Retire(ctx, name, "ann")
		if err != nil || len(diff.Changed) != 1 || diff.Changed[0].ID != id {
			t.Errorf("retiring %s: %+v, %v: want %s to change", name, diff, err, id)
		}
	}
	if _, err := r.Retire(ctx, "nowhere", "ann"); model.KindOf(err) != model.KindNotFound {
		t.Errorf("an unknown name: %v: want KindNotFound", err)
	}
	s := r.Snapshot()
	for name, want := range map[string]bool{
		"alpha/gpt-x": true, "beta/gpt-x": false, "gpt-x": false, "best": false, "solo": true, "alpha/solo": true, "box/o": true, "alpha/other": true,
	} {
		if m, err := s.Resolve(name); err != nil || m.Retired != want {
			t.Errorf("%s is retired: %v, %v: want %v", name, m.Retired, err, want)
		}
	}
}

// TestRetireOfConfiguration: the status of a record of the configuration is set
// there; a record that was made for an endpoint becomes a stored one.
func TestRetireOfConfiguration(t *testing.T) {
	r := loaded(t)
	inline := []model.Model{record("gpu", func(m *model.Model) { m.Provider = "box" }), record("mlx/found", func(m *model.Model) { m.Source = "discovery" })}
	if err := r.SetEndpoints([]model.Endpoint{endpoint("box", "gpu"), endpoint("box", "llama-3.1-8b-instruct")}, inline); err != nil {
		t.Fatal(err)
	}
	for _, name := range []model.ModelID{"gpu", "box/gpu", "GPU"} {
		if _, err := r.Retire(t.Context(), name, "ann"); model.KindOf(err) != model.KindConflict || !strings.Contains(err.Error(), `"gpu" is described in the configuration`) {
			t.Errorf("retiring %s: %v: want KindConflict that points to the configuration", name, err)
		}
	}
	if _, err := r.Retire(t.Context(), "mlx/found", "ann"); model.KindOf(err) != model.KindConflict || strings.Contains(err.Error(), "is described in the configuration") {
		t.Errorf("a found model: %v: want KindConflict that says where it is from", err)
	}
	if _, err := r.Retire(t.Context(), "llama-3.1-8b-instruct", "ann"); err != nil {
		t.Fatal(err)
	}
	if m, err := r.Snapshot().Resolve("box/llama-3.1-8b-instruct"); err != nil || !m.Retired || len(m.Served) != 1 {
		t.Errorf("the record of the weights: %+v, %v: want it retired and its endpoint kept", m, err)
	}
}
