package alert

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// Sum is what a rule remembers of the calls of one piece of time.
type Sum struct {
	Calls int64         `json:"n,omitempty"`
	Bad   int64         `json:"bad,omitempty"` // of them, failed or refused
	Total float64       `json:"sum,omitempty"` // dollars, milliseconds or bytes
	Times map[int]int64 `json:"times,omitempty"`
}

// timesPer is how many of the pieces in which Times counts double the time. A
// quantile is off by at most half a piece, 4.4 %.
const timesPer = 8

func (s *Sum) addTime(ms float64) {
	s.Calls++
	s.Total += ms
	if s.Times == nil {
		s.Times = map[int]int64{}
	}
	s.Times[int(math.Floor(math.Log2(max(ms, 1e-3))*timesPer))]++
}

func (s *Sum) add(o *Sum) {
	s.Calls += o.Calls
	s.Bad += o.Bad
	s.Total += o.Total
	for i, n := range o.Times {
		if s.Times == nil {
			s.Times = make(map[int]int64, len(o.Times))
		}
		s.Times[i] += n
	}
}

func (s *Sum) clone() Sum {
	c := *s
	c.Times = maps.Clone(s.Times)
	return c
}

// mean is the mean time in ms. There must be a call.
func (s *Sum) mean() float64 { return s.Total / float64(s.Calls) }

// quantile is the time in ms that a share q of the calls does not exceed, in
// the middle of its piece. There must be a call.
func (s *Sum) quantile(q float64) float64 {
	rank := max(int64(math.Ceil(q*float64(s.Calls))), 1)
	pieces := slices.Sorted(maps.Keys(s.Times))
	for _, i := range pieces {
		if rank -= s.Times[i]; rank <= 0 {
			return math.Exp2((float64(i) + 0.5) / timesPer)
		}
	}
	return math.Exp2((float64(pieces[len(pieces)-1]) + 0.5) / timesPer)
}

// time is a metric of latency_spike.
func (s *Sum) time(metric string) float64 {
	_, what, _ := strings.Cut(metric, "_")
	switch what {
	case "mean":
		return s.mean()
	case "p50":
		return s.quantile(0.5)
	case "p90":
		return s.quantile(0.9)
	case "p99":
		return s.quantile(0.99)
	default:
		return s.quantile(0.95)
	}
}
