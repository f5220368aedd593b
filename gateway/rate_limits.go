package gateway

import (
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cartrita/cartrita/internal/near"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/limit"
)

// shownCounters is how many counters of each limit GET /api/v1/limits shows unless
// it is asked for others; maxCounters is the most.
const (
	shownCounters = 100
	maxCounters   = 10_000
)

// getLimits serves GET /api/v1/limits: the rate limits and what is left of them.
func (g *Gateway) getLimits(x *exchange) {
	q := x.query()
	n := q.number("counters", 1, maxCounters)
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	if n == 0 {
		n = shownCounters
	}
	x.writeJSON(g.cfg.Limiter.View(n))
}

// LimitWarnings says of the rate limits in force what keeps them from ever counting
// anything, each with the limit's name.
func (g *Gateway) LimitWarnings() (out []string) {
	known := g.known()
	var keys []string
	for _, k := range known.Keys {
		keys = append(keys, string(k.ID))
	}
	for _, l := range g.cfg.Limiter.View(0).Limits {
		for _, f := range []struct {
			field, value, what string
			known              []string
		}{
			{"scope.key", l.Scope.Key, "no key has the id", keys},
			{"scope.model", l.Scope.Model, "no endpoint serves the model", known.Models},
			{"scope.provider", l.Scope.Provider, "no endpoint belongs to the provider", known.Providers},
		} {
			if f.value != "" && f.value != limit.Any && !slices.Contains(f.known, f.value) {
				out = append(out, fmt.Sprintf("rate limit %q: %s: %s %q now, so nothing counts against it%s",
					l.Name, f.field, f.what, f.value, near.Suggest(f.value, f.known)))
			}
		}
	}
	return out
}

func (g *Gateway) addLimitRoutes(add func(string, map[string]func(*exchange)) *route) {
	add("/api/v1/limits", reads(g.getLimits)).wants(key.Read, key.Read)
}

// limitCollector exposes the rate limits.
type limitCollector struct{ g *Gateway }

var (
	limitsShared   = prometheus.NewDesc("cartrita_rate_limits_shared", "1 while replicas count rate limits together; 0 while each admits its part, or is alone.", nil, nil)
	limitsReplicas = prometheus.NewDesc("cartrita_rate_limits_replicas", "Replicas that count rate limits, as was known last.", nil, nil)
	limitsRefused  = prometheus.NewDesc("cartrita_rate_limited_total", "Calls and attempts that a rate limit refused.", []string{"limit"}, nil)
)

// Describe implements prometheus.Collector.
func (c limitCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{limitsShared, limitsReplicas, limitsRefused} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c limitCollector) Collect(ch chan<- prometheus.Metric) {
	v := c.g.cfg.Limiter.View(0)
	shared := 0.0
	if v.Shared {
		shared = 1
	}
	ch <- prometheus.MustNewConstMetric(limitsShared, prometheus.GaugeValue, shared)
	ch <- prometheus.MustNewConstMetric(limitsReplicas, prometheus.GaugeValue, float64(v.Replicas))
	for _, l := range v.Limits {
		ch <- prometheus.MustNewConstMetric(limitsRefused, prometheus.CounterValue, float64(l.Refused), l.Name)
	}
}
