package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/store/archive"
	"github.com/cartrita/cartrita/store/postgres"
)

// replica is this gateway among those on its store. A command in this process
// never runs it: it serves nobody, and leads nobody.
type replica struct {
	*cluster.Replica
	node    *node
	member  cluster.Member
	address atomic.Pointer[string]
	print   atomic.Pointer[fingerprint]
}

// fingerprint tells configurations apart.
type fingerprint struct {
	of  *config.Loaded
	sum string
}

// newReplica makes a replica of the node. It does not join the others yet.
func newReplica(n *node, alertsEvery time.Duration) *replica {
	r := &replica{node: n, member: cluster.Member{
		ID: rand.Text()[:12], Version: buildVersion().Version, Started: time.Now().UTC().Truncate(time.Microsecond),
	}}
	r.member.Name, _ = os.Hostname() // unknown is empty
	c := cluster.ReplicaConfig{Store: &cluster.Local{}, Jobs: []cluster.Job{n.alertJob(alertsEvery), n.promptJob()}, Self: r.self, Logger: n.log}
	if s, ok := n.store.(daySummer); ok {
		c.Jobs = append(c.Jobs, pastJob(s, r.alike, n.log))
	}
	if s, ok := n.store.(archive.Store); ok {
		n.archive = n.newRetention(s)
		c.Jobs = append(c.Jobs, n.archive.job(n.current))
	}
	if db, shared := sharedDatabase(n.store); shared {
		c.Store, c.Jobs = db, append(c.Jobs, databaseJobs(db)...)
	}
	r.Replica = cluster.NewReplica(c)
	return r
}

// databaseJobs is what one gateway does for all on a database.
func databaseJobs(db *postgres.Store) []cluster.Job {
	return []cluster.Job{
		{Name: "partitions", Every: time.Hour, Run: func(ctx context.Context, _ cluster.Fence) error {
			db.Partition(ctx) // says itself what it could not do
			return ctx.Err()
		}},
		{Name: "members", Every: 10 * time.Minute, Run: func(ctx context.Context, f cluster.Fence) error {
			return db.ForgetMembers(ctx, f.Term, cluster.ForgetAfter)
		}},
	}
}

// spools returns those of the gateways that are there.
func (r *replica) spools(ctx context.Context) (map[string]bool, error) {
	c, _, err := r.Census(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for i := range c.Members {
		if m := &c.Members[i]; c.There(m) {
			out[m.Spool] = true
		}
	}
	return out, nil
}

func (r *replica) self() cluster.Member {
	m := r.member
	if a := r.address.Load(); a != nil {
		m.Address = *a
	}
	m.Spool, m.Config = r.node.events.Spool(), r.fingerprint()
	return m
}

// fingerprint sums up the configuration in force, without what is each gateway's
// own.
func (r *replica) fingerprint() string {
	now := r.node.current()
	if p := r.print.Load(); p != nil && p.of == now {
		return p.sum
	}
	c := now.Config
	c.Listen, c.Data, c.Store, c.Redis, c.Log = "", "", "", "", config.Log{}
	doc, err := json.Marshal(&c)
	if err != nil {
		return "unknown"
	}
	h := sha256.New()
	h.Write(doc)
	h.Write([]byte(r.node.keys.Fingerprint())) // each that makes up its own secret knows other keys
	sum := h.Sum(nil)
	p := &fingerprint{now, hex.EncodeToString(sum[:6])}
	r.print.Store(p)
	return p.sum
}

// join tells the other gateways that this one is there, listening at that address,
// until the node is closed.
func (n *node) join(listens string) {
	address := memberAddress(listens, n.replica.member.Name)
	n.replica.address.Store(&address)
	n.background.Go(func() { n.replica.Run(n.ctx) })
	n.background.Go(func() { n.logged("salvaging the calls of lost gateways", n.events.Salvage(n.ctx, n.replica.spools)) })
	n.background.Go(func() { n.logged("measuring for alerts", n.alerts.Sample(n.ctx, n.current().Alerts.Every.Std())) })
}

// memberAddress is the address by which a gateway is told from others: one that
// listens at all of its machine's addresses has the name of the machine. All on
// other machines would be "[::]:8080" too.
func memberAddress(listens, machine string) string {
	at, err := netip.ParseAddrPort(listens)
	if err != nil || machine == "" || !at.Addr().IsUnspecified() {
		return listens
	}
	return net.JoinHostPort(machine, strconv.Itoa(int(at.Port())))
}

// BusStats implements gateway.Cluster.
func (r *replica) BusStats() *cluster.BusStats {
	for _, name := range []string{busRedis, busPostgres} {
		m := r.node.bus.messengers[name]
		if m == nil {
			continue
		}
		if s := m.Stats(); s.Connected || name == busPostgres {
			return &s
		}
	}
	return nil
}

// leads is 1 at the gateway that does what is done once for all.
func (r *replica) leads() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cartrita_leader", Help: "1 at the gateway that does what is done once for all of them, else 0.",
	}, func() float64 {
		if r.Leads() {
			return 1
		}
		return 0
	})
}

type clusterCmd struct{}

// Run shows the gateways on one store.
func (cmd *clusterCmd) Run(a *app, g *globals, p *printer) error {
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, "/api/v1/cluster", nil) }, func(v gateway.ClusterView) {
		t := p.table("address", "machine", "version", "configuration", ">up for", ">heard", "state")
		for _, r := range v.Replicas {
			state := r.State
			if r.Leader {
				state += ", leads"
			}
			if r.Self {
				state += ", asked"
			}
			seen := time.Duration(r.AgeSeconds * float64(time.Second)).Round(100 * time.Millisecond)
			t.row(r.Address, r.Name, r.Version, r.Config, r.Seen.Sub(r.Started).Round(time.Second).String(), seen.String()+" ago", state)
		}
		t.flush()
		if v.Leader == "" {
			p.notef("no gateway leads now")
		}
		if v.Differ {
			p.notef("the gateways run with different configurations")
		}
		if v.Bus != nil && !v.Bus.Connected {
			p.notef("the gateway that was asked does not hear the others now: it learns of changes by asking the store")
		}
	})
}
