package budget

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// The pace of an Escrow.
const (
	lookEvery   = 250 * time.Millisecond // at what others did
	lookOften   = 50 * time.Millisecond  // while somebody lacks something
	oftenFor    = 3 * time.Second        // after that
	storeWait   = 2 * time.Second        // for an answer of the store; also how long a call waits for a lease
	changeWait  = 4 * time.Second        // for a lease or what changed, which calls to come use; shorter than stallsAfter
	retryShort  = 20 * time.Millisecond  // while others may give back
	refusedFor  = 100 * time.Millisecond // a call that is no smaller than one that was refused for want of a lease
	evenEvery   = 5 * time.Second        // what is held in advance is looked at
	pruneEvery  = 10 * time.Minute       // what others spent in periods that are over
	stallsAfter = 5 * time.Second        // without a sign of life we may have been frozen, and lost what we held
)

// EscrowConfig configures an Escrow.
type EscrowConfig struct {
	Store ShareStore
	Spool string // that this process stores calls under; what others know it by
	Name  string // for people
	// Open admits calls within the limits, as far as they are known, while the
	// store is away and what is held is used up; else they are refused.
	Open bool
	// FreeAfter is when what a gateway held is free for others that was not seen
	// for so long, whatever it spent since; 0: never.
	FreeAfter time.Duration
	// Changed is called when budgets, overrides or openings did.
	Changed func(context.Context) error
	// Tell has other gateways look (Wake), now that there is something to be
	// seen; they do in any case after a while. It must not wait; default: nobody.
	Tell   func()
	Clock  func() time.Time // default time.Now
	Logger *slog.Logger     // default: discards
}

// Escrow shares the limits of a ledger with other gateways: each holds a part of
// every limit and spends it without asking. It is made before the ledger has
// budgets, and needs Run.
type Escrow struct {
	cfg    EscrowConfig
	ledger *Ledger
	work   chan struct{}
	beyond beyond
	life   atomic.Pointer[life]

	mu      sync.Mutex // guards what follows
	waiting map[accountKey]*want
	fed     []*instance // that want more for calls to come
	round   *round
	refused map[accountKey]refusal
	failed  error // of the store, until a look succeeds; nil: it answers
	woken   bool

	// What follows is Run's own.
	epoch, clock, version int64
	replicas              int
	since                 time.Time
	looked, often         time.Time // when last, and until when looks are frequent
	evened                time.Time // when leases were last looked at
	pruned                time.Time // when old periods were forgotten
	freed                 time.Time // when gateways were last looked for that are not seen any more
	lacking               map[accountKey]bool
	demanded              map[accountKey]bool
}

// life says until when this process may believe that it holds what it held.
type life struct {
	beat      time.Time // its last sign of life
	confirmed time.Time // when the question was asked that the store last answered
	valid     bool
}

// round is one exchange with the store, for all calls that wait for it.
type round struct {
	done   chan struct{}
	grants map[accountKey]Grant
	err    error
}

type refusal struct {
	until time.Time
	least amounts
}

// outcome of waiting for a lease.
type outcome int

const (
	again   outcome = iota // something may have changed
	refused                // what is left does not pay for the call
	away                   // the store does not answer
)

// NewEscrow makes an escrow and binds the ledger to it: nothing can be spent
// before Join.
func NewEscrow(l *Ledger, c EscrowConfig) *Escrow {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Tell == nil {
		c.Tell = func() {}
	}
	e := &Escrow{
		cfg: c, ledger: l, work: make(chan struct{}, 1), waiting: map[accountKey]*want{}, refused: map[accountKey]refusal{},
		round: newRound(), replicas: 1, lacking: map[accountKey]bool{}, demanded: map[accountKey]bool{},
	}
	e.life.Store(&life{beat: c.Clock()})
	l.escrow = e
	return e
}

func newRound() *round { return &round{done: make(chan struct{})} }

// current reports whether what this process held is still its own. It is not
// sure after it was frozen, or after a step of the clock that looks like it.
func (e *Escrow) current() bool {
	if e == nil {
		return true
	}
	v := e.life.Load()
	now := e.cfg.Clock()
	return v.valid && !elapsed(now, v.beat, stallsAfter) &&
		(e.cfg.FreeAfter == 0 || !elapsed(now, v.confirmed, e.cfg.FreeAfter*3/4))
}

// elapsed reports whether more than d lie between two times, by either clock. A
// wall clock that was put back might hide it, so that counts as well.
func elapsed(now, then time.Time, d time.Duration) bool {
	wall := time.Duration(now.UnixNano() - then.UnixNano())
	return now.Sub(then) > d || wall > d || wall < -time.Second
}

// alive notes a sign of life, and that there was none for too long.
func (e *Escrow) alive() bool {
	v, now := *e.life.Load(), e.cfg.Clock()
	if elapsed(now, v.beat, stallsAfter) && v.valid {
		v.valid = false
		e.cfg.Logger.Warn("budget: this process stood still, or its clock was set; it asks what it still holds", "since", v.beat)
	}
	v.beat = now
	e.life.Store(&v)
	return v.valid
}

// confirm notes that the store knew us when it was asked.
func (e *Escrow) confirm(asked time.Time) {
	now := e.cfg.Clock()
	if !elapsed(now, asked, stallsAfter) {
		e.life.Store(&life{beat: now, confirmed: asked, valid: true})
	}
}

// feed asks for more for calls to come. Caller holds the ledger's lock.
func (e *Escrow) feed(in *instance) {
	e.mu.Lock()
	e.fed = append(e.fed, in)
	e.mu.Unlock()
	e.wake()
}

// tell has others look at what was changed here.
func (e *Escrow) tell() {
	if e != nil {
		e.cfg.Tell()
	}
}

// Wake has Run look at what others did, as when one of them says so.
func (e *Escrow) Wake() {
	e.mu.Lock()
	e.woken = true
	e.mu.Unlock()
	e.wake()
}

func (e *Escrow) wake() {
	select {
	case e.work <- struct{}{}:
	default:
	}
}

// extend waits for one exchange with the store about leases that are too small.
func (e *Escrow) extend(short []shortage, deadline time.Time) outcome {
	now := time.Now()
	e.mu.Lock()
	if e.failed != nil {
		e.mu.Unlock()
		return away
	}
	for _, s := range short {
		if e.hopeless(&s, now) {
			e.mu.Unlock()
			return refused
		}
	}
	for _, s := range short {
		w := e.waiting[s.account]
		if w == nil {
			w = &want{least: s.ask}
			e.waiting[s.account] = w
		}
		for u := range units {
			w.sum[u] = min(w.sum[u]+s.ask[u], most)
			w.least[u] = min(w.least[u], s.ask[u])
		}
	}
	r := e.round
	e.mu.Unlock()
	e.wake()

	wait := time.NewTimer(time.Until(deadline))
	defer wait.Stop()
	select {
	case <-r.done:
	case <-wait.C:
		return away
	}
	if r.err != nil {
		return away
	}
	return e.settled(r, short, wait)
}

// settled says what a round means for a call. While others may give back, it
// takes its time.
func (e *Escrow) settled(r *round, short []shortage, wait *time.Timer) outcome {
	open := false
	for _, s := range short {
		g := r.grants[s.account]
		open = open || g.Open
		if g.Short && !g.Open {
			e.mu.Lock()
			e.refused[s.account] = refusal{time.Now().Add(refusedFor), s.ask}
			e.mu.Unlock()
			return refused
		}
	}
	if open {
		pause := time.NewTimer(retryShort)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-wait.C:
			return refused
		}
	}
	return again
}

// hopeless reports that no less was refused a moment ago. Caller holds mu.
func (e *Escrow) hopeless(s *shortage, now time.Time) bool {
	r, ok := e.refused[s.account]
	if !ok {
		return false
	}
	if !now.Before(r.until) {
		delete(e.refused, s.account)
		return false
	}
	for u := range units {
		if s.ask[u] < r.least[u] {
			return false
		}
	}
	return s.ask != (amounts{})
}

// unconfirmed are the accounts that cannot be used before the store has said
// that we still are who we were. Caller holds the lock.
func (l *Ledger) unconfirmed(r *resolved) (short []shortage) {
	for _, in := range r.insts {
		short = append(short, shortage{account: in.account()})
	}
	return short
}

// unavailable is the error of a call that needs more than is held here, while
// nobody can be asked.
func (e *Escrow) unavailable(id model.BudgetID) *model.Error {
	return &model.Error{
		Op: "budget.Reserve", Kind: model.KindUnavailable, RetryAfter: heldWait,
		Message: fmt.Sprintf("what this gateway holds of the budget %q does not pay for the call, and the database that shares it does not answer", id),
	}
}

// Join takes this process up among the gateways, and returns what it spent
// itself in periods from since on; what others spent is in the ledger then. All
// of its own spending must be on record.
func (e *Escrow) Join(ctx context.Context, since time.Time) ([]Spent, error) {
	epoch, err := e.cfg.Store.Join(ctx, e.cfg.Spool, e.cfg.Name)
	if err != nil {
		return nil, err
	}
	asked := e.cfg.Clock()
	sight, err := e.cfg.Store.Look(ctx, Query{Spool: e.cfg.Spool, Since: since})
	if err != nil {
		return nil, err
	}
	var own []Spent
	var others []SpoolSpent
	for _, s := range sight.Spent {
		if s.Spool == e.cfg.Spool {
			own = append(own, s.Spent)
		} else {
			others = append(others, s)
		}
	}
	e.epoch, e.clock, e.version, e.replicas, e.since = epoch, sight.Clock, sight.Version, sight.Replicas, since
	e.ledger.learn(others)
	e.confirm(asked)
	return own, nil
}

// Leave gives back what this process holds, when it ends: all that it spent must
// be on record, and nothing held.
func (e *Escrow) Leave(ctx context.Context) error {
	if e.epoch == 0 || e.ledger.Check().Holds > 0 {
		return nil
	}
	return e.cfg.Store.Leave(ctx, e.cfg.Spool, e.epoch)
}

// Leases returns who holds what.
func (e *Escrow) Leases(ctx context.Context) ([]Replica, error) { return e.cfg.Store.Leases(ctx) }

// Release takes from a gateway what it holds. Should it run, it learns of that
// within a second; what it spends until then and while it cannot reach the
// database may pass the limits. Errors: KindNotFound, KindUnavailable.
func (e *Escrow) Release(ctx context.Context, spool string) error {
	return e.cfg.Store.Release(ctx, spool)
}

// Sharing is how an Escrow is doing.
type Sharing struct {
	Away   bool       // the store does not answer
	Beyond Quantities // what was admitted without a lease, by calls and by what they held
}

// Sharing returns how it is doing.
func (e *Escrow) Sharing() Sharing {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Sharing{
		Away:   e.failed != nil,
		Beyond: Quantities{USD: model.Money(e.beyond.nano.Load()), Requests: e.beyond.calls.Load()},
	}
}

// Escrow returns what shares the limits with other gateways; nil: nothing does.
func (l *Ledger) Escrow() *Escrow { return l.escrow }
