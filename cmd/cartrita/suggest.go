package main

import (
	"fmt"
	"net/url"

	"github.com/cartrita/cartrita"
)

type costsSuggestCmd struct {
	Since   string `default:"30d" help:"From calls since then: a time, a date, or how long ago such as 24h or 30d. Default: 30d." placeholder:"WHEN"`
	Until   string `help:"Until then. Default: now." placeholder:"WHEN"`
	Team    string `help:"Only from calls of this team." placeholder:"NAME"`
	Project string `help:"Only from calls of this project." placeholder:"NAME"`
}

// Run says what could be saved.
func (cmd *costsSuggestCmd) Run(a *app, g *globals, p *printer) error {
	q := url.Values{}
	for name, v := range map[string]string{"since": cmd.Since, "until": cmd.Until, "team": cmd.Team, "project": cmd.Project} {
		setQuery(q, name, v)
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, "/api/v1/costs/suggest", q) }, func(report cartrita.SuggestReport) {
		p.suggestions(&report)
	})
}

func (p *printer) suggestions(r *cartrita.SuggestReport) {
	p.printf("%s, %s\n", plural(int(r.Calls), "call"), r.Cost)
	for i := range r.Suggestions {
		s := &r.Suggestions[i]
		p.printf("\n%s  %s\n", p.style(bold, s.Title), p.style(dim, string(s.Kind)))
		facts := [][2]string{
			{"saves", fmt.Sprintf("$%.6g ($%.6g to $%.6g), %s", s.Saved.Value, s.Saved.Low, s.Saved.High, plural(int(s.Calls), "call"))},
			{"confidence", s.Confidence},
		}
		if s.Latency != nil {
			facts = append(facts, [2]string{"first token", fmt.Sprintf("%+.0f ms (%+.0f to %+.0f)", s.Latency.Value, s.Latency.Low, s.Latency.High)})
		}
		if s.Quality != nil {
			facts = append(facts, [2]string{"quality", fmt.Sprintf("%+.3f (%+.3f to %+.3f)", s.Quality.Value, s.Quality.Low, s.Quality.High)})
		}
		p.facts(append(facts, [2]string{"how", s.How}, [2]string{"trade-off", s.TradeOff}, [2]string{"apply", s.Apply}))
	}
	p.damaged(&r.Damaged)
	if len(r.Suggestions) > 1 {
		p.notef("suggestions overlap: their savings do not add up")
	}
	for _, why := range r.Silent {
		p.notef("not suggested: %s", why)
	}
}
