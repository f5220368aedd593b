package database

import (
	"context"
	"math"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// Unmatched are calls of which a part is missing.
type Unmatched struct {
	Count int64   `json:"count"`
	First []int64 `json:"first"` // their numbers, the lowest shownUnmatched
}

const shownUnmatched = 5

func (u *Unmatched) add(number int64) {
	if u.Count++; len(u.First) < shownUnmatched {
		u.First = append(u.First, number)
	}
}

// Match finds which calls are in one of the two places only, if there are more in
// one of them. numbers shows those of the rows with from ≤ number ≤ to, in order.
func (a *Audit) Match(ctx context.Context, from Source, numbers func(ctx context.Context, from, to int64, visit func(number int64)) error) error {
	if a.Rows == a.Calls {
		return nil
	}
	next := int64(0)
	err := from.Documents(ctx, 0, math.MaxInt64, func(entries []batch.Entry) error {
		if len(entries) == 0 {
			return nil
		}
		i, last := 0, entries[len(entries)-1].Seq
		err := numbers(ctx, next, last, func(number int64) {
			for ; i < len(entries) && entries[i].Seq < number; i++ {
				a.NoRow.add(entries[i].Seq)
			}
			if i < len(entries) && entries[i].Seq == number {
				i++
			} else {
				a.NoDocuments.add(number)
			}
		})
		for ; i < len(entries); i++ {
			a.NoRow.add(entries[i].Seq)
		}
		next = last + 1
		return err
	})
	if err != nil {
		return err
	}
	return numbers(ctx, next, math.MaxInt64, a.NoDocuments.add)
}

// Unaccounted is the error of a rebuild whose calls are not all there to be
// added up.
func (a *Audit) Unaccounted(op string) error {
	if a.Rows == a.Calls {
		return nil
	}
	return model.Errorf(op, model.KindConflict, "%d calls are stored, but the documents of %d: sums worked out of these would be wrong", a.Rows, a.Calls)
}
