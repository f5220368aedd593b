package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/schema"
)

// DefaultActor is recorded for changes whose author is not given.
const DefaultActor = "unknown"

// Change is a set of records to write. Each is complete: it replaces the one
// with its id, or is added.
type Change struct {
	Actor  string // who; default DefaultActor
	Action Action // default ActionAdd for new ids, ActionEdit for known ones
	Models []model.Model
}

// Plan returns what Apply would do, and does nothing. The errors are Apply's.
func (r *Registry) Plan(_ context.Context, c Change) (Diff, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	diff, _, err := r.plan("registry.Plan", c)
	return diff, err
}

// Apply checks the records, stores a version of each one that differs from
// what the registry has, and publishes the snapshot: all of them or, on an
// error, none. Errors are KindInvalid with a Param of the form
// "models[3].task_types" and every problem under Details, KindConflict before
// Load, and those of the store.
func (r *Registry) Apply(ctx context.Context, c Change) (Diff, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.apply(ctx, "registry.Apply", c)
}

// maxRaces bounds how often a write is planned again because another process
// wrote the same record in between.
const maxRaces = 5

func (r *Registry) apply(ctx context.Context, op string, c Change) (Diff, error) {
	for race := 1; ; race++ {
		diff, versions, err := r.plan(op, c)
		if err != nil || len(versions) == 0 {
			return diff, err
		}
		stored, err := overlayVersions(r.stored, versions)
		if err != nil {
			return Diff{}, err
		}
		snap, err := r.build(stored, r.endpoints, r.inline)
		if err != nil {
			return Diff{}, err
		}
		if err = r.store.SaveModels(ctx, versions); err == nil {
			r.stored = stored
			r.snap.Store(snap)
			r.noteOwnWrite(ctx)
			r.onWrite()
			return diff, nil
		}
		if model.KindOf(err) != model.KindConflict || race == maxRaces {
			return Diff{}, err
		}
		if err := r.reload(ctx); err != nil {
			return Diff{}, err
		}
	}
}

// plan compares the records with what the registry has.
func (r *Registry) plan(op string, c Change) (Diff, []Version, error) {
	if r.cat == nil {
		return Diff{}, nil, model.Errorf(op, model.KindConflict, "the registry is not loaded yet")
	}
	var (
		diff     Diff
		versions []Version
		problems []schema.Problem
		seen     = make(map[model.ModelID]int, len(c.Models))
	)
	for i := range c.Models {
		m, ps := r.normalise(&c.Models[i])
		for _, p := range ps {
			problems = append(problems, under(index("models", i), p))
		}
		if first, twice := seen[c.Models[i].ID]; twice {
			problems = append(problems, schema.Problem{Path: index("models", i) + ".model_id", Message: fmt.Sprintf("is also the id of models[%d]", first)})
		}
		seen[c.Models[i].ID] = i
		if len(problems) > 0 {
			continue
		}
		v, err := r.version(m, c)
		if err != nil {
			return Diff{}, nil, err
		}
		diff.file(v, r.latest(m.ID) != nil)
		if v.Diff != nil || v.Action == ActionAdd {
			versions = append(versions, *v)
		}
	}
	if len(problems) > 0 {
		return Diff{}, nil, invalid(op, problems)
	}
	diff.sort()
	return diff, versions, nil
}

// version makes the next version of a record; its Diff is nil if nothing changes.
func (r *Registry) version(m *model.Model, c Change) (*Version, error) {
	doc, err := encode(m)
	if err != nil {
		return nil, err
	}
	v := &Version{
		ID: m.ID, Number: r.stored[m.ID].number + 1, At: r.clock().UTC(),
		Actor: cmp.Or(c.Actor, DefaultActor), Action: c.Action, Doc: doc,
	}
	old := r.latest(m.ID)
	if v.Action == "" {
		v.Action = ActionEdit
		if old == nil {
			v.Action = ActionAdd
		}
	}
	before := json.RawMessage(`{}`)
	if old != nil {
		if before, err = encode(old); err != nil {
			return nil, err
		}
	}
	v.Diff = diffDocs(before, doc)
	return v, nil
}

// latest is the record that a change of this id replaces; nil if there is
// none. Inline records of the configuration are another layer.
func (r *Registry) latest(id model.ModelID) *model.Model {
	if s, ok := r.stored[id]; ok && s.model != nil {
		return s.model
	}
	return r.base[id]
}

func (d *Diff) file(v *Version, known bool) {
	switch {
	case !known:
		d.Added = append(d.Added, v.ID)
	case v.Diff == nil:
		d.Unchanged = append(d.Unchanged, v.ID)
	default:
		d.Changed = append(d.Changed, RecordDiff{ID: v.ID, Fields: v.Diff})
	}
}

func (d *Diff) sort() {
	slices.Sort(d.Added)
	slices.Sort(d.Unchanged)
	slices.SortFunc(d.Changed, func(a, b RecordDiff) int { return cmp.Compare(a.ID, b.ID) })
}

// noteOwnWrite keeps the next poll from reloading what this process wrote. If
// somebody else wrote too, the numbers do not match and the poll reloads.
func (r *Registry) noteOwnWrite(ctx context.Context) {
	if version, err := r.store.ModelsVersion(ctx); err == nil && version == r.storeVersion+1 {
		r.storeVersion = version
	}
}

func overlayVersions(stored map[model.ModelID]storedModel, versions []Version) (map[model.ModelID]storedModel, error) {
	next := make(map[model.ModelID]storedModel, len(stored)+len(versions))
	for id, s := range stored {
		next[id] = s
	}
	for _, v := range versions {
		var m model.Model
		if err := json.Unmarshal(v.Doc, &m); err != nil {
			return nil, &model.Error{Op: "registry.Apply", Kind: model.KindInternal, Err: err}
		}
		next[v.ID] = storedModel{number: v.Number, model: &m}
	}
	return next, nil
}

// Retire marks a record as retired: it is kept, and never routed to. The name
// is resolved as for a call. Errors are KindNotFound with suggestions,
// KindConflict for a name of several records and for a record of the
// configuration, whose status is set there, and those of Apply.
func (r *Registry) Retire(ctx context.Context, name model.ModelID, actor string) (Diff, error) {
	const op = "registry.Retire"
	r.mu.Lock()
	defer r.mu.Unlock()
	m, err := r.snap.Load().record(op, string(name))
	if err != nil {
		return Diff{}, err
	}
	if r.inline[m.ID] != nil {
		e := model.Errorf(op, model.KindConflict, "%q is described in the configuration: set its status there", m.ID)
		if m.Source == discovered {
			e.Message = fmt.Sprintf("%q was found at its server: describe it in the configuration and set its status there", m.ID)
		}
		e.Param = "model"
		return Diff{}, e
	}
	retired := *m
	retired.Status = model.StatusRetired
	return r.apply(ctx, op, Change{Actor: actor, Action: ActionRetire, Models: []model.Model{retired}})
}

// History returns every version of a record, oldest first. For a record of the
// embedded catalogue the first is version 0, the catalogue's own. Errors are
// KindNotFound with suggestions, and those of the store.
func (r *Registry) History(ctx context.Context, id model.ModelID) ([]Version, error) {
	versions, err := r.store.ModelHistory(ctx, id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	base, inline := r.base[id], r.inline[id]
	r.mu.Unlock()
	if base != nil {
		doc, err := encode(base)
		if err != nil {
			return nil, err
		}
		versions = slices.Insert(versions, 0, Version{ID: id, Actor: catalogueActor, Action: ActionCatalogue, Doc: doc})
	}
	if len(versions) == 0 && inline == nil {
		return nil, r.snap.Load().notFound("registry.History", string(id))
	}
	return versions, nil
}

const catalogueActor = "embedded catalogue"

// encode writes the one JSON form by which records are stored and compared.
func encode(m *model.Model) (json.RawMessage, error) {
	doc, err := json.Marshal(m)
	if err != nil {
		return nil, model.Invalidf("registry.encode", "metadata", "want a JSON object: %s", err)
	}
	return doc, nil
}

func index(name string, i int) string { return fmt.Sprintf("%s[%d]", name, i) }
