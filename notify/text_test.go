package notify

import (
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/alert"
)

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
