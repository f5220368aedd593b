package notify

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/alert"
)

func TestAmountsHaveUnits(t *testing.T) {
	for _, c := range []struct {
		t    alert.Type
		unit string
		v    float64
		want string
	}{
		{alert.CostThreshold, "USD", 12.3, "$12.30"},
		{alert.CostThreshold, "USD", 0.00123, "$0.0012"},
		{alert.CostThreshold, "USD", 0, "$0.00"},
		{alert.CostThreshold, "USD", 1e300, "$1e+300"},
		{alert.LatencySpike, "ms", 850, "850 ms"},
		{alert.LatencySpike, "ms", 12_345.6, "12346 ms"},
		{alert.LatencySpike, "ms", 1.234, "1.23 ms"},
		{alert.ErrorRate, "", 0.125, "12.5 %"},
		{alert.Availability, "", 0.9995, "99.95 %"},
		{alert.Availability, "", 1, "100 %"},
		{alert.ErrorRate, "", 0.00001, "0.001 %"},
		{alert.BudgetThreshold, "", 1e300, "1e+302 %"},
		{alert.ErrorRate, "", 0, "0 %"},
		{alert.BudgetThreshold, "", 12, "1200 %"},
		{alert.BurnRate, "", 14.4, "14.4×"},
		{alert.SafetyViolation, "calls", 1, "1 call"},
		{alert.SafetyViolation, "calls", 3, "3 calls"},
		{alert.SpoolDepth, "bytes", 512, "512 B"},
		{alert.SpoolDepth, "bytes", 1.5 * (1 << 20), "1.5 MiB"},
		{alert.SpoolDepth, "bytes", 1e18, "909495 TiB"},
		{alert.ErrorRate, "", math.NaN(), "unknown"},
		{alert.ErrorRate, "ms", math.Inf(1), "unknown"},
	} {
		if got := amount(c.t, c.unit, c.v); got != c.want {
			t.Errorf("%s %v %s: %q, want %q", c.t, c.v, c.unit, got, c.want)
		}
	}
}

func TestDurationsHaveTwoUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "less than 1 s", 0: "less than 1 s", time.Second: "1 s", 59*time.Second + 600*time.Millisecond: "1 min",
		90 * time.Second: "1 min 30 s", time.Hour + 5*time.Second: "1 h", 26*time.Hour + 59*time.Minute: "1 d 2 h", 72 * time.Hour: "3 d",
	} {
		if got := lasted(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestALineIsOneLine(t *testing.T) {
	for s, want := range map[string]string{
		"a\r\nb\tc  d":                   "a b c d",
		"\x1b[31mred\x00":                "[31mred",
		"a\u202egpj.exe\ufeff":           "agpj.exe",
		"\xff\xfea":                      "a",
		"":                               "instead",
		" \u200b\u200d\n":                "instead",
		"क्\u200dष":                      "क्\u200dष",
		strings.Repeat("x", 30):          "xxxxxxxxxxxxxxxxxxx…",
		strings.Repeat("\U0001f525", 30): strings.Repeat("\U0001f525", 9) + "…",
		strings.Repeat("x", 20):          "xxxxxxxxxxxxxxxxxxxx",
	} {
		if got := line(s, 20, "instead"); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	if got := fit("a&b", 7, slackEscape); got != "a&amp;b" {
		t.Errorf("what just fits: %q", got)
	}
	if got := fit("a&b", 6, slackEscape); got != "a…" {
		t.Errorf("an entity that does not fit: %q", got)
	}
}

func TestTitlesSayWhatHappened(t *testing.T) {
	many := *samples()["firing"]
	many.Severity = alert.Warning
	none := *samples()["resolved"]
	none.Alerts = nil
	for want, n := range map[string]*alert.Notification{
		"FIRING warning: slow-answers (2 alerts)":  &many,
		"RESOLVED: slow-answers (gpt-4o@openai)":   samples()["resolved"],
		"RESOLVED: slow-answers":                   &none,
		"STILL FIRING warning: team-budget (team)": samples()["reminder"],
		"TEST: test":   samples()["test"],
		"MAYBE: alert": {Event: "MAYBE"},
	} {
		if got := title(n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if m := words(&many, 1); len(m.Items) != 1 || m.More != "and 1 more" || m.Items[0].Name != "gpt-4o@openai" {
		t.Errorf("%+v", m)
	}
	if m := words(samples()["test"], 9); m.More != "" || m.Items[0].Name != "test" {
		t.Errorf("%+v", m)
	}
}
