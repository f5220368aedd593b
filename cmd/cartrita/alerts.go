package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// newAlerts makes what watches rules, without any.
func (n *node) newAlerts() *alert.Engine {
	return alert.New(alert.Config{
		Store: n.store, Budgets: n.budgetStates, Drifts: n.drifts, Self: n.spoolDepth, Tell: n.tellAlert,
		OnWrite: n.bus.tell(cluster.TopicAlerts), Gateway: n.replica.member.ID, Logger: n.log,
	})
}

// alertJob evaluates the rules for all gateways.
func (n *node) alertJob(every time.Duration) cluster.Job {
	return cluster.Job{Name: "alerts", Every: every, Run: func(ctx context.Context, f cluster.Fence) error {
		return n.alerts.Evaluate(ctx, f.Term)
	}}
}

// alertRulesOf returns the rules of a configuration.
func alertRulesOf(c *config.Alerts) []alert.Rule {
	out := make([]alert.Rule, len(c.Rules))
	for i := range c.Rules {
		r := &c.Rules[i]
		out[i] = alert.Rule{
			Name: r.Name, Type: alert.Type(r.Type), Metric: r.Metric, Scope: alert.Scope(r.Scope), By: r.By,
			Operator: alert.Operator(r.Operator), Threshold: r.Threshold, Window: r.Window, For: r.For, Clear: r.ResolveAfter,
			MinCalls: r.MinCalls, Severity: alert.Severity(r.Severity), Channels: r.Channels, Repeat: r.Repeat, Enabled: r.Enabled,
		}
	}
	return out
}

// alertSettings makes what a configuration says of alerts. Its rules may name
// channels that it has.
func alertSettings(l *config.Loaded, secrets *config.Secrets) (alert.Settings, error) {
	s := alert.Settings{GroupWait: l.Alerts.GroupWait.Std()}
	refuse := func(path string, err error) error {
		e := model.AsError(err)
		return l.Refuse([]config.Problem{{Path: path + e.Param, Message: e.Message}})
	}
	var err error
	if s.Channels, err = newChannels(l, secrets); err != nil {
		return s, err
	}
	if s.Rules, err = alert.CheckRules(alertRulesOf(&l.Alerts), slices.Sorted(maps.Keys(s.Channels))); err != nil {
		return s, refuse("alerts.rules", err)
	}
	for i, q := range l.Alerts.QuietHours {
		of := alert.Quiet{From: q.From, To: q.To, Days: q.Days, TimeZone: q.TimeZone}
		for _, name := range q.Severities {
			of.Severities = append(of.Severities, alert.Severity(name))
		}
		if of, err = of.Complete(); err != nil {
			return s, refuse(fmt.Sprintf("alerts.quiet_hours[%d].", i), err)
		}
		s.Quiet = append(s.Quiet, of)
	}
	return s, nil
}

// watched is the store of calls as the log writes to it: what it stores counts
// for the alerts. What another gateway stored before counted there.
type watched struct {
	event.Sink
	sampler *alert.Sampler
}

// Ingest implements event.Sink.
func (w watched) Ingest(ctx context.Context, b event.Batch) (stored []*event.Call, err error) {
	if stored, err = w.Sink.Ingest(ctx, b); err != nil {
		return nil, err
	}
	wanted, attempts := w.sampler.Wants()
	if !wanted {
		return stored, nil
	}
	calls := make([]alert.Call, 0, len(stored))
	for _, c := range stored {
		if c.State != model.StatePlanned {
			calls = append(calls, alertCall(c, attempts))
		}
	}
	w.sampler.Add(calls)
	return stored, nil
}

func alertCall(c *event.Call, attempts bool) alert.Call {
	out := alert.Call{
		Ended: c.Ended, Failed: c.State == model.StateFailed, Model: string(c.Model), Endpoint: string(c.Endpoint), Provider: c.Provider,
		Key: string(c.Key), User: c.User, Team: c.Team, Project: c.Project, Task: c.Task.String(),
		Cost: c.Cost, LatencyMS: c.LatencyMS, TTFTMS: c.TTFTMS, Charges: c.Charges,
	}
	if out.Failed { // a kind that is not known is KindInternal: a fault of ours
		_ = out.Fault.UnmarshalText([]byte(gjson.GetBytes(c.RecordJSON, "error.kind").Str))
	}
	if !attempts {
		return out
	}
	shut, eligible := event.PlanShut(c.PlanJSON)
	out.Shut, out.Eligible = alertTargets(shut), alertTargets(eligible)
	var made []model.Attempt
	if json.Unmarshal([]byte(gjson.GetBytes(c.RecordJSON, "attempts").Raw), &made) != nil {
		return out // of a call without any
	}
	for i := range made {
		a := &made[i]
		if !a.Sent() {
			continue
		}
		of := alert.Attempt{Target: alert.Target{Model: string(a.Model), Endpoint: string(a.Endpoint), Provider: a.Endpoint.Provider()}}
		if a.Error != nil {
			of.Failed, of.Fault = true, a.Error.Kind
		}
		out.Attempts = append(out.Attempts, of)
	}
	return out
}

func alertTargets(of []event.PlanTarget) (out []alert.Target) {
	for _, t := range of {
		out = append(out, alert.Target{Model: string(t.Model), Endpoint: string(t.Endpoint), Provider: t.Endpoint.Provider()})
	}
	return out
}

// rollingLength is how long the window of a rolling budget is.
var rollingLength = map[budget.Every]time.Duration{
	budget.Hourly: time.Hour, budget.Daily: 24 * time.Hour, budget.Weekly: 7 * 24 * time.Hour, budget.Monthly: 30 * 24 * time.Hour, budget.Yearly: 365 * 24 * time.Hour,
}

func (n *node) budgetStates() []alert.BudgetState {
	status := n.budgets.Ledger().Status()
	out := make([]alert.BudgetState, len(status))
	for i := range status {
		s := &status[i]
		out[i] = alert.BudgetState{ID: string(s.ID), Name: s.Name, Used: s.Used}
		if s.Limit.USD != nil {
			out[i].LimitUSD = s.Limit.USD.USD()
		}
		switch {
		case s.Rolling:
			out[i].Length = rollingLength[s.Every]
		case s.ResetsAt != nil:
			out[i].Length = s.ResetsAt.Sub(s.PeriodStart)
		}
	}
	return out
}

func (n *node) drifts(ctx context.Context, since time.Time) ([]alert.Drift, error) {
	found, err := n.registry.Drifts(ctx, since)
	out := make([]alert.Drift, len(found))
	for i, d := range found {
		out[i] = alert.Drift{Model: string(d.Model), Before: d.Before, Now: d.Now}
	}
	return out, err
}

// spoolDepth is how many bytes of events this gateway has not stored yet.
func (n *node) spoolDepth() (name string, bytes int64) {
	m := n.replica.self()
	return orDefault(m.Address, orDefault(m.Name, m.ID)), n.events.Stats().Backlog
}

// tellAlert makes an event of what fired or was resolved, once for an incident.
func (n *node) tellAlert(e alert.Event, i *alert.Incident) {
	kind, at := event.AlertFired, i.Since
	if e == alert.Resolved {
		kind, at = event.AlertResolved, i.Until
	}
	n.events.Notice(kind, i.Incident, at, i)
}

// alertMetrics show what fires, as this gateway knows it, and how it delivers.
type alertMetrics struct{ *alert.Engine }

var (
	alertsFiring   = prometheus.NewDesc("cartrita_alerts_firing", "Alerts that fire, at the gateway that evaluated last; of all on one database one evaluates.", []string{"rule", "severity"}, nil)
	alertsWaiting  = prometheus.NewDesc("cartrita_alert_messages_waiting", "Messages to channels that are not delivered yet, likewise.", nil, nil)
	alertsAttempts = prometheus.NewDesc("cartrita_alert_messages_total", "Attempts of this gateway to deliver a message, by what became of it: delivered, waiting (for another attempt) or failed.", []string{"channel", "state"}, nil)
	alertsRuns     = prometheus.NewDesc("cartrita_alert_evaluations_total", "Evaluations of the rules by this gateway.", nil, nil)
)

// evaluatedFor is how long a gateway shows what it found: it may lead no more, and
// another one shows it then. Evaluations are at most a minute apart.
const evaluatedFor = 90 * time.Second

// Describe implements prometheus.Collector.
func (m alertMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m alertMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.Stats()
	if time.Since(s.Evaluated) < evaluatedFor {
		for k, n := range s.Firing {
			ch <- prometheus.MustNewConstMetric(alertsFiring, prometheus.GaugeValue, float64(n), k.Rule, string(k.Severity))
		}
		ch <- prometheus.MustNewConstMetric(alertsWaiting, prometheus.GaugeValue, float64(s.Waiting))
	}
	for k, n := range s.Attempts {
		ch <- prometheus.MustNewConstMetric(alertsAttempts, prometheus.CounterValue, float64(n), k.Channel, string(k.State))
	}
	ch <- prometheus.MustNewConstMetric(alertsRuns, prometheus.CounterValue, float64(s.Evaluations))
}
