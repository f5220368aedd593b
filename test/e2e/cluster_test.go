package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

func (p *process) cluster() (v gateway.ClusterView) {
	p.t.Helper()
	p.get("/api/v1/cluster", &v)
	return v
}

// leader returns the number of the gateway that leads, -1 for none.
func leader(all []*process, v gateway.ClusterView) int {
	for i, p := range all {
		for _, r := range v.Replicas {
			if r.Leader && r.ID == v.Leader && strings.HasSuffix(p.url, "/"+r.Address) {
				return i
			}
		}
	}
	return -1
}

// TestALeaderIsSucceeded freezes, kills and stops gateways that lead.
func TestALeaderIsSucceeded(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound"})
	database := testserver.Database(t)
	all := replicas(t, 3, "store: "+database+"\n"+oneSecret(t)+fmt.Sprintf(soundConfig, lab))
	others := func(i int) []*process { return []*process{all[(i+1)%3], all[(i+2)%3]} }
	const within = cluster.LeadTTL + cluster.BeatEvery + 2*time.Second // on a busy machine
	seen := map[int64]string{}                                         // leaders by term
	look := func(p *process) gateway.ClusterView {
		v := p.cluster()
		if was := seen[v.Term]; v.Leader != "" && was != "" && was != v.Leader {
			t.Errorf("in term %d both %s and %s lead", v.Term, was, v.Leader)
		} else if v.Leader != "" {
			seen[v.Term] = v.Leader
		}
		return v
	}
	var v gateway.ClusterView
	waitFor(t, within, "all know of all", func() bool {
		v = look(all[2])
		return len(v.Replicas) == 3 && v.Leader != "" && v.Bus != nil && v.Bus.Connected
	})
	if v.Differ {
		t.Errorf("the same configuration differs: %+v", v)
	}
	if out, err := all[0].command("", "cluster"); err != nil || strings.Count(out, "\tup") != 3 || strings.Count(out, "leads") != 1 || strings.Count(out, "asked") != 1 {
		t.Errorf("cartrita cluster: %v:\n%s", err, out)
	}

	frozen := leader(all, v)
	if frozen < 0 {
		t.Fatalf("nobody leads: %+v", v)
	}
	all[frozen].signal(syscall.SIGSTOP)
	term, began := v.Term, time.Now()
	waitFor(t, within, "a frozen leader is succeeded", func() bool { v = look(others(frozen)[0]); return v.Term > term && v.Leader != "" })
	t.Logf("a frozen leader is succeeded after %s", time.Since(began).Round(time.Millisecond))
	all[frozen].signal(syscall.SIGCONT)
	waitFor(t, within, "it is back, and follows", func() bool {
		v = look(all[frozen])
		up := 0
		for _, r := range v.Replicas {
			if r.State == "up" {
				up++
			}
		}
		return up == 3 && leader(all, v) != frozen && !strings.Contains(all[frozen].text("/metrics"), "\ncartrita_leader 1\n")
	})

	dead := leader(all, v)
	all[dead].kill()
	term, began = v.Term, time.Now()
	waitFor(t, within, "a leader that died is succeeded", func() bool { v = look(all[frozen]); return v.Term > term && v.Leader != "" })
	t.Logf("a leader that died is succeeded after %s", time.Since(began).Round(time.Millisecond))
	if len(v.Replicas) != 3 || strings.Contains(fmt.Sprint(v.Replicas), "gone") == false {
		t.Errorf("who died is not listed as gone: %+v", v.Replicas)
	}

	leaves := leader(all, v)
	last := 3 - dead - leaves
	all[leaves].stop()
	began = time.Now()
	waitFor(t, cluster.BeatEvery+2*time.Second, "a leader that stops is succeeded at once", func() bool { v = look(all[last]); return leader(all, v) == last })
	t.Logf("a leader that stops is succeeded after %s", time.Since(began).Round(time.Millisecond))
}

// TestConfigurationsThatDifferAreShown: two files are not the same, nor are two
// that leave each gateway a secret of its own for its keys.
func TestConfigurationsThatDifferAreShown(t *testing.T) {
	lab := upstream(t, mock.Profile{Name: "sound"})
	secret := oneSecret(t)
	for name, more := range map[string][2]string{"files": {secret, secret + "router: {max_attempts: 2}\n"}, "secrets": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := "store: " + testserver.Database(t) + "\n" + fmt.Sprintf(soundConfig, lab)
			first, second := replicas(t, 1, config+more[0])[0], replicas(t, 1, config+more[1])[0]
			waitFor(t, 3*cluster.BeatEvery, "both are there, and differ", func() bool {
				v := second.cluster()
				return len(v.Replicas) == 2 && v.Differ
			})
			if out, err := first.command("", "cluster"); err != nil || !strings.Contains(out, "different configurations") {
				t.Errorf("cartrita cluster: %v:\n%s", err, out)
			}
		})
	}
}

// text reads a page.
func (p *process) text(path string) string {
	p.t.Helper()
	resp, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(body)
}
