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

	sharedEvery = 100 * time.Millisecond
	sharedCheck = 20 // looks that found nothing, after which the buffer may have begun anew
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
	var at *FeedPosition
	return l.whileFollowed(ctx, othersEvery, func(begin bool) {
		if begin {
			at = nil
		}
		if at == nil {
			if head, err := f.Head(ctx); err == nil {
				at = &head
			}
			return
		}
		for {
			stored, err := f.After(ctx, *at, othersCalls)
			if err != nil || stored.Next == *at { // a store that is away is reported by who writes to it
				return
			}
			*at = stored.Next
			l.subs.publish(stored.Events())
		}
	})
}

// whileFollowed looks again and again while there is a subscriber, until ctx
// ends. A look begins anew when there was none before.
func (l *Log) whileFollowed(ctx context.Context, every time.Duration, look func(begin bool)) error {
	t := time.NewTicker(every)
	defer t.Stop()
	begin := true
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if !l.subs.any() {
			begin = true
			continue
		}
		look(begin)
		begin = false
	}
}

// FollowShared publishes to subscribers the calls that other processes put into
// the shared buffer, until ctx ends: at once when they end, also while the store
// is away. Without a subscriber it asks for nothing; without a SharedConfig it
// returns at once.
func (l *Log) FollowShared(ctx context.Context) error {
	if l.share == nil {
		return nil
	}
	f := sharedFollower{Log: l}
	return l.whileFollowed(ctx, sharedEvery, func(begin bool) {
		if begin {
			f.following = false
		}
		f.look(ctx)
	})
}

// sharedFollower is how far FollowShared came.
type sharedFollower struct {
	*Log
	following bool
	at        string
	idle      int // looks that found nothing
}

// look publishes what is new. A buffer that is away is reported by who watches it.
func (f *sharedFollower) look(ctx context.Context) {
	buffer := f.share.cfg.Buffer
	if !f.following {
		last, err := buffer.Last(ctx)
		f.at, f.following = last, err == nil
		return
	}
	secret, err := f.share.key(ctx)
	if err != nil {
		return
	}
	last, check := "", f.idle >= sharedCheck
	if check {
		// Before the entries, so that none is passed over. After a loss of its data
		// the buffer may give ids below those that it gave.
		if last, err = buffer.Last(ctx); err != nil {
			return
		}
		f.idle = 0
	}
	for {
		entries, err := buffer.After(ctx, f.at, sharedAtOnce)
		if err != nil {
			return
		}
		if len(entries) == 0 {
			break
		}
		f.idle, check = 0, false
		f.at = entries[len(entries)-1].ID
		f.show(secret, entries)
	}
	if f.idle++; check {
		f.at = last
	}
}

func (f *sharedFollower) show(secret []byte, entries []SharedEntry) {
	for _, e := range entries {
		if !isShared(secret, e.Data) {
			continue
		}
		c, ok := openShared(e.Data)
		if !ok || c.spool == f.Spool() {
			continue
		}
		rec, err := ParseRecord(c.call.RecordJSON, c.call.PlanJSON)
		if err != nil {
			continue // of a newer version
		}
		c.call.Record = rec
		f.subs.publish(Of(c.call))
	}
}
