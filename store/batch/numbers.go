package batch

import (
	"math"
	"time"

	"github.com/cartrita/cartrita/event"
)

// Numbered returns the entries with from ≤ number < below as calls with their
// documents.
func Numbered(entries []Entry, from, below int64) (out []event.Call) {
	for i := range entries {
		if e := &entries[i]; e.Seq >= from && e.Seq < below {
			out = append(out, event.Call{Seq: e.Seq, Ended: time.UnixMicro(e.Ended).UTC(), RecordJSON: e.Record, PlanJSON: e.Plan})
		}
	}
	return out
}

// From returns the rows of which a block is made that holds the entries from a
// number on.
func From(entries []Entry, from int64) []Row {
	calls := Numbered(entries, from, math.MaxInt64)
	rows := make([]Row, len(calls))
	for i := range calls {
		rows[i] = Row{Seq: calls[i].Seq, Call: &calls[i]}
	}
	return rows
}
