package key

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Defaults of a Config.
const (
	DefaultPoll  = time.Second
	DefaultFlush = 30 * time.Second
)

// Config is what a Ring needs.
type Config struct {
	Store  Store            // required
	Secret []byte           // server secret, at least SecretBytes; required
	Clock  func() time.Time // default time.Now
	Logger *slog.Logger     // default: discards
	Poll   time.Duration    // of the store, in Run; default DefaultPoll
	Flush  time.Duration    // between writing when keys were last used, in Run; default DefaultFlush
	// OnWrite is called when a key was written here, and returns at once; default:
	// nothing.
	OnWrite func()
}

// Ring holds all keys. Use New, then Load.
type Ring struct {
	store   Store
	hash    *hasher
	clock   func() time.Time
	log     *slog.Logger
	poll    time.Duration
	flush   time.Duration
	written func()
	nudged  chan struct{}
	index   atomic.Pointer[index]
	mu      sync.Mutex // of writers; guards what follows
	stored  uint64     // version of the store that index holds
	loaded  bool
	foreign int // keys that were made with another secret
}

// index is all keys at one moment. Immutable, but for when a key was last used.
type index struct {
	byID   map[model.KeyID]*entry
	owners map[string]bool // users who own a key that was not revoked
}

func newIndex(byID map[model.KeyID]*entry) *index {
	x := &index{byID: byID, owners: map[string]bool{}}
	for _, e := range byID {
		if e.doc.User != "" && e.doc.Revoked.IsZero() {
			x.owners[e.doc.User] = true
		}
	}
	return x
}

type entry struct {
	doc    document
	number int
	id     *Identity
	used   *usage // survives changes of the key
}

// usage is when a key was last used, in seconds since the epoch.
type usage struct {
	last  atomic.Int64
	saved int64 // what the store knows; guarded by Ring.mu
}

// New makes a Ring without touching the store. It is empty until Load. Errors:
// KindInvalid.
func New(c Config) (*Ring, error) {
	if c.Store == nil {
		return nil, model.Invalidf("key.New", "store", "is required")
	}
	if len(c.Secret) < SecretBytes {
		return nil, model.Invalidf("key.New", "secret", "has %d bytes; want at least %d", len(c.Secret), SecretBytes)
	}
	r := &Ring{store: c.Store, hash: newHasher(c.Secret), clock: c.Clock, log: c.Logger, poll: c.Poll, flush: c.Flush, written: c.OnWrite, nudged: make(chan struct{}, 1)}
	if r.clock == nil {
		r.clock = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.poll <= 0 {
		r.poll = DefaultPoll
	}
	if r.flush <= 0 {
		r.flush = DefaultFlush
	}
	if r.written == nil {
		r.written = func() {}
	}
	r.index.Store(&index{})
	return r, nil
}

// The refusals of Find.
var (
	errUnknown  = model.Errorf("key.Find", model.KindUnauthenticated, "the API key is not known here")
	errExpired  = model.Errorf("key.Find", model.KindUnauthenticated, "the API key has expired")
	errRevoked  = model.Errorf("key.Find", model.KindUnauthenticated, "the API key was revoked")
	errReplaced = model.Errorf("key.Find", model.KindUnauthenticated, "the API key was rotated; use the new one")
)

// Find returns whose token it is. Both results are nil for a token that is not
// one of a virtual key. Errors: KindUnauthenticated.
func (r *Ring) Find(token string) (*Identity, *model.Error) {
	id, ok := idOf(token)
	if !ok {
		return nil, nil
	}
	e := r.index.Load().byID[id]
	if e == nil {
		return nil, errUnknown
	}
	now := r.clock()
	known, late := false, false
	r.hash.digest(token, func(sum []byte) {
		for i := range e.doc.Secrets {
			s := &e.doc.Secrets[i]
			if subtle.ConstantTimeCompare(sum, s.Digest) == 1 {
				known, late = true, !s.Until.IsZero() && !now.Before(s.Until)
			}
		}
	})
	// Only who holds a secret of the key learns what became of it.
	switch state := e.doc.State(now); {
	case !known:
		return nil, errUnknown
	case state == StateRevoked:
		return nil, errRevoked
	case state == StateExpired:
		return nil, errExpired
	case late:
		return nil, errReplaced
	}
	e.used.touch(now)
	return e.id, nil
}

// touch writes at most once a second, so that the cache line stays shared.
func (u *usage) touch(now time.Time) {
	if s := now.Unix(); s > u.last.Load() {
		u.last.Store(s)
	}
}

// Any reports whether there is a key at all, of whatever state: a gateway that
// once wanted keys does not open when the last one ends.
func (r *Ring) Any() bool { return len(r.index.Load().byID) > 0 }

// Owns reports whether the user owns a key: then only such a key may speak for
// that user.
func (r *Ring) Owns(user string) bool { return r.index.Load().owners[user] }

// HasAdmin reports whether a key that may manage keys is accepted now.
func (r *Ring) HasAdmin() bool {
	now := r.clock()
	for _, e := range r.index.Load().byID {
		if e.doc.Role.Has(Manage) && e.doc.State(now) == StateActive {
			return true
		}
	}
	return false
}

// Load reads the keys from the store. Call it once, before anything else. A
// stored key that cannot be read is refused to its holder, and logged.
func (r *Ring) Load(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reload(ctx)
}

// reload reads every key. The version is asked first: a write in between is
// then noticed by the next poll. The caller holds mu.
func (r *Ring) reload(ctx context.Context) error {
	version, err := r.store.KeysVersion(ctx)
	if err != nil {
		return err
	}
	list, err := r.store.LoadKeys(ctx)
	if err != nil {
		return err
	}
	old := r.index.Load()
	byID := make(map[model.KeyID]*entry, len(list))
	foreign := 0
	for _, s := range list {
		e := r.entry(s, old.byID[s.ID])
		byID[s.ID] = e
		if len(e.doc.Secrets) > 0 && e.doc.Secrets[0].Server != r.hash.fingerprint {
			foreign++
		}
	}
	if foreign > r.foreign {
		r.log.Error("keys were made with another server secret and cannot be recognised: restore key.secret, or give all gateways one keys.secret, or rotate them", "keys", foreign)
	}
	r.foreign = foreign
	r.index.Store(newIndex(byID))
	r.stored, r.loaded = version, true
	return nil
}

func (r *Ring) entry(s Stored, old *entry) *entry {
	if old != nil && old.number == s.Number {
		return old
	}
	e := &entry{number: s.Number, used: &usage{}}
	if old != nil {
		e.used = old.used
	}
	if !s.LastUsed.IsZero() && s.LastUsed.Unix() > e.used.last.Load() {
		e.used.last.Store(s.LastUsed.Unix())
		e.used.saved = s.LastUsed.Unix()
	}
	if err := json.Unmarshal(s.Doc, &e.doc); err != nil {
		r.log.Error("a stored API key cannot be read and is refused", "key_id", s.ID, "error", err)
		e.doc = document{Key: Key{ID: s.ID, Name: "unreadable", Revoked: time.Unix(0, 0).UTC()}}
	}
	e.doc.ID = s.ID
	e.id = e.doc.identity()
	return e
}

// Run keeps the ring in step with other processes and writes when keys were
// last used, until ctx ends, then once more. Failures of the store are logged
// once until it answers again.
func (r *Ring) Run(ctx context.Context) error {
	poll, flush := time.NewTicker(r.poll), time.NewTicker(r.flush)
	defer poll.Stop()
	defer flush.Stop()
	failing := false
	for {
		var err error
		select {
		case <-ctx.Done():
			return r.Flush(context.WithoutCancel(ctx))
		case <-poll.C:
			err = r.Refresh(ctx)
		case <-r.nudged:
			err = r.Refresh(ctx)
		case <-flush.C:
			if err = r.Flush(ctx); err == nil {
				continue // it may have had nothing to write
			}
		}
		switch {
		case ctx.Err() != nil:
		case err != nil && !failing:
			r.log.Warn("the store of API keys does not answer; changes by other processes are not seen", "error", err)
		case err == nil && failing:
			r.log.Info("the store of API keys answers again")
		}
		failing = err != nil
	}
}

// Fingerprint tells rings by their secrets apart, and does not tell these: a key
// that was made under one secret is not known under another.
func (r *Ring) Fingerprint() string { return r.hash.fingerprint }

// Nudge has Run ask the store now: another process wrote to it. It returns at once.
func (r *Ring) Nudge() {
	select {
	case r.nudged <- struct{}{}:
	default: // Run has yet to ask
	}
}

// Refresh reads the keys again if another process wrote one.
func (r *Ring) Refresh(ctx context.Context) error {
	version, err := r.store.KeysVersion(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if version == r.stored {
		return nil
	}
	return r.reload(ctx)
}

// Flush writes when keys were last used.
func (r *Ring) Flush(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	used := map[model.KeyID]time.Time{}
	for id, e := range r.index.Load().byID {
		if last := e.used.last.Load(); last > e.used.saved {
			used[id] = time.Unix(last, 0).UTC()
		}
	}
	if len(used) == 0 {
		return nil
	}
	if err := r.store.TouchKeys(ctx, used); err != nil {
		return err
	}
	for id, t := range used {
		r.index.Load().byID[id].used.saved = t.Unix()
	}
	return nil
}
