package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/model"
)

// term leads in the store, where others could.
func term(t *testing.T, s Store) int64 {
	t.Helper()
	c, shared := s.(cluster.Store)
	if !shared {
		return 1
	}
	term, err := c.Beat(t.Context(), cluster.Member{ID: "alerts", Spool: "s", Started: time.Now()}, time.Minute)
	if err != nil || term == 0 {
		t.Fatalf("term %d, %v", term, err)
	}
	return term
}

func alertRule(t *testing.T, name string, of alert.Type) alert.Rule {
	t.Helper()
	threshold := 0.25
	r, err := alert.Rule{
		Name: name, Type: of, Threshold: &threshold, For: model.Duration(time.Minute), Severity: alert.Critical, Channels: []string{"ops"},
	}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func alertRules(t *testing.T, s Store) {
	first, second := alertRule(t, "b", alert.ErrorRate), alertRule(t, "a", alert.CostThreshold)
	for _, r := range []alert.Rule{alertRule(t, "b", alert.BurnRate), second, alertRule(t, "c", alert.BurnRate), first} {
		if err := s.SaveAlertRule(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteAlertRule(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteAlertRule(t.Context(), "c"); model.KindOf(err) != model.KindNotFound {
		t.Errorf("deleted twice: %v", err)
	}
	got, err := s.AlertRules(t.Context())
	if diff := cmp.Diff([]alert.Rule{second, first}, got); err != nil || diff != "" {
		t.Errorf("%v; want -, got +:\n%s", err, diff)
	}
}

func alertSamples(t *testing.T, s Store) {
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	sample := func(rule, version, subject, gateway string, after time.Duration, calls int64) alert.Sample {
		return alert.Sample{Rule: rule, Version: version, Subject: subject, Gateway: gateway, At: begin.Add(after), Sum: alert.Sum{
			Calls: calls, Bad: 1, Total: 0.25, Times: map[int]int64{-3: 1, 80: calls},
		}}
	}
	one := sample("r", "v", "", "g.0", 10*time.Second, 7)
	two := sample("r", "v", "a \"model\"", "g.0", 10*time.Second, 2)
	three := sample("r", "v", "", "h.0", time.Minute, 3)
	for _, batch := range [][]alert.Sample{
		{sample("r", "v", "", "g.0", 10*time.Second, 5), sample("r", "v", "", "g.0", 0, 1), sample("other", "v", "", "g.0", 10*time.Second, 1)},
		{one, two, three, sample("r", "w", "", "g.0", 10*time.Second, 1)}, // one again, with more
	} {
		if err := s.SaveSamples(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	check := func(since time.Duration, want ...alert.Sample) {
		t.Helper()
		got, err := s.Samples(t.Context(), "r", "v", begin.Add(since))
		slices.SortFunc(got, func(a, b alert.Sample) int {
			return slices.Compare([]string{a.Gateway, a.Subject}, []string{b.Gateway, b.Subject})
		})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v; want -, got +:\n%s", err, diff)
		}
	}
	check(10*time.Second, one, two, three)
	check(11*time.Second, three)
	in := term(t, s)
	forget := func(rule string) {
		t.Helper()
		if err := s.ForgetSamples(t.Context(), in, rule, begin.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	forget("r")
	check(-time.Hour, three)
	if left, err := s.Samples(t.Context(), "other", "v", begin); err != nil || len(left) != 1 {
		t.Errorf("of another rule %v is left, %v", left, err)
	}
	forget("")
	if left, err := s.Samples(t.Context(), "other", "v", begin); err != nil || len(left) != 0 {
		t.Errorf("of another rule %v is left, %v", left, err)
	}
}

func alertState(t *testing.T, rule, subject string, firing bool) alert.State {
	at := time.Date(2026, 11, 23, 12, 0, 0, 123_000, time.UTC)
	st := alert.State{Rule: alertRule(t, rule, alert.ErrorRate), Subject: subject, Firing: firing, Value: 0.5, Since: at}
	if firing {
		st.Incident, st.Fired, st.Told = rule+subject, at.Add(time.Minute), at.Add(time.Minute)
		st.Heard = []string{} // none, which is something else than not known
	}
	return st
}

func alertDelivery(id, channel string, after time.Duration, state alert.DeliveryState) alert.Delivery {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).Add(after)
	d := alert.Delivery{Notification: alert.Notification{
		ID: id, Event: alert.Firing, Rule: "r", Type: alert.ErrorRate, Severity: alert.Warning, At: at,
		Alerts: []alert.Alert{{Incident: "i", Summary: "a \"summary\"", Value: 0.5, Operator: alert.Above, Threshold: 0.25, Since: at}},
	}, Channel: channel, State: state, Due: at}
	if state != alert.Waiting {
		d.Ended = at.Add(time.Second)
	}
	return d
}

func alertBoard(t *testing.T, s Store) {
	in := term(t, s)
	save := func(term int64, c alert.Change) error { return s.SaveAlerts(t.Context(), term, c) }
	pending, firing := alertState(t, "b", "", false), alertState(t, "a", "x", true)
	first, second := alertDelivery("1", "ops", 0, alert.Waiting), alertDelivery("2", "mail", time.Hour, alert.Waiting)
	err := save(in, alert.Change{
		States: []alert.State{pending, firing, alertState(t, "c", "", false)}, Deliveries: []alert.Delivery{second, first, alertDelivery("0", "ops", 0, alert.Waiting)},
	})
	if err != nil {
		t.Fatal(err)
	}
	pending.Value = 0.75
	err = save(in, alert.Change{
		States: []alert.State{pending}, Gone: []alert.StateKey{{Rule: "c"}, {Rule: "never"}}, Deliveries: []alert.Delivery{alertDelivery("0", "ops", 0, alert.Delivered)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, shared := s.(cluster.Store); shared {
		if err := save(in+1, alert.Change{Gone: []alert.StateKey{{Rule: "b"}}}); model.KindOf(err) != model.KindConflict {
			t.Errorf("a term that is not: %v", err)
		}
	}
	got, err := s.AlertBoard(t.Context())
	if diff := cmp.Diff(&alert.Board{States: []alert.State{firing, pending}, Queue: []alert.Delivery{first, second}}, got); err != nil || diff != "" {
		t.Errorf("%v; want -, got +:\n%s", err, diff)
	}
}

func alertLog(t *testing.T, s Store) {
	in := term(t, s)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	incident := func(id, rule string, after time.Duration, resolved bool) alert.Incident {
		n := alert.Incident{Rule: rule, Type: alert.ErrorRate, Severity: alert.Info, Alert: alert.Alert{Incident: id, Operator: alert.Above, Since: at.Add(after)}}
		if resolved {
			n.Until = n.Since.Add(time.Second)
		}
		return n
	}
	old, now := incident("1", "r", 0, true), incident("2", "q", time.Hour, false)
	early, late := alertDelivery("1", "ops", 0, alert.Failed), alertDelivery("2", "mail", time.Hour, alert.Waiting)
	test := alertDelivery("0", "ops", time.Minute, alert.Delivered)
	if err := s.SaveAlerts(t.Context(), in, alert.Change{Incidents: []alert.Incident{incident("1", "r", 0, false), now}, Deliveries: []alert.Delivery{early, late}}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveAlerts(t.Context(), in, alert.Change{Incidents: []alert.Incident{old}}); err != nil {
		t.Fatal(err)
	}
	if err := s.LogDelivery(t.Context(), test); err != nil {
		t.Fatal(err)
	}
	check := func(rule, channel string, limit int, incidents []alert.Incident, deliveries []alert.Delivery) {
		t.Helper()
		was, err := s.Incidents(t.Context(), rule, limit)
		if diff := cmp.Diff(incidents, was); err != nil || diff != "" {
			t.Errorf("%v; want -, got +:\n%s", err, diff)
		}
		sent, err := s.Deliveries(t.Context(), channel, limit)
		if diff := cmp.Diff(deliveries, sent); err != nil || diff != "" {
			t.Errorf("%v; want -, got +:\n%s", err, diff)
		}
	}
	check("", "", 10, []alert.Incident{now, old}, []alert.Delivery{late, test, early})
	check("r", "ops", 10, []alert.Incident{old}, []alert.Delivery{test, early})
	check("", "", 1, []alert.Incident{now}, []alert.Delivery{late})
	if err := s.ForgetAlerts(t.Context(), in, at.Add(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	check("", "", 10, []alert.Incident{now}, []alert.Delivery{late, test})
}
