package registry

import (
	"github.com/cartrita/cartrita/model"
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
	matches []Match
	models  map[model.ModelID]int32
	ends    map[model.EndpointID]int32
	chains  [][][]int32 // fallback chain, parallel to Served
}

// Match is what a model name stands for.
type Match struct {
	Name      string // the name in the registry: an id, an endpoint id, a canonical id or an alias
	Canonical string // of the weights; endpoints with an equal canonical id serve the same model

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
// allocates nothing when it finds one. The error is KindNotFound and suggests
// near names.
func (s *Snapshot) Resolve(name string) (Match, error) {
	if i, ok := s.names[name]; ok {
		return s.matches[i], nil
	}
	return Match{}, s.notFound(name)
}

func (s *Snapshot) notFound(name string) error {
	return &model.Error{
		Op: "registry.Resolve", Kind: model.KindNotFound, Param: "model",
		Message: "no model is named " + name,
	}
}
