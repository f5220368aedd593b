package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cartrita/cartrita/mock"
	"github.com/cartrita/cartrita/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a place to run commands: a data directory, a configuration and an
// environment of its own, with nothing found by itself.
type bench struct {
	t       *testing.T
	data    string
	config  string
	environ []string
}

func newBench(t *testing.T, config string) *bench {
	t.Helper()
	b := &bench{t: t, data: filepath.Join(t.TempDir(), "data")}
	b.config = filepath.Join(t.TempDir(), "cartrita.yaml")
	b.write(b.config, "listen: 127.0.0.1:0\ndiscovery: {env: false, ollama: false}\n"+config)
	return b
}

func (b *bench) write(path, text string) string {
	b.t.Helper()
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// file writes a file beside the configuration.
func (b *bench) file(name, text string) string {
	b.t.Helper()
	return b.write(filepath.Join(filepath.Dir(b.config), name), text)
}

// result is what a command did.
type result struct {
	code     int
	out, err string
}

func (b *bench) run(args ...string) result { b.t.Helper(); return b.runIn("", args...) }

func (b *bench) runIn(stdin string, args ...string) result {
	b.t.Helper()
	var out, errOut bytes.Buffer
	a := &app{ctx: b.t.Context(), in: strings.NewReader(stdin), out: &out, err: &errOut, environ: b.environ}
	code := a.run(append(args, "--config", b.config, "--data", b.data))
	return result{code, out.String(), errOut.String()}
}

// ok runs a command that must succeed and returns what it printed.
func (b *bench) ok(args ...string) string {
	b.t.Helper()
	r := b.run(args...)
	if r.code != exitOK {
		b.t.Fatalf("%v: exit code %d\n%s%s", args, r.code, r.out, r.err)
	}
	return r.out
}

// json runs a command that must succeed and decodes what it printed.
func (b *bench) json(v any, args ...string) {
	b.t.Helper()
	out := b.ok(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		b.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// mockSection starts mock models and returns a provider section that serves them.
func mockSection(t *testing.T, profiles ...mock.Profile) string {
	t.Helper()
	if len(profiles) == 0 {
		profiles = mock.Demo()
		for i := range profiles {
			profiles[i].TTFT, profiles[i].TokensPerSecond = 0, 0
		}
	}
	h, err := mock.New(mock.Config{Profiles: profiles, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	var b strings.Builder
	fmt.Fprintf(&b, "providers:\n- name: box\n  base_url: %s/v1\n  endpoints:\n", s.URL)
	for _, p := range profiles {
		record, err := json.Marshal(p.Record("box"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "  - {model: box/%s, upstream: %s, describe: %s}\n", p.Name, p.Name, record)
	}
	return b.String()
}

// running is a gateway started by serve in this process.
type running struct {
	b    *bench
	url  string
	out  *lineLog
	err  *lineLog
	stop func() int // interrupts it and returns its exit code
}

func (b *bench) serve(args ...string) *running {
	b.t.Helper()
	r := &running{b: b, out: newLineLog(b.t), err: newLineLog(b.t)}
	ctx, cancel := context.WithCancel(context.Background())
	a := &app{ctx: ctx, in: strings.NewReader(""), out: r.out, err: r.err, environ: b.environ}
	done := make(chan int, 1)
	go func() {
		done <- a.run(append([]string{"serve", "--config", b.config, "--data", b.data}, args...))
	}()
	var once sync.Once
	code := 0
	r.stop = func() int {
		once.Do(func() { cancel(); code = <-done })
		return code
	}
	b.t.Cleanup(func() { r.stop() })
	line := r.out.wait(" listens on ")
	r.url = strings.TrimSpace(line[strings.Index(line, "http://"):])
	return r
}

// lineLog collects lines and lets tests wait for them.
type lineLog struct {
	t    *testing.T
	mu   sync.Mutex
	all  []string
	more chan struct{}
}

func newLineLog(t *testing.T) *lineLog { return &lineLog{t: t, more: make(chan struct{}, 1)} }

func (l *lineLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	l.all = append(l.all, string(b))
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (l *lineLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "")
}

// wait returns the first line that holds part.
func (l *lineLog) wait(part string) string {
	l.t.Helper()
	limit := time.After(30 * time.Second)
	for {
		for line := range strings.Lines(l.String()) {
			if strings.Contains(line, part) {
				return line
			}
		}
		select {
		case <-l.more:
		case <-limit:
			l.t.Fatalf("no line with %q in:\n%s", part, l)
		}
	}
}

func TestUsage(t *testing.T) {
	b := newBench(t, "")
	if out := b.ok("--help"); !strings.Contains(out, "Exit codes") || !strings.Contains(out, "serve") {
		t.Errorf("help:\n%s", out)
	}
	for _, args := range [][]string{{"nonsense"}, {"models", "list", "--nope"}, {"models", "show"}, {"schema", "nothing"}, {"serve", "--demo=perhaps"}} {
		r := b.run(args...)
		if r.code != exitUsage || !strings.Contains(r.err, "Try: cartrita ") {
			t.Errorf("%v: exit code %d, %s", args, r.code, r.err)
		}
	}
	if r := b.run("models", "list", "--nope"); !strings.Contains(r.err, "Try: cartrita models list --help") {
		t.Errorf("the hint names the command: %s", r.err)
	}
	if r := b.run("--data", b.data, "models", "list", "--nope"); !strings.Contains(r.err, "Try: cartrita models list --help") {
		t.Errorf("the hint names the command behind flags: %s", r.err)
	}
}

// An unset variable of a script must not become "everything", nor a negative
// number an unknown flag.
func TestOddValues(t *testing.T) {
	b := newBench(t, mockSection(t))
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "--user is empty: want a value, or no --user at all", []string{"costs", "--user", ""}},
		{exitUsage, "--by is empty", []string{"replay", "--by="}},
		{exitUsage, "--since is empty", []string{"events", "--since", ""}},
		{exitUsage, "--kind is empty", []string{"events", "--kind", ""}},
		{exitUsage, "--timeout is -1s: want a length of time such as 30s", []string{"costs", "--timeout", "-1s"}},
		{exitInvalid, "--format: is csv, but --json asks for JSON", []string{"costs", "--format", "csv", "--json"}},
		{exitUsage, "<call> is empty: want a value", []string{"explain", ""}},
		{exitUsage, "<name> is empty", []string{"alerts", "delete", ""}},
		{exitUsage, "a text that begins with a dash stands behind --: cartrita chat -- \"-5 degrees?\"\nTry: cartrita chat --help", []string{"chat", "-5 degrees?"}},
		{exitUsage, "cartrita events similar -- \"--why\\tnot\"", []string{"events", "similar", "--limit", "3", "--why\tnot"}},
		{exitUsage, "Try: cartrita alerts delete --help", []string{"alerts", "delete", ""}},
		{exitInvalid, `limit: want an integer from 1 to 100000, found "-3"`, []string{"costs", "--limit", "-3"}},
		{exitInvalid, `limit: want an integer from 1 to 100000, found "0"`, []string{"costs", "--limit", "0"}},
		{exitInvalid, `since: want a time such as`, []string{"costs", "--since", "-3d"}},
		{exitInvalid, ", want a time after since, which is ", []string{"events", "--since", "1d", "--until", "2d"}},
		{exitInvalid, ", want a time after since, which is ", []string{"costs", "--since", "1d", "--until", "2d"}},
		{exitInvalid, "limit: is 3, but by day no group is left out", []string{"costs", "--by", "day", "--limit", "3"}},
		{exitInvalid, "limit: cannot be given for format=focus", []string{"costs", "--format", "focus", "--limit", "3"}},
		{exitInvalid, "is user, which cannot be restricted to one team", []string{"costs", "--by", "user", "--team", "x"}},
		{exitInvalid, "--limit: is 0: want 1 or more", []string{"events", "-n", "0"}},
		{exitInvalid, "--limit: is -5: want 1 or more", []string{"events", "list", "-n", "-5"}},
		{exitInvalid, "--count: is -1: want 0 or more", []string{"events", "tail", "-n", "-1"}},
		{exitInvalid, "--limit: is 0: want 1 or more", []string{"events", "similar", "why", "-n", "0"}},
		{exitInvalid, `changes: want an integer from 0 to 10000, found "-1"`, []string{"replay", "--changes", "-1"}},
		{exitInvalid, "threshold: is -1: want a number that is not negative", []string{"alerts", "create", "x", "--type", "error_rate", "--threshold", "-1"}},
		{exitInvalid, `scope.task: unknown task type "juggling"`, []string{"alerts", "create", "x", "--type", "error_rate", "--threshold", "0.1", "--task", "juggling"}},
		{exitNotFound, `no channel of the configuration has the name "nope": it has none`, []string{"alerts", "test", "nope"}},
		{exitInvalid, "kind: want one of model_call.planned, model_call.started", []string{"events", "--kind", "x"}},
	} {
		if r := b.run(c.args...); r.code != c.code || !strings.Contains(r.err, c.want) {
			t.Errorf("%q: exit code %d, want %d with %q:\n%s%s", c.args, r.code, c.code, c.want, r.out, r.err)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for kind := model.KindInternal; kind <= model.KindTimeout; kind++ {
		code := exitCode(context.Background(), &model.Error{Kind: kind})
		if code == exitOK || code == exitUsage || code == exitInterrupted {
			t.Errorf("%s gives exit code %d", kind, code)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if code := exitCode(ctx, &model.Error{Kind: model.KindCanceled}); code != exitInterrupted {
		t.Errorf("interrupted gives exit code %d", code)
	}
}

func TestVersionAndSchema(t *testing.T) {
	b := newBench(t, "")
	if out := b.ok("version"); !strings.HasPrefix(out, "cartrita ") {
		t.Errorf("version: %s", out)
	}
	for _, name := range []string{"model", "config"} {
		var schema struct {
			Schema string `json:"$schema"`
		}
		b.json(&schema, "schema", name)
		if !strings.Contains(schema.Schema, "json-schema.org") {
			t.Errorf("schema %s: %+v", name, schema)
		}
	}
}

// closedPort is an address at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	b := newBench(t, "")
	r := b.run("models", "list", "--server", closedPort(t))
	if r.code != exitUnavailable || !strings.Contains(r.err, "does not answer") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	if fileExists(b.data) {
		t.Error("a named server was replaced by one in this process")
	}
	var e struct {
		Error struct{ Code string } `json:"error"`
	}
	r = b.run("models", "list", "--server", closedPort(t), "--json")
	if json.Unmarshal([]byte(r.err), &e) != nil || e.Error.Code != "unavailable" {
		t.Errorf("with --json the error is JSON: %s", r.err)
	}
}
