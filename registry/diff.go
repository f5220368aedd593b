package registry

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/cartrita/cartrita/model"
)

// Diff is what a change does to the records, each list sorted by id.
type Diff struct {
	Added     []model.ModelID `json:"added"`
	Changed   []RecordDiff    `json:"changed"`
	Unchanged []model.ModelID `json:"unchanged"`
}

// RecordDiff is what changes in one record.
type RecordDiff struct {
	ID     model.ModelID `json:"model_id"`
	Fields []FieldChange `json:"fields"`
}

// Empty reports whether nothing is added or changed.
func (d *Diff) Empty() bool { return len(d.Added) == 0 && len(d.Changed) == 0 }

// diffDocs compares two JSON objects field by field, descending into objects;
// lists are compared as wholes. The changes are sorted by path.
func diffDocs(before, after json.RawMessage) []FieldChange {
	if bytes.Equal(before, after) {
		return nil
	}
	return diffObjects(nil, "", before, after)
}

func diffObjects(out []FieldChange, at string, before, after json.RawMessage) []FieldChange {
	a, aok := object(before)
	b, bok := object(after)
	if !aok || !bok {
		return append(out, FieldChange{Path: at, Old: before, New: after})
	}
	names := slices.Sorted(maps.Keys(a))
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if bytes.Equal(a[name], b[name]) {
			continue
		}
		path := name
		if at != "" {
			path = at + "." + name
		}
		if a[name] == nil || b[name] == nil {
			out = append(out, FieldChange{Path: path, Old: a[name], New: b[name]})
			continue
		}
		out = diffObjects(out, path, a[name], b[name])
	}
	return out
}

func object(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, false
	}
	var m map[string]json.RawMessage
	return m, json.Unmarshal(raw, &m) == nil
}
