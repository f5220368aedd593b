package event

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/cartrita/cartrita/internal/nearest"
	"github.com/cartrita/cartrita/model"
)

// Prompt is the vector of what a call was asked. The text is kept nowhere.
type Prompt struct {
	Call     model.CallID
	At       time.Time     // when the call ended, never later; to the µs
	Embedder model.ModelID // that made the vector
	Vector   []float32
}

// Check returns what is wrong with a prompt: KindInvalid.
func (p *Prompt) Check(op string) error {
	switch {
	case p.Call == model.CallID{}:
		return model.Invalidf(op, "call", "is missing")
	case p.At.IsZero():
		return model.Invalidf(op, "at", "is missing; want when the call ended")
	case p.Embedder == "":
		return model.Invalidf(op, "embedder", "is missing; want the model that made the vector")
	case len(p.Vector) == 0:
		return model.Invalidf(op, "vector", "is empty; want at least one number")
	}
	if x, odd := nearest.Odd(p.Vector); odd {
		return model.Invalidf(op, "vector", "has the number %v", x)
	}
	return nil
}

// PromptStore keeps the vectors of prompts beside the calls, and finds calls
// that were asked alike. A vector leaves with its call. Vectors of different
// embedders, or of different lengths, are never compared. Implementations are
// safe for concurrent use. Errors: KindUnavailable when the store cannot be
// reached.
type PromptStore interface {
	// SavePrompts keeps vectors, in place of those that the same calls have. A
	// call may be stored later than its vector. KindInvalid for one that Check
	// refuses; then none is kept.
	SavePrompts(ctx context.Context, ps []Prompt) error
	// Prompt returns the vector of a call. KindNotFound.
	Prompt(ctx context.Context, id model.CallID) (Prompt, error)
	// NearestPrompts returns stored calls, in the order of PromptNeighbour's
	// Compare.
	NearestPrompts(ctx context.Context, q *PromptQuery) ([]PromptNeighbour, error)
	// ForgetPrompts drops the vectors of calls that ended before a time, and says
	// how many. It stops between two steps when ctx ends.
	ForgetPrompts(ctx context.Context, before time.Time) (int64, error)
}

// PromptQuery asks for calls by what they were asked.
type PromptQuery struct {
	Embedder model.ModelID // that made the vector
	Vector   []float32
	K        int // calls at most
	// Filter restricts the calls; its times are compared with Prompt.At, and
	// Kinds, Limit, Cursor and Plans are not used.
	Filter Filter
}

// PromptNeighbour is a call that was found, without its plan.
type PromptNeighbour struct {
	Call
	Score float64 // the cosine, in [0,1]
}

// Compare orders neighbours: the nearest first, of equal ones the latest id.
func (n *PromptNeighbour) Compare(o *PromptNeighbour) int {
	return cmp.Or(-cmp.Compare(n.Score, o.Score), -bytes.Compare(n.ID[:], o.ID[:]))
}

// SampledPrompt reports whether a call is in a sample of so large a share, from
// 0 to 1. It is the same at every gateway and at every time; a larger sample
// holds every smaller one.
func SampledPrompt(id model.CallID, share float64) bool {
	const all = 1 << 53 // numbers that a float64 holds
	return float64(xxhash.Sum64(id[:])>>11) < math.Min(share, 1)*all
}
