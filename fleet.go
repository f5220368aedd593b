package cartrita

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/route"
)

// fleet is what a registry snapshot says about its endpoints, as it is stored
// for replays: once for each content, whatever the snapshot's number.
type fleet struct {
	id  uint64
	doc []byte

	saved atomic.Bool

	mu    sync.Mutex // held while it is stored
	tried time.Time
}

// fleetDoc is the stored form: what deciding and pricing read of each endpoint.
type fleetDoc struct {
	Served []model.Served `json:"served"`
	Chains [][][]int32    `json:"chains"`
}

const (
	fleetPatience = 2 * time.Second  // for storing one
	fleetRetry    = 10 * time.Second // after the store did not take it
)

// newFleet writes a snapshot down; nil if it cannot be written.
func newFleet(snap *registry.Snapshot) (*fleet, error) {
	d := fleetDoc{Served: make([]model.Served, len(snap.Served)), Chains: make([][][]int32, len(snap.Served))}
	for i := range snap.Served {
		d.Served[i], d.Chains[i] = bare(&snap.Served[i]), snap.ChainOf(i)
	}
	doc, err := json.Marshal(&d)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(doc)
	return &fleet{id: binary.LittleEndian.Uint64(sum[:]), doc: doc}, nil
}

// bare is an endpoint without what no decision reads: addresses, references to
// credentials, descriptions.
func bare(s *model.Served) model.Served {
	out := *s
	end := *s.Endpoint
	end.BaseURL, end.Credential = "", ""
	out.Endpoint = &end
	m := s.Model
	out.Model = &model.Model{
		ID: m.ID, Canonical: m.Canonical, Provider: m.Provider, Family: m.Family, ParametersBillion: m.ParametersBillion,
		Quantizations: m.Quantizations, Throughput: m.Throughput, LatencyMS: m.LatencyMS, Quality: m.Quality,
		Risk: m.Risk, Status: m.Status,
	}
	return out
}

// keepFleet stores the fleet of a view before calls refer to it. A store that
// does not take it is asked again after a while; until then calls can be
// decided and recorded, but not replayed.
func (s *Service) keepFleet(f *fleet) {
	now := s.now()
	if !f.mu.TryLock() {
		return // somebody is at it
	}
	defer f.mu.Unlock()
	if f.saved.Load() || !f.tried.IsZero() && now.Sub(f.tried) < fleetRetry {
		return
	}
	f.tried = now
	ctx, cancel := context.WithTimeout(context.Background(), fleetPatience)
	defer cancel()
	if err := s.history.SaveFleet(ctx, f.id, f.doc); err != nil {
		s.log.Warn("the registry snapshot is not stored; calls decided on it cannot be replayed until it is", "err", err)
		return
	}
	f.doc = nil
	f.saved.Store(true)
}

// loadFleet reads a stored fleet.
func (s *Service) loadFleet(ctx context.Context, id uint64) (*route.Fleet, error) {
	doc, err := s.history.Fleet(ctx, id)
	if err != nil {
		return nil, err
	}
	var d fleetDoc
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, model.Errorf("cartrita.Replay", model.KindInternal, "the stored registry snapshot %016x cannot be read: %v", id, err)
	}
	if len(d.Chains) != len(d.Served) {
		return nil, model.Errorf("cartrita.Replay", model.KindInternal, "the stored registry snapshot %016x is damaged", id)
	}
	for i := range d.Served {
		if d.Served[i].Endpoint == nil || d.Served[i].Model == nil {
			return nil, model.Errorf("cartrita.Replay", model.KindInternal, "the stored registry snapshot %016x is damaged", id)
		}
	}
	return &route.Fleet{Served: d.Served, Table: route.NewTable(d.Served), Chains: d.Chains}, nil
}

// trace writes down what the decision was made from, with the plan or, when
// nobody may serve the call, in ans.
func (s *Service) trace(q *question, ans *answer, failure error) {
	f := ans.view.fleet
	if f == nil {
		return
	}
	if !f.saved.Load() {
		s.keepFleet(f)
	}
	if failure != nil { // other errors come before the endpoints are looked at
		if _, ok := model.AsError(failure).Details.(*route.NoCandidate); !ok {
			return
		}
	}
	b := route.AppendTrace(ans.mem.trace[:0], f.id, &ans.in, ans.plan, &route.Request{
		PromptBytes: q.size.PromptBytes, Images: q.size.Images, Choices: q.size.Choices, Prompt: q.prompt, Prefix: q.prefix,
	})
	ans.mem.trace = b
	own := append(make([]byte, 0, len(b)), b...)
	if ans.plan != nil {
		ans.plan.Trace = own
	} else {
		ans.refusedTrace = own
	}
}

// prefixBytes is the length of the beginning of a prompt that has a fingerprint
// of its own: about the 1,024 tokens from which providers cache.
const prefixBytes = 4096

// fingerprint tells equal prompts and equal beginnings of prompts, byte for
// byte as they were received. It is fast, not cryptographic: it recognises, and
// protects nothing.
func fingerprint(seed uint64, prompt []byte) (whole, prefix uint64) {
	if len(prompt) == 0 {
		return 0, 0
	}
	var d xxhash.Digest
	d.ResetWithSeed(seed)
	if len(prompt) >= prefixBytes {
		_, _ = d.Write(prompt[:prefixBytes])
		prefix = d.Sum64()
		prompt = prompt[prefixBytes:]
	}
	_, _ = d.Write(prompt)
	return d.Sum64(), prefix
}
