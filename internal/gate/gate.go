// Package gate bounds how many callers are inside at once and lets the
// waiting ones in by priority, first come first served within one priority.
//
// The queue is bounded too: whoever finds it full is refused at once, except
// that a caller may push out the last one waiting at a lower priority. A Gate
// is safe for concurrent use.
package gate

import (
	"context"
	"errors"
	"sync"
)

// ErrFull is returned to callers that find the queue full, and to those that
// are pushed out of it by a higher priority.
var ErrFull = errors.New("queue is full")

// levels are the priorities −1 … 2, lowest first.
const levels = 4

// Gate admits a bounded number of callers. Use New.
type Gate struct {
	limit, queue int

	mu      sync.Mutex
	inside  int
	waiting int
	lines   [levels][]*waiter // by priority, in order of arrival
}

type waiter struct {
	admitted chan error // receives nil on admission, ErrFull when pushed out
}

// New makes a gate for limit callers inside and queue callers waiting.
func New(limit, queue int) *Gate { return &Gate{limit: limit, queue: queue} }

// Enter waits for a place. After a nil error the caller is inside and must
// Leave. The error is ErrFull, or the context's.
func (g *Gate) Enter(ctx context.Context, priority int8) error {
	g.mu.Lock()
	if g.inside < g.limit && g.waiting == 0 {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	level := min(max(int(priority)+1, 0), levels-1)
	if g.waiting >= g.queue && !g.pushOut(level) {
		g.mu.Unlock()
		return ErrFull
	}
	w := &waiter{admitted: make(chan error, 1)}
	g.lines[level] = append(g.lines[level], w)
	g.waiting++
	g.mu.Unlock()

	select {
	case err := <-w.admitted:
		return err
	case <-ctx.Done():
		if g.withdraw(level, w) {
			return ctx.Err()
		}
		if err := <-w.admitted; err != nil { // decided at the same moment
			return err
		}
		g.Leave()
		return ctx.Err()
	}
}

// pushOut refuses the latest waiter of the lowest priority below level.
func (g *Gate) pushOut(level int) bool {
	for l := range level {
		if n := len(g.lines[l]); n > 0 {
			g.lines[l][n-1].admitted <- ErrFull
			g.lines[l] = g.lines[l][:n-1]
			g.waiting--
			return true
		}
	}
	return false
}

// withdraw takes w out of its line; false if it is no longer there.
func (g *Gate) withdraw(level int, w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, x := range g.lines[level] {
		if x == w {
			g.lines[level] = append(g.lines[level][:i], g.lines[level][i+1:]...)
			g.waiting--
			return true
		}
	}
	return false
}

// Leave gives the place back, to the first of the highest priority waiting.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for l := levels - 1; l >= 0; l-- {
		if line := g.lines[l]; len(line) > 0 {
			g.lines[l] = line[1:]
			g.waiting--
			line[0].admitted <- nil
			return
		}
	}
	g.inside--
}

// Load returns the numbers of callers inside and waiting.
func (g *Gate) Load() (inside, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside, g.waiting
}
