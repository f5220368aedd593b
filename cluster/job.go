package cluster

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Job is work that one replica does for all, again and again.
type Job struct {
	Name  string // in the store: keep it
	Every time.Duration
	// Run does it once. Its context ends when the replica leads no more; what it
	// writes says in which term, so that a store can refuse what comes too late. A run
	// that was cut off is done again by the next leader.
	Run func(ctx context.Context, f Fence) error
}

// Fence is a term in which a replica leads.
type Fence struct {
	Term int64
	lead *lead
}

// Check fails when the term is over, also for a process that was frozen and does
// not know it yet. Errors: KindConflict.
func (f Fence) Check() error {
	if f.lead != nil && f.lead.over(time.Now()) {
		return errOver
	}
	return nil
}

var errOver = model.Errorf("cluster.Check", model.KindConflict, "another replica may lead by now")

// jobRetry is how long a job waits after the store failed.
const jobRetry = time.Second

// repeat does a job whenever it is due, until ctx ends or the term is over.
func (r *Replica) repeat(ctx context.Context, j Job, f Fence) {
	for ctx.Err() == nil {
		wait, err := r.store.BeginJob(ctx, f.Term, j.Name, j.Every)
		switch {
		case model.KindOf(err) == model.KindConflict && err != nil:
			return
		case err != nil:
			wait = jobRetry
		case wait <= 0:
			r.once(ctx, j, f)
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(wait, j.Every)):
		}
	}
}

func (r *Replica) once(ctx context.Context, j Job, f Fence) {
	err := f.Check()
	if err == nil {
		err = j.Run(ctx, f)
	}
	if ctx.Err() != nil {
		return // cut off: the next leader begins anew
	}
	failure := ""
	if err != nil {
		failure = err.Error()
		r.log.Error("a job failed; it is tried again when it is due", "job", j.Name, "error", err)
	}
	for ctx.Err() == nil {
		if err := r.store.EndJob(ctx, f.Term, j.Name, failure); err == nil || model.KindOf(err) == model.KindConflict {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(jobRetry):
		}
	}
}
