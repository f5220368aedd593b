package storetest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/archive"
)

// firstDay is when the calls of spread begin: so early that none ends after now.
var firstDay = base.AddDate(0, 0, -14)

// spread makes calls of which one ends every twenty minutes: some days.
func spread(from, to int) (out []event.Call) {
	for n := from; n < to; n++ {
		out = append(out, endingAt(n, firstDay.Add(time.Duration(n)*20*time.Minute)))
	}
	return out
}

func endingAt(n int, ended time.Time) event.Call {
	c := Sample(n)
	c.Started, c.Ended, c.Record.Received = ended.Add(-time.Second), ended, ended.Add(-2*time.Second)
	if n%10 == 9 {
		c.Started = time.Time{}
	}
	for i := range c.Record.Charges {
		c.Record.Charges[i].Period = ended.Truncate([]time.Duration{24 * time.Hour, time.Hour}[i])
	}
	c.Record.Plan.Trace = []byte{1, 0, byte(n), 0, 2}
	return encode(c)
}

// daysAfter is the beginning of a day after that of the first call.
func daysAfter(n int) time.Time { return firstDay.Truncate(24*time.Hour).AddDate(0, 0, n) }

// before counts the calls of spread that ended before a time.
func before(t time.Time) (n int) {
	for firstDay.Add(time.Duration(n) * 20 * time.Minute).Before(t) {
		n++
	}
	return n
}

func archiver(s archive.Store, dir string) *archive.Archiver {
	return archive.New(archive.Config{Store: s, Dir: dir})
}

func archiveUntil(t *testing.T, a *archive.Archiver, until time.Time) []archive.Day {
	t.Helper()
	days, err := a.Run(t.Context(), cluster.Fence{}, until)
	if err != nil {
		t.Fatal(err)
	}
	return days
}

// readArchive returns the calls of all days in their order, after a look at the
// manifests.
func readArchive(t *testing.T, dir string) (out []archive.Call) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		calls := readDay(t, path)
		var m archive.Manifest
		doc, err := os.ReadFile(strings.TrimSuffix(path, ".jsonl.gz") + ".manifest.json")
		if err != nil || json.Unmarshal(doc, &m) != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		packed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(packed)
		if m.File != filepath.Base(path) || m.Calls != int64(len(calls)) || m.Bytes != int64(len(packed)) || m.SHA256 != hex.EncodeToString(sum[:]) ||
			m.First != calls[0].Number || m.Last != calls[len(calls)-1].Number || m.FirstCall != idOf(t, &calls[0]) || m.LastCall != idOf(t, &calls[len(calls)-1]) {
			t.Errorf("the manifest of %s does not fit: %s", path, doc)
		}
		out = append(out, calls...)
	}
	return out
}

func readDay(t *testing.T, path string) (out []archive.Call) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c archive.Call
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		out = append(out, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func idOf(t *testing.T, c *archive.Call) string {
	t.Helper()
	var r struct {
		ID string `json:"call_id"`
	}
	if err := json.Unmarshal(c.Record, &r); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// archived checks that exactly the first n calls of spread are in the archive,
// whole.
func archived(t *testing.T, dir string, n int) {
	t.Helper()
	got := readArchive(t, dir)
	if len(got) != n {
		t.Fatalf("%d calls are archived, want %d", len(got), n)
	}
	for i, want := range spread(0, n) {
		c := got[i]
		var rec model.Record
		if err := json.Unmarshal(c.Record, &rec); err != nil {
			t.Fatal(err)
		}
		rec.Plan.Trace = c.Trace
		if diff := cmp.Diff(want.Record, &rec, sameRecord); diff != "" {
			t.Fatalf("call %d: stored -, archived +:\n%s", i, diff)
		}
		if !c.Ended.Equal(want.Ended) || (c.Started == nil) != want.Started.IsZero() || c.Started != nil && !c.Started.Equal(want.Started) {
			t.Fatalf("call %d: from %v to %v, want %v to %v", i, c.Started, c.Ended, want.Started, want.Ended)
		}
	}
}

// costs is all that sums answer.
func costs(t *testing.T, s Store) (out []any) {
	t.Helper()
	for _, by := range []event.Dimension{event.ByDay, event.ByHour, event.ByUser, event.ByTag, event.ByModel} {
		report, err := s.Costs(t.Context(), event.CostQuery{By: by})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, report)
	}
	spent, err := s.BudgetSpend(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return append(out, spent)
}

// archiveLeaves takes days out of a store and looks at all that is to go on.
func archiveLeaves(t *testing.T, s Database, exec func(string) [][]string) {
	const all = 300
	ingest(t, s, 130, spread(0, all)...)
	if sumDays(t, s, daysAfter(4)) != 4 {
		t.Error("not four days are over")
	}
	sums, dir := costs(t, s), filepath.Join(t.TempDir(), "made", "when missing")
	until := daysAfter(3)
	gone := before(until)
	pending, err := archiver(s, dir).Pending(t.Context(), until.Add(7*time.Hour))
	if err != nil || len(pending) != 3 || pending[0].Calls != int64(before(daysAfter(1))) {
		t.Errorf("would leave: %+v, %v", pending, err)
	}
	audited(t, s, false, all)

	days := archiveUntil(t, archiver(s, dir), until.Add(7*time.Hour)) // whole days only
	if len(days) != 3 || days[2].Day != "2026-11-11" || days[2].Calls != 72 || days[2].Held != "" || filepath.Base(days[2].File) != "calls-2026-11-11.jsonl.gz" {
		t.Errorf("left: %+v", days)
	}
	archived(t, dir, gone)
	if below, err := s.Boundary(t.Context()); err != nil || below != until.UnixMicro() {
		t.Errorf("the boundary is %d, %v", below, err)
	}
	trail := whole(t, s)
	if len(trail) != 3 || trail[2].Action != "db.archive" || trail[2].Object != "2026-11-11" || !strings.Contains(string(trail[2].Detail), `"calls":72`) {
		t.Errorf("on the trail: %+v", trail)
	}
	if diff := cmp.Diff(sums, costs(t, s), near); diff != "" {
		t.Errorf("sums before -, after +:\n%s", diff)
	}
	if _, err := s.Call(t.Context(), Sample(gone-1).Record.ID); model.KindOf(err) != model.KindNotFound {
		t.Errorf("the last that left: %v", err)
	}
	for _, n := range []int{gone, all - 1} {
		if _, err := s.Call(t.Context(), Sample(n).Record.ID); err != nil {
			t.Errorf("call %d, which stays: %v", n, err)
		}
	}
	ids, _, _ := feedAll(t, s, event.FeedPosition{})
	if len(ids) != all-gone || ids[0] != Sample(gone).Record.ID.String() {
		t.Errorf("the feed shows %d calls, want %d", len(ids), all-gone)
	}
	ingest(t, s, 130, spread(all, all+100)...)
	a := audited(t, s, false, all+100-gone)
	if !a.Agrees() || !a.Since.Equal(until) || a.Sums == 0 || a.Spends == 0 {
		t.Errorf("verified: %+v", a)
	}
	if days := archiveUntil(t, archiver(s, dir), until); len(days) != 0 {
		t.Errorf("once more: %+v", days)
	}

	// What is wrong from the boundary on is found; the rest no rebuild touches.
	right := costs(t, s)
	exec(`UPDATE cost_rollup SET cost = cost + 1`)
	exec(`UPDATE cost_sums SET cost = cost + 1`)
	exec(`UPDATE cost_past SET cost = cost + 1`)
	exec(`UPDATE budget_spend SET tokens = tokens + 1`)
	wrong := costs(t, s)
	a = audited(t, s, true, all+100-gone)
	if len(a.Rollups) == 0 || len(a.Spending) == 0 {
		t.Error("differences behind the boundary are not found")
	}
	for _, d := range a.Rollups {
		if d.Row.Start.Before(until) {
			t.Errorf("a row of %v is compared", d.Row.Start)
		}
	}
	if a := audited(t, s, false, all+100-gone); !a.Agrees() {
		t.Errorf("after the rebuild: %+v", a)
	}
	rebuilt := costs(t, s)
	for i, want := range [][]any{wrong, wrong, wrong, right, right} {
		w, got := want[0].(event.CostReport).Groups[i], rebuilt[0].(event.CostReport).Groups[i]
		if w.Key != daysAfter(i).Format(time.DateOnly) || got.Cost != w.Cost {
			t.Errorf("%s cost %v after the rebuild, want %v", w.Key, got.Cost, w.Cost)
		}
	}
}

var errCrash = errors.New("the process ends")

// crashing is a store whose user dies at a step.
type crashing struct {
	archive.Store
	at      string
	removes int // before it dies
}

func (c *crashing) MoveBoundary(ctx context.Context, term int64, m archive.Move) error {
	if c.at == "written" {
		return errCrash
	}
	return c.Store.MoveBoundary(ctx, term, m)
}

func (c *crashing) RemoveCalls(ctx context.Context, term int64) (int64, bool, error) {
	if c.at == "removing" {
		if c.removes--; c.removes < 0 {
			return 0, false, errCrash
		}
	}
	return c.Store.RemoveCalls(ctx, term)
}

func (c *crashing) WalkNumbers(ctx context.Context, from, below int64, visit func([]event.Call) error) error {
	seen := 0
	return c.Store.WalkNumbers(ctx, from, below, func(calls []event.Call) error {
		if seen++; seen > 1 && c.at == "writing" {
			return errCrash
		}
		return visit(calls)
	})
}

// archiveCrashes dies at every step; the next run loses nothing and archives
// nothing twice.
func archiveCrashes(t *testing.T, s Database, _ func(string) [][]string) {
	const all = 1500
	var calls []event.Call
	for n := range all { // all of one day but the last
		calls = append(calls, endingAt(n, daysAfter(1).Add(time.Duration(n)*57*time.Second)))
	}
	calls = append(calls, endingAt(all, daysAfter(3)))
	ingest(t, s, 130, calls...)
	sums, dir := costs(t, s), t.TempDir()
	left := filepath.Join(dir, ".calls-2026-11-10.jsonl.gz.123.tmp")
	if err := os.WriteFile(left, []byte("half of a"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(left, long, long); err != nil {
		t.Fatal(err)
	}
	for _, c := range []crashing{{at: "writing"}, {at: "written"}, {at: "removing", removes: 0}, {at: "removing", removes: 2}} {
		c.Store = s
		if c.at == "removing" && c.removes == 0 {
			c.removes = 1 // there is nothing to remove at first
		}
		_, err := archiver(&c, dir).Run(t.Context(), cluster.Fence{}, daysAfter(3))
		if !errors.Is(err, errCrash) {
			t.Fatalf("%s: %v", c.at, err)
		}
		got, err := s.Span(t.Context(), 0, daysAfter(4).UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
		if a := audited(t, s, false, int(got.Calls)); !a.Agrees() {
			t.Errorf("%s: %+v", c.at, a)
		}
		if c.at == "writing" {
			if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) > 0 {
				t.Errorf("half a day lies there: %v", files)
			}
		} else if n := len(readArchive(t, dir)); n != all {
			t.Errorf("%s: %d calls are archived", c.at, n)
		}
	}
	archiveUntil(t, archiver(s, dir), daysAfter(3))
	if n := len(readArchive(t, dir)); n != all {
		t.Errorf("in the end %d calls are archived, want %d", n, all)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, ".*")); len(files) > 0 {
		t.Errorf("unfinished files are left: %v", files)
	}
	if a := audited(t, s, false, 1); !a.Agrees() {
		t.Errorf("in the end: %+v", a)
	}
	if diff := cmp.Diff(sums, costs(t, s), near); diff != "" {
		t.Errorf("sums before -, after +:\n%s", diff)
	}
}

// archiveLate stores a call of a day that has left: it comes behind the boundary,
// and leaves with the day in which it came.
func archiveLate(t *testing.T, s Database, _ func(string) [][]string) {
	ingest(t, s, 130, spread(0, 20)...)
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	archiveUntil(t, archiver(s, dir), daysAfter(5)) // the store is empty then
	audited(t, s, false, 0)
	ingest(t, s, 130, spread(20, 23)...)
	archiveUntil(t, archiver(s, dir), daysAfter(2)) // removes nothing that is not archived
	ids, _, _ := feedAll(t, s, head)
	if len(ids) != 3 {
		t.Errorf("who follows the feed sees %d of 3 late calls", len(ids))
	}
	if a := audited(t, s, false, 3); !a.Agrees() {
		t.Errorf("with late calls: %+v", a)
	}
	archiveUntil(t, archiver(s, dir), daysAfter(9))
	audited(t, s, false, 0)
	archived(t, dir, 23)
}

// archiveAgain gives a store calls that it may have archived: it stores those that
// it cannot have.
func archiveAgain(t *testing.T, s Database, _ func(string) [][]string) {
	ingest(t, s, 130, spread(0, 100)...)
	archiveUntil(t, archiver(s, t.TempDir()), daysAfter(1))
	gone := before(daysAfter(1))
	stored, err := s.Ingest(t.Context(), event.Batch{Spool: "lost", Calls: spread(gone-10, 101), Again: true})
	if err != nil || len(stored) != 1 || stored[0].ID != spread(100, 101)[0].ID {
		t.Errorf("%d calls are stored again, %v; only the last one is new", len(stored), err)
	}
	if a := audited(t, s, false, 101-gone); !a.Agrees() {
		t.Errorf("then: %+v", a)
	}
}

// archiveWaits holds back what a sink was not sent.
func archiveWaits(t *testing.T, s Database, _ func(string) [][]string) {
	ingest(t, s, 130, spread(0, 300)...)
	passed, err := s.Span(t.Context(), 0, daysAfter(2).UnixMicro()+int64(time.Hour/time.Microsecond))
	if err != nil {
		t.Fatal(err)
	}
	ctx, now := t.Context(), time.Now()
	if _, held, err := s.ClaimFeed(ctx, "hook", "me", time.Minute, event.FeedPosition{Calls: passed.Last}); err != nil || !held {
		t.Fatal(held, err)
	}
	var told strings.Builder
	dir := t.TempDir()
	a := archive.New(archive.Config{Store: s, Dir: dir, Logger: slog.New(slog.NewTextHandler(&told, nil)), Now: func() time.Time { return now }})
	days := archiveUntil(t, a, daysAfter(4))
	if len(days) != 3 || days[1].Held != "" || days[2].Held != "hook" || days[2].File != "" {
		t.Errorf("left: %+v", days)
	}
	archiveUntil(t, a, daysAfter(4))
	if n := strings.Count(told.String(), "held back"); n != 1 {
		t.Errorf("it warns %d times:\n%s", n, told.String())
	}
	archived(t, dir, before(daysAfter(2)))
	if ids, _, _ := feedAll(t, s, event.FeedPosition{Calls: passed.Last}); len(ids) != 300-int(passed.Calls) {
		t.Errorf("the sink finds %d calls, want %d", len(ids), 300-passed.Calls)
	}
	// It is in no configuration any more, and then in this one again.
	now = now.Add(8 * 24 * time.Hour)
	a.Configure(dir, []string{"hook"})
	if days := archiveUntil(t, a, daysAfter(4)); len(days) != 1 || days[0].Held != "hook" {
		t.Errorf("of a configured sink that nobody holds: %+v", days)
	}
	a.Configure(dir, nil)
	if days := archiveUntil(t, a, daysAfter(3)); len(days) != 1 || days[0].Held != "" {
		t.Errorf("of a sink that is gone: %+v", days)
	}
	now = now.Add(-8 * 24 * time.Hour)
	head, err := s.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AdvanceFeed(ctx, "hook", "me", head); err != nil {
		t.Fatal(err)
	}
	if days := archiveUntil(t, a, daysAfter(4)); len(days) != 1 || days[0].Held != "" {
		t.Errorf("after it was sent all: %+v", days)
	}
	archived(t, dir, before(daysAfter(4)))
}

// archiveDrops lets calls go, and refuses to archive what has no documents.
func archiveDrops(t *testing.T, s Database, exec func(string) [][]string) {
	ingest(t, s, 130, spread(0, 300)...)
	if days := archiveUntil(t, archiver(s, ""), daysAfter(2)); len(days) != 2 || days[0].File != "" {
		t.Errorf("left: %+v", days)
	}
	if a := audited(t, s, false, 300-before(daysAfter(2))); !a.Agrees() {
		t.Errorf("verified: %+v", a)
	}
	exec(`DELETE FROM call_blocks WHERE seq = (SELECT min(seq) FROM call_blocks)`)
	dir := t.TempDir()
	if _, err := archiver(s, dir).Run(t.Context(), cluster.Fence{}, daysAfter(3)); model.KindOf(err) != model.KindInternal || !strings.Contains(fmt.Sprint(err), "72 calls are stored") {
		t.Errorf("without all documents: %v", err)
	}
	if below, err := s.Boundary(t.Context()); err != nil || below != daysAfter(2).UnixMicro() {
		t.Errorf("the boundary moved to %d, %v", below, err)
	}
	if err := s.MoveBoundary(t.Context(), 0, archive.Move{From: daysAfter(1).UnixMicro(), To: daysAfter(3).UnixMicro()}); model.KindOf(err) != model.KindConflict {
		t.Errorf("two move it at once: %v", err)
	}
}

// archiveAhead stores calls of a gateway whose clock is a year ahead: neither they
// nor those that others store then stay in the store for a year.
func archiveAhead(t *testing.T, s Database, _ func(string) [][]string) {
	now := time.Now()
	ahead, later := endingAt(0, now.AddDate(1, 0, 0)), endingAt(1, now.Add(-time.Second))
	for _, c := range []event.Call{ahead, later} {
		if stored, err := s.Ingest(t.Context(), event.Batch{Spool: "spool", Calls: []event.Call{c}}); err != nil || len(stored) != 1 {
			t.Fatal(stored, err)
		}
	}
	page, err := s.Calls(t.Context(), event.Filter{})
	if err != nil || len(page.Calls) != 2 {
		t.Fatal(page, err)
	}
	first, second := page.Calls[1], page.Calls[0]
	if first.Record.ID != ahead.ID || first.Ended.Before(now.Add(-time.Second)) || first.Ended.After(time.Now()) || first.Ended.Sub(first.Started) != time.Second {
		t.Errorf("the call of the clock ahead: %s from %v to %v", first.Record.ID, first.Started, first.Ended)
	}
	if second.Record.ID != later.ID || !second.Ended.Equal(later.Ended.Truncate(time.Microsecond)) || second.Seq <= first.Seq {
		t.Errorf("the call after it: %s ended %v", second.Record.ID, second.Ended)
	}
	if a := audited(t, s, false, 2); !a.Agrees() {
		t.Errorf("sums: %+v", a)
	}
	if days := archiveUntil(t, archiver(s, t.TempDir()), now.AddDate(0, 0, 2).Truncate(24*time.Hour)); len(days) == 0 {
		t.Error("nothing leaves a day later")
	}
	audited(t, s, false, 0)
}
