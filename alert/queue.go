package alert

import (
	"fmt"
	"slices"
	"time"

	"github.com/cartrita/cartrita/model"
)

// DeliveryState is how far a message came.
type DeliveryState string

// The states of deliveries.
const (
	Waiting   DeliveryState = "waiting"   // for its time, or for the channel
	Delivered DeliveryState = "delivered" // the channel took it
	Failed    DeliveryState = "failed"    // it cannot be delivered, or not in GiveUp
	Withdrawn DeliveryState = "withdrawn" // all was well again before anybody was told
)

// Delivery is a message on its way to one channel.
type Delivery struct {
	Notification
	Channel  string        `json:"channel"`
	State    DeliveryState `json:"state"`
	Due      time.Time     `json:"due"`              // when it may be tried, or tried again
	Set      time.Time     `json:"due_set,omitzero"` // when that was decided
	Attempts int           `json:"attempts"`
	Error    string        `json:"error,omitempty"` // of the last attempt
	Ended    time.Time     `json:"ended,omitzero"`  // when it was delivered, failed or withdrawn
}

// The pace of deliveries.
const (
	firstRetry = 2 * time.Second
	lastRetry  = 30 * time.Second
	// GiveUp is how long a message is tried.
	GiveUp = 24 * time.Hour
	// MaxWaiting is how many messages may wait for a channel; what comes beyond
	// fails at once.
	MaxWaiting = 500
)

// attempted notes how an attempt to deliver went.
func (d *Delivery) attempted(err error, now time.Time) {
	d.Attempts++
	if err == nil {
		d.State, d.Error, d.Ended = Delivered, "", now
		return
	}
	e := model.AsError(err)
	d.Error = e.Message
	if e.Kind == model.KindInvalid || now.Sub(d.At) > GiveUp {
		d.State, d.Ended = Failed, now
		return
	}
	pause := lastRetry
	if d.Attempts < 10 {
		pause = min(firstRetry<<(d.Attempts-1), lastRetry)
	}
	d.Set, d.Due = now, now.Add(max(pause, min(e.RetryAfter, GiveUp)))
}

// telling is what decides who is told when.
type telling struct {
	channels []string // all there are
	quiet    []Quiet
	wait     time.Duration   // for more of the same rule
	busy     map[string]bool // channels that something was being sent to when the queue was read
	id       func() string
}

// plan turns transitions into messages: those of one rule and event together,
// one for each channel. queue is what waits already, oldest first. It returns
// what is new or changed.
func (t *telling) plan(transitions []transition, queue []Delivery, now time.Time) []Delivery {
	q := slices.Clone(queue)
	changed := map[string]bool{}
	for i := range q {
		d := &q[i]
		d.Alerts = slices.Clone(d.Alerts)
		if d.Set.After(now) && !t.busy[d.Channel] { // the clock was set back: what was to be left is left from now on
			d.Set, d.Due = now, hold(t.quiet, d.Severity, now.Add(d.Due.Sub(d.Set)))
			changed[d.ID] = true
		}
	}
	for i := range transitions {
		tr := &transitions[i]
		for _, channel := range tr.channels {
			switch {
			case tr.event == Resolved && withdraw(q, channel, tr.state.Incident, now, changed):
				continue
			case tr.event == Reminder && waits(q, channel, tr.state.Incident):
				continue
			}
			d := t.join(&q, channel, tr, now)
			d.Alerts = append(d.Alerts, tr.state.alert(tr))
			changed[d.ID] = true
		}
	}
	return slices.DeleteFunc(q, func(d Delivery) bool { return !changed[d.ID] })
}

// channelsOf returns the channels that a rule tells, each once: a store may hold
// rules that name one twice.
func (t *telling) channelsOf(r *Rule) (out []string) {
	if len(r.Channels) == 0 {
		return t.channels
	}
	for _, c := range r.Channels {
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// join finds the message that waits for more of the same, or begins one.
func (t *telling) join(q *[]Delivery, channel string, tr *transition, now time.Time) *Delivery {
	r := &tr.state.Rule
	for i := range *q {
		d := &(*q)[i]
		if d.Channel == channel && d.Rule == r.Name && d.Event == tr.event && d.Severity == r.Severity && d.State == Waiting && d.Attempts == 0 &&
			(d.Due.After(now) || d.At.Equal(now)) {
			return d
		}
	}
	waiting := 0
	for i := range *q {
		if (*q)[i].Channel == channel && (*q)[i].State == Waiting {
			waiting++
		}
	}
	due := now
	if tr.event == Firing {
		due = now.Add(t.wait)
	}
	*q = append(*q, Delivery{
		Notification: Notification{ID: t.id(), Event: tr.event, Rule: r.Name, Type: r.Type, Severity: r.Severity, At: now},
		Channel:      channel, State: Waiting, Due: hold(t.quiet, r.Severity, due), Set: now,
	})
	d := &(*q)[len(*q)-1]
	if waiting >= MaxWaiting {
		d.State, d.Ended, d.Error = Failed, now, "too many messages wait for this channel"
	}
	return d
}

// withdraw takes back what nobody was told of yet, and reports whether it did.
func withdraw(q []Delivery, channel, incident string, now time.Time, changed map[string]bool) bool {
	for i := range q {
		d := &q[i]
		if d.Channel != channel || d.Event != Firing || d.State != Waiting || d.Attempts > 0 || !d.about(incident) || !d.Due.After(now) {
			continue
		}
		changed[d.ID] = true
		others := slices.DeleteFunc(slices.Clone(d.Alerts), func(a Alert) bool { return a.Incident == incident })
		if len(others) == 0 {
			d.State, d.Ended = Withdrawn, now
		} else {
			d.Alerts = others
		}
		return true
	}
	return false
}

// waits reports whether a message about the incident is on its way already.
func waits(q []Delivery, channel, incident string) bool {
	return slices.ContainsFunc(q, func(d Delivery) bool { return d.Channel == channel && d.State == Waiting && d.about(incident) })
}

func (d *Delivery) about(incident string) bool {
	return slices.ContainsFunc(d.Alerts, func(a Alert) bool { return a.Incident == incident })
}

// ready returns what may be tried now, oldest first: nothing about an incident
// of which something older has still to be delivered to the channel.
func ready(queue []Delivery, now time.Time) (out []Delivery) {
	type key struct{ channel, incident string }
	blocked := map[key]bool{}
	for i := range queue {
		d := &queue[i]
		free := !d.Due.After(now)
		for _, a := range d.Alerts {
			free = free && !blocked[key{d.Channel, a.Incident}]
		}
		for _, a := range d.Alerts { // after all were looked at: a store may hold a message that has one twice
			blocked[key{d.Channel, a.Incident}] = true
		}
		if free {
			out = append(out, *d)
		}
	}
	return out
}

func (s *State) alert(tr *transition) Alert {
	a := Alert{
		Incident: s.Incident, Subject: s.Subject, Summary: s.summary(tr.event), Value: s.Value,
		Operator: s.Rule.Operator, Threshold: *s.Rule.Threshold, Unit: kinds[s.Rule.Type].unit, Since: s.Fired,
	}
	if tr.event == Resolved {
		a.Until = tr.at
	}
	return a
}

// what is measured, for people.
var whatIs = map[Type]string{
	CostThreshold: "cost", LatencySpike: "latency", ErrorRate: "error rate", Availability: "availability",
	SafetyViolation: "safety violations", BudgetThreshold: "share spent", BurnRate: "burn rate",
	BenchmarkDrift: "loss of quality", SpoolDepth: "events not stored",
}

// summary says it in one sentence.
func (s *State) summary(e Event) string {
	r := &s.Rule
	what := whatIs[r.Type]
	if r.Type == LatencySpike {
		what = r.Metric
	}
	if s.Subject != "" {
		what += " of " + s.Subject
	}
	if r.Window > 0 {
		what += " in " + r.Window.String()
	}
	value, threshold := r.Write(s.Value), r.Write(*r.Threshold)
	switch {
	case !s.Unmeasured.IsZero():
		return fmt.Sprintf("%s was %s (%s %s), nothing measured since %s", what, value, r.Operator, threshold, s.Unmeasured.UTC().Format("2006-01-02 15:04 MST"))
	case e == Resolved && r.Operator.holds(s.Value, *r.Threshold): // the rule is gone, or its subject
		return fmt.Sprintf("%s was %s (%s %s); it is not watched any more", what, value, r.Operator, threshold)
	case e == Resolved:
		return fmt.Sprintf("%s is %s, no longer %s %s", what, value, r.Operator, threshold)
	}
	return fmt.Sprintf("%s is %s (%s %s)", what, value, r.Operator, threshold)
}
