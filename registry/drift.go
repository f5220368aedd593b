package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Drift is what became of the measured quality of a model.
type Drift struct {
	Model       model.ModelID
	Before, Now float64 // composite quality in [0,1] of the metrics that both records have
}

// qualities is what the versions of a record said of its quality, oldest first.
type qualities struct {
	number int // of the latest version
	said   []quality
}

type quality struct {
	at      time.Time // zero: the catalogue's record
	metrics map[string]model.Figure
}

// driftCache keeps the histories that were read: a version never changes.
type driftCache struct {
	mu  sync.Mutex
	all map[model.ModelID]qualities
}

// Drifts compares the quality of the models with what it was at that time, or
// came to be first thereafter: those whose record changed since, by id. Errors
// are those of the store.
func (r *Registry) Drifts(ctx context.Context, since time.Time) ([]Drift, error) {
	numbers := map[model.ModelID]int{}
	r.mu.Lock()
	for id, s := range r.stored {
		numbers[id] = s.number
	}
	r.mu.Unlock()
	r.drifts.mu.Lock()
	defer r.drifts.mu.Unlock()
	if r.drifts.all == nil {
		r.drifts.all = map[model.ModelID]qualities{}
	}
	var out []Drift
	for id, number := range numbers {
		q := r.drifts.all[id]
		if q.number != number {
			var err error
			if q, err = r.qualities(ctx, id); err != nil {
				return nil, err
			}
			r.drifts.all[id] = q
		}
		if d, ok := q.drift(id, since); ok {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Drift) int { return cmp.Compare(a.Model, b.Model) })
	return out, nil
}

func (r *Registry) qualities(ctx context.Context, id model.ModelID) (q qualities, err error) {
	versions, err := r.History(ctx, id)
	if err != nil {
		return q, err
	}
	for i := range versions {
		v := &versions[i]
		q.number = v.Number
		var m struct {
			Quality map[string]model.Figure `json:"quality_metrics"`
		}
		if err := json.Unmarshal(v.Doc, &m); err != nil {
			continue // of a newer version, which says so when it is loaded
		}
		q.said = append(q.said, quality{v.At, m.Quality})
	}
	return q, nil
}

// drift compares the latest record with the one in force at since.
func (q *qualities) drift(id model.ModelID, since time.Time) (d Drift, ok bool) {
	first, last := 0, len(q.said)-1
	for i := range q.said {
		if !q.said[i].at.After(since) {
			first = i
		}
	}
	if first >= last {
		return d, false
	}
	before, now := map[string]model.Figure{}, map[string]model.Figure{}
	for name, f := range q.said[first].metrics {
		if g, both := q.said[last].metrics[name]; both {
			before[name], now[name] = f, g
		}
	}
	d.Model = id
	was, known := Composite(before)
	is, _ := Composite(now)
	d.Before, d.Now = was, is
	return d, known
}
