package route

import (
	"time"

	"github.com/cartrita/cartrita/model"
)

// DefaultMaxAttempts is the number of attempts made where Input names none.
const DefaultMaxAttempts = 3

// Input is everything a decision depends on. Decide and Next read it and
// write nothing of it but Scratch; the same Input gives the same answer.
type Input struct {
	Strategy *Strategy       // nil: Balanced
	Criteria *model.Criteria // wishes and limits of the caller; nil: none

	Task      model.Task
	Needs     model.FeatureSet // features the request uses, beside Criteria.Features
	MaxOutput model.Count      // tokens the caller allows for the answer
	Largest   float64          // of several texts that are answered each by itself, the largest one's share of the prompt; 0: there is one

	Budget *model.BudgetLimits // what budgets ask of the choice; nil: nothing

	// Served are the endpoints of one registry snapshot. Health and Estimates
	// are parallel to it; nil means that nothing is known.
	Served    []model.Served
	Health    []model.Health
	Estimates []model.Estimate

	// Allowed are the endpoints that the caller's API key may use, parallel to
	// Served; nil: all of them.
	Allowed []bool

	// Table is NewTable(Served), made once per snapshot; nil makes it here.
	Table *Table

	// Named are the positions in Served of the endpoints of the model that the
	// call names, nil when any model may serve. A call that names a model is
	// served by these and by Chain only. A non-nil empty Named is a model
	// without endpoints.
	Named []int32
	// Chain is the fallback chain of the named model: for each name in it the
	// positions of the endpoints that serve it.
	Chain [][]int32
	// ChainOf returns the same for the model at a position in Served. It is asked
	// about the chosen model when Named is nil; nil means no chains. It must be
	// a plain look-up: the same position gives the same chain.
	ChainOf func(served int) [][]int32

	// Only are the positions in Served, rising, that the decision is about, the
	// rest being as if absent; nil is all. A replay knows the figures of these alone.
	Only []int32

	Seed     uint64    // picks the two that are compared when load is spread
	Snapshot uint64    // registry version, copied to the plan
	Now      time.Time // compared with Health.RetryAt
	Received time.Time // arrival of the call, from which a deadline counts; zero: Now

	// MaxAttempts bounds the calls sent upstream, retries included; 0 is
	// DefaultMaxAttempts.
	MaxAttempts int
	// Keep bounds the candidates and the exclusions that the plan lists; 0 lists all.
	// The first MaxAttempts of the fallback order are always listed.
	Keep int

	Scratch *Scratch // memory to work in; nil allocates it
}
