package event

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cartrita/cartrita/model"
)

// subscriberQueue is the number of events that may wait for one subscriber.
const subscriberQueue = 256

// subscribers are those who watch live. With nobody there, publishing costs
// one atomic load.
type subscribers struct {
	count  atomic.Int32
	missed atomic.Uint64
	mu     sync.Mutex
	list   []*subscriber
	shown  *shown // nil: nothing is shown twice
	closed bool
}

type subscriber struct {
	filter Filter
	events chan Event // closed with the Log
	missed uint64     // lost since the last event that was delivered; in subscribers.mu
}

// Subscribe returns events as they happen (those of other processes when
// FollowOthers runs), from this moment until ctx is done,
// the loop ends, or the Log is closed. A subscriber that is slower than its
// queue of 256 loses events and is told how many (Event.Missed). It may be
// ranged over once.
func (l *Log) Subscribe(ctx context.Context, f Filter) iter.Seq[Event] {
	s := &subscriber{filter: f, events: make(chan Event, subscriberQueue)}
	l.subs.add(s)
	stop := context.AfterFunc(ctx, func() { l.subs.remove(s) })
	return func(yield func(Event) bool) {
		defer l.subs.remove(s)
		defer stop()
		for {
			select {
			case <-ctx.Done():
				return
			case e, ok := <-s.events:
				if !ok || !yield(e) {
					return
				}
			}
		}
	}
}

func (s *subscribers) any() bool { return s.count.Load() > 0 }

func (s *subscribers) add(sub *subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		close(sub.events)
		return
	}
	if len(s.list) == 0 && s.shown != nil {
		s.shown = newShown() // nobody saw what there was
	}
	s.list = append(s.list, sub)
	s.count.Add(1)
}

func (s *subscribers) remove(sub *subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.list, sub); i >= 0 {
		s.list = slices.Delete(s.list, i, i+1)
		s.count.Add(-1)
	}
}

func (s *subscribers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, sub := range s.list {
		close(sub.events)
	}
	s.list = nil
	s.count.Store(0)
}

// remember has what is shown remembered, as it may come again from the store.
func (s *subscribers) remember() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == nil {
		s.shown = newShown()
	}
}

// first reports whether a call, or a notice, was not shown yet; what is stored
// comes at most once more.
func (s *subscribers) first(id model.CallID, stored bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.first(id, stored)
}

// publish gives events to those who want them and never waits.
func (s *subscribers) publish(events []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		for _, sub := range s.list {
			sub.offer(e, &s.missed)
		}
	}
}

// offer gives an event to a subscriber who wants it and has room.
func (s *subscriber) offer(e Event, missed *atomic.Uint64) {
	if !s.filter.Match(e) {
		return
	}
	e.Missed = s.missed
	select {
	case s.events <- e:
		s.missed = 0
	default:
		s.missed++
		missed.Add(1)
	}
}

func (s *subscribers) stats() (missed uint64, n int) {
	return s.missed.Load(), int(s.count.Load())
}
