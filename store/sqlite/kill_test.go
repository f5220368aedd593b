package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/sqlite"
	"github.com/cartrita/cartrita/store/storetest"
)

// childDir is set in a process that TestKill starts to be killed.
const childDir = "CARTRITA_TEST_KILL_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// child records calls as fast as it can until it is killed, and prints the id
// of each as soon as its outcome is recorded.
func child(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	store, err := sqlite.Open(context.Background(), sqlite.Config{Path: filepath.Join(dir, "cartrita.db")})
	fail(err)
	log, err := event.Open(event.Config{Dir: filepath.Join(dir, "spool"), Sink: store, SegmentBytes: 64 << 10, BatchDelay: 5 * time.Millisecond})
	fail(err)
	go func() { fail(log.Run(context.Background())) }()
	var out sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				rec := storetest.Sample(rand.IntN(1000)).Record
				rec.ID, rec.State, rec.Error = model.NewCallID(), model.StateCompleted, nil
				planned := *rec
				planned.State = model.StatePlanned
				fail(log.Intent(&planned))
				fail(log.Outcome(rec))
				out.Lock()
				fmt.Println(rec.ID)
				out.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestKill kills a recording process again and again. Every call whose outcome
// was recorded is stored once, as what it was; every other is there at most
// once; and the sums agree with the rows.
func TestKill(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	dir := t.TempDir()
	finished := map[model.CallID]bool{}
	for range rounds {
		runAndKill(t, dir, 1+rand.IntN(400), finished)
	}

	store := open(t, filepath.Join(dir, "cartrita.db"))
	defer store.Close()
	log, err := event.Open(event.Config{Dir: filepath.Join(dir, "spool"), Sink: store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- log.Run(ctx) }()
	if err := log.Flush(ctx); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	stored := everything(t, store)
	var cost model.Money
	interrupted := 0
	for id, c := range stored {
		cost += c.Record.Cost.Total
		if c.State == model.StateFailed && c.Record.Error.Message == "interrupted" {
			interrupted++
		} else if c.State != model.StateCompleted {
			t.Errorf("call %s is %s", id, c.State)
		}
		if c.Record.Plan == nil {
			t.Errorf("call %s lost its plan", id)
		}
	}
	for id := range finished {
		if c, ok := stored[id]; !ok || c.State != model.StateCompleted {
			t.Errorf("call %s was recorded and is stored as %q", id, c.State)
		}
	}
	report, err := store.Costs(t.Context(), event.CostQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if report.Total.Calls != int64(len(stored)) || report.Total.Cost != cost {
		t.Errorf("%d calls for %s are counted, %d for %s are stored", report.Total.Calls, report.Total.Cost, len(stored), cost)
	}
	t.Logf("%d calls seen to finish, %d stored, %d of them interrupted", len(finished), len(stored), interrupted)
}

// runAndKill starts a child, waits until it said so many calls finished, kills
// it, and adds all ids that it said.
func runAndKill(t *testing.T, dir string, calls int, finished map[model.CallID]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		id, err := model.ParseCallID(lines.Text())
		if err != nil {
			continue // the line that was cut by the kill
		}
		finished[id] = true
		if n == calls {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() > 0 {
		t.Fatalf("the child was to be killed and ended with %v", err)
	}
}

// everything lists all stored calls.
func everything(t *testing.T, s *sqlite.Store) map[model.CallID]event.Call {
	t.Helper()
	out := map[model.CallID]event.Call{}
	f := event.Filter{Limit: 1000, Plans: true}
	for {
		page, err := s.Calls(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Calls {
			if _, twice := out[c.ID]; twice {
				t.Errorf("call %s is listed twice", c.ID)
			}
			out[c.ID] = c
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return out
		}
	}
}
