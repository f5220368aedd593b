package main

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

type explainCmd struct {
	Call string `arg:"" help:"Id of the call, as in the header X-Cartrita-Call-Id; last for the latest call."`
	All  bool   `help:"Show every candidate and every exclusion."`
}

// Run explains a stored decision.
func (cmd *explainCmd) Run(a *app, g *globals, p *printer) error {
	return ask(a, g, p, func(c *client) (_ []byte, err error) {
		id := cmd.Call
		if id == "last" {
			if id, err = lastCall(a, c); err != nil {
				return nil, err
			}
		}
		return c.get(a.ctx, "/api/v1/decisions/"+url.PathEscape(id), nil)
	}, func(d cartrita.Decision) {
		p.decision(&d, cmd.All)
	})
}

// lastCall returns the latest call; decisions that no call followed are none.
func lastCall(a *app, c *client) (string, error) {
	for cursor := ""; ; {
		q := url.Values{"limit": {"50"}}
		setQuery(q, "cursor", cursor)
		raw, err := c.get(a.ctx, "/api/v1/events", q)
		if err != nil {
			return "", err
		}
		page, err := decode[struct {
			Events []event.Event `json:"events"`
			Next   string        `json:"next"`
		}](raw)
		if err != nil {
			return "", err
		}
		for _, e := range page.Events {
			if e.Record == nil || e.Record.Surface != model.SurfaceSelect {
				return e.Call.String(), nil
			}
		}
		if cursor = page.Next; cursor == "" {
			return "", model.Errorf("", model.KindNotFound, "no call was recorded yet")
		}
	}
}

func (p *printer) decision(d *cartrita.Decision, all bool) {
	if d.Record == nil {
		return
	}
	r := d.Record
	state := map[model.State]string{model.StateCompleted: green, model.StateFailed: red}[r.State]
	p.printf("%s  %s  %s\n", p.style(bold, r.ID.String()), p.style(state, string(r.State)), p.style(dim, r.Received.Local().Format("2006-01-02 15:04:05")))
	p.printf("%s\n\n", d.Explanation)
	facts := [][2]string{{"asked for", orDefault(r.Asked, "any model")}}
	if r.State != model.StatePlanned { // a call, not just a decision
		facts = append(facts, outcome(r)...)
	}
	if r.Plan != nil {
		facts = append(facts, [2]string{"strategy", r.Plan.Strategy}, [2]string{"confidence", score(r.Plan.Confidence)})
	}
	p.facts(facts)
	p.attempts(r.Attempts, r.Cost.Unpriced)
	if r.Plan != nil && len(r.Plan.Candidates) > 0 {
		p.printf("\n")
		p.candidates(r.Plan.Candidates, all)
	}
	p.exclusions(d.Excluded, all)
}

// outcome says how a call ended, with the figures that are known.
func outcome(r *model.Record) (facts [][2]string) {
	by := "answered by"
	if r.State == model.StateFailed {
		by = "tried last"
	}
	if r.Error != nil {
		facts = append(facts, [2]string{"error", r.Error.Kind.String() + ": " + r.Error.Message})
	}
	if r.Endpoint != "" {
		facts = append(facts, [2]string{by, string(r.Endpoint)})
	}
	if spent(r) {
		facts = append(facts, [2]string{"cost", costOf(r)}, [2]string{"tokens", count(r.Usage.Input) + " in, " + count(r.Usage.Output) + " out"})
	}
	times := fmt.Sprintf("%.0f ms", r.LatencyMS)
	if r.TTFTMS > 0 {
		times += fmt.Sprintf(", first token %.0f ms", r.TTFTMS)
	}
	return append(facts, [2]string{"time", times + fmt.Sprintf(", own overhead %.2f ms", r.OverheadMS)})
}

// spent reports whether a call used anything that has a price, known or not.
func spent(r *model.Record) bool {
	return r.Cost != (model.CostBreakdown{}) || r.Usage.Input.Known || r.Usage.Output.Known
}

func costOf(r *model.Record) string {
	s := actualCost(&r.Cost)
	if r.Cost.Unpriced && r.Cost.Total == 0 {
		s = "unknown"
	}
	if estimated(r) {
		s += fmt.Sprintf(" (estimated %s)", r.Estimated)
	}
	return s
}

// estimated reports whether the expected cost is known: no price leaves it 0.
func estimated(r *model.Record) bool {
	if r.Estimated != 0 || r.Plan == nil || len(r.Plan.Attempts) == 0 {
		return r.Estimated != 0
	}
	return r.Plan.First().Estimate.Priced
}

// attempts prints what was tried. Only the whole call knows whether a price was
// missing: unpriced.
func (p *printer) attempts(list []model.Attempt, unpriced bool) {
	if len(list) == 0 {
		return
	}
	p.printf("\n")
	t := p.table(">#", "~endpoint", "step", ">status", ">start", ">took", ">cost", "~error")
	for i, at := range list {
		failure := cell{}
		if at.Error != nil {
			failure = cell{at.Error.Kind.String() + ": " + at.Error.Message, red}
		}
		step, status := string(at.Step), ""
		if at.Status != 0 {
			status = strconv.Itoa(at.Status)
		}
		if at.Retry > 0 {
			step += " (retry)"
		}
		t.styled(cell{text: strconv.Itoa(i + 1)}, cell{text: string(at.Endpoint)}, cell{text: step}, cell{text: status},
			cell{text: millis(&at.StartMS)}, cell{text: millis(&at.LatencyMS)}, cell{text: attemptCost(&at, unpriced)}, failure)
	}
	t.flush()
}

func attemptCost(at *model.Attempt, unpriced bool) string {
	switch used := at.Usage.Input.Known || at.Usage.Output.Known; {
	case at.Cost == 0 && !used:
		return ""
	case at.Cost == 0 && unpriced:
		return "unknown"
	}
	return at.Cost.String()
}

func count(c model.Count) string {
	if !c.Known {
		return "unknown"
	}
	return strconv.FormatInt(c.N, 10)
}
