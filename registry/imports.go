package registry

import (
	"cmp"
	"context"
	"slices"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/importer"
	"github.com/cartrita/cartrita/registry/schema"
)

// ImportOptions steer Import.
type ImportOptions struct {
	Actor  string // who; default "import:<format>", of an Edit DefaultActor
	DryRun bool   // report only
	Strict bool   // one bad record stops all of them
	Edit   bool   // somebody's own changes, not a list: recorded as ActionAdd and ActionEdit
}

// Report is what an import did, or would do.
type Report struct {
	Format  importer.Format `json:"format"`
	DryRun  bool            `json:"dry_run"`
	Records int             `json:"records"` // in the file
	Diff
	Ignored []IgnoredKey   `json:"ignored"` // keys that records have no place for, by path, with how often
	Skipped []SkippedEntry `json:"skipped"` // entries left out without being wrong
	Errors  []RecordError  `json:"errors"`  // entries left out because they are wrong
}

// IgnoredKey is a key of a file without a place in records.
type IgnoredKey struct {
	Path    string `json:"path"`    // within an entry
	Count   int    `json:"count"`   // of entries that have it
	Example string `json:"example"` // an entry that has it
}

// SkippedEntry is an entry that describes no model a record can hold.
type SkippedEntry struct {
	Entry  string `json:"entry"` // its place in the file
	Reason string `json:"reason"`
}

// RecordError is what is wrong with one entry.
type RecordError struct {
	Entry    string           `json:"entry"` // its place in the file
	Problems []schema.Problem `json:"problems"`
}

// Import reads a file and writes its records. format is one of
// importer.Formats; name is the file's, for messages. Complete records replace
// what the registry has, records of other formats are merged into it; a second
// import of the same file changes nothing. A bad entry is reported and left
// out, or with Strict stops the import before anything is written. Errors are
// KindInvalid for an unreadable file or Strict, KindTooLarge, and those of
// Apply.
func (r *Registry) Import(ctx context.Context, format, name string, data []byte, o ImportOptions) (Report, error) {
	const op = "registry.Import"
	f, err := importer.ParseFormat(format)
	if err != nil {
		return Report{}, err
	}
	file, err := importer.Parse(f, data, importer.Options{Name: name, Now: r.clock(), Validator: r.validator()})
	if err != nil {
		return Report{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cat == nil {
		return Report{}, model.Errorf(op, model.KindConflict, "the registry is not loaded yet")
	}
	rep := Report{Format: file.Format, DryRun: o.DryRun, Records: len(file.Records)}
	change := Change{Actor: o.Actor, Models: r.gather(file, &rep)}
	if !o.Edit {
		change.Actor, change.Action = cmp.Or(o.Actor, "import:"+string(file.Format)), ActionImport
	}
	if o.Strict && len(rep.Errors) > 0 {
		first := rep.Errors[0]
		e := invalid(op, first.Problems)
		e.Param = under(first.Entry, schema.Problem{Path: e.Param}).Path
		e.Details = map[string][]RecordError{"errors": rep.Errors}
		return rep, e
	}
	if o.DryRun {
		rep.Diff, _, err = r.plan(op, change)
		return rep, err
	}
	rep.Diff, err = r.apply(ctx, op, change)
	return rep, err
}

// gather makes the complete records to write and notes what is left out.
func (r *Registry) gather(file *importer.File, rep *Report) []model.Model {
	ignored := map[string]*IgnoredKey{}
	first := make(map[model.ModelID]string, len(file.Records))
	models := make([]model.Model, 0, len(file.Records))
	for i := range file.Records {
		rec := &file.Records[i]
		if rec.Skip != "" {
			rep.Skipped = append(rep.Skipped, SkippedEntry{rec.Path, rec.Skip})
			continue
		}
		m, problems := r.compose(rec)
		if m != nil && first[m.ID] != "" {
			problems = append(problems, schema.Problem{Path: "model_id", Message: string(m.ID) + " is already described by " + first[m.ID]})
		}
		if len(problems) > 0 {
			rep.Errors = append(rep.Errors, RecordError{rec.Path, problems})
			continue
		}
		first[m.ID] = cmp.Or(rec.Path, "the record before")
		models = append(models, *m)
		for _, path := range rec.Ignored {
			if ignored[path] == nil {
				ignored[path] = &IgnoredKey{Path: path, Example: rec.Path}
			}
			ignored[path].Count++
		}
	}
	for _, k := range ignored {
		rep.Ignored = append(rep.Ignored, *k)
	}
	slices.SortFunc(rep.Ignored, func(a, b IgnoredKey) int { return cmp.Compare(a.Path, b.Path) })
	return models
}

// compose makes the complete record of one entry.
func (r *Registry) compose(rec *importer.Record) (*model.Model, []schema.Problem) {
	if len(rec.Problems) > 0 {
		return nil, rec.Problems
	}
	m := rec.Model
	if !rec.Full {
		if old := r.latest(m.ID); old != nil {
			m = merge(old, m)
		} else {
			m = r.complete(m)
		}
	}
	m, problems := r.normalise(m)
	if problems != nil {
		return nil, problems
	}
	return m, nil
}

// complete adds to a new record of a foreign format what is known about its
// weights.
func (r *Registry) complete(said *model.Model) *model.Model {
	m := *said
	if m.Canonical == "" {
		m.Canonical = r.cat.Canonical(m.Provider, m.Upstream)
	}
	r.cat.Fill(&m)
	return &m
}

// discovered is the Source of records of models that servers were found to offer.
const discovered = "discovery"

// Describe returns a minimal record of a model that a server was found to
// offer: its canonical id and what is published about those weights. It is for
// discovery, to be passed inline to SetEndpoints. Servers that leave out how
// the weights were tuned ("llama3.1:8b") are taken to mean the instruct model.
func (r *Registry) Describe(provider, upstream string) model.Model {
	m := model.Model{
		ID: model.ModelID(provider + "/" + upstream), Provider: provider, Upstream: upstream, Source: discovered,
		Tasks: []model.Task{model.TaskTextGeneration, model.TaskChat},
	}
	cat := r.Catalogue()
	if cat == nil {
		return m
	}
	m.Canonical = cat.Canonical(provider, upstream)
	for _, tuned := range []string{"", "-instruct", "-it"} {
		if c, ok := cat.Known(upstream + tuned); ok {
			m.Canonical = c
			break
		}
	}
	cat.Fill(&m)
	return m
}
