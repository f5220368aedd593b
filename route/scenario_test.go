package route_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

var update = flag.Bool("update", false, "rewrite the expected half of the scenario files")

// A scenario file is a YAML document (given) and, after a line "====", what the
// router makes of it.
const divider = "\n====\n"

type scenario struct {
	Doc       string
	Include   string // a file of endpoints beside the scenario
	Demo      string // the profile file of the demo models
	Endpoints []endpoint
	Call      call
	Runs      []run
}

type endpoint struct {
	ID             string // endpoint id; the part before the first slash is the provider
	Model          string // model id; default the endpoint's
	Canonical      string
	Tasks          []model.Task
	Status         model.Status
	Risk           model.Risk
	Features       []model.Feature
	Lacks          []model.Feature
	Tags           []string
	Context        int64
	MaxOutput      int64 `yaml:"max_output"`
	Commercial     *bool
	Quality        *float64
	LatencyMS      *float64 `yaml:"latency_ms"` // the registry's
	Price          *price
	NoCredentials  bool   `yaml:"no_credentials"`
	Credential     string `yaml:"credential"`
	MaxConcurrency int    `yaml:"max_concurrency"`
	Health         vitals
	Chain          []string // canonical ids
}

// price is in dollars per million tokens.
type price struct{ In, Out float64 }

type vitals struct {
	Samples, Errors, Speed float64
	TTFT                   float64 `yaml:"ttft"`
	Latency                float64
	InFlight               int32 `yaml:"in_flight"`
	Queued                 int32
	Circuit                model.Circuit
	RetryIn                string `yaml:"retry_in"`
}

type call struct {
	Task      *model.Task
	Needs     []model.Feature
	Input     int64
	Output    int64
	MaxOutput *int64 `yaml:"max_output"`
}

type run struct {
	Title    string
	Strategy string          // a built-in one
	Own      *route.Strategy // or an own one
	Criteria map[string]any
	Budget   string // JSON of model.BudgetLimits
	Named    string // canonical id of the model that the call names
	Empty    bool   // the named model has no endpoint
	Seed     uint64
	Keep     int
	Attempts int
	Waited   string   // between arrival and decision
	Failures []string // of the attempts, in order; see failure
}

var scenarioNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.scenario")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".scenario"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			given, want, _ := strings.Cut(string(raw), divider)
			got := play(t, given)
			if *update {
				if err := os.WriteFile(file, []byte(strings.TrimRight(given, "\n")+"\n"+divider[1:]+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s: the decision changed; -update accepts it (-want +got)\n%s", file, diff)
			}
		})
	}
}

func play(t *testing.T, given string) string {
	t.Helper()
	var sc scenario
	strict(t, []byte(given), &sc)
	if sc.Include != "" {
		raw, err := os.ReadFile(filepath.Join("testdata", sc.Include))
		if err != nil {
			t.Fatal(err)
		}
		var shared struct {
			Doc       string
			Endpoints []endpoint
		}
		strict(t, raw, &shared)
		sc.Endpoints = append(shared.Endpoints, sc.Endpoints...)
	}
	if sc.Demo != "" {
		sc.Endpoints = append(sc.Endpoints, demo(t, sc.Demo)...)
	}
	var out strings.Builder
	for _, r := range sc.Runs {
		fmt.Fprintf(&out, "\n# %s\n", r.Title)
		in := sc.input(t, r)
		plan, err := route.Decide(in)
		if err != nil {
			writeError(t, &out, err)
			continue
		}
		writePlan(&out, plan)
		writeFailures(t, &out, in, plan, r.Failures)
	}
	return out.String()
}

// demo reads the endpoints of the demo models from the file that describes them.
func demo(t *testing.T, file string) (out []endpoint) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Models []struct {
			Name      string
			TTFT      string
			Context   int64 `yaml:"context_length"`
			MaxOutput int64 `yaml:"max_output_tokens"`
			Facts     struct {
				Tasks      []model.Task                `yaml:"task_types"`
				Features   []model.Feature             `yaml:"features"`
				Tags       []string                    `yaml:"routing_tags"`
				Risk       model.Risk                  `yaml:"safety_risk_level"`
				Commercial *bool                       `yaml:"commercial_allowed"`
				Chain      []string                    `yaml:"fallback_chain"`
				Quality    struct{ Composite float64 } `yaml:"quality_metrics"`
				Pricing    struct {
					In  float64 `yaml:"input_usd_per_million"`
					Out float64 `yaml:"output_usd_per_million"`
				} `yaml:"cost_profile"`
			}
		}
	}
	if err := yaml.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	for _, m := range f.Models {
		a := m.Facts
		ttft := float64(duration(t, m.TTFT).Milliseconds())
		out = append(out, endpoint{
			ID: "demo/" + m.Name, Canonical: m.Name, Tasks: a.Tasks, Features: a.Features, Tags: a.Tags, Risk: a.Risk,
			Commercial: a.Commercial, Chain: a.Chain, Quality: &a.Quality.Composite, LatencyMS: &ttft,
			Price: &price{In: a.Pricing.In, Out: a.Pricing.Out}, Context: m.Context, MaxOutput: m.MaxOutput,
		})
	}
	return out
}

func strict(t *testing.T, raw []byte, v any) {
	t.Helper()
	if err := yaml.NewDecoder(bytes.NewReader(raw), yaml.Strict()).Decode(v); err != nil {
		t.Fatal(err)
	}
}

// input builds the Input of one run.
func (sc *scenario) input(t *testing.T, r run) *route.Input {
	t.Helper()
	in := &route.Input{
		Needs: model.Features(sc.Call.Needs...), Task: model.TaskChat, Seed: r.Seed, Snapshot: 7, Keep: r.Keep,
		MaxAttempts: r.Attempts, Now: scenarioNow, Strategy: r.Own, Criteria: criteria(t, r.Criteria),
	}
	if sc.Call.Task != nil {
		in.Task = *sc.Call.Task
	}
	if sc.Call.MaxOutput != nil {
		in.MaxOutput = model.Known(*sc.Call.MaxOutput)
	}
	if r.Budget != "" {
		in.Budget = new(model.BudgetLimits)
		if err := json.Unmarshal([]byte(r.Budget), in.Budget); err != nil {
			t.Fatal(err)
		}
	}
	if r.Waited != "" {
		in.Received = scenarioNow.Add(-duration(t, r.Waited))
	}
	if in.Strategy == nil {
		set, err := route.NewStrategies("")
		if err != nil {
			t.Fatal(err)
		}
		if in.Strategy, err = set.Get(r.Strategy); err != nil {
			t.Fatal(err)
		}
	}
	for i := range sc.Endpoints {
		e := &sc.Endpoints[i]
		in.Served = append(in.Served, e.served())
		in.Health = append(in.Health, e.Health.view(t))
		in.Estimates = append(in.Estimates, e.estimate(&sc.Call))
	}
	in.ChainOf = func(at int) [][]int32 { return sc.chain(sc.Endpoints[at].Chain) }
	if r.Named != "" {
		in.Named = sc.serving(r.Named)
		in.Chain = in.ChainOf(int(in.Named[0]))
	}
	if r.Empty {
		in.Named = []int32{}
	}
	return in
}

func (sc *scenario) serving(canonical string) (at []int32) {
	for i := range sc.Endpoints {
		if sc.Endpoints[i].canonical() == canonical {
			at = append(at, int32(i))
		}
	}
	return at
}

func (sc *scenario) chain(names []string) (out [][]int32) {
	for _, n := range names {
		out = append(out, sc.serving(n))
	}
	return out
}

func criteria(t *testing.T, m map[string]any) *model.Criteria {
	t.Helper()
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	c := &model.Criteria{}
	if err := dec.Decode(c); err != nil {
		t.Fatal(err)
	}
	return c
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (e *endpoint) canonical() string {
	if e.Canonical != "" {
		return e.Canonical
	}
	return e.ID
}

func (e *endpoint) served() model.Served {
	provider, upstream, _ := strings.Cut(e.ID, "/")
	id := model.ModelID(e.Model)
	if id == "" {
		id = model.ModelID(e.ID)
	}
	m := &model.Model{ID: id, Canonical: e.canonical(), Status: e.Status, Risk: e.Risk}
	if e.LatencyMS != nil {
		m.LatencyMS = &model.Figure{Value: *e.LatencyMS, Source: "scenario"}
	}
	credential := e.Credential
	if credential == "" {
		credential = "env:" + strings.ToUpper(provider) + "_API_KEY"
	}
	tasks := e.Tasks
	if tasks == nil {
		tasks = []model.Task{model.TaskChat, model.TaskTextGeneration}
	}
	s := model.Served{
		Endpoint: &model.Endpoint{
			ID: model.EndpointID(e.ID), Provider: provider, Upstream: upstream, Credential: credential,
			Ready: !e.NoCredentials, Model: id, MaxConcurrency: e.MaxConcurrency,
		},
		Model: m, Tasks: model.Tasks(tasks...), Features: model.Features(e.Features...), Lacks: model.Features(e.Lacks...),
		Context: e.Context, MaxOutput: e.MaxOutput, Tags: slices.Sorted(slices.Values(e.Tags)),
	}
	if e.Quality != nil {
		s.Quality, s.QualityKnown = *e.Quality, true
	}
	if e.Commercial != nil {
		s.Commercial, s.CommercialKnown = *e.Commercial, true
	}
	return s
}

func (e *endpoint) estimate(c *call) model.Estimate {
	est := model.Estimate{InputTokens: c.Input, OutputTokens: c.Output, Method: model.MethodPrior}
	if e.Price == nil {
		return est
	}
	in, out := e.Price.In*float64(c.Input)/1e6, e.Price.Out*float64(c.Output)/1e6
	est.Priced = true
	est.Expected, est.Low, est.High = model.FromUSD(in+out), model.FromUSD(in+out/2), model.FromUSD(in+2*out)
	return est
}

func (v vitals) view(t *testing.T) model.Health {
	h := model.Health{
		Samples: v.Samples, TTFTMS: v.TTFT, LatencyMS: v.Latency, TokensPerSecond: v.Speed, ErrorRate: v.Errors,
		InFlight: v.InFlight, Queued: v.Queued, Circuit: v.Circuit,
	}
	if v.RetryIn != "" {
		h.RetryAt = scenarioNow.Add(duration(t, v.RetryIn))
	}
	return h
}

func writePlan(w io.Writer, p *model.Plan) {
	fmt.Fprintf(w, "weights      quality %.3f, cost %.3f, latency %.3f, safety %.3f, availability %.3f\n",
		p.Weights.Quality, p.Weights.Cost, p.Weights.Latency, p.Weights.Safety, p.Weights.Availability)
	for i, a := range p.Attempts {
		c := &p.Candidates[a.Candidate]
		fmt.Fprintf(w, "attempt %-4d %s (%s)\n", i+1, c.Endpoint, a.Step)
	}
	for i := range p.Candidates {
		c := &p.Candidates[i]
		fmt.Fprintf(w, "candidate    %.3f %s: quality %s, cost %s, latency %s, safety %s, availability %s",
			c.Score, c.Endpoint, term(c.Terms.Quality), term(c.Terms.Cost), term(c.Terms.Latency), term(c.Terms.Safety), term(c.Terms.Availability))
		if c.Load > 0 {
			fmt.Fprintf(w, ", load %.2f", c.Load)
		}
		fmt.Fprintln(w)
	}
	for _, x := range p.Excluded {
		fmt.Fprintf(w, "excluded     %s [%s] %s\n", x.Endpoint, x.Filter, x.Reason())
	}
	fmt.Fprintf(w, "eligible     %d of %d, confidence %.3f, spread %v\n", p.Eligible, p.Considered, p.Confidence, p.Spread)
	fmt.Fprintf(w, "because      %s\n", route.Explain(p))
}

func term(t model.Term) string {
	s := fmt.Sprintf("%.3f", t.Score)
	if !t.Known {
		s += "?"
	}
	return s
}

func writeError(t *testing.T, w io.Writer, err error) {
	e := model.AsError(err)
	fmt.Fprintf(w, "error        %s (%d): %s\n", e.Kind, e.Kind.Status(), e.Message)
	if e.Param != "" {
		fmt.Fprintf(w, "param        %s\n", e.Param)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(w, "retry after  %v\n", e.RetryAfter)
	}
	if d, ok := e.Details.(*route.NoCandidate); ok {
		for _, x := range d.Excluded {
			fmt.Fprintf(w, "excluded     %s [%s] %s\n", x.Endpoint, x.Filter, x.Reason)
		}
		if _, err := json.Marshal(d); err != nil {
			t.Errorf("details: %v", err)
		}
	}
}

// writeFailures plays the call: the first attempt, then what Next says after
// each failure.
func writeFailures(t *testing.T, w io.Writer, in *route.Input, p *model.Plan, failures []string) {
	t.Helper()
	if len(failures) == 0 {
		return
	}
	d := route.Decision{Action: route.Fall, Candidate: p.Attempts[0].Candidate, Step: p.Attempts[0].Step}
	var done []model.Attempt
	for _, f := range failures {
		if d.Action == route.Stop {
			t.Fatalf("failure %q after the end", f)
		}
		at := model.Attempt{Endpoint: p.Candidates[d.Candidate].Endpoint, Step: d.Step}
		err := failure(t, f, &at)
		done = append(done, at)
		fmt.Fprintf(w, "fails        %s: %s\n", at.Endpoint, f)
		d = route.Next(in, p, done, err)
		switch d.Action {
		case route.Stop:
			fmt.Fprintf(w, "stop         %s\n", d.Reason)
		default:
			fmt.Fprintf(w, "%-12s %s (%s)", d.Action, p.Candidates[d.Candidate].Endpoint, d.Step)
			if d.Wait > 0 {
				fmt.Fprintf(w, " after %v", d.Wait)
			}
			fmt.Fprintf(w, ": %s\n", d.Reason)
		}
	}
}

// failure reads "<kind> [status=503] [retry=1s] [took=800ms] [reset] [unsent]".
func failure(t *testing.T, s string, at *model.Attempt) *model.Error {
	t.Helper()
	words := strings.Fields(s)
	e := &model.Error{Op: "scenario"}
	if err := e.Kind.UnmarshalText([]byte(words[0])); err != nil {
		t.Fatal(err)
	}
	at.LatencyMS = 10
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "status":
			fmt.Sscan(value, &e.Status)
		case "retry":
			e.RetryAfter = duration(t, value)
		case "took":
			at.LatencyMS = float64(duration(t, value).Milliseconds())
		case "reset":
			e.Err = io.ErrUnexpectedEOF
		case "unsent":
			at.LatencyMS = 0
		default:
			t.Fatalf("failure %q: unknown word %q", s, word)
		}
	}
	at.Status = e.Status
	at.Error = &model.Failure{Kind: e.Kind, Message: s}
	return e
}
