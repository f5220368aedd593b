// Command cartrita is the model registry and router as one binary: the
// gateway (serve), a model server for tests and demonstrations (mock), and the
// commands that ask it and change it.
//
// Every command that reads or changes data speaks the HTTP API of the gateway,
// so there is one path to everything. If no gateway is running, the same
// gateway is put together in this process, on the same data directory, and its
// handler is called without a network (see connect.go and transport.go).
//
// This is the one package that knows every other; what it adds is the wiring
// (assemble.go, endpoints.go), the terminal (output.go, table.go) and nothing
// that a library user would miss.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/cartrita/cartrita/model"
)

func main() {
	// Nobody reads heap profiles; their table grows for as long as a gateway meets
	// new ways to allocate, and a dependency has them switched on.
	runtime.MemProfileRate = 0
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	a := &app{ctx: ctx, in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}
	code := a.run(os.Args[1:])
	stop()
	os.Exit(code)
}

// app is one run of the command: its surroundings, all replaceable in tests.
type app struct {
	ctx      context.Context
	in       io.Reader
	out, err io.Writer
	environ  []string // "NAME=value"
}

// run parses the command line, runs the command and returns the exit code.
func (a *app) run(args []string) int {
	if len(args) > 0 && args[0] == completeCommand {
		a.complete(args[1:])
		return exitOK
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	var root cli
	exited, exit := false, exitOK
	parser, err := a.parser(&root, func(code int) { exited, exit = true, code })
	if err != nil {
		panic(err) // the command line is described wrongly
	}
	parsed, err := parse(parser, args)
	if exited { // help was printed
		return exit
	}
	if err != nil {
		fmt.Fprintf(a.err, "cartrita: %s\n", err)
		return exitUsage
	}
	p := a.printer(&root.Globals)
	err = parsed.Run(a, &root.Globals, p)
	if err != nil {
		p.fail(err)
	}
	return exitCode(a.ctx, err)
}

func (a *app) parser(root *cli, exit func(int)) (*kong.Kong, error) {
	return kong.New(root,
		kong.Name("cartrita"),
		kong.Description("Registers models, routes calls to them, prices them and records what happened."),
		kong.Writers(a.out, a.err),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Help(a.help),
		kong.BindTo(a.ctx, (*context.Context)(nil)),
	)
}

func childNamed(n *kong.Node, name string) *kong.Node {
	for _, c := range n.Children {
		if c.Name == name && !c.Hidden {
			return c
		}
	}
	return nil
}

// getenv looks a variable up in the surroundings of the run.
func (a *app) getenv(name string) string {
	value := ""
	for _, kv := range a.environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v // the last one counts, as in exec
		}
	}
	return value
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// The exit codes.
const (
	exitOK          = 0
	exitFailure     = 1   // anything else
	exitUsage       = 2   // the command line is wrong
	exitInvalid     = 3   // a request, file or configuration was refused as wrong
	exitNotFound    = 4   // no such model, call or file
	exitUnavailable = 5   // no gateway answers, or no model server can serve now
	exitForbidden   = 6   // credentials or a budget do not allow it
	exitNoCandidate = 7   // every endpoint was excluded
	exitPartly      = 8   // done, but some records were left out as wrong
	exitInterrupted = 130 // Ctrl-C
)

// exitNotes documents the codes in the help.
const exitNotes = `Exit codes: 0 done, 1 failed, 2 wrong command line, 3 input or configuration refused, 4 not found,
  5 no gateway or model server answers, 6 not allowed, 7 every endpoint excluded, 8 done except for
  records that were wrong, 130 interrupted.`

func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	var partly *partlyError
	if errors.As(err, &partly) {
		return exitPartly
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	switch model.KindOf(err) {
	case model.KindInvalid, model.KindTooLarge, model.KindConflict, model.KindContextLength, model.KindContentPolicy:
		return exitInvalid
	case model.KindNotFound:
		return exitNotFound
	case model.KindUnavailable, model.KindTimeout, model.KindUpstream, model.KindUpstreamAuth, model.KindRateLimited:
		return exitUnavailable
	case model.KindUnauthenticated, model.KindForbidden, model.KindBudget:
		return exitForbidden
	case model.KindNoCandidate:
		return exitNoCandidate
	default:
		return exitFailure
	}
}
