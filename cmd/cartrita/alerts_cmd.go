package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/model"
)

const alertsPath = "/api/v1/alerts"

type alertsCmd struct {
	List     alertsListCmd     `cmd:"" default:"1" help:"Show what fires now, and what is about to."`
	Rules    alertsRulesCmd    `cmd:"" help:"List the rules."`
	Create   alertsCreateCmd   `cmd:"" help:"Create a rule, or replace one that was created so."`
	Delete   alertsDeleteCmd   `cmd:"" help:"Delete a rule that was created so; one of the configuration is removed there."`
	History  alertsHistoryCmd  `cmd:"" help:"Show what fired, the latest first."`
	Log      alertsLogCmd      `cmd:"" help:"Show the messages to channels and what became of them, the latest first."`
	Channels alertsChannelsCmd `cmd:"" help:"List the channels of the configuration."`
	Test     alertsTestCmd     `cmd:"" help:"Send a message to a channel now."`
}

type alertsListCmd struct{}

// Run shows what fires.
func (cmd *alertsListCmd) Run(a *app, g *globals, p *printer) error {
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, alertsPath, nil) }, func(v gateway.AlertsView) {
		if len(v.Firing)+len(v.Pending) == 0 {
			p.notef("nothing fires")
		} else {
			t := p.table("rule", "severity", "subject", ">value", "threshold", "state", ">since")
			for _, s := range append(v.Firing, v.Pending...) {
				state, since := "fires", s.Fired
				switch {
				case !s.Firing:
					state, since = "pending", s.Since
				case !s.Unmeasured.IsZero():
					state = "fires, not measured since " + moment(s.Unmeasured)
				}
				t.row(s.Rule.Name, string(s.Rule.Severity), s.Subject, s.Rule.Write(s.Value), string(s.Rule.Operator)+" "+s.Rule.Write(*s.Rule.Threshold), state, moment(since))
			}
			t.flush()
		}
		for _, d := range v.Queue {
			why := "is due at " + moment(d.Due)
			if d.Error != "" {
				why = d.Error + "; it is tried again at " + moment(d.Due)
			}
			p.notef("a message to %s about %s waits: %s", d.Channel, d.Rule, why)
		}
	})
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

type alertsRulesCmd struct{}

// Run lists rules.
func (cmd *alertsRulesCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct {
		Rules []alert.OwnedRule `json:"rules"`
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, alertsPath+"/rules", nil) }, func(v answer) {
		if len(v.Rules) == 0 {
			p.notef("there are no alert rules; docs/ALERTS.md says how to write some")
			return
		}
		t := p.table("rule", "type", "by", "fires when", "over", "for", "severity", "channels", "from")
		for i := range v.Rules {
			r := &v.Rules[i]
			from, channels := "the API", strings.Join(r.Channels, ", ")
			if r.Configured {
				from = "the configuration"
			}
			if !*r.Enabled {
				from += ", disabled"
			}
			if channels == "" {
				channels = "all"
			}
			what := string(r.Operator) + " " + r.Write(*r.Threshold)
			if r.Metric != "" {
				what = r.Metric + " " + what
			}
			t.row(r.Name, string(r.Type), r.By, what, r.Window.String(), r.For.String(), string(r.Severity), channels, from)
		}
		t.flush()
	})
}

type alertsCreateCmd struct {
	Name      string   `arg:"" help:"Name of the rule."`
	Type      string   `required:"" help:"cost_threshold, latency_spike, error_rate, availability, safety_violation, budget_threshold, burn_rate, benchmark_drift or spool_depth." placeholder:"TYPE"`
	Threshold float64  `required:"" help:"Dollars, milliseconds, calls or bytes; shares as 0.05; for burn_rate how many times as fast as the budget lasts." placeholder:"N"`
	Metric    string   `help:"Of latency_spike: latency_ or ttft_ with p50, p90, p95, p99 or mean. Default: latency_p95." placeholder:"NAME"`
	Operator  string   `help:"One of > >= < <=. Default: what the type is about." placeholder:"OP"`
	By        string   `help:"What fires for itself: model, endpoint, provider, key, user, team, project or task." placeholder:"WHAT"`
	Model     string   `short:"m" help:"Only this model." placeholder:"ID"`
	Endpoint  string   `help:"Only this endpoint." placeholder:"ID"`
	Provider  string   `help:"Only this provider." placeholder:"NAME"`
	Key       string   `help:"Only this virtual key." placeholder:"ID"`
	User      string   `help:"Only this user." placeholder:"ID"`
	Team      string   `help:"Only this team." placeholder:"NAME"`
	Project   string   `help:"Only this project." placeholder:"NAME"`
	Task      string   `help:"Only this task." placeholder:"TASK"`
	Budget    string   `help:"Only this budget." placeholder:"NAME"`
	Window    string   `help:"Time over which it is measured. Default: 5m." placeholder:"TIME"`
	For       string   `help:"How long it must hold before it fires." placeholder:"TIME"`
	Resolve   string   `name:"resolve-after" help:"How long it must not hold before it is resolved." placeholder:"TIME"`
	MinCalls  int64    `help:"Calls without which a rate or latency says nothing. Default: 10." placeholder:"N"`
	Severity  string   `help:"info, warning or critical. Default: warning." placeholder:"SEVERITY"`
	Channel   []string `help:"Channel that is told; may be repeated. Default: all." placeholder:"NAME"`
	Repeat    string   `help:"Time between reminders while it fires. Default: none." placeholder:"TIME"`
	Disabled  bool     `help:"Do not watch it yet."`
}

// Run creates a rule.
func (cmd *alertsCreateCmd) Run(a *app, g *globals, p *printer) error {
	if math.IsNaN(cmd.Threshold) || math.IsInf(cmd.Threshold, 0) { // which JSON cannot hold
		return model.Invalidf("", "--threshold", "is %v: want a number", cmd.Threshold)
	}
	enabled := !cmd.Disabled
	r := alert.Rule{
		Name: cmd.Name, Type: alert.Type(cmd.Type), Threshold: &cmd.Threshold, Metric: cmd.Metric, Operator: alert.Operator(cmd.Operator), By: cmd.By,
		Scope: alert.Scope{
			Model: cmd.Model, Endpoint: cmd.Endpoint, Provider: cmd.Provider, Key: cmd.Key, User: cmd.User, Team: cmd.Team,
			Project: cmd.Project, Task: cmd.Task, Budget: cmd.Budget,
		},
		MinCalls: cmd.MinCalls, Severity: alert.Severity(cmd.Severity), Channels: cmd.Channel, Enabled: &enabled,
	}
	for _, f := range []struct {
		flag, text string
		to         *model.Duration
	}{{"--window", cmd.Window, &r.Window}, {"--for", cmd.For, &r.For}, {"--resolve-after", cmd.Resolve, &r.Clear}, {"--repeat", cmd.Repeat, &r.Repeat}} {
		if f.text == "" {
			continue
		}
		if err := f.to.UnmarshalText([]byte(f.text)); err != nil {
			return model.Invalidf("", f.flag, "%v", err)
		}
	}
	var idle []string
	return ask(a, g, p, func(c *client) ([]byte, error) {
		saved, err := c.post(a.ctx, alertsPath+"/rules", nil, r)
		if err == nil {
			idle = idleRule(a.ctx, c, &r)
		}
		return saved, err
	}, func(r alert.OwnedRule) {
		p.notef("the rule %s is in force", r.Name)
		for _, why := range idle {
			p.notef("%s %s", paint(p.errColor, yellow, "warning:"), why)
		}
	})
}

// idleRule says why nobody may hear of a rule, as far as the gateway lets the
// caller see that.
func idleRule(ctx context.Context, c *client, r *alert.Rule) (why []string) {
	if doc, err := c.get(ctx, alertsPath+"/channels", nil); err == nil && gjson.GetBytes(doc, "channels.#").Int() == 0 {
		why = append(why, "nobody is told when it fires: the configuration has no channels")
	}
	if name := r.Scope.Budget; name != "" {
		if _, err := c.get(ctx, budgetPath(name), nil); model.KindOf(err) == model.KindNotFound {
			why = append(why, fmt.Sprintf("it watches nothing: no budget has the name %.70q", name))
		}
	}
	if s := &r.Scope; s.Model+s.Endpoint+s.Provider != "" {
		if known, err := scopesAt(ctx, c, r); err == nil {
			for _, p := range known.missing(r.Type, s) {
				why = append(why, p.message)
			}
		}
	}
	return why
}

type alertsDeleteCmd struct {
	Name string `arg:"" help:"Name of the rule."`
}

// Run deletes a rule.
func (cmd *alertsDeleteCmd) Run(a *app, g *globals, p *printer) error {
	return ask(a, g, p, func(c *client) ([]byte, error) {
		return c.exchange(a.ctx, http.MethodDelete, alertsPath+"/rules/"+url.PathEscape(cmd.Name), nil, "", nil)
	}, func(map[string]string) {
		p.notef("the rule %s is gone; what it fired is resolved", cmd.Name)
	})
}

type alertsHistoryCmd struct {
	Rule  string `help:"Only of this rule." placeholder:"NAME"`
	Limit int    `default:"20" help:"How many. Default: 20." placeholder:"N"`
}

// Run shows what fired.
func (cmd *alertsHistoryCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct {
		Incidents []alert.Incident `json:"incidents"`
	}
	return ask(a, g, p, latest(a, alertsPath+"/incidents", "rule", cmd.Rule, cmd.Limit), func(v answer) {
		t := p.table("fired", "resolved", "rule", "severity", "what")
		for i := range v.Incidents {
			n := &v.Incidents[i]
			resolved := "fires"
			if !n.Until.IsZero() {
				resolved = moment(n.Until)
			}
			t.row(moment(n.Since), resolved, n.Rule, string(n.Severity), n.Summary)
		}
		t.flush()
		if len(v.Incidents) == 0 {
			p.notef("nothing has fired")
		}
	})
}

type alertsLogCmd struct {
	Channel string `help:"Only to this channel." placeholder:"NAME"`
	Limit   int    `default:"20" help:"How many. Default: 20." placeholder:"N"`
}

// Run shows messages.
func (cmd *alertsLogCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct {
		Deliveries []alert.Delivery `json:"deliveries"`
	}
	return ask(a, g, p, latest(a, alertsPath+"/deliveries", "channel", cmd.Channel, cmd.Limit), func(v answer) {
		t := p.table("at", "channel", "event", "rule", "state", ">attempts", "error")
		for i := range v.Deliveries {
			d := &v.Deliveries[i]
			t.row(moment(d.At), d.Channel, string(d.Event), d.Rule, string(d.State), strconv.Itoa(d.Attempts), d.Error)
		}
		t.flush()
		if len(v.Deliveries) == 0 {
			p.notef("no message was sent")
		}
	})
}

func latest(a *app, path, filter, value string, limit int) func(*client) ([]byte, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if value != "" {
		q.Set(filter, value)
	}
	return func(c *client) ([]byte, error) { return c.get(a.ctx, path, q) }
}

type alertsChannelsCmd struct{}

// Run lists channels.
func (cmd *alertsChannelsCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct {
		Channels []string `json:"channels"`
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, alertsPath+"/channels", nil) }, func(v answer) {
		for _, name := range v.Channels {
			p.printf("%s\n", name)
		}
		if len(v.Channels) == 0 {
			p.notef("the configuration has no channels")
		}
	})
}

type alertsTestCmd struct {
	Channel string `arg:"" help:"Name of the channel; alerts channels lists them."`
}

// Run tries a channel. One that does not take the message is an error.
func (cmd *alertsTestCmd) Run(a *app, g *globals, p *printer) error {
	return judge(a, g, p, func(c *client) ([]byte, error) {
		return c.post(a.ctx, alertsPath+"/test", nil, gateway.AlertTest{Channel: cmd.Channel})
	}, func(d alert.Delivery) {
		if d.State == alert.Delivered {
			p.notef("%s took the message", cmd.Channel)
		}
	}, func(d alert.Delivery) error {
		if d.State == alert.Delivered || d.Error == "" {
			return nil
		}
		return model.Errorf("", model.KindUnavailable, "the channel %s did not take the message: %s", cmd.Channel, d.Error)
	})
}
