package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// wire stands between the gateways and their database, and can be made to hang
// or to be slow.
type wire struct {
	target string       // socket of the server
	delay  atomic.Int64 // of what is sent, each way
	mu     sync.Mutex
	gate   chan struct{} // closed while it passes
}

// newWire returns a wire to a private server, and the server's URL through it.
func newWire(t *testing.T, server *testserver.Postgres) (*wire, string) {
	t.Helper()
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{target: filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432"), gate: make(chan struct{})}
	close(w.gate)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c)
		}
	}()
	return w, fmt.Sprintf("postgres://postgres@%s%s?sslmode=disable", l.Addr(), u.Path)
}

// hang stops everything on the way, until the returned function is called.
func (w *wire) hang() (on func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	gate := make(chan struct{})
	w.gate = gate
	return func() { close(gate) }
}

func (w *wire) pass() {
	w.mu.Lock()
	gate := w.gate
	w.mu.Unlock()
	<-gate
}

func (w *wire) carry(client net.Conn) {
	defer client.Close()
	w.pass()
	server, err := net.Dial("unix", w.target)
	if err != nil {
		return
	}
	defer server.Close()
	one := func(to, from net.Conn) {
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			w.pass()
			time.Sleep(time.Duration(w.delay.Load()))
			if n > 0 {
				if _, err := to.Write(buf[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		to.Close()
		from.Close()
	}
	go one(server, client)
	one(client, server)
}

// TestCallsGoOnWhateverTheDatabaseDoes serves calls from two gateways while
// their database hangs, refuses to be written, or loses its connections. No
// call may fail, and each is stored once in the end.
func TestCallsGoOnWhateverTheDatabaseDoes(t *testing.T) {
	readOnly := func(t *testing.T, server *testserver.Postgres, value string) {
		t.Helper()
		sql(t, server, "ALTER SYSTEM SET default_transaction_read_only = "+value)
		sql(t, server, "SELECT pg_reload_conf()")
	}
	for name, trouble := range map[string]func(*testing.T, *testserver.Postgres, *wire, []*process){
		"hangs": func(t *testing.T, _ *testserver.Postgres, w *wire, gateways []*process) {
			on := w.hang()
			time.Sleep(2 * time.Second)
			waiting(t, gateways)
			on()
		},
		"is read-only": func(t *testing.T, server *testserver.Postgres, _ *wire, gateways []*process) {
			readOnly(t, server, "on")
			time.Sleep(2 * time.Second)
			waiting(t, gateways)
			readOnly(t, server, "off")
		},
		"fails over": func(t *testing.T, server *testserver.Postgres, _ *wire, _ []*process) { // as what stands before it does: connections break, again and again
			for range 10 {
				sql(t, server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cartrita'")
				time.Sleep(100 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testserver.NewPostgres(t)
			wire, address := newWire(t, server)
			lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 2000})
			config := writeFile(t, "own.yaml", "store: "+address+"\n"+fmt.Sprintf(soundConfig, lab))
			gateways := []*process{start(t, t.TempDir(), "--config", config), start(t, t.TempDir(), "--config", config)}
			whole := underLoad(t, gateways, func() { trouble(t, server, wire, gateways) })
			storedOnce(t, gateways[1], whole)
			for i, p := range gateways {
				if n := strings.Count(p.output(), "the store does not take calls"); n > 3 {
					t.Errorf("gateway %d says %d times that the store does not take calls", i, n)
				}
			}
		})
	}
}

// waiting wants calls to wait in the spool of each gateway: the trouble is real.
func waiting(t *testing.T, gateways []*process) {
	t.Helper()
	for i, p := range gateways {
		if _, body := p.probe("/metrics"); !strings.Contains(body, "cartrita_spool_backlog_bytes ") || strings.Contains(body, "cartrita_spool_backlog_bytes 0\n") {
			t.Errorf("nothing waits in the spool of gateway %d", i)
		}
	}
}

// sql runs a statement on a connection of its own.
func sql(t *testing.T, server *testserver.Postgres, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.URL())
	if err == nil {
		_, err = conn.Exec(t.Context(), statement)
		_ = conn.Close(t.Context())
	}
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// underLoad calls the gateways while something happens, and a little before and
// after, and returns the ids of the calls. None may fail.
func underLoad(t *testing.T, gateways []*process, happens func()) (ids []string) {
	t.Helper()
	stop := make(chan struct{})
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
				r := gateways[n%len(gateways)].chat("hello", n%3 == 0)
				if !r.whole {
					t.Errorf("a call failed: %s", r.reason)
					return
				}
				mu.Lock()
				ids = append(ids, r.id)
				mu.Unlock()
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	happens()
	time.Sleep(300 * time.Millisecond)
	close(stop)
	wg.Wait()
	if len(ids) < 50 {
		t.Errorf("only %d calls were made: there was no load", len(ids))
	}
	return ids
}

// storedOnce waits until every call has its terminal event, and wants no more.
func storedOnce(t *testing.T, p *process, ids []string) {
	t.Helper()
	var kinds map[string][]string
	waitFor(t, 30*time.Second, "every call is stored", func() bool {
		kinds, _ = terminalEvents(p)
		return len(kinds) >= len(ids)
	})
	for _, id := range ids {
		if len(kinds[id]) != 1 {
			t.Errorf("call %s has the terminal events %v, want one", id, kinds[id])
		}
	}
	if len(kinds) != len(ids) {
		t.Errorf("%d calls are stored, %d were made", len(kinds), len(ids))
	}
}

// smallDisk mounts a file system of so many bytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: a full disk. A file system of its own cannot be mounted (that takes root): %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", disk).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	return disk
}

// fill leaves no room on a disk, and returns the file that takes it.
func fill(t *testing.T, disk string) string {
	t.Helper()
	filler, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); err == nil; {
		_, err = filler.Write(chunk)
	}
	filler.Close()
	return filler.Name()
}

// TestADiskThatIsSmallerThanASegment fills a small disk with calls while the database
// is away: what is stored afterwards makes room, also for a gateway that was killed.
func TestADiskThatIsSmallerThanASegment(t *testing.T) {
	disk := smallDisk(t, "2500k")
	server := testserver.NewPostgres(t)
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 2000})
	config := writeFile(t, "own.yaml", "store: "+server.URL()+"\n"+fmt.Sprintf(soundConfig, lab))
	data := filepath.Join(disk, "data")
	p := start(t, data, "--config", config)
	var mu sync.Mutex
	var ids []string
	call := func() bool {
		r := p.chat("hello", false)
		switch {
		case r.whole:
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, r.id)
		case !strings.HasPrefix(r.reason, "503"):
			t.Errorf("a call fails with %s, want 503", r.reason)
		}
		return r.whole
	}
	for range 2 {
		server.Stop(t)
		var calling sync.WaitGroup
		for range 8 {
			calling.Go(func() {
				for call() {
				}
			})
		}
		calling.Wait()
		if status, body := p.probe("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "no space left on device") {
			t.Errorf("while calls are refused, /readyz says %d %s", status, body)
		}
		if status, _ := p.probe("/healthz"); status != http.StatusOK {
			t.Errorf("/healthz says %d", status)
		}
		server.Start(t)
		p.waitReady()
		if !call() {
			t.Error("when all is stored a call is refused")
		}
	}
	storedOnce(t, p, ids)

	server.Stop(t)
	for call() {
	}
	p.kill()
	server.Start(t)
	p = start(t, data, "--config", config)
	if !call() {
		t.Error("after a restart on the full disk a call is refused")
	}
	storedOnce(t, p, ids)
	if strings.Contains(p.output(), "waiting for the database") {
		t.Errorf("it waited for the database:\n%s", p.output())
	}
}

// TestAFullDiskRefusesWhatCannotBeRecorded fills the disk under the spool, and
// empties it again.
func TestAFullDiskRefusesWhatCannotBeRecorded(t *testing.T) {
	disk := smallDisk(t, "4m")
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 2000})
	config := writeFile(t, "own.yaml", "store: "+testserver.Database(t)+"\nevents: {segment: 64KiB, max_spool: 1MiB}\n"+fmt.Sprintf(soundConfig, lab))
	p := start(t, filepath.Join(disk, "data"), "--config", config)
	ids := underLoad(t, []*process{p}, func() {})

	filler := fill(t, disk)
	refused, told := 0, false
	waitFor(t, 30*time.Second, "calls are refused, and /readyz says why", func() bool {
		r := p.chat("hello", false)
		if r.whole { // there was room in the segment at hand
			ids = append(ids, r.id)
			return false
		}
		if !strings.HasPrefix(r.reason, "503") {
			t.Fatalf("a call fails with %s, want 503", r.reason)
		}
		refused++
		status, body := p.probe("/readyz")
		told = told || status == http.StatusServiceUnavailable && strings.Contains(body, "no space left on device")
		return refused > 5 && told
	})
	if status, body := p.probe("/metrics"); status != http.StatusOK || strings.Contains(body, "cartrita_unrecordable_calls_total 0\n") {
		t.Error("the metrics count no call that could not be recorded")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 30*time.Second, "calls are served again", func() bool {
		r := p.chat("hello", false)
		if r.whole {
			ids = append(ids, r.id)
		}
		return r.whole
	})
	kinds, _ := terminalEvents(p)
	for _, id := range ids {
		if n := len(kinds[id]); n != 1 {
			t.Errorf("call %s has %d terminal events", id, n)
		}
	}
}

// TestAGatewayStartsOnAFullDisk: it says why it is not ready, and serves once there is
// room.
func TestAGatewayStartsOnAFullDisk(t *testing.T) {
	disk := smallDisk(t, "4m")
	lab := upstream(t, mock.Profile{Name: "sound", AnswerTokens: 5, TokensPerSecond: 2000})
	config := writeFile(t, "own.yaml", "store: "+testserver.Database(t)+"\n"+fmt.Sprintf(soundConfig, lab))
	data := filepath.Join(disk, "data")
	start(t, data, "--config", config).stop()
	filler := fill(t, disk)
	p := launch(t, data, "--config", config)
	waitFor(t, 20*time.Second, "it says why it is not ready", func() bool {
		status, body := p.probe("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "no space left on device")
	})
	if r := p.chat("hello", false); !strings.HasPrefix(r.reason, "503") {
		t.Errorf("a call gives %q, want 503", r.reason)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.waitReady()
	if r := p.chat("hello", false); !r.whole {
		t.Errorf("with room a call fails: %s", r.reason)
	}
}
