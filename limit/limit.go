package limit

import (
	"fmt"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Any as a value of a scope makes one counter for each value.
const Any = "*"

// Bounds of a Limit.
const (
	DefaultWindow = time.Minute
	MinWindow     = time.Second
	MaxWindow     = 24 * time.Hour
	maxLimit      = 1 << 40 // keeps sums within 64 bits
)

// Limit bounds what the calls of a scope take. 0 does not limit.
type Limit struct {
	Name        string        `json:"name"`
	Scope       Scope         `json:"scope,omitzero"`
	Window      time.Duration `json:"-"` // default: a minute
	Requests    int64         `json:"requests,omitempty"`
	Tokens      int64         `json:"tokens,omitempty"` // input and output
	Concurrency int64         `json:"concurrency,omitempty"`
}

// Scope names the calls that a limit counts: all that match every value given.
type Scope struct {
	Key      string `json:"key,omitempty"`
	User     string `json:"user,omitempty"`
	Team     string `json:"team,omitempty"`
	Project  string `json:"project,omitempty"`
	Model    string `json:"model,omitempty"`
	Provider string `json:"provider,omitempty"`
	Tag      string `json:"tag,omitempty"`
}

// targeted reports whether the scope is known only once an endpoint is chosen.
func (s *Scope) targeted() bool { return s.Model != "" || s.Provider != "" }

// Subject is whose call it is and, for limits by model or provider, where it goes.
type Subject struct {
	Key, User, Team, Project string
	Tags                     []string
	Model, Provider          string
}

// Tokens are how many a call may take: at least Least; up to Most where the limit
// has room for it. Both differ where nothing bounds the answer.
type Tokens struct{ Least, Most int64 }

// of is what is reserved of a limit.
func (t Tokens) of(limit int64) int64 {
	if limit <= 0 {
		return 0
	}
	return max(t.Least, min(t.Most, limit), 0)
}

// Amount is what is counted within a window.
type Amount struct {
	Requests int64 `json:"requests"`
	Tokens   int64 `json:"tokens"`
}

func (a Amount) plus(b Amount) Amount { return Amount{a.Requests + b.Requests, a.Tokens + b.Tokens} }

func (a Amount) minus(b Amount) Amount { return Amount{a.Requests - b.Requests, a.Tokens - b.Tokens} }

// Unit is what a limit counts.
type Unit string

// The units.
const (
	Requests    Unit = "requests"
	TokensUnit  Unit = "tokens"
	Concurrency Unit = "concurrency"
)

// Refusal is the Details of an error about a limit.
type Refusal struct {
	Limit         string  `json:"limit"`           // its name; "key" for one of the key itself
	Value         string  `json:"value,omitempty"` // whose counter it is, of a scope with "*"
	Unit          Unit    `json:"unit"`
	Max           int64   `json:"max"`
	Asked         int64   `json:"asked"`
	WindowSeconds float64 `json:"window_seconds,omitempty"`
}

// KeyLimit is the name of the limits that a key has itself.
const KeyLimit = "key"

// Validate checks a limit. The error is KindInvalid and names the field.
func (l *Limit) Validate() error {
	bad := func(field, format string, args ...any) error {
		return model.Invalidf("limit.Validate", field, format, args...)
	}
	switch {
	case l.Name == "" || l.Name == KeyLimit || strings.ContainsAny(l.Name, "/\x00"):
		return bad("name", "%q: want a name other than %q, without slashes", l.Name, KeyLimit)
	case l.Window < MinWindow || l.Window > MaxWindow:
		return bad("window", "want a duration from 1s to 24h")
	case l.Requests == 0 && l.Tokens == 0 && l.Concurrency == 0:
		return bad("requests", "want at least one of requests, tokens and concurrency")
	}
	for _, f := range []struct {
		field string
		n     int64
	}{{"requests", l.Requests}, {"tokens", l.Tokens}, {"concurrency", l.Concurrency}} {
		if f.n < 0 || f.n > maxLimit {
			return bad(f.field, "want a number from 1 to %d, or nothing for no limit", int64(maxLimit))
		}
	}
	return nil
}

// values returns the value of the counter that a call falls under; false where it
// falls under none. tag stands for "*" of the scope's tag.
func (s *Scope) value(of *Subject, tag string) (value string, ok bool) {
	stars := 0
	for _, f := range [...]struct{ want, have string }{
		{s.Key, of.Key}, {s.User, of.User}, {s.Team, of.Team}, {s.Project, of.Project},
		{s.Model, of.Model}, {s.Provider, of.Provider},
	} {
		switch f.want {
		case "":
		case Any:
			if f.have == "" {
				return "", false
			}
			if stars++; stars == 1 {
				value = f.have // no copy for the usual single one
			} else {
				value += "\x00" + f.have
			}
		case f.have:
		default:
			return "", false
		}
	}
	switch s.Tag {
	case "":
	case Any:
		if stars > 0 {
			return value + "\x00" + tag, tag != ""
		}
		return tag, tag != ""
	default:
		return value, of.hasTag(s.Tag)
	}
	return value, true
}

func (s *Subject) hasTag(tag string) bool {
	for _, t := range s.Tags {
		if t == tag {
			return true
		}
	}
	return false
}

// shown is a counter's value for people.
func shown(value string) string { return strings.ReplaceAll(value, "\x00", "/") }

// refusal words why a call may not start.
func refusal(l *Limit, value string, unit Unit, asked int64, wait time.Duration) *model.Error {
	r := &Refusal{Limit: l.Name, Value: shown(value), Unit: unit, Asked: asked}
	of, per := fmt.Sprintf("the limit %q", l.Name), "per "+perText(l.Window)
	switch {
	case l.Name == KeyLimit:
		of, r.Value = "the API key's limit", ""
	case value != "":
		of += fmt.Sprintf(" (%.80s)", r.Value)
	}
	e := &model.Error{Op: "limit.Acquire", Kind: model.KindRateLimited, RetryAfter: wait, Details: r}
	switch unit {
	case Requests:
		r.Max, r.WindowSeconds = l.Requests, l.Window.Seconds()
		e.Message = fmt.Sprintf("%s of %d requests %s is used up", of, l.Requests, per)
	case Concurrency:
		r.Max = l.Concurrency
		e.Message = fmt.Sprintf("%s of %d calls at once is used up", of, l.Concurrency)
	default:
		r.Max, r.WindowSeconds = l.Tokens, l.Window.Seconds()
		e.Message = fmt.Sprintf("the call may take %d tokens, more than what is left of %s of %d tokens %s", asked, of, l.Tokens, per)
		if asked > l.Tokens {
			e.RetryAfter = 0
			e.Message = fmt.Sprintf("the call may take %d tokens, more than %s of %d tokens %s: shorten it or lower max_tokens", asked, of, l.Tokens, per)
		}
	}
	return e
}

func perText(d time.Duration) string {
	switch d {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}
