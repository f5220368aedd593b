package model

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written with its unit: "300ms", "30s", "2m",
// "1h30m", "7d".
type Duration time.Duration

// Std returns the duration as the standard library's.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Or returns the duration, or def when it is zero.
func (d Duration) Or(def Duration) Duration {
	if d == 0 {
		return def
	}
	return d
}

// String writes the duration without zero parts: "2m", not "2m0s", and whole
// days as such.
func (d Duration) String() string {
	if day := Duration(24 * time.Hour); d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	v, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int64
		n, err = strconv.ParseInt(days, 10, 32)
		v = time.Duration(n) * 24 * time.Hour
		if n > math.MaxInt64/int64(24*time.Hour) {
			err = strconv.ErrRange
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%q: want a duration with its unit, such as 300ms, 30s or 2m", s)
	case v < 0:
		return fmt.Errorf("%q: want a duration that is not negative", s)
	}
	*d = Duration(v)
	return nil
}
