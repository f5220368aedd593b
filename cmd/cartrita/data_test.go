package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/user"
	"strings"
	"testing"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

func TestModelsList(t *testing.T) {
	b := newBench(t, "")
	var all []model.Model
	b.json(&all, "models", "list")
	if len(all) < 1000 {
		t.Fatalf("%d models, want over a thousand", len(all))
	}
	var some []model.Model
	b.json(&some, "models", "list", "--provider", "openai", "-w", "context_length>=128000", "-n", "3")
	if len(some) != 3 || some[0].Provider != "openai" || *some[0].ContextLength < 128000 {
		t.Errorf("filtered: %+v", some)
	}
	if out := b.ok("models", "list", "--provider", "openai", "-n", "2"); strings.Count(out, "\n") != 3 || !strings.HasPrefix(out, "MODEL\t") || strings.Count(out, "\nopenai/") != 2 {
		t.Errorf("plain lines:\n%s", out)
	}
	r := b.run("models", "list", "-w", "contxt_length>3")
	if r.code != exitInvalid || !strings.Contains(r.err, "context_length") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

func TestModelsSearch(t *testing.T) {
	b := newBench(t, "")
	if out := b.ok("models", "search", "haiku"); !strings.Contains(out, "haiku") {
		t.Errorf("by text:\n%s", out)
	}
	var found registry.Result
	b.json(&found, "models", "search", "--similar", "a", "small", "cheap", "model", "for", "French", "summaries", "-n", "5")
	if len(found.Hits) != 5 || found.Method != registry.MethodFeatures {
		t.Errorf("by likeness: %d hits by %s", len(found.Hits), found.Method)
	}
	like := found.Hits[0].Model.ID
	b.json(&found, "models", "similar", string(like))
	if len(found.Hits) != 10 || found.Hits[0].Model.ID == like {
		t.Errorf("like %s: %d hits, first %s", like, len(found.Hits), found.Hits[0].Model.ID)
	}
	if r := b.run("models", "similar", "nobody/nothing"); r.code == exitOK || !strings.Contains(r.err, "nobody/nothing") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

// Words that no record holds are taken for a description.
func TestModelsSearchFallsBackToLikeness(t *testing.T) {
	b := newBench(t, "")
	args := []string{"models", "search", "a small cheap model for French summaries", "--provider", "openai", "-n", "3"}
	r := b.run(args...)
	if r.code != exitOK || strings.Count(r.out, "\n") != 4 || !strings.Contains(r.err, "no model matches these words") {
		t.Errorf("exit code %d:\n%s%s", r.code, r.out, r.err)
	}
	var found registry.Result
	b.json(&found, args...)
	if len(found.Hits) != 3 || found.Method != registry.MethodFeatures {
		t.Errorf("%d hits by %s", len(found.Hits), found.Method)
	}
	if r := b.run("models", "search", "haiku", "--provider", "nobody"); strings.Count(r.out, "\n") != 1 || !strings.Contains(r.err, "no model matches") {
		t.Errorf("nothing to be similar to: %s%s", r.out, r.err)
	}
}

func TestModelsShow(t *testing.T) {
	b := newBench(t, "")
	if out := b.ok("models", "show", "openai/gpt-4o"); !strings.HasPrefix(out, "model_id: openai/gpt-4o\n") {
		t.Errorf("YAML:\n%s", out)
	}
	r := b.run("models", "show", "openai/gpt-4oo")
	if r.code != exitNotFound || !strings.Contains(r.err, "gpt-4o") {
		t.Errorf("exit code %d, want near names: %s", r.code, r.err)
	}
}

const ownRecord = `model_id: self/small
provider: self
task_types: [chat-completions]
context_length: 8192
license: apache-2.0
`

func TestModelsAddHistoryRetire(t *testing.T) {
	b := newBench(t, "")
	file := b.file("small.yaml", ownRecord)
	if out := b.ok("models", "add", "--dry-run", file); !strings.Contains(out, "would import") || !strings.Contains(out, "+ self/small") {
		t.Errorf("dry run:\n%s", out)
	}
	if r := b.run("models", "show", "self/small"); r.code != exitNotFound {
		t.Errorf("a dry run changed something: %s", r.out)
	}
	b.ok("models", "add", file)
	if out := b.ok("models", "add", file); !strings.Contains(out, "1 unchanged") {
		t.Errorf("the same again:\n%s", out)
	}
	b.write(file, ownRecord+"max_output_tokens: 1024\n")
	if r := b.runIn(ownRecord+"max_output_tokens: 1024\n", "models", "add", "-"); r.code != exitOK || !strings.Contains(r.out, "1 changed") {
		t.Errorf("from standard input: %s%s", r.out, r.err)
	}
	if out := b.ok("models", "retire", "self/small"); !strings.Contains(out, "self/small is retired") {
		t.Errorf("retire:\n%s", out)
	}
	if out := b.ok("models", "retire", "self/small"); !strings.Contains(out, "already") {
		t.Errorf("retire again:\n%s", out)
	}
	out := b.ok("models", "history", "self/small")
	for _, want := range []string{"version 1", "version 2", "+ max_output_tokens: 1024", "version 3", "status"} {
		if !strings.Contains(out, want) {
			t.Errorf("history lacks %q:\n%s", want, out)
		}
	}
}

// A change is recorded for who ran the command, not for nobody.
func TestChangesSayWho(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip("this system has no list of users")
	}
	b := newBench(t, "")
	b.ok("models", "add", b.file("small.yaml", ownRecord))
	b.ok("models", "retire", "self/small")
	b.ok("models", "import", "--format", "cartrita", b.file("other.yaml", strings.Replace(ownRecord, "self/small", "self/other", 1)))
	for id, n := range map[string]int{"self/small": 2, "self/other": 1} {
		var h struct{ Versions []registry.Version }
		b.json(&h, "models", "history", id)
		if len(h.Versions) != n {
			t.Errorf("%s has %d versions, want %d", id, len(h.Versions), n)
		}
		for _, v := range h.Versions {
			if v.Actor != me.Username {
				t.Errorf("version %d of %s is by %q, want %q", v.Number, id, v.Actor, me.Username)
			}
		}
	}
}

// Complete records are added, not imported as a catalogue.
func TestAddUsesTheRouteForRecords(t *testing.T) {
	var asked []string
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	})
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	b := newBench(t, "")
	b.ok("models", "add", b.file("small.yaml", ownRecord), "--server", s.URL)
	if len(asked) != 1 || asked[0] != "POST /api/v1/models" {
		t.Errorf("asked %q", asked)
	}
}

func TestImport(t *testing.T) {
	b := newBench(t, "")
	litellm := `{"my-model": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "max_input_tokens": 1000, "odd_key": 1}}`
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/prices.json" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(litellm))
	}))
	t.Cleanup(page.Close)
	out := b.ok("models", "import", "--format", "litellm", page.URL+"/prices.json")
	if !strings.Contains(out, "imported prices.json (litellm): 1 added") || !strings.Contains(out, "odd_key") {
		t.Errorf("from an address:\n%s", out)
	}
	if out := b.ok("models", "import", page.URL+"/prices.json"); !strings.Contains(out, "0 added, 0 changed, 1 unchanged") {
		t.Errorf("a second run changes nothing:\n%s", out)
	}
	if r := b.run("models", "import", page.URL+"/none.json"); r.code != exitUnavailable {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	if r := b.run("models", "import", "/no/such/file"); r.code != exitNotFound {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	mixed := b.file("mixed.jsonl", `{"model_id":"self/a","provider":"self","task_types":["chat-completions"]}`+"\n"+`{"model_id":"self/b","provider":"self","task_types":["juggling"]}`+"\n")
	r := b.run("models", "import", mixed)
	if r.code != exitPartly || !strings.Contains(r.out, "1 added") || !strings.Contains(r.out, "task_types[0]") {
		t.Errorf("exit code %d:\n%s%s", r.code, r.out, r.err)
	}
	if r := b.run("models", "add", mixed); r.code != exitInvalid {
		t.Errorf("add takes all or none: exit code %d: %s", r.code, r.err)
	}
}

func TestAskAndLookBack(t *testing.T) {
	b := newBench(t, mockSection(t))
	var s cartrita.Selection
	b.json(&s, "select", "--quality", "1", "--commercial", "What", "is", "a", "river?")
	if s.Selected != "box/atlas-large" || s.EstimatedCostUSD == nil {
		t.Errorf("selected %s, cost %v", s.Selected, s.EstimatedCostUSD)
	}
	request := b.file("request.json", `{"task_type":"text-generation","cost_weight":1,"input_tokens":100}`)
	b.json(&s, "select", "-f", request)
	if s.Selected != "box/pebble-nano" {
		t.Errorf("by a file: selected %s", s.Selected)
	}
	if out := b.ok("estimate", "hello"); strings.Count(out, "\n") < 5 || !strings.Contains(out, "box/pebble-nano\t$") {
		t.Errorf("estimate:\n%s", out)
	}

	r := b.run("chat", "Why", "do", "rivers", "bend?", "--model", "auto:quality-first", "--session", "s-1")
	if r.code != exitOK || !strings.Contains(r.out, "rivers bend") || !strings.Contains(r.err, "box/atlas-large · $") {
		t.Fatalf("chat: %d\n%s\n%s", r.code, r.out, r.err)
	}
	var answer struct{ Choices []any }
	b.json(&answer, "chat", "hello")
	if len(answer.Choices) != 1 {
		t.Errorf("chat --json: %+v", answer)
	}
	if r := b.runIn("from a pipe", "chat", "--no-stream"); r.code != exitOK || !strings.Contains(r.out, "from a pipe") {
		t.Errorf("chat from standard input: %s%s", r.out, r.err)
	}

	var events []event.Event
	b.json(&events, "events", "--session", "s-1")
	if len(events) != 4 || events[0].Kind != event.CostAccumulated || events[3].Kind != event.CallPlanned {
		t.Fatalf("events: %v", events)
	}
	if out := b.ok("events", "--kind", "model_call.completed"); strings.Count(out, "\n") != 4 {
		t.Errorf("three calls completed:\n%s", out)
	}
	out := b.ok("explain", events[0].Call.String())
	for _, want := range []string{"box/atlas-large was chosen", "quality-first", "auto:quality-first"} {
		if !strings.Contains(out, want) {
			t.Errorf("explain lacks %q:\n%s", want, out)
		}
	}
	if out := b.ok("explain", "last"); !strings.Contains(out, "completed") {
		t.Errorf("explain last:\n%s", out)
	}
	var costs event.CostReport
	b.json(&costs, "costs", "--by", "strategy")
	if costs.Total.Calls != 3 || costs.Total.Cost <= 0 {
		t.Errorf("costs: %+v", costs.Total)
	}
	var sum model.Money
	b.json(&events, "events", "--kind", "model_cost.accumulated")
	for _, e := range events {
		sum += e.Record.Cost.Total
	}
	var replay cartrita.ReplayReport
	prices := b.file("prices.yaml", "box/pebble-nano: {input_usd_per_million: 1000, output_usd_per_million: 1000}")
	b.json(&replay, "replay", "--strategy", "quality-first", "--prices", prices, "--by", "task")
	if replay.Calls != 5 || replay.Identical != 5 || replay.Total == nil || replay.Total.Changed == 0 || len(replay.Groups) != 2 {
		t.Errorf("replay: %+v", replay)
	}
	if out := b.ok("replay", "--exclude-model", "box/atlas-large"); !strings.Contains(out, "3 calls and 2 decisions without a call decided again, 5 identical") || !strings.Contains(out, "total") {
		t.Errorf("replay:\n%s", out)
	}
	if out := b.run("costs", "suggest"); out.code != exitOK || !strings.HasPrefix(out.out, "3 calls, $") || !strings.Contains(out.err, "fewer than 100") {
		t.Errorf("costs suggest of three calls: %d\n%s%s", out.code, out.out, out.err)
	}
	if r := b.run("replay", "--strategy", "fastest"); r.code != exitInvalid {
		t.Errorf("replay by an unknown strategy: %d %s", r.code, r.err)
	}
	if sum != costs.Total.Cost {
		t.Errorf("events cost %s, costs say %s", sum, costs.Total.Cost)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t, mockSection(t))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"select", "--max-cost", "0", "--commercial", "hi"}, exitNoCandidate, "max_cost"},
		{[]string{"select", "--strategy", "cheapest", "hi"}, exitInvalid, "balanced"},
		{[]string{"select", "--quality", "0", "hi"}, exitInvalid, "weight"},
		{[]string{"select", "--task", "juggling", "hi"}, exitInvalid, "--task: unknown task type"},
		{[]string{"select", "--max-cost", "much", "hi"}, exitInvalid, "--max-cost"},
		{[]string{"select", "--model", "atlas-lrge", "hi"}, exitNotFound, "atlas-large"},
		{[]string{"select", "-f", "/no/such/file"}, exitNotFound, "no file"},
		{[]string{"chat", "--model", "no-such-model", "hi"}, exitNotFound, "no-such-model"},
		{[]string{"chat"}, exitInvalid, "nothing to say"},
		{[]string{"explain", "nonsense"}, exitInvalid, "UUID"},
		{[]string{"explain", "last"}, exitNotFound, "no call"},
		{[]string{"explain", "01890a5d-ac96-774b-bcce-b302099a8057"}, exitNotFound, ""},
		{[]string{"costs", "--by", "colour"}, exitInvalid, "by"},
		{[]string{"costs", "--since", "lately"}, exitInvalid, "since"},
		{[]string{"events", "--kind", "party"}, exitInvalid, "kind"},
		{[]string{"events", "tail"}, exitUnavailable, "cartrita serve"},
		{[]string{"models", "history", "nope"}, exitNotFound, ""},
	} {
		r := b.run(c.args...)
		if r.code != c.code || !strings.Contains(r.err, c.want) {
			t.Errorf("%v: exit code %d, want %d: %s", c.args, r.code, c.code, r.err)
		}
	}
	odd := b.file("odd.json", `{"task_typ":"chat-completions"}`)
	if r := b.run("select", "-f", odd); r.code != exitInvalid || !strings.Contains(r.err, "task_typ") {
		t.Errorf("unknown member: exit code %d: %s", r.code, r.err)
	}
}

// A conversation keeps what was said, and a refused message does not end it.
func TestTalk(t *testing.T) {
	var bodies []map[string]any
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		bodies = append(bodies, body)
		if len(bodies) == 2 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"error":{"message":"slow down","code":"rate_limit_exceeded"}}`))
			return
		}
		w.Header().Set("X-Cartrita-Model", "m")
		w.Header().Set("Trailer", "X-Cartrita-Cost-Usd")
		_, _ = w.Write([]byte("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"yes\"}}]}\n\n" +
			"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n"))
		w.Header().Set("X-Cartrita-Cost-Usd", "0.5")
	})
	out, errOut := newLineLog(t), newLineLog(t)
	s := &session{
		cmd: &chatCmd{Model: "auto"}, p: &printer{out: out, err: errOut},
		c: &client{base: "http://localhost", http: &http.Client{Transport: handlerTransport{h}}},
	}
	if err := s.talk(t.Context(), strings.NewReader("one\ntwo\nthree\n\nfour\n")); err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 3 || len(bodies[2]["messages"].([]any)) != 3 {
		t.Errorf("the third message follows the first and its answer: %v", bodies)
	}
	if got := out.String(); strings.Count(got, "hm\n\nyes\n") != 2 {
		t.Errorf("answers: %q", got)
	}
	if got := errOut.String(); !strings.Contains(got, "slow down") || !strings.Contains(got, "m · $0.5 · 3 + 1 tokens") {
		t.Errorf("remarks: %q", got)
	}
}

func TestBrokenStreamIsAnError(t *testing.T) {
	for body, want := range map[string]string{
		"data: {\"choices\":[{\"delta\":{\"content\":\"ye\"}}]}\n\n":                        "broke off",
		"data: {\"error\":{\"message\":\"upstream gone\",\"code\":\"upstream_error\"}}\n\n": "upstream gone",
	} {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(body)) })
		s := &session{
			cmd: &chatCmd{Model: "auto"}, p: &printer{out: newLineLog(t), err: newLineLog(t)},
			c: &client{base: "http://localhost", http: &http.Client{Transport: handlerTransport{h}}},
		}
		err := s.say(t.Context(), "hi")
		if model.KindOf(err) != model.KindUpstream || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
