package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/store/archive"
)

// archiveEvery is how often a gateway looks whether a day is over.
const archiveEvery = time.Hour

// retention moves calls out of the store when they are old enough, and shows how
// that fares.
type retention struct {
	archiver *archive.Archiver
	calls    prometheus.Counter
	held     prometheus.Gauge
}

func (n *node) newRetention(s archive.Store) *retention {
	return &retention{
		archiver: archive.New(archive.Config{Store: s, Logger: n.log}),
		calls: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cartrita_archived_calls_total", Help: "Calls that this gateway moved out of the store, because they were old enough; of all on one database one does.",
		}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cartrita_archive_held_back", Help: "1 when calls that are old enough stay in the store because a sink has not been sent them, else 0; as of the latest look.",
		}),
	}
}

// job is what one gateway does for all on a database. What the configuration
// says is read anew each time.
func (r *retention) job(now func() *config.Loaded) cluster.Job {
	return cluster.Job{Name: "archive", Every: archiveEvery, Run: func(ctx context.Context, f cluster.Fence) error {
		c := &now().Config
		if c.Retention.Calls == 0 {
			return nil
		}
		r.archiver.Configure(c.Retention.Archive, sinkNames(c))
		days, err := r.archiver.Run(ctx, f, archive.Until(time.Now(), c.Retention.Calls.Std()))
		held := 0.0
		for i := range days {
			if days[i].Held != "" {
				held = 1
				continue
			}
			r.calls.Add(float64(days[i].Calls))
		}
		r.held.Set(held)
		return err
	}}
}

func sinkNames(c *config.Config) []string {
	names := make([]string, len(c.Sinks))
	for i := range c.Sinks {
		names[i] = c.Sinks[i].Name
	}
	return names
}
