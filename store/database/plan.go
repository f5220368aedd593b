package database

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/cartrita/cartrita/store/batch"
)

// plan says which blocks of documents to read in which order, so that calls come
// by the hours in which they ended, however late they were stored. It holds one
// span for blocks one behind the other whose calls ended in the same hours:
// hardly more spans than there are hours, unless many calls were stored late.
type plan struct {
	stepBlocks int
	spans      []span // in the order of storing, then by low

	at     int64  // hour up to which steps were given
	taken  int    // spans that are or were active
	active []span // that may have calls from at on
}

// stepBlocks is how many blocks a step has, or a few more; an hour is never split.
const stepBlocks = 64

// span are blocks one behind the other.
type span struct {
	index       int   // in the order of storing
	first, last int64 // numbers of the first and the last block
	low, high   int64 // hours in which their calls ended, since the epoch
	blocks      int
}

// add is told every block in the order of storing.
func (p *plan) add(number, low, high int64) {
	n := len(p.spans)
	if n > 0 && p.spans[n-1].low == low && p.spans[n-1].high == high {
		p.spans[n-1].last = number
		p.spans[n-1].blocks++
		return
	}
	p.spans = append(p.spans, span{n, number, number, low, high, 1})
}

// begin comes between the last block and the first step.
func (p *plan) begin() {
	slices.SortStableFunc(p.spans, func(a, b span) int { return cmp.Compare(a.low, b.low) })
	p.at = math.MinInt64
}

// step are the calls that ended in some hours, and where their documents are.
type step struct {
	from, below int64 // hours since the epoch; the first step has no beginning, the last no end
	ranges      []blockRange
}

type blockRange struct{ first, last int64 } // numbers of blocks

func (s *step) has(hour int64) bool { return hour >= s.from && hour < s.below }

// next returns the next step and whether others follow. A month ends with a step.
func (p *plan) next() (s step, more bool) {
	s = step{from: p.at, below: math.MaxInt64}
	p.active = slices.DeleteFunc(p.active, func(x span) bool { return x.high < s.from })
	blocks := 0
	for ; p.taken < len(p.spans); p.taken++ {
		x := &p.spans[p.taken]
		if blocks > 0 && x.low > p.spans[p.taken-1].low && (blocks >= p.stepBlocks || month(x.low).After(month(p.spans[p.taken-1].low))) {
			s.below = x.low
			break
		}
		p.active = append(p.active, *x)
		blocks += x.blocks
	}
	p.at = s.below
	s.ranges = ranges(p.active)
	return s, p.taken < len(p.spans)
}

func month(hour int64) time.Time { return batch.Month.Floor(batch.HourTime(hour)) }

// ranges joins spans that are neighbours.
func ranges(spans []span) (out []blockRange) {
	spans = slices.SortedFunc(slices.Values(spans), func(a, b span) int { return cmp.Compare(a.index, b.index) })
	for i, x := range spans {
		if i > 0 && spans[i-1].index+1 == x.index {
			out[len(out)-1].last = x.last
			continue
		}
		out = append(out, blockRange{x.first, x.last})
	}
	return out
}
