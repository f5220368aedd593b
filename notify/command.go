package notify

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
)

// CommandConfig of a program.
type CommandConfig struct {
	Command []string      // the program and its arguments, as they are: no shell reads them; required
	Timeout time.Duration // default DefaultTimeout
}

// command runs a program for each message, with the notification as JSON at its
// standard input. Of the environment it gets only what lets programs run (kept)
// and CARTRITA_ALERT_RULE, _SEVERITY, _EVENT and _ID. When it takes too long it is
// ended with all that it began, and so is what it leaves behind.
type command struct {
	argv    []string
	timeout time.Duration
}

const commandOp = "notify.Command"

// NewCommand makes a channel of a program. Errors: KindInvalid.
func NewCommand(c CommandConfig) (alert.Channel, error) {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return nil, model.Invalidf(commandOp, "command", "is missing")
	}
	if slices.ContainsFunc(c.Command, func(s string) bool { return strings.ContainsRune(s, 0) }) {
		return nil, model.Invalidf(commandOp, "command", "want text without NUL")
	}
	timeout, err := checkTimeout(commandOp, c.Timeout)
	if err != nil {
		return nil, err
	}
	return &command{slices.Clone(c.Command), timeout}, nil
}

const (
	// exitRefused is the exit status by which a program says that the message can
	// never be delivered: EX_DATAERR of sysexits.h.
	exitRefused = 65
	// saidLength is how much of the end of standard error an error repeats.
	saidLength = 300
	// letGo is how long what a program left behind may hold its standard error.
	letGo = time.Second
)

// kept are the variables of ours that a program gets.
var kept = []string{"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "SYSTEMROOT"}

// Send implements alert.Channel.
func (c *command) Send(ctx context.Context, n *alert.Notification) error {
	doc, err := whole(commandOp, n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	said := &tail{most: 4 * saidLength}
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...) //nolint:gosec // the configuration says what to run; only a gateway's own file may
	cmd.Stdin, cmd.Stderr, cmd.Env, cmd.WaitDelay = bytes.NewReader(doc), said, environment(n), letGo
	group(cmd)
	err = cmd.Run()
	end(cmd)
	return c.outcome(ctx, cmd, err, said)
}

func (c *command) outcome(ctx context.Context, cmd *exec.Cmd, err error, said *tail) error {
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return model.Errorf(commandOp, model.KindTimeout, "the command was ended after %s%s", c.timeout, said.words())
	case ctx.Err() != nil:
		return model.Errorf(commandOp, model.KindCanceled, "it was cut off")
	case errors.As(err, &exit):
		kind := model.KindUnavailable
		if exit.ExitCode() == exitRefused {
			kind = model.KindInvalid
		}
		return model.Errorf(commandOp, kind, "the command ends with %s%s", exit.ProcessState, said.words())
	case errors.Is(err, os.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return model.Errorf(commandOp, model.KindUnavailable, "there is no command %s", filepath.Base(c.argv[0]))
	case errors.Is(err, os.ErrPermission):
		return model.Errorf(commandOp, model.KindUnavailable, "the command %s may not be run", filepath.Base(c.argv[0]))
	}
	return model.Errorf(commandOp, model.KindUnavailable, "the command %s cannot be run", filepath.Base(c.argv[0]))
}

func environment(n *alert.Notification) (env []string) {
	for _, name := range kept {
		if v, set := os.LookupEnv(name); set {
			env = append(env, name+"="+v)
		}
	}
	return append(env,
		"CARTRITA_ALERT_RULE="+line(n.Rule, nameLength, ""), "CARTRITA_ALERT_SEVERITY="+line(string(n.Severity), nameLength, ""),
		"CARTRITA_ALERT_EVENT="+line(string(n.Event), nameLength, ""), "CARTRITA_ALERT_ID="+line(n.ID, nameLength, ""))
}

// tail keeps the end of what is written.
type tail struct {
	most int
	kept []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.most; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// words are the end of what was said, for an error.
func (t *tail) words() string {
	s := line(string(t.kept), t.most, "")
	if s == "" {
		return ""
	}
	if r := []rune(s); len(r) > saidLength {
		s = "…" + string(r[len(r)-saidLength:])
	}
	return ", saying: " + s
}
