//go:build unix

package testserver

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// watched is a server under a shell that ends it when this process is gone.
type watched struct {
	dir     string
	attr    *syscall.SysProcAttr
	watcher *exec.Cmd // nil while stopped
	hold    io.WriteCloser
}

func newWatched(dir string) watched {
	return watched{dir: dir, attr: &syscall.SysProcAttr{Setpgid: true}} // an interrupt at the terminal is not for it
}

// watch runs a server and waits for its input to end. With a word before, the
// directory stays: the server is to be started again.
const watch = ` >>"$2/log" 2>&1 </dev/null &
server=$!
read -r word
kill -%s $server 2>/dev/null
wait $server
[ -n "$word" ] || rm -rf "$2"`

// launch starts a server, a command of the shell with the program in $1 and the
// directory in $2, and returns when ready answers. The signal ends it at once.
func (s *watched) launch(command, signal, program string, ready func(context.Context) error, args ...string) (err error) {
	script := command + fmt.Sprintf(watch, signal)
	cmd := exec.CommandContext(context.Background(), "/bin/sh", append([]string{"-c", script, "sh", program, s.dir}, args...)...) //nolint:gosec // a fixed script
	cmd.SysProcAttr, cmd.Dir = s.attr, s.dir
	if s.hold, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.watcher = cmd
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		if err = ready(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("it does not start: %w\n%s", err, log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the server at once, as a crash would.
func (s *watched) Stop(t Failer) {
	t.Helper()
	if _, err := io.WriteString(s.hold, "stay\n"); err != nil {
		t.Fatal(err)
	}
	s.end()
}

func (s *watched) end() {
	_ = s.hold.Close() // the watcher reads the end, whatever this says
	_ = s.watcher.Wait()
	s.watcher = nil
}

// Remove ends the server for good.
func (s *watched) Remove() {
	if s.watcher != nil {
		s.end()
	}
	_ = os.RemoveAll(s.dir) // else the watcher did
}
