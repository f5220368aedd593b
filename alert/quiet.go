package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Quiet is when people are left alone: what begins and ends in such hours nobody
// hears of, the rest at their end.
type Quiet struct {
	From       string     `json:"from"`                 // "22:00"
	To         string     `json:"to"`                   // "07:00", of the next day where it is not after From
	Days       []string   `json:"days,omitempty"`       // on which they begin: mon … sun; none: all
	TimeZone   string     `json:"time_zone,omitempty"`  // IANA name; default UTC
	Severities []Severity `json:"severities,omitempty"` // default: all but critical

	from, to time.Duration // after midnight
	zone     *time.Location
	days     [7]bool
}

var weekdays = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Complete checks quiet hours and makes them ready. Errors: KindInvalid with the
// field.
func (q Quiet) Complete() (Quiet, error) {
	const op = "alert.Quiet"
	var err error
	for _, f := range []struct {
		name, text string
		to         *time.Duration
	}{{"from", q.From, &q.from}, {"to", q.To, &q.to}} {
		at, err := time.Parse("15:04", f.text)
		if err != nil {
			return q, model.Invalidf(op, f.name, "is %.20q: want a time of day such as 22:00", f.text)
		}
		*f.to = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	if q.zone, err = time.LoadLocation(q.TimeZone); err != nil {
		return q, model.Invalidf(op, "time_zone", "is %.40q: want a name such as Europe/Berlin", q.TimeZone)
	}
	q.days = [7]bool{}
	for _, d := range q.Days {
		i := slices.Index(weekdays[:], d)
		if i < 0 {
			return q, model.Invalidf(op, "days", "has %.20q: want %s", d, strings.Join(weekdays[:], ", "))
		}
		q.days[i] = true
	}
	for _, s := range q.Severities {
		if !slices.Contains(Severities(), s) {
			return q, model.Invalidf(op, "severities", "has %.20q: want %s", s, names(Severities()))
		}
	}
	if q.Severities == nil {
		q.Severities = []Severity{Info, Warning}
	}
	return q, nil
}

// end is when the quiet hours are over that now lies in; zero outside of them.
func (q *Quiet) end(s Severity, now time.Time) time.Time {
	if !slices.Contains(q.Severities, s) {
		return time.Time{}
	}
	y, m, d := now.In(q.zone).Date()
	for _, day := range [...]int{d, d - 1} { // those that began today, and yesterday
		begin := at(y, m, day, q.from, q.zone)
		if len(q.Days) > 0 && !q.days[begin.Weekday()] {
			continue
		}
		end := at(y, m, day, q.to, q.zone)
		if q.to <= q.from {
			end = at(y, m, day+1, q.to, q.zone)
		}
		if !now.Before(begin) && now.Before(end) {
			return end
		}
	}
	return time.Time{}
}

// at is a time of day, as the clocks on the wall show it.
func at(y int, m time.Month, d int, after time.Duration, zone *time.Location) time.Time {
	return time.Date(y, m, d, int(after.Hours()), int(after.Minutes())%60, 0, 0, zone)
}

// hold is when a message of the severity may be sent: now, or when the last of
// the quiet hours is over that follow each other without a gap.
func hold(quiet []Quiet, s Severity, now time.Time) time.Time {
	due := now
	for range 14 { // rather than for ever, where they leave no time at all
		later := due
		for i := range quiet {
			if end := quiet[i].end(s, due); end.After(later) {
				later = end
			}
		}
		if later.Equal(due) {
			break
		}
		due = later
	}
	return due
}
