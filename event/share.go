package event

import (
	"context"
	"encoding/hex"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Bounds of sharing.
const (
	DefaultSharedCalls = 10_000

	sharedWaiting = 4096    // calls that may wait for a buffer that is away or slow
	sharedAtOnce  = 100     // entries put, read or removed at once
	sharedBytes   = 1 << 20 // put at once: what a buffer takes in well under its timeout
	shareDelay    = 20 * time.Millisecond
	shareRetry    = time.Second
	shareLeave    = 2 * time.Second // for what waits when Run ends
)

// SharedConfig is where gateways on one store put calls that ended, until they
// are stored: each shows at once what all of them did, also while the store is
// away, and stores what another one recorded and was lost with.
type SharedConfig struct {
	Buffer func(name string) SharedBuffer // required; gateways on one store use one name, and on another another
	Store  SharedStore                    // required
	Calls  int                            // kept in the buffer, about; default 10,000. The oldest go first
}

// sharer moves the calls of this process into the buffer, and out of it when
// they are stored. The request path only appends to a slice. The nil sharer
// shares nothing.
type sharer struct {
	cfg  SharedConfig
	work chan struct{}

	mu      sync.Mutex // guards what follows
	calls   map[model.CallID]*ownCall
	waiting []*ownCall // for the buffer, oldest first; some may be done
	held    []*ownCall // in the buffer, likewise
	gone    []EntryID  // to remove
	stats   ShareStats
	place   *sharedPlace // nil: the store was not asked yet
	stale   bool         // ask again: it may be another database

	salvager salvager // of Salvage alone
	said     trouble  // of run alone
}

// ownCall is a call of this process that is not stored yet.
type ownCall struct {
	id    model.CallID
	call  Call    // until it is in the buffer
	lost  bool    // only the buffer can have it
	entry EntryID // its id there; zero before
	done  bool    // stored, or given up
}

// sharedPlace is the buffer of the gateways on a store, and their secret.
type sharedPlace struct {
	SharedBuffer
	name   string
	secret []byte
}

// ShareStats counts what went through the shared buffer.
type ShareStats struct {
	Shared   uint64 // calls put into it
	Unshared uint64 // calls left out, because it was away or they were too large
	Dropped  uint64 // calls that it lost before they were stored: it was full, or emptied
	Salvaged uint64 // calls that were stored from it
	Foreign  uint64 // entries that no gateway on the store made
}

func newSharer(c *SharedConfig, log *slog.Logger) (*sharer, error) {
	const op = "event.Open"
	if c == nil {
		return nil, nil //nolint:nilnil // it is optional
	}
	s := &sharer{cfg: *c, work: make(chan struct{}, 1), calls: map[model.CallID]*ownCall{}}
	s.said = trouble{log: log, bad: "calls that end cannot be put into the shared buffer; they are in the spool alone", good: "calls that end are put into the shared buffer again"}
	if s.cfg.Calls == 0 {
		s.cfg.Calls = DefaultSharedCalls
	}
	switch {
	case c.Buffer == nil || c.Store == nil:
		return nil, model.Invalidf(op, "shared", "needs a buffer and a store")
	case s.cfg.Calls < 1:
		return nil, model.Invalidf(op, "shared.calls", "is %d, want at least 1", c.Calls)
	}
	return s, nil
}

// add takes a call that ended, with its record, and whether the Log has lost it.
// It never waits.
func (s *sharer) add(c *Call, lost bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= sharedWaiting {
		s.leaveOut(s.waiting[0])
		s.waiting = s.waiting[1:]
	}
	own := &ownCall{id: c.ID, call: *c, lost: lost}
	s.calls[c.ID] = own
	s.waiting = append(s.waiting, own)
	signal(s.work)
}

// settle has calls that are stored taken out of the buffer.
func (s *sharer) settle(calls []Call) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range calls {
		if own := s.calls[calls[i].ID]; own != nil {
			s.finish(own)
			s.remove(own.entry)
		}
	}
	s.trim(EntryID{})
	signal(s.work)
}

// renew has the store asked again for its secret.
func (s *sharer) renew() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = true
}

// finish has nobody look after a call any more, in mu.
func (s *sharer) finish(own *ownCall) {
	own.done, own.call = true, Call{}
	delete(s.calls, own.id)
}

// leaveOut gives up a call that the buffer does not have, in mu.
func (s *sharer) leaveOut(own *ownCall) {
	if !own.done {
		s.finish(own)
		s.stats.Unshared++
	}
}

// remove notes entries that are to go, in mu: no more than the buffer keeps.
func (s *sharer) remove(entries ...EntryID) {
	for _, e := range entries {
		if e != (EntryID{}) {
			s.gone = append(s.gone, e)
		}
	}
	s.gone = s.gone[max(len(s.gone)-s.cfg.Calls, 0):]
}

// trim forgets, in mu, the oldest of the held that are done, or before the
// oldest entry that the buffer still has.
func (s *sharer) trim(oldest EntryID) {
	for len(s.held) > 0 {
		o := s.held[0]
		if !o.done {
			if o.entry.Compare(oldest) >= 0 {
				return
			}
			s.finish(o)
			s.stats.Dropped++
		}
		s.held = s.held[1:]
	}
}

// run puts the calls that end in this process into the shared buffer, and takes
// them out when they are stored, until ctx ends; then it puts what still waits.
// What it leaves there is found stored by Salvage.
func (s *sharer) run(ctx context.Context, spool string) {
	if s == nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shareLeave)
		defer cancel()
		_ = s.moveAll(ctx, spool) // what cannot be put is in the spool
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.work:
		}
		wait := shareDelay // more come with the first
		err := s.moveAll(ctx, spool)
		if err != nil {
			wait = shareRetry
			signal(s.work)
		}
		s.said.note(ctx, err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (s *sharer) moveAll(ctx context.Context, spool string) error {
	p, err := s.find(ctx)
	for more := true; more && err == nil; {
		more, err = s.put(ctx, p, spool)
	}
	for more := true; more && err == nil; {
		more, err = s.takeOut(ctx, p)
	}
	return err
}

// find returns the buffer of the store, whose secret names it. The store is asked
// once, and when it was away: another database may have come back.
func (s *sharer) find(ctx context.Context) (*sharedPlace, error) {
	s.mu.Lock()
	p, stale := s.place, s.stale
	s.stale = false
	s.mu.Unlock()
	if p != nil && !stale {
		return p, nil
	}
	secret, err := s.cfg.Store.SharedSecret(ctx)
	if err != nil && p != nil {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	name := hex.EncodeToString(sharedSum(secret, []byte("name"))[:8])
	if p != nil && p.name == name {
		return p, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.place = &sharedPlace{s.cfg.Buffer(name), name, secret}
	for _, o := range s.held { // in the buffer of another store
		s.finish(o)
	}
	s.held, s.gone = nil, nil
	return s.place, nil
}

// put moves some of the calls that wait into the buffer, and reports whether
// there were any. What a failed Put appended all the same is put again, and the
// first of the two removed by Salvage.
func (s *sharer) put(ctx context.Context, p *sharedPlace, spool string) (any bool, err error) {
	own, calls := s.next()
	if len(own) == 0 {
		return false, nil
	}
	var entries [][]byte
	var shared, large []*ownCall
	size := 0
	for i := range calls {
		e := sealShared(p.secret, &sharedCall{spool, own[i].lost, calls[i]})
		if e == nil {
			large = append(large, own[i])
			continue
		}
		if size += len(e); size > sharedBytes {
			break // it goes with the next
		}
		entries, shared = append(entries, e), append(shared, own[i])
	}
	var ids []EntryID
	var oldest EntryID
	if len(entries) > 0 {
		if ids, oldest, err = p.Put(ctx, entries, s.cfg.Calls); err != nil {
			return false, err
		}
	}
	s.entered(shared, ids, oldest, large)
	return true, nil
}

// next returns some of the calls that wait, as they are now.
func (s *sharer) next() (own []*ownCall, calls []Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(o *ownCall) bool { return o.done })
	own = slices.Clone(s.waiting[:min(len(s.waiting), sharedAtOnce)])
	for _, o := range own {
		calls = append(calls, o.call)
	}
	return own, calls
}

// entered notes which calls are in the buffer, whose oldest entry is given, and
// which are too large for it.
func (s *sharer) entered(shared []*ownCall, ids []EntryID, oldest EntryID, large []*ownCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range large {
		s.leaveOut(o)
	}
	for i, id := range ids {
		o := shared[i]
		o.entry, o.call = id, Call{}
		switch {
		case o.done: // it was stored meanwhile
			s.remove(o.entry)
		case o.lost: // nobody stores it but who salvages it
			s.finish(o)
		default:
			s.held = append(s.held, o)
		}
	}
	s.stats.Shared += uint64(len(ids))
	s.waiting = slices.DeleteFunc(s.waiting, func(o *ownCall) bool { return o.done || o.entry != EntryID{} })
	s.trim(oldest)
}

// takeOut removes some of the entries that are to go, and reports whether there
// were any.
func (s *sharer) takeOut(ctx context.Context, p *sharedPlace) (any bool, err error) {
	s.mu.Lock()
	n := min(len(s.gone), sharedAtOnce)
	ids := slices.Clone(s.gone[:n])
	s.gone = s.gone[n:]
	s.mu.Unlock()
	if n == 0 {
		return false, nil
	}
	if err := p.Remove(ctx, ids); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		later := s.gone
		s.gone = nil
		s.remove(append(ids, later...)...)
		return false, err
	}
	return true, nil
}

func (s *sharer) count(f func(*ShareStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}
