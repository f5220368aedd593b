package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/limit"
)

const limitsPath = "/api/v1/limits"

type limitsCmd struct {
	Counters int `default:"20" help:"Counters shown of each limit, the busiest first." placeholder:"N"`
}

// Run shows the rate limits.
func (cmd *limitsCmd) Run(a *app, g *globals, p *printer) error {
	return ask(a, g, p, func(c *client) ([]byte, error) {
		return c.get(a.ctx, limitsPath, url.Values{"counters": {strconv.Itoa(cmd.Counters)}})
	}, func(v limit.View) {
		p.limits(&v)
	})
}

func (p *printer) limits(v *limit.View) {
	t := p.table("limit", "~of", "window", ">requests left", ">tokens left", ">running here", ">refused here")
	for i := range v.Limits {
		l := &v.Limits[i]
		window := (time.Duration(l.WindowSeconds * float64(time.Second))).String()
		refused := strconv.FormatInt(l.Refused, 10)
		if len(l.Counters) == 0 {
			t.row(l.Name, scopeText(&l.Scope, ""), window, "", "", "", refused)
		}
		for _, c := range l.Counters {
			running := strconv.FormatInt(c.Running, 10)
			if c.Most > 0 {
				running += fmt.Sprintf(" of %d", c.Most)
			}
			t.row(l.Name, scopeText(&l.Scope, c.Value), window, leftText(c.Requests), leftText(c.Tokens), running, refused)
			refused = ""
		}
	}
	t.flush()
	switch {
	case len(v.Limits) == 0:
		p.notef("no rate limits are in use")
	case v.Shared:
		p.notef("counted together by %s", plural(int(v.Replicas), "replica"))
	case v.Replicas > 1:
		p.notef("the replicas cannot count together now: each admits its part, 1/%d of a limit", v.Replicas)
	}
}

func leftText(l *limit.Left) string {
	if l == nil {
		return ""
	}
	return fmt.Sprintf("%d of %d", l.Remaining, l.Limit)
}

// scopeText words whose calls a counter counts: a scope's values and those of its "*".
func scopeText(s *limit.Scope, value string) string {
	var parts []string
	stars := 0
	for _, f := range []struct{ name, value string }{
		{"key", s.Key}, {"user", s.User}, {"team", s.Team}, {"project", s.Project}, {"model", s.Model}, {"provider", s.Provider}, {"tag", s.Tag},
	} {
		if f.value == limit.Any {
			stars++
		}
		if f.value != "" {
			parts = append(parts, f.name+"="+f.value)
		}
	}
	if value != "" && stars == 1 {
		return strings.Replace(strings.Join(parts, " "), "="+limit.Any, "="+value, 1)
	}
	if value != "" {
		parts = append(parts, "("+value+")")
	}
	if len(parts) == 0 {
		return "everybody"
	}
	return strings.Join(parts, " ")
}
