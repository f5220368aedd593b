package event

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/cartrita/cartrita/model"
)

// subscriberBytes bounds, roughly, the memory of the events that wait for one
// subscriber: some ten thousand calls, so that what comes at once after an outage
// of the store fits. Subscribers share the records, which are most of it.
const subscriberBytes = 64 << 20

// subscribers are those who watch live. With nobody there, publishing costs
// one atomic load.
type subscribers struct {
	room   int // bytes for each
	count  atomic.Int32
	missed atomic.Uint64
	mu     sync.Mutex
	list   []*subscriber
	shown  *shown // nil: nothing is shown twice
	closed bool
}

type subscriber struct {
	filter Filter
	room   int
	more   chan struct{} // something waits, or the Log is closed

	mu      sync.Mutex
	waiting []waiting
	bytes   int
	missed  uint64 // lost behind all that waits
	closed  bool
}

type waiting struct {
	event Event
	bytes int
}

// Subscribe returns events as they happen (those of other processes when
// FollowOthers runs), from this moment until ctx is done,
// the loop ends, or the Log is closed. A subscriber that is slower than what may
// wait for it (64 MiB) loses events and is told how many by Event.Missed: of the
// next event, or where none waits, of an EventsMissed that whatever the filter
// says is given. It may be ranged over once.
func (l *Log) Subscribe(ctx context.Context, f Filter) iter.Seq[Event] {
	s := &subscriber{filter: f, room: l.subs.room, more: make(chan struct{}, 1)}
	l.subs.add(s)
	stop := context.AfterFunc(ctx, func() { l.subs.remove(s) })
	return func(yield func(Event) bool) {
		defer l.subs.remove(s)
		defer stop()
		for ctx.Err() == nil {
			e, there, closed := s.take(l.cfg.Clock)
			switch {
			case there:
				if !yield(e) {
					return
				}
				continue
			case closed:
				return
			}
			select {
			case <-ctx.Done():
			case <-s.more:
			}
		}
	}
}

func (s *subscribers) any() bool { return s.count.Load() > 0 }

func (s *subscribers) add(sub *subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		sub.close()
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
		sub.close()
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
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.waiting)
	size := weight(&e, n > 0 && s.waiting[n-1].event.Call == e.Call)
	if n > 0 && s.bytes+size > s.room {
		s.missed++
		missed.Add(1)
		return
	}
	e.Missed, s.missed = s.missed, 0
	s.waiting = append(s.waiting, waiting{e, size})
	s.bytes += size
	s.wake()
}

// take returns the event that waits longest. Behind the last one that waits, it
// says how many were lost.
func (s *subscriber) take(clock func() time.Time) (e Event, there, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		first := s.waiting[0]
		s.waiting[0] = waiting{}
		s.waiting = s.waiting[1:]
		s.bytes -= first.bytes
		return first.event, true, false
	}
	s.waiting = nil
	if n := s.missed; n > 0 {
		s.missed = 0
		at := clock().UTC().Truncate(time.Microsecond)
		return Event{ID: uuid.Must(uuid.NewV7()).String(), Kind: EventsMissed, At: at, Missed: n, Notice: json.RawMessage("{}")}, true, false
	}
	return Event{}, false, s.closed
}

func (s *subscriber) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.wake()
}

func (s *subscriber) wake() {
	select {
	case s.more <- struct{}{}:
	default: // it has been told
	}
}

// weight is roughly how many bytes an event holds; its record counts once for
// the events of a call that wait one behind the other.
func weight(e *Event, recordCounts bool) int {
	const event, record, attempt, candidate = 256, 1024, 512, 256
	n := event + len(e.Notice)
	if r := e.Record; r != nil && !recordCounts {
		n += record + attempt*len(r.Attempts)
		if p := r.Plan; p != nil {
			n += candidate*(len(p.Candidates)+len(p.Excluded)) + len(p.Trace)
		}
	}
	return n
}

func (s *subscribers) stats() (missed uint64, n int) {
	return s.missed.Load(), int(s.count.Load())
}
