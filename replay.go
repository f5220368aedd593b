package cartrita

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// ReplayQuery asks what stored calls would have done. Without a Change the
// decisions are only made again, which proves that they can be.
type ReplayQuery struct {
	Since   time.Time `json:"since,omitzero"` // of calls that ended; zero: from the first
	Until   time.Time `json:"until,omitzero"`
	User    string    `json:"user,omitempty"` // by the caller's key or, without one, the request's context
	Team    string    `json:"team,omitempty"`
	Project string    `json:"project,omitempty"`
	Change  Change    `json:"change,omitzero"`
	By      ReplayBy  `json:"by,omitempty"`      // groups; "" none
	Changes int       `json:"changes,omitempty"` // calls that change, listed at most; those that save or cost most first
}

// Change is another configuration. The zero value changes nothing. What a
// caller asked of its own call, a strategy by name included, is a wish of that
// call; the change overrides the strategy and nothing else of it.
type Change struct {
	Strategy      string                    `json:"strategy,omitempty"` // by name, as configured now
	Own           *route.Strategy           `json:"own_strategy,omitempty"`
	Prices        map[string]*model.Pricing `json:"prices,omitempty"` // by endpoint id or model id; the endpoint's comes first
	ExcludeModels []model.ModelID           `json:"exclude_models,omitempty"`
	OnlyModels    []model.ModelID           `json:"only_models,omitempty"`
	// KeepLimits holds every call to the hard limits and fallback rules of the
	// strategy that it was decided under as well, the stricter of each; without it
	// another strategy replaces them, as it would in the configuration.
	KeepLimits bool `json:"keep_limits,omitempty"`
	// Budget is what budgets ask of every call, as if these steps of their ladders
	// were in force, in place of what was. Its strategy comes before Strategy.
	Budget *model.BudgetLimits `json:"budget,omitempty"`
	// Budgets are those that count instead of what did, from nothing at the
	// beginning of the time asked for: each call is charged what it would have
	// cost, and their ladders bound those behind it.
	Budgets []budget.Budget `json:"budgets,omitempty"`
}

// none reports a change that changes nothing.
func (c *Change) none() bool {
	return c.Strategy == "" && c.Own == nil && len(c.Prices) == 0 && len(c.ExcludeModels) == 0 && len(c.OnlyModels) == 0 && c.Budget == nil && c.Budgets == nil
}

// ReplayBy is what a replay's groups are by.
type ReplayBy string

// What groups may be by.
const (
	ReplayByModel    ReplayBy = "model" // that served, or was tried last
	ReplayByEndpoint ReplayBy = "endpoint"
	ReplayByTask     ReplayBy = "task"
	ReplayByStrategy ReplayBy = "strategy"
	ReplayByUser     ReplayBy = "user"
	ReplayByTeam     ReplayBy = "team"
	ReplayByProject  ReplayBy = "project"
	ReplayByStage    ReplayBy = "stage"
)

// Replay makes the decisions of stored calls again from their traces, and
// again under the change of the query. Errors: KindInvalid with the field,
// KindUnavailable when nothing keeps a history.
func (s *Service) Replay(ctx context.Context, q ReplayQuery) (*ReplayReport, error) {
	change, err := s.newChange(&q)
	if err != nil {
		return nil, err
	}
	if err := s.checkNames(ctx, &q.Change); err != nil {
		return nil, err
	}
	total := newTotals(&q)
	total.Damaged, err = s.eachTrace(ctx, &q, func() visitor { return newReplayer(change, newTotals(&q)) }, func(v visitor) {
		total.merge(v.(*replayer).totals)
	})
	if err != nil {
		return nil, err
	}
	if change.purse != nil {
		total.Budgets = change.purse.ledger.Status()
	}
	return total.report(&q), nil
}

// visitor looks at stored calls, some at a time. Each worker has its own. A call
// whose visit ends in KindInvalid is damaged, and must not have been counted.
type visitor interface{ visit(c *stored) error }

// Damaged are stored calls that cannot be read, and those that are stored no
// more. They are in no other figure.
type Damaged struct {
	Count int64         `json:"damaged"`
	First []DamagedCall `json:"damaged_calls,omitempty"` // at most maxMismatches
	// Archived is set where the time asked for begins before it: calls that ended
	// before have left for the archive.
	Archived *time.Time `json:"archived_before,omitempty"`
}

// DamagedCall says which call cannot be read.
type DamagedCall struct {
	ID    model.CallID `json:"call_id,omitzero"` // absent: not even that can be read
	Ended time.Time    `json:"ended_at"`
}

func (d *Damaged) add(o Damaged) {
	d.Count += o.Count
	d.First = append(d.First, o.First...)
	slices.SortFunc(d.First, func(a, b DamagedCall) int { return a.Ended.Compare(b.Ended) })
	d.First = d.First[:min(len(d.First), maxMismatches)]
}

// stored is one stored call with its trace, valid during visit.
type stored struct {
	call  *event.Call
	rec   *model.Record // without its plan
	trace *route.Trace  // nil: the call has none
	fleet *route.Fleet  // nil: it is not stored any more, or never was
}

// eachTrace shows the calls of a query to as many visitors as there are
// processors, or in their order to one where budgets count, and afterwards each
// visitor to merge.
func (s *Service) eachTrace(ctx context.Context, q *ReplayQuery, make1 func() visitor, merge func(visitor)) (Damaged, error) {
	if s.history == nil {
		return Damaged{}, model.Errorf("cartrita.Replay", model.KindUnavailable, "nothing keeps a history of calls here")
	}
	if err := s.events.Flush(ctx); err != nil {
		return Damaged{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fleets := &fleetCache{service: s}
	lookers := make([]looker, runtime.GOMAXPROCS(0))
	if q.Change.Budgets != nil {
		lookers = lookers[:1]
	}
	work := make(chan []event.Call, len(lookers))
	var workers sync.WaitGroup
	for i := range lookers {
		l := &lookers[i]
		l.query, l.fleets, l.visitor = q, fleets, make1()
		workers.Go(func() {
			for calls := range work {
				if ctx.Err() != nil {
					continue // the walk is over; empty the channel
				}
				if err := l.look(ctx, calls); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := s.history.Walk(ctx, q.Since, q.Until, func(calls []event.Call) error {
		select {
		case work <- calls:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(work)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return Damaged{}, cause
	}
	if err != nil {
		return Damaged{}, err
	}
	var damaged Damaged
	for i := range lookers {
		merge(lookers[i].visitor)
		damaged.add(lookers[i].damaged)
	}
	damaged.Archived, err = s.archivedBefore(ctx, q.Since)
	return damaged, err
}

// archivedBefore returns when the first calls ended that have not left for the
// archive; nil when none has left that ended from a time on.
func (s *Service) archivedBefore(ctx context.Context, since time.Time) (*time.Time, error) {
	h, ok := s.history.(event.Departing)
	if !ok {
		return nil, nil //nolint:nilnil // none has
	}
	below, err := h.Boundary(ctx)
	at := time.UnixMicro(below).UTC()
	if err != nil || below == 0 || !since.Before(at) {
		return nil, err
	}
	return &at, nil
}

// looker reads calls for one visitor.
type looker struct {
	query   *ReplayQuery
	fleets  *fleetCache
	visitor visitor
	trace   route.Trace
	damaged Damaged
}

func (l *looker) look(ctx context.Context, calls []event.Call) error {
	for i := range calls {
		c := stored{call: &calls[i]}
		err := l.lookAt(ctx, &c)
		if model.KindOf(err) == model.KindInvalid {
			broken := DamagedCall{Ended: c.call.Ended}
			if c.rec != nil {
				broken.ID = c.rec.ID
			}
			l.damaged.add(Damaged{Count: 1, First: []DamagedCall{broken}})
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lookAt reads a call and shows it to the visitor. Errors: KindInvalid when it
// is damaged.
func (l *looker) lookAt(ctx context.Context, c *stored) (err error) {
	if c.rec, err = event.ParseRecord(c.call.RecordJSON, nil); err != nil {
		return &model.Error{Op: "cartrita.Replay", Kind: model.KindInvalid, Err: err}
	}
	if !l.wanted(c.rec) {
		return nil
	}
	if raw := event.PlanTrace(c.call.PlanJSON); raw != nil {
		err := route.ReadTrace(&l.trace, raw)
		if model.KindOf(err) == model.KindInvalid {
			return err
		}
		if err == nil { // another version's is as good as none
			c.trace = &l.trace
			if c.fleet, err = l.fleets.get(ctx, l.trace.Fleet); err != nil {
				return err
			}
		}
	}
	return l.visitor.visit(c)
}

func (l *looker) wanted(r *model.Record) bool {
	q := l.query
	return (q.User == "" || userOf(r) == q.User) && (q.Team == "" || r.Caller.Team == q.Team) &&
		(q.Project == "" || r.Caller.Project == q.Project)
}

// userOf is on whose account a call was: of the key or, without one, as the
// request says.
func userOf(r *model.Record) string {
	if r.Caller.User != "" {
		return r.Caller.User
	}
	return r.Context.UserID
}

// fleetCache holds the fleets of one replay.
type fleetCache struct {
	service *Service
	mu      sync.Mutex
	byID    map[uint64]*route.Fleet // nil: it is not stored
}

func (c *fleetCache) get(ctx context.Context, id uint64) (*route.Fleet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, known := c.byID[id]
	if known {
		return f, nil
	}
	f, err := c.service.loadFleet(ctx, id)
	if err != nil && model.KindOf(err) != model.KindNotFound {
		return nil, err
	}
	if c.byID == nil {
		c.byID = map[uint64]*route.Fleet{}
	}
	c.byID[id] = f
	return f, nil
}
