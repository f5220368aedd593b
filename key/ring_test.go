package key_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
)

var serverSecret = []byte("0123456789abcdef0123456789abcdef")

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)} }

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func newRing(t fataler, c *clock, store key.Store) *key.Ring {
	t.Helper()
	r, err := key.New(key.Config{Store: store, Secret: serverSecret, Clock: c.now})
	if err == nil {
		err = r.Load(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newStore(t fataler) *memory.Store {
	t.Helper()
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func named(name string) key.Fields { return key.Fields{Name: &name} }

func create(t fataler, r *key.Ring, f key.Fields) (key.Key, string) {
	t.Helper()
	k, token, err := r.Create(context.Background(), f, "tester")
	if err != nil {
		t.Fatal(err)
	}
	return k, token
}

// accepted reports whether the token opens the gate, and says who it is.
func accepted(r *key.Ring, token string) bool {
	id, err := r.Find(token)
	return err == nil && id != nil
}

func ptr[T any](v T) *T { return &v }

func TestAKeyIsKnownByItsWholeTokenOnly(t *testing.T) {
	r := newRing(t, newClock(), newStore(t))
	k, token := create(t, r, key.Fields{
		Name: ptr("app"), Role: ptr(key.RoleOperator), User: ptr("ada"), Team: ptr("a"), Project: ptr("p"),
		Tags: &[]string{"z", "b", "b"}, Models: &[]string{"openai/*"}, Limits: &key.Limits{Requests: 5},
	})
	id, err := r.Find(token)
	if err != nil || id == nil {
		t.Fatalf("the new key: %v, %v", id, err)
	}
	if id.Name != "app" || id.Role != key.RoleOperator || id.Caller.Key != k.ID || id.Caller.User != "ada" || id.Caller.Team != "a" ||
		id.Caller.Project != "p" || strings.Join(id.Caller.Tags, " ") != "b z" || id.Allow == nil || id.Limits.Requests != 5 {
		t.Errorf("the key stands for %+v", id)
	}
	if !strings.HasPrefix(token, key.Prefix+string(k.ID)+"-") {
		t.Errorf("token %s of key %s", token, k.ID)
	}
	for i := range len(token) {
		other := []byte(token)
		other[i] ^= 1
		if accepted(r, string(other)) {
			t.Errorf("changed at %d, the token is still accepted", i)
		}
	}
	for _, other := range []string{"", token[:len(token)-1], token + "x", strings.ToUpper(token), key.Prefix, string(k.ID)} {
		if accepted(r, other) {
			t.Errorf("%q is accepted", other)
		}
	}
	if id, err := r.Find("sk-of-somebody-else"); id != nil || err != nil {
		t.Errorf("a token that is not ours: %v, %v", id, err)
	}
}

func TestTheStoreHoldsNoSecret(t *testing.T) {
	c, s := newClock(), newStore(t)
	r := newRing(t, c, s)
	k, token := create(t, r, named("app"))
	list, err := s.LoadKeys(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	secret := token[len(key.Prefix)+len(k.ID)+1:]
	if doc := string(list[0].Doc); strings.Contains(doc, secret) || !strings.Contains(doc, `"digest"`) {
		t.Errorf("stored: %s", doc)
	}
	if !accepted(newRing(t, c, s), token) {
		t.Error("after a restart the key is not known")
	}
	other, err := key.New(key.Config{Store: s, Secret: []byte(strings.Repeat("x", 32)), Clock: c.now})
	if err != nil || other.Load(t.Context()) != nil {
		t.Fatal(err)
	}
	if accepted(other, token) {
		t.Error("the store alone, without the server secret, recognises a key")
	}
}

// TestRotationGrace: at any time exactly the secrets are accepted that were not
// replaced, or whose grace has not ended.
func TestRotationGrace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, s := newClock(), newStore(rt)
		r := newRing(rt, c, s)
		k, token := create(rt, r, named("app"))
		type issued struct {
			token string
			until time.Time // zero: in use
		}
		tokens := []issued{{token: token}}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "rotate") {
				grace := time.Duration(rapid.IntRange(0, 48).Draw(rt, "grace")) * time.Hour
				_, token, err := r.Rotate(context.Background(), k.ID, grace, "tester")
				ends := c.t.Add(grace)
				valid := 0 // with the new one, of four at most
				for i := range tokens {
					if grace > 0 && (tokens[i].until.IsZero() || tokens[i].until.After(c.t)) {
						valid++
					}
				}
				if refused := model.KindOf(err) == model.KindConflict; refused != (valid >= 4) || err != nil && !refused {
					rt.Fatalf("with %d secrets that stay valid: %v", valid, err)
				} else if refused {
					continue
				}
				for i := range tokens {
					if tokens[i].until.IsZero() || tokens[i].until.After(ends) {
						tokens[i].until = ends
					}
				}
				tokens = append(tokens, issued{token: token})
			} else {
				c.t = c.t.Add(time.Duration(rapid.IntRange(1, 30*60).Draw(rt, "minutes")) * time.Minute)
			}
			for _, ring := range []*key.Ring{r, newRing(rt, c, s)} {
				for i, tok := range tokens {
					want := tok.until.IsZero() || c.t.Before(tok.until)
					if got := accepted(ring, tok.token); got != want {
						rt.Fatalf("token %d of %d, valid until %v, at %v: %v", i, len(tokens), tok.until, c.t, got)
					}
				}
			}
		}
	})
}

func TestAKeyExpiresAtItsTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newClock()
		start := c.t
		r := newRing(rt, c, newStore(rt))
		hours := rapid.IntRange(1, 1000).Draw(rt, "hours")
		life := time.Duration(hours) * time.Hour
		_, token := create(rt, r, key.Fields{Name: ptr("app"), Expires: ptr(life.String())})
		c.t = start.Add(rapid.OneOf(
			rapid.Custom(func(t *rapid.T) time.Duration {
				return time.Duration(rapid.Int64Range(0, int64(2*life)).Draw(t, "any"))
			}),
			rapid.SampledFrom([]time.Duration{life - 1, life, life + 1}),
		).Draw(rt, "later"))
		if got, want := accepted(r, token), c.t.Before(start.Add(life)); got != want {
			rt.Fatalf("of %v, after %v: %v", life, c.t.Sub(start), got)
		}
	})
}

func TestWhatBecameOfAKeyIsSaidToItsHolderOnly(t *testing.T) {
	c := newClock()
	r := newRing(t, c, newStore(t))
	expiring, expired := create(t, r, key.Fields{Name: ptr("a"), Expires: ptr("24h")})
	revoking, revoked := create(t, r, named("b"))
	rotating, replaced := create(t, r, named("c"))
	if _, err := r.Revoke(t.Context(), revoking.ID, "ops"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Rotate(t.Context(), rotating.ID, time.Hour, "ops"); err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(25 * time.Hour)
	for token, want := range map[string]string{expired: "expired", revoked: "revoked", replaced: "rotated"} {
		guess := token[:len(token)-4] + "aaaa"
		for tok, want := range map[string]string{token: want, guess: "not known"} {
			if _, err := r.Find(tok); err == nil || err.Kind != model.KindUnauthenticated || !strings.Contains(err.Message, want) {
				t.Errorf("%s: %v, want one that says %q", tok, err, want)
			}
		}
	}
	if k, err := r.Get(expiring.ID); err != nil || k.State(c.t) != key.StateExpired {
		t.Errorf("%+v, %v", k, err)
	}
	if _, err := r.Update(t.Context(), revoking.ID, named("x"), "ops"); model.KindOf(err) != model.KindConflict {
		t.Errorf("changing a revoked key: %v", err)
	}
	if k, err := r.Revoke(t.Context(), revoking.ID, "ops"); err != nil || k.State(c.t) != key.StateRevoked {
		t.Errorf("revoking twice: %v, %v", k, err)
	}
	if _, err := r.Revoke(t.Context(), "nobody", "ops"); model.KindOf(err) != model.KindNotFound {
		t.Errorf("revoking nobody: %v", err)
	}
}

func TestANameIsThatOfOneActiveKey(t *testing.T) {
	c := newClock()
	r := newRing(t, c, newStore(t))
	first, _ := create(t, r, key.Fields{Name: ptr("app"), Expires: ptr("24h")})
	other, _ := create(t, r, named("other"))
	taken := func(what string, err error) {
		t.Helper()
		if e := model.AsError(err); e == nil || e.Kind != model.KindConflict || e.Param != "name" || !strings.Contains(e.Message, string(first.ID)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, _, err := r.Create(t.Context(), named("app"), "ops")
	taken("a second one", err)
	_, err = r.Update(t.Context(), other.ID, named("app"), "ops")
	taken("renamed", err)
	if _, err := r.Update(t.Context(), first.ID, key.Fields{Name: ptr("app"), Team: ptr("a")}, "ops"); err != nil {
		t.Errorf("its own name: %v", err)
	}
	c.t = c.t.Add(25 * time.Hour) // the first one expires
	next, _ := create(t, r, named("app"))
	_, err = r.Update(t.Context(), first.ID, key.Fields{Expires: ptr("never")}, "ops")
	first = next
	taken("active again", err)
	if _, err := r.Revoke(t.Context(), next.ID, "ops"); err != nil {
		t.Fatal(err)
	}
	create(t, r, named("app"))
}

func TestChangesOfAnotherProcessAreSeen(t *testing.T) {
	c, s := newClock(), newStore(t)
	a, b := newRing(t, c, s), newRing(t, c, s)
	k, token := create(t, a, named("app"))
	if accepted(b, token) {
		t.Fatal("before it looked")
	}
	if err := b.Refresh(t.Context()); err != nil || !accepted(b, token) {
		t.Fatalf("after it looked: %v", err)
	}
	// a writes over a change of b that it has not seen yet.
	if _, err := b.Update(t.Context(), k.ID, key.Fields{Team: ptr("blue")}, "b"); err != nil {
		t.Fatal(err)
	}
	if k, err := a.Update(t.Context(), k.ID, key.Fields{Project: ptr("p")}, "a"); err != nil || k.Team != "blue" || k.Project != "p" {
		t.Errorf("%+v, %v", k, err)
	}
	if _, err := a.Revoke(t.Context(), k.ID, "a"); err != nil || accepted(a, token) {
		t.Errorf("revoked here: %v", err)
	}
	if err := b.Refresh(t.Context()); err != nil || accepted(b, token) {
		t.Errorf("revoked there: %v", err)
	}
	if !b.Any() || b.HasAdmin() {
		t.Errorf("any %v, admin %v", b.Any(), b.HasAdmin())
	}
}

// TestANudgeIsAskedAtOnce: one ring tells of its write, the other one does not
// wait for the next time to ask.
func TestANudgeIsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newClock(), newStore(t)
		a := newRing(t, c, s)
		b, err := key.New(key.Config{Store: s, Secret: serverSecret, Clock: c.now, OnWrite: a.Nudge})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		for _, name := range []string{"one", "two"} {
			begin := time.Now()
			_, token := create(t, b, named(name))
			synctest.Wait()
			if !accepted(a, token) || time.Since(begin) > 0 {
				t.Errorf("the key %s is not known at once", name)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// awayStore is a Store that can be away.
type awayStore struct {
	key.Store
	away atomic.Bool
}

func (s *awayStore) KeysVersion(ctx context.Context) (uint64, error) {
	if s.away.Load() {
		return 0, errors.New("away")
	}
	return s.Store.KeysVersion(ctx)
}

// TestAStoreThatIsAwayIsSaidOnce, however long, and that it is back.
func TestAStoreThatIsAwayIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &awayStore{Store: newStore(t)}
		var said strings.Builder
		r, err := key.New(key.Config{Store: s, Secret: serverSecret, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		s.away.Store(true)
		time.AfterFunc(30*time.Minute, func() { s.away.Store(false) })
		_ = r.Run(ctx)
		if n, back := strings.Count(said.String(), "does not answer"), strings.Count(said.String(), "answers again"); n != 1 || back != 1 {
			t.Errorf("it says %d times that the store is away, %d that it is back:\n%s", n, back, said.String())
		}
	})
}

// TestAnotherSecretIsNoticed at once when the first key comes that was made with it.
func TestAnotherSecretIsNoticed(t *testing.T) {
	c, s := newClock(), newStore(t)
	var said strings.Builder
	other, err := key.New(key.Config{Store: s, Secret: []byte("another secret of 32 characters.."), Clock: c.now, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	a := newRing(t, c, s)
	for want := range 3 {
		for range 2 {
			if err := other.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := strings.Count(said.String(), "another server secret"); n != want {
			t.Errorf("with %d foreign keys it says so %d times:\n%s", want, n, said.String())
		}
		create(t, a, named(fmt.Sprint("key-", want)))
	}
	if a.Fingerprint() == other.Fingerprint() || a.Fingerprint() != newRing(t, c, s).Fingerprint() {
		t.Error("the fingerprints do not tell secrets apart")
	}
}

func TestLastUseIsWrittenLazily(t *testing.T) {
	c, s := newClock(), newStore(t)
	r := newRing(t, c, s)
	k, token := create(t, r, named("app"))
	if k, _ := r.Get(k.ID); !k.LastUsed.IsZero() {
		t.Errorf("never used: %v", k.LastUsed)
	}
	c.t = c.t.Add(90 * time.Second)
	accepted(r, token)
	if k, _ := r.Get(k.ID); !k.LastUsed.Equal(c.t) {
		t.Errorf("used now: %v", k.LastUsed)
	}
	if list, _ := s.LoadKeys(t.Context()); !list[0].LastUsed.IsZero() {
		t.Error("written at once")
	}
	if _, err := r.Update(t.Context(), k.ID, key.Fields{Team: ptr("x")}, "ops"); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if k, _ := newRing(t, c, s).Get(k.ID); !k.LastUsed.Equal(c.t) {
		t.Errorf("after a restart: %v", k.LastUsed)
	}
}

func TestFieldsAreChecked(t *testing.T) {
	r := newRing(t, newClock(), newStore(t))
	for param, f := range map[string]key.Fields{
		"name":      {},
		"team":      {Name: ptr("a"), Team: ptr("x\x00")},
		"project":   {Name: ptr("a"), Project: ptr("x\u009b2J")},
		"tags[1]":   {Name: ptr("a"), Tags: &[]string{"x", ""}},
		"models[0]": {Name: ptr("a"), Models: &[]string{"[a"}},

		"limits.tokens_per_minute":   {Name: ptr("a"), Limits: &key.Limits{Tokens: -1}},
		"limits.requests_per_minute": {Name: ptr("a"), Limits: &key.Limits{Requests: 1 << 41, Tokens: 5}},
		"limits.concurrency":         {Name: ptr("a"), Limits: &key.Limits{Concurrency: -4}},

		"expires": {Name: ptr("a"), Expires: ptr("2020-01-01")},
		"user":    {Name: ptr("a"), User: ptr(strings.Repeat("u", 257))},
	} {
		_, _, err := r.Create(t.Context(), f, "ops")
		if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != param {
			t.Errorf("%s: %v", param, err)
		}
	}
	if _, _, err := r.Create(t.Context(), key.Fields{Name: ptr("a"), Expires: ptr("soon")}, "ops"); err == nil {
		t.Error("expires soon")
	}
	if len(r.List()) != 0 {
		t.Error("a refused key was kept")
	}
}

// FuzzFind checks that only the very token opens the gate.
func FuzzFind(f *testing.F) {
	c := newClock()
	r := newRing(f, c, newStore(f))
	_, token := create(f, r, named("app"))
	for _, s := range []string{"", "a", key.Prefix, token[:len(token)-1], token + " ", "' OR 1=1 --", "sk-cartrita-%00", strings.Repeat("k", 1<<16)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if accepted(r, s) != (s == token) {
			t.Errorf("%q", s)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	r := newRing(b, newClock(), newStore(b))
	_, token := create(b, r, named("app"))
	for i := range 1000 {
		create(b, r, named(fmt.Sprint("other ", i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if !accepted(r, token) {
			b.Fatal("refused")
		}
	}
}
