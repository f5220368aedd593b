package budget

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// shards spread the open holds, so that no lock is waited for.
const shards = 64

// journal is the other side of the ledger: the open holds and the sums of all
// that was posted, kept apart from the counters so that the two can be compared.
type journal struct {
	shards [shards]shard
	loaded [units]atomic.Int64 // taken over from a store
	closed [units]atomic.Int64 // spent in periods that no counter shows any more
}

// shard is a part of the open holds, a ring through its root.
type shard struct {
	mu     sync.Mutex
	root   Hold
	posted amounts // settled, summed over all lines

	_ [64]byte
}

// open files a hold.
func (j *journal) open(h *Hold) {
	s := &j.shards[rand.N(uint32(shards))]
	h.shard = s
	s.mu.Lock()
	if s.root.next == nil {
		s.root.next, s.root.prev = &s.root, &s.root
	}
	h.prev, h.next = s.root.prev, &s.root
	h.prev.next, s.root.prev = h, h
	s.mu.Unlock()
}

// settle takes a hold out and files what was posted for it.
func (j *journal) settle(h *Hold, posted amounts) {
	s := h.shard
	s.mu.Lock()
	h.prev.next, h.next.prev = h.next, h.prev
	h.prev, h.next = nil, nil
	for u := range units {
		s.posted[u] += posted[u]
	}
	s.mu.Unlock()
}

// each visits the open holds.
func (j *journal) each(f func(h *Hold)) {
	for i := range j.shards {
		s := &j.shards[i]
		s.mu.Lock()
		for h := s.root.next; h != nil && h != &s.root; h = h.next {
			f(h)
		}
		s.mu.Unlock()
	}
}

// held sums what is held in each window.
func (j *journal) held() map[*window]amounts {
	sums := map[*window]amounts{}
	j.each(func(h *Hold) {
		for i := range h.lines {
			a := sums[h.lines[i].win]
			for u := range units {
				a[u] += h.lines[i].held[u]
			}
			sums[h.lines[i].win] = a
		}
	})
	return sums
}

// posted sums what was settled since the start.
func (j *journal) posted() amounts {
	var sum amounts
	for i := range j.shards {
		s := &j.shards[i]
		s.mu.Lock()
		for u := range units {
			sum[u] += s.posted[u]
		}
		s.mu.Unlock()
	}
	return sum
}
