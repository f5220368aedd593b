package key

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// MaxGrace is the longest time that a rotated secret stays valid.
const MaxGrace = 90 * 24 * time.Hour

// maxSecrets bounds the secrets that are valid at once.
const maxSecrets = 4

// List returns every key, the newest first.
func (r *Ring) List() []Key {
	var out []Key
	for _, e := range r.index.Load().byID {
		out = append(out, e.key())
	}
	slices.SortFunc(out, func(a, b Key) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return out
}

// Get returns one key. Errors: KindNotFound.
func (r *Ring) Get(id model.KeyID) (Key, error) {
	if e := r.index.Load().byID[id]; e != nil {
		return e.key(), nil
	}
	return Key{}, notFound(id)
}

func notFound(id model.KeyID) *model.Error {
	return model.Errorf(op, model.KindNotFound, "no key has the id %.40q; see GET /api/v1/keys", string(id))
}

func (e *entry) key() Key {
	k := e.doc.Key
	if last := e.used.last.Load(); last > 0 {
		k.LastUsed = time.Unix(last, 0).UTC()
	}
	return k
}

// Create makes a key and returns its token, which nobody can read again.
// Errors: KindInvalid, KindConflict for a name that an active key has,
// KindUnavailable.
func (r *Ring) Create(ctx context.Context, f Fields, actor string) (Key, string, error) {
	now := r.now()
	doc := document{Key: Key{ID: newID(), Created: now, CreatedBy: actor, Changed: now, ChangedBy: actor}}
	if err := f.apply(&doc.Key, now); err != nil {
		return Key{}, "", err
	}
	token := newToken(doc.ID)
	doc.Secrets = []secret{r.secretOf(token)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.nameTaken(&doc.Key, now); err != nil {
		return Key{}, "", err
	}
	if err := r.save(ctx, &doc, 1); err != nil {
		return Key{}, "", err
	}
	return doc.Key, token, nil
}

// Update changes a key. Errors: KindInvalid, KindNotFound, KindConflict when it
// was revoked or is being changed elsewhere, or for a name that another active
// key has, KindUnavailable.
func (r *Ring) Update(ctx context.Context, id model.KeyID, f Fields, actor string) (Key, error) {
	return r.change(ctx, id, actor, func(d *document, now time.Time) error {
		before := d.Key
		if err := f.apply(&d.Key, now); err != nil {
			return err
		}
		if d.Name == before.Name && before.State(now) == StateActive {
			return nil
		}
		if err := r.nameTaken(&d.Key, now); err != nil {
			return err
		}
		return nil
	})
}

// nameTaken refuses a name that another active key has: people name keys when
// they revoke and rotate them. The caller holds mu.
func (r *Ring) nameTaken(k *Key, now time.Time) *model.Error {
	for _, e := range r.index.Load().byID {
		if e.doc.Name == k.Name && e.doc.ID != k.ID && e.doc.State(now) == StateActive {
			return &model.Error{Op: op, Kind: model.KindConflict, Param: "name", Message: fmt.Sprintf("the active key %s is named %q already", e.doc.ID, k.Name)}
		}
	}
	return nil
}

// Rotate gives a key a new secret. The former ones stay valid for the grace
// time, but no longer than they would have been. Errors as Update; KindConflict
// also when the key has expired, or has the most secrets already that may be
// valid at once.
func (r *Ring) Rotate(ctx context.Context, id model.KeyID, grace time.Duration, actor string) (Key, string, error) {
	if grace < 0 || grace > MaxGrace {
		return Key{}, "", model.Invalidf(op, "grace", "is %v; want at least 0 and at most %v", grace, MaxGrace)
	}
	var token string
	k, err := r.change(ctx, id, actor, func(d *document, now time.Time) error {
		if d.State(now) == StateExpired {
			return model.Errorf(op, model.KindConflict, "the key %s expired at %s: a new secret would serve nobody; give it a later expires first, or create another key",
				id, d.Expires.Format(time.RFC3339))
		}
		token = newToken(id)
		ends := now.Add(grace)
		next := []secret{r.secretOf(token)}
		for _, s := range d.Secrets {
			if s.Until.IsZero() || s.Until.After(ends) {
				s.Until = ends
			}
			if s.Until.After(now) {
				next = append(next, s)
			}
		}
		if len(next) > maxSecrets {
			free := slices.MinFunc(next[1:], func(a, b secret) int { return a.Until.Compare(b.Until) }).Until
			return model.Errorf(op, model.KindConflict, "the key %s has %d secrets that are valid, the most at once: rotate it after %s, when the first of them ends, or with a grace of 0, which ends them all now",
				id, maxSecrets, free.Format(time.RFC3339))
		}
		d.Secrets, d.Rotated, d.GraceEnds = next, now, time.Time{}
		for _, s := range next[1:] {
			if s.Until.After(d.GraceEnds) {
				d.GraceEnds = s.Until
			}
		}
		return nil
	})
	if err != nil {
		return Key{}, "", err
	}
	return k, token, nil
}

// Revoke ends a key for good. One that is revoked already stays as it is.
// Errors: KindNotFound, KindConflict, KindUnavailable.
func (r *Ring) Revoke(ctx context.Context, id model.KeyID, actor string) (Key, error) {
	if k, err := r.Get(id); err == nil && !k.Revoked.IsZero() {
		return k, nil
	}
	return r.change(ctx, id, actor, func(d *document, now time.Time) error {
		d.Revoked, d.GraceEnds = now, time.Time{}
		return nil
	})
}

// tries is how often a change is made anew over one of another process.
const tries = 3

// change applies f to the latest version of a key and saves it.
func (r *Ring) change(ctx context.Context, id model.KeyID, actor string, f func(d *document, now time.Time) error) (Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for try := 1; ; try++ {
		e := r.index.Load().byID[id]
		if e == nil {
			return Key{}, notFound(id)
		}
		if !e.doc.Revoked.IsZero() {
			return Key{}, model.Errorf(op, model.KindConflict, "the key %s was revoked; create another one", id)
		}
		doc, now := e.doc, r.now()
		doc.Secrets = slices.Clone(doc.Secrets)
		if err := f(&doc, now); err != nil {
			return Key{}, err
		}
		doc.Changed, doc.ChangedBy = now, actor
		err := r.save(ctx, &doc, e.number+1)
		if err == nil {
			return r.index.Load().byID[id].key(), nil
		}
		if model.KindOf(err) != model.KindConflict || try == tries {
			return Key{}, err
		}
		if err := r.reload(ctx); err != nil {
			return Key{}, err
		}
	}
}

// save writes a key and puts it in force. The caller holds mu.
func (r *Ring) save(ctx context.Context, doc *document, number int) error {
	raw, err := json.Marshal(doc)
	if err != nil {
		return &model.Error{Op: op, Kind: model.KindInternal, Err: err}
	}
	s := Stored{ID: doc.ID, Number: number, Doc: raw}
	if err := r.store.SaveKey(ctx, s); err != nil {
		return err
	}
	// The version of the store is left as it is: the next poll reads everything
	// once more, also what another process wrote in between.
	old := r.index.Load()
	byID := maps.Clone(old.byID)
	if byID == nil {
		byID = map[model.KeyID]*entry{}
	}
	byID[doc.ID] = r.entry(s, old.byID[doc.ID])
	r.index.Store(newIndex(byID))
	r.written()
	return nil
}

// now is a time as the store keeps it.
func (r *Ring) now() time.Time { return r.clock().UTC().Truncate(time.Microsecond) }

func (r *Ring) secretOf(token string) secret {
	s := secret{Server: r.hash.fingerprint}
	r.hash.digest(token, func(sum []byte) { s.Digest = bytes.Clone(sum) })
	return s
}
