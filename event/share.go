package event

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Bounds of sharing.
const (
	DefaultSharedCalls = 10_000

	sharedWaiting = 4096 // calls that may wait for a buffer that is away or slow
	sharedAtOnce  = 200  // entries put or read at once
	shareDelay    = 20 * time.Millisecond
	shareRetry    = time.Second
)

// SharedConfig is where gateways on one store put calls that ended, until they
// are stored: each shows at once what all of them did, also while the store is
// away, and stores what another one recorded and was lost with.
type SharedConfig struct {
	Buffer SharedBuffer // required
	Store  SharedStore  // required
	Calls  int          // kept in the buffer, about; default 10,000. The oldest go first
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
	gone    []string   // entries to remove
	stats   ShareStats
	secret  []byte
}

// ownCall is a call of this process that is not stored yet.
type ownCall struct {
	id    model.CallID
	call  Call   // until it is in the buffer
	entry string // its id there; "" before
	done  bool   // stored, or given up
}

// ShareStats counts what went through the shared buffer.
type ShareStats struct {
	Shared   uint64 // calls put into it
	Unshared uint64 // calls left out, because it was away or they were too large
	Salvaged uint64 // calls that were stored from it
	Foreign  uint64 // entries that no gateway on the store made
}

func newSharer(c *SharedConfig) (*sharer, error) {
	const op = "event.Open"
	if c == nil {
		return nil, nil //nolint:nilnil // it is optional
	}
	s := &sharer{cfg: *c, work: make(chan struct{}, 1), calls: map[model.CallID]*ownCall{}}
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

// add takes a call that ended, with its record. It never waits.
func (s *sharer) add(c *Call) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= sharedWaiting {
		s.leaveOut(s.waiting[0])
		s.waiting = s.waiting[1:]
	}
	own := &ownCall{id: c.ID, call: *c}
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
	for len(s.held) > 0 && s.held[0].done {
		s.held = s.held[1:]
	}
	signal(s.work)
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
func (s *sharer) remove(entries ...string) {
	for _, e := range entries {
		if e != "" {
			s.gone = append(s.gone, e)
		}
	}
	s.gone = s.gone[max(len(s.gone)-s.cfg.Calls, 0):]
}

// Share puts the calls that end in this process into the shared buffer, and
// takes them out when they are stored, until ctx ends; without a SharedConfig it
// returns at once. What it leaves there is found stored by Salvage.
func (l *Log) Share(ctx context.Context) error {
	s := l.share
	if s == nil {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.work:
		}
		wait := shareDelay // more come with the first
		if err := s.moveAll(ctx, l.Spool()); err != nil {
			wait = shareRetry // whoever watches the buffer says what is the matter
			signal(s.work)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (s *sharer) moveAll(ctx context.Context, spool string) error {
	secret, err := s.key(ctx)
	for more := true; more && err == nil; {
		more, err = s.put(ctx, secret, spool)
	}
	for more := true; more && err == nil; {
		more, err = s.takeOut(ctx)
	}
	return err
}

// key returns the secret of the store, which is asked once.
func (s *sharer) key(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	secret := s.secret
	s.mu.Unlock()
	if secret != nil {
		return secret, nil
	}
	secret, err := s.cfg.Store.SharedSecret(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = secret
	return secret, nil
}

// put moves some of the calls that wait into the buffer, and reports whether
// there were any.
func (s *sharer) put(ctx context.Context, secret []byte, spool string) (any bool, err error) {
	own, calls := s.next()
	if len(own) == 0 {
		return false, nil
	}
	var entries [][]byte
	var shared, large []*ownCall
	for i := range calls {
		if e := sealShared(secret, spool, &calls[i]); e != nil {
			entries, shared = append(entries, e), append(shared, own[i])
		} else {
			large = append(large, own[i])
		}
	}
	var ids []string
	if len(entries) > 0 {
		if ids, err = s.cfg.Buffer.Put(ctx, entries, s.cfg.Calls); err != nil {
			return false, err
		}
	}
	s.entered(shared, ids, large)
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

// entered notes which calls are in the buffer, and which are too large for it.
func (s *sharer) entered(shared []*ownCall, ids []string, large []*ownCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range large {
		s.leaveOut(o)
	}
	for i, id := range ids {
		o := shared[i]
		o.entry, o.call = id, Call{}
		if s.held = append(s.held, o); o.done { // it was stored meanwhile
			s.remove(o.entry)
		}
	}
	s.stats.Shared += uint64(len(ids))
	s.waiting = slices.DeleteFunc(s.waiting, func(o *ownCall) bool { return o.done || o.entry != "" })
	for len(s.held) > s.cfg.Calls || len(s.held) > 0 && s.held[0].done {
		s.finish(s.held[0]) // the buffer dropped it by now
		s.held = s.held[1:]
	}
}

// takeOut removes some of the entries that are to go, and reports whether there
// were any.
func (s *sharer) takeOut(ctx context.Context) (any bool, err error) {
	s.mu.Lock()
	n := min(len(s.gone), sharedAtOnce)
	ids := slices.Clone(s.gone[:n])
	s.gone = s.gone[n:]
	s.mu.Unlock()
	if n == 0 {
		return false, nil
	}
	if err := s.cfg.Buffer.Remove(ctx, ids); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		later := s.gone
		s.gone = nil
		s.remove(append(ids, later...)...)
		return false, err
	}
	return true, nil
}
