package registry

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/catalogue"
	"github.com/cartrita/cartrita/registry/schema"
)

// DefaultPoll is how often Run asks the store whether another process wrote.
const DefaultPoll = time.Second

// Config is what a registry needs. The zero value is a registry of the
// embedded catalogue whose changes last as long as the process.
type Config struct {
	Store     Store                                // where changes are kept; default: in memory
	Clock     func() time.Time                     // default time.Now
	Logger    *slog.Logger                         // default: discards
	Catalogue func() (*catalogue.Catalogue, error) // default catalogue.Load
	Poll      time.Duration                        // of the store, in Run; default DefaultPoll
	OnWrite   func()                               // called when records were written here; returns at once; default: nothing
}

// Registry holds the records and endpoints. Use New.
type Registry struct {
	store   Store
	clock   func() time.Time
	log     *slog.Logger
	loadCat func() (*catalogue.Catalogue, error)
	poll    time.Duration
	onWrite func()
	nudged  chan struct{}

	snap    atomic.Pointer[Snapshot]
	schemas sync.Once
	valid   *schema.Validator
	vectors EmbeddingStore
	drifts  driftCache

	mu           sync.Mutex // of writers; guards what follows
	cat          *catalogue.Catalogue
	base         map[model.ModelID]*model.Model
	stored       map[model.ModelID]storedModel
	storeVersion uint64
	inline       map[model.ModelID]*model.Model
	endpoints    []model.Endpoint
}

// storedModel is the latest stored version of a record.
type storedModel struct {
	number int
	model  *model.Model
}

// New makes a registry without touching the store. It is empty until Load.
func New(c Config) *Registry {
	r := &Registry{
		store: c.Store, clock: c.Clock, log: c.Logger, loadCat: c.Catalogue, poll: c.Poll, onWrite: c.OnWrite, nudged: make(chan struct{}, 1),
		stored: map[model.ModelID]storedModel{}, inline: map[model.ModelID]*model.Model{},
	}
	if r.store == nil {
		r.store = newMemory()
	}
	var keeps bool
	if r.vectors, keeps = r.store.(EmbeddingStore); !keeps {
		r.vectors = new(Embeddings)
	}
	if r.clock == nil {
		r.clock = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.loadCat == nil {
		r.loadCat = catalogue.Load
	}
	if r.poll <= 0 {
		r.poll = DefaultPoll
	}
	if r.onWrite == nil {
		r.onWrite = func() {}
	}
	r.snap.Store(&Snapshot{})
	return r
}

// Load reads the catalogue and the store and publishes the first snapshot.
// Call it once, before anything else. A stored record that cannot be read
// (written by a newer version) is left out and logged. Errors are those of
// the store.
func (r *Registry) Load(ctx context.Context) error {
	cat, err := r.loadCat()
	if err != nil {
		return &model.Error{Op: "registry.Load", Kind: model.KindInternal, Err: err}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cat = cat
	r.base = make(map[model.ModelID]*model.Model, len(cat.Models))
	for _, m := range cat.Models {
		r.base[m.ID] = m
	}
	if err := r.reload(ctx); err != nil {
		return err
	}
	return r.publish()
}

// reload reads every stored record. The version is asked first: a write in
// between is then noticed by the next poll instead of being missed.
func (r *Registry) reload(ctx context.Context) error {
	version, err := r.store.ModelsVersion(ctx)
	if err != nil {
		return err
	}
	docs, err := r.store.LoadModels(ctx)
	if err != nil {
		return err
	}
	stored := make(map[model.ModelID]storedModel, len(docs))
	for _, d := range docs {
		var m model.Model
		if err := json.Unmarshal(d.Doc, &m); err != nil {
			r.log.Error("a stored model record cannot be read and is left out", "model_id", d.ID, "version", d.Number, "error", err)
			stored[d.ID] = storedModel{number: d.Number}
			continue
		}
		stored[d.ID] = storedModel{number: d.Number, model: &m}
	}
	r.stored, r.storeVersion = stored, version
	return nil
}

// Snapshot returns the current snapshot. It is empty before Load.
func (r *Registry) Snapshot() *Snapshot { return r.snap.Load() }

// Catalogue returns the embedded catalogue; nil before Load.
func (r *Registry) Catalogue() *catalogue.Catalogue {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cat
}

// Run keeps the registry in step with other processes that write to the same
// store, until ctx ends. It returns nil then. Failures of the store are logged
// once until it answers again.
func (r *Registry) Run(ctx context.Context) error {
	tick := time.NewTicker(r.poll)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-r.nudged:
		}
		err := r.refresh(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			r.log.Warn("the model store does not answer; the registry may be behind other processes", "error", err)
		}
		failing = err != nil
	}
}

// Nudge has Run ask the store now: another process wrote to it. It returns at once.
func (r *Registry) Nudge() {
	select {
	case r.nudged <- struct{}{}:
	default: // Run has yet to ask
	}
}

// refresh publishes a new snapshot if another process wrote to the store.
func (r *Registry) refresh(ctx context.Context) error {
	version, err := r.store.ModelsVersion(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if version == r.storeVersion || r.cat == nil {
		return nil
	}
	if err := r.reload(ctx); err != nil {
		return err
	}
	return r.publish()
}

// validator compiles the schema on the first write.
func (r *Registry) validator() *schema.Validator {
	r.schemas.Do(func() {
		v, err := schema.New()
		if err != nil { // the embedded schema is compiled by the tests
			panic(err)
		}
		r.valid = v
	})
	return r.valid
}
