package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// wishesOf reads a chat body with headers, as a call would.
func wishesOf(t *testing.T, body, keyName string, header ...string) (*model.Call, *model.Error) {
	t.Helper()
	q, err := parseChat([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	g := &Gateway{criteria: newCriteriaDecoder()}
	return &q.call, g.wishes(q, h, &key.Identity{Name: keyName})
}

func withMembers(members string) string {
	return `{"model":"auto",` + members + `"messages":[{"role":"user","content":"x"}]}`
}

func TestEveryWishCanBeSentByHeader(t *testing.T) {
	call, err := wishesOf(t, withMembers(""), "",
		"X-Cartrita-Strategy", "speed-first", "X-Cartrita-User", "u", "X-Cartrita-Session", "s", "X-Cartrita-Workflow-Run", "w",
		"X-Cartrita-Stage", "draft", "X-Cartrita-Supervisor", "sup", "X-Cartrita-Priority", "high", "X-Cartrita-Deadline-Ms", "1500",
		"X-Cartrita-Tags", "eu, fast", "X-Cartrita-Excluded-Tags", "beta", "X-Cartrita-Max-Cost-Usd", "0.05",
		"X-Cartrita-Max-Cost-Per-1k-Tokens", "0.002", "X-Cartrita-Max-Latency-Ms", "250.5", "X-Cartrita-Min-Quality", "0.7",
		"X-Cartrita-Max-Risk", "medium", "X-Cartrita-Commercial-Use", "true", "X-Cartrita-Safety-Required", "1")
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(call.Criteria)
	const want = `{"strategy":"speed-first","safety_required":true,"commercial_use":true,"max_cost_per_1k_tokens":0.002,` +
		`"max_cost_usd":0.05,"max_latency_ms":250.5,"min_quality_score":0.7,"max_risk_level":"medium","required_tags":["eu","fast"],` +
		`"excluded_tags":["beta"],"context":{"user_id":"u","workflow_run_id":"w","stage":"draft","supervisor":"sup",` +
		`"session_id":"s","priority":"high","deadline_ms":1500}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBodyWinsOverHeaderWinsOverOpenAIsMembers(t *testing.T) {
	body := withMembers(`"user":"openai-user","metadata":{"session_id":"meta","stage":"meta","other":5},
		"cartrita":{"strategy":"balanced","task_type":"summarization","context":{"user_id":"body"}},`)
	call, err := wishesOf(t, body, "key", "X-Cartrita-User", "header", "X-Cartrita-Session", "header", "X-Cartrita-Strategy", "speed-first")
	if err != nil {
		t.Fatal(err)
	}
	c := call.Criteria
	if c.Strategy != "balanced" || c.Context.UserID != "body" || c.Context.SessionID != "header" || c.Context.Stage != "meta" {
		t.Errorf("criteria %+v", c)
	}
	if call.Task != model.TaskSummarization {
		t.Errorf("task %s", call.Task)
	}
}

func TestUserFallsBackToTheKeyThenNothing(t *testing.T) {
	for _, c := range []struct{ members, key, want string }{
		{"", "team-a", "team-a"}, {`"user":"u",`, "team-a", "u"}, {`"safety_identifier":"s",`, "team-a", "s"},
		{`"safety_identifier":"s","user":"u",`, "", "u"}, {"", "", ""},
	} {
		call, err := wishesOf(t, withMembers(c.members), c.key)
		if err != nil || call.Criteria.Context.UserID != c.want {
			t.Errorf("%s: user %q, %v; want %q", c.members, call.Criteria.Context.UserID, err, c.want)
		}
	}
}

func TestBadWishesAreRefusedByName(t *testing.T) {
	for _, c := range []struct {
		members, header, value, param, message string
	}{
		{`"cartrita":{"strategie":"x"},`, "", "", "cartrita.strategie", `unknown field; did you mean "strategy"?`},
		{`"cartrita":{"context":{"priority":"urgent"}},`, "", "", "cartrita.context.priority", "want one of low, medium, high, critical"},
		{`"cartrita":{"max_cost_usd":"5"},`, "", "", "cartrita.max_cost_usd", "decimal number"},
		{`"cartrita":{"required_tags":["a",5]},`, "", "", "cartrita.required_tags[1]", "want a string, found a number"},
		{`"cartrita":{"quality_weight":true},`, "", "", "cartrita.quality_weight", "want a number, found a boolean"},
		{`"cartrita":{"strategy":"a","strategy":"b"},`, "", "", "cartrita.strategy", "stands twice"},
		{`"cartrita":{"task_type":"embeddings"},`, "", "", "cartrita.task_type", "cannot be asked of chat.completions"},
		{`"cartrita":{"context":{"deadline_ms":0}},`, "", "", "context.deadline_ms", "want a number of milliseconds"},
		{"", "X-Cartrita-Strategi", "x", "X-Cartrita-Strategi", `unknown header; did you mean "X-Cartrita-Strategy"?`},
		{"", "X-Cartrita-Priority", "urgent", "X-Cartrita-Priority", "want one of"},
		{"", "X-Cartrita-Min-Quality", "NaN", "X-Cartrita-Min-Quality", "want a number"},
		{"", "X-Cartrita-Deadline-Ms", "1.5", "X-Cartrita-Deadline-Ms", "want a whole number"},
		{"", "X-Cartrita-Commercial-Use", "maybe", "X-Cartrita-Commercial-Use", "want true or false"},
		{"", "X-Cartrita-User", strings.Repeat("u", 257), "context.user_id", "want at most 256"},
		{`"cartrita":{"input_tokens":9223372036854775807},`, "", "", "input_tokens", "want a number of tokens from 0 to 100000000"},
		{`"cartrita":{"output_tokens":-1},`, "", "", "output_tokens", "want a number of tokens from 0"},
		// What a terminal would obey is not kept.
		{`"user":"a\u001b[2Jb",`, "", "", "user", "without control characters"},
		{`"user":"a\u009b2J",`, "", "", "user", "without control characters"},
		{`"safety_identifier":"a\nb",`, "", "", "user", "without control characters"},
		{`"metadata":{"cartrita_stage":"a\u0007"},`, "", "", "metadata.cartrita_stage", "without control characters"},
		{`"metadata":{"session_id":"\t"},`, "", "", "metadata.session_id", "without control characters"},
		{`"cartrita":{"context":{"workflow_run_id":"a\u0000"}},`, "", "", "context.workflow_run_id", "without control characters"},
		{`"cartrita":{"context":{"supervisor":"\u007f"}},`, "", "", "context.supervisor", "without control characters"},
		{`"cartrita":{"required_tags":["a","\r"]},`, "", "", "required_tags[1]", "without control characters"},
		{"", "X-Cartrita-Excluded-Tags", "a,b\tc", "excluded_tags[1]", "without control characters"},
		{"", "X-Cartrita-Stage", "a\tb", "context.stage", "without control characters"},
		{"", "X-Cartrita-User", "a\xff", "context.user_id", "want text in UTF-8"},
	} {
		var header []string
		if c.header != "" {
			header = []string{c.header, c.value}
		}
		_, err := wishesOf(t, withMembers(c.members), "", header...)
		checkError(t, c.members+c.header, err, c.param, c.message)
	}
	_, err := wishesOf(t, withMembers(""), "", "X-Cartrita-User", "a", "X-Cartrita-User", "b")
	checkError(t, "repeated header", err, "X-Cartrita-User", "stands 2 times")
	_, err = wishesOf(t, `{"model":"gpt-4o","cartrita":{"model":"claude"},"messages":[{"role":"user","content":"x"}]}`, "")
	checkError(t, "two models", err, "cartrita.model", "names a model beside")
}
