package main

import (
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

type eventsCmd struct {
	List eventsListCmd `cmd:"" default:"withargs" help:"Show past events, latest first."`
	Tail eventsTailCmd `cmd:"" help:"Follow events as they happen."`

	Similar eventsSimilarCmd `cmd:"" help:"Find calls that were asked alike: which models served them, at what price, how well."`
}

// eventFilter restricts events, as flags.
type eventFilter struct {
	Kind    []string `help:"Only this kind, such as model_call.failed; may be repeated. A kind that there is not is answered with those that there are." placeholder:"KIND"`
	State   string   `help:"Only calls in this state: planned, completed or failed." placeholder:"STATE"`
	Session string   `help:"Only this session." placeholder:"ID"`
	callScope
}

// callScope restricts calls, as flags that events and costs share.
type callScope struct {
	Model      string `short:"m" help:"Only this model." placeholder:"ID"`
	Endpoint   string `help:"Only this endpoint." placeholder:"ID"`
	Provider   string `help:"Only this provider." placeholder:"NAME"`
	Task       string `short:"t" help:"Only this task type." placeholder:"TYPE"`
	Strategy   string `short:"s" help:"Only this routing strategy." placeholder:"NAME"`
	User       string `help:"Only this user." placeholder:"ID"`
	Key        string `help:"Only this virtual key." placeholder:"ID"`
	Team       string `help:"Only this team." placeholder:"NAME"`
	Project    string `help:"Only this project." placeholder:"NAME"`
	Tag        string `help:"Only keys with this tag." placeholder:"NAME"`
	Workflow   string `help:"Only this workflow run." placeholder:"ID"`
	Stage      string `help:"Only this workflow stage." placeholder:"NAME"`
	Supervisor string `help:"Only this supervisor." placeholder:"NAME"`
}

func (f *eventFilter) query() url.Values {
	q := url.Values{}
	for _, k := range f.Kind {
		q.Add("kind", k)
	}
	setQuery(q, "state", f.State)
	setQuery(q, "session", f.Session)
	f.restrict(q)
	return q
}

// restrict sets the parameters.
func (c *callScope) restrict(q url.Values) {
	for _, p := range [...]struct{ name, value string }{
		{"model", c.Model}, {"endpoint", c.Endpoint}, {"provider", c.Provider}, {"task_type", c.Task}, {"strategy", c.Strategy},
		{"user", c.User}, {"key", c.Key}, {"team", c.Team}, {"project", c.Project}, {"tag", c.Tag},
		{"workflow", c.Workflow}, {"stage", c.Stage}, {"supervisor", c.Supervisor},
	} {
		setQuery(q, p.name, p.value)
	}
}

func setQuery(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

type eventsListCmd struct {
	eventFilter
	Since string `help:"Only events since then: a time, a date, or how long ago such as 24h or 7d." placeholder:"WHEN"`
	Until string `help:"Only events before then." placeholder:"WHEN"`
	Limit int    `short:"n" default:"20" help:"Number of calls, and of events that are not about a call. Default: 20." placeholder:"N"`
	Plans bool   `help:"Include the plans, with every candidate."`
}

// Run lists past events.
func (cmd *eventsListCmd) Run(a *app, g *globals, p *printer) error {
	if err := wantNumber("--limit", cmd.Limit, 1); err != nil {
		return err
	}
	c, err := a.connect(g)
	if err != nil {
		return err
	}
	defer c.close()
	q := cmd.query()
	setQuery(q, "since", cmd.Since)
	setQuery(q, "until", cmd.Until)
	if cmd.Plans {
		q.Set("plans", "true")
	}
	events, err := pages(cmd.Limit, func(limit int, cursor string) ([]json.RawMessage, int, string, error) {
		q.Set("limit", strconv.Itoa(limit))
		setQuery(q, "cursor", cursor)
		raw, err := c.get(a.ctx, "/api/v1/events", q)
		if err != nil {
			return nil, 0, "", err
		}
		page, err := decode[struct {
			Events []json.RawMessage `json:"events"`
			Next   string            `json:"next"`
		}](raw)
		return page.Events, limit, page.Next, err
	})
	if err != nil {
		return err
	}
	if p.json {
		return p.value(events)
	}
	t := p.eventTable()
	for _, raw := range events {
		e, err := decode[event.Event](raw)
		if err != nil {
			return err
		}
		t.styled(p.eventCells(&e)...)
	}
	t.flush()
	if len(events) == 0 {
		p.notef("no such events are stored")
	}
	return nil
}

// maxPage is the most that is asked for at once.
const maxPage = 500

// pages reads pages until limit things are there or no page is left. read
// returns a page, how many things it counts as, and the cursor of the next.
func pages(limit int, read func(limit int, cursor string) ([]json.RawMessage, int, string, error)) ([]json.RawMessage, error) {
	all := []json.RawMessage{}
	cursor := ""
	for limit > 0 {
		page, n, next, err := read(min(limit, maxPage), cursor)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			break
		}
		limit, cursor = limit-n, next
	}
	return all, nil
}

func (p *printer) eventTable() *table {
	return p.table("time", "kind", "~model", ">cost", ">latency", "~call", "~note")
}

func (p *printer) eventCells(e *event.Event) []cell {
	kind := cell{text: string(e.Kind)}
	at := cell{e.At.Local().Format("01-02 15:04:05.000"), dim}
	if !p.tty {
		at.text = e.At.Format(time.RFC3339Nano)
	}
	if e.Notice != nil {
		kind.style = yellow
		return []cell{at, kind, {}, {}, {}, {}, {text: string(e.Notice)}}
	}
	r := e.Record
	if r == nil {
		r = &model.Record{}
	}
	name, cost, latency, note := string(r.Model), "", "", ""
	if name == "" && r.Plan != nil && len(r.Plan.Attempts) > 0 {
		name = string(r.Plan.First().Model)
	}
	switch e.Kind {
	case event.CallPlanned, event.CallStarted:
		if r.Estimated != 0 {
			cost = "~" + r.Estimated.String()
		}
	case event.CallCompleted, event.CallFailed:
		latency = millis(&r.LatencyMS)
		kind.style = green
		if r.Error != nil && e.Kind == event.CallFailed {
			kind.style, note = red, r.Error.Kind.String()+": "+r.Error.Message
		}
		if spent(r) {
			cost = actualCost(&r.Cost)
		}
	case event.CostAccumulated:
		cost = actualCost(&r.Cost)
	}
	return []cell{at, kind, {text: name}, {text: cost}, {text: latency}, {text: e.Call.String(), style: dim}, {text: note}}
}

// actualCost marks a cost that is a lower bound.
func actualCost(c *model.CostBreakdown) string {
	if c.Unpriced {
		return "≥" + c.Total.String()
	}
	return c.Total.String()
}
