package notify

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/cartrita/cartrita/alert"
)

// The lengths of texts for people, in UTF-16 code units: at least as many as any
// service counts.
const (
	titleLength   = 150
	nameLength    = 100
	summaryLength = 300
	mostShown     = 10 // alerts of one message in a chat
)

// message is a notification in words. Every text is one line without control
// characters, not empty, and within its length; nothing is escaped.
type message struct {
	Title  string
	Items  []item
	More   string // says how many are left out; "" for none
	Footer string
}

// item is an alert in words.
type item struct {
	Name    string
	Summary string
	Facts   []fact
}

type fact struct{ Name, Value string }

// words tells a notification, with at most that many of its alerts.
func words(n *alert.Notification, most int) *message {
	m := &message{
		Title:  title(n),
		Footer: fmt.Sprintf("%s · %s · %s", line(string(n.Type), 40, "alert"), line(string(n.Severity), 20, "info"), stamp(n.At)),
	}
	for i := range n.Alerts {
		if i == most {
			m.More = fmt.Sprintf("and %d more", len(n.Alerts)-most)
			break
		}
		a := &n.Alerts[i]
		m.Items = append(m.Items, item{line(a.Subject, nameLength, line(n.Rule, nameLength, "alert")), line(a.Summary, summaryLength, "no description"), facts(n, a)})
	}
	return m
}

var events = map[alert.Event]string{
	alert.Firing: "FIRING", alert.Resolved: "RESOLVED", alert.Reminder: "STILL FIRING", alert.Test: "TEST",
}

// title is such as "FIRING critical: slow-answers (gpt-4o@openai)".
func title(n *alert.Notification) string {
	s := cmp.Or(events[n.Event], line(string(n.Event), 20, "ALERT"))
	if n.Event == alert.Firing || n.Event == alert.Reminder {
		s += " " + line(string(n.Severity), 20, "info")
	}
	s += ": " + line(n.Rule, 80, "alert")
	switch {
	case len(n.Alerts) > 1:
		s += fmt.Sprintf(" (%d alerts)", len(n.Alerts))
	case len(n.Alerts) == 1 && n.Alerts[0].Subject != "":
		s += " (" + line(n.Alerts[0].Subject, nameLength, "-") + ")"
	}
	return fit(s, titleLength, nil)
}

// facts are what is to know of an alert besides its summary.
func facts(n *alert.Notification, a *alert.Alert) []fact {
	out := []fact{}
	if n.Event != alert.Test {
		out = append(out, fact{"Value", amount(n.Type, a.Unit, a.Value)}, fact{"Threshold", line(string(a.Operator), 2, "") + " " + amount(n.Type, a.Unit, a.Threshold)})
	}
	out = append(out, fact{"Since", stamp(a.Since)})
	switch {
	case n.Event == alert.Resolved:
		out = append(out, fact{"Until", stamp(a.Until)}, fact{"Lasted", lasted(a.Until.Sub(a.Since))})
	case n.Event == alert.Reminder:
		out = append(out, fact{"For", lasted(n.At.Sub(a.Since))})
	}
	return append(out, fact{"Incident", line(a.Incident, 64, "unknown")})
}

// stamp writes a time in UTC, as RFC 3339 has it, to the second.
func stamp(t time.Time) string { return line(t.UTC().Format(time.RFC3339), 40, "unknown") }

// lasted writes a duration for people, in its two largest units.
func lasted(d time.Duration) string {
	if d < time.Second {
		return "less than 1 s"
	}
	left := d.Round(time.Second)
	var parts []string
	for _, u := range [...]struct {
		name string
		is   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		if n := left / u.is; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			left %= u.is
		} else if len(parts) == 1 {
			break
		}
		if len(parts) == 2 {
			break
		}
	}
	return strings.Join(parts, " ")
}

// amount writes a value with its unit, which comes from elsewhere.
func amount(t alert.Type, unit string, v float64) string {
	return line(alert.WriteValue(t, unit, v), 60, "unknown")
}

// line makes one line of a text: what is not a character, steers a terminal or
// turns the direction of writing is left out, spaces are single, and it has at
// most that many UTF-16 code units. Where nothing can be seen of it, it is instead.
func line(s string, most int, instead string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d', unicode.Is(unicode.Co, r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) }) {
		return instead
	}
	return fit(strings.Join(strings.Fields(s), " "), most, nil)
}

// fit writes s with every character as escape does (nil: as it is), cut with an
// ellipsis where that is longer than most UTF-16 code units.
func fit(s string, most int, escape func(rune) string) string {
	var b strings.Builder
	length, room := 0, 0 // room: as much as leaves room for the ellipsis
	for _, r := range s {
		w := string(r)
		if escape != nil {
			w = escape(r)
		}
		length += units(w)
		if length > most {
			return b.String()[:room] + "…"
		}
		b.WriteString(w)
		if length < most {
			room = b.Len()
		}
	}
	return b.String()
}

// units counts UTF-16 code units.
func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// tone is how a message looks by what it says: its colour as RRGGBB, and the
// style of a card that is nearest.
type tone struct{ colour, card string }

func toneOf(n *alert.Notification) tone {
	switch {
	case n.Event == alert.Resolved:
		return tone{"12B76A", "good"}
	case n.Event == alert.Test:
		return tone{"667085", "emphasis"}
	case n.Severity == alert.Critical:
		return tone{"D92D20", "attention"}
	case n.Severity == alert.Warning:
		return tone{"F79009", "warning"}
	}
	return tone{"2E90FA", "accent"}
}
