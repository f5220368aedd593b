package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/model"
)

const (
	openingsEvery = time.Second            // open circuits are told again, to who missed it
	openingsGap   = 200 * time.Millisecond // between two messages
	openingsMost  = 50                     // in one message
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
