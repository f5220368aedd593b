package batch

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
)

func TestNoCallEndsAfterItIsStored(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 123_456_789, time.FixedZone("east", 3600))
	for ahead, changed := range map[time.Duration]bool{-time.Hour: false, 0: false, time.Minute: false, time.Minute + 1: true, 100 * 365 * 24 * time.Hour: true} {
		c := event.Call{Started: now.Add(ahead - time.Second), Ended: now.Add(ahead)}
		got, by := Arrived(&c, now)
		want, wantBy := c, time.Duration(0)
		if changed {
			end := now.Truncate(time.Microsecond)
			want.Started, want.Ended, wantBy = end.Add(-time.Second), end, ahead
		}
		if by != wantBy || !got.Ended.Equal(want.Ended) || !got.Started.Equal(want.Started) || (got == &c) == changed {
			t.Errorf("%v ahead: from %v to %v, %v", ahead, got.Started, got.Ended, by)
		}
	}
	if got, _ := Arrived(&event.Call{Ended: now.Add(time.Hour)}, now); !got.Started.IsZero() {
		t.Errorf("one without a beginning began %v", got.Started)
	}
}

func TestClocksAreToldOfOnce(t *testing.T) {
	var told strings.Builder
	log := slog.New(slog.NewTextHandler(&told, nil))
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var c Clocks
	c.Tell(log, "a", 0, now.Add(time.Second).UnixMicro(), now)
	if told.String() != "" {
		t.Errorf("nothing is wrong: %s", told.String())
	}
	for range 2 {
		c.Tell(log, "a", time.Hour, now.UnixMicro(), now)
		c.Tell(log, "a", 0, now.Add(time.Hour).UnixMicro(), now)
	}
	got := told.String()
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "spool=a ahead=1h0m0s") || !strings.Contains(got, "until=2026-11-23T13:00:00.000Z") {
		t.Errorf("told:\n%s", got)
	}
}
