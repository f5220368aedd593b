package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita"
)

type estimateCmd struct {
	Call        estimateCallCmd        `cmd:"" default:"withargs" help:"Say what a request would cost at each endpoint."`
	Batch       estimateBatchCmd       `cmd:"" help:"Say what the requests of a file would cost together."`
	Calibration estimateCalibrationCmd `cmd:"" help:"Show how often actual costs lay inside their estimate."`
}

type estimateCallCmd struct {
	criteriaFlags
	Level     *float64 `group:"Size" help:"Share of calls whose cost is to lie between low and high. Default: 0.9." placeholder:"SHARE"`
	MaxTokens *int64   `name:"max-tokens" group:"Size" help:"Longest answer that the call would allow." placeholder:"N"`
	All       bool     `help:"Show every endpoint."`
}

// shownEstimates is how many endpoints a person is shown.
const shownEstimates = 25

// Run asks what a request would cost.
func (cmd *estimateCallCmd) Run(a *app, g *globals, p *printer) error {
	criteria, err := cmd.criteria(a)
	if err != nil {
		return err
	}
	type answer struct {
		Estimates []cartrita.EndpointEstimate `json:"estimates"`
	}
	return ask(a, g, p, func(c *client) ([]byte, error) {
		return c.post(a.ctx, "/api/v1/estimate", nil, cartrita.EstimateRequest{
			Criteria: criteria, Level: cmd.Level, MaxTokens: cmd.MaxTokens,
		})
	}, func(answer answer) {
		p.estimates(answer.Estimates, cmd.All)
	})
}

func (p *printer) estimates(list []cartrita.EndpointEstimate, all bool) {
	slices.SortStableFunc(list, func(a, b cartrita.EndpointEstimate) int {
		if a.Estimate.Priced != b.Estimate.Priced {
			return cmp.Compare(b2i(b.Estimate.Priced), b2i(a.Estimate.Priced))
		}
		return cmp.Compare(a.Estimate.Expected, b.Estimate.Expected)
	})
	t := p.table("~endpoint", ">expected", ">low", ">high", ">input", ">output", "method", "confidence")
	for i, e := range list {
		if i == shownEstimates && !all && p.tty {
			p.notef("the %d cheapest of %d; --all shows all", shownEstimates, len(list))
			break
		}
		est := e.Estimate
		expected, low, high := "unknown", "", ""
		if est.Priced {
			expected, low, high = est.Expected.String(), est.Low.String(), est.High.String()
		}
		t.row(string(e.Endpoint), expected, low, high, strconv.FormatInt(est.InputTokens, 10),
			strconv.FormatInt(est.OutputTokens, 10), string(est.Method), string(e.Confidence))
	}
	t.flush()
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

type estimateCalibrationCmd struct{}

// Run shows how well estimates held.
func (cmd *estimateCalibrationCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct {
		Calibration []cartrita.Calibration `json:"calibration"`
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, "/api/v1/estimate/calibration", nil) }, func(answer answer) {
		if len(answer.Calibration) == 0 {
			p.notef("no calls were settled yet: there is nothing to compare estimates with")
			return
		}
		t := p.table("~model", "task", ">calls", ">covered", ">share", ">lately", ">wanted", "~note")
		for _, c := range answer.Calibration {
			t.row(c.Model, c.Task.String(), strconv.FormatInt(c.Calls, 10), strconv.FormatInt(c.Covered, 10),
				percent(c.Share), percent(c.Recent), percent(c.Level), c.Note)
		}
		t.flush()
	})
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// printBatch shows what the requests of a file would cost.
func (p *printer) printBatch(r *cartrita.BatchReport) {
	t := p.table("~model", ">calls", ">expected", ">low", ">high", ">input", ">output", ">counted", ">unpriced")
	row := func(style, name string, s *cartrita.BatchSum) {
		cells := []cell{{name, style}}
		for _, text := range []string{
			strconv.FormatInt(s.Calls, 10), s.Expected.String(), s.Low.String(), s.High.String(), strconv.FormatInt(s.InputTokens, 10),
			strconv.FormatInt(s.OutputTokens, 10), strconv.FormatInt(s.Counted, 10), strconv.FormatInt(s.Unpriced, 10),
		} {
			cells = append(cells, cell{text, style})
		}
		t.styled(cells...)
	}
	models := slices.Clone(r.Models)
	slices.SortStableFunc(models, func(a, b cartrita.BatchModel) int { return cmp.Compare(a.Expected, b.Expected) })
	for i := range models {
		row("", models[i].Model, &models[i].BatchSum)
	}
	if r.Total != nil && len(models) != 1 {
		row(bold, "total", r.Total)
	}
	t.flush()
	p.notef("%s, %s of them not estimated; intervals at %s, if %s", plural(r.Calls, "request"),
		strconv.Itoa(failedLines(r)), strings.Replace(percent(r.Level), ".0", "", 1), r.Assumption)
}

// failedLines counts the lines that stand in the errors.
func failedLines(r *cartrita.BatchReport) (n int) {
	last := 0
	for _, e := range r.Errors {
		if e.Line != last {
			n, last = n+1, e.Line
		}
	}
	return n
}

// printBatchErrors lists the lines at fault, on the error stream.
func (p *printer) printBatchErrors(r *cartrita.BatchReport) {
	for _, e := range r.Errors {
		where := "line " + strconv.Itoa(e.Line)
		for _, part := range []string{e.ID, e.Model, e.Field} {
			if part != "" {
				where += ", " + part
			}
		}
		fmt.Fprintf(p.err, "%s: %s\n", where, e.Message)
	}
}

func (p *printer) batchJSON(r *cartrita.BatchReport) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return p.raw(raw)
}
