package upstream

import (
	"strconv"

	"github.com/cartrita/cartrita/model"
)

// maxCount is the largest count of tokens that is believed. It is far beyond
// any prompt or answer, and small enough that neither sums of counts nor what
// they cost overflow.
const maxCount = 1e9

// Count reads a count of tokens as an upstream reports it. What is no whole
// number, negative or beyond reason counts as not reported.
func Count(value []byte) model.Count {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 0 || n > maxCount {
		return model.Count{}
	}
	return model.Known(n)
}
