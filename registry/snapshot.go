package registry

import (
	"slices"
	"strings"
	"sync"

	"github.com/cartrita/cartrita/internal/near"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/catalogue"
)

// Snapshot is the registry at one moment: every record and every endpoint,
// joined and indexed. It is immutable and safe for concurrent use; readers on
// the request path take it once and keep it for the whole request.
type Snapshot struct {
	// Version grows with every change. It is the time of the build in Unix
	// milliseconds, or one more than its predecessor, so it also tells apart
	// the snapshots of two runs of the process.
	Version uint64
	Models  []*model.Model // sorted by id
	Served  []model.Served // sorted by endpoint id; indices into it are stable within the snapshot

	names   map[string]int32 // every name that resolves, to its match
	folded  map[string]int32 // the same without case and separators
	matches []Match
	models  map[model.ModelID]int32
	ends    map[model.EndpointID]int32
	chains  [][][]int32 // fallback chain, parallel to Served

	vectorsOnce sync.Once // for similarity search
	vectors     []vector  // of Models
}

// Match is what a model name stands for. Its slices are shared and read-only.
type Match struct {
	Name      string // the name in the registry: an id, an endpoint id or a canonical id
	Canonical string // of the weights; endpoints with an equal canonical id serve the same model
	Retired   bool   // every record that the name stands for is retired

	// Served holds the indices into Snapshot.Served of the endpoints that
	// serve the name. For a record's id these are its own endpoints or, when
	// it has none, those of other listings of the same weights. Empty when no
	// endpoint is configured for it.
	Served []int32

	// Chain is the model's fallback chain: for each name in it the indices
	// into Snapshot.Served, in the order of the chain. Names that no endpoint
	// serves are left out.
	Chain [][]int32
}

// ChainOf returns the fallback chain of the model that Served[i] serves. The
// result is shared and read-only.
func (s *Snapshot) ChainOf(i int) [][]int32 { return s.chains[i] }

// Model returns the record with exactly this id.
func (s *Snapshot) Model(id model.ModelID) (*model.Model, bool) {
	i, ok := s.models[id]
	if !ok {
		return nil, false
	}
	return s.Models[i], true
}

// Endpoint returns the index into Served of the endpoint with exactly this id.
func (s *Snapshot) Endpoint(id model.EndpointID) (int, bool) {
	i, ok := s.ends[id]
	return int(i), ok
}

// Resolve finds what a name stands for: the exact id of a record, else
// "<provider>/<name>" of an endpoint, else a canonical id or an alias. It
// allocates nothing when it finds one as it stands. The error is KindNotFound
// and suggests near names.
func (s *Snapshot) Resolve(name string) (Match, error) {
	if i, ok := s.lookup(name); ok {
		return s.matches[i], nil
	}
	return Match{}, s.notFound("registry.Resolve", name, autoName)
}

// record finds the one record that a name stands for, as Resolve does; of the
// records of the same weights it is the one that has endpoints. Errors are
// KindNotFound with suggestions, and KindConflict for a name of several.
func (s *Snapshot) record(op, name string) (*model.Model, error) {
	at, ok := s.lookup(name)
	if !ok {
		return nil, s.notFound(op, name)
	}
	match := &s.matches[at]
	if m, ok := s.Model(model.ModelID(match.Name)); ok {
		return m, nil
	}
	var ids []string
	for _, i := range match.Served {
		ids = append(ids, string(s.Served[i].Model.ID))
	}
	if ids == nil {
		for _, m := range s.Models {
			if m.Canonical == match.Canonical {
				ids = append(ids, string(m.ID))
			}
		}
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) == 1 {
		m, _ := s.Model(model.ModelID(ids[0]))
		return m, nil
	}
	e := model.Errorf(op, model.KindConflict, "%q names the weights of several records: give the id of one", name)
	e.Param = "model"
	if shown := ids[:min(len(ids), 3)]; len(shown) > 0 {
		e.Message += `, such as "` + strings.Join(shown, `" or "`) + `"`
	}
	return nil, e
}

// lookup tries a name as it stands, then without case and separators.
func (s *Snapshot) lookup(name string) (int32, bool) {
	if i, ok := s.names[name]; ok {
		return i, true
	}
	if len(name) > 300 { // longer than any id: not worth folding
		return 0, false
	}
	i, ok := s.folded[catalogue.Fold(name)]
	return i, ok && strings.TrimSpace(name) == name && name != ""
}

// autoName stands for no model: it leaves the choice to the router.
const autoName = "auto"

// notFound suggests names, those with endpoints and the given others first: they
// can be used.
func (s *Snapshot) notFound(op, name string, served ...string) *model.Error {
	shown := name
	if len(shown) > 100 {
		shown = shown[:100] + "…"
	}
	e := model.Errorf(op, model.KindNotFound, "there is no model %q", shown)
	e.Param = "model"
	if len(name) > 300 {
		return e
	}
	var other []string
	for n, i := range s.names {
		if len(s.matches[i].Served) > 0 {
			served = append(served, n)
		} else {
			other = append(other, n)
		}
	}
	slices.Sort(served)
	slices.Sort(other)
	names := near.Names(name, served, 3)
	if len(names) < 3 {
		names = append(names, near.Names(name, other, 3-len(names))...)
	}
	if len(names) > 0 {
		e.Message += `: did you mean "` + strings.Join(names, `" or "`) + `"?`
		e.Details = map[string][]string{"suggestions": names}
	}
	return e
}
