package event

import (
	"slices"

	"github.com/cartrita/cartrita/model"
)

// How many calls are remembered as shown.
const (
	shownStored = 1 << 14 // that are stored: the shared buffer may show them later
	shownLive   = 1 << 18 // that are not yet: an outage of the store of 20 minutes at 200 a second
)

// shown are the calls and notices whose events subscribers were given, so that
// what this process or the shared buffer showed is not shown again when it is
// stored. The nil shown remembers nothing.
type shown struct {
	live, stored recent
}

func newShown() *shown {
	return &shown{live: recent{most: shownLive, ids: map[model.CallID]struct{}{}}, stored: recent{most: shownStored, ids: map[model.CallID]struct{}{}}}
}

// first reports whether an id is new, and remembers it.
func (s *shown) first(id model.CallID, stored bool) bool {
	switch {
	case s == nil:
		return true
	case s.stored.has(id):
		return false
	case !stored:
		return s.live.add(id)
	}
	known := s.live.remove(id)
	s.stored.add(id)
	return !known
}

// recent is a set that forgets the oldest beyond a number.
type recent struct {
	most  int
	ids   map[model.CallID]struct{}
	order []model.CallID // as they came; some may be removed
}

func (r *recent) has(id model.CallID) bool {
	_, known := r.ids[id]
	return known
}

func (r *recent) add(id model.CallID) (added bool) {
	if r.has(id) {
		return false
	}
	r.ids[id] = struct{}{}
	r.order = append(r.order, id)
	for len(r.ids) > r.most {
		delete(r.ids, r.order[0])
		r.order = r.order[1:]
	}
	if len(r.order) > 2*len(r.ids)+shownStored { // most were removed
		r.order = slices.DeleteFunc(r.order, func(id model.CallID) bool { return !r.has(id) })
	}
	return true
}

func (r *recent) remove(id model.CallID) (removed bool) {
	removed = r.has(id)
	delete(r.ids, id)
	return removed
}
