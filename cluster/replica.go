package cluster

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// How replicas tell that they are there, and how long a leader is believed in.
const (
	BeatEvery = 2 * time.Second
	LeadTTL   = 6 * time.Second // a leader that died is succeeded within this and BeatEvery
	// Silent is when a member that was not seen may be gone, Gone when it is taken
	// for gone, and ForgetAfter when it is listed no more.
	Silent      = 2 * BeatEvery
	Gone        = 3 * BeatEvery
	ForgetAfter = time.Hour

	beatTimeout  = 3 * time.Second
	leaveTimeout = 2 * time.Second
)

// ReplicaConfig is what a Replica needs.
type ReplicaConfig struct {
	Store  Store
	Self   func() Member // as it is now; Seen and Leader are not its own
	Jobs   []Job         // that one replica does for all
	Logger *slog.Logger  // default: discards
}

// Replica is this process among its like: it tells that it is there, and does
// the jobs of all while it leads. Use NewReplica, and have Run run.
type Replica struct {
	store Store
	self  func() Member
	jobs  []Job
	log   *slog.Logger

	mu   sync.Mutex
	lead *lead // nil: another one leads
}

// lead is a term of this replica.
type lead struct {
	term   int64
	cancel context.CancelFunc
	jobs   sync.WaitGroup
	watch  *time.Timer // ends the term when the store cannot be asked

	mu    sync.Mutex
	until time.Time
}

// over looks at both clocks: the monotonic one stands still in a machine that
// sleeps, the other one may be set.
func (l *lead) over(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !now.Before(l.until) || !now.Round(0).Before(l.until.Round(0))
}

func (l *lead) extend(until time.Time) {
	l.mu.Lock()
	l.until = until
	l.mu.Unlock()
	l.watch.Reset(time.Until(until))
}

// NewReplica makes a Replica without touching the store.
func NewReplica(c ReplicaConfig) *Replica {
	r := &Replica{store: c.Store, self: c.Self, jobs: c.Jobs, log: c.Logger}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r
}

// Leads reports whether this replica leads.
func (r *Replica) Leads() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lead != nil && !r.lead.over(time.Now())
}

// Census returns who is there, and which of them is this one. Errors:
// KindUnavailable.
func (r *Replica) Census(ctx context.Context) (c Census, self string, err error) {
	c, err = r.store.Census(ctx)
	return c, r.self().ID, err
}

// Run tells that the replica is there until ctx ends, and that it goes then.
func (r *Replica) Run(ctx context.Context) {
	t := time.NewTicker(BeatEvery)
	defer t.Stop()
	for failing := false; ; {
		err := r.beat(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			r.log.Warn("this replica cannot tell that it is there; calls go on, and it does nothing for the others until it can", "error", err)
		}
		failing = err != nil
		select {
		case <-t.C:
			continue
		case <-ctx.Done():
		}
		r.follow()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
		defer cancel()
		if err := r.store.Depart(ctx, r.self().ID); err != nil {
			r.log.Warn("this replica cannot tell that it goes; the others notice", "error", err)
		}
		return
	}
}

func (r *Replica) beat(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	asked := time.Now()
	term, err := r.store.Beat(limited, r.self(), LeadTTL)
	r.mu.Lock()
	l := r.lead
	r.mu.Unlock()
	switch now := time.Now(); {
	case err != nil:
		if l != nil && l.over(now) {
			r.follow()
		}
	case l != nil && l.term == term && !l.over(now):
		l.extend(asked.Add(LeadTTL))
	default:
		r.follow()
		if term > 0 {
			r.begin(ctx, term, asked.Add(LeadTTL))
		}
	}
	return err
}

// begin starts the jobs of a term.
func (r *Replica) begin(ctx context.Context, term int64, until time.Time) {
	ctx, cancel := context.WithCancel(ctx)
	l := &lead{term: term, cancel: cancel, until: until, watch: time.AfterFunc(time.Until(until), cancel)}
	for _, j := range r.jobs {
		l.jobs.Go(func() { r.repeat(ctx, j, Fence{Term: term, lead: l}) })
	}
	r.mu.Lock()
	r.lead = l
	r.mu.Unlock()
	r.log.Debug("this replica leads", "term", term)
}

// follow ends the term, if there is one, and waits for its jobs.
func (r *Replica) follow() {
	r.mu.Lock()
	l := r.lead
	r.lead = nil
	r.mu.Unlock()
	if l == nil {
		return
	}
	l.watch.Stop()
	l.cancel()
	l.jobs.Wait()
	r.log.Debug("this replica leads no more", "term", l.term)
}
