package gateway

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/internal/gate"
	"github.com/cartrita/cartrita/model"
)

// Gateway is the HTTP handler. Make it with New.
type Gateway struct {
	cfg        Config
	routes     routes
	keys       atomic.Pointer[keyring]
	answers    answers
	gate       *gate.Gate
	criteria   criteriaDecoder
	estimating strict.Decoder[cartrita.EstimateRequest]
	similar    strict.Decoder[similarRequest]
	prompts    *prompts // nil: none are embedded
	bodies     byteBudget
	local      [sha256.Size]byte // digest of Config.LocalToken
	metrics    *metrics
	heartbeat  time.Duration // of event streams
	stopping   chan struct{} // closed by Drain
	drain      sync.Once
}

// New makes a Gateway. It does no I/O. The errors are KindInvalid and name the
// field of the Config.
func New(cfg Config) (*Gateway, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, heartbeat: heartbeat, stopping: make(chan struct{}), criteria: newCriteriaDecoder()}
	g.estimating, g.similar = strict.For[cartrita.EstimateRequest](opParse), strict.For[similarRequest](opParse)
	if err := g.SetAPIKeys(cfg.APIKeys); err != nil {
		return nil, err
	}
	g.local = sha256.Sum256([]byte(cfg.LocalToken))
	l := cfg.Limits
	g.gate = gate.New(l.MaxConcurrent, l.MaxQueue)
	g.bodies.limit = l.MaxBodyMemory
	if cfg.Embeddings.Sample > 0 {
		g.prompts = newPrompts(g)
	}
	g.metrics = newMetrics(g)
	g.routes = g.routeTable()
	return g, nil
}

// SetAPIKeys replaces the keys that callers may present, for requests that
// arrive from now on. On an error the former keys stay.
func (g *Gateway) SetAPIKeys(keys []APIKey) error {
	ring, err := newKeyring(keys)
	if err != nil {
		return err
	}
	g.keys.Store(&ring)
	return nil
}

// Wait returns when no call is under way, or ctx is done.
func (g *Gateway) Wait(ctx context.Context) {
	const often = 5 * time.Millisecond
	for {
		if inside, waiting := g.gate.Load(); inside+waiting == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(often):
		}
	}
}

// Drain begins the shutdown: /readyz answers that no new calls are wanted, and
// event streams, which would never end by themselves, end. Calls run on, and
// those that arrive all the same are served until the server is shut down.
func (g *Gateway) Drain() { g.drain.Do(func() { close(g.stopping) }) }

// Server returns an HTTP server for the gateway with its limits set. The
// caller listens, serves and shuts down; its Shutdown drains the gateway and
// lets the answers under way finish.
func (g *Gateway) Server() *http.Server {
	l := g.cfg.Limits
	s := &http.Server{
		Handler:           g,
		ReadHeaderTimeout: l.HeaderTimeout,
		WriteTimeout:      withSlack(l.WriteTimeout), // of one write: the exchange moves it on
		IdleTimeout:       l.IdleTimeout,
		MaxHeaderBytes:    l.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(g.cfg.Logger.Handler(), slog.LevelDebug),
	}
	s.RegisterOnShutdown(g.Drain)
	return s
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{g: g, w: w, r: r, received: g.cfg.Clock(), id: model.NewCallID()}
	x.renewAt = time.Now().Add(g.cfg.Limits.WriteTimeout / 4)
	defer x.finish() //nolint:contextcheck // the exchange has the request
	rt, err := g.routes.find(r)
	x.route = rt
	if err != nil {
		x.fail(err)
		return
	}
	if !rt.open {
		who, refused, err := g.authorize(r)
		if err == nil {
			x.who = who
			if err = x.mayServe(); err != nil {
				refused = "role"
			}
		}
		if err != nil {
			g.metrics.refused(refused)
			x.fail(err)
			return
		}
	}
	if x.who != nil {
		x.signed()
	}
	rt.serve(x)
}

// finish runs when the handler is done, also after a panic: the caller gets an
// error instead of a cut connection where that is still possible.
func (x *exchange) finish() {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it bare
			panic(p)
		}
		x.g.logPanic(x, p)
		x.fail(&model.Error{Op: "gateway.ServeHTTP", Kind: model.KindInternal})
	}
	x.leaveBody()
	x.g.metrics.request(x)
	if log := x.g.cfg.Logger; log.Enabled(x.r.Context(), slog.LevelDebug) {
		log.LogAttrs(x.r.Context(), slog.LevelDebug, "request",
			slog.String("request_id", x.requestID()), slog.String("method", x.r.Method), slog.String("path", x.r.URL.Path),
			slog.Int("status", x.status), slog.Duration("took", x.g.cfg.Clock().Sub(x.received)))
	}
}

// ready reports whether new calls are wanted.
func (g *Gateway) ready(ctx context.Context) error {
	select {
	case <-g.stopping:
		return model.Errorf("gateway.ready", model.KindUnavailable, "shutting down")
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return g.cfg.Ready(ctx)
}

// readyTimeout bounds what /readyz may take, so that a probe gets an answer.
const readyTimeout = 2 * time.Second
