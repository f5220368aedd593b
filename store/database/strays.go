package database

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/audit"
)

// Stray is a record that is not as the audit trail says that it was written.
type Stray struct {
	What   string `json:"what"` // model, key or config
	Object string `json:"object"`
	Why    string `json:"why"`
}

// Strays compares the models, keys and shared configurations that are in force
// with the audit trail: what was changed in SQL is not on it. Records from before
// there was a trail are left out. Errors are those of the store.
func Strays(ctx context.Context, s Store) ([]Stray, error) {
	// A record that is read before the trail must be on it, and one that is on it
	// must be there afterwards, whatever others write meanwhile.
	before, err := recordsOf(ctx, s)
	if err != nil {
		return nil, err
	}
	trail, err := writtenOf(ctx, s)
	if err != nil {
		return nil, err
	}
	after, err := recordsOf(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []Stray
	add := func(k recordKey, format string, args ...any) {
		out = append(out, Stray{k.what, k.object, fmt.Sprintf(format, args...)})
	}
	for k, w := range trail {
		r, ok := before[k]
		now, still := after[k]
		switch {
		case !still:
			add(k, "is gone")
		case now.version < w.last:
			add(k, "is at version %d, and was at version %d", now.version, w.last)
		case !ok || r.version < w.first: // it came since, or is older than the trail
		case w.digests[r.version] == "":
			add(k, "version %d is not on the audit trail", r.version)
		case w.digests[r.version] != r.digest:
			add(k, "version %d is not what was written", r.version)
		}
	}
	slices.SortFunc(out, func(a, b Stray) int { return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Object, b.Object)) })
	return out, nil
}

type recordKey struct{ what, object string }

type record struct {
	version int
	digest  string
}

// recordsOf reads the records in force.
func recordsOf(ctx context.Context, s Store) (map[recordKey]record, error) {
	out := map[recordKey]record{}
	models, err := s.LoadModels(ctx)
	if err != nil {
		return nil, err
	}
	for i := range models {
		out[recordKey{"model", string(models[i].ID)}] = record{models[i].Number, digest(models[i].Doc)}
	}
	keys, err := s.LoadKeys(ctx)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		out[recordKey{"key", string(keys[i].ID)}] = record{keys[i].Number, digest(keys[i].Doc)}
	}
	latest, err := s.ConfigVersion(ctx)
	if err != nil || latest == 0 {
		return out, err
	}
	c, err := s.LoadConfig(ctx, latest)
	out[recordKey{"config", configObject}] = record{int(latest), digest([]byte(c.Document))}
	return out, err
}

// written is what the trail says of one record.
type written struct {
	first, last int            // versions
	digests     map[int]string // by version
}

func writtenOf(ctx context.Context, s audit.Store) (map[recordKey]*written, error) {
	out := map[recordKey]*written{}
	err := s.WalkTrail(ctx, func(entries []audit.Entry) error {
		for i := range entries {
			var d struct {
				Version                 int
				Record, After, Document string
			}
			what, _, _ := strings.Cut(string(entries[i].Action), ".")
			if what != "model" && what != "key" && what != "config" || json.Unmarshal(entries[i].Detail, &d) != nil {
				continue
			}
			k := recordKey{what, entries[i].Object}
			w := out[k]
			if w == nil {
				w = &written{first: d.Version, digests: map[int]string{}}
				out[k] = w
			}
			w.last, w.digests[d.Version] = d.Version, d.Record+d.After+d.Document // an entry has one
		}
		return nil
	})
	return out, err
}
