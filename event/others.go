package event

import (
	"context"
	"time"
)

// Bounds of following what other processes record.
const (
	othersEvery = 500 * time.Millisecond
	othersCalls = 200     // read at once
	shownEvents = 1 << 14 // remembered: what this process published is stored, too
)

// shown are the ids of events that were published lately. It is used under the
// lock of subscribers.
type shown struct {
	ids  map[string]struct{}
	ring []string // of ids, the oldest at next
	next int
}

// first reports whether an id is new, and remembers it.
func (s *shown) first(id string) bool {
	if s.ids == nil {
		s.ids, s.ring = make(map[string]struct{}, shownEvents), make([]string, shownEvents)
	}
	if _, known := s.ids[id]; known {
		return false
	}
	delete(s.ids, s.ring[s.next])
	s.ids[id], s.ring[s.next] = struct{}{}, id
	s.next = (s.next + 1) % shownEvents
	return true
}

// FollowOthers publishes to subscribers what other processes store in the same
// store, until ctx ends. Their events come when they are stored, within about a
// second of a call's end, all of one call at once. Without a subscriber it asks
// the store for nothing.
func (l *Log) FollowOthers(ctx context.Context, f Feed) error {
	t := time.NewTicker(othersEvery)
	defer t.Stop()
	var at *FeedPosition
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if !l.subs.any() {
			at = nil
			continue
		}
		if at == nil {
			if head, err := f.Head(ctx); err == nil {
				at = &head
			}
			continue
		}
		for {
			stored, err := f.After(ctx, *at, othersCalls)
			if err != nil || stored.Next == *at { // a store that is away is reported by who writes to it
				break
			}
			*at = stored.Next
			l.subs.publish(stored.Events())
		}
	}
}
