package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/archive"
	"github.com/cartrita/cartrita/store/storetest"
)

// A process that opened the file before another one archived it gives a late call
// no number of a day that has left: the call would be removed without a copy.
func TestAnotherProcessLearnsOfTheSeal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cartrita.db")
	gateway := open(t, path)
	defer gateway.Close()
	command := open(t, path)
	defer command.Close()
	if _, err := command.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(9)}}); err != nil {
		t.Fatal(err)
	}
	until := storetest.Sample(0).Ended.AddDate(0, 0, 1).Truncate(24 * time.Hour)
	if _, err := archive.New(archive.Config{Store: command}).Run(t.Context(), cluster.Fence{}, until); err != nil {
		t.Fatal(err)
	}
	if _, err := gateway.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(1), storetest.Sample(2)}}); err != nil {
		t.Fatal(err)
	}
	if first, err := command.NextCall(t.Context(), 0); err != nil || first < until.UnixMicro() {
		t.Errorf("the first call has the number %d, below %d; %v", first, until.UnixMicro(), err)
	}
}
