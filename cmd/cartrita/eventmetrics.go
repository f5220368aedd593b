package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cartrita/cartrita/event"
)

// eventMetrics show how the recording of calls fares.
type eventMetrics struct{ log *event.Log }

// eventFigures are the metrics, each with its figure.
var eventFigures = []struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	figure func(*event.Stats) float64
}{
	{eventDesc("spool_bytes", "Size of the event spool on disk."), prometheus.GaugeValue, func(s *event.Stats) float64 { return float64(s.SpoolBytes) }},
	{eventDesc("spool_backlog_bytes", "Part of the spool that waits for the store."), prometheus.GaugeValue, func(s *event.Stats) float64 { return float64(s.Backlog) }},
	{eventDesc("spool_memory_calls", "Ended calls that are in memory alone, because the spool is full or the disk fails."), prometheus.GaugeValue, func(s *event.Stats) float64 { return float64(s.Queued) }},
	{eventDesc("store_up", "1 when the store took the last batch of calls, else 0."), prometheus.GaugeValue, func(s *event.Stats) float64 {
		if s.SinkError == "" {
			return 1
		}
		return 0
	}},
	{eventDesc("store_failures_total", "Batches of calls that the store did not take; each is tried again."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.SinkErrors) }},
	{eventDesc("stored_calls_total", "Calls handed to the store."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Stored) }},
	{eventDesc("unrecordable_calls_total", "Calls that were refused because they could not be recorded: the spool was full or the disk failed."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Refused) }},
	{eventDesc("undurable_calls_total", "Calls that ended while the spool failed, and were kept in memory."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Undurable) }},
	{eventDesc("lost_calls_total", "Calls whose outcome was lost, because memory was full too."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Lost) }},
	{eventDesc("rejected_calls_total", "Calls that the store can never take, which were set aside."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Rejected) }},
	{eventDesc("interrupted_calls_total", "Calls that a process left under way when it died, closed as failed."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Interrupted) }},
	{eventDesc("missed_events_total", "Events that slow followers did not get."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Missed) }},
	{eventDesc("shared_calls_total", "Ended calls put into Redis until they are stored."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Share.Shared) }},
	{eventDesc("unshared_calls_total", "Ended calls that were not put into Redis: it was away, or they are too large."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Share.Unshared) }},
	{eventDesc("dropped_shared_calls_total", "Ended calls that Redis lost before they were stored: the stream was full, or the server was emptied."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Share.Dropped) }},
	{eventDesc("foreign_shared_calls_total", "Entries of the stream in Redis that no gateway on this database made, which were removed."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Share.Foreign) }},
	{eventDesc("salvaged_calls_total", "Calls that another gateway recorded and did not store, stored from Redis."), prometheus.CounterValue, func(s *event.Stats) float64 { return float64(s.Share.Salvaged) }},
}

func eventDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("cartrita_"+name, help, nil, nil)
}

// Describe implements prometheus.Collector.
func (m eventMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m eventMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.log.Stats()
	for _, f := range eventFigures {
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.figure(&s))
	}
}
