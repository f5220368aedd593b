package budget

import (
	"math"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Every is how often a budget starts anew.
type Every string

// The periods.
const (
	Hourly  Every = "hourly"
	Daily   Every = "daily"
	Weekly  Every = "weekly"
	Monthly Every = "monthly"
	Yearly  Every = "yearly"
	Total   Every = "total"
)

// buckets is the number of parts of a rolling window.
const buckets = 60

// never is the end of the period Total.
const never = math.MaxInt64

var rollingWidth = map[Every]time.Duration{
	Hourly: time.Hour, Daily: 24 * time.Hour, Weekly: 7 * 24 * time.Hour,
	Monthly: 30 * 24 * time.Hour, Yearly: 365 * 24 * time.Hour,
}

// calendar says in which period, or bucket of a rolling window, a time lies.
type calendar struct {
	every Every
	width time.Duration // of a rolling window; 0 for calendar periods
	zone  *time.Location
}

func newCalendar(every Every, rolling bool, zone string) (calendar, error) {
	const op = "budget.Validate"
	c := calendar{every: every}
	width, known := rollingWidth[every]
	switch {
	case !known && every != Total:
		return c, model.Invalidf(op, "period", "is %q: want hourly, daily, weekly, monthly, yearly or total", every)
	case rolling && every == Total:
		return c, model.Invalidf(op, "rolling", "makes no sense with the period total")
	case rolling:
		c.width = width
	}
	var err error
	if c.zone, err = time.LoadLocation(zone); err != nil || zone == "Local" {
		return c, model.Invalidf(op, "time_zone", "is %q: want an IANA name such as Europe/Berlin", zone)
	}
	return c, nil
}

func (c calendar) rolling() bool { return c.width != 0 }

func (c calendar) same(o calendar) bool {
	return c.every == o.every && c.width == o.width && c.zone.String() == o.zone.String()
}

// bounds returns the first instant of the period or bucket at now, and the
// first after it, in nanoseconds since 1970.
func (c calendar) bounds(now int64) (start, end int64) {
	if c.rolling() {
		w := int64(c.width) / buckets
		start = now - now%w
		return start, start + w
	}
	if c.every == Total {
		return 0, never
	}
	t := time.Unix(0, now).In(c.zone)
	y, m, d := t.Date()
	switch c.every {
	case Hourly:
		s := t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
		return s.UnixNano(), s.Add(time.Hour).UnixNano()
	case Weekly:
		d -= (int(t.Weekday()) + 6) % 7 // back to Monday
		return c.day(y, m, d), c.day(y, m, d+7)
	case Monthly:
		return c.day(y, m, 1), c.day(y, m+1, 1)
	case Yearly:
		return c.day(y, 1, 1), c.day(y+1, 1, 1)
	}
	return c.day(y, m, d), c.day(y, m, d+1)
}

// first returns the start of the oldest period or bucket that counts at now.
func (c calendar) first(now int64) int64 {
	start, _ := c.bounds(now)
	return start - int64(c.width)
}

// day returns the first instant of a local date. Where clocks are put forward
// at midnight that is the change itself; where midnight comes twice, the first.
func (c calendar) day(year int, month time.Month, day int) int64 {
	want := time.Date(year, month, day, 12, 0, 0, 0, time.UTC) // normalised
	t := time.Date(year, month, day, 0, 0, 0, 0, c.zone)
	from, to := t.ZoneBounds()
	if t.Day() != want.Day() {
		return to.UnixNano()
	}
	if h, m, s := t.Clock(); h|m|s != 0 {
		return from.UnixNano()
	}
	if from.IsZero() {
		return t.UnixNano()
	}
	_, before := from.Add(-1).Zone()
	_, now := t.Zone()
	if first := t.Add(time.Duration(now-before) * time.Second); first.Before(from) && first.Day() == t.Day() && first.Hour() == 0 {
		return first.UnixNano()
	}
	return t.UnixNano()
}

func instant(ns int64) time.Time { return time.Unix(0, ns).UTC() }
