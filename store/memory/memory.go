// Package memory keeps what Cartrita must remember in the memory of the
// process: for use as a library without a disk, and for tests.
//
// It implements registry.Store, key.Store, event.Sink and event.Reader and passes the
// same suite as the stores on disk (store/storetest). Model versions and cost
// rollups are kept for good; of calls, the latest Config.Calls. Everything is
// gone with the process.
//
// A Store is safe for concurrent use.
package memory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/batch"
	"github.com/cartrita/cartrita/store/database"
)

var (
	_ registry.Store = (*Store)(nil)
	_ event.Sink     = (*Store)(nil)
	_ event.Reader   = (*Store)(nil)
)

// DefaultCalls is the number of calls kept.
const DefaultCalls = 10_000

// Config of a Store. The zero value of a field takes its default.
type Config struct {
	Calls int // calls kept, the latest; default 10,000
}

// Store is a store in memory.
type Store struct {
	registry.Embeddings

	keep int

	mu          sync.RWMutex
	versions    map[model.ModelID][]registry.Version
	saved       uint64
	keys        map[model.KeyID]key.Stored
	keySaves    uint64
	calls       []event.Call              // rising in Seq, which is their place since the start
	byID        map[model.CallID]int64    // Seq, also of calls no longer kept
	rollups     map[rollupKey]event.Tally //
	positions   map[string]event.Position //
	budgets     budgets
	configs     []cluster.Configuration // by version
	feedReaders map[string]feedReader
	fleets      map[uint64][]byte // registry snapshots, by the fingerprint of their content
	spend       map[spendKey]event.BudgetSpend
	notices     []event.Notice // as they were added
	trail       []audit.Entry  // likewise
	alerts      alerts
	prompts     map[model.CallID]event.Prompt // of calls that are kept, or come yet
}

// spendKey is a budget and the start of a period, in seconds since the epoch.
type spendKey struct {
	budget model.BudgetID
	period int64
}

// rollupKey tells rollup rows apart.
type rollupKey struct {
	dimension event.Dimension // "" for all calls
	value     string
	hour      time.Time
	event.Target
	task     model.Task
	strategy string
}

// New returns an empty store.
func New(c Config) (*Store, error) {
	if c.Calls == 0 {
		c.Calls = DefaultCalls
	}
	if c.Calls < 0 {
		return nil, model.Invalidf("memory.New", "calls", "is %d, want at least 1", c.Calls)
	}
	return &Store{
		keep: c.Calls, versions: map[model.ModelID][]registry.Version{}, byID: map[model.CallID]int64{},
		rollups: map[rollupKey]event.Tally{}, positions: map[string]event.Position{},
		spend: map[spendKey]event.BudgetSpend{},
	}, nil
}

// Close implements io.Closer; there is nothing to close.
func (s *Store) Close() error { return nil }

// LoadModels implements registry.Store.
func (s *Store) LoadModels(context.Context) ([]registry.Stored, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]registry.Stored, 0, len(s.versions))
	for id, vs := range s.versions {
		v := vs[len(vs)-1]
		out = append(out, registry.Stored{ID: id, Number: v.Number, Doc: bytes.Clone(v.Doc)})
	}
	return out, nil
}

// SaveModels implements registry.Store.
func (s *Store) SaveModels(ctx context.Context, versions []registry.Version) error {
	const op = "memory.SaveModels"
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range versions {
		if v.ID == "" || !json.Valid(v.Doc) {
			return model.Invalidf(op, "model_id", "must be set, and the record must be JSON")
		}
		if n := len(s.versions[v.ID]); v.Number != n+1 {
			return model.Errorf(op, model.KindConflict, "%s is at version %d: version %d cannot follow", v.ID, n, v.Number)
		}
	}
	for _, v := range versions {
		v.At = v.At.UTC().Truncate(time.Microsecond)
		v.Doc, v.Diff = bytes.Clone(v.Doc), slices.Clone(v.Diff)
		s.versions[v.ID] = append(s.versions[v.ID], v)
		s.saved++
	}
	if len(versions) > 0 {
		s.record(ctx, versions[0].Actor, database.ModelChanges(versions)...)
	}
	return nil
}

// ModelHistory implements registry.Store.
func (s *Store) ModelHistory(_ context.Context, id model.ModelID) ([]registry.Version, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.versions[id]), nil
}

// ModelsVersion implements registry.Store.
func (s *Store) ModelsVersion(context.Context) (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.saved, nil
}

// Ingest implements event.Sink.
func (s *Store) Ingest(_ context.Context, b event.Batch) (stored []*event.Call, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Everything that can fail comes first: all or nothing.
	records := make([]*model.Record, len(b.Calls))
	for i, c := range b.Calls {
		var err error
		if records[i], err = event.ParseRecord(c.RecordJSON, c.PlanJSON); err != nil {
			return nil, model.Invalidf("memory.Ingest", "record", "cannot be read: %v", err)
		}
		switch c.State {
		case model.StatePlanned, model.StateCompleted, model.StateFailed:
		default:
			return nil, model.Invalidf("memory.Ingest", "state", "is %q, want planned, completed or failed", c.State)
		}
	}
	for i, c := range b.Calls {
		if _, known := s.byID[c.ID]; known {
			continue
		}
		stored = append(stored, &b.Calls[i])
		c.Record, c.RecordJSON, c.PlanJSON = records[i], nil, nil
		c.Seq = int64(len(s.byID)) + 1
		s.byID[c.ID] = c.Seq
		s.calls = append(s.calls, c)
		s.count(&c)
	}
	if extra := len(s.calls) - s.keep; extra > 0 {
		for i := range s.calls[:extra] {
			delete(s.prompts, s.calls[i].ID)
		}
		s.calls = append(s.calls[:0:0], s.calls[extra:]...)
	}
	if b.Position != (event.Position{}) {
		s.positions[b.Spool] = b.Position
	}
	return stored, nil
}

// count adds a call that ended to the rollups.
func (s *Store) count(c *event.Call) {
	if c.State == model.StatePlanned {
		return
	}
	for target, part := range c.Parts() {
		k := rollupKey{hour: c.Ended.UTC().Truncate(time.Hour), Target: target, task: c.Task, strategy: c.Strategy}
		add := func(v event.Value) {
			k.dimension, k.value = v.Dimension, v.Value
			t := s.rollups[k]
			t.Merge(part, 1)
			s.rollups[k] = t
		}
		add(event.Value{})
		c.Values(add)
	}
	for i := range c.Charges {
		charge := &c.Charges[i]
		k := spendKey{charge.Budget, charge.Period.Unix()}
		sum := s.spend[k]
		sum.Budget, sum.Period = charge.Budget, charge.Period
		sum.Add(charge)
		s.spend[k] = sum
	}
}

// BudgetSpend implements event.SpendReader.
func (s *Store) BudgetSpend(_ context.Context, since time.Time) ([]event.BudgetSpend, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []event.BudgetSpend
	for _, sum := range s.spend {
		if !sum.Period.Before(since) {
			out = append(out, sum)
		}
	}
	slices.SortFunc(out, func(a, b event.BudgetSpend) int {
		return cmp.Or(cmp.Compare(a.Budget, b.Budget), a.Period.Compare(b.Period))
	})
	return out, nil
}

// Position implements event.Sink.
func (s *Store) Position(_ context.Context, spool string) (event.Position, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.positions[spool], nil
}

// Call implements event.Reader.
func (s *Store) Call(_ context.Context, id model.CallID) (*model.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.call(id); c != nil {
		return c.Record, nil
	}
	return nil, model.Errorf("memory.Call", model.KindNotFound, "no call %s is stored", id)
}

// call returns a call that is kept, nil for any other.
func (s *Store) call(id model.CallID) *event.Call {
	if seq, ok := s.byID[id]; ok {
		i := sort.Search(len(s.calls), func(i int) bool { return s.calls[i].Seq >= seq })
		if i < len(s.calls) && s.calls[i].Seq == seq {
			return &s.calls[i]
		}
	}
	return nil
}

// withoutPlan returns a record as a list shows it.
func withoutPlan(r *model.Record) *model.Record {
	if r.Plan == nil {
		return r
	}
	bare := *r
	bare.Plan = nil
	return &bare
}

// Calls implements event.Reader.
func (s *Store) Calls(_ context.Context, f event.Filter) (event.Page, error) {
	var page event.Page
	before := int64(1<<63 - 1)
	if f.Cursor != "" {
		var err error
		if before, err = strconv.ParseInt(f.Cursor, 36, 64); err != nil {
			return page, model.Invalidf("memory.Calls", "cursor", "is not one that a page gave")
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := len(s.calls) - 1; i >= 0; i-- {
		c := s.calls[i]
		if c.Seq >= before || !f.MatchCall(&c) {
			continue
		}
		if n := len(page.Calls); n == f.PageSize() {
			page.Next = strconv.FormatInt(page.Calls[n-1].Seq, 36)
			return page, nil
		}
		if !f.Plans {
			c.Record = withoutPlan(c.Record)
		}
		page.Calls = append(page.Calls, c)
	}
	return page, nil
}

// Costs implements event.Reader.
func (s *Store) Costs(_ context.Context, q event.CostQuery) (event.CostReport, error) {
	q, err := q.Check()
	if err != nil {
		return event.CostReport{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	dimension, _ := q.Restriction()
	var total event.Tally
	for _, t := range s.sum(q, dimension, "") {
		total = t
	}
	if q.By == "" {
		return event.NewCostReport(q, total, event.CostGroups{}), nil
	}
	if q.By.OfContext() {
		dimension = q.By
	}
	return event.NewCostReport(q, total, event.CutGroups(s.sum(q, dimension, q.By), q.Limit)), nil
}

// DailyCosts implements event.Reader.
func (s *Store) DailyCosts(_ context.Context, q event.CostQuery) ([]event.DailyCost, error) {
	q.By = ""
	q, err := q.Check()
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	dimension, _ := q.Restriction()
	return batch.Bills(s.sum(q, dimension, batch.ByBill))
}

// sum adds up the rollups of one dimension that match.
func (s *Store) sum(q event.CostQuery, dimension, by event.Dimension) map[string]event.Tally {
	_, value := q.Restriction()
	out := map[string]event.Tally{}
	for k, t := range s.rollups {
		if k.dimension != dimension || value != "" && k.value != value ||
			k.hour.Before(q.Since) || !q.Until.IsZero() && !k.hour.Before(q.Until) ||
			q.Model != "" && k.Model != q.Model || q.Endpoint != "" && k.Endpoint != q.Endpoint || q.Provider != "" && k.Provider != q.Provider ||
			q.Task != nil && k.task != *q.Task || q.Strategy != "" && k.strategy != q.Strategy {
			continue
		}
		key := k.key(by)
		sum := out[key]
		sum.Merge(t, 1)
		out[key] = sum
	}
	return out
}

func (k *rollupKey) key(by event.Dimension) string {
	switch by {
	case batch.ByBill:
		return batch.BillKey(k.Provider, k.Model, batch.HourOf(k.hour))
	case event.ByModel:
		return string(k.Model)
	case event.ByEndpoint:
		return string(k.Endpoint)
	case event.ByProvider:
		return k.Provider
	case event.ByTask:
		return k.task.String()
	case event.ByStrategy:
		return k.strategy
	case event.ByDay, event.ByHour:
		return event.TimeKey(by, k.hour)
	}
	if by.OfContext() {
		return k.value
	}
	return ""
}
