package limit

import (
	"cmp"
	"slices"
	"time"
)

// State is one shared counter, and the reference of how a Shared meets a demand.
// The zero value is a counter that nobody knows yet.
type State struct {
	Epoch int64             `json:"epoch"`
	Steps map[int64]Amount  `json:"steps,omitempty"`
	Slots map[string]Holder `json:"slots,omitempty"`
}

// Holder is how many slots a replica holds, and until when, in µs of the clock.
type Holder struct {
	N     int64 `json:"n"`
	Until int64 `json:"until"`
}

// Exchange meets a demand at a time of the clock.
func (s *State) Exchange(now time.Duration, replica string, d *Demand) Grant {
	if s.Epoch == 0 {
		s.Epoch = max(now.Microseconds(), 1)
	}
	g := Grant{Now: now, Epoch: s.Epoch}
	if d.Epoch != 0 && d.Epoch != s.Epoch {
		g.Lost = true
		return g
	}
	step := int64(now / d.Width())
	s.settle(step, d)
	for _, n := range s.Steps {
		g.Sum = g.Sum.plus(n)
	}
	free := s.free(now, replica, d.Slots)
	g.Refused = d.refuses(g.Sum, free)
	switch g.Refused {
	case Requests:
		g.Retry = s.frees(now, d, requestsOf, g.Sum.Requests+d.Least.Requests-d.Limit.Requests)
	case TokensUnit:
		g.Retry = s.frees(now, d, tokensOf, g.Sum.Tokens+d.Least.Tokens-d.Limit.Tokens)
	case "":
		g.Granted = d.granted(g.Sum)
		if g.Granted != (Amount{}) {
			s.add(step, g.Granted)
			g.Sum = g.Sum.plus(g.Granted)
		}
	}
	if d.Slots > 0 {
		g.Slots = s.hold(now, replica, d, g.Refused == "", free)
		g.Tight = free-g.Slots < 1
	}
	g.Reset = [2]time.Duration{s.empties(now, d, requestsOf), s.empties(now, d, tokensOf)}
	return g
}

// settle adds what the replica tells, and drops what counts no more. Steps far
// ahead are those of a clock that was set back.
func (s *State) settle(step int64, d *Demand) {
	for _, n := range d.Given {
		s.add(n.Step, n.Amount)
	}
	for _, n := range d.Aged {
		s.add(step-n.Step, n.Amount)
	}
	for at := range s.Steps {
		if at <= step-Steps || at > step {
			delete(s.Steps, at)
		}
	}
}

func (s *State) add(step int64, a Amount) {
	if s.Steps == nil {
		s.Steps = map[int64]Amount{}
	}
	s.Steps[step] = s.Steps[step].plus(a)
}

// free is how many slots the others leave.
func (s *State) free(now time.Duration, replica string, limit int64) int64 {
	for name, h := range s.Slots {
		if h.Until <= now.Microseconds() {
			delete(s.Slots, name)
		} else if name != replica {
			limit -= h.N
		}
	}
	return limit
}

func (d *Demand) refuses(sum Amount, free int64) Unit {
	switch {
	case d.Slots > 0 && d.LeastSlots > d.Running && d.LeastSlots > free:
		return Concurrency
	case d.Limit.Requests > 0 && d.Least.Requests > 0 && sum.Requests+d.Least.Requests > d.Limit.Requests:
		return Requests
	case d.Limit.Tokens > 0 && d.Least.Tokens > 0 && sum.Tokens+d.Least.Tokens > d.Limit.Tokens:
		return TokensUnit
	}
	return ""
}

func (d *Demand) granted(sum Amount) (a Amount) {
	if d.Limit.Requests > 0 && d.Least.Requests > 0 {
		a.Requests = share(d.Least.Requests, d.Want.Requests, d.Most.Requests, d.Limit.Requests-sum.Requests)
	}
	if d.Limit.Tokens > 0 && d.Least.Tokens > 0 {
		a.Tokens = share(d.Least.Tokens, d.Want.Tokens, d.Most.Tokens, d.Limit.Tokens-sum.Tokens)
	}
	return a
}

// hold gives the replica its slots: those running always, and of what it wants
// beyond as of everything else.
func (s *State) hold(now time.Duration, replica string, d *Demand, granted bool, free int64) int64 {
	n := d.Running
	if granted {
		least := max(d.LeastSlots, d.Running)
		n = max(n, share(least, d.WantSlots, d.MostSlots, max(free, least)))
	}
	if n == 0 {
		delete(s.Slots, replica)
		return 0
	}
	if s.Slots == nil {
		s.Slots = map[string]Holder{}
	}
	s.Slots[replica] = Holder{n, (now + SlotTTL).Microseconds()}
	return n
}

// sorted are the steps that count, the oldest first.
func (s *State) sorted() []Delta {
	var out []Delta
	for at, n := range s.Steps {
		out = append(out, Delta{at, n})
	}
	slices.SortFunc(out, func(a, b Delta) int { return cmp.Compare(a.Step, b.Step) })
	return out
}

// frees is when so much more has left the window.
func (s *State) frees(now time.Duration, d *Demand, of func(Amount) int64, over int64) time.Duration {
	for _, n := range s.sorted() {
		if over -= of(n.Amount); over <= 0 {
			return time.Duration(n.Step+Steps)*d.Width() - now
		}
	}
	return 0
}

// empties is when nothing is left in the window.
func (s *State) empties(now time.Duration, d *Demand, of func(Amount) int64) (wait time.Duration) {
	for at, n := range s.Steps {
		if of(n) != 0 {
			wait = max(wait, time.Duration(at+Steps)*d.Width()-now)
		}
	}
	return wait
}
