package key

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cartrita/cartrita/model"
)

// Fields are the parts of a key that people set. A nil field leaves the part as
// it is; an empty one clears it.
type Fields struct {
	Name       *string   `json:"name,omitempty"`
	Role       *Role     `json:"role,omitempty"` // of a new key: caller
	User       *string   `json:"user,omitempty"`
	Team       *string   `json:"team,omitempty"`
	Project    *string   `json:"project,omitempty"`
	Tags       *[]string `json:"tags,omitempty"`
	Models     *[]string `json:"models,omitempty"`
	Strategies *[]string `json:"strategies,omitempty"`
	Endpoints  *[]string `json:"endpoints,omitempty"`
	Limits     *Limits   `json:"limits,omitempty"`
	Expires    *string   `json:"expires,omitempty"` // a time, a date, how long from now such as 30d, or never
}

const (
	maxNameBytes = 128
	maxTextBytes = 256
	maxListItems = 64
)

// apply checks the fields and sets them in k.
func (f *Fields) apply(k *Key, now time.Time) *model.Error {
	if f.Name != nil {
		k.Name = *f.Name
	}
	if f.Role != nil {
		k.Role = *f.Role
	}
	for _, t := range []struct {
		name     string
		from, to *string
	}{{"user", f.User, &k.User}, {"team", f.Team, &k.Team}, {"project", f.Project, &k.Project}} {
		if t.from == nil {
			continue
		}
		if err := checkText(t.name, *t.from, maxTextBytes); err != nil {
			return err
		}
		*t.to = *t.from
	}
	if err := f.applyLists(k); err != nil {
		return err
	}
	if l := f.Limits; l != nil {
		if err := l.check(); err != nil {
			return err
		}
		k.Limits = *l
	}
	if f.Expires != nil {
		t, err := parseExpiry(*f.Expires, now)
		if err != nil {
			return err
		}
		k.Expires = t
	}
	if k.Name == "" {
		return model.Invalidf(op, "name", "is missing; want a name for the key")
	}
	return checkText("name", k.Name, maxNameBytes)
}

// maxLimit keeps the arithmetic of limits within 64 bits.
const maxLimit = 1 << 40

func (l *Limits) check() *model.Error {
	for _, m := range []struct {
		name string
		n    int64
	}{{"requests_per_minute", l.Requests}, {"tokens_per_minute", l.Tokens}, {"concurrency", l.Concurrency}} {
		if m.n < 0 || m.n > maxLimit {
			return model.Invalidf(op, "limits."+m.name, "is %d; want a number from 0 (no limit) to %d", m.n, int64(maxLimit))
		}
	}
	return nil
}

func (f *Fields) applyLists(k *Key) *model.Error {
	for _, l := range []struct {
		name    string
		from    *[]string
		to      *[]string
		pattern bool
	}{
		{"tags", f.Tags, &k.Tags, false}, {"models", f.Models, &k.Models, true},
		{"strategies", f.Strategies, &k.Strategies, true}, {"endpoints", f.Endpoints, &k.Endpoints, true},
	} {
		if l.from == nil {
			continue
		}
		if len(*l.from) > maxListItems {
			return model.Invalidf(op, l.name, "has %d entries; want at most %d", len(*l.from), maxListItems)
		}
		for i, s := range *l.from {
			at := l.name + "[" + strconv.Itoa(i) + "]"
			if err := checkText(at, s, maxTextBytes); err != nil {
				return err
			}
			if s == "" || l.pattern && !model.CheckPattern(s) {
				return model.Invalidf(op, at, "%q: want a name, or a pattern such as openai/*", s)
			}
		}
		*l.to = slices.Clone(*l.from)
		if !l.pattern {
			slices.Sort(*l.to)
			*l.to = slices.Compact(*l.to)
		}
	}
	return nil
}

const op = "key"

func checkText(name, s string, most int) *model.Error {
	if len(s) > most || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return model.Invalidf(op, name, "want at most %d bytes of text without control characters", most)
	}
	return nil
}

// parseExpiry reads when a key ends; the zero time is never.
func parseExpiry(s string, now time.Time) (time.Time, *model.Error) {
	if s == "never" {
		return time.Time{}, nil
	}
	t, ok := time.Time{}, false
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if v, err := time.Parse(layout, s); err == nil {
			t, ok = v, true
		}
	}
	if !ok {
		d, err := ParseDuration(s)
		if err != nil {
			return t, model.Invalidf(op, "expires", "%.40q: want a time such as 2027-01-31T00:00:00Z, a date, how long from now such as 30d, or never", s)
		}
		t = now.Add(d)
	}
	if !t.After(now) {
		return t, model.Invalidf(op, "expires", "%.40q lies in the past; to end a key now, revoke it", s)
	}
	return t.UTC().Truncate(time.Second), nil
}

// ParseDuration reads a duration that may be a number of days: "30d", "24h".
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}
