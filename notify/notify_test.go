package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/alert"
)

var update = flag.Bool("update", false, "rewrite testdata")

var began = time.Date(2026, 11, 26, 15, 4, 5, 678_000_000, time.FixedZone("CET", 3600))

// samples are notifications of every event, as alerts send them.
func samples() map[string]*alert.Notification {
	slow := alert.Alert{
		Incident: "019a0000-0000-7000-8000-000000000001", Subject: "gpt-4o@openai", Summary: "latency_p95 of gpt-4o@openai in 5m is 2350 ms (> 2000 ms)",
		Value: 2350, Operator: alert.Above, Threshold: 2000, Unit: "ms", Since: began,
	}
	slower := slow
	slower.Incident, slower.Subject, slower.Summary, slower.Value = "019a0000-0000-7000-8000-000000000002", "<!channel> *a* & [b](http://c)", "latency_p95 of <!channel> @everyone <b>*a*</b> & [b](http://c) {{DATE(x)}} is 1e4 ms", 10_000
	firing := &alert.Notification{
		ID: "019a0000-0000-7000-8000-00000000000a", Event: alert.Firing, Rule: "slow-answers", Type: alert.LatencySpike, Severity: alert.Critical,
		At: began.Add(90 * time.Second), Alerts: []alert.Alert{slow, slower},
	}
	resolved := *firing
	over := slow
	over.Value, over.Summary, over.Until = 840, "latency_p95 of gpt-4o@openai in 5m is 840 ms, no longer > 2000 ms", began.Add(3*time.Hour+5*time.Minute)
	resolved.ID, resolved.Event, resolved.At, resolved.Alerts = "019a0000-0000-7000-8000-00000000000b", alert.Resolved, over.Until, []alert.Alert{over}
	reminder := &alert.Notification{
		ID: "019a0000-0000-7000-8000-00000000000c", Event: alert.Reminder, Rule: "team-budget", Type: alert.BudgetThreshold, Severity: alert.Warning, At: began.Add(4 * time.Hour),
		Alerts: []alert.Alert{{
			Incident: "019a0000-0000-7000-8000-000000000003", Subject: "team", Summary: "share spent of team is 92.5 % (>= 90 %)", Value: .925, Operator: alert.AtLeast, Threshold: .9, Since: began,
		}},
	}
	test := &alert.Notification{
		ID: "019a0000-0000-7000-8000-00000000000d", Event: alert.Test, Rule: "test", Type: alert.ErrorRate, Severity: alert.Info, At: began,
		Alerts: []alert.Alert{{Incident: "019a0000-0000-7000-8000-000000000004", Summary: "this is a test of the channel ops", Operator: alert.Above, Since: began}},
	}
	return map[string]*alert.Notification{"firing": firing, "resolved": &resolved, "reminder": reminder, "test": test}
}

// golden compares what was written with a file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// indented writes JSON for people to review.
func indented(t *testing.T, doc []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, doc, "", "  "); err != nil {
		t.Fatalf("%v: %s", err, doc)
	}
	return append(b.Bytes(), '\n')
}

// strictly decodes JSON of which every member is known.
func strictly(t *testing.T, doc []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v: %s", err, doc)
	}
}
