package event

import (
	"testing"

	"github.com/cartrita/cartrita/model"
)

// What was shown live is not shown again when it is stored, however long that
// took, nor live when it was shown as stored.
func TestACallIsShownOnce(t *testing.T) {
	s := newShown()
	ids := make([]model.CallID, 4*shownStored)
	for i := range ids {
		ids[i] = model.NewCallID()
	}
	all := func(what string, stored, want bool, ids []model.CallID) {
		t.Helper()
		for i, id := range ids {
			if got := s.first(id, stored); got != want {
				t.Fatalf("%s: call %d is the first of its id: %v", what, i, got)
			}
		}
	}
	all("live", false, true, ids)
	all("live again", false, false, ids)
	all("stored", true, false, ids)
	all("live behind that", false, false, ids[len(ids)-shownStored:])
	one := []model.CallID{model.NewCallID()}
	all("stored by another gateway", true, true, one)
	all("then live", false, false, one)
	if n, order := len(s.live.ids), len(s.live.order); n != 0 || order > len(ids) {
		t.Errorf("%d calls are remembered that are not stored, in %d places", n, order)
	}
}

// Calls that are never stored do not fill the memory.
func TestWhatIsRememberedAsShownIsBounded(t *testing.T) {
	s := newShown()
	for range shownLive + 1000 {
		s.first(model.NewCallID(), false)
	}
	if n := len(s.live.ids); n != shownLive {
		t.Errorf("%d calls are remembered, want %d", n, shownLive)
	}
	s = newShown()
	s.first(model.NewCallID(), false) // and this one never is
	for range 10 * shownStored {
		id := model.NewCallID()
		s.first(id, false)
		s.first(id, true)
	}
	if n := len(s.live.order); n > 2*shownStored || len(s.stored.ids) != shownStored {
		t.Errorf("%d places for one call that is not stored, %d calls that are", n, len(s.stored.ids))
	}
}
