package limit

import "time"

// A window has this many steps, and what was taken counts until its step has
// left the window; in shared counters for one more.
const (
	windowSteps = 60
	liveLocal   = windowSteps + 1
	liveShared  = windowSteps + 2
	ringSize    = 64 // a power of two above either
)

// ring is what was taken in each of the last steps.
type ring struct {
	at  int64 // the newest step
	n   [ringSize]Amount
	sum Amount // of the live steps
}

// advance moves on to a step. Time does not go back.
func (r *ring) advance(step int64) {
	if step-r.at >= ringSize {
		*r = ring{at: step}
		return
	}
	for r.at < step {
		r.at++
		old := &r.n[(r.at-liveLocal)&(ringSize-1)]
		r.sum = r.sum.minus(*old)
		*old = Amount{}
	}
}

// live reports whether what was taken in a step still counts.
func (r *ring) live(step int64) bool { return step <= r.at && step > r.at-liveLocal }

// add counts in a live step.
func (r *ring) add(step int64, a Amount) {
	n := &r.n[step&(ringSize-1)]
	*n, r.sum = n.plus(a), r.sum.plus(a)
}

// frees returns how many steps from now on asked fits under limit, by one of the
// amounts; 0 when it fits now.
func (r *ring) frees(of func(Amount) int64, asked, limit int64) int64 {
	over := of(r.sum) + asked - limit
	for s := r.at - liveLocal + 1; s <= r.at && over > 0; s++ {
		if over -= of(r.n[s&(ringSize-1)]); over <= 0 {
			return s + liveLocal - r.at
		}
	}
	return 0
}

// empties returns how many steps from now on nothing counts any more.
func (r *ring) empties(of func(Amount) int64) int64 {
	for s := r.at; s > r.at-liveLocal; s-- {
		if of(r.n[s&(ringSize-1)]) != 0 {
			return s + liveLocal - r.at
		}
	}
	return 0
}

func requestsOf(a Amount) int64 { return a.Requests }
func tokensOf(a Amount) int64   { return a.Tokens }

// until is the time to the beginning of the step that is so many steps away.
func until(now, width, steps int64) time.Duration {
	if steps <= 0 {
		return 0
	}
	return time.Duration((now/width+steps)*width - now)
}
