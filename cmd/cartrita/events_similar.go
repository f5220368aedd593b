package main

import (
	"net/url"
	"strconv"
	"time"

	"github.com/cartrita/cartrita/gateway"
)

type eventsSimilarCmd struct {
	Text  string `arg:"" optional:"" help:"What the calls were asked alike. A model embeds it: one call of yours."`
	Call  string `help:"Take the prompt of this stored call instead." placeholder:"ID"`
	Since string `help:"Only calls that ended since then: a time, a date, or how long ago such as 24h or 7d." placeholder:"WHEN"`
	Until string `help:"Only calls that ended before then." placeholder:"WHEN"`
	Limit int    `short:"n" default:"10" help:"Number of calls, up to 100. Default: 10." placeholder:"N"`
	callScope
	Session string `help:"Only this session." placeholder:"ID"`
}

// Run finds calls by what they were asked.
func (cmd *eventsSimilarCmd) Run(a *app, g *globals, p *printer) error {
	if err := wantNumber("--limit", cmd.Limit, 1); err != nil {
		return err
	}
	q := url.Values{}
	cmd.restrict(q)
	for _, p := range [...]struct{ name, value string }{
		{"text", cmd.Text}, {"call", cmd.Call}, {"since", cmd.Since}, {"until", cmd.Until}, {"session", cmd.Session},
	} {
		setQuery(q, p.name, p.value)
	}
	body := map[string]any{"limit": cmd.Limit}
	for name := range q {
		body[name] = q.Get(name)
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.post(a.ctx, "/api/v1/calls/similar", nil, body) }, p.similar)
}

func (p *printer) similar(v gateway.SimilarCalls) {
	if len(v.Calls) == 0 {
		p.notef("no calls are found whose prompts %s embedded", v.Embedder)
		return
	}
	t := p.table(">score", "ended", "~model", "~endpoint", "state", ">cost", ">latency", "~call")
	for i := range v.Calls {
		c := &v.Calls[i]
		cost := c.Cost.String()
		if c.Unpriced {
			cost = "≥" + cost
		}
		t.row(score(c.Score), c.Ended.Format(time.RFC3339), string(c.Model), string(c.Endpoint), string(c.State), cost, millis(&c.LatencyMS), c.ID.String())
	}
	t.flush()
	p.printf("\n")
	t = p.table("~model", ">calls", ">failures", ">mean cost", ">mean latency", ">unpriced")
	for i := range v.Models {
		m := &v.Models[i]
		cost := "unknown"
		if m.Cost != nil {
			cost = m.Cost.String()
		}
		t.row(string(m.Model), strconv.Itoa(m.Calls), strconv.Itoa(m.Failures), cost, millis(m.LatencyMS), strconv.Itoa(m.Unpriced))
	}
	t.flush()
}
