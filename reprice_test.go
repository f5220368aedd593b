package cartrita_test

import (
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// The records keep what was paid; a corrected price says what should have been,
// for the calls of its time alone.
func TestRepriceSaysWhatACorrectedPriceWouldChange(t *testing.T) {
	p := fresh(t, 11)
	p.serve(60)
	if err := p.Events().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var half time.Time
	byEndpoint := map[model.EndpointID]model.Money{}
	page, err := p.Reader().Calls(t.Context(), event.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	half = page.Calls[len(page.Calls)/2].Record.Received
	var later model.Money
	for _, c := range page.Calls {
		for _, a := range c.Record.Attempts {
			byEndpoint[a.Endpoint] += a.Cost
			if !c.Record.Received.Before(half) {
				later += a.Cost
			}
		}
	}
	double := map[string]*model.Pricing{}
	since := map[string]*model.Pricing{}
	for _, e := range p.Endpoints() {
		twice := model.Pricing{Input: times(e.Pricing.Input, 2), Output: times(e.Pricing.Output, 2)}
		double[string(e.ID)] = &twice
		held := twice
		held.EffectiveFrom = half
		since[string(e.ID)] = &held
	}
	got, err := p.Reprice(t.Context(), cartrita.RepriceQuery{Prices: double})
	if err != nil {
		t.Fatal(err)
	}
	if got.Calls != int64(len(page.Calls)) || got.Changed == 0 || got.Total.Old == 0 {
		t.Fatalf("%+v over %d calls", got, len(page.Calls))
	}
	for _, l := range got.Lines {
		if l.Old != byEndpoint[l.Endpoint] || !near(l.New, 2*l.Old, l.Attempts) || l.Difference != l.New-l.Old {
			t.Errorf("%s: %+v, recorded %s", l.Endpoint, l, byEndpoint[l.Endpoint])
		}
	}
	if got, err = p.Reprice(t.Context(), cartrita.RepriceQuery{Prices: since}); err != nil || got.Total.Old != later {
		t.Errorf("from %s on %s of recorded costs were looked at, want %s; %v", half, got.Total.Old, later, err)
	}
}

func TestRepriceRefusesWhatIsNoPrice(t *testing.T) {
	p := fresh(t, 1)
	below := -model.USD
	for param, prices := range map[string]map[string]*model.Pricing{
		"prices":                         nil,
		"prices.m":                       {"m": nil},
		"prices.m.input_usd_per_million": {"m": {Input: &below}},
	} {
		_, err := p.Reprice(t.Context(), cartrita.RepriceQuery{Prices: prices})
		if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != param {
			t.Errorf("%s: got %v", param, err)
		}
	}
}

func times(m *model.Money, n model.Money) *model.Money { v := *m * n; return &v }

// near allows for the rounding of two classes in each bill.
func near(a, b model.Money, bills int64) bool {
	d := a - b
	return max(d, -d) <= model.Money(4*bills)
}
