package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/database"
)

// ada is who changes something.
func ada(ctx context.Context) context.Context {
	return audit.By(ctx, audit.Actor{ID: "key:k1", Name: "ada"})
}

// whole checks that a trail is not broken, and returns it oldest first.
func whole(t *testing.T, s audit.Store) (out []audit.Entry) {
	t.Helper()
	r, err := audit.Verify(t.Context(), s, nil)
	if err != nil || r.Broken != nil {
		t.Fatalf("%+v, %v", r.Broken, err)
	}
	if err := s.WalkTrail(t.Context(), func(es []audit.Entry) error { out = append(out, es...); return nil }); err != nil {
		t.Fatal(err)
	}
	if int64(len(out)) != r.Entries || len(out) > 0 && out[len(out)-1].Hash != r.Head {
		t.Errorf("%d entries, verified %+v", len(out), r)
	}
	return out
}

// trailOfChanges: every change is on the trail, once, and a refused one is not.
func trailOfChanges(t *testing.T, s Store) {
	if got := whole(t, s); len(got) != 0 {
		t.Fatalf("an empty store has %+v", got)
	}
	ctx := ada(t.Context())
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now().Add(-time.Second)
	do(s.SaveModels(ctx, []registry.Version{version("b", 1), version("a", 1)}))
	if err := s.SaveModels(ctx, []registry.Version{version("a", 7)}); err == nil {
		t.Error("a gap is accepted")
	}
	limit := 5 * model.USD
	do(s.SaveBudget(ctx, budget.Budget{Name: "team"}))
	do(s.SaveBudget(ctx, budget.Budget{Name: "team", LimitUSD: &limit}))
	if err := s.DeleteBudget(ctx, "nobody"); err == nil {
		t.Error("a budget that is not there is deleted")
	}
	do(s.DeleteBudget(ctx, "team"))
	do(s.SaveOverride(t.Context(), budget.SavedOverride{Budget: "team", At: base, Override: budget.Override{Until: base, Reason: "r", Actor: "bob"}}))
	for n, doc := range []string{
		`{"id":"k","name":"n","role":"admin"}`, `{"id":"k","name":"m","role":"admin"}`,
		`{"id":"k","name":"m","role":"admin","rotated_at":"2026-11-26T12:00:00Z"}`,
		`{"id":"k","name":"m","role":"admin","rotated_at":"2026-11-26T12:00:00Z","revoked_at":"2026-11-26T13:00:00Z"}`,
	} {
		do(s.SaveKey(ctx, key.Stored{ID: "k", Number: n + 1, Doc: json.RawMessage(doc)}))
	}
	if err := s.SaveKey(ctx, key.Stored{ID: "k", Number: 1, Doc: json.RawMessage(`{}`)}); err == nil {
		t.Error("a former version of a key is accepted")
	}
	do(s.SaveConfig(ctx, configVersion(1, "{}")))
	do(s.SaveAlertRule(ctx, alert.Rule{Name: "slow"}))
	do(s.DeleteAlertRule(ctx, "slow"))
	if err := s.DeleteAlertRule(ctx, "slow"); err == nil {
		t.Error("a rule that is not there is deleted")
	}
	if shared, ok := s.(budget.ShareStore); ok {
		_, err := shared.Join(ctx, "spool-1", "host")
		do(err)
		do(shared.Release(ctx, "spool-1"))
		if shared.Release(ctx, "spool-1") == nil {
			t.Error("what is released already is released")
		}
		_, err = shared.Join(ctx, "spool-2", "host")
		do(err)
		_, err = shared.ReleaseUnseen(t.Context(), 0)
		do(err)
	}

	var got []string
	for _, e := range whole(t, s) {
		got = append(got, fmt.Sprint(e.Actor, " ", e.Name, " ", e.Action, " ", e.Object))
		if e.At.Before(begun) || e.At.After(time.Now().Add(time.Second)) || e.At.Location() != time.UTC || !json.Valid(e.Detail) {
			t.Errorf("%+v", e)
		}
	}
	want := []string{
		"key:k1 ada model.edit b", "key:k1 ada model.edit a", "key:k1 ada budget.save team", "key:k1 ada budget.save team",
		"key:k1 ada budget.delete team", "system bob budget.override team",
		"key:k1 ada key.create k", "key:k1 ada key.update k", "key:k1 ada key.rotate k", "key:k1 ada key.revoke k", "key:k1 ada config.push shared configuration",
		"key:k1 ada alert.save slow", "key:k1 ada alert.delete slow",
	}
	if _, ok := s.(budget.ShareStore); ok {
		want = append(want, "key:k1 ada budget.release spool-1", "system  budget.release spool-2")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	saved := whole(t, s)[3]
	if d := string(saved.Detail); !strings.Contains(d, `"before":{"name":"team"`) || !strings.Contains(d, `"limit_usd":`) {
		t.Errorf("the detail of a budget is %s", d)
	}
}

func trailFilters(t *testing.T, s Store) {
	for n := range 12 {
		who := audit.Actor{ID: []string{"cli", "key:k1"}[n%2], Name: []string{"ada", "bob", "eve"}[n%3]}
		if err := s.SaveBudget(audit.By(t.Context(), who), budget.Budget{Name: fmt.Sprint("b", n%4)}); err != nil {
			t.Fatal(err)
		}
	}
	save(t, s, version("m", 1))
	all := whole(t, s)
	slices.Reverse(all)
	for _, f := range []audit.Filter{
		{}, {Actor: "cli"}, {Actor: "bob"}, {Actor: "nobody"}, {Action: "budget"}, {Action: "budget.save"}, {Action: "budget.s"}, {Action: "model"},
		{Object: "b1"}, {Object: "b1", Actor: "ada"}, {Limit: 3}, {Before: 5}, {Before: 5, Limit: 2}, {Since: all[6].At}, {Until: all[6].At}, {Since: all[8].At, Until: all[2].At, Actor: "cli"},
		{Limit: audit.MaxLimit + 1},
	} {
		var want []audit.Entry
		for _, e := range all {
			if f.Match(&e) && len(want) < f.PageSize() {
				want = append(want, e)
			}
		}
		got, err := s.Trail(t.Context(), f)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%+v: %v; want -, got +:\n%s", f, err, diff)
		}
	}
}

func trailConcurrent(t *testing.T, s Store) {
	const writers, each = 6, 12
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				var err error
				switch w % 3 {
				case 0:
					err = s.SaveBudget(t.Context(), budget.Budget{Name: fmt.Sprint("b", n%2)})
				case 1:
					err = s.SaveModels(t.Context(), []registry.Version{version(model.ModelID(fmt.Sprint("m", w)), n+1)})
				default:
					err = s.SaveOverride(t.Context(), budget.SavedOverride{Budget: "b", At: base})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := whole(t, s); len(got) != writers*each {
		t.Errorf("%d entries, want %d", len(got), writers*each)
	}
}

func trailCopied(t *testing.T, s Store) {
	var last audit.Entry
	var entries []audit.Entry
	for n := range 5 {
		last = audit.Next(&last, base.Add(time.Duration(n)), audit.Actor{ID: "cli"}, audit.Change{Action: audit.KeyCreated, Object: fmt.Sprint(n), Detail: json.RawMessage(`{ "a" : 1.0 }`)})
		entries = append(entries, last)
	}
	for _, some := range [][]audit.Entry{nil, entries[:2], entries[2:]} {
		if err := s.CopyTrail(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	for _, some := range [][]audit.Entry{entries[:1], entries[4:]} {
		if err := s.CopyTrail(t.Context(), some); model.KindOf(err) != model.KindConflict {
			t.Errorf("entries that do not follow: %v, want %s", err, model.KindConflict)
		}
	}
	if err := s.SaveBudget(audit.Copying(t.Context()), budget.Budget{Name: "copied"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entries, whole(t, s)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// trailTampered: whatever is done to a trail in SQL, the first broken entry is named.
func trailTampered(t *testing.T, s Database, exec func(string) [][]string) {
	for n := range 8 {
		if err := s.SaveBudget(ada(t.Context()), budget.Budget{Name: fmt.Sprint("b", n)}); err != nil {
			t.Fatal(err)
		}
	}
	before := whole(t, s)
	head := before[7].Hash
	exec(`CREATE TABLE kept AS SELECT * FROM audit`)
	for name, c := range map[string]struct {
		tamper string // statements, parted by semicolons
		seq    int64
		why    string
	}{
		"a changed row":        {`UPDATE audit SET object = 'b9' WHERE seq = 3`, 3, "was changed"},
		"a changed actor":      {`UPDATE audit SET actor = 'key:k2' WHERE seq = 8`, 8, "was changed"},
		"a changed detail":     {`UPDATE audit SET detail = '{}' WHERE seq = 1`, 1, "was changed"},
		"a row taken out":      {`DELETE FROM audit WHERE seq = 4`, 4, "missing"},
		"numbers closed up":    {`DELETE FROM audit WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5`, 4, "was changed"},
		"the beginning gone":   {`DELETE FROM audit WHERE seq < 3`, 1, "missing"},
		"two rows exchanged":   {`UPDATE audit SET seq = 100 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6; UPDATE audit SET seq = 6 WHERE seq = 100`, 5, "was changed"},
		"a row added":          {`INSERT INTO audit SELECT 9, at, actor, name, action, object, detail, prev, hash FROM audit WHERE seq = 8`, 9, "was changed"},
		"the end cut off":      {`DELETE FROM audit WHERE seq > 6`, 7, "cut off"},
		"everything gone":      {`DELETE FROM audit`, 1, "cut off"},
		"a row of another one": {`UPDATE audit SET prev = hash, hash = prev WHERE seq = 2`, 2, "was changed"},
	} {
		for statement := range strings.SplitSeq(c.tamper, ";") {
			exec(statement)
		}
		r, err := audit.Verify(t.Context(), s, &head)
		if err != nil || r.Broken == nil || r.Broken.Seq != c.seq || !strings.Contains(r.Broken.Why, c.why) {
			t.Errorf("%s: %+v, %v; want %q at %d", name, r.Broken, err, c.why, c.seq)
		}
		exec(`DELETE FROM audit`)
		exec(`INSERT INTO audit SELECT * FROM kept`)
	}
	exec(`DROP TABLE kept`)
	if diff := cmp.Diff(before, whole(t, s)); diff != "" {
		t.Errorf("before -, after +:\n%s", diff)
	}
	if err := s.SaveBudget(ada(t.Context()), budget.Budget{Name: "next"}); err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Verify(t.Context(), s, &head); err != nil || r.Broken != nil || r.Entries != 9 {
		t.Errorf("with another entry: %+v, %v", r, err)
	}
}

func trailOfRebuild(t *testing.T, s Database, exec func(string) [][]string) {
	ingest(t, s, 50, samples(100)...)
	exec(`UPDATE cost_rollup SET calls = calls + 1 WHERE dimension = 'tag'`)
	if _, err := s.Audit(ada(t.Context()), true, func(int) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Audit(ada(t.Context()), false, func(int) {}); err != nil {
		t.Fatal(err)
	}
	if got := whole(t, s); len(got) != 1 || got[0].Action != audit.SumsRebuilt || got[0].Name != "ada" || strings.Contains(string(got[0].Detail), `"cost_rows":0`) {
		t.Errorf("%+v", got)
	}
}

// trailStrays: records that were changed in SQL are not those on the trail.
func trailStrays(t *testing.T, s Database, exec func(string) [][]string) {
	strays := func() (out []string) {
		t.Helper()
		found, err := database.Strays(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			out = append(out, f.What+" "+f.Object+" "+f.Why)
		}
		return out
	}
	old := audit.Copying(t.Context()) // as before there was a trail
	for _, k := range []key.Stored{{ID: "old", Number: 1}, {ID: "grown", Number: 1}, {ID: "grown", Number: 2}} {
		k.Doc = json.RawMessage(`{}`)
		if err := s.SaveKey(old, k); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []key.Stored{{ID: "k", Number: 1}, {ID: "k", Number: 2}, {ID: "gone", Number: 1}, {ID: "up", Number: 1}, {ID: "grown", Number: 3}} {
		k.Doc = json.RawMessage(`{"id": "k"}`)
		if err := s.SaveKey(ada(t.Context()), k); err != nil {
			t.Fatal(err)
		}
	}
	save(t, s, version("a", 1), version("b", 1))
	save(t, s, version("a", 2))
	for n := range 2 {
		if err := s.SaveConfig(t.Context(), configVersion(int64(n)+1, "# ü\nrouter: {}\n")); err != nil {
			t.Fatal(err)
		}
	}
	if got := strays(); len(got) > 0 {
		t.Errorf("nothing was done: %q", got)
	}
	exec(`UPDATE api_keys SET key = '{"id": "k", "role": "admin"}' WHERE key_id IN ('k', 'old')`)
	exec(`UPDATE api_keys SET number = 7 WHERE key_id = 'up'`)
	exec(`DELETE FROM api_keys WHERE key_id = 'gone'`)
	exec(`UPDATE models SET number = 1 WHERE model_id = 'a'`)
	exec(`UPDATE shared_config SET document = '{}' WHERE version = 2`)
	want := []string{
		"config shared configuration version 2 is not what was written", "key gone is gone", "key k version 2 is not what was written",
		"key up version 7 is not on the audit trail", "model a is at version 1, and was at version 2",
	}
	if diff := cmp.Diff(want, strays()); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}
