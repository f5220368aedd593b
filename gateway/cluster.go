package gateway

import (
	"context"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// Cluster knows the gateways on one store.
type Cluster interface {
	// Census returns who is there, and the id of this one. KindUnavailable.
	Census(ctx context.Context) (c cluster.Census, self string, err error)
	// BusStats says how this gateway hears the others; nil: it is alone.
	BusStats() *cluster.BusStats
}

// The states of a replica.
const (
	replicaUp     = "up"
	replicaSilent = "silent" // not seen for two beats: it may be gone
	replicaGone   = "gone"   // not seen of late
)

// ClusterView answers GET /api/v1/cluster.
type ClusterView struct {
	Replicas []ReplicaView `json:"replicas"`
	Leader   string        `json:"leader,omitempty"` // id; empty while none is up
	Term     int64         `json:"term"`             // of the leader
	Differ   bool          `json:"configurations_differ"`
	Bus      *BusView      `json:"bus,omitempty"` // of the gateway that is asked
}

// ReplicaView is one replica.
type ReplicaView struct {
	cluster.Member
	State      string  `json:"state"`
	AgeSeconds float64 `json:"age_seconds"` // since it was last seen
	Self       bool    `json:"self,omitempty"`
}

// BusView says how a gateway hears the others.
type BusView struct {
	Connected bool    `json:"connected"`
	LagMS     float64 `json:"lag_ms"` // how long the latest message to itself was under way
	Dropped   uint64  `json:"dropped"`
	Losses    uint64  `json:"losses"`
}

func (g *Gateway) addClusterRoutes(add func(path string, methods map[string]func(*exchange)) *route) {
	if g.cfg.Cluster != nil {
		add("/api/v1/cluster", reads(g.getCluster)).wants(key.Read, key.Read)
	}
}

// getCluster serves GET /api/v1/cluster: the replicas of this gateway.
func (g *Gateway) getCluster(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	census, self, err := g.cfg.Cluster.Census(x.r.Context())
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	v := ClusterView{Replicas: []ReplicaView{}, Term: census.Term}
	config := ""
	for i := range census.Members {
		m := &census.Members[i]
		unheard := census.Unheard(m)
		r := ReplicaView{Member: *m, State: replicaUp, AgeSeconds: max(0, unheard.Seconds()), Self: m.ID == self}
		if unheard > cluster.Silent {
			r.State = replicaSilent
		}
		if !census.There(m) {
			r.State, r.Leader = replicaGone, false
		} else {
			v.Differ = v.Differ || config != "" && config != m.Config
			config = m.Config
		}
		if r.Leader {
			v.Leader = m.ID
		}
		v.Replicas = append(v.Replicas, r)
	}
	if s := g.cfg.Cluster.BusStats(); s != nil {
		v.Bus = &BusView{Connected: s.Connected, LagMS: float64(s.Lag.Microseconds()) / 1000, Dropped: s.Dropped, Losses: s.Losses}
	}
	x.writeJSON(v)
}
