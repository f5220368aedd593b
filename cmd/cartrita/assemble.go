package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/health"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/registry/catalogue"
	"github.com/cartrita/cartrita/sink"
	"github.com/cartrita/cartrita/store/memory"
	"github.com/cartrita/cartrita/store/redis"
)

// store is what keeps everything: SQLite in the data directory, PostgreSQL, or memory.
type store interface {
	registry.Store
	registry.EmbeddingStore
	key.Store
	event.Sink
	event.Reader
	event.SpendReader
	budget.Store
	cluster.ConfigStore
	alert.Store
	audit.Store
	event.NoticeStore
	event.FeedStore
	event.History
	event.PromptStore
	Close() error
}

// node is a whole gateway, put together. close takes it apart.
type node struct {
	app      *app
	log      *slog.Logger
	secrets  *config.Secrets
	store    store
	redis    *redis.Client // nil: none is configured
	alone    bool          // nobody else can call
	bus      bus
	replica  *replica
	registry *registry.Registry
	keys     *key.Ring
	events   *event.Log
	budgets  *budget.Book
	limiter  *limit.Limiter
	sinks    []*sink.Runner
	alerts   *alert.Engine
	archive  *retention // nil: the store keeps what it can
	shared   *sharedConfig
	service  *cartrita.Service

	health    *health.Tracker
	opened    chan struct{} // a circuit did
	estimator *cost.Estimator
	learned   cost.Store // keeps what the estimator learns; nil in memory

	gateway *gateway.Gateway

	mu       sync.Mutex // held while endpoints change; guards what follows
	config   *config.Loaded
	clients  clients
	settings *cartrita.Settings // in force; nil before the first
	warnings []config.Problem   // of the configuration in force
	others   map[string]found   // servers found running, by the name of their provider

	background sync.WaitGroup
	sending    sync.WaitGroup  // to sinks
	ctx        context.Context // of the background work
	stop       context.CancelFunc
	leaveRedis func() // nil: it was not begun
}

// assembleOptions are what a node needs besides the configuration.
type assembleOptions struct {
	Log    *slog.Logger
	Tracer trace.Tracer // nil: no traces
	// LocalToken lets in, as an administrator, who can read the data directory. Empty: nobody.
	LocalToken string
	// Alone is set where nobody else can call: keys of the configuration let nobody in.
	Alone bool
}

// assemble puts a node together in the order of the dependencies. On an error
// it takes apart what was there. Nothing runs until start.
func (a *app) assemble(l *config.Loaded, o assembleOptions) (_ *node, err error) {
	n := &node{app: a, log: o.Log, secrets: a.secrets(), alone: o.Alone, others: map[string]found{}}
	n.ctx, n.stop = context.WithCancel(context.WithoutCancel(a.ctx))
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	// The two longest steps of a start at once: unpacking the catalogue and
	// opening the store.
	cat := sync.OnceValues(catalogue.Load)
	n.background.Go(func() { _, _ = cat() }) // Load returns its error
	if n.store, err = openStore(a.ctx, &l.Config, n.secrets, o.Log); err != nil {
		return nil, err
	}
	if n.redis, err = newRedis(a.ctx, &l.Config, n.store, n.secrets, o.Log); err != nil {
		return nil, err
	}
	n.bus, n.replica = newBus(n.store, n.redis, o.Log), newReplica(n, l.Alerts.Every.Std())
	n.alerts = n.newAlerts()
	if l, err = n.withShared(l, o.Alone); err != nil {
		return nil, err
	}
	if o.Alone {
		l.APIKeys = nil
	}
	n.registry = registry.New(registry.Config{
		Store: n.store, Logger: o.Log, Catalogue: cat, Poll: n.bus.poll, OnWrite: n.bus.tell(cluster.TopicModels),
	})
	if err = n.registry.Load(a.ctx); err != nil {
		return nil, err
	}
	if n.keys, err = a.openKeys(l, n.secrets, key.Config{
		Store: n.store, Logger: o.Log, Poll: n.bus.poll, OnWrite: n.bus.tell(cluster.TopicKeys),
	}); err != nil {
		return nil, err
	}
	if n.events, err = event.Open(n.eventConfig(&l.Config, o.Alone)); err != nil {
		return nil, &diskError{err}
	}
	if n.estimator, n.learned, err = learner(a.ctx, &l.Config, o.Log); err != nil {
		return nil, err
	}
	if n.budgets, err = newBook(n.store, n.events, &l.Config, n.bus.tell(cluster.TopicBudgets), o.Log); err != nil {
		return nil, err
	}
	n.limiter = newLimiter(n.store, n.redis, o.Log)
	if !o.Alone { // what lives for one command sends nothing
		if err = n.newSinks(l); err != nil {
			return nil, err
		}
	}
	seed, err := promptSeed(&l.Config, n.secrets)
	if err != nil {
		return nil, err
	}
	if n.health, err = n.newHealth(); err != nil {
		return nil, err
	}
	n.service, err = cartrita.New(cartrita.Config{
		Health: n.health, Registry: n.registry, Events: n.events, Reader: n.store, Cost: n.estimator, Budgets: n.budgets.Ledger(), Limits: n.limiter, Logger: o.Log,
		PromptSeed: seed,
	})
	if err != nil {
		return nil, err
	}
	if err = n.apply(l); err != nil {
		return nil, err
	}
	cfg, err := n.gatewayConfig(l, o)
	if err != nil {
		return nil, err
	}
	n.gateway, err = gateway.New(cfg)
	return n, err
}

func storePath(c *config.Config) string { return filepath.Join(c.Data, "cartrita.db") }

// openStore opens what the configuration names. Beside a database elsewhere,
// the data directory still holds the spool and this gateway's own files.
func openStore(ctx context.Context, c *config.Config, secrets *config.Secrets, log *slog.Logger) (store, error) {
	if c.Store == config.StoreMemory {
		return opened(memory.New(memory.Config{}))
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, dataError(c.Data, err)
	}
	s, err := newStorage(c, secrets)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, log)
}

// opened keeps a nil store of one kind from becoming a store that is not nil.
func opened[S store](s S, err error) (store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func dataError(dir string, err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &diskError{model.Errorf("", model.KindUnavailable, "the data directory %s cannot be used: %v", dir, err)}
}

func (n *node) eventConfig(c *config.Config, alone bool) event.Config {
	e := event.Config{
		Sink: watched{n.store, n.alerts.Sampler()}, Notices: n.store, Logger: n.log,
		SegmentBytes: int64(c.Events.Segment), MaxBytes: int64(c.Events.MaxSpool),
	}
	if c.Store != config.StoreMemory {
		e.Dir = filepath.Join(c.Data, "spool")
	}
	if c.Events.Fsync == config.FsyncBatch {
		e.Sync = event.SyncBatch
	}
	if s, ok := n.store.(event.SharedStore); ok && n.redis != nil && c.Events.SharedBuffer > 0 && !alone {
		e.Shared = &event.SharedConfig{
			Buffer: func(name string) event.SharedBuffer { return n.redis.Events(name) }, Store: s, Calls: c.Events.SharedBuffer,
		}
	}
	return e
}

func (n *node) gatewayConfig(l *config.Loaded, o assembleOptions) (gateway.Config, error) {
	keys, err := apiKeys(&l.Config, n.secrets)
	if err != nil {
		return gateway.Config{}, err
	}
	c, lim := gateway.FromService(n.service), &l.Limits
	c.APIKeys, c.AllowedHosts, c.Notices = keys, l.AllowedHosts, n.store
	c.Prompts, c.Embeddings = n.store, gateway.Embeddings{Model: l.Embeddings.Model, Timeout: l.Embeddings.Timeout.Std()}
	if !o.Alone { // what lives for one command ends before the vectors came
		c.Embeddings.Sample = l.Embeddings.Prompts.Sample
	}
	c.Limiter = n.limiter
	c.Collectors = n.collectors()
	c.Budgets, c.SharedConfig = publicBook{n.budgets, n.events}, n.shared
	c.Cluster, c.Alerts, c.Trail = n.replica, n.alerts, n.store
	c.Keys, c.RequireKeys, c.LocalToken = n.keys, l.Keys.Required == config.KeysAlways, o.LocalToken
	c.Schemas, c.Version, c.Logger, c.Tracer = schemas(), buildVersion(), o.Log, o.Tracer
	c.Limits = gateway.Limits{
		MaxBodyBytes: int64(lim.Body), MaxBodyMemory: int64(lim.BodyMemory), MaxHeaderBytes: int(lim.Header),
		HeaderTimeout: lim.HeaderTimeout.Std(), BodyTimeout: lim.BodyTimeout.Std(), WriteTimeout: lim.WriteTimeout.Std(),
		IdleTimeout: lim.IdleTimeout.Std(), QueueTimeout: lim.QueueTimeout.Std(),
		MaxConcurrent: lim.Concurrency, MaxQueue: lim.Queue,
	}
	if lim.Queue == 0 {
		c.Limits.MaxQueue = -1 // 0 would be the default
	}
	return c, nil
}

// apply puts endpoints, clients and strategies in force, at the start and
// after a reload. On an error what was there stays.
func (n *node) apply(l *config.Loaded) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.applyLocked(l)
}

func (n *node) applyLocked(l *config.Loaded) error {
	strategies, err := newStrategies(&l.Router)
	if err == nil {
		err = checkBudgets(l)
	}
	if err == nil {
		err = checkRateLimits(l)
	}
	var alerts alert.Settings
	if err == nil {
		// A command goes on where a secret of a channel is not to be had.
		if alerts, err = alertSettings(l, n.secrets); n.alone {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	if !l.Discovery.Ollama {
		delete(n.others, ollamaName)
	}
	f, problems := newFleet(&l.Config, n.registry.Catalogue(), n.secrets, n.app.getenv, n.othersByName())
	if err := l.Refuse(toProblems(problems)); err != nil {
		return err
	}
	next, err := n.clients.update(f, n.secrets)
	if err != nil {
		return err
	}
	settings := func(c clients) cartrita.Settings {
		return cartrita.Settings{
			Providers: c.byName(), Strategies: strategies, MaxAttempts: l.Router.MaxAttempts, MaxQueue: l.Router.EndpointQueue,
		}
	}
	// While endpoints change, the clients of old and new ones are at hand: no
	// call meets an endpoint without its client.
	if err := n.service.Configure(settings(n.clients.with(next))); err != nil {
		return err
	}
	if err := n.registry.SetEndpoints(f.endpoints, f.inline); err != nil {
		if n.settings != nil {
			n.logged("going back", n.service.Configure(*n.settings))
		}
		return placed(l, f, err)
	}
	now := settings(next)
	if err := n.service.Configure(now); err != nil {
		return err
	}
	if err := n.budgets.Configure(budgetsOf(&l.Config)); err != nil {
		return err
	}
	if err := n.limiter.Configure(rateLimitsOf(&l.Config)); err != nil {
		return err
	}
	n.alerts.Configure(alerts)
	n.config, n.clients, n.settings = l, next, &now
	n.warnings = l.Locate(toProblems(append(f.warnings, aimless(&l.Alerts, n.registry.Snapshot())...)))
	return nil
}

// current returns the configuration in force.
func (n *node) current() *config.Loaded {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.config
}

// warn logs what keeps endpoints of the configuration from being used, alert rules
// from watching, and budgets from counting.
func (n *node) warn() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.warnings {
		n.log.Warn("configuration: " + w.String())
	}
	for _, w := range append(n.gateway.BudgetWarnings(), n.gateway.LimitWarnings()...) {
		n.log.Warn(w)
	}
}

// add puts a server that was found running in force, in place of what was
// known of it. It reports whether that changed anything.
func (n *node) add(f found) (changed bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := f.provider.Name
	old, known := n.others[name]
	if known && reflect.DeepEqual(old, f) || !known && len(f.records) == 0 {
		return false, nil
	}
	n.others[name] = f
	if err := n.applyLocked(n.config); err != nil {
		n.others[name] = old
		if !known {
			delete(n.others, name)
		}
		return false, err
	}
	return true, nil
}

func (n *node) othersByName() []found {
	var out []found
	for _, f := range n.others {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b found) int { return strings.Compare(a.provider.Name, b.provider.Name) })
	return out
}

// start begins the background work: storing events, noticing other writers. It
// returns when the budgets know what was spent before.
func (n *node) start() error {
	if n.redis != nil {
		n.redis.Connect(n.ctx)
		ctx, cancel := context.WithCancel(context.WithoutCancel(n.ctx)) // what ends puts there what it leaves to others
		var watching sync.WaitGroup
		watching.Go(func() { n.logged("watching Redis", n.redis.Run(ctx)) })
		n.leaveRedis = func() { cancel(); watching.Wait() }
	}
	n.hear()
	n.background.Go(func() { n.logged("counting by rate limits", n.limiter.Run(n.ctx)) })
	n.background.Go(func() { n.logged("recording", n.events.Run(n.ctx)) })
	n.background.Go(func() { n.logged("watching the store", n.registry.Run(n.ctx)) })
	n.runSinks()
	if _, shared := sharedDatabase(n.store); shared {
		n.background.Go(func() { n.logged("following the events of others", n.events.FollowOthers(n.ctx, n.store)) })
		n.background.Go(func() { n.logged("following the shared buffer", n.events.FollowShared(n.ctx)) })
	}
	n.background.Go(func() { n.logged("watching the keys", n.keys.Run(n.ctx)) })
	n.background.Go(func() { n.logged("embedding prompts", n.gateway.Run(n.ctx)) })
	if n.learned != nil {
		n.background.Go(func() {
			t := time.NewTicker(saveEvery)
			defer t.Stop()
			n.keepLearned(n.ctx, t.C)
		})
	}
	if err := n.loadBudgets(); err != nil {
		return err
	}
	if err := n.alerts.Refresh(n.ctx); err != nil {
		return err
	}
	n.backfill()
	return nil
}

func (n *node) logged(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		n.log.Error(what+" ended", "error", err)
	}
}

// close ends the background work, which stores what was recorded, and
// releases everything that is there.
func (n *node) close() {
	n.stop()
	n.background.Wait()
	if n.leaveRedis != nil {
		n.leaveRedis()
	}
	if n.alerts != nil {
		n.alerts.Wait()
	}
	if n.budgets != nil {
		n.leaveBudgets()
	}
	if n.events != nil {
		n.logged("closing the spool", n.events.Close())
	}
	n.leaveSinks()
	if n.store != nil {
		n.logged("closing the store", n.store.Close())
	}
}
