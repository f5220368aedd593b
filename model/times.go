package model

import "time"

// CheckTimes refuses, with KindInvalid, times between which nothing can be: they
// are the wrong way round. A zero until is none.
func CheckTimes(op string, since, until time.Time) error {
	if until.IsZero() || since.Before(until) {
		return nil
	}
	return Invalidf(op, "until", "is %s, want a time after since, which is %s", until.Format(time.RFC3339), since.Format(time.RFC3339))
}
