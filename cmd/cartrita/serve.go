package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
)

type serveCmd struct {
	Listen    string   `help:"Address to listen on; port 0 takes a free one. Overrides the configuration." placeholder:"ADDR"`
	Store     string   `help:"Where records are kept: sqlite, memory, or a PostgreSQL URL (env:NAME or file:/path keep its password out of sight). Overrides the configuration." placeholder:"KIND"`
	Redis     string   `help:"URL of a Redis server that gateways share (env:NAME or file:/path keep its password out of sight). Overrides the configuration." placeholder:"URL"`
	LogLevel  string   `name:"log-level" help:"debug, info, warn or error. Overrides the configuration." placeholder:"LEVEL"`
	LogFormat string   `name:"log-format" help:"auto, text or json. Overrides the configuration." placeholder:"FORMAT"`
	Demo      demoMode `help:"Start demo models as well: --demo, or --demo=auto for only where nothing else is there to route to." placeholder:"WHEN"`
}

// flags are the settings that serve's flags override.
func (cmd *serveCmd) flags() []config.Flag {
	return []config.Flag{
		{Name: "--listen", Path: "listen", Value: cmd.Listen},
		{Name: "--store", Path: "store", Value: cmd.Store},
		{Name: "--redis", Path: "redis", Value: cmd.Redis},
		{Name: "--log-level", Path: "log.level", Value: cmd.LogLevel},
		{Name: "--log-format", Path: "log.format", Value: cmd.LogFormat},
	}
}

// Run serves until it is interrupted.
func (cmd *serveCmd) Run(a *app, g *globals, p *printer) error {
	l, err := config.Load(a.loadOptions(g, cmd.flags()...))
	if err != nil {
		return err
	}
	s := &server{app: a, p: p, loaded: l, level: new(slog.LevelVar)}
	s.log = a.newLogger(&l.Log, s.level)
	return s.run(cmd.Demo)
}

// server is a running gateway.
type server struct {
	app    *app
	p      *printer
	loaded *config.Loaded
	level  *slog.LevelVar
	log    *slog.Logger

	listener net.Listener
	node     *node
	withDemo bool
	url      string
	token    string // in server.json: who may read that is an administrator
}

// run does, in order: listen, so that a taken port is known at once; put the
// gateway together; answer. What can wait is done after that.
func (s *server) run(mode demoMode) error {
	l := s.loaded
	for _, w := range l.Warnings {
		s.log.Warn("configuration: " + w.String())
	}
	var err error
	if s.listener, err = listen(s.app.ctx, &l.Config); err != nil {
		return err
	}
	defer s.listener.Close()
	s.url = "http://" + s.listener.Addr().String()

	tracer, stopTracing, err := newTracer(s.app.ctx, &l.Telemetry, s.app.secrets(), s.log)
	if err != nil {
		return err
	}
	defer stopTracing()
	s.token = newSecret()
	log, started := newStartLog(s.log)
	err = s.untilDatabase(func() error {
		return s.putTogether(l, assembleOptions{Log: log, Tracer: tracer, LocalToken: s.token})
	})
	started()
	if err != nil {
		return err
	}
	defer s.node.close()
	s.loaded = s.node.current()
	s.level.Set(logLevel(s.loaded.Log.Level))
	s.node.shared.watcher = config.NewWatcher(config.WatcherConfig{Current: s.loaded, Apply: s.reload, Logger: s.log})
	s.node.warn()
	stopDemo, err := s.demo(mode)
	if err != nil {
		return err
	}
	defer stopDemo()
	return s.serve()
}

// putTogether makes the node and starts it, or leaves nothing.
func (s *server) putTogether(l *config.Loaded, o assembleOptions) (err error) {
	if s.node, err = s.app.assemble(l, o); err != nil {
		return err
	}
	if err = s.node.start(); err != nil {
		s.node.close()
		return err
	}
	s.node.join(s.listener.Addr().String())
	return nil
}

// demo starts demo models where the mode says so.
func (s *server) demo(mode demoMode) (stop func(), err error) {
	if mode == demoAuto {
		s.node.refreshOllama(s.app.ctx)
		if len(s.node.registry.Snapshot().Served) > 0 {
			mode = demoOff
		}
	}
	if mode == demoOff {
		return func() {}, nil
	}
	f, stop, err := startDemo()
	if err != nil {
		return nil, err
	}
	s.withDemo = true
	_, err = s.node.add(f)
	return stop, err
}

// serve answers requests until the context ends, then lets calls in progress
// finish. A second interrupt ends them.
func (s *server) serve() error {
	hs := s.node.gateway.Server()
	instance := rand.Text()
	hs.Handler = namedInstance(instance, hs.Handler)
	failed := make(chan error, 1)
	go func() { failed <- hs.Serve(s.listener) }()

	remove, err := s.announce(instance)
	if err != nil {
		_ = hs.Close() // nothing was answered yet
		return err
	}
	defer remove()
	stopWatching := s.watch()
	defer stopWatching()
	// What starting up allocated is given back to the system.
	settled := time.AfterFunc(time.Second, debug.FreeOSMemory)
	defer settled.Stop()

	select {
	case err := <-failed:
		return model.Errorf("", model.KindUnavailable, "the gateway stopped: %v", err)
	case <-s.app.ctx.Done():
	}
	return s.shutdown(hs)
}

// settleTimeout is how long calls that were cut off may take to settle.
const settleTimeout = 5 * time.Second

// shutdown lets load balancers turn away first: until the drain delay is over,
// calls are still accepted. A second interrupt ends either wait.
func (s *server) shutdown(hs *http.Server) error {
	delay, timeout := s.loaded.Limits.DrainDelay.Std(), s.loaded.Limits.ShutdownTimeout.Std()
	s.log.Info("shutting down; calls in progress may finish", "drain_delay", delay, "timeout", timeout)
	s.node.gateway.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), delay+timeout)
	defer cancel()
	ctx, stop := interruptible(ctx)
	defer stop()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
	}
	if err := hs.Shutdown(ctx); err != nil {
		s.log.Warn("calls were cut off at shutdown", "reason", err)
		_ = hs.Close() // Shutdown gave up on them
		// They settle what they have used; without that they would be charged what
		// was likely.
		settle, cancel := context.WithTimeout(context.Background(), settleTimeout)
		defer cancel()
		s.node.gateway.Wait(settle)
	}
	s.log.Info("stopped")
	return nil
}

// listen opens the address, and refuses one that others can reach while no key
// is configured: a name may stand for any address, so the real one counts.
func listen(ctx context.Context, c *config.Config) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, model.Errorf("", model.KindUnavailable, "cannot listen on %s: %v", c.Listen, err)
	}
	if len(c.APIKeys) == 0 && c.Keys.Required != config.KeysAlways && !onLoopback(l.Addr()) {
		l.Close()
		return nil, model.Invalidf("", "listen", "%s is %s, which other machines can reach: set api_keys or keys.required: always, or listen on 127.0.0.1", c.Listen, l.Addr())
	}
	return l, nil
}

func onLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// announce says where the gateway is: to people, and to commands by a file in
// the data directory.
func (s *server) announce(instance string) (remove func(), err error) {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return nil, err
	}
	s.url = "http://" + net.JoinHostPort(dialable(host), port)
	remove = func() {}
	if s.loaded.Store != config.StoreMemory {
		info := serverInfo{URL: s.url, PID: os.Getpid(), Instance: instance, Token: s.token, Version: buildVersion().Version, Started: time.Now().UTC()}
		remove, err = writeServerFile(s.loaded.Data, info)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			s.log.Warn("commands do not find this gateway by its data directory, whose disk is full: they need --server until it is started again", "error", err)
			remove = func() {}
		case err != nil:
			return nil, dataError(s.loaded.Data, err)
		}
	}
	snap := s.node.registry.Snapshot()
	s.p.printf("cartrita %s listens on %s\n", buildVersion().Version, s.p.style(bold, s.url))
	s.p.printf("%s, %s%s\n", plural(len(snap.Models), "model"), plural(len(snap.Served), "endpoint"), demoRemark(s.withDemo))
	s.suggest(len(snap.Served))
	s.log.Debug("listening", "url", s.url, "data", s.loaded.Data)
	return remove, nil
}

func demoRemark(demo bool) string {
	if demo {
		return " (demo models are among them: they answer with prepared sentences)"
	}
	return ""
}

// suggest prints three things to try.
func (s *server) suggest(endpoints int) {
	if endpoints == 0 {
		s.p.printf("\nNothing to route to yet: set a provider's key (such as OPENAI_API_KEY), name providers in %s, or start with --demo.\n", config.DefaultFile)
		return
	}
	auth, cli := "", os.Args[0]
	if len(s.loaded.APIKeys) > 0 || s.loaded.Keys.Required == config.KeysAlways || s.node.keys.Any() {
		auth = " -H \"Authorization: Bearer $CARTRITA_API_KEY\""
	}
	at := ""
	switch {
	case s.loaded.Store == config.StoreMemory:
		at = " --server " + s.url
	case s.loaded.Data != config.DefaultData:
		at = " --data " + s.loaded.Data
	}
	s.p.printf("\nTry:\n")
	for _, line := range []string{
		fmt.Sprintf(`curl -N %s/v1/chat/completions%s -d '{"model":"auto","stream":true,"messages":[{"role":"user","content":"Why do rivers bend?"}]}'`, s.url, auth),
		fmt.Sprintf(`%s chat%s "hello"`, cli, at),
		fmt.Sprintf(`%s explain%s last`, cli, at),
	} {
		s.p.printf("  %s\n", strings.TrimSpace(line))
	}
	s.p.printf("\n")
}

// newLogger logs to standard error. The level can change while it runs.
func (a *app) newLogger(c *config.Log, level *slog.LevelVar) *slog.Logger {
	level.Set(logLevel(c.Level))
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "text" || c.Format == "auto" && isTerminal(a.err) {
		return slog.New(slog.NewTextHandler(a.err, o))
	}
	return slog.New(slog.NewJSONHandler(a.err, o))
}

func logLevel(name string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelInfo // the configuration allows the four names only
	}
	return l
}
