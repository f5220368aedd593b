package main

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/redis"
)

// newRedis makes the connection to the Redis of a configuration; nil without
// one. It does not connect yet. Gateways on one database share what is there, and
// nobody else does.
func newRedis(ctx context.Context, c *config.Config, s store, secrets *config.Secrets, log *slog.Logger) (*redis.Client, error) {
	if c.Redis == "" {
		return nil, nil //nolint:nilnil // it is optional
	}
	renew := func() (string, error) { return secrets.Literal(c.Redis) }
	url, err := renew()
	if err != nil {
		return nil, err
	}
	owner := ""
	if db, shared := sharedDatabase(s); shared {
		if owner, err = db.Identity(ctx); err != nil {
			return nil, err
		}
	}
	client, err := redis.New(redis.Config{URL: url, Renew: renew, Owner: owner, Logger: log})
	if err != nil {
		return nil, model.Invalidf("", "redis", "the URL: %s", model.AsError(err).Message)
	}
	return client, nil
}

// collectors are the metrics of what stands beside the gateway.
func (n *node) collectors() []prometheus.Collector {
	out := []prometheus.Collector{eventMetrics{n.events}, n.replica.leads(), alertMetrics{n.alerts}}
	if n.archive != nil {
		out = append(out, n.archive.calls, n.archive.held)
	}
	if len(n.bus.messengers) > 0 {
		out = append(out, busCollector(n.bus.messengers))
	}
	if n.redis != nil {
		out = append(out, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "cartrita_redis_up", Help: "1 while the Redis server takes writes, else 0.",
		}, func() float64 {
			if n.redis.Available() {
				return 1
			}
			return 0
		}))
	}
	if len(n.sinks) > 0 {
		out = append(out, (*sinkMetrics)(&n.sinks))
	}
	return out
}
