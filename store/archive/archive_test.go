package archive_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	"github.com/cartrita/cartrita/store/sqlite"
	"github.com/cartrita/cartrita/store/storetest"
)

// filled is a store with a call in each of three days, and the end of the last.
func filled(t *testing.T) (s *sqlite.Store, until time.Time) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "cartrita.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for n := range 3 {
		c := storetest.Sample(n)
		c.Ended = c.Ended.AddDate(0, 0, n)
		until = c.Ended.AddDate(0, 0, 1).Truncate(24 * time.Hour)
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{c}}); err != nil {
			t.Fatal(err)
		}
	}
	return s, until
}

// Nothing leaves for a folder that cannot be written.
func TestAFolderThatIsNone(t *testing.T) {
	s, until := filled(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	full := t.TempDir() // in which the name of a day is taken by a folder
	if err := os.MkdirAll(filepath.Join(full, "calls-2026-11-23.jsonl.gz", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), full} {
		_, err := archive.New(archive.Config{Store: s, Dir: dir}).Run(t.Context(), cluster.Fence{}, until)
		if model.KindOf(err) != model.KindUnavailable {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if below, err := s.Boundary(t.Context()); err != nil || below != 0 {
		t.Errorf("the boundary is %d, %v", below, err)
	}
	if left, err := filepath.Glob(filepath.Join(full, ".*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// An unfinished file that somebody may be writing stays.
func TestAnotherOnesFileStays(t *testing.T) {
	s, until := filled(t)
	dir := t.TempDir()
	other := filepath.Join(dir, ".calls-2026-11-23.jsonl.gz.7.tmp")
	if err := os.WriteFile(other, []byte("to be gone on with"), 0o600); err != nil {
		t.Fatal(err)
	}
	if days, err := archive.New(archive.Config{Store: s, Dir: dir}).Run(t.Context(), cluster.Fence{}, until); err != nil || len(days) != 3 {
		t.Errorf("%+v, %v", days, err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

// stopping ends its context when a day has left.
type stopping struct {
	*sqlite.Store
	stop context.CancelFunc
}

func (s *stopping) MoveBoundary(ctx context.Context, term int64, m archive.Move) error {
	defer s.stop()
	return s.Store.MoveBoundary(ctx, term, m)
}

func TestARunStopsWithItsContext(t *testing.T) {
	s, until := filled(t)
	ctx, stop := context.WithCancel(t.Context())
	_, err := archive.New(archive.Config{Store: &stopping{s, stop}, Dir: t.TempDir()}).Run(ctx, cluster.Fence{}, until)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	below, err := s.Boundary(t.Context())
	if err != nil || below != until.AddDate(0, 0, -2).UnixMicro() {
		t.Errorf("the boundary is %d, %v", below, err)
	}
	if span, err := s.Span(t.Context(), 0, until.UnixMicro()); err != nil || span.Calls != 3 { // to be removed by the next run
		t.Errorf("%d calls are stored, %v", span.Calls, err)
	}
}

func TestUntil(t *testing.T) {
	now := time.Date(2026, 11, 26, 1, 30, 0, 0, time.FixedZone("two hours ahead", 7200)) // 25 November, UTC
	for keep, want := range map[time.Duration]string{0: "2026-11-25", 24 * time.Hour: "2026-11-24", 90 * 24 * time.Hour: "2026-08-27"} {
		if got := archive.Until(now, keep); got.Format(time.RFC3339) != want+"T00:00:00Z" {
			t.Errorf("keeping %v: until %v, want %s", keep, got, want)
		}
	}
}

// held returns the ids of the calls in each file of a folder, by its name, after a
// look at its manifest.
func held(t *testing.T, dir string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		packed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for lines := json.NewDecoder(plain); lines.More(); {
			var c struct {
				Record struct {
					ID string `json:"call_id"`
				} `json:"record"`
			}
			if err := lines.Decode(&c); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, c.Record.ID)
		}
		var m archive.Manifest
		doc, err := os.ReadFile(strings.TrimSuffix(path, ".jsonl.gz") + ".manifest.json")
		if err != nil || json.Unmarshal(doc, &m) != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		sum := sha256.Sum256(packed)
		if m.File != filepath.Base(path) || m.SHA256 != hex.EncodeToString(sum[:]) || m.Calls != int64(len(ids)) {
			t.Errorf("the manifest of %s does not fit: %s", path, doc)
		}
		out[m.File] = ids
	}
	return out
}

// A day of another database, or of an older copy of this one, replaces no file.
func TestAFileOfADayIsNeverReplacedByOtherCalls(t *testing.T) {
	dir := t.TempDir()
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	archived := func(calls ...int) archive.Day {
		t.Helper()
		s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "cartrita.db")})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, n := range calls {
			if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(n)}}); err != nil {
				t.Fatal(err)
			}
		}
		days, err := archive.New(archive.Config{Store: s, Dir: dir}).Run(t.Context(), cluster.Fence{}, day.AddDate(0, 0, 1))
		if err != nil || len(days) != 1 {
			t.Fatalf("%+v, %v", days, err)
		}
		return days[0]
	}
	ids := func(calls ...int) (out []string) {
		for _, n := range calls {
			out = append(out, storetest.Sample(n).ID.String())
		}
		return out
	}
	first, second, third := "calls-2026-11-23.jsonl.gz", "calls-2026-11-23.2.jsonl.gz", "calls-2026-11-23.3.jsonl.gz"
	want := map[string][]string{}
	for _, run := range []struct {
		calls        []int
		file, beside string
	}{
		{[]int{0, 1, 2, 3, 4}, first, ""},
		{[]int{0, 1, 2, 3, 4}, first, ""}, // as one that died before the boundary moved does
		{[]int{0, 1, 2, 3}, second, first},
		{[]int{7, 8}, third, first},
		{[]int{0, 1, 2, 3}, second, first},
	} {
		want[run.file] = ids(run.calls...)
		d := archived(run.calls...)
		if filepath.Base(d.File) != run.file || d.Beside != run.beside {
			t.Errorf("calls %v: %+v, want %s beside %q", run.calls, d, run.file, run.beside)
		}
		if diff := cmp.Diff(want, held(t, dir)); diff != "" {
			t.Fatalf("after calls %v, want -, is +:\n%s", run.calls, diff)
		}
	}

	// What a manifest speaks of has been taken elsewhere, and a file is damaged.
	if err := errors.Join(os.Remove(filepath.Join(dir, first)), os.WriteFile(filepath.Join(dir, second), []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if d := archived(0, 1, 2, 3); filepath.Base(d.File) != "calls-2026-11-23.4.jsonl.gz" {
		t.Errorf("written to %+v", d)
	}
}
