package redis

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Start.func2"))
}

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.b.String(), text)
}

// open runs a client until the test ends.
func open(t testing.TB, url string) (*Client, *journal) {
	t.Helper()
	log := new(journal)
	c, err := New(Config{URL: url, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c.Connect(ctx)
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return c, log
}

// until waits for something that happens by itself.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

// set is a command of a user.
func set(c *Client, value string) error {
	return c.use(context.Background(), func(ctx context.Context, conn rueidis.Client) error {
		return conn.Do(ctx, conn.B().Set().Key(c.key("test")).Value(value).Build()).Error()
	})
}

func get(t testing.TB, c *Client) (value string) {
	t.Helper()
	err := c.use(t.Context(), func(ctx context.Context, conn rueidis.Client) (err error) {
		value, err = conn.Do(ctx, conn.B().Get().Key(c.key("test")).Build()).ToString()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestKeysOfTwoInstallationsAreApart(t *testing.T) {
	a, _ := open(t, testserver.Keyspace(t))
	b, _ := open(t, testserver.Keyspace(t))
	if err := set(a, "1"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, a) + "," + get(t, b); got != "1," {
		t.Errorf("got %s", got)
	}
}

func TestAServerThatGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	server := testserver.NewRedis(t)
	server.Stop(t)
	c, log := open(t, server.URL()) // it is away at the start
	away := func(want int) {
		t.Helper()
		until(t, "a line that it is away", func() bool { return log.count("Redis is away") == want })
		if c.Available() || model.KindOf(set(c, "x")) != model.KindUnavailable {
			t.Error("it is taken for available")
		}
	}
	back := func(want int) {
		t.Helper()
		until(t, "a line that it is back", func() bool { return log.count("Redis is back") == want })
		until(t, "a write", func() bool { return set(c, "x") == nil })
	}
	away(1)
	server.Start(t)
	back(1)
	server.Stop(t)
	_ = set(c, "x") // finds out at once
	away(2)
	server.Start(t)
	back(2)

	server.Do(t, "CONFIG SET min-replicas-to-write 1") // it answers, and takes no writes
	away(3)
	server.Do(t, "CONFIG SET min-replicas-to-write 0")
	back(3)
}

func TestAServerThatHangsHoldsNobody(t *testing.T) {
	t.Parallel()
	server := testserver.NewRedis(t)
	c, log := open(t, server.URL()+"&timeout=100ms")
	if err := set(c, "1"); err != nil {
		t.Fatal(err)
	}
	server.Freeze(t)
	began := time.Now()
	for range 100 {
		if err := set(c, "2"); err == nil {
			t.Error("a frozen server answered")
		}
	}
	// Each may wait for the timeout only while the server is taken for there.
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("100 uses took %v", took)
	}
	until(t, "a line that it is away", func() bool { return log.count("Redis is away") == 1 })
	time.Sleep(3 * time.Second) // longer than a silent connection is kept
	server.Thaw(t)
	until(t, "a line that it is back", func() bool { return log.count("Redis is back") == 1 })
	until(t, "a write", func() bool { return set(c, "3") == nil })
	if got := get(t, c); got != "3" {
		t.Errorf("after it came back: %s", got)
	}
}

func TestAServerThatHangsAtTheStart(t *testing.T) {
	t.Parallel()
	server := testserver.NewRedis(t)
	server.Freeze(t)
	began := time.Now()
	c, log := open(t, server.URL())
	if took := time.Since(began); took > 3*time.Second || c.Available() || log.count("Redis is away") != 1 {
		t.Errorf("the first attempt took %v", took)
	}
	server.Thaw(t)
	until(t, "a write", func() bool { return set(c, "1") == nil })
}

func TestAnAnswerOfTheServerIsNoAbsence(t *testing.T) {
	c, _ := open(t, testserver.Keyspace(t))
	err := c.use(t.Context(), func(ctx context.Context, conn rueidis.Client) error {
		return conn.Do(ctx, conn.B().Arbitrary("NONSENSE").Build()).Error()
	})
	if err == nil || !c.Available() {
		t.Errorf("%v, available: %v", err, c.Available())
	}
}

// freePort returns a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// startCluster starts one of a single node, and returns its URL.
func startCluster(t *testing.T) string {
	t.Helper()
	port := freePort(t)
	server := testserver.NewRedis(t, "--port", port, "--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1", "--cluster-port", freePort(t))
	server.Do(t, "CLUSTER ADDSLOTSRANGE 0 16383")
	return "redis://127.0.0.1:" + port + "?cluster=true"
}

func TestACluster(t *testing.T) {
	t.Parallel()
	c, _ := open(t, startCluster(t)+"&timeout=2s")
	until(t, "a write", func() bool { return set(c, "1") == nil })
	if got := get(t, c); got != "1" {
		t.Errorf("got %s", got)
	}
}

// Sentinels name another master when theirs is gone; it is used without anybody's
// doing.
func TestSentinels(t *testing.T) {
	t.Parallel()
	master, replica, watcher := freePort(t), freePort(t), freePort(t)
	first := testserver.NewRedis(t, "--port", master)
	testserver.NewRedis(t, "--port", replica, "--replicaof", "127.0.0.1 "+master)
	sentinel := testserver.NewRedis(t, "--port", watcher, "--sentinel")
	sentinel.Do(t, "SENTINEL MONITOR main 127.0.0.1 "+master+" 1")
	sentinel.Do(t, "SENTINEL SET main down-after-milliseconds 300")
	sentinel.Do(t, "SENTINEL SET main failover-timeout 2000")
	c, log := open(t, "redis://127.0.0.1:"+watcher+"?master=main&timeout=2s")
	until(t, "a write", func() bool { return set(c, "1") == nil })
	until(t, "the sentinel to know the replica", func() bool { return strings.Contains(sentinel.Ask(t, "SENTINEL REPLICAS main"), replica) })
	first.Stop(t)
	until(t, "a line that it is away", func() bool { return log.count("Redis is away") > 0 })
	until(t, "a write to the new master", func() bool { return set(c, "2") == nil })
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	port := freePort(t)
	server := testserver.NewRedis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	server.Do(t, "CONFIG SET requirepass s3cret")
	c, _ := open(t, "rediss://:s3cret@127.0.0.1:"+port+"?timeout=2s&ca="+cert)
	until(t, "a write", func() bool { return set(c, "1") == nil })

	for _, bad := range []string{"rediss://:s3cret@127.0.0.1:" + port, "rediss://:wr0ng@127.0.0.1:" + port + "?ca=" + cert} {
		other, log := open(t, bad)
		if other.Available() || log.count("Redis is away") != 1 || log.count("s3cret")+log.count("wr0ng") > 0 {
			t.Errorf("%s: available %v, log %s", bad, other.Available(), &log.b)
		}
	}
}

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert"), filepath.Join(dir, "key")
}
