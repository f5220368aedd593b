package sqlite

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/storetest"
)

// A damaged block holds up nothing that comes after it.
func TestTheFeedGoesOnBehindDamage(t *testing.T) {
	var log bytes.Buffer
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "c.db"), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 3 { // a block each
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.write.conn.ExecContext(t.Context(), `UPDATE call_blocks SET records = x'ff00' WHERE seq = (SELECT min(seq) FROM call_blocks WHERE seq > (SELECT min(seq) FROM call_blocks))`); err != nil {
		t.Fatal(err)
	}
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.After(t.Context(), event.FeedPosition{}, 100)
	if err != nil || len(got.Calls) != 2 || got.Next != head {
		t.Fatalf("%v: %+v; want two calls, up to %+v", err, got, head)
	}
	if !strings.Contains(log.String(), "a stored call is damaged") {
		t.Errorf("the log says %q", &log)
	}
}
