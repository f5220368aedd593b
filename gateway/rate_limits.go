package gateway

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cartrita/cartrita/key"
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

func (g *Gateway) addLimitRoutes(add func(string, map[string]func(*exchange)) *route) {
	add("/api/v1/limits", map[string]func(*exchange){http.MethodGet: g.getLimits, http.MethodHead: g.getLimits}).wants(key.Read, key.Read)
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
