package config

import (
	"fmt"
	"slices"
	"time"
)

// Alerts say who is told of what.
type Alerts struct {
	// How often rules are evaluated, and what each gateway measured is stored: 1s to 1m. [5s]
	Every Duration `json:"every"`
	// How long a message waits for more of the same rule. [0s]
	GroupWait Duration `json:"group_wait,omitzero"`
	// How people are told.
	Channels []AlertChannel `json:"channels,omitempty"`
	// What people are told of. Rules made over the API stand beside these.
	Rules []AlertRule `json:"rules,omitempty"`
	// When people are left alone.
	QuietHours []QuietHours `json:"quiet_hours,omitempty"`
}

// AlertRule says when somebody is to be told. What its fields mean together is
// checked by package alert.
type AlertRule struct {
	// Name of letters, digits, dots, dashes and underscores.
	Name string `json:"name"`
	// cost_threshold, latency_spike, error_rate, availability, safety_violation, budget_threshold, burn_rate, benchmark_drift or spool_depth.
	Type string `json:"type"`
	// Of latency_spike: latency_ or ttft_ with p50, p90, p95, p99 or mean. [latency_p95]
	Metric string `json:"metric,omitempty"`
	// What it watches: all that matches every value given. [everything]
	Scope AlertScope `json:"scope,omitzero"`
	// What it tells apart, so that each fires for itself: model, endpoint, provider, key, user, team, project or task. [all together; availability: endpoint]
	By string `json:"by,omitempty"`
	// >, >=, < or <=. [what the type is about: < for availability, >= for safety_violation and budget_threshold, > for the others]
	Operator string `json:"operator,omitempty"`
	// In US dollars, milliseconds, calls or bytes; for rates and shares from 0 to 1; for burn_rate how many times as fast as the budget lasts.
	Threshold *float64 `json:"threshold"`
	// Time over which it is measured, 30s to 1d; for benchmark_drift to 90d. [5m; benchmark_drift: 7d]
	Window Duration `json:"window,omitzero"`
	// How long it must hold before it fires. [0s]
	For Duration `json:"for,omitzero"`
	// How long it must not hold before it is resolved. [0s]
	ResolveAfter Duration `json:"resolve_after,omitzero"`
	// Calls in the window without which a rate or latency says nothing. [10]
	MinCalls int64 `json:"min_calls,omitempty"`
	// info, warning or critical. [warning]
	Severity string `json:"severity,omitempty"`
	// Names of the channels that are told. [all]
	Channels []string `json:"channels,omitempty"`
	// Time between reminders while it fires. [none]
	Repeat Duration `json:"repeat,omitzero"`
	// Watch it. [true]
	Enabled *bool `json:"enabled,omitempty"`
}

// AlertScope says what a rule watches.
type AlertScope struct {
	// Model id.
	Model string `json:"model,omitempty"`
	// Endpoint id.
	Endpoint string `json:"endpoint,omitempty"`
	// Provider name.
	Provider string `json:"provider,omitempty"`
	// Id of a virtual key.
	Key string `json:"key,omitempty"`
	// User.
	User string `json:"user,omitempty"`
	// Team of the key.
	Team string `json:"team,omitempty"`
	// Project of the key.
	Project string `json:"project,omitempty"`
	// Task type.
	Task string `json:"task,omitempty"`
	// Name of a budget.
	Budget string `json:"budget,omitempty"`
}

// QuietHours are a time of day in which people are left alone: what begins and
// ends in it nobody hears of, the rest at its end.
type QuietHours struct {
	// Beginning, such as 22:00.
	From string `json:"from"`
	// End, such as 07:00; of the next day where it is not after from.
	To string `json:"to"`
	// Days on which they begin: mon, tue, wed, thu, fri, sat, sun. [all]
	Days []string `json:"days,omitempty"`
	// Time zone, such as Europe/Berlin. [UTC]
	TimeZone string `json:"time_zone,omitempty"`
	// Severities that wait. [info and warning]
	Severities []string `json:"severities,omitempty"`
}

func (v *validator) alerts() {
	v.alertChannels("alerts.channels", v.c.Alerts.Channels)
	if e := v.c.Alerts.Every; e < Duration(time.Second) || e > Duration(time.Minute) {
		v.problem("alerts.every", "%s: want 1s to 1m", e)
	}
	if w := v.c.Alerts.GroupWait; w > Duration(time.Hour) {
		v.problem("alerts.group_wait", "%s: want at most 1h", w)
	}
	var budgets []string
	for i := range v.c.Budgets {
		budgets = append(budgets, v.c.Budgets[i].Name)
	}
	for i := range v.c.Alerts.Rules {
		if b := v.c.Alerts.Rules[i].Scope.Budget; b != "" && !slices.Contains(budgets, b) {
			v.warn(fmt.Sprintf("alerts.rules[%d].scope.budget", i), "%.70q is no budget of the configuration: until one of the name is made over the API, the rule watches nothing%s",
				b, suggest(b, budgets))
		}
	}
}
