package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
)

// withBudgets gives a world a ledger with a budget of a dollar per team.
func withBudgets(t testing.TB) func(*Config) {
	t.Helper()
	ledger, err := budget.New(budget.Config{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	book := budget.NewBook(ledger, store, nothingPast{})
	limit := model.USD
	if err := book.Configure([]budget.Budget{{Name: "teams", Scope: budget.Scope{Team: budget.Any}, Period: budget.Total, LimitUSD: &limit}}); err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.Budgets = book }
}

// TestMetricsSurviveAnyName: a counter whose value is no text does not take the
// others' figures away.
func TestMetricsSurviveAnyName(t *testing.T) {
	w := newWorld(t, withBudgets(t))
	l := w.cfg.Budgets.Ledger()
	h, err := l.Reserve(&budget.Subject{Team: "a\xff"}, budget.Target{}, budget.Amounts{Worst: 1, Known: true, Requests: 1})
	if err != nil {
		t.Fatal(err)
	}
	h.Settle(nil, budget.Spend{Cost: 1, Known: true, Requests: 1})
	resp := w.do("GET", "/metrics", "")
	if body := text(t, resp); resp.StatusCode != http.StatusOK || !strings.Contains(body, `cartrita_budget_used_ratio{budget="teams/a�"}`) {
		t.Errorf("%d %.300s", resp.StatusCode, body)
	}
}

// nothingPast is a record without calls.
type nothingPast struct{}

func (nothingPast) Entries(context.Context, time.Time, func(*budget.Entry)) error { return nil }

// charge lets a call of team a spend, and returns what it was charged.
func charge(t testing.TB, w *world, cost model.Money) []model.Charge {
	t.Helper()
	l := w.cfg.Budgets.Ledger()
	h, err := l.Reserve(&budget.Subject{Team: "a"}, budget.Target{}, budget.Amounts{Worst: cost, Known: true, Requests: 1})
	if err != nil {
		t.Fatal(err)
	}
	return h.Settle(nil, budget.Spend{Cost: cost, Known: true, Requests: 1})
}

func TestBudgetsAreShown(t *testing.T) {
	w := newWorld(t, withBudgets(t))
	if got := text(t, w.do("GET", "/api/v1/budgets", "")); !strings.Contains(got, `"name":"teams"`) || !strings.Contains(got, `"counters":[]`) {
		t.Errorf("before any call: %s", got)
	}
	charge(t, w, 250_000_000)
	for _, path := range []string{"/api/v1/budgets", "/api/v1/budgets/teams", "/api/v1/budgets/teams/a"} {
		got := text(t, w.do("GET", path, ""))
		for _, want := range []string{`"id":"teams/a"`, `"spent":{"usd":0.25,"tokens":0,"requests":1}`, `"remaining":{"usd":0.75}`, `"used":0.25`} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s lacks %s", path, got, want)
			}
		}
	}
	for _, path := range []string{"/api/v1/budgets/team", "/api/v1/budgets/teams/b"} {
		if resp := w.do("GET", path, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	metrics := text(t, w.do("GET", "/metrics", ""))
	for _, want := range []string{"cartrita_budget_imbalance_usd 0\n", `cartrita_budget_used_ratio{budget="teams/a"} 0.25`, "cartrita_budget_holds 0\n"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

func TestBudgetsAreCreated(t *testing.T) {
	w := newWorld(t, withBudgets(t))
	resp := w.do("POST", "/api/v1/budgets", `{"name":"day","period":"daily","limit_usd":2.5,"ladder":[{"at":0.5,"action":"max-price","value":0.002}]}`)
	if got := text(t, resp); resp.StatusCode != http.StatusOK || !strings.Contains(got, `"limit":{"usd":2.5}`) {
		t.Errorf("%d %s", resp.StatusCode, got)
	}
	for _, tc := range []struct {
		body   string
		status int
		param  string
	}{
		// bifrost#5673: a field that nobody knows is not dropped in silence.
		{`{"name":"x","period":"daily","limit_usd":1,"budget":5}`, 400, "budget"},
		{`{"name":"x","period":"daily","scope":{"tema":"a"},"limit_usd":1}`, 400, "scope.tema"},
		{`{"name":"x","period":"daily"}`, 400, "limit_usd"},
		{`{"name":"audit","period":"daily","limit_usd":1}`, 400, "name"},
		{`{"name":"teams","period":"daily","limit_usd":1}`, 409, ""},
	} {
		resp := w.do("POST", "/api/v1/budgets", tc.body)
		got := text(t, resp)
		if resp.StatusCode != tc.status || tc.param != "" && !strings.Contains(got, `"param":"`+tc.param+`"`) {
			t.Errorf("%s: %d %s", tc.body, resp.StatusCode, got)
		}
	}
}

// A scope that no call can have is a mistake that shows at once, not a limit that
// never is one.
func TestScopesOfBudgetsAreChecked(t *testing.T) {
	w, kw := newWorldWithKeys(t, withBudgets(t))
	id, _ := kw.make(t, key.Fields{Name: ptr("app")})
	for _, tc := range []struct {
		scope  string
		status int
		want   []string
	}{
		{`{"key":"app"}`, 400, []string{`"param":"scope.key"`, string(id)}},
		{`{"key":"` + string(id) + `","model":"*"}`, 200, nil},
		{`{"provider":"opnai","model":"openai/gpt-4o"}`, 200, []string{`"warnings":["scope.provider: no endpoint belongs to the provider`, `did you mean \"openai\"`}},
	} {
		resp := w.do("POST", "/api/v1/budgets", `{"name":"scoped","period":"daily","limit_usd":1,"scope":`+tc.scope+`}`, "Authorization", "Bearer "+localTestToken)
		got := text(t, resp)
		if resp.StatusCode != tc.status || tc.want == nil && strings.Contains(got, "warnings") {
			t.Errorf("%s: %d %s", tc.scope, resp.StatusCode, got)
		}
		for _, want := range tc.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s lacks %s", tc.scope, got, want)
			}
		}
	}
	if got := w.BudgetWarnings(); len(got) != 1 || !strings.HasPrefix(got[0], `budget "scoped": scope.provider: `) {
		t.Errorf("warnings of what is in force: %q", got)
	}
}

func TestBudgetsAreDeleted(t *testing.T) {
	const operator, admin = "sk-operator-012345", "sk-admin-012345678"
	w := newWorld(t, withBudgets(t), func(c *Config) {
		c.APIKeys = []APIKey{{Name: "o", Secret: operator, Role: key.RoleOperator}, {Name: "a", Secret: admin, Role: key.RoleAdmin}}
	})
	if resp := w.do("POST", "/api/v1/budgets", `{"name":"day","period":"daily","limit_usd":2.5}`, "Authorization", "Bearer "+admin); resp.StatusCode != http.StatusOK {
		t.Fatal(text(t, resp))
	}
	for _, c := range []struct {
		key, path string
		status    int
		body      string
	}{
		{operator, "/api/v1/budgets/day", 403, "admin"},
		{admin, "/api/v1/budgets/day?x=1", 400, "x"},
		{admin, "/api/v1/budgets/day", 200, `"limit":{"usd":2.5}`},
		{admin, "/api/v1/budgets/day", 404, "there is no budget"},
		{admin, "/api/v1/budgets/teams", 409, "in the configuration"},
		{admin, "/api/v1/budgets", 405, ""},
		{admin, "/api/v1/models/a", 405, ""},
	} {
		resp := w.do("DELETE", c.path, "", "Authorization", "Bearer "+c.key)
		if got := text(t, resp); resp.StatusCode != c.status || !strings.Contains(got, c.body) {
			t.Errorf("%s: %d %s; want %d with %q", c.path, resp.StatusCode, got, c.status, c.body)
		}
	}
	if got := text(t, w.do("GET", "/api/v1/budgets", "", "Authorization", "Bearer "+admin)); strings.Contains(got, "day") {
		t.Errorf("still there: %s", got)
	}
}

func TestBudgetsAreOverridden(t *testing.T) {
	w := newWorld(t, withBudgets(t))
	charge(t, w, model.USD)
	body := `{"until":"2099-01-01T00:00:00Z","reason":"demo","limit_usd":3}`
	resp := w.do("POST", "/api/v1/budgets/teams/a/override", body, "X-Cartrita-User", "ada")
	got := text(t, resp)
	for _, want := range []string{`"limit":{"usd":3}`, `"reason":"demo"`, `"actor":"ada"`} {
		if resp.StatusCode != http.StatusOK || !strings.Contains(got, want) {
			t.Errorf("%d %s lacks %s", resp.StatusCode, got, want)
		}
	}
	charge(t, w, model.USD)
	for path, status := range map[string]int{"/api/v1/budgets/teams/b/override": 404, "/api/v1/budgets/teams/a": 405} {
		if resp := w.do("POST", path, body); resp.StatusCode != status {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, status)
		}
	}
	if resp := w.do("POST", "/api/v1/budgets/teams/override", `{"until":"2099-01-01T00:00:00Z","limit_usd":3}`); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without a reason: %d", resp.StatusCode)
	}
}

// What is wrong with an amount, a limit or a time is said in its own terms.
func TestBudgetMistakesAreWorded(t *testing.T) {
	w := newWorld(t, withBudgets(t))
	charge(t, w, 1)
	const override = "/api/v1/budgets/teams/a/override"
	for _, c := range []struct{ path, members, message string }{
		{override, `"limit_usd":3`, "until: is missing: want a time in the future"},
		{override, `"limit_usd":3,"until":"2h"`, `until: \"2h\": want a time such as 2026-11-23T18:00:00Z`},
		{override, `"limit_usd":3,"until":"2020-01-01T00:00:00Z"`, "until: is 2020-01-01T00:00:00Z: want a time in the future"},
		{override, `"limit_tokens":-5,"until":"2099-01-01T00:00:00Z"`, "limit_tokens: is -5: want a number from 0 to 4611686018427387903"},
		{override, `"limit_usd":"ten","until":"2099-01-01T00:00:00Z"`, `limit_usd: amount \"ten\": want a decimal number of US dollars without quotes`},
		{"/api/v1/budgets", `"name":"x","period":"daily","limit_requests":-1`, "limit_requests: is -1: want a number"},
		{"/api/v1/budgets", `"name":"x","period":"daily","limit_usd":-2.5`, "limit_usd: is -$2.5: want 0 or more, and less than 4.6 billion dollars"},
		{"/api/v1/budgets", `"name":"x","period":"daily","limit_usd":"ten"`, `limit_usd: amount \"ten\": want`},
	} {
		body := `{` + c.members + `}`
		if c.path == override {
			body = `{"reason":"demo",` + c.members + `}`
		}
		resp := w.do("POST", c.path, body)
		if got := text(t, resp); resp.StatusCode != http.StatusBadRequest || !strings.Contains(got, `"message":"`+c.message) {
			t.Errorf("%s %s: %d %s", c.path, body, resp.StatusCode, got)
		}
	}
}

// TestBudgetsAreAudited: the records prove the counters, or say that they don't.
func TestBudgetsAreAudited(t *testing.T) {
	w := newWorld(t, withBudgets(t))
	for range 2 {
		rec := &model.Record{ID: model.NewCallID(), State: model.StateCompleted, Charges: charge(t, w, 250_000_000)}
		w.reader.page.Calls = append(w.reader.page.Calls, event.Call{Record: rec})
	}
	got := text(t, w.do("GET", "/api/v1/budgets/audit", ""))
	if !strings.Contains(got, `"balanced":true,"charges":2`) || !strings.Contains(got, `"entries":{"usd":0.5,`) || w.events.flushes == 0 {
		t.Errorf("%s", got)
	}
	charge(t, w, 1) // of a call that left no record
	if got := text(t, w.do("GET", "/api/v1/budgets/audit", "")); !strings.Contains(got, `"balanced":false`) {
		t.Errorf("a missing record is not noticed: %s", got)
	}
}
