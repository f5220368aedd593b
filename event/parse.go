package event

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/tidwall/gjson"

	"github.com/cartrita/cartrita/model"
)

// ParseRecord reads the two documents of a call back; plan may be nil.
func ParseRecord(record, plan []byte) (*model.Record, error) {
	rec := new(model.Record)
	if err := json.Unmarshal(record, rec); err != nil {
		return nil, model.Errorf("event.ParseRecord", model.KindInternal, "the stored record cannot be read: %v", err)
	}
	if plan == nil {
		return rec, nil
	}
	p, err := ParsePlan(plan)
	rec.Plan = p
	return rec, err
}

// PlanStrategy returns the strategy in a plan document, and reads nothing else
// of it.
func PlanStrategy(doc []byte) (string, error) {
	plan, _ := splitPlan(doc)
	var d struct {
		Strategy string `json:"strategy"`
	}
	if err := json.Unmarshal(plan, &d); err != nil {
		return "", planError(err)
	}
	return d.Strategy, nil
}

// PlanTarget is an endpoint in a plan, and its model.
type PlanTarget struct {
	Endpoint model.EndpointID
	Model    model.ModelID
}

// PlanShut returns the endpoints in a plan document that only their circuits kept
// from serving, and, where there are any, those that were eligible. It reads nothing
// else, and of a plan without such endpoints nothing at all.
func PlanShut(doc []byte) (shut, eligible []PlanTarget) {
	plan, _ := splitPlan(doc)
	circuit := model.FilterCircuit.String()
	if !bytes.Contains(plan, []byte(`"`+circuit+`"`)) {
		return nil, nil
	}
	excluded, candidates := gjson.GetBytes(plan, "excluded"), gjson.GetBytes(plan, "candidates")
	filters := excluded.Get("filter").Array()
	shut = planTargets(excluded, func(row int) bool { return cell(filters, row).Str == circuit })
	if len(shut) > 0 {
		eligible = planTargets(candidates, func(int) bool { return true })
	}
	return shut, eligible
}

func planTargets(table gjson.Result, keep func(row int) bool) (out []PlanTarget) {
	endpoints := table.Get("endpoint").Array()
	models := table.Get("model").Array()
	if len(models) == 0 {
		models = endpoints
	}
	for i := range endpoints {
		if keep(i) {
			out = append(out, PlanTarget{model.EndpointID(endpoints[i].Str), model.ModelID(cell(models, i).Str)})
		}
	}
	return out
}

// planDoc is the plan document; see AppendPlan.
type planDoc struct {
	Strategy   string     `json:"strategy"`
	Weights    [5]float64 `json:"weights"`
	Seed       uint64     `json:"seed"`
	Snapshot   uint64     `json:"registry_version"`
	Considered int        `json:"considered"`
	Eligible   int        `json:"eligible"`
	Spread     bool       `json:"spread"`
	Confidence float64    `json:"confidence"`
	Candidates struct {
		Endpoint []model.EndpointID     `json:"endpoint"`
		Model    []model.ModelID        `json:"model"`
		Score    []float64              `json:"score"`
		Scores   []float64              `json:"scores"`
		Values   []float64              `json:"values"`
		Known    []uint16               `json:"known"`
		Load     []float64              `json:"load"`
		Expected []int64                `json:"expected_nano"`
		Low      []int64                `json:"low_nano"`
		High     []int64                `json:"high_nano"`
		Input    []int64                `json:"input"`
		Output   []int64                `json:"output"`
		Method   []model.EstimateMethod `json:"method"`
		Priced   []uint16               `json:"priced"`
	} `json:"candidates"`
	Excluded struct {
		Endpoint []model.EndpointID `json:"endpoint"`
		Model    []model.ModelID    `json:"model"`
		Filter   []model.Filter     `json:"filter"`
		Want     []float64          `json:"want"`
		Have     []float64          `json:"have"`
		Unknown  []uint16           `json:"unknown"`
		Detail   []string           `json:"detail"`
	} `json:"excluded"`
	Attempts struct {
		Candidate []int        `json:"candidate"`
		Step      []model.Step `json:"step"`
	} `json:"attempts"`
}

// ParsePlan reads a plan document written by AppendPlan.
func ParsePlan(doc []byte) (*model.Plan, error) {
	var d planDoc
	doc, trace := splitPlan(doc)
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, planError(err)
	}
	if err := d.check(); err != nil {
		return nil, planError(err)
	}
	p := &model.Plan{
		Strategy: d.Strategy, Seed: d.Seed, Snapshot: d.Snapshot, Considered: d.Considered, Eligible: d.Eligible,
		Spread: d.Spread, Confidence: d.Confidence, Trace: bytes.Clone(trace),
		Weights:    model.Weights{Quality: d.Weights[0], Cost: d.Weights[1], Latency: d.Weights[2], Safety: d.Weights[3], Availability: d.Weights[4]},
		Candidates: make([]model.Candidate, len(d.Candidates.Endpoint)),
		Excluded:   make([]model.Exclusion, len(d.Excluded.Endpoint)),
		Attempts:   make([]model.PlannedAttempt, len(d.Attempts.Candidate)),
	}
	for i := range p.Candidates {
		p.Candidates[i] = d.candidate(i)
	}
	for i := range p.Excluded {
		p.Excluded[i] = d.exclusion(i)
	}
	for i := range p.Attempts {
		p.Attempts[i] = model.PlannedAttempt{Candidate: d.Attempts.Candidate[i], Step: cell(d.Attempts.Step, i)}
		if c := p.Attempts[i].Candidate; c < 0 || c >= len(p.Candidates) {
			return nil, planError(fmt.Errorf("attempts.candidate[%d] is %d of %d candidates", i, c, len(p.Candidates)))
		}
	}
	return p, nil
}

func planError(err error) error {
	return model.Errorf("event.ParsePlan", model.KindInternal, "the stored plan cannot be read: %v", err)
}

func (d *planDoc) candidate(i int) model.Candidate {
	c := &d.Candidates
	known := cell(c.Known, i)
	term := func(k int) (t model.Term) {
		t.Known = known>>k&1 != 0
		if at := 5*i + k; at < len(c.Scores) && at < len(c.Values) {
			t.Score, t.Value = c.Scores[at], c.Values[at]
		}
		return t
	}
	out := model.Candidate{
		Endpoint: c.Endpoint[i], Model: model.ModelID(c.Endpoint[i]), Score: cell(c.Score, i), Load: cell(c.Load, i),
		Terms: model.Terms{Quality: term(0), Cost: term(1), Latency: term(2), Safety: term(3), Availability: term(4)},
		Estimate: model.Estimate{
			Expected: model.Money(cell(c.Expected, i)), Low: model.Money(cell(c.Low, i)), High: model.Money(cell(c.High, i)),
			InputTokens: cell(c.Input, i), OutputTokens: cell(c.Output, i), Method: cell(c.Method, i), Priced: cell(c.Priced, i) != 0,
		},
		Index: -1,
	}
	if c.Model != nil {
		out.Model = cell(c.Model, i)
	}
	return out
}

func (d *planDoc) exclusion(i int) model.Exclusion {
	x := &d.Excluded
	out := model.Exclusion{
		Endpoint: x.Endpoint[i], Model: model.ModelID(x.Endpoint[i]), Filter: cell(x.Filter, i),
		Want: cell(x.Want, i), Have: cell(x.Have, i), Unknown: cell(x.Unknown, i) != 0, Detail: cell(x.Detail, i),
	}
	if x.Model != nil {
		out.Model = cell(x.Model, i)
	}
	return out
}

// cell returns the value of a row: its own, the only one, or zero.
func cell[T any](col []T, row int) (v T) {
	switch {
	case row < len(col):
		return col[row]
	case len(col) == 1:
		return col[0]
	}
	return v
}

// check refuses columns whose length fits neither rule of AppendPlan.
func (d *planDoc) check() error {
	c, x, n := &d.Candidates, &d.Excluded, len(d.Candidates.Endpoint)
	columns := []struct {
		name       string
		have, want int
	}{
		{"candidates.model", len(c.Model), n}, {"candidates.score", len(c.Score), n}, {"candidates.scores", len(c.Scores), 5 * n},
		{"candidates.values", len(c.Values), 5 * n}, {"candidates.known", len(c.Known), n}, {"candidates.load", len(c.Load), n},
		{"candidates.expected_nano", len(c.Expected), n}, {"candidates.low_nano", len(c.Low), n}, {"candidates.high_nano", len(c.High), n},
		{"candidates.input", len(c.Input), n}, {"candidates.output", len(c.Output), n}, {"candidates.method", len(c.Method), n},
		{"candidates.priced", len(c.Priced), n},
		{"excluded.model", len(x.Model), len(x.Endpoint)}, {"excluded.filter", len(x.Filter), len(x.Endpoint)},
		{"excluded.want", len(x.Want), len(x.Endpoint)}, {"excluded.have", len(x.Have), len(x.Endpoint)},
		{"excluded.unknown", len(x.Unknown), len(x.Endpoint)}, {"excluded.detail", len(x.Detail), len(x.Endpoint)},
		{"attempts.step", len(d.Attempts.Step), len(d.Attempts.Candidate)},
	}
	for _, col := range columns {
		if col.have > 1 && col.have != col.want {
			return fmt.Errorf("column %s has %d values, want none, 1 or %d", col.name, col.have, col.want)
		}
	}
	return nil
}
