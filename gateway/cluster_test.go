package gateway

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/cartrita/cartrita/cluster"
)

// seen is a cluster whose members were heard so long ago; the first leads.
type seen []time.Duration

func (s seen) Census(context.Context) (c cluster.Census, self string, err error) {
	c.At = time.Unix(1_790_000_000, 0)
	for i, ago := range s {
		c.Members = append(c.Members, cluster.Member{ID: string(rune('a' + i)), Seen: c.At.Add(-ago), Leader: i == 0})
	}
	return c, "a", nil
}

func (seen) BusStats() *cluster.BusStats { return nil }

// A gateway that was killed is not up until it is gone: after two beats nobody
// knows.
func TestAReplicaThatIsNotHeardIsSilent(t *testing.T) {
	members := seen{4100 * time.Millisecond, 1900 * time.Millisecond, 6100 * time.Millisecond}
	w := newWorld(t, func(c *Config) { c.Cluster = members })
	var v ClusterView
	if err := json.Unmarshal([]byte(text(t, w.do("GET", "/api/v1/cluster", ""))), &v); err != nil {
		t.Fatal(err)
	}
	var states []string
	for i, r := range v.Replicas {
		states = append(states, r.State)
		if r.AgeSeconds != members[i].Seconds() {
			t.Errorf("%s was heard %v s ago, want %s", r.ID, r.AgeSeconds, members[i])
		}
	}
	if !slices.Equal(states, []string{"silent", "up", "gone"}) || v.Leader != "a" {
		t.Errorf("%q, and %q leads", states, v.Leader)
	}
}
