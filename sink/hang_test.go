package sink_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/sink"
)

// valve is before a server: while it is locked, the server hears nothing of what
// reaches it.
type valve struct{ sync.RWMutex }

func (v *valve) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return valved{l, v}, err
}

type valved struct {
	net.Listener
	v *valve
}

func (l valved) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return valvedConn{c, l.v}, err
}

type valvedConn struct {
	net.Conn
	v *valve
}

func (c valvedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.v.RLock()
	defer c.v.RUnlock()
	return n, err
}

// within fails the test when f does not return in time.
func within(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("not so after %s: %s", limit, what)
	}
}

func TestKafkaThatHangsIsWaitedForNoLongerThanItMay(t *testing.T) {
	var v valve
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events"), kfake.ListenFn(v.listen))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	k, err := sink.NewKafka(sink.KafkaConfig{Brokers: cluster.ListenAddrs(), Topic: "events"})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Send(t.Context(), messages(0, 1)); err != nil {
		t.Fatal(err)
	}
	v.Lock()
	for range 2 { // of a broker that knows us, and of one that does not yet
		within(t, 15*time.Second, "what the broker does not answer comes to an end", func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := k.Send(ctx, messages(1, 2)); model.KindOf(err) != model.KindTimeout {
				t.Errorf("a broker that does not answer: %v", err)
			}
		})
	}
	v.Unlock()
	if err := k.Send(t.Context(), messages(1, 2)); err != nil {
		t.Errorf("a broker that answers again: %v", err)
	}
	v.Lock()
	defer v.Unlock()
	within(t, 15*time.Second, "it is closed while the broker hangs", func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A server that no longer reads lets a write hang, not only an answer.
func TestNATSThatDoesNotReadIsWaitedForNoLongerThanItMay(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "INFO {\"headers\":true,\"max_payload\":1048576,\"proto\":1}\r\n")
		for lines := bufio.NewScanner(c); lines.Scan(); {
			if lines.Text() == "PING" {
				_, _ = io.WriteString(c, "PONG\r\n")
				<-t.Context().Done()
				return
			}
		}
	}()
	n, large := newNATS(t, "nats://"+l.Addr().String()), messages(0, 40)
	for i := range large {
		large[i].JSON = make([]byte, 1<<20-1<<10)
	}
	within(t, 15*time.Second, "what the server does not read comes to an end", func() {
		if err := n.Send(t.Context(), large); model.KindOf(err) != model.KindTimeout {
			t.Errorf("a server that does not read: %v", err)
		}
	})
}

// What is away says why, once.
func TestATargetThatIsAwaySaysWhyOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	k, err := sink.NewKafka(sink.KafkaConfig{Brokers: []string{nobody}, Topic: "events"})
	if err != nil {
		t.Fatal(err)
	}
	file, err := sink.NewFile(sink.FileConfig{Path: filepath.Join(os.DevNull, "events.jsonl")})
	if err != nil {
		t.Fatal(err)
	}
	for why, target := range map[string]sink.Target{
		"connection refused": k, "no servers available": newNATS(t, "nats://"+nobody), "not a directory": file,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := target.Send(ctx, messages(0, 1))
		cancel()
		if err == nil || strings.Count(err.Error(), why) != 1 || strings.Contains(err.Error(), "context") {
			t.Errorf("%v, want one %q", err, why)
		}
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	}
}
