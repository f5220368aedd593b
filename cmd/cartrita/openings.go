package main

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/model"
)

const (
	openingsEvery = time.Second            // open circuits are told again, to who missed it
	openingsGap   = 200 * time.Millisecond // between two messages
	openingsMost  = 50                     // in one message, also of endpoints with calls in flight
	loadEvery     = time.Second            // the others are told what is in flight
)

// broken is what a gateway tells of an endpoint.
type broken struct {
	Endpoint model.EndpointID `json:"e"`
}

func (n *node) newHealth() (*health.Tracker, error) {
	n.opened = make(chan struct{}, 1)
	return health.New(health.Config{Logger: n.log, OnOpen: func() {
		select {
		case n.opened <- struct{}{}:
		default: // it is about to be told
		}
	}})
}

// tellOpenings tells the other gateways which endpoints this one found broken:
// at once, and again while their circuits are open. What they were told they
// forget by themselves.
func (n *node) tellOpenings(ctx context.Context) {
	t := time.NewTicker(openingsEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-n.opened:
		}
		var all []broken
		for _, o := range n.health.Openings(time.Now()) {
			if all = append(all, broken{o.Endpoint}); len(all) == openingsMost {
				break
			}
		}
		if len(all) == 0 {
			continue
		}
		data, err := json.Marshal(all)
		if err != nil {
			n.log.Error("circuits cannot be told of", "error", err)
			return
		}
		n.bus.Publish(cluster.TopicHealth, data)
		select {
		case <-ctx.Done():
			return
		case <-time.After(openingsGap):
		}
	}
}

// load is what a gateway says of its calls in flight.
type load struct {
	From string                     `json:"from"`
	N    map[model.EndpointID]int32 `json:"n"`
}

// tellLoad tells the others once a second how many calls of this gateway are in
// flight where: the busiest endpoints, should they be too many for a message.
func (n *node) tellLoad(ctx context.Context) {
	t := time.NewTicker(loadEvery)
	defer t.Stop()
	quiet := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		n.health.ForgetReports(time.Now())
		now := n.health.Load()
		busiest := slices.SortedFunc(maps.Keys(now), func(a, b model.EndpointID) int { return cmp.Or(cmp.Compare(now[b], now[a]), cmp.Compare(a, b)) })
		for _, id := range busiest[min(len(busiest), openingsMost):] {
			delete(now, id)
		}
		if quiet && len(now) == 0 {
			continue
		}
		quiet = len(now) == 0
		data, err := json.Marshal(load{n.replica.member.ID, now})
		if err != nil {
			n.log.Error("load cannot be told of", "error", err)
			return
		}
		n.bus.Publish(cluster.TopicLoad, data)
	}
}

// busyElsewhere takes note of what another gateway says of its load.
func (n *node) busyElsewhere(data []byte) {
	var l load
	if len(data) > 0 && json.Unmarshal(data, &l) == nil && l.From != "" && l.From != n.replica.member.ID {
		n.health.Elsewhere(l.From, l.N, time.Now())
	}
}

// suspect takes note of what another gateway found broken, as far as this one
// has it.
func (n *node) suspect(data []byte) {
	var all []broken
	if len(data) == 0 || json.Unmarshal(data, &all) != nil {
		return // of another version
	}
	snap, now := n.registry.Snapshot(), time.Now()
	for _, b := range all {
		if _, ok := snap.Endpoint(b.Endpoint); ok {
			n.health.Endpoint(b.Endpoint).Suspect(now)
		}
	}
}
