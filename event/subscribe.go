package event

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
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
	shown  shown
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

// publish gives events, each once, to those who want them and never waits.
func (s *subscribers) publish(events []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		if !s.shown.first(e.ID) {
			continue
		}
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
