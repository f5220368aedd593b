package gateway

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cartrita/cartrita/gateway/internal/genai"
	"github.com/cartrita/cartrita/model"
)

// metrics counts requests and calls. Looking a labelled metric up costs more
// than counting in it, so the ones of a route or an endpoint are kept; there
// are as many as there are routes and configured endpoints.
type metrics struct {
	requests  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	ttfts     *prometheus.HistogramVec
	tokens    *prometheus.HistogramVec
	costs     *prometheus.CounterVec
	unpriced  *prometheus.CounterVec
	attempts  *prometheus.CounterVec
	overhead  prometheus.Histogram

	served  sync.Map // servedKey → *servedMetrics
	handler http.Handler
}

// routeMetrics counts the answers of one route.
type routeMetrics struct {
	path string
	ok   prometheus.Counter // status 200, the usual one
}

// servedKey says who answered.
type servedKey struct {
	operation, provider, endpoint, model string
}

// servedMetrics are the metrics of successful calls that one endpoint answered.
type servedMetrics struct {
	duration, ttft, input, output prometheus.Observer
	cost, unpriced, attempts      prometheus.Counter
}

const (
	labelRoute    = "route"
	labelStatus   = "status"
	labelReason   = "reason"
	labelEndpoint = "cartrita_endpoint"
	labelOutcome  = "outcome"

	outcomeOK = "ok"
)

func newMetrics(g *Gateway) *metrics {
	who := []string{genai.LabelOperation, genai.LabelProvider, labelEndpoint, genai.LabelModel}
	with := func(more ...string) []string { return append(append([]string(nil), who...), more...) }
	m := &metrics{
		requests: counters("cartrita_http_requests_total", "HTTP requests answered.", labelRoute, labelStatus),
		refusals: counters("cartrita_refused_requests_total", "Requests refused before they reached a domain.", labelReason),
		durations: histograms(genai.MetricDuration, "Duration of whole calls, in seconds.",
			genai.DurationBuckets(), with(genai.LabelErrorType)),
		ttfts:    histograms(genai.MetricTTFT, "Time to the first token of calls, in seconds.", genai.TTFTBuckets(), who),
		tokens:   histograms(genai.MetricTokens, "Tokens of calls.", genai.TokenBuckets(), with(genai.LabelTokenType)),
		costs:    counters("cartrita_cost_usd_total", "Cost of calls in US dollars, all attempts included.", who...),
		unpriced: counters("cartrita_unpriced_calls_total", "Calls whose cost is a lower bound, because a price is unknown.", who...),
		attempts: counters("cartrita_attempts_total", "Attempts by endpoint and outcome: ok or the kind of the error.", labelEndpoint, labelOutcome),
		overhead: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cartrita_overhead_seconds", Help: "Time of calls that was not spent waiting on upstreams, in seconds.",
			Buckets: []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, 1},
		}),
	}
	reg := g.cfg.Metrics
	if reg == nil {
		reg = prometheus.NewRegistry()
		reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	reg.MustRegister(m.requests, m.refusals, m.durations, m.ttfts, m.tokens, m.costs, m.unpriced, m.attempts, m.overhead,
		stateCollector{g}, limitCollector{g})
	reg.MustRegister(g.cfg.Collectors...)
	if g.cfg.Budgets != nil {
		reg.MustRegister(budgetCollector{g})
	}
	if g.prompts != nil {
		reg.MustRegister(g.prompts.outcomes, g.prompts.waiting)
	}
	m.handler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{DisableCompression: true})
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histograms(name, help string, buckets []float64, labels []string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

func (m *metrics) forRoute(path string) *routeMetrics {
	return &routeMetrics{path: path, ok: m.requests.WithLabelValues(path, "200")}
}

// request counts one answered request.
func (m *metrics) request(x *exchange) {
	if x.status == http.StatusOK {
		x.route.metrics.ok.Inc()
		return
	}
	m.requests.WithLabelValues(x.route.path, strconv.Itoa(x.status)).Inc()
}

// refused counts a request that was turned away, by reason.
func (m *metrics) refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }

// observe counts a finished call.
func (m *metrics) observe(rec *model.Record) {
	m.overhead.Observe(rec.OverheadMS / 1000)
	s := m.of(rec)
	s.count(rec)
	if rec.Error == nil {
		s.duration.Observe(rec.LatencyMS / 1000)
	} else {
		m.durations.WithLabelValues(genai.Operation(rec.Surface), rec.Provider, string(rec.Endpoint), string(rec.Model),
			rec.Error.Kind.String()).Observe(rec.LatencyMS / 1000)
	}
	for i := range rec.Attempts {
		m.attempt(&rec.Attempts[i], s, rec.Endpoint)
	}
}

func (m *metrics) attempt(a *model.Attempt, s *servedMetrics, answered model.EndpointID) {
	switch {
	case a.Error != nil:
		m.attempts.WithLabelValues(string(a.Endpoint), a.Error.Kind.String()).Inc()
	case a.Endpoint == answered:
		s.attempts.Inc()
	default:
		m.attempts.WithLabelValues(string(a.Endpoint), outcomeOK).Inc()
	}
}

func (s *servedMetrics) count(rec *model.Record) {
	if rec.TTFTMS > 0 {
		s.ttft.Observe(rec.TTFTMS / 1000)
	}
	if rec.Usage.Input.Known {
		s.input.Observe(float64(rec.Usage.Input.N))
	}
	if rec.Usage.Output.Known {
		s.output.Observe(float64(rec.Usage.Output.N))
	}
	s.cost.Add(max(rec.Cost.Total.USD(), 0))
	if rec.Cost.Unpriced {
		s.unpriced.Inc()
	}
}

// of returns the metrics of the endpoint that answered.
func (m *metrics) of(rec *model.Record) *servedMetrics {
	key := servedKey{genai.Operation(rec.Surface), rec.Provider, string(rec.Endpoint), string(rec.Model)}
	if s, ok := m.served.Load(key); ok {
		return s.(*servedMetrics)
	}
	who := []string{key.operation, key.provider, key.endpoint, key.model}
	s := &servedMetrics{
		duration: m.durations.WithLabelValues(append(who, "")...),
		ttft:     m.ttfts.WithLabelValues(who...),
		input:    m.tokens.WithLabelValues(append(who, genai.TokenInput)...),
		output:   m.tokens.WithLabelValues(append(who, genai.TokenOutput)...),
		cost:     m.costs.WithLabelValues(who...),
		unpriced: m.unpriced.WithLabelValues(who...),
		attempts: m.attempts.WithLabelValues(key.endpoint, outcomeOK),
	}
	actual, _ := m.served.LoadOrStore(key, s)
	return actual.(*servedMetrics)
}

// labelsCalibration tell apart the cells of which calibration is measured.
var labelsCalibration = []string{"model", "task"}

// stateCollector shows what is true at the moment of the scrape.
type stateCollector struct{ g *Gateway }

var (
	descRunning  = prometheus.NewDesc("cartrita_calls_in_flight", "Calls that run now.", nil, nil)
	descQueued   = prometheus.NewDesc("cartrita_calls_queued", "Calls that wait for a place now.", nil, nil)
	descBodies   = prometheus.NewDesc("cartrita_request_body_bytes", "Bytes of request bodies held now.", nil, nil)
	descInFlight = prometheus.NewDesc("cartrita_endpoint_in_flight", "Attempts of this gateway that run now.", []string{labelEndpoint}, nil)
	descErrors   = prometheus.NewDesc("cartrita_endpoint_error_ratio", "Decayed share of failed attempts.", []string{labelEndpoint}, nil)
	descCircuit  = prometheus.NewDesc("cartrita_endpoint_circuit_open", "0 closed, 0.5 half-open, 1 open.", []string{labelEndpoint}, nil)
	descSettled  = prometheus.NewDesc("cartrita_estimate_calls_total", "Calls whose cost was compared with its estimate.", labelsCalibration, nil)
	descCovered  = prometheus.NewDesc("cartrita_estimate_covered_total", "Of those, calls whose cost lay inside the 90 % interval.", labelsCalibration, nil)
	descBuild    = prometheus.NewDesc("cartrita_build_info", "Always 1; the labels say which build runs.", []string{"version", "revision"}, nil)
)

// Describe implements prometheus.Collector.
func (c stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRunning, descQueued, descBodies, descInFlight, descErrors, descCircuit, descSettled, descCovered, descBuild} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c stateCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	running, queued := c.g.gate.Load()
	gauge(descRunning, float64(running))
	gauge(descQueued, float64(queued))
	gauge(descBodies, float64(c.g.bodies.used.Load()))
	gauge(descBuild, 1, c.g.cfg.Version.Version, c.g.cfg.Version.Revision)
	for _, s := range c.g.cfg.Service.Calibration() {
		of := []string{s.Model, s.Task.String()}
		ch <- prometheus.MustNewConstMetric(descSettled, prometheus.CounterValue, float64(s.Calls), of...)
		ch <- prometheus.MustNewConstMetric(descCovered, prometheus.CounterValue, float64(s.Covered), of...)
	}
	for _, e := range c.g.cfg.Endpoints() {
		id := string(e.ID)
		gauge(descInFlight, float64(e.Health.InFlight-e.Health.Elsewhere), id)
		gauge(descErrors, e.Health.ErrorRate, id)
		gauge(descCircuit, circuitLevel(e.Health.Circuit), id)
	}
}

func circuitLevel(c model.Circuit) float64 {
	switch c {
	case model.CircuitOpen:
		return 1
	case model.CircuitHalfOpen:
		return 0.5
	}
	return 0
}
