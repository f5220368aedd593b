package event

import (
	"context"
	"time"
)

// Bounds of following what other processes record.
const (
	othersEvery = 500 * time.Millisecond
	othersCalls = 200 // read at once

	sharedEvery = 100 * time.Millisecond
	sharedCheck = 20 // looks that found nothing, after which the buffer may have begun anew
)

// FollowOthers publishes to subscribers what other processes store in the same
// store, until ctx ends. Their events come when they are stored, within about a
// second of a call's end, all of one call at once. Without a subscriber it asks
// the store for nothing.
func (l *Log) FollowOthers(ctx context.Context, f Feed) error {
	l.subs.remember()
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
			l.publishStored(stored)
		}
	})
}

// publishStored publishes what was not shown when it happened.
func (l *Log) publishStored(stored *Stored) {
	for _, c := range stored.Calls {
		if l.subs.first(c.ID, true) {
			l.subs.publish(Of(c))
		}
	}
	for i := range stored.Notices {
		l.publishNotice(&stored.Notices[i])
	}
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
	l.subs.remember()
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
	at        EntryID
	idle      int // looks that found nothing
}

// look publishes what is new. A buffer that is away is reported by who watches it.
func (f *sharedFollower) look(ctx context.Context) {
	p, err := f.share.find(ctx)
	if err != nil {
		return
	}
	if !f.following {
		last, err := p.Last(ctx)
		f.at, f.following = last, err == nil
		return
	}
	for {
		entries, err := p.After(ctx, f.at, sharedAtOnce)
		if err != nil {
			return
		}
		if len(entries) == 0 {
			break
		}
		f.idle = 0
		f.at = entries[len(entries)-1].ID
		f.show(p.secret, entries)
	}
	if f.idle++; f.idle < sharedCheck {
		return
	}
	f.idle = 0
	// After a loss of its data the buffer may give ids below those that it gave.
	if last, err := p.Last(ctx); err == nil && last.Compare(f.at) < 0 {
		f.at = EntryID{}
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
		if f.subs.first(c.call.ID, false) {
			f.subs.publish(Of(c.call))
		}
	}
}
