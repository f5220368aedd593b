package cost

import (
	"bytes"
	"context"
	"encoding/json"
	"math"

	"github.com/cartrita/cartrita/model"
)

// Store keeps what was learned over restarts.
type Store interface {
	// LoadLearned returns what was saved last; nil when nothing was.
	LoadLearned(ctx context.Context) ([]byte, error)
	// SaveLearned replaces what was saved, wholly or not at all.
	SaveLearned(ctx context.Context, state []byte) error
}

// stateVersion is the version of what Export writes.
const stateVersion = 1

// maxModels bounds the models of an imported state.
const maxModels = 10_000

// state is everything learned, as it is written.
type state struct {
	Version int          `json:"version"`
	Pool    histogram    `json:"pool"`
	Models  []modelState `json:"models"`
}

type modelState struct {
	Model   string                   `json:"model"`
	Reasons bool                     `json:"reasons,omitempty"`
	Prompts [model.TextKinds]moments `json:"prompts"`
	Lengths histogram                `json:"lengths"`
	Calls   int                      `json:"calls"`
	Tasks   []taskState              `json:"tasks"`
}

type taskState struct {
	Task      model.Task  `json:"task"`
	Lengths   histogram   `json:"lengths"`
	Read      moments     `json:"read"`
	Write     moments     `json:"write"`
	Reasoning moments     `json:"reasoning"`
	Scores    scores      `json:"scores"`
	Calls     int64       `json:"calls"`
	Covered   int64       `json:"covered"`
	Observed  int         `json:"observed"`
	Cells     []cellState `json:"cells,omitempty"`
}

type cellState struct {
	Cell    int       `json:"cell"`
	Lengths histogram `json:"lengths"`
}

// histogramState lists the buckets that are not empty, as number and weight.
type histogramState struct {
	Weight  float64      `json:"w"`
	Sum     float64      `json:"sum"`
	Buckets [][2]float64 `json:"b"`
}

// MarshalJSON writes the buckets that are not empty.
func (h histogram) MarshalJSON() ([]byte, error) {
	s := histogramState{Weight: h.weight, Sum: h.sum, Buckets: [][2]float64{}}
	for i, w := range h.buckets {
		if w > 0 {
			s.Buckets = append(s.Buckets, [2]float64{float64(i), w})
		}
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote, and refuses what no histogram is.
func (h *histogram) UnmarshalJSON(raw []byte) error {
	var s histogramState
	if err := strictly(raw, &s); err != nil {
		return err
	}
	*h = histogram{weight: s.Weight, sum: s.Sum}
	sum := 0.0
	for _, b := range s.Buckets {
		i := int(b[0])
		if !(b[0] >= 0 && b[0] < numBuckets) || float64(i) != b[0] || !(b[1] >= 0) || h.buckets[i] != 0 {
			return model.Errorf("cost.Import", model.KindInvalid, "%v is no bucket of a histogram", b)
		}
		h.buckets[i] = b[1]
		sum += b[1]
	}
	if !(s.Sum >= 0) || !(math.Abs(sum-s.Weight) <= 1e-6*(1+s.Weight)) {
		return model.Errorf("cost.Import", model.KindInvalid, "the buckets of a histogram add up to %v and not to %v", sum, s.Weight)
	}
	return nil
}

func strictly(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// Export returns everything learned, for Import. Estimates catch up with what
// was learned lately; after it they are those that an importer gives.
func (e *Estimator) Export() ([]byte, error) {
	e.assume()
	s := state{Version: stateVersion, Pool: *e.pool.published.Load(), Models: []modelState{}}
	for _, k := range e.known() {
		if m := k.export(&e.learning); len(m.Tasks) > 0 {
			s.Models = append(s.Models, m)
		}
	}
	return json.Marshal(&s)
}

func (k *knowledge) export(l *learning) modelState {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := modelState{Model: k.canonical, Reasons: k.reasons == 1, Prompts: k.prompts, Lengths: k.lengths, Calls: k.calls}
	for i := range k.tasks {
		t := k.tasks[i].Load()
		if t == nil {
			continue
		}
		k.refresh(l, t, i)
		s := taskState{
			Task: model.Task(i), Lengths: t.lengths, Read: t.read, Write: t.write, Reasoning: t.reasoning,
			Scores: t.scores, Calls: t.calls, Covered: t.covered, Observed: t.observed,
		}
		for j := range t.cells {
			if c := t.cells[j].Load(); c != nil {
				s.Cells = append(s.Cells, cellState{j, c.lengths})
			}
		}
		m.Tasks = append(m.Tasks, s)
	}
	return m
}

// Import adds what another estimator, or an earlier one, exported: what both
// learned counts together. The error is KindInvalid; nothing was added then.
func (e *Estimator) Import(raw []byte) error {
	var s state
	if err := strictly(raw, &s); err != nil {
		return model.Errorf("cost.Import", model.KindInvalid, "what was learned cannot be read: %v", err)
	}
	if err := s.check(); err != nil {
		return err
	}
	e.pool.mu.Lock()
	e.pool.lengths.add(&s.Pool)
	e.pool.mu.Unlock()
	e.assume()
	for i := range s.Models {
		m := &s.Models[i]
		e.knowledgeOf(m.Model, int(b2f(m.Reasons))).add(e, m)
	}
	e.learned.Add(1)
	return nil
}

func (s *state) check() error {
	switch {
	case s.Version != stateVersion:
		return model.Errorf("cost.Import", model.KindInvalid, "has version %d: want %d", s.Version, stateVersion)
	case len(s.Models) > maxModels:
		return model.Errorf("cost.Import", model.KindInvalid, "holds %d models: want at most %d", len(s.Models), maxModels)
	}
	for i := range s.Models {
		if m := &s.Models[i]; !m.valid() {
			return model.Errorf("cost.Import", model.KindInvalid, "what was learned of %q holds impossible figures", m.Model)
		}
	}
	return nil
}

func (m *modelState) valid() bool {
	ok := m.Model != "" && m.Calls >= 0
	for i := range m.Prompts {
		ok = ok && m.Prompts[i].valid()
	}
	for i := range m.Tasks {
		t := &m.Tasks[i]
		ok = ok && t.Read.valid() && t.Write.valid() && t.Reasoning.valid() && t.Scores.valid() &&
			0 <= t.Covered && t.Covered <= t.Calls && t.Observed >= 0
		for _, c := range t.Cells {
			ok = ok && c.Cell >= 0 && c.Cell < cellsPerTask
		}
	}
	return ok
}

func (m *moments) valid() bool {
	return m.Weight >= 0 && m.M2 >= 0 && math.Abs(m.Mean) <= maxLogRatio
}

func (s *scores) valid() bool {
	sum := 0.0
	for _, w := range s.Buckets {
		if w < 0 {
			return false
		}
		sum += w
	}
	ok := math.Abs(sum-s.Weight) <= 1e-6*(1+s.Weight)
	for _, side := range s.Side {
		ok = ok && 0 <= side.Sum && side.Sum <= side.Weight*(1+1e-9)
	}
	return ok
}

// add adds what was learned elsewhere.
func (k *knowledge) add(e *Estimator, m *modelState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range m.Prompts {
		k.prompts[i].add(m.Prompts[i])
	}
	k.ratios.Store(newRatios(&k.prompts))
	k.lengths.add(&m.Lengths)
	k.calls += m.Calls
	for i := range m.Tasks {
		s := &m.Tasks[i]
		t := k.task(&e.learning, slot(s.Task))
		t.lengths.add(&s.Lengths)
		t.read.add(s.Read)
		t.write.add(s.Write)
		t.reasoning.add(s.Reasoning)
		t.scores.add(&s.Scores)
		t.calls += s.Calls
		t.covered += s.Covered
		t.observed += s.Observed
		for j := range s.Cells {
			if c := e.cell(t, s.Cells[j].Cell); c != nil {
				c.lengths.add(&s.Cells[j].Lengths)
			}
		}
		k.refresh(&e.learning, t, slot(s.Task))
	}
}

// Learned counts what was learned, so that it need be saved only when there is more.
func (e *Estimator) Learned() int64 { return e.learned.Load() }

// Save gives the store what was learned.
func (e *Estimator) Save(ctx context.Context, s Store) error {
	raw, err := e.Export()
	if err != nil {
		return err
	}
	return s.SaveLearned(ctx, raw)
}

// Restore adds what the store holds. The error is KindInvalid when that is
// damaged, else the store's.
func (e *Estimator) Restore(ctx context.Context, s Store) error {
	raw, err := s.LoadLearned(ctx)
	if err != nil || raw == nil {
		return err
	}
	return e.Import(raw)
}
