package main

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cartrita/cartrita/budget"
)

const leasesPath = "/api/v1/budget-leases"

type budgetLeasesCmd struct{}

// Run lists who holds what.
func (cmd *budgetLeasesCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct {
		Gateways []budget.Replica `json:"gateways"`
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, leasesPath, nil) }, func(answer answer) {
		t := p.table("~spool", "host", "seen", "~budget", ">granted", ">recorded")
		for _, r := range answer.Gateways {
			seen := time.Since(r.Seen).Round(time.Second).String() + " ago"
			if len(r.Leases) == 0 {
				t.row(r.Spool, r.Name, seen, "-", "", "")
			}
			for _, l := range r.Leases {
				t.row(r.Spool, r.Name, seen, string(l.Budget), quantitiesText(l.Granted), quantitiesText(l.Recorded))
			}
		}
		t.flush()
	})
}

type budgetReleaseCmd struct {
	Spool string `arg:"" help:"Spool of the gateway; see budget leases."`
}

// Run frees what a gateway holds, and says what is risked.
func (cmd *budgetReleaseCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct {
		Released budget.Replica `json:"released"`
	}
	return ask(a, g, p, func(c *client) ([]byte, error) {
		return c.exchange(a.ctx, http.MethodDelete, leasesPath+"/"+url.PathEscape(cmd.Spool), nil, "", nil)
	}, func(answer answer) {
		r := &answer.Released
		p.printf("released what %s (%s) held\n", r.Spool, r.Name)
		for _, l := range r.Leases {
			over := max(l.Granted.USD-l.Recorded.USD, 0)
			p.notef("budget %s may be passed by up to %s and %s: what it spent before and did not record, should it come back",
				l.Budget, over, plural(int(max(l.Granted.Tokens-l.Recorded.Tokens, 0)), "token"))
		}
		if ago := time.Since(r.Seen); ago < time.Minute {
			p.notef("%s it was seen %s ago: while it runs it takes what it needs anew", paint(p.errColor, yellow, "warning:"), fmt.Sprint(ago.Round(time.Second)))
		}
	})
}
