package main

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

type costsCmd struct {
	Show    costsShowCmd    `cmd:"" default:"withargs" help:"Add up costs."`
	Reprice costsRepriceCmd `cmd:"" help:"Say what a corrected price would have changed."`
	Suggest costsSuggestCmd `cmd:"" help:"Say what could be saved, worked out from past calls."`
}

type costsShowCmd struct {
	By     string `help:"Group by model, endpoint, provider, task, strategy, key, user, team, project, tag, workflow, stage, supervisor, day or hour. Calls without a value are in the line (none); a name that looks like such a line is in quotes. Default: model." placeholder:"WHAT"`
	Since  string `default:"24h" help:"Since then: a time, a date, or how long ago such as 24h or 30d; rounded down to the whole hour (UTC). Default: 24h." placeholder:"WHEN"`
	Until  string `help:"Until then, rounded up to the whole hour. Default: now." placeholder:"WHEN"`
	Limit  *int   `help:"Show so many, the costliest, and add up the rest in one line, such as (3 others); not by day or hour, nor with focus. Default: 1000." placeholder:"N"`
	Format string `enum:"table,json,csv,focus" default:"table" help:"table, json, csv, or focus: the columns of the FinOps specification FOCUS, by provider, model and day." placeholder:"WHAT"`
	callScope
}

// Run adds up costs.
func (cmd *costsShowCmd) Run(a *app, g *globals, p *printer) error {
	if p.json && (cmd.Format == "csv" || cmd.Format == "focus") {
		return model.Invalidf("", "--format", "is %s, but --json asks for JSON: want one of the two", cmd.Format)
	}
	c, err := a.connect(g)
	if err != nil {
		return err
	}
	defer c.close()
	q := url.Values{}
	if cmd.By == "" && cmd.Format != "focus" {
		cmd.By = "model"
	}
	setQuery(q, "by", cmd.By)
	setQuery(q, "since", cmd.Since)
	setQuery(q, "until", cmd.Until)
	if cmd.Limit != nil {
		q.Set("limit", strconv.Itoa(*cmd.Limit))
	}
	cmd.restrict(q)
	if cmd.Format == "csv" || cmd.Format == "focus" {
		q.Set("format", cmd.Format)
		resp, err := c.do(a.ctx, http.MethodGet, "/api/v1/costs", q, "", nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(p.out, resp.Body)
		return err
	}
	raw, err := c.get(a.ctx, "/api/v1/costs", q)
	if err != nil {
		return err
	}
	if p.json || cmd.Format == "json" {
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
		cost := s.Cost.String()
		if s.Unpriced > 0 {
			cost = "≥" + cost
		}
		texts := []string{
			key, strconv.FormatInt(s.Calls, 10), strconv.FormatInt(s.Failed, 10), cost, s.Estimated.String(),
			strconv.FormatInt(s.Input, 10), strconv.FormatInt(s.Output, 10), millis(s.LatencyMS),
		}
		cells := make([]cell, len(texts))
		for i, s := range texts {
			cells[i] = cell{s, style}
		}
		t.styled(cells...)
	}
	for i := range r.Groups {
		add("", groupName(r.Groups[i].Key), &r.Groups[i].CostSum)
	}
	if o := r.Others; o != nil {
		add("", "("+plural(int(o.Groups), "other")+")", &o.CostSum)
	}
	add(bold, totalName, &r.Total)
	t.flush()
	p.hours(r)
	if n := r.Total.Unpriced; n > 0 {
		p.notef("%s %s that %s not all known, for want of a price or of an end that anybody saw: ≥ marks a lower bound",
			plural(int(n), "call"), agree(n, "has a cost", "have costs"), agree(n, "is", "are"))
	}
	switch {
	case r.Total.Calls == 0:
		p.notef("no calls in this time")
	case r.By == event.ByTag && len(r.Groups) == 0:
		p.notef("no key of these calls has a tag")
	}
}

// hours says which hours a report is of: more than was asked for, where that was
// not a whole one.
func (p *printer) hours(r *event.CostReport) {
	since, until := r.Since.Format(time.RFC3339), r.Until.Format(time.RFC3339)
	switch {
	case !r.Since.IsZero() && !r.Until.IsZero():
		p.notef("whole hours: from %s until %s", since, until)
	case !r.Since.IsZero():
		p.notef("whole hours: from %s on", since)
	case !r.Until.IsZero():
		p.notef("whole hours: until %s", until)
	}
}

// totalName is the line that adds up a table.
const totalName = "total"

// groupName is a group in a table. A name that could be taken for one of our
// own lines is in quotes.
func groupName(key string) string {
	switch {
	case key == "":
		return "(none)"
	case key == totalName, key[0] == '(', key[0] == '"':
		return strconv.Quote(key)
	}
	return key
}
