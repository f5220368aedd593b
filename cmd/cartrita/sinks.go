package main

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/sink"
)

// newSinks makes what events are sent to. Nothing is opened yet.
func (n *node) newSinks(l *config.Loaded) error {
	if err := checkSinks(l); err != nil {
		return err
	}
	holder := rand.Text()
	for i := range l.Sinks {
		s := &l.Sinks[i]
		target, err := n.newTarget(s)
		if err != nil {
			e := model.AsError(err)
			return l.Refuse([]config.Problem{{Path: fmt.Sprintf("sinks[%d].%s", i, orDefault(e.Param, "kind")), Message: e.Message}})
		}
		c := sink.Config{
			Name: s.Name, Target: target, Feed: n.store, Holder: holder, FromStart: s.From == config.SinkFromBeginning,
			Timeout: s.Timeout.Std(), Logger: n.log,
		}
		for _, k := range s.Events {
			c.Kinds = append(c.Kinds, event.Kind(k))
		}
		runner, err := sink.New(c)
		if err != nil {
			return err
		}
		n.sinks = append(n.sinks, runner)
	}
	return nil
}

// checkSinks finds out whether sinks name kinds of events that there are.
func checkSinks(l *config.Loaded) error {
	kinds := slices.Concat(event.CallKinds, event.NoticeKinds)
	var problems []config.Problem
	for i := range l.Sinks {
		for j, k := range l.Sinks[i].Events {
			if !slices.Contains(kinds, event.Kind(k)) {
				problems = append(problems, config.Problem{Path: fmt.Sprintf("sinks[%d].events[%d]", i, j), Message: fmt.Sprintf("%q is no kind of event: want one of %v", k, kinds)})
			}
		}
	}
	return l.Refuse(problems)
}

func (n *node) newTarget(s *config.Sink) (sink.Target, error) {
	r := resolver{secrets: n.secrets}
	address, secret, password := r.literal("url", s.URL), r.literal("secret", string(s.Secret)), r.literal("password", string(s.Password))
	headers := r.headers("headers", s.Headers)
	if r.problem != nil {
		return nil, r.problem
	}
	switch s.Kind {
	case config.SinkFile:
		return sink.NewFile(sink.FileConfig{Path: s.Path, MaxBytes: int64(s.MaxSize), Keep: s.Keep})
	case config.SinkWebhook:
		return sink.NewWebhook(sink.WebhookConfig{URL: address, Secret: []byte(secret), Headers: headers})
	case config.SinkOTLP:
		return sink.NewOTLP(sink.OTLPConfig{Endpoint: address, Headers: headers})
	case config.SinkKafka:
		return sink.NewKafka(sink.KafkaConfig{Brokers: s.Brokers, Topic: s.Topic, TLS: s.TLS, SASL: s.SASL, User: s.User, Password: password})
	case config.SinkNATS:
		if !config.IsNATS(address) {
			return nil, model.Invalidf("", "url", "%s holds no URL such as nats://host:4222", s.URL)
		}
		return sink.NewNATS(sink.NATSConfig{URL: address, Subject: s.Subject})
	default: // the configuration allows the six only
		return sink.NewRedis(sink.RedisConfig{Streams: n.redis, Stream: s.Stream, Length: int64(s.Length)})
	}
}

func (n *node) runSinks() {
	for _, r := range n.sinks {
		n.sending.Go(func() { n.logged("sending events", r.Run(n.ctx)) })
	}
}

// leaveTimeout is how long sinks may take to let go of what they were sending.
const leaveTimeout = 5 * time.Second

// leaveSinks waits for the sinks, which want the store to the end, but not for
// ever: what one that hangs has not taken is sent after the next start.
func (n *node) leaveSinks() {
	left := make(chan struct{})
	go func() { n.sending.Wait(); close(left) }()
	select {
	case <-left:
	case <-time.After(leaveTimeout):
		n.log.Warn("a sink hangs; what it has not taken is sent after the next start", "timeout", leaveTimeout)
	}
}

// sinkMetrics show how sinks fare, as far as this gateway sends to them.
type sinkMetrics []*sink.Runner

var (
	sinkActive   = prometheus.NewDesc("cartrita_sink_active", "1 while this gateway sends to the sink; of all on one database one does.", []string{"sink"}, nil)
	sinkSent     = prometheus.NewDesc("cartrita_sink_sent_total", "Events that the sink took.", []string{"sink"}, nil)
	sinkRefused  = prometheus.NewDesc("cartrita_sink_refused_total", "Events that the sink can never take, which were left out.", []string{"sink"}, nil)
	sinkFailures = prometheus.NewDesc("cartrita_sink_failures_total", "Attempts to send that failed and are made again.", []string{"sink"}, nil)
	sinkLag      = prometheus.NewDesc("cartrita_sink_lag_seconds", "Age of the oldest event that the sink has not taken; 0 for none.", []string{"sink"}, nil)
)

// Describe implements prometheus.Collector.
func (m *sinkMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *sinkMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, r := range *m {
		s, active := r.Stats(), 0.0
		if s.Active {
			active = 1
		}
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, r.Name())
		}
		count := func(d *prometheus.Desc, v uint64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), r.Name())
		}
		gauge(sinkActive, active)
		count(sinkSent, s.Sent)
		count(sinkRefused, s.Refused)
		count(sinkFailures, s.Failures)
		gauge(sinkLag, s.Lag.Seconds())
	}
}
