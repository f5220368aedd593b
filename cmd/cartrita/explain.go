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
	c, err := a.connect(g)
	if err != nil {
		return err
	}
	defer c.close()
	id := cmd.Call
	if id == "last" {
		if id, err = lastCall(a, c); err != nil {
			return err
		}
	}
	raw, err := c.get(a.ctx, "/api/v1/decisions/"+url.PathEscape(id), nil)
	if err != nil {
		return err
	}
	if p.json {
		return p.raw(raw)
	}
	d, err := decode[cartrita.Decision](raw)
	if err != nil {
		return err
	}
	p.decision(&d, cmd.All)
	return nil
}

func lastCall(a *app, c *client) (string, error) {
	raw, err := c.get(a.ctx, "/api/v1/events", url.Values{"limit": {"1"}})
	if err != nil {
		return "", err
	}
	page, err := decode[struct {
		Events []event.Event `json:"events"`
	}](raw)
	if err != nil {
		return "", err
	}
	if len(page.Events) == 0 {
		return "", model.Errorf("", model.KindNotFound, "no call was recorded yet")
	}
	return page.Events[0].Call.String(), nil
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
		facts = append(facts, [][2]string{
			{"answered by", string(r.Endpoint)},
			{"cost", fmt.Sprintf("%s (estimated %s)", actualCost(&r.Cost), r.Estimated)},
			{"tokens", count(r.Usage.Input) + " in, " + count(r.Usage.Output) + " out"},
			{"time", fmt.Sprintf("%.0f ms, first token %.0f ms, own overhead %.2f ms", r.LatencyMS, r.TTFTMS, r.OverheadMS)},
		}...)
	}
	if r.Plan != nil {
		facts = append(facts, [2]string{"strategy", r.Plan.Strategy}, [2]string{"confidence", score(r.Plan.Confidence)})
	}
	p.facts(facts)
	p.attempts(r.Attempts)
	if r.Plan != nil && len(r.Plan.Candidates) > 0 {
		p.printf("\n")
		p.candidates(r.Plan.Candidates, all)
	}
	p.exclusions(d.Excluded, all)
}

func (p *printer) attempts(list []model.Attempt) {
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
		step := string(at.Step)
		if at.Retry > 0 {
			step += " (retry)"
		}
		t.styled(cell{text: strconv.Itoa(i + 1)}, cell{text: string(at.Endpoint)}, cell{text: step}, cell{text: strconv.Itoa(at.Status)},
			cell{text: millis(&at.StartMS)}, cell{text: millis(&at.LatencyMS)}, cell{text: at.Cost.String()}, failure)
	}
	t.flush()
}

func count(c model.Count) string {
	if !c.Known {
		return "unknown"
	}
	return strconv.FormatInt(c.N, 10)
}
