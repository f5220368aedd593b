package budget

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/model"
)

// ShareStore is the database in which gateways share their budgets. Each is
// known by its spool, the one under which its calls are stored. Implementations
// are safe for concurrent use. Errors: KindUnavailable.
type ShareStore interface {
	// Join takes a gateway up. What it held before is given back: all that it
	// spent is on record. From the epoch returned on it is the one of its spool.
	Join(ctx context.Context, spool, name string) (epoch int64, err error)
	// Look says that the gateway lives, and returns what is new to it.
	Look(ctx context.Context, q Query) (*Sight, error)
	// Lease decides the asks (Ask.Decide), each alone, all in one transaction.
	// KindConflict when the epoch is over: the gateway then holds nothing.
	Lease(ctx context.Context, spool string, epoch int64, asks []Ask) ([]Grant, error)
	// Forget drops what a gateway held in other accounts than these: of periods that are over.
	Forget(ctx context.Context, spool string, keep []Account) error
	// Leave gives back all that a gateway held that recorded what it spent.
	Leave(ctx context.Context, spool string, epoch int64) error
	// Leases returns who holds what, by spool, then budget and period.
	Leases(ctx context.Context) ([]Replica, error)
	// Release takes from a gateway what it holds, and ends its epoch. KindNotFound.
	Release(ctx context.Context, spool string) error
	// ReleaseUnseen does so with all that were not seen for so long, and returns
	// their spools.
	ReleaseUnseen(ctx context.Context, age time.Duration) ([]string, error)
}

// Query is what a gateway wants to know.
type Query struct {
	Spool string
	After int64     // the clock of the last Sight
	Since time.Time // spending of periods that began earlier does not matter
}

// Sight is what others did.
type Sight struct {
	Epoch    int64        // of the gateway itself; 0: nobody knows it any more
	Clock    int64        // for the next question
	Version  int64        // changes with any budget, override or opening
	Replicas int          // that were seen of late
	Spent    []SpoolSpent // whole sums of the rows that changed
	Wanted   []Account    // of which another lacks what this gateway may hold and not use
}

// SpoolSpent is what one gateway recorded.
type SpoolSpent struct {
	Spool string
	Spent
}

// Account is a budget's counter in one period. Total and rolling windows have
// one for all times, of 1970.
type Account struct {
	Budget model.BudgetID `json:"budget"`
	Period time.Time      `json:"period"`
}

// Ask is how much of an account a gateway wants to hold, of its own spending and
// what it holds for calls. Amounts of units without a limit don't count.
type Ask struct {
	Account
	From, To time.Time  // of the recorded periods and buckets that count, inclusive
	Limit    Limits     //
	Floor    Quantities // what it keeps in any case: it may use that already
	Least    Quantities // with the smallest of the calls that wait
	Want     Quantities // with all of them
	More     Quantities // and what it would like beyond, for calls to come
	Answer   bool       // Floor is all that it uses: it answers who lacks something
	Replicas int        // that share what is left
}

// Opened adds to sum what an opening has in the periods that count.
func (a *Ask) Opened(o *Opening, sum Quantities) Quantities {
	for _, s := range o.Spent {
		if s.Budget == a.Budget && !s.Period.Before(a.From) && !s.Period.After(a.To) {
			sum.USD += s.USD
			sum.Tokens += s.Tokens
			sum.Requests += s.Requests
		}
	}
	return sum
}

// Holder is the part of one gateway in an account.
type Holder struct {
	Spool             string
	Granted, Recorded Quantities
	Answers           bool // it lives, and did not give back since this gateway first lacked something
}

// Grant is the answer to an Ask.
type Grant struct {
	Quantities      // what the gateway holds now
	Short      bool // not even Least is there: it holds Floor
	Open       bool // and others may give some back: it lacks something until it asks again
}

// Decide says what the gateway gets. What others hold or recorded, whichever is
// more, is not there to be had; that what they hold and do not use comes back is
// for them to do. Beyond what calls need, nobody takes more than its part of half
// of what is left: the nearer the limit, the less lies idle.
func (a *Ask) Decide(spool string, opening Quantities, holders []Holder) Grant {
	limit := a.Limit.amounts()
	avail := limit
	var idle amounts // of those who answer
	spent := opening.amounts()
	for _, h := range holders {
		granted, recorded := h.Granted.amounts(), h.Recorded.amounts()
		if h.Spool == spool {
			continue
		}
		for u := range units {
			spent[u] += max(granted[u], recorded[u])
			if h.Answers {
				idle[u] += max(granted[u]-recorded[u], 0)
			}
		}
	}
	floor, least, want, more := a.Floor.amounts(), a.Least.amounts(), a.Want.amounts(), a.More.amounts()
	var g Grant
	for u := range units {
		avail[u] -= spent[u]
		if limit[u] >= 0 && least[u] > floor[u] && least[u] > avail[u] {
			g.Short = true
			g.Open = g.Open || idle[u] > 0
		}
	}
	var got amounts
	for u := range units {
		if limit[u] < 0 {
			continue
		}
		got[u] = floor[u]
		if !g.Short {
			spare := max(avail[u]-want[u], 0) / int64(2*max(a.Replicas, 1))
			got[u] = max(got[u], min(want[u], avail[u])+min(more[u], spare))
		}
	}
	g.Quantities = got.quantities()
	return g
}

// amounts returns the limits, −1 where there is none.
func (l Limits) amounts() amounts {
	a := amounts{-1, -1, -1}
	for u, p := range [units]*int64{(*int64)(l.USD), l.Tokens, l.Requests} {
		if p != nil {
			a[u] = *p
		}
	}
	return a
}

// Replica is one gateway and what it holds.
type Replica struct {
	Spool  string    `json:"spool"`
	Name   string    `json:"name"`
	Seen   time.Time `json:"seen"`
	Leases []Lease   `json:"leases"`
}

// Lease is a part of a limit that a gateway holds.
type Lease struct {
	Account
	Granted  Quantities `json:"granted"`
	Recorded Quantities `json:"recorded"` // of it, what is on record as spent
}
