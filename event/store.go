package event

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Position is a place in the spool: everything before it has been handled.
// Positions of one spool are ordered; the zero Position is its beginning.
type Position struct {
	Segment uint64 // number of the segment file, from 1
	Offset  int64  // bytes into it
}

// Less reports whether p is before q.
func (p Position) Less(q Position) bool {
	return p.Segment < q.Segment || p.Segment == q.Segment && p.Offset < q.Offset
}

// Call is one call as it goes to the store and comes back.
type Call struct {
	Seq     int64     // the store's own number, rising in the order of storing; 0 before it is stored
	Started time.Time // when the intent was recorded; zero if the call never had one
	Ended   time.Time // when the outcome was recorded
	Summary
	// Record is what a Reader returns, read-only; its Plan may be left out (see
	// Filter.Plans). It is nil on the way to a Sink, which is given the documents
	// to store instead: the record without its plan, and the plan (nil if there
	// was none). They are valid until Ingest returns.
	Record               *model.Record
	RecordJSON, PlanJSON []byte
}

// Batch is what a Sink stores in one transaction.
type Batch struct {
	Spool    string   // identity of the spool that the batch comes from
	Position Position // of the spool behind this batch; zero: leave the stored one as it is
	Calls    []Call   //
	// Again says that the calls may have been stored before, so long ago that they
	// were archived since: those that ended before what is archived are skipped.
	Again bool
}

// Sink is where the Log puts calls. Implementations are safe for concurrent
// use. Errors: KindInvalid when the store can never take one of the calls: the
// Log finds it, sets it aside and counts it; any other: the store cannot be
// written now, and the Log tries again.
type Sink interface {
	// Ingest stores the calls, their rollups and the position, all or nothing.
	// A call whose id is stored already is skipped, rollups included. A database
	// takes one that ended more than a minute ahead of its own clock as one that
	// ends now. It returns those that it stored, as it stored them.
	Ingest(ctx context.Context, b Batch) (stored []*Call, err error)
	// Position returns the position last stored for the spool, zero if none.
	Position(ctx context.Context, spool string) (Position, error)
}

// Reader answers questions about what happened. Implementations are safe for
// concurrent use. Errors: KindUnavailable when the store cannot be reached.
type Reader interface {
	// Call returns the stored record of one call, with its plan. KindNotFound.
	Call(ctx context.Context, id model.CallID) (*model.Record, error)
	// Calls lists stored calls that match, latest ended first. KindInvalid for
	// a malformed cursor.
	Calls(ctx context.Context, f Filter) (Page, error)
	// Costs adds up costs from the rollups. KindInvalid for a combination that
	// they cannot answer.
	Costs(ctx context.Context, q CostQuery) (CostReport, error)
	// DailyCosts adds them up by provider, model and day at once, in that order,
	// of calls that reached a provider. By is not used. KindInvalid likewise.
	DailyCosts(ctx context.Context, q CostQuery) ([]DailyCost, error)
}

// SpendReader is what a ledger of budgets is filled from when a process starts.
type SpendReader interface {
	// BudgetSpend returns what calls that ended were charged to budgets, added
	// up by budget and period, of periods that begin at since or later, sorted
	// by both. Errors: KindUnavailable.
	BudgetSpend(ctx context.Context, since time.Time) ([]BudgetSpend, error)
}

// BudgetSpend is the sum of the charges to one budget in one period, or bucket
// of a rolling one.
type BudgetSpend struct {
	Budget   model.BudgetID `json:"budget"`
	Period   time.Time      `json:"period"`
	Calls    int64          `json:"calls"`
	Cost     model.Money    `json:"cost_usd"`
	Assumed  model.Money    `json:"assumed_usd"` // the part of Cost that is not known but was held
	Tokens   int64          `json:"tokens"`
	Requests int64          `json:"requests"`
}

// Add counts a charge.
func (b *BudgetSpend) Add(c *model.Charge) {
	b.Calls++
	b.Cost += c.Cost
	b.Tokens += c.Tokens
	b.Requests += c.Requests
	if c.Assumed {
		b.Assumed += c.Cost
	}
}

// Filter says which calls or events are wanted; the zero Filter wants all.
// Fields that are set must all match.
type Filter struct {
	Since, Until time.Time // Since ≤ ended < Until; not used by Subscribe
	Kinds        []Kind    // events only; nil: all kinds
	State        model.State
	Model        model.ModelID    // that answered or was tried last; before that, that is planned first
	Endpoint     model.EndpointID // likewise
	Provider     string           // likewise
	Task         *model.Task
	Strategy     string
	User         string
	Workflow     string // workflow run id
	Stage        string
	Session      string
	Key          model.KeyID // virtual key
	Team         string
	Project      string
	Supervisor   string
	Tag          string // of the key

	Limit  int    // calls in a page; 0: DefaultLimit; at most MaxLimit. Not used by Subscribe
	Cursor string // Page.Next of the page before; not used by Subscribe
	Plans  bool   // include the plans (they are most of the bytes); not used by Subscribe
}

// Bounds of a page.
const (
	DefaultLimit = 50   // calls
	MaxLimit     = 1000 // calls
)

// Page is a part of a list.
type Page struct {
	Calls []Call // latest ended first
	Next  string // cursor of the following page; "" at the end
}
