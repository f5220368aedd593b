package model

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "300ms": 300 * time.Millisecond, "1h30m": 90 * time.Minute, "36h": 36 * time.Hour, "7d": 168 * time.Hour, "0s": 0,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want || d.String() != text {
			t.Errorf("%q: %v, %v, %q", text, d.Std(), err, d.String())
		}
	}
	for _, text := range []string{"", "30", "-1s", "s", "1 s", "99999999d", "d", "1.5d"} {
		if new(Duration).UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// What is written is read back as the same value.
func TestDurationsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, 1<<62).Draw(t, "d"))
		var d2 Duration
		if err := d2.UnmarshalText([]byte(d.String())); err != nil || d2 != d {
			t.Fatalf("%v became %v: %v", d, d2, err)
		}
	})
}
