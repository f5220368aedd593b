package batch

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/event"
)

func TestBlocksAreReadBack(t *testing.T) {
	var p Packer
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Int64Range(0, 1<<60).Draw(t, "first")
		var rows []Row
		seq := first
		for range rapid.IntRange(1, blockCalls).Draw(t, "calls") {
			c := &event.Call{
				Ended:      time.UnixMicro(seq - rapid.Int64Range(0, 1e9).Draw(t, "behind")),
				RecordJSON: rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "record"),
			}
			if rapid.Bool().Draw(t, "has plan") {
				c.PlanJSON = rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "plan")
			}
			rows = append(rows, Row{seq, c})
			seq += rapid.Int64Range(1, 1e9).Draw(t, "step")
		}
		records, plans := p.Pack(first, rows)
		got, err := Unpack(first, records, plans)
		if err != nil || len(got) != len(rows) {
			t.Fatalf("%d of %d, %v", len(got), len(rows), err)
		}
		for i, e := range got {
			c := rows[i].Call
			if e.Seq != rows[i].Seq || e.Ended != c.Ended.UnixMicro() || string(e.Record) != string(c.RecordJSON) ||
				string(e.Plan) != string(c.PlanJSON) || (e.Plan == nil) != (c.PlanJSON == nil) {
				t.Fatalf("call %d comes back as %+v", i, e)
			}
		}
		bare, err := Unpack(first, records, nil)
		if err != nil || slices.ContainsFunc(bare, func(e Entry) bool { return e.Plan != nil }) {
			t.Fatalf("without plans: %v", err)
		}
	})
}

// FuzzUnpack gives the reader of blocks any bytes.
func FuzzUnpack(f *testing.F) {
	var p Packer
	records, plans := p.Pack(5, []Row{{5, &event.Call{Ended: time.UnixMicro(4), RecordJSON: []byte("{}"), PlanJSON: []byte("[]")}}})
	f.Add(records, plans)
	f.Add([]byte{3, 8, 1, 200, 1}, []byte{})
	f.Fuzz(func(t *testing.T, records, plans []byte) {
		_, _ = Unpack(7, records, plans)
	})
}
