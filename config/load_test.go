package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/model"
)

func TestGoodFiles(t *testing.T) {
	for _, file := range glob(t, "testdata/good/*.yaml") {
		l, err := Load(Options{File: file})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		text, err := Show(&l.Config)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("shown", text)
		if err != nil {
			t.Errorf("%s: what Show writes cannot be read: %v\n%s", file, err, text)
			continue
		}
		if diff := Diff(Masked(&l.Config), &again.Config); len(diff) > 0 {
			t.Errorf("%s: reading what Show wrote changes it: %v", file, diff)
		}
	}
}

// Each bad file's problems, with their places, are in the file beside it.
func TestBadFiles(t *testing.T) {
	for _, file := range glob(t, "testdata/bad/*.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse(filepath.Base(file), data)
		if model.KindOf(err) != model.KindInvalid {
			t.Errorf("%s: want an invalid-request error, got %v", file, err)
			continue
		}
		var b strings.Builder
		for _, p := range Problems(err) {
			b.WriteString(p.String() + "\n")
		}
		if strings.Contains(b.String(), "sk-this") || strings.Contains(b.String(), "secret@") {
			t.Errorf("%s: a problem repeats a secret:\n%s", file, b.String())
		}
		golden(t, strings.TrimSuffix(file, ".yaml")+".txt", b.String())
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestFullFileValues(t *testing.T) {
	l, err := Load(Options{File: "testdata/good/full.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	p := l.Providers[2].Endpoints[0]
	if *p.Pricing.Hourly != 2_500_000_000 || p.Pricing.Devices != 2 || *p.Pricing.TokensPerSecond != 900.5 {
		t.Errorf("pricing: %+v", p.Pricing)
	}
	d := p.Describe
	if len(d.Tasks) != 2 || d.Tasks[1] != model.TaskCodeGeneration || *d.ContextLength != 32768 || d.Risk != model.RiskLow {
		t.Errorf("describe: %+v", d)
	}
	if f := d.Quality["mmlu"]; f.Value != 62.5 || f.At.Year() != 2026 || *f.Uncertainty != 0.8 {
		t.Errorf("figure: %+v", f)
	}
	if got := string(d.Metadata); got != `{"team":"search","gpus":[0,1]}` {
		t.Errorf("metadata: %s", got)
	}
	s := l.Router.Strategies["night"]
	if s.Weights.Cost != 3 || *s.Limits.MaxCost != 20_000_000 || s.Limits.MaxRisk != model.RiskMedium || s.Fallback.Scope != FallbackSameModel {
		t.Errorf("strategy: %+v", s)
	}
	if l.Limits.Header != 32*KiB || l.Limits.ShutdownTimeout.Std().Hours() != 24 || l.Limits.IdleTimeout.String() != "1h30m" {
		t.Errorf("limits: %+v", l.Limits)
	}
}

func TestMergedMappingsAndAliases(t *testing.T) {
	l, err := Load(Options{File: "testdata/good/anchors.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if l.Providers[1].Name != "box-b" || l.Providers[1].BaseURL != "http://127.0.0.1:9002/v1" {
		t.Errorf("a field of its own must win over the merged one: %+v", l.Providers[1])
	}
	for i, p := range l.Providers {
		if len(p.Endpoints) != 1 || p.Endpoints[0].Upstream != "llama" {
			t.Errorf("providers[%d].endpoints: %+v", i, p.Endpoints)
		}
	}
}

func TestLayers(t *testing.T) {
	file := "listen: 127.0.0.1:1\ndata: file\nlog: {level: warn}\n"
	l, err := Load(Options{
		File:     "c.yaml",
		ReadFile: func(string) ([]byte, error) { return []byte(file), nil },
		Flags:    []Flag{{Name: "--listen", Path: "listen", Value: "127.0.0.1:2"}, {Name: "--data", Path: "data", Value: "flag"}},
		Environ: []string{
			"CARTRITA_LISTEN=127.0.0.1:3",
			"CARTRITA_ROUTER_DEFAULT_STRATEGY=speed-first",
			"CARTRITA_ROUTER_MAX_ATTEMPTS=7",
			"CARTRITA_LIMITS_BODY=1MiB",
			"CARTRITA_DISCOVERY_ENV=false",
			"CARTRITA_API_KEYS=[{name: ops, key: env:CARTRITA_OPS_KEY}]",
			"CARTRITA_OPS_KEY=topsecret",
			"CARTRITA_LOG_LEVEL=", // set to nothing is not set
			"CARTRITA_SERVER=http://example.com",
			"CARTRITA_PORT=tcp://10.0.0.1:8080", // as Kubernetes does for a service of this name
			"PATH=/bin",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := l.Config
	if c.Listen != "127.0.0.1:3" || c.Data != "flag" || c.Log.Level != "warn" {
		t.Errorf("listen %q want the variable's, data %q want the flag's, level %q want the file's", c.Listen, c.Data, c.Log.Level)
	}
	if c.Router.DefaultStrategy != "speed-first" || c.Router.MaxAttempts != 7 || c.Limits.Body != MiB || c.Discovery.Env {
		t.Errorf("variables did not reach their settings: %+v", c)
	}
	if len(c.APIKeys) != 1 || c.APIKeys[0].Name != "ops" {
		t.Errorf("api_keys: %+v", c.APIKeys)
	}
	if l.Overrides["listen"] != "CARTRITA_LISTEN" || l.Overrides["data"] != "--data" {
		t.Errorf("overrides: %v", l.Overrides)
	}
	var sources []string
	for _, w := range l.Warnings {
		sources = append(sources, w.Source)
	}
	if diff := cmp.Diff([]string{"CARTRITA_PORT"}, sources); diff != "" {
		t.Errorf("warnings: %s", diff)
	}
}

func TestProblemsOfFlagsAndVariablesNameThem(t *testing.T) {
	_, err := Load(Options{
		Flags:   []Flag{{Name: "--listen", Path: "listen", Value: "nowhere"}},
		Environ: []string{"CARTRITA_ROUTER_DEFAULT_STRATEGY=cheap"},
	})
	ps := Problems(err)
	if len(ps) != 2 || ps[0].Source != "--listen" || ps[1].Source != "CARTRITA_ROUTER_DEFAULT_STRATEGY" {
		t.Errorf("want one problem of each, got %v", ps)
	}
	_, err = Load(Options{Environ: []string{"CARTRITA_LIMITS_BODY=much", "CARTRITA_PROVIDERS=[{nam: x}]", "CARTRITA_TELEMETRY_OTLP_HEADERS=["}})
	for i, want := range []string{"CARTRITA_LIMITS_BODY: limits.body: ", "CARTRITA_PROVIDERS: providers[0].nam: ", "CARTRITA_TELEMETRY_OTLP_HEADERS: telemetry.otlp_headers: "} {
		if ps := Problems(err); len(ps) != 3 || !strings.HasPrefix(ps[i].String(), want) {
			t.Errorf("want a problem that begins %q, got %v", want, ps)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fs.ErrNotExist, "x.yaml: there is no such file"},
		{fs.ErrPermission, "x.yaml: may not be read: permission denied"},
		{errors.New("disk on fire"), "x.yaml: cannot be read: disk on fire"},
	} {
		_, err := Load(Options{File: "x.yaml", ReadFile: func(string) ([]byte, error) { return nil, c.err }})
		if ps := Problems(err); len(ps) != 1 || ps[0].String() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestWarnsOfCredentialInClear(t *testing.T) {
	l, err := Parse("c.yaml", []byte("providers:\n- name: a\n  base_url: http://10.1.2.3/v1\n  api_key: env:K\n"))
	if err != nil || len(l.Warnings) != 1 || l.Warnings[0].Line != 3 {
		t.Errorf("want a warning on line 3, got %v, %v", l.Warnings, err)
	}
}

// Each setting has a variable of its own.
func TestVariableNamesAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, s := range settings() {
		if other, dup := seen[s.env]; dup {
			t.Errorf("%s names %s and %s", s.env, other, s.path)
		}
		seen[s.env] = s.path
		for _, r := range reservedEnv {
			if s.env == r {
				t.Errorf("%s is the variable of %s and of the command line", r, s.path)
			}
		}
	}
	if len(seen) < 30 {
		t.Errorf("only %d settings found", len(seen))
	}
}

func TestDefaultIsValid(t *testing.T) {
	l, err := Parse("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(l.Config, Default()) {
		t.Error("an empty file must give the defaults")
	}
}

func TestLimitsOfADocument(t *testing.T) {
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		prev := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+prev+",", 10), ",") + "]\n"
	}
	for name, text := range map[string]string{
		"deep": "data: " + deep, "bomb": bomb, "self": "a: &a [*a]\n", "large": "# " + strings.Repeat("x", maxBytes),
	} {
		if _, err := Parse("c.yaml", []byte(text)); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestRefuseAddsThePlace(t *testing.T) {
	l := parse(t, "providers:\n- name: a\n  base_url: http://127.0.0.1:1\n  endpoints:\n  - {model: nope}\n")
	if err := l.Refuse(nil); err != nil {
		t.Errorf("no problems: %v", err)
	}
	err := l.Refuse([]Problem{{Path: "providers[0].endpoints[0].model", Message: "no such model"}})
	if ps := Problems(err); len(ps) != 1 || ps[0].String() != "c.yaml:5:6: providers[0].endpoints[0].model: no such model" {
		t.Errorf("got %v", err)
	}
}

// A price in the wrong unit is said when the configuration is read.
func TestPriceWarnings(t *testing.T) {
	l, err := Parse("test.yaml", []byte(`
providers:
  - name: lab
    kind: openai
    base_url: http://127.0.0.1:9000/v1
    endpoints:
      - model: llama
        pricing:
          input_usd_per_million: 0.0000025
          tiers:
            - {above_input_tokens: 200000, input_usd_per_million: 4}
            - {service_tier: batch, factor: 0.5, output_usd_per_million: 50000}
`))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, w := range l.Warnings {
		paths = append(paths, w.Path)
	}
	at := "providers[0].endpoints[0].pricing."
	if diff := cmp.Diff([]string{at + "input_usd_per_million", at + "tiers[1].output_usd_per_million"}, paths); diff != "" {
		t.Errorf("warnings: %s", diff)
	}
	if tiers := l.Config.Providers[0].Endpoints[0].Pricing.Tiers; len(tiers) != 2 || tiers[0].AboveInput != 200_000 || *tiers[1].Factor != 0.5 {
		t.Errorf("tiers: %+v", tiers)
	}
}
