package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/model"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 123_456_789, time.UTC)

// trail is a store of entries as they are.
type trail []audit.Entry

func (t trail) Trail(context.Context, audit.Filter) ([]audit.Entry, error) { return nil, nil }
func (t trail) CopyTrail(context.Context, []audit.Entry) error             { return nil }
func (t trail) WalkTrail(_ context.Context, visit func([]audit.Entry) error) error {
	return visit(t)
}

func trailOf(n int) trail {
	var out trail
	var last audit.Entry
	for i := range n {
		c := audit.Change{Action: audit.KeyCreated, Object: fmt.Sprint("k", i), Detail: json.RawMessage(`{"version":1}`)}
		last = audit.Next(&last, noon.Add(time.Duration(i)*time.Second), audit.Actor{ID: "cli", Name: "ada"}, c)
		out = append(out, last)
	}
	return out
}

// The encoding may never change: stored trails would be broken.
func TestTheHashOfAnEntryStaysWhatItIs(t *testing.T) {
	e := trailOf(2)[1]
	if got, want := e.Hash.String(), "1ad15aca8c955377a5153461a8b8d78c14425386b42efe44c3205dc1c584b82a"; got != want {
		t.Errorf("the second entry has the hash %s, want %s", got, want)
	}
}

func TestVerifyNamesWhatIsBroken(t *testing.T) {
	whole := trailOf(6)
	forged := audit.Next(&whole[2], noon, audit.Actor{ID: "cli"}, audit.Change{Action: audit.KeyRevoked, Object: "k3"})
	for name, c := range map[string]struct {
		tamper func(trail) trail
		seq    int64
		why    string
	}{
		"nothing":            {func(t trail) trail { return t }, 0, ""},
		"an actor":           {func(t trail) trail { t[2].Actor = "key:other"; return t }, 3, "was changed"},
		"a name":             {func(t trail) trail { t[2].Name = "bob"; return t }, 3, "was changed"},
		"a time":             {func(t trail) trail { t[2].At = t[2].At.Add(time.Microsecond); return t }, 3, "was changed"},
		"a detail":           {func(t trail) trail { t[2].Detail = json.RawMessage(`{"version":2}`); return t }, 3, "was changed"},
		"text moved":         {func(t trail) trail { t[2].Actor, t[2].Name = "cl", "iada"; return t }, 3, "was changed"},
		"the first missing":  {func(t trail) trail { return t[1:] }, 1, "entry 1 is missing before entry 2"},
		"some missing":       {func(t trail) trail { return slices.Delete(t, 2, 4) }, 3, "entries 3 to 4 are missing before entry 5"},
		"twice":              {func(t trail) trail { return slices.Insert(t, 2, t[1]) }, 2, "entry 2 stands behind entry 2"},
		"exchanged":          {func(t trail) trail { t[1], t[2] = t[2], t[1]; return t }, 2, "entry 2 is missing before entry 3"},
		"numbers exchanged":  {func(t trail) trail { t[1].Change, t[2].Change = t[2].Change, t[1].Change; return t }, 2, "was changed"},
		"one replaced whole": {func(t trail) trail { t[3] = forged; return t }, 5, "does not follow"},
	} {
		r, err := audit.Verify(t.Context(), c.tamper(slices.Clone(whole)), nil)
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case c.why == "" && (r.Broken != nil || r.Entries != 6 || r.Head != whole[5].Hash):
			t.Errorf("%s: %+v", name, r)
		case c.why != "" && (r.Broken == nil || r.Broken.Seq != c.seq || !strings.Contains(r.Broken.Why, c.why)):
			t.Errorf("%s: %+v, want %q at %d", name, r.Broken, c.why, c.seq)
		}
	}
}

func TestARememberedHeadFindsWhatWasCutOff(t *testing.T) {
	whole := trailOf(6)
	head := whole[4].Hash
	for n, broken := range map[int]bool{6: false, 5: false, 4: true, 0: true} {
		r, err := audit.Verify(t.Context(), whole[:n], &head)
		if err != nil || (r.Broken != nil) != broken || broken && r.Broken.Seq != int64(n)+1 {
			t.Errorf("of %d entries: %+v, %v", n, r, err)
		}
	}
}

// No two different entries have the same hash, wherever their texts are cut.
func TestEveryPartCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab\x00é]{0,3}`)
		draw := func() audit.Entry {
			return audit.Next(&audit.Entry{Seq: rapid.Int64Range(0, 2).Draw(t, "seq")}, noon.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "at"))*time.Microsecond),
				audit.Actor{ID: text.Draw(t, "actor"), Name: text.Draw(t, "name")}, audit.Change{Action: audit.Action(text.Draw(t, "action")), Object: text.Draw(t, "object")})
		}
		a, b := draw(), draw()
		same := a.Seq == b.Seq && a.At.Equal(b.At) && a.Actor == b.Actor && a.Name == b.Name && a.Action == b.Action && a.Object == b.Object
		if same != (a.Hash == b.Hash) {
			t.Fatalf("%+v\n%+v", a, b)
		}
		if strings.Contains(a.Object, "\x00") {
			t.Fatalf("%q", a.Object)
		}
	})
}

func TestLongTextsAreCut(t *testing.T) {
	e := audit.Next(&audit.Entry{}, noon, audit.Actor{}, audit.Change{Object: strings.Repeat("é", 1000)})
	if len(e.Object) > 500 || !strings.HasSuffix(e.Object, "é…") || e.Actor != audit.System {
		t.Errorf("%d bytes: %q by %q", len(e.Object), e.Object, e.Actor)
	}
}

func TestFiltersByActionsThatThereAreNotAreRefused(t *testing.T) {
	good := []string{"", "key", "budget", "alert", "db", "config", "model"}
	for _, a := range audit.Actions() {
		good = append(good, string(a))
	}
	for _, action := range good {
		if err := (&audit.Filter{Action: action}).Check(); err != nil {
			t.Errorf("%q: %v", action, err)
		}
	}
	for _, action := range []string{"keys", "key.", "key.c", "key.create.", ".", "KEY"} {
		if e := model.AsError((&audit.Filter{Action: action}).Check()); e == nil || e.Kind != model.KindInvalid || e.Param != "action" || !strings.Contains(e.Message, "key.create") {
			t.Errorf("%q: %+v", action, e)
		}
	}
	now := time.Now()
	if e := model.AsError((&audit.Filter{Since: now, Until: now.Add(-time.Hour)}).Check()); e == nil || e.Kind != model.KindInvalid || e.Param != "until" {
		t.Errorf("an end before the beginning: %v", e)
	}
}

func TestFilter(t *testing.T) {
	e := trailOf(1)[0]
	for f, want := range map[audit.Filter]bool{
		{}: true, {Actor: "cli"}: true, {Actor: "ada"}: true, {Actor: "bob"}: false,
		{Action: "key"}: true, {Action: "key.create"}: true, {Action: "key.c"}: false, {Action: "ke"}: false,
		{Object: "k0"}: true, {Object: "k"}: false, {Before: 1}: false, {Before: 2}: true,
		{Since: e.At}: true, {Since: e.At.Add(1)}: false, {Until: e.At}: false, {Until: e.At.Add(1)}: true,
	} {
		if f.Match(&e) != want {
			t.Errorf("%+v: %v", f, !want)
		}
	}
}
