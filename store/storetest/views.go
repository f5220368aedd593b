package storetest

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

// figures reads rows of a name and numbers.
func figures(t *testing.T, rows [][]string) map[string][]float64 {
	t.Helper()
	out := map[string][]float64{}
	for _, row := range rows {
		var numbers []float64
		for _, text := range row[1:] {
			x := math.NaN() // NULL
			if text != "" {
				var err error
				if x, err = strconv.ParseFloat(text, 64); err != nil {
					t.Fatalf("%q: %v", row, err)
				}
			}
			numbers = append(numbers, x)
		}
		out[row[0]] = numbers
	}
	return out
}

// views compares what each view adds up to with what the store says.
func views(t *testing.T, s Database, exec func(string) [][]string) {
	ctx := t.Context()
	calls := append(samples(900), decision(900), refused(901), unpaid(902))
	ingest(t, s, 130, calls...)
	notice := event.Notice{ID: "n-1", Kind: event.PriceUnknown, Key: "k", At: base, Data: json.RawMessage(`{"endpoint":"p/m"}`)}
	if _, err := s.AddNotice(ctx, notice); err != nil {
		t.Fatal(err)
	}
	same := func(view string, want map[string][]float64, query string) {
		t.Helper()
		if diff := cmp.Diff(want, figures(t, exec(query)), nearOrUnknown); diff != "" {
			t.Errorf("%s: want -, got +:\n%s", view, diff)
		}
	}

	kinds := map[string][]float64{string(event.PriceUnknown): {1}}
	for _, c := range calls {
		for _, e := range event.Of(c) {
			if e.Kind == event.CostAccumulated {
				continue // its figures are those of the call
			}
			kinds[string(e.Kind)] = []float64{1 + append(kinds[string(e.Kind)], 0)[0]}
		}
	}
	same("events", kinds, `SELECT type, count(DISTINCT event_id) FROM events GROUP BY type`)
	first := event.Of(calls[1])[2]
	row := exec(`SELECT type, call_id, user_id, CAST(at AS text) FROM events WHERE event_id = '` + first.ID + `'`)
	if len(row) != 1 || row[0][0] != string(first.Kind) || row[0][1] != first.Call.String() || row[0][2] != first.Record.Context.UserID || row[0][3][:10] != first.At.Format(time.DateOnly) {
		t.Errorf("events: %q, want %s of %s", row, first.Kind, first.ID)
	}

	report := func(by event.Dimension) event.CostReport {
		t.Helper()
		r, err := s.Costs(ctx, event.CostQuery{By: by})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	sums := func(c *event.CostSum) []float64 {
		return []float64{float64(c.Calls), float64(c.Failed), c.Cost.USD(), float64(c.Input), float64(c.Output)}
	}
	total := report("")
	same("cost_events", map[string][]float64{"all": append(sums(&total.Total), total.Total.Estimated.USD(), float64(total.Total.Unpriced))},
		`SELECT 'all', sum(calls), sum(failed), sum(cost_usd), sum(input_tokens), sum(output_tokens), sum(estimated_usd), sum(unpriced) FROM cost_events`)

	users := map[string][]float64{}
	for _, g := range report(event.ByUser).Groups {
		if g.Key != "" {
			users[g.Key] = sums(&g.CostSum)
		}
	}
	same("usage_analytics", users, `SELECT value, sum(calls), sum(failed), sum(cost_usd), sum(input_tokens), sum(output_tokens)
		FROM usage_analytics WHERE dimension = 'user' GROUP BY value`)

	metrics := map[string][]float64{}
	for _, g := range report(event.ByModel).Groups {
		if g.Key != "" {
			ttft := math.NaN()
			if g.TTFTMS != nil {
				ttft = *g.TTFTMS
			}
			metrics[g.Key] = append(sums(&g.CostSum), *g.LatencyMS, ttft)
		}
	}
	same("model_metrics", metrics, `SELECT model_id, sum(calls), sum(failed), sum(cost_usd), sum(input_tokens), sum(output_tokens),
		sum(mean_latency_ms * latency_calls) / sum(latency_calls), sum(mean_ttft_ms * ttft_calls) / sum(ttft_calls)
		FROM model_metrics WHERE model_id <> '' GROUP BY model_id`)

	limit := 2500 * model.USD
	if err := s.SaveBudget(ctx, budget.Budget{Name: "teams", LimitUSD: &limit}); err != nil {
		t.Fatal(err)
	}
	spent, err := s.BudgetSpend(ctx, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	tracked := map[string][]float64{}
	for _, b := range spent {
		have, of := tracked[string(b.Budget)], 2500.0
		if have == nil {
			have = make([]float64, 6)
		}
		if b.Budget == "all" {
			of = math.NaN()
		}
		for i, x := range []float64{float64(b.Calls), b.Cost.USD(), b.Assumed.USD(), float64(b.Tokens), float64(b.Requests)} {
			have[i] += x
		}
		have[5] = of
		tracked[string(b.Budget)] = have
	}
	if len(tracked) < 3 {
		t.Fatalf("budgets: %v", tracked)
	}
	same("budget_tracking", tracked, `SELECT budget, sum(calls), sum(spent_usd), sum(assumed_usd), sum(tokens), sum(requests), max(limit_usd)
		FROM budget_tracking GROUP BY budget`)
	modelRecords(t, s, exec)
}

// nearOrUnknown takes two unknown numbers for the same.
var nearOrUnknown = cmp.Comparer(func(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-6*math.Max(1, math.Abs(a))
})

func modelRecords(t *testing.T, s Database, exec func(string) [][]string) {
	save(t, s, version("a", 1))
	next := version("a", 2)
	next.Doc = json.RawMessage(`{"model_id":"a","provider":"acme","name":"A","status":"active","context_length":8000,"cost_profile":{"input_usd_per_million":0.25},
		"quality_metrics":{"mmlu":{"value":71.5,"source":"test","uncertainty":1.25},"mt_bench":{"value":8}},"safety_risk_level":"low","risk_notes":"none"}`)
	save(t, s, next, registry.Version{ID: "b", Number: 1, At: base, Action: registry.ActionAdd, Doc: json.RawMessage(`{"model_id":"b","provider":"other"}`)})
	got := exec(`SELECT model_id, version, provider, name, status, context_length, input_usd_per_million, output_usd_per_million FROM model_records ORDER BY model_id`)
	want := [][]string{{"a", "2", "acme", "A", "active", "8000", "0.25", ""}, {"b", "1", "other", "", "", "", "", ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("model_records: want -, got +:\n%s", diff)
	}
	got = exec(`SELECT model_id, version, metric, value, uncertainty, source FROM model_benchmarks ORDER BY model_id, version, metric`)
	want = [][]string{{"a", "2", "mmlu", "71.5", "1.25", "test"}, {"a", "2", "mt_bench", "8", "", ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("model_benchmarks: want -, got +:\n%s", diff)
	}
	got = exec(`SELECT model_id, version, risk_level, notes FROM safety_evaluations`)
	if diff := cmp.Diff([][]string{{"a", "2", "low", "none"}}, got); diff != "" {
		t.Errorf("safety_evaluations: want -, got +:\n%s", diff)
	}
}
