package mock

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

func TestLoad(t *testing.T) {
	got, err := Load("x.yaml", []byte(`
models:
  - name: slow
    ttft: 1.5s
    tokens_per_second: 20
    error_rate: 0.25
    retry_after: 250ms
    unsupported: [tools]
    facts:
      safety_risk_level: low
      architectural_type: decoder
      task_types: [chat-completions]
      quality_metrics: {mmlu: 71.5}
      cost_profile: {input_usd_per_million: 0.15, output_usd_per_million: 0.6}
`))
	if err != nil {
		t.Fatal(err)
	}
	p := got[0]
	if p.TTFT != 1500*time.Millisecond || p.RetryAfter != 250*time.Millisecond || p.ErrorRate != 0.25 || p.supports("tools") {
		t.Errorf("%+v", p)
	}
	m := p.Record("lab")
	if m.ID != "lab/slow" || m.Risk != model.RiskLow || m.Pricing.Input.String() != "$0.15" || m.Quality["mmlu"].Source != SourceDemo || !slices.Equal(m.Tasks, []model.Task{model.TaskChat}) {
		t.Errorf("%+v", m)
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "holds no models"},
		{"no models", "models: []", "holds no models"},
		{"typo", "models:\n  - name: a\n    ttf: 5ms\n", "[3:5]"},
		{"typo at the top", "model:\n  - name: a\n", "[1:1]"},
		{"wrong type", "models:\n  - name: a\n    jitter: lots\n", "[3:13]"},
		{"duration", "models:\n  - name: a\n    ttft: fast\n", "[3:11]"},
		{"twice in one", "models:\n  - name: a\n    name: b\n", "[3:5]"},
		{"syntax", "models: [\n", "["},
		{"risk", "models:\n  - name: a\n    facts: {safety_risk_level: huge}\n", "[3:32]"},
		{"price", "models:\n  - name: a\n    facts:\n      cost_profile:\n        input_usd_per_million: cheap\n", "[5:32]"},
		{"range", "models:\n  - name: a\n  - name: b\n    jitter: 7\n", "models[1].jitter"},
		{"same name", "models:\n  - name: a\n  - name: a\n", "models[1].name"},
		{"ability", "models:\n  - name: a\n    unsupported: [tool]\n", "models[0].unsupported[0]"},
		{"status", "models:\n  - name: a\n    error_status: 200\n", "models[0].error_status"},
		{"alias", "models:\n  - &a {name: a}\n  - *a\n", "[3:5] anchors"},
		{"tag", "models: !x [{name: a}]\n", "[1:9] anchors"},
		{"two documents", "models: [{name: a}]\n---\nmodels: [{name: b}]\n", "several documents"},
		{"large", strings.Repeat("#\n", maxFile), "larger"},
		{"deep", "models: " + strings.Repeat("[", 10_000), "["},
		{"size", "models:\n  - name: a\n    dimensions: 1000000\n", "models[0].dimensions"},
	} {
		_, err := Load("x.yaml", []byte(tt.text))
		if model.KindOf(err) != model.KindInvalid || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "x.yaml") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the message has several lines: %q", tt.name, err)
		}
	}
}

// Each demo model is the best at something, so that every strategy has a favourite.
func TestDemo(t *testing.T) {
	records := DemoModels()
	best := func(name string, score func(model.Model) float64) {
		t.Helper()
		top := slices.MaxFunc(records, func(a, b model.Model) int {
			switch x, y := score(a), score(b); {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		})
		if top.Upstream != name {
			t.Errorf("the favourite is %s, want %s", top.Upstream, name)
		}
	}
	records = slices.DeleteFunc(records, func(m model.Model) bool { return slices.Contains(m.Tasks, model.TaskEmbeddings) })
	best("atlas-large", func(m model.Model) float64 { return m.Quality[model.MetricComposite].Value })
	best("pebble-nano", func(m model.Model) float64 { return -m.Pricing.Output.USD() })
	best("swift-mini", func(m model.Model) float64 { return -m.LatencyMS.Value })
	best("sentinel-guard", func(m model.Model) float64 { return -float64(m.Risk) })
	best("harbor-medium", func(m model.Model) float64 { // quality for the price, among those for everyone
		if !*m.CommercialAllowed {
			return 0
		}
		return m.Quality[model.MetricComposite].Value - 0.2*m.Pricing.Output.USD() - m.LatencyMS.Value/1000
	})
	for _, m := range DemoModels() {
		if _, err := json.Marshal(m); err != nil {
			t.Errorf("%s: %v", m.ID, err)
		}
		if m.Pricing == nil || m.Risk == model.RiskUnknown || m.License == "" || m.ContextLength == nil || m.Source != SourceDemo {
			t.Errorf("%s lacks facts", m.ID)
		}
		for _, f := range m.Fallbacks {
			if !slices.ContainsFunc(DemoModels(), func(o model.Model) bool { return o.Canonical == f }) {
				t.Errorf("%s falls back to %s, which is not there", m.ID, f)
			}
		}
	}
	newServer(t, Demo()...)
}
