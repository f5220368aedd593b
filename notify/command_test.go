//go:build unix

package notify

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
)

// run sends a notification to a shell script.
func run(ctx context.Context, t *testing.T, timeout time.Duration, script string, args ...string) error {
	t.Helper()
	c, err := NewCommand(CommandConfig{Command: append([]string{"/bin/sh", "-c", script, "sh"}, args...), Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return c.Send(ctx, samples()["firing"])
}

func TestACommandGetsTheNotification(t *testing.T) {
	t.Setenv("CARTRITA_T0PSECRET", "x")
	dir := t.TempDir()
	if err := run(t.Context(), t, 0, `cat > "$1/in"; env > "$1/env"; printf %s "$2" > "$1/arg"`, dir, `$(reboot); "'`); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	var n alert.Notification
	strictly(t, []byte(read("in")), &n)
	if n.ID != samples()["firing"].ID || len(n.Alerts) != 2 || n.At.Location() != time.UTC {
		t.Errorf("%+v", n)
	}
	if got := read("arg"); got != `$(reboot); "'` {
		t.Errorf("an argument arrives as %s", got)
	}
	env := read("env")
	for _, want := range []string{"CARTRITA_ALERT_RULE=slow-answers\n", "CARTRITA_ALERT_SEVERITY=critical\n", "CARTRITA_ALERT_EVENT=firing\n", "CARTRITA_ALERT_ID=" + n.ID + "\n", "PATH="} {
		if !strings.Contains(env, want) {
			t.Errorf("the environment has no %s:\n%s", want, env)
		}
	}
	if strings.Contains(env, "T0PSECRET") {
		t.Errorf("the environment has more than it must:\n%s", env)
	}
}

func TestWhatAnExitStatusMeans(t *testing.T) {
	for script, want := range map[string]struct {
		kind    model.Kind
		message string
	}{
		"exit 0":                             {0, ""},
		"echo out; exit 1":                   {model.KindUnavailable, "the command ends with exit status 1"},
		"echo 'no\033[31m way' >&2; exit 75": {model.KindUnavailable, "the command ends with exit status 75, saying: no [31m way"},
		"exit 64":                            {model.KindUnavailable, "the command ends with exit status 64"},
		"exit 65":                            {model.KindInvalid, "the command ends with exit status 65"},
		"kill -9 $$":                         {model.KindUnavailable, "the command ends with signal: killed"},
		"exec >&- 2>&- <&-; exit 0":          {0, ""},
		"yes x | head -c 9999 >&2; echo ' end' >&2; exit 1": {model.KindUnavailable, "x x end"},
	} {
		err := run(t.Context(), t, 0, script)
		if want.kind == 0 {
			if err != nil {
				t.Errorf("%s: %v", script, err)
			}
			continue
		}
		if e := model.AsError(err); e == nil || e.Kind != want.kind || !strings.HasSuffix(e.Message, want.message) || len(e.Message) > 2*saidLength {
			t.Errorf("%s: %v, want %s", script, err, want.message)
		}
	}
	for path, want := range map[string]string{"/no/such/T0PSECRET/program": "there is no command program", t.TempDir(): "may not be run", "no-such-program-anywhere": "there is no command"} {
		c, err := NewCommand(CommandConfig{Command: []string{path}})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(t.Context(), samples()["test"]); model.KindOf(err) != model.KindUnavailable || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "T0PSECRET") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// gone waits until a process is not there any more, but as a zombie nobody reaps.
func gone(t *testing.T, pidFile string) {
	t.Helper()
	raw, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil && syscall.Kill(pid, 0) != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("the process %d goes on", pid)
}

func TestNothingOutlivesACommand(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		kind   model.Kind
		in     time.Duration
	}{
		"one that hangs":            {`sleep 300 & echo $! > "$1"; wait`, model.KindTimeout, 5 * time.Second},
		"one that heeds no signal":  {`trap '' TERM INT HUP; sleep 300 & echo $! > "$1"; while :; do wait; done`, model.KindTimeout, 5 * time.Second},
		"one that leaves something": {`sleep 300 & echo $! > "$1"; exit 0`, 0, 5 * time.Second},
	} {
		file, begin := filepath.Join(t.TempDir(), "pid"), time.Now()
		err := run(t.Context(), t, 200*time.Millisecond, c.script, file)
		if c.kind == 0 && err != nil || c.kind != 0 && model.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(begin); took > c.in {
			t.Errorf("%s took %s", name, took)
		}
		gone(t, file)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := run(ctx, t, 0, "sleep 300"); model.KindOf(err) != model.KindCanceled {
		t.Errorf("cut off: %v", err)
	}
}

func TestACommandNeedNotRead(t *testing.T) {
	n := *samples()["firing"]
	n.Rule = strings.Repeat("x", 1<<20)
	c, err := NewCommand(CommandConfig{Command: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), &n); err != nil {
		t.Error(err)
	}
	n.Alerts[0].Value = 1
	if doc, err := whole("test", &n); err != nil || !json.Valid(doc) {
		t.Error(err)
	}
}
