package main

import (
	"net/url"
	"strconv"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
)

type costsRepriceCmd struct {
	Prices string `required:"" help:"The corrected prices: a file of cost profiles by endpoint or model id. One with effective_from counts for the calls since then." placeholder:"FILE" type:"existingfile"`
	DryRun bool   `name:"dry-run" help:"Work out the difference. Records are never rewritten, so that there is no other way."`
	Since  string `default:"30d" help:"Calls since then: a time, a date, or how long ago such as 24h or 30d. Default: 30d." placeholder:"WHEN"`
	Until  string `help:"Until then. Default: now." placeholder:"WHEN"`

	User    string `help:"Only calls of this user." placeholder:"ID"`
	Team    string `help:"Only calls of this team." placeholder:"NAME"`
	Project string `help:"Only calls of this project." placeholder:"NAME"`
}

// Run prices stored calls anew.
func (cmd *costsRepriceCmd) Run(a *app, g *globals, p *printer) error {
	prices, err := readPrices(cmd.Prices)
	if err != nil {
		return err
	}
	q := url.Values{}
	for name, v := range map[string]string{
		"since": cmd.Since, "until": cmd.Until, "user": cmd.User, "team": cmd.Team, "project": cmd.Project,
	} {
		setQuery(q, name, v)
	}
	return ask(a, g, p, func(c *client) ([]byte, error) {
		return c.post(a.ctx, "/api/v1/costs/reprice", q, struct {
			Prices map[string]*model.Pricing `json:"prices"`
			DryRun bool                      `json:"dry_run"`
		}{prices, cmd.DryRun})
	}, func(report cartrita.RepriceReport) {
		p.repriced(&report)
	})
}

func (p *printer) repriced(r *cartrita.RepriceReport) {
	t := p.table("~endpoint", ">attempts", ">recorded", ">corrected", ">difference")
	row := func(style, name string, l *cartrita.RepriceLine) {
		corrected := l.New.String()
		if l.Unpriced > 0 {
			corrected = "≥" + corrected
		}
		var cells []cell
		for _, text := range []string{name, strconv.FormatInt(l.Attempts, 10), l.Old.String(), corrected, l.Difference.String()} {
			cells = append(cells, cell{text, style})
		}
		t.styled(cells...)
	}
	for i := range r.Lines {
		row("", string(r.Lines[i].Endpoint), &r.Lines[i])
	}
	row(bold, totalName, &r.Total)
	t.flush()
	p.notef("%d of %s would have cost something else; nothing was written", r.Changed, plural(int(r.Calls), "call"))
	p.damaged(&r.Damaged)
	if r.Total.Unpriced > 0 {
		p.notef("of %s the corrected price is known in part only: ≥ marks a lower bound", plural(int(r.Total.Unpriced), "attempt"))
	}
}
