package batch

import (
	"cmp"
	"slices"

	"github.com/cartrita/cartrita/event"
)

// Neighbours completes what was found by its number and score alone: fill adds
// the documents to calls that are in the order of Seq.
func Neighbours(found []event.PromptNeighbour, fill func([]event.Call) error) error {
	order := make([]int, len(found))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(found[a].Seq, found[b].Seq) })
	calls := make([]event.Call, len(found))
	for i, at := range order {
		calls[i] = found[at].Call
	}
	if err := fill(calls); err != nil {
		return err
	}
	for i, at := range order {
		found[at].Call = calls[i]
	}
	return nil
}
