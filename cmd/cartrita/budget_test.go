package main

import (
	"net/http"
	"os"
	"os/user"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
)

func TestBudgetCommands(t *testing.T) {
	b := newBench(t, "budgets:\n- {name: all, period: daily, limit_usd: 100}\n")
	b.ok("budget", "create", "teams", "--team", "*", "--period", "weekly", "--limit-usd", "2.5", "--limit-requests", "9",
		"--step", "0.5:prefer-cheaper", "--step", "0.8:max-price=0.002", "--reserve", "p95")
	var list struct {
		Budgets []budgetState `json:"budgets"`
	}
	b.json(&list, "budget", "list")
	if len(list.Budgets) != 2 || list.Budgets[0].Budget.Name != "all" {
		t.Fatalf("%+v", list)
	}
	got := list.Budgets[1].Budget
	if got.Scope.Team != "*" || *got.LimitUSD != 2_500_000_000 || *got.LimitRequests != 9 || got.Reserve != "p95" ||
		len(got.Ladder) != 2 || got.Ladder[1] != (budget.Step{At: 0.8, Action: budget.MaxPrice, Value: "0.002"}) {
		t.Errorf("created %+v", got)
	}
	if out := b.ok("budget", "list"); !strings.Contains(out, "all\teverything\tdaily\t$100\t$0\t$0\t$100\t0%") {
		t.Errorf("list:\n%s", out)
	}
	b.ok("budget", "override", "all", "--for", "2h", "--reason", "demo", "--limit-usd", "150")
	// Each command is a process of its own: the override was kept.
	if out := b.ok("budget", "show", "all"); !strings.Contains(out, "$150") || !strings.Contains(out, "demo") {
		t.Errorf("show:\n%s", out)
	}
	if r := b.run("budget", "audit"); r.code != exitOK || !strings.Contains(r.err, "off by $0") {
		t.Errorf("audit: %d %s%s", r.code, r.out, r.err)
	}
	for _, args := range [][]string{
		{"create", "x", "--limit-usd", "1", "--step", "0.5"},
		{"create", "x", "--limit-usd", "1", "--period", "fortnightly"},
		{"create", "x"},
	} {
		if r := b.run(append([]string{"budget"}, args...)...); r.code != exitInvalid {
			t.Errorf("%v: exit code %d: %s", args, r.code, r.err)
		}
	}
	for _, args := range [][]string{{"show", "nothing"}, {"override", "nothing", "--for", "1h", "--reason", "x", "--limit-usd", "1"}} {
		if r := b.run(append([]string{"budget"}, args...)...); r.code != exitNotFound || !strings.Contains(r.err, "run `cartrita budget list`") || strings.Contains(r.err, "/api/") {
			t.Errorf("%v: exit code %d: %s", args, r.code, r.err)
		}
	}
	b.ok("budget", "override", "all", "--for", "2d", "--reason", "weekend", "--limit-usd", "200")
	var shown budgetState
	b.json(&shown, "budget", "show", "all")
	if me, err := user.Current(); err == nil && shown.Counters[0].Override.Actor != me.Username {
		t.Errorf("the override is by %q, want %q", shown.Counters[0].Override.Actor, me.Username)
	}
	if left := time.Until(shown.Counters[0].Override.Until); left < 47*time.Hour || left > 48*time.Hour {
		t.Errorf("for 2d: %v left", left)
	}
	for _, bad := range []string{"-2h", "0s", "soon", "d"} {
		if r := b.run("budget", "override", "all", "--for="+bad, "--reason", "x", "--limit-usd", "1"); r.code != exitInvalid || !strings.Contains(r.err, "--for: ") || !strings.Contains(r.err, "such as 2h or 7d") {
			t.Errorf("for %s: exit code %d: %s", bad, r.code, r.err)
		}
	}
}

// A mistake in a budget is shown with its line, and a reload with one changes nothing.
func TestBudgetMistakesHaveLines(t *testing.T) {
	b := newBench(t, "budgets:\n- {name: all, period: daily, limit_usd: 100}\n- {name: day, period: daily, limit_usd: 5, reserve: p0}\n")
	r := b.run("config", "check")
	if r.code != exitInvalid || !strings.Contains(r.err, "budgets[1].reserve") || !strings.Contains(r.err, ":5:") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

// TestBudgetStopsCalls runs a gateway with a budget of one request, and again.
func TestBudgetStopsCalls(t *testing.T) {
	b := newBench(t, mockSection(t)+"budgets:\n- {name: few, period: total, limit_requests: 1}\n")
	chat := func(url string) int {
		resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"auto","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	s := b.serve()
	if got := chat(s.url); got != http.StatusOK {
		t.Fatalf("first call: %d\n%s", got, s.err)
	}
	if got := chat(s.url); got != model.KindBudget.Status() {
		t.Errorf("second call: %d", got)
	}
	if r := b.run("budget", "audit"); r.code != exitOK || !strings.Contains(r.out, "yes") {
		t.Errorf("audit: %d %s%s", r.code, r.out, r.err)
	}
	s.stop()
	// What was spent is known after a restart (bifrost#5925).
	s = b.serve()
	if got := chat(s.url); got != model.KindBudget.Status() {
		t.Errorf("after a restart: %d", got)
	}
	if out := b.ok("budget", "show", "few"); !strings.Contains(out, "1 request (100.0%)") {
		t.Errorf("show:\n%s", out)
	}
}

// TestDocumentedBudgets: the configuration in docs/BUDGETS.md is a good one.
func TestDocumentedBudgets(t *testing.T) {
	doc, err := os.ReadFile("../../docs/BUDGETS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("there is no example")
	}
	b := newBench(t, example)
	b.ok("config", "check")
	var list struct {
		Budgets []budgetState `json:"budgets"`
	}
	b.json(&list, "budget", "list")
	if len(list.Budgets) != 2 || len(list.Budgets[1].Budget.Ladder) != 6 || list.Budgets[1].Budget.UnknownPrice != budget.AssumeMax {
		t.Errorf("%+v", list.Budgets)
	}
}

func TestParseStep(t *testing.T) {
	for in, want := range map[string]budget.Step{
		"0.5:notify":            {At: 0.5, Action: budget.Notify},
		"1:refuse":              {At: 1, Action: budget.RefuseCalls},
		"0.8:max-price=0.002":   {At: 0.8, Action: budget.MaxPrice, Value: "0.002"},
		"0.8:require-tag=a=b:c": {At: 0.8, Action: budget.RequireTag, Value: "a=b:c"},
	} {
		if got, err := parseStep(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "0.5", "half:notify", ":notify"} {
		if _, err := parseStep(in); model.KindOf(err) != model.KindInvalid {
			t.Errorf("%q: %v", in, err)
		}
	}
}
