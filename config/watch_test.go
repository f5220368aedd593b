package config

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// watched runs a Watcher on a real file and tells what it applied.
type watched struct {
	*Watcher
	file    string
	applied chan []Change
	refuse  error
	log     *lines
}

// lines passes on what is logged, one line at a time.
type lines struct{ ch chan string }

func (l *lines) Write(b []byte) (int, error) {
	l.ch <- string(b)
	return len(b), nil
}

func (l *lines) wait(t *testing.T, part string) {
	t.Helper()
	for {
		select {
		case s := <-l.ch:
			if strings.Contains(s, part) {
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("nothing was logged with %q", part)
		}
	}
}

func watchFile(t *testing.T, text string) *watched {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := &watched{file: filepath.Join(t.TempDir(), "c.yaml"), applied: make(chan []Change, 8), log: &lines{make(chan string, 64)}}
	w.write(t, text)
	opts := Options{File: w.file}
	current, err := Load(opts)
	if err != nil {
		t.Fatal(err)
	}
	w.Watcher = NewWatcher(WatcherConfig{
		Current: current, Logger: slog.New(slog.NewTextHandler(w.log, nil)),
		Apply: func(_ context.Context, _ *Loaded, d []Change) error {
			if w.refuse == nil {
				w.applied <- d
			}
			return w.refuse
		},
	})
	return w
}

func (w *watched) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

// write replaces the file as editors do: a new file, renamed over the old one.
func (w *watched) write(t *testing.T, text string) {
	t.Helper()
	tmp := w.file + ".tmp"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, w.file); err != nil {
		t.Fatal(err)
	}
}

func (w *watched) want(t *testing.T, line string) {
	t.Helper()
	select {
	case d := <-w.applied:
		if len(d) != 1 || d[0].String() != line {
			t.Fatalf("applied %v, want %s", d, line)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("nothing was applied, want %s", line)
	}
}

func TestReloadKeepsTheLastGoodOne(t *testing.T) {
	w := watchFile(t, "router: {max_attempts: 2}\n")
	w.run(t)

	w.write(t, "router: {max_attempts: 4}\n")
	w.Reload()
	w.want(t, "router.max_attempts: 2 → 4")

	w.write(t, "router: {max_atempts: 5}\n")
	w.Reload()
	w.log.wait(t, "did you mean max_attempts?")
	w.log.wait(t, "the last good one stays in force")
	if n := w.Current().Router.MaxAttempts; n != 4 {
		t.Errorf("max_attempts is %d, want the last good 4", n)
	}

	w.write(t, "router: {max_attempts: 6}\n")
	w.Reload()
	w.want(t, "router.max_attempts: 4 → 6")
}

func TestReloadThatCannotBeAppliedChangesNothing(t *testing.T) {
	w := watchFile(t, "router: {max_attempts: 2}\n")
	w.refuse = errors.New("no such model")
	w.run(t)
	w.write(t, "router: {max_attempts: 4}\n")
	w.Reload()
	w.log.wait(t, "no such model")
	if n := w.Current().Router.MaxAttempts; n != 2 {
		t.Errorf("max_attempts is %d, want 2", n)
	}
}

func TestChangedFileIsNoticed(t *testing.T) {
	w := watchFile(t, "router: {max_attempts: 2}\n")
	w.run(t)
	w.Reload()
	w.log.wait(t, "without a difference") // it watches by now
	w.write(t, "router: {max_attempts: 4}\n")
	w.want(t, "router.max_attempts: 2 → 4")
	w.write(t, "router: {max_attempts: 3}\n")
	w.want(t, "router.max_attempts: 4 → 3")
}

// A log that is written beside the file does not keep a change from being seen.
func TestChangedFileIsNoticedInABusyDirectory(t *testing.T) {
	w := watchFile(t, "router: {max_attempts: 2}\n")
	w.run(t)
	w.Reload()
	w.log.wait(t, "without a difference")
	stop, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-stopped }()
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(settle / 5):
				_ = os.WriteFile(filepath.Join(filepath.Dir(w.file), "noise.txt"), []byte{byte(n)}, 0o600)
			}
		}
	}()
	w.write(t, "router: {max_attempts: 4}\n")
	w.want(t, "router.max_attempts: 2 → 4")
}

// A change between the loading and the watching is not missed.
func TestChangeBeforeTheWatchIsNoticed(t *testing.T) {
	w := watchFile(t, "router: {max_attempts: 2}\n")
	w.write(t, "router: {max_attempts: 4}\n")
	w.run(t)
	w.want(t, "router.max_attempts: 2 → 4")
}

func TestWatcherWithoutFile(t *testing.T) {
	l := parse(t, "")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	NewWatcher(WatcherConfig{Current: l, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}).Run(ctx)
}
