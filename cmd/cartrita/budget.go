package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

const budgetsPath = "/api/v1/budgets"

type budgetCmd struct {
	Create   budgetCreateCmd   `cmd:"" help:"Create a budget, or replace one that was created so."`
	List     budgetListCmd     `cmd:"" default:"1" help:"List budgets with what is spent, held and left."`
	Show     budgetShowCmd     `cmd:"" help:"Show one budget, or one of its counters."`
	Override budgetOverrideCmd `cmd:"" help:"Change a limit or suspend the ladder for some time."`
	Delete   budgetDeleteCmd   `cmd:"" help:"Delete a budget that was created so; one of the configuration is removed there."`
	Leases   budgetLeasesCmd   `cmd:"" help:"List the gateways that share the budgets and what each holds."`
	Release  budgetReleaseCmd  `cmd:"" help:"Free what a gateway holds that does not come back."`
	Audit    budgetAuditCmd    `cmd:"" help:"Prove from the records of calls that the counters are right."`
}

type budgetCreateCmd struct {
	Name     string `arg:"" help:"Name of the budget."`
	Key      string `help:"Only calls with this virtual key; * makes one budget for each, as for the following." placeholder:"ID"`
	User     string `help:"Only this user." placeholder:"ID"`
	Team     string `help:"Only this team." placeholder:"NAME"`
	Project  string `help:"Only this project." placeholder:"NAME"`
	Workflow string `help:"Only this workflow run." placeholder:"ID"`
	Model    string `short:"m" help:"Only this model." placeholder:"ID"`
	Provider string `help:"Only this provider." placeholder:"NAME"`
	Tag      string `help:"Only keys with this tag." placeholder:"TAG"`

	Period   string `default:"monthly" help:"hourly, daily, weekly, monthly, yearly or total." placeholder:"PERIOD"`
	Rolling  bool   `help:"Count the last 60 minutes, 24 hours, 7, 30 or 365 days instead of the calendar's."`
	TimeZone string `help:"Time zone of the calendar, such as Europe/Berlin. Default: UTC." placeholder:"ZONE"`

	LimitUSD      string `name:"limit-usd" help:"Most US dollars in a period." placeholder:"USD"`
	LimitTokens   *int64 `help:"Most tokens." placeholder:"N"`
	LimitRequests *int64 `help:"Most requests." placeholder:"N"`

	Warning  float64  `help:"Share of the limit that is a warning. Default: 0.7, where that is below critical." placeholder:"SHARE"`
	Critical float64  `help:"Share of the limit that is critical. Default: 0.9, where that is below the hard stop." placeholder:"SHARE"`
	HardStop float64  `help:"Share of the limit at which calls are refused. Default: 1." placeholder:"SHARE"`
	Step     []string `sep:"none" help:"Step of the ladder: SHARE:ACTION or SHARE:ACTION=VALUE, such as 0.8:max-price=0.002; may be repeated." placeholder:"STEP"`

	Reserve      string `help:"What a call holds before it is sent: worst or p75 to p99. Default: worst." placeholder:"MODE"`
	UnknownPrice string `help:"A call without a known price: refuse, assume-max or free." placeholder:"POLICY"`
}

// Run creates a budget.
func (cmd *budgetCreateCmd) Run(a *app, g *globals, p *printer) error {
	b := budget.Budget{
		Name: cmd.Name, Period: budget.Every(cmd.Period), Rolling: cmd.Rolling, TimeZone: cmd.TimeZone,
		Scope: budget.Scope{
			Key: cmd.Key, User: cmd.User, Team: cmd.Team, Project: cmd.Project, Workflow: cmd.Workflow,
			Model: cmd.Model, Provider: cmd.Provider, Tag: cmd.Tag,
		},
		LimitTokens: cmd.LimitTokens, LimitRequests: cmd.LimitRequests,
		Thresholds: budget.Thresholds{Warning: cmd.Warning, Critical: cmd.Critical, HardStop: cmd.HardStop},
		Reserve:    cmd.Reserve, UnknownPrice: budget.UnknownPrice(cmd.UnknownPrice),
	}
	if err := readMoney(&b.LimitUSD, "--limit-usd", cmd.LimitUSD); err != nil {
		return err
	}
	for _, s := range cmd.Step {
		step, err := parseStep(s)
		if err != nil {
			return err
		}
		b.Ladder = append(b.Ladder, step)
	}
	return a.budget(g, p, func(c *client) ([]byte, error) { return c.post(a.ctx, budgetsPath, nil, b) })
}

// parseStep reads SHARE:ACTION or SHARE:ACTION=VALUE.
func parseStep(s string) (budget.Step, error) {
	share, action, found := strings.Cut(s, ":")
	at, err := strconv.ParseFloat(share, 64)
	if !found || err != nil {
		return budget.Step{}, model.Invalidf("", "--step", "is %q: want SHARE:ACTION or SHARE:ACTION=VALUE, such as 0.8:max-price=0.002", s)
	}
	action, value, _ := strings.Cut(action, "=")
	return budget.Step{At: at, Action: budget.Action(action), Value: budget.Value(value)}, nil
}

// budgetState is a budget with its counters, as the gateway shows it.
type budgetState struct {
	Budget   budget.Budget   `json:"budget"`
	Counters []budget.Status `json:"counters"`
	Warnings []string        `json:"warnings"`
}

// budget asks the gateway for something that answers with one budget, and
// prints that.
func (a *app) budget(g *globals, p *printer, send func(*client) ([]byte, error)) error {
	return ask(a, g, p, send, func(s budgetState) {
		p.budget(&s)
		for _, w := range s.Warnings {
			p.notef("%s %s", paint(p.errColor, yellow, "warning:"), w)
		}
	})
}

// budgetPath is the path of a budget or, behind its name, a counter.
func budgetPath(id string) string {
	name, value, counter := strings.Cut(id, "/")
	path := budgetsPath + "/" + url.PathEscape(name)
	if counter {
		path += "/" + strings.ReplaceAll(url.PathEscape(value), "%2F", "/")
	}
	return path
}

type budgetListCmd struct{}

// Run lists budgets.
func (cmd *budgetListCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct {
		Budgets []budgetState `json:"budgets"`
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, budgetsPath, nil) }, func(answer answer) {
		p.budgets(answer.Budgets)
	})
}

type budgetShowCmd struct {
	ID string `arg:"" help:"Name of a budget, or name/value of a counter."`
}

// Run shows a budget.
func (cmd *budgetShowCmd) Run(a *app, g *globals, p *printer) error {
	return a.budget(g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, budgetPath(cmd.ID), nil) })
}

type budgetOverrideCmd struct {
	ID            string `arg:"" help:"Name of a budget, or name/value of a counter."`
	For           string `required:"" help:"How long, such as 2h or 7d." placeholder:"TIME"`
	Reason        string `required:"" help:"Why; it is kept." placeholder:"TEXT"`
	LimitUSD      string `name:"limit-usd" help:"Limit in US dollars until then." placeholder:"USD"`
	LimitTokens   *int64 `help:"Limit in tokens until then." placeholder:"N"`
	LimitRequests *int64 `help:"Limit in requests until then." placeholder:"N"`
	SuspendLadder bool   `help:"No step of the ladder is in force until then; limits stay."`
}

// Run puts an override on a budget.
func (cmd *budgetOverrideCmd) Run(a *app, g *globals, p *printer) error {
	d, err := key.ParseDuration(cmd.For)
	if err != nil || d <= 0 {
		return model.Invalidf("", "--for", "%.40q: want how long, such as 2h or 7d", cmd.For)
	}
	o := budget.Override{
		Until: time.Now().Add(d).UTC().Truncate(time.Second), Reason: cmd.Reason,
		LimitTokens: cmd.LimitTokens, LimitRequests: cmd.LimitRequests, SuspendLadder: cmd.SuspendLadder,
	}
	if err := readMoney(&o.LimitUSD, "--limit-usd", cmd.LimitUSD); err != nil {
		return err
	}
	return a.budget(g, p, func(c *client) ([]byte, error) { return c.post(a.ctx, budgetPath(cmd.ID)+"/override", nil, o) })
}

type budgetDeleteCmd struct {
	Name string `arg:"" help:"Name of the budget."`
}

// Run deletes a budget.
func (cmd *budgetDeleteCmd) Run(a *app, g *globals, p *printer) error {
	return ask(a, g, p, func(c *client) ([]byte, error) {
		return c.exchange(a.ctx, http.MethodDelete, budgetsPath+"/"+url.PathEscape(cmd.Name), nil, "", nil)
	}, func(map[string]any) {
		p.notef("the budget %q is deleted; what it had spent stays on record", cmd.Name)
	})
}

type budgetAuditCmd struct {
	Since string `help:"Add up calls since then. Default: since the oldest period began." placeholder:"WHEN"`
}

// budgetAudit is the gateway's answer.
type budgetAudit struct {
	Since    time.Time        `json:"since"`
	Records  budget.Report    `json:"records"`
	Counters budget.Imbalance `json:"counters"`
}

// Run audits the budgets; it fails when something does not add up.
func (cmd *budgetAuditCmd) Run(a *app, g *globals, p *printer) error {
	q := url.Values{}
	setQuery(q, "since", cmd.Since)
	return judge(a, g, p, func(c *client) ([]byte, error) {
		return c.get(a.ctx, budgetsPath+"/audit", q)
	}, func(report budgetAudit) {
		p.audit(&report)
	}, func(report budgetAudit) error {
		if report.Records.Balanced && report.Counters.Balanced() {
			return nil
		}
		return model.Errorf("", model.KindConflict, "counters and records of budgets do not agree; calls that have just ended may not be in the records yet")
	})
}

func (p *printer) budgets(list []budgetState) {
	t := p.table("budget", "~scope", "period", ">limit", ">spent", ">held", ">left", ">used", "resets", "steps in force")
	for _, state := range list {
		for _, c := range state.Counters {
			t.row(string(c.ID), c.Scope.String(), periodText(&c), limitText(c.Limit), amountText(c.Limit, c.Spent), amountText(c.Limit, c.Held),
				limitText(c.Remaining), fmt.Sprintf("%.0f%%", 100*c.Used), resetText(&c), stepsText(c.Steps))
		}
		if b := state.Budget; len(state.Counters) == 0 {
			t.row(b.Name, b.Scope.String(), string(b.Period), limitText(budget.Limits{USD: b.LimitUSD, Tokens: b.LimitTokens, Requests: b.LimitRequests}))
		}
	}
	t.flush()
	if len(list) == 0 {
		p.notef("no budgets: nothing limits what calls spend")
	}
}

func periodText(c *budget.Status) string {
	if c.Rolling {
		return "rolling " + string(c.Every)
	}
	return string(c.Every)
}

func limitText(l budget.Limits) string {
	var parts []string
	if l.USD != nil {
		parts = append(parts, l.USD.String())
	}
	if l.Tokens != nil {
		parts = append(parts, plural(int(*l.Tokens), "token"))
	}
	if l.Requests != nil {
		parts = append(parts, plural(int(*l.Requests), "request"))
	}
	return strings.Join(parts, ", ")
}

// amountText words amounts in the units that are limited.
func amountText(l budget.Limits, q budget.Quantities) string {
	var of budget.Limits
	if l.USD != nil {
		of.USD = &q.USD
	}
	if l.Tokens != nil {
		of.Tokens = &q.Tokens
	}
	if l.Requests != nil {
		of.Requests = &q.Requests
	}
	return limitText(of)
}

func resetText(c *budget.Status) string {
	switch {
	case c.ResetsAt != nil:
		return c.ResetsAt.Local().Format("2006-01-02 15:04 MST")
	case c.Rolling:
		return "bit by bit"
	}
	return "never"
}

func thresholdsText(t budget.Thresholds) string {
	var parts []string
	for _, m := range []struct {
		name string
		at   float64
	}{{"warning", t.Warning}, {"critical", t.Critical}, {"hard stop", t.HardStop}} {
		if m.at > 0 {
			parts = append(parts, fmt.Sprintf("%s at %.4g%%", m.name, 100*m.at))
		}
	}
	return strings.Join(parts, ", ")
}

func stepsText(steps []budget.Step) string {
	var parts []string
	for _, s := range steps {
		text := string(s.Action)
		if s.Value != "" {
			text += " " + string(s.Value)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func (p *printer) budget(s *budgetState) {
	if len(s.Counters) == 0 {
		p.budgets([]budgetState{*s})
		p.notef("no call has fallen under it yet")
		return
	}
	for i := range s.Counters {
		c := &s.Counters[i]
		if i > 0 {
			p.printf("\n")
		}
		p.printf("%s\n", p.style(bold, string(c.ID)))
		facts := [][2]string{
			{"scope", c.Scope.String()}, {"period", periodText(c) + ", " + c.TimeZone}, {"limit", limitText(c.Limit)},
			{"spent", fmt.Sprintf("%s (%.1f%%)", amountText(c.Limit, c.Spent), 100*c.Used)}, {"held", amountText(c.Limit, c.Held)},
			{"left", limitText(c.Remaining)}, {"resets", resetText(c)}, {"reserve", c.Reserve}, {"thresholds", thresholdsText(s.Budget.Thresholds)},
		}
		if c.Assumed > 0 {
			facts = append(facts, [2]string{"assumed", fmt.Sprintf("%s of what is spent, for calls without a known price or whose end nobody saw", c.Assumed)})
		}
		if len(c.Thresholds) > 0 {
			facts = append(facts, [2]string{"crossed", strings.Join(c.Thresholds, ", ")})
		}
		if len(c.Steps) > 0 {
			facts = append(facts, [2]string{"in force", stepsText(c.Steps)})
		}
		if c.Overshoot.Calls > 0 {
			facts = append(facts, [2]string{"overshoot", fmt.Sprintf("%s cost %s more than was held", plural(int(c.Overshoot.Calls), "call"), c.Overshoot.USD)})
		}
		if o := c.Override; o != nil {
			facts = append(facts, [2]string{"override", fmt.Sprintf("until %s by %s: %s", o.Until.Local().Format("2006-01-02 15:04 MST"), orDefault(o.Actor, "nobody named"), o.Reason)})
		}
		p.facts(append(facts, projectionFacts(c.Projection)...))
	}
}

// projectionFacts words where a budget is going.
func projectionFacts(pr *budget.Projection) [][2]string {
	if pr == nil {
		return nil
	}
	until := func(s *float64) string {
		if s == nil {
			return "not before the reset"
		}
		return time.Duration(*s * float64(time.Second)).Round(time.Minute).String()
	}
	return [][2]string{
		{"burn rate", fmt.Sprintf("%s an hour (%s to %s)", pr.PerHour, pr.PerHourLow, pr.PerHourHigh)},
		{"exhausted in", fmt.Sprintf("%s (%s to %s)", until(pr.Exhausted), until(pr.ExhaustedLow), until(pr.ExhaustedHigh))},
	}
}

func (p *printer) audit(r *budgetAudit) {
	t := p.table("~budget", "period", ">records", ">opened with", ">counter", "equal")
	for _, l := range r.Records.Lines {
		counter, equal := "(over)", "-"
		if l.Counter != nil {
			counter, equal = quantitiesText(*l.Counter), "yes"
			if !l.Equal {
				equal = "NO"
			}
		}
		t.row(string(l.Budget), l.Period.Format(time.RFC3339), quantitiesText(l.Entries), quantitiesText(l.Opening), counter, equal)
	}
	t.flush()
	p.notef("%s since %s; %s of it assumed; counters against entries: off by %s, %s open, %s leaked",
		plural(int(r.Records.Charges), "charge"), r.Since.Format(time.RFC3339), r.Records.Assumed.USD,
		r.Counters.USD, plural(r.Counters.Holds, "hold"), plural(r.Counters.Leaks, "hold"))
}

func quantitiesText(q budget.Quantities) string {
	return fmt.Sprintf("%s, %s, %s", q.USD, plural(int(q.Tokens), "token"), plural(int(q.Requests), "request"))
}
