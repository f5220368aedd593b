package gateway

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
)

// paidCall is a call that ended n hours after the first.
func paidCall(n int, provider, name, team string, cost model.Money) event.Call {
	ended := time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Hour)
	id := model.CallID{6: 0x70, 8: 0x80, 14: byte(n >> 8), 15: byte(n)}
	r := &model.Record{
		ID: id, Received: ended, State: model.StateCompleted, Provider: provider,
		Model: model.ModelID(name), Endpoint: model.EndpointID(provider + "/" + name),
		Usage: model.Usage{Input: model.Known(10), Output: model.Known(5), Source: model.UsageUpstream},
		Cost:  model.CostBreakdown{Total: cost}, Caller: model.Caller{Team: team},
	}
	return event.Call{Ended: ended, Summary: event.Summarize(r), Record: r, RecordJSON: event.AppendRecord(nil, r)}
}

// A call that fell back is on the invoices of both providers, with what each billed.
func TestFOCUSBillsAFallbackToWhoBilledIt(t *testing.T) {
	store, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := paidCall(1, "p1", "m1", "a", 3*model.USD)
	c.Record.Attempts = []model.Attempt{{Endpoint: "p0/m0", Model: "m0", Cost: model.USD}, {Endpoint: "p1/m1", Model: "m1", Cost: 2 * model.USD}}
	c.Summary, c.RecordJSON = event.Summarize(c.Record), event.AppendRecord(nil, c.Record)
	if _, err := store.Ingest(t.Context(), event.Batch{Spool: "s", Position: event.Position{Segment: 1, Offset: 1}, Calls: []event.Call{c}}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *Config) { c.Reader = store })
	rows, err := csv.NewReader(strings.NewReader(text(t, w.do("GET", "/api/v1/costs?format=focus", "")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, row := range rows[1:] {
		got[row[slices.Index(focusColumns, "InvoiceIssuerName")]] = row[slices.Index(focusColumns, "BilledCost")] + " for " + row[slices.Index(focusColumns, "x_Calls")]
	}
	if len(got) != 2 || got["p0"] != "1 for 0" || got["p1"] != "2 for 1" {
		t.Errorf("dollars and calls by invoice: %v", got)
	}
}

// The rows of an export bill every call once, on its day and in its month,
// whatever it is restricted to.
func TestFOCUSBillsEveryCallOnce(t *testing.T) {
	store, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var calls []event.Call
	for n := range 72 { // over the end of a month
		calls = append(calls, paidCall(n, fmt.Sprint("p", n%2), fmt.Sprint("m", n%3), fmt.Sprint("team-", n%2), model.Money(n+1)*1_000_000))
	}
	if _, err := store.Ingest(t.Context(), event.Batch{Spool: "s", Position: event.Position{Segment: 1, Offset: 1}, Calls: calls}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *Config) { c.Reader = store })
	for _, restriction := range []string{"", "&team=team-1", "&provider=p0", "&model=m2", "&since=2026-12-01T00:00:00Z"} {
		report := decode[event.CostReport](t, w.do("GET", "/api/v1/costs?"+restriction, ""), 200)
		if report.Total.Calls == 0 {
			t.Fatalf("%q: no calls to compare", restriction)
		}
		rows, err := csv.NewReader(strings.NewReader(text(t, w.do("GET", "/api/v1/costs?format=focus"+restriction, "")))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		column := func(row []string, name string) string { return row[slices.Index(focusColumns, name)] }
		var billed, tokens, n int64
		seen := map[string]bool{}
		for _, row := range rows[1:] {
			usd, err := strconv.ParseFloat(column(row, "BilledCost"), 64)
			if err != nil {
				t.Fatal(err)
			}
			billed += int64(usd*1e9 + 0.5)
			for name, sum := range map[string]*int64{"ConsumedQuantity": &tokens, "x_Calls": &n} {
				v, err := strconv.ParseInt(column(row, name), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				*sum += v
			}
			start, month := column(row, "ChargePeriodStart"), column(row, "BillingPeriodStart")
			if start[:7] != month[:7] {
				t.Errorf("%q: a charge of %s is in the billing period of %s", restriction, start, month)
			}
			key := strings.Join([]string{column(row, "ProviderName"), column(row, "SkuId"), start}, " ")
			if seen[key] {
				t.Errorf("%q: %s is billed twice", restriction, key)
			}
			seen[key] = true
		}
		if billed != int64(report.Total.Cost) || n != report.Total.Calls || tokens != report.Total.Input+report.Total.Output {
			t.Errorf("%q: the export bills %d nano-USD for %d calls and %d tokens, the report says %+v", restriction, billed, n, tokens, report.Total)
		}
	}
}
