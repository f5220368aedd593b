package gateway

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// A name that somebody chose must not become a formula in a spreadsheet, nor
// break a line.
func TestCSVIsInert(t *testing.T) {
	r := event.CostReport{By: event.ByUser, Groups: []event.CostLine{
		{Key: `=HYPERLINK("http://x","y")`, CostSum: event.CostSum{Calls: 1, Cost: 1_500_000_000}},
		{Key: "a,\"b\"\nc"}, {Key: "+1"}, {Key: "-1"}, {Key: "@x"}, {Key: "plain"},
		{Key: "\n=1+1"}, {Key: " \x00@x"}, {Key: "\u00a0-1"}, {Key: "\ufeff=1"}, {Key: " plain"}, {Key: "\t"},
	}}
	rows, err := csv.NewReader(strings.NewReader(string(costsCSV(&r)))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, row := range rows[1:] {
		keys = append(keys, row[0])
	}
	want := []string{`'=HYPERLINK("http://x","y")`, "a,\"b\"\nc", "'+1", "'-1", "'@x", "plain", "'\n=1+1", "' \x00@x", "'\u00a0-1", "'\ufeff=1", " plain", "'\t"}
	for i := range want {
		if keys[i] != want[i] {
			t.Errorf("key %d is %q, want %q", i, keys[i], want[i])
		}
	}
	if rows[0][0] != "user" || rows[0][3] != "cost_usd" || rows[1][3] != "1.5" {
		t.Errorf("the first lines are %v and %v", rows[0], rows[1])
	}
}

// What the limit leaves out is a line, so that the table adds up to the total.
func TestCSVOfCostsBeyondTheLimit(t *testing.T) {
	line := func(key string, cost model.Money) event.CostLine {
		return event.CostLine{Key: key, CostSum: event.CostSum{Calls: 1, Cost: cost * model.USD}}
	}
	r := event.CostReport{By: event.ByWorkflow, Groups: []event.CostLine{line("a", 3), line("b", 2)}, Others: &event.CostOthers{Groups: 7, CostSum: line("", 5).CostSum}}
	if got := string(costsCSV(&r)); !strings.Contains(got, "\na,1,0,3,") || !strings.Contains(got, "\n(others),1,0,5,") || strings.Count(got, "\n") != 4 {
		t.Errorf("the table is\n%s", got)
	}
	if len(r.Groups) != 2 {
		t.Errorf("the report now has %d groups", len(r.Groups))
	}
}

// Somebody may be called as a line that is not a group's.
func TestCSVTellsItsLinesApart(t *testing.T) {
	lines := func(r event.CostReport) (out []string) {
		rows, err := csv.NewReader(strings.NewReader(string(costsCSV(&r)))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			out = append(out, row[0]+" "+row[len(row)-1])
		}
		return out
	}
	r := event.CostReport{By: event.ByUser, Groups: []event.CostLine{{}, {Key: "(none)"}, {Key: "(others)"}, {Key: "total"}}, Others: &event.CostOthers{Groups: 2}}
	if got, want := lines(r), []string{"user line", " none", "(none) group", "(others) group", "total group", "(others) others"}; !slices.Equal(got, want) {
		t.Errorf("the lines are %q, want %q", got, want)
	}
	if got, want := lines(event.CostReport{}), []string{"total line", "total total"}; !slices.Equal(got, want) {
		t.Errorf("the lines of a total are %q, want %q", got, want)
	}
}

func TestCostsHaveALimit(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]int{
		"by=workflow": event.DefaultCostLines, "by=workflow&limit=3": 3, "by=model&format=csv&limit=100000": event.MaxCostLines, "by=day": 0, "": 0,
	} {
		if resp := w.do("GET", "/api/v1/costs?"+path, ""); resp.StatusCode != http.StatusOK || w.reader.query.Limit != want {
			t.Errorf("%q: status %d, the store is asked for %d groups, want %d", path, resp.StatusCode, w.reader.query.Limit, want)
		}
	}
	for _, path := range []string{"by=workflow&limit=0", "by=workflow&limit=100001", "by=workflow&limit=x", "format=focus&limit=3"} {
		resp := w.do("GET", "/api/v1/costs?"+path, "")
		if e := decodeError(t, resp); resp.StatusCode != http.StatusBadRequest || e.Param == nil || *e.Param != "limit" {
			t.Errorf("%q: status %d, %+v", path, resp.StatusCode, e)
		}
	}
}

func TestAFOCUSRowHasAValueForEveryColumn(t *testing.T) {
	day := time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	row := focusRow(&event.DailyCost{Provider: "openai", Model: "gpt-4o", Day: day, CostSum: event.CostSum{Calls: 3, Cost: 2 * model.USD, Input: 10, Output: 5, Unpriced: 1}}, "{}")
	if len(row) != len(focusColumns) {
		t.Fatalf("%d values for %d columns", len(row), len(focusColumns))
	}
	got := map[string]string{}
	for i, c := range focusColumns {
		got[c] = row[i]
	}
	for column, want := range map[string]string{
		"BilledCost": "2", "BillingCurrency": "USD", "BillingPeriodStart": "2026-12-01T00:00:00Z", "BillingPeriodEnd": "2027-01-01T00:00:00Z",
		"ChargePeriodStart": "2026-12-31T00:00:00Z", "ChargePeriodEnd": "2027-01-01T00:00:00Z", "ChargeCategory": "Usage",
		"ConsumedQuantity": "15", "ConsumedUnit": "Tokens", "ProviderName": "openai", "SkuId": "gpt-4o", "x_Calls": "3", "x_UnpricedCalls": "1",
	} {
		if got[column] != want {
			t.Errorf("%s is %q, want %q", column, got[column], want)
		}
	}
}
