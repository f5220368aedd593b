package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/storetest"
)

func TestDBArchiveMovesCallsOut(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, b *dbBench) {
		s := b.open() // and it stays open, as by a gateway
		b.fill(s, 300)
		first := storetest.Sample(0).Ended
		day, next := first.Format(time.DateOnly), first.AddDate(0, 0, 1).Format(time.DateOnly)
		last := storetest.Sample(300)
		last.Ended = first.AddDate(0, 0, 1)
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{last}}); err != nil {
			t.Fatal(err)
		}
		if out := b.ok("db", "archive", "--dry-run", "--before", next); !strings.Contains(out, day+"\t300\twould leave\n") {
			t.Errorf("would leave:\n%s", out)
		}
		for _, args := range [][]string{{"--before", next}, {"--dry-run"}, {"--dry-run", "--before", "soon"}, {"--dry-run", "--before", "2999-01-01"}} {
			if r := b.run(append([]string{"db", "archive"}, args...)...); r.code != exitInvalid {
				t.Errorf("%v: exit code %d\n%s%s", args, r.code, r.out, r.err)
			}
		}
		dir := filepath.Join(t.TempDir(), "archive")
		b.environ = append(b.environ, "CARTRITA_RETENTION_ARCHIVE="+dir)
		if out := b.ok("db", "archive", "--before", next); !strings.Contains(out, day+"\t300\t"+dir) {
			t.Errorf("left:\n%s", out)
		}
		for _, name := range []string{"calls-" + day + ".jsonl.gz", "calls-" + day + ".manifest.json"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info, err)
			}
		}
		if out := b.ok("db", "archive", "--before", next); !strings.HasPrefix(out, "nothing to do") {
			t.Errorf("once more:\n%s", out)
		}
		var st databaseStatus
		b.json(&st, "db", "status")
		if st.Calls != 1 || st.Since == nil || st.Since.Format(time.DateOnly) != next {
			t.Errorf("status: %+v", st)
		}
		if out := b.ok("db", "status"); !strings.Contains(out, "archived\tcalls of before "+next+"\n") {
			t.Errorf("status:\n%s", out)
		}
		if out := b.ok("db", "verify"); !strings.HasPrefix(out, "ok ") || !strings.Contains(out, "1 call from "+next+" on") {
			t.Errorf("verify:\n%s", out)
		}
		report, err := s.Costs(t.Context(), event.CostQuery{})
		if err != nil || report.Total.Calls != 301 {
			t.Errorf("costs of %d calls, %v", report.Total.Calls, err)
		}
	})
}

func TestDBArchiveKeepsWhatAnotherDatabaseArchived(t *testing.T) {
	dir := t.TempDir()
	first := storetest.Sample(0).Ended
	for n, want := range []string{"calls-2026-11-23.jsonl.gz\n", "calls-2026-11-23.2.jsonl.gz\n"} {
		b := sqliteBench(t)
		b.environ = append(b.environ, "CARTRITA_RETENTION_ARCHIVE="+dir)
		b.fill(b.open(), 5-n)
		r := b.run("db", "archive", "--before", first.AddDate(0, 0, 1).Format(time.DateOnly))
		if r.code != 0 || !strings.Contains(r.out, want) || strings.Contains(r.err, "of 1 day, a file with other calls was there and stays") != (n == 1) {
			t.Errorf("database %d: exit code %d\n%s%s", n, r.code, r.out, r.err)
		}
	}
}

func TestDBCopyRefusesWhatIsArchived(t *testing.T) {
	to := postgresBench(t)
	b := sqliteBench(t)
	b.environ = append(to.environ, "CARTRITA_RETENTION_DROP=true")
	b.fill(b.open(), 10)
	b.ok("db", "archive", "--before", storetest.Sample(0).Ended.AddDate(0, 0, 1).Format(time.DateOnly))
	if r := b.run("db", "copy", "--to", "env:DATABASE_URL"); r.code != exitInvalid || !strings.Contains(r.err, "have left the source") {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
}

// A gateway archives by itself; what a sink waits for stays until it was sent.
func TestServeArchives(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, b *dbBench) {
		s := b.open()
		for n := range 3 {
			c := storetest.Sample(n)
			c.Ended = time.Now().AddDate(0, 0, n-6)
			if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{c}}); err != nil {
				t.Fatal(err)
			}
		}
		dir := t.TempDir()
		b.environ = append(b.environ, "CARTRITA_RETENTION_ARCHIVE="+dir, "CARTRITA_RETENTION_CALLS=4d")
		if _, held, err := s.ClaimFeed(t.Context(), "hook", "me", time.Minute, event.FeedPosition{Calls: time.Now().AddDate(0, 0, -6).UnixMicro()}); err != nil || !held {
			t.Fatal(held, err)
		}
		r := b.serve()
		r.err.wait("held back")
		if files, err := filepath.Glob(filepath.Join(dir, "*.gz")); err != nil || len(files) != 1 {
			t.Errorf("archived: %v, %v", files, err)
		}
		metrics := ""
		for range 200 { // it logs before it counts
			if _, metrics = get(t, r.url+"/metrics"); strings.Contains(metrics, "\ncartrita_archive_held_back 1\n") {
				break
			}
		}
		if !strings.Contains(metrics, "\ncartrita_archived_calls_total 1\n") || !strings.Contains(metrics, "\ncartrita_archive_held_back 1\n") {
			t.Errorf("metrics:\n%s", metrics)
		}
		r.stop()
		head, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.AdvanceFeed(t.Context(), "hook", "me", head); err != nil {
			t.Fatal(err)
		}
		if out := b.ok("db", "archive"); !strings.Contains(out, "\t1\t"+dir) {
			t.Errorf("by hand:\n%s", out)
		}
		var st databaseStatus
		b.json(&st, "db", "status")
		if st.Calls != 1 || st.Since == nil {
			t.Errorf("afterwards: %+v", st)
		}
	})
}
