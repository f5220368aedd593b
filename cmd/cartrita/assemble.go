package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/registry/catalogue"
	"github.com/cartrita/cartrita/registry/schema"
	"github.com/cartrita/cartrita/route"
	"github.com/cartrita/cartrita/store/memory"
)

// store is what keeps everything: SQLite in the data directory, PostgreSQL, or memory.
type store interface {
	registry.Store
	key.Store
	event.Sink
	event.Reader
	event.SpendReader
	budget.Store
	event.NoticeStore
	event.History
	Close() error
}

// node is a whole gateway, put together. close takes it apart.
type node struct {
	app      *app
	log      *slog.Logger
	secrets  *config.Secrets
	store    store
	registry *registry.Registry
	keys     *key.Ring
	events   *event.Log
	budgets  *budget.Book
	service  *cartrita.Service

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
	ctx        context.Context // of the background work
	stop       context.CancelFunc
}

// assembleOptions are what a node needs besides the configuration.
type assembleOptions struct {
	Log    *slog.Logger
	Tracer trace.Tracer // nil: no traces
	// LocalToken lets in, as an administrator, who can read the data directory. Empty: nobody.
	LocalToken string
}

// assemble puts a node together in the order of the dependencies. On an error
// it takes apart what was there. Nothing runs until start.
func (a *app) assemble(l *config.Loaded, o assembleOptions) (_ *node, err error) {
	n := &node{app: a, log: o.Log, secrets: a.secrets(), config: l, others: map[string]found{}}
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
	n.registry = registry.New(registry.Config{
		Store: n.store, Logger: o.Log, Embedder: newEmbedder(&l.Embeddings, n.secrets), Catalogue: cat,
	})
	if err = n.registry.Load(a.ctx); err != nil {
		return nil, err
	}
	if n.keys, err = a.openKeys(l, n.store, n.secrets, o.Log); err != nil {
		return nil, err
	}
	if n.events, err = event.Open(eventConfig(&l.Config, n.store, o.Log)); err != nil {
		return nil, err
	}
	if n.estimator, n.learned, err = learner(a.ctx, &l.Config, o.Log); err != nil {
		return nil, err
	}
	if n.budgets, err = newBook(n.store, n.events, o.Log); err != nil {
		return nil, err
	}
	seed, err := promptSeed(&l.Config, n.secrets)
	if err != nil {
		return nil, err
	}
	n.service, err = cartrita.New(cartrita.Config{
		Registry: n.registry, Events: n.events, Reader: n.store, Cost: n.estimator, Budgets: n.budgets.Ledger(), Logger: o.Log,
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
	return model.Errorf("", model.KindUnavailable, "the data directory %s cannot be used: %v", dir, err)
}

func eventConfig(c *config.Config, s store, log *slog.Logger) event.Config {
	e := event.Config{
		Sink: s, Notices: s, Logger: log,
		SegmentBytes: int64(c.Events.Segment), MaxBytes: int64(c.Events.MaxSpool),
	}
	if c.Store != config.StoreMemory {
		e.Dir = filepath.Join(c.Data, "spool")
	}
	if c.Events.Fsync == config.FsyncBatch {
		e.Sync = event.SyncBatch
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
	c.Budgets = publicBook{n.budgets, n.events}
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

// apiKeys resolves the keys of callers. One that cannot be read or is too short
// is an error: its holder would be locked out without a word.
func apiKeys(c *config.Config, secrets *config.Secrets) ([]gateway.APIKey, error) {
	keys := make([]gateway.APIKey, len(c.APIKeys))
	for i, k := range c.APIKeys {
		key, err := apiKey(i, k, secrets)
		if err != nil {
			return nil, err
		}
		keys[i] = key
	}
	return keys, nil
}

func apiKey(i int, k config.APIKey, secrets *config.Secrets) (gateway.APIKey, error) {
	secret, err := secrets.Resolve(string(k.Key))
	if err == nil && len(secret) < gateway.MinKeyBytes {
		err = model.Invalidf("", fmt.Sprintf("api_keys[%d].key", i), "%s holds %d characters; want at least %d", k.Key, len(secret), gateway.MinKeyBytes)
	}
	role := key.RoleAdmin
	if err == nil && k.Role != "" {
		err = role.UnmarshalText([]byte(k.Role))
	}
	tags := slices.Sorted(slices.Values(k.Tags))
	return gateway.APIKey{
		Name: k.Name, Secret: secret, Role: role,
		Caller: model.Caller{User: k.User, Team: k.Team, Project: k.Project, Tags: slices.Compact(tags)},
	}, err
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
	n.config, n.clients, n.settings, n.warnings = l, next, &now, l.Locate(toProblems(f.warnings))
	return nil
}

// current returns the configuration in force.
func (n *node) current() *config.Loaded {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.config
}

// warn logs what keeps endpoints of the configuration from being used, and
// budgets from counting.
func (n *node) warn() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.warnings {
		n.log.Warn("configuration: " + w.String())
	}
	for _, w := range n.gateway.BudgetWarnings() {
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

func toProblems(list []pathProblem) []config.Problem {
	var out []config.Problem
	for _, p := range list {
		out = append(out, config.Problem{Path: p.path, Message: p.message})
	}
	return out
}

// placed translates what the registry refuses, by its own numbering, into
// problems of the configuration with their lines.
func placed(l *config.Loaded, f *fleet, err error) error {
	raw, jerr := json.Marshal(model.AsError(err).Details)
	var details struct {
		Problems []schema.Problem `json:"problems"`
	}
	if jerr != nil || json.Unmarshal(raw, &details) != nil || len(details.Problems) == 0 {
		return err
	}
	var out []config.Problem
	for _, p := range details.Problems {
		path := translate(p.Path, "endpoints", f.places)
		path = translate(path, "models", f.records)
		out = append(out, config.Problem{Path: endpointFields.Replace(path), Message: p.Message})
	}
	return l.Refuse(out)
}

// endpointFields maps the registry's names of an endpoint's fields to ours.
var endpointFields = strings.NewReplacer("].model_id", "].model", "].endpoint_id", "].upstream", "].cost_profile", "].pricing")

// translate replaces "list[3]" at the start of a path by the third place.
func translate(path, list string, places []string) string {
	rest, ok := strings.CutPrefix(path, list+"[")
	if !ok {
		return path
	}
	num, rest, _ := strings.Cut(rest, "]")
	i := 0
	for _, c := range num {
		i = i*10 + int(c-'0')
	}
	if i >= len(places) || places[i] == "" {
		return path
	}
	return places[i] + rest
}

func newStrategies(r *config.Router) (*route.Strategies, error) {
	var own []route.Strategy
	for name, s := range r.Strategies {
		own = append(own, route.Strategy{
			Name:    name,
			Weights: model.Weights(s.Weights),
			Limits: route.Limits{
				MaxCost: s.Limits.MaxCost, MaxCostPer1KTokens: s.Limits.MaxCostPer1KTokens, MaxLatencyMS: s.Limits.MaxLatencyMS,
				MinQuality: s.Limits.MinQuality, MaxRisk: s.Limits.MaxRisk, CommercialUse: s.Limits.CommercialUse,
				RequiredTags: s.Limits.RequiredTags, ExcludedTags: s.Limits.ExcludedTags,
			},
			Fallback: route.Fallback{
				Scope: route.Scope(s.Fallback.Scope), NoLessSafe: s.Fallback.NoLessSafe, ContentPolicy: s.Fallback.ContentPolicy,
			},
		})
	}
	slices.SortFunc(own, func(a, b route.Strategy) int { return strings.Compare(a.Name, b.Name) })
	return route.NewStrategies(r.DefaultStrategy, own...)
}

// start begins the background work: storing events, noticing other writers. It
// returns when the budgets know what was spent before.
func (n *node) start() error {
	n.background.Go(func() { n.logged("recording", n.events.Run(n.ctx)) })
	n.background.Go(func() { n.logged("watching the store", n.registry.Run(n.ctx)) })
	n.background.Go(func() { n.logged("watching the keys", n.keys.Run(n.ctx)) })
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
	if n.events != nil {
		n.logged("closing the spool", n.events.Close())
	}
	if n.store != nil {
		n.logged("closing the store", n.store.Close())
	}
}

// check finds out whether a configuration could be put in force: models exist,
// addresses are complete, strategies are valid, secrets can be read. It opens
// the store if there is one, since endpoints may refer to stored records, and
// adds to l's warnings.
func (a *app) check(l *config.Loaded) error {
	if _, err := newStrategies(&l.Router); err != nil {
		return err
	}
	if err := checkBudgets(l); err != nil {
		return err
	}
	cfg := registry.Config{}
	secrets := a.secrets()
	if l.Store != config.StoreMemory && (l.Store != config.StoreSQLite || fileExists(storePath(&l.Config))) {
		s, err := openStore(a.ctx, &l.Config, secrets, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }() // nothing was written
		cfg.Store = s
	}
	reg := registry.New(cfg)
	if err := reg.Load(a.ctx); err != nil {
		return err
	}
	f, problems := newFleet(&l.Config, reg.Catalogue(), secrets, a.getenv, nil)
	problems = append(problems, unreadable(&l.Config, secrets)...)
	l.Warnings = append(l.Warnings, l.Locate(toProblems(f.warnings))...)
	if err := l.Refuse(toProblems(problems)); err != nil {
		return err
	}
	if err := reg.SetEndpoints(f.endpoints, f.inline); err != nil {
		return placed(l, f, err)
	}
	return nil
}

// unreadable lists the secrets without which serve does not start.
func unreadable(c *config.Config, secrets *config.Secrets) (problems []pathProblem) {
	for i, k := range c.APIKeys {
		if _, err := apiKey(i, k, secrets); err != nil {
			problems = append(problems, pathProblem{fmt.Sprintf("api_keys[%d].key", i), model.AsError(err).Message})
		}
	}
	if c.Keys.Secret != "" {
		if _, err := configuredKeySecret(c, secrets); err != nil {
			problems = append(problems, pathProblem{"keys.secret", model.AsError(err).Message})
		}
	}
	for i, p := range c.Providers {
		if _, err := resolveHeaders(p.Headers, secrets); err != nil {
			problems = append(problems, pathProblem{fmt.Sprintf("providers[%d].headers", i), model.AsError(err).Message})
		}
	}
	return problems
}
