package batch

import (
	"errors"
	"slices"
	"testing"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

func TestDamagedCallsAreLeftOut(t *testing.T) {
	away := errors.New("away")
	fails := map[int64]error{3: ErrBlock, 5: model.Errorf("", model.KindInternal, "not JSON")}
	fill := func(calls []event.Call) error {
		for i := range calls {
			if err := fails[calls[i].Seq]; err != nil {
				return err
			}
			calls[i].Strategy = "filled"
		}
		return nil
	}
	read := func() (seqs, damaged []int64, err error) {
		calls := make([]event.Call, 6)
		for i := range calls {
			calls[i].Seq = int64(i) + 1
		}
		whole, err := Whole(calls, fill, func(seq int64, _ error) { damaged = append(damaged, seq) })
		for _, c := range whole {
			if c.Strategy != "filled" {
				t.Errorf("call %d is not filled", c.Seq)
			}
			seqs = append(seqs, c.Seq)
		}
		return seqs, damaged, err
	}
	if seqs, damaged, err := read(); err != nil || !slices.Equal(seqs, []int64{1, 2, 4, 6}) || !slices.Equal(damaged, []int64{3, 5}) {
		t.Errorf("%v are whole, %v damaged, %v", seqs, damaged, err)
	}
	fails[6] = away
	if _, _, err := read(); !errors.Is(err, away) {
		t.Errorf("a store that is away: %v", err)
	}
	fails = nil
	if seqs, damaged, err := read(); err != nil || len(seqs) != 6 || damaged != nil {
		t.Errorf("without damage: %v, %v, %v", seqs, damaged, err)
	}
}
