package registry_test

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// A past call is priced with what held at its time.
func TestPricingAt(t *testing.T) {
	now := noon
	r := registry.New(registry.Config{Clock: func() time.Time { return now }, Catalogue: noCatalogue})
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := func(at time.Time, p *model.Pricing) {
		t.Helper()
		now = at
		if _, err := r.Apply(t.Context(), registry.Change{Actor: "ann", Models: []model.Model{record("acme/one", func(m *model.Model) { m.Pricing = p })}}); err != nil {
			t.Fatal(err)
		}
	}
	dollars := func(n int64) *model.Pricing { return &model.Pricing{Input: ptr(model.Money(n) * model.USD)} }
	at := func(when time.Time, want string) {
		t.Helper()
		p, err := r.PricingAt(t.Context(), "acme/one", when)
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if p != nil {
			got = p.Input.String()
		}
		if got != want {
			t.Errorf("at %s: %s, want %s", when, got, want)
		}
	}
	store(noon, dollars(3))
	store(noon.Add(2*time.Hour), nil)
	store(noon.Add(4*time.Hour), dollars(5))
	at(noon.Add(-time.Second), "none")
	at(noon.Add(time.Hour), "$3")
	at(noon.Add(3*time.Hour), "none")
	at(noon.Add(5*time.Hour), "$5")

	corrected := dollars(4) // known late, and effective before
	corrected.EffectiveFrom = noon.Add(time.Hour)
	store(noon.Add(6*time.Hour), corrected)
	at(noon.Add(30*time.Minute), "$3")
	at(noon.Add(90*time.Minute), "$4")

	if _, err := r.PricingAt(t.Context(), "acme/none", noon); model.AsError(err).Kind != model.KindNotFound {
		t.Errorf("a model that is not there: %v", err)
	}
}
