package registry_test

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// A model drifts from what it was at the beginning of the time, over the metrics
// that both records have.
func TestDrifts(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := registry.New(registry.Config{Catalogue: noCatalogue, Clock: func() time.Time { return now }})
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	measure := func(metrics map[string]float64) {
		t.Helper()
		m := record("acme/one")
		m.Quality = map[string]model.Figure{}
		for name, v := range metrics {
			m.Quality[name] = model.Figure{Value: v}
		}
		now = now.Add(24 * time.Hour)
		if _, err := r.Apply(t.Context(), registry.Change{Actor: "test", Action: registry.ActionEdit, Models: []model.Model{m}}); err != nil {
			t.Fatal(err)
		}
	}
	drifts := func(back time.Duration) []registry.Drift {
		t.Helper()
		d, err := r.Drifts(t.Context(), now.Add(-back))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	measure(map[string]float64{model.MetricMMLU: 80}) // on the 2nd
	if d := drifts(time.Hour); len(d) != 0 {
		t.Errorf("a first measurement drifts: %v", d)
	}
	measure(map[string]float64{model.MetricMMLU: 60, model.MetricMTBench: 1})
	measure(map[string]float64{model.MetricMMLU: 70})
	for back, want := range map[time.Duration]registry.Drift{
		12 * time.Hour:  {Model: "acme/one", Before: 0.6, Now: 0.7}, // from the 3rd
		36 * time.Hour:  {Model: "acme/one", Before: 0.8, Now: 0.7}, // from the 2nd
		900 * time.Hour: {Model: "acme/one", Before: 0.8, Now: 0.7}, // from the first there is
	} {
		if d := drifts(back); len(d) != 1 || d[0] != want {
			t.Errorf("%s back: %v, want %v", back, d, want)
		}
	}
	if d := drifts(0); len(d) != 0 {
		t.Errorf("nothing changed since: %v", d)
	}
}
