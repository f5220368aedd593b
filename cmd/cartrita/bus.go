package main

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/store/postgres"
	"github.com/cartrita/cartrita/store/redis"
)

// askEvery is how often a database that gateways share is asked for what others
// changed, should the bus not have told.
const askEvery = 500 * time.Millisecond

// What carries messages.
const (
	busPostgres = "postgres"
	busRedis    = "redis"
)

// bus is how this gateway hears the others. The zero value has none.
type bus struct {
	cluster.Bus
	messengers map[string]*cluster.Messenger // by what carries the messages; none: alone
	poll       time.Duration                 // of the store; 0: as rarely as those do who share nothing
}

// sharedDatabase returns the database that other gateways may store in, too;
// false for a store that is this one's own. Before it is open,
// config.Config.SharesStore says so.
func sharedDatabase(s store) (*postgres.Store, bool) {
	db, shared := s.(*postgres.Store)
	return db, shared
}

// newBus makes the bus of the gateways that share the store: over Redis where one
// is configured and reached, else over the database.
func newBus(s store, r *redis.Client, log *slog.Logger) bus {
	db, shared := sharedDatabase(s)
	if !shared {
		return bus{Bus: cluster.Alone{}}
	}
	byDatabase := cluster.NewMessenger(cluster.MessengerConfig{Dial: db.DialBus, Logger: log.With("bus", busPostgres)})
	b := bus{Bus: byDatabase, messengers: map[string]*cluster.Messenger{busPostgres: byDatabase}, poll: askEvery}
	if r != nil {
		byRedis := cluster.NewMessenger(cluster.MessengerConfig{Dial: r.DialBus, Logger: log.With("bus", busRedis)})
		b.messengers[busRedis] = byRedis
		b.Bus = &cluster.Pair{First: byRedis, Second: byDatabase}
	}
	return b
}

// tell returns a function that says to the others that something was changed.
func (b *bus) tell(topic string) func() {
	return func() { b.Publish(topic, nil) }
}

// hear has the store asked as soon as others say that they changed something.
func (n *node) hear() {
	if len(n.bus.messengers) == 0 {
		return
	}
	for topic, nudge := range map[string]func(){
		cluster.TopicModels: n.registry.Nudge,
		cluster.TopicKeys:   n.keys.Nudge,
		cluster.TopicConfig: n.shared.nudge,
		cluster.TopicAlerts: n.alerts.Nudge,
	} {
		n.bus.Subscribe(topic, func([]byte) { nudge() })
	}
	if e := n.budgets.Ledger().Escrow(); e != nil {
		n.bus.Subscribe(cluster.TopicBudgets, func([]byte) { e.Wake() })
	}
	n.bus.Subscribe(cluster.TopicHealth, n.suspect)
	n.bus.Subscribe(cluster.TopicLoad, n.busyElsewhere)
	n.background.Go(func() { n.tellOpenings(n.ctx) })
	n.background.Go(func() { n.tellLoad(n.ctx) })
	for _, m := range n.bus.messengers {
		n.background.Go(func() { m.Run(n.ctx) })
	}
}

var labelBus = []string{"bus"}

var (
	descBusUp   = prometheus.NewDesc("cartrita_bus_up", "1 while gateways that share a store hear each other, else 0.", labelBus, nil)
	descBusLag  = prometheus.NewDesc("cartrita_bus_lag_seconds", "How long the latest message from this gateway to itself was under way.", labelBus, nil)
	descBusSent = prometheus.NewDesc("cartrita_bus_sent_total", "Messages sent to other gateways.", labelBus, nil)
	descBusRecv = prometheus.NewDesc("cartrita_bus_received_total", "Messages received from other gateways.", labelBus, nil)
	descBusDrop = prometheus.NewDesc("cartrita_bus_dropped_total", "Messages to other gateways that could not be sent.", labelBus, nil)
	descBusLoss = prometheus.NewDesc("cartrita_bus_losses_total", "Times that messages of others may have been missed, the start included: everything was read anew.", labelBus, nil)
)

// busCollector shows how the buses are doing.
type busCollector map[string]*cluster.Messenger

// Describe implements prometheus.Collector.
func (busCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descBusUp, descBusLag, descBusSent, descBusRecv, descBusDrop, descBusLoss} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c busCollector) Collect(out chan<- prometheus.Metric) {
	for name, m := range c {
		s := m.Stats()
		up := 0.0
		if s.Connected {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(descBusUp, prometheus.GaugeValue, up, name)
		out <- prometheus.MustNewConstMetric(descBusLag, prometheus.GaugeValue, s.Lag.Seconds(), name)
		for d, n := range map[*prometheus.Desc]uint64{descBusSent: s.Sent, descBusRecv: s.Received, descBusDrop: s.Dropped, descBusLoss: s.Losses} {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), name)
		}
	}
}
