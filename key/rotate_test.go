package key_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

// A secret that was promised to stay valid stays so: a rotation that would need
// its place is refused.
func TestRotationNeverCutsAGraceShort(t *testing.T) {
	c := newClock()
	r := newRing(t, c, newStore(t))
	k, first := create(t, r, named("app"))
	for range 3 {
		c.t = c.t.Add(time.Minute)
		if _, _, err := r.Rotate(t.Context(), k.ID, 24*time.Hour, "x"); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := r.Rotate(t.Context(), k.ID, 24*time.Hour, "x")
	if model.KindOf(err) != model.KindConflict || !strings.Contains(err.Error(), "4 secrets") || !strings.Contains(err.Error(), "2026") {
		t.Errorf("a fourth rotation gives %v, want a conflict that says until when", err)
	}
	if !accepted(r, first) {
		t.Error("the first secret is refused within its grace time")
	}
	// Without grace the former ones end, as asked.
	_, token, err := r.Rotate(t.Context(), k.ID, 0, "x")
	if err != nil || accepted(r, first) || !accepted(r, token) {
		t.Errorf("a rotation without grace: %v", err)
	}
}

// A new secret of a key that has ended would serve nobody.
func TestAKeyThatEndedIsNotRotated(t *testing.T) {
	c := newClock()
	r := newRing(t, c, newStore(t))
	f := named("app")
	f.Expires = ptr("1h")
	expired, _ := create(t, r, f)
	revoked, _ := create(t, r, named("other"))
	if _, err := r.Revoke(t.Context(), revoked.ID, "x"); err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(2 * time.Hour)
	for id, want := range map[model.KeyID]string{expired.ID: "expired", revoked.ID: "revoked"} {
		if _, _, err := r.Rotate(t.Context(), id, 0, "x"); model.KindOf(err) != model.KindConflict || !strings.Contains(err.Error(), want) {
			t.Errorf("gives %v, want a conflict that says it %s", err, want)
		}
	}
	later := named("app")
	later.Expires = ptr("1d")
	if _, err := r.Update(t.Context(), expired.ID, later, "x"); err != nil {
		t.Fatal(err)
	}
	if _, token, err := r.Rotate(t.Context(), expired.ID, 0, "x"); err != nil || !accepted(r, token) {
		t.Errorf("once it is prolonged: %v", err)
	}
}
