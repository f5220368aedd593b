package main

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/cartrita/cartrita/event"
)

type costsCmd struct {
	By    string `default:"model" help:"Group by model, endpoint, provider, task, strategy, user, workflow, stage, day or hour." placeholder:"WHAT"`
	Since string `default:"24h" help:"Since then: a time, a date, or how long ago such as 24h or 30d." placeholder:"WHEN"`
	Until string `help:"Until then." placeholder:"WHEN"`

	Model    string `short:"m" help:"Only this model." placeholder:"ID"`
	Endpoint string `help:"Only this endpoint." placeholder:"ID"`
	Provider string `help:"Only this provider." placeholder:"NAME"`
	Task     string `short:"t" help:"Only this task type." placeholder:"TYPE"`
	Strategy string `short:"s" help:"Only this strategy." placeholder:"NAME"`
	User     string `help:"Only this user." placeholder:"ID"`
	Workflow string `help:"Only this workflow run." placeholder:"ID"`
	Stage    string `help:"Only this workflow stage." placeholder:"NAME"`
}

// Run adds up costs.
func (cmd *costsCmd) Run(a *app, g *globals, p *printer) error {
	c, err := a.connect(g)
	if err != nil {
		return err
	}
	defer c.close()
	q := url.Values{"by": {cmd.By}}
	setQuery(q, "since", cmd.Since)
	setQuery(q, "until", cmd.Until)
	restrict(q, cmd.Model, cmd.Endpoint, cmd.Provider, cmd.Task, cmd.Strategy, cmd.User, cmd.Workflow, cmd.Stage)
	raw, err := c.get(a.ctx, "/api/v1/costs", q)
	if err != nil {
		return err
	}
	if p.json {
		return p.raw(raw)
	}
	report, err := decode[event.CostReport](raw)
	if err != nil {
		return err
	}
	p.costs(&report)
	return nil
}

func (p *printer) costs(r *event.CostReport) {
	t := p.table("~"+string(r.By), ">calls", ">failed", ">cost", ">expected", ">input", ">output", ">mean latency")
	add := func(style, key string, s *event.CostSum) {
		if key == "" {
			key = "(none)"
		}
		cost := s.Cost.String()
		if s.Unpriced > 0 {
			cost = "≥" + cost
		}
		texts := []string{
			key, strconv.FormatInt(s.Calls, 10), strconv.FormatInt(s.Failed, 10), cost, s.Estimated.String(),
			strconv.FormatInt(s.Input, 10), strconv.FormatInt(s.Output, 10), fmt.Sprintf("%.0f ms", s.LatencyMS),
		}
		cells := make([]cell, len(texts))
		for i, s := range texts {
			cells[i] = cell{s, style}
		}
		t.styled(cells...)
	}
	for i := range r.Groups {
		add("", r.Groups[i].Key, &r.Groups[i].CostSum)
	}
	if p.tty {
		add(bold, "total", &r.Total)
	}
	t.flush()
	if n := r.Total.Unpriced; n > 0 {
		p.notef("%s went to endpoints without a known price: ≥ marks a lower bound", plural(int(n), "call"))
	}
	if r.Total.Calls == 0 {
		p.notef("no calls in this time")
	}
}
