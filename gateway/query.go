package gateway

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/model"
)

const opQuery = "gateway.query"

// query reads the parameters of a URL. The first mistake stays in err; a
// parameter that nobody asked for, or that stands twice, is a mistake too.
type query struct {
	values url.Values
	known  []string
	err    *model.Error
	now    time.Time
}

func (x *exchange) query() *query {
	q := &query{now: x.g.cfg.Clock()}
	values, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		q.err = model.Invalidf(opQuery, "", "the query of the URL is not valid: %v", err)
	}
	q.values = values
	return q
}

func (q *query) fail(name, format string, args ...any) {
	if q.err == nil {
		q.err = model.Invalidf(opQuery, name, format, args...)
	}
}

// text reads a parameter that must have a value where it stands: one that a
// script left empty must not be taken for one that nobody gave.
func (q *query) text(name string) string {
	v := q.optional(name)
	if v == "" && q.values.Has(name) {
		q.failEmpty(name)
	}
	return v
}

func (q *query) failEmpty(name string) {
	q.fail(name, "is empty; want a value, or no parameter %s at all", name)
}

// optional reads a parameter that may stand without a value.
func (q *query) optional(name string) string {
	q.known = append(q.known, name)
	values := q.values[name]
	switch {
	case len(values) == 0:
		return ""
	case len(values) > 1:
		q.fail(name, "stands %d times; want it once", len(values))
	}
	return values[0]
}

// list returns every value of a parameter that may be repeated.
func (q *query) list(name string) []string {
	q.known = append(q.known, name)
	if slices.Contains(q.values[name], "") {
		q.failEmpty(name)
	}
	return q.values[name]
}

func (q *query) flag(name string) bool {
	switch v := q.optional(name); {
	case v == "true" || v == "1" || v == "" && q.values.Has(name):
		return true
	case v == "" || v == "false" || v == "0":
	default:
		q.fail(name, "want true or false, found %.40q", v)
	}
	return false
}

// number reads an integer from low to high; 0 when the parameter is absent.
func (q *query) number(name string, low, high int) int {
	v := q.text(name)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		q.fail(name, "want an integer from %d to %d, found %.40q", low, high, v)
	}
	return n
}

// moment reads a time: RFC 3339, a date, or how long ago ("90m", "24h", "7d").
func (q *query) moment(name string) time.Time {
	v := q.text(name)
	if v == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			return writable(t)
		}
	}
	ago, err := parseAgo(v)
	if err != nil || ago < 0 {
		q.fail(name, "want a time such as 2026-11-23T18:00:00Z, a date, or how long ago such as 24h or 7d, found %.40q", v)
	}
	return q.now.Add(-ago)
}

// The first and the last moment that can be written in UTC. The zero time is no
// moment, but that there is none.
var (
	firstMoment = time.Time{}.Add(1)
	lastMoment  = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
)

// writable returns t in UTC. What lies beyond the years 1 to 9999 there is their
// first or last moment: nothing happened before or after.
func writable(t time.Time) time.Time {
	switch {
	case t.Before(firstMoment):
		return firstMoment
	case t.After(lastMoment):
		return lastMoment
	}
	return t.UTC()
}

// parseAgo reads a duration that may be a number of days.
func parseAgo(v string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(v, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(v)
}

// oneOf reads a parameter with a fixed set of values, "" when absent.
func oneOf[T ~string](q *query, name string, allowed ...T) T {
	v := T(q.text(name))
	if v != "" && !slices.Contains(allowed, v) {
		q.fail(name, "want one of %s, found %.40q", words(allowed), string(v))
	}
	return v
}

func words[T ~string](list []T) string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}

// task reads a task type, nil when absent.
func (q *query) task(name string) *model.Task {
	v := q.text(name)
	if v == "" {
		return nil
	}
	t, err := model.ParseTask(v)
	if err != nil {
		q.fail(name, "%v", err)
	}
	return &t
}

// done returns the first mistake, unknown parameters included.
func (q *query) done() *model.Error {
	if q.err != nil {
		return q.err
	}
	names := make([]string, 0, len(q.values))
	for name := range q.values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(q.known, name) {
			return model.Invalidf(opQuery, name, "unknown parameter%s", strict.Hint(name, q.known))
		}
	}
	return nil
}
