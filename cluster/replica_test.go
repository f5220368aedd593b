package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/model"
)

// keeper is a Store as a database keeps it.
type keeper struct {
	mu      sync.Mutex
	away    bool
	holder  string
	term    int64
	until   time.Time
	members map[string]Member
	jobs    map[string]*kept
}

type kept struct {
	term  int64
	began time.Time
	ended bool
}

var errAway = model.Errorf("keeper", model.KindUnavailable, "away")

// frozen is a keeper as a process sees it that stops while it asks.
type frozen struct {
	*keeper
	mu    sync.Mutex
	until time.Time
}

func (f *frozen) thaw() {
	f.mu.Lock()
	wait := time.Until(f.until)
	f.mu.Unlock()
	time.Sleep(max(0, wait))
}

func (f *frozen) Beat(ctx context.Context, m Member, lead time.Duration) (int64, error) {
	f.thaw()
	defer f.thaw()
	return f.keeper.Beat(ctx, m, lead)
}

func (k *keeper) Beat(_ context.Context, m Member, lead time.Duration) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		return 0, errAway
	}
	now := time.Now()
	m.Seen = now
	k.members[m.ID] = m
	if k.holder != m.ID && now.Before(k.until) {
		return 0, nil
	}
	if k.holder != m.ID || !now.Before(k.until) {
		k.term++
	}
	k.holder, k.until = m.ID, now.Add(lead)
	return k.term, nil
}

func (k *keeper) Depart(_ context.Context, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.members, id)
	if k.holder == id {
		k.holder, k.until = "", time.Time{}
	}
	return nil
}

func (k *keeper) Census(context.Context) (Census, error)                          { return Census{}, nil }
func (k *keeper) ForgetMembers(context.Context, int64, time.Duration) (err error) { return }

func (k *keeper) fence(term int64) error {
	switch {
	case k.away:
		return errAway
	case term != k.term:
		return model.Errorf("keeper", model.KindConflict, "over")
	}
	return nil
}

func (k *keeper) BeginJob(_ context.Context, term int64, name string, every time.Duration) (time.Duration, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.fence(term); err != nil {
		return 0, err
	}
	j := k.jobs[name]
	if j != nil && (j.ended || j.term == term) {
		if wait := time.Until(j.began.Add(every)); wait > 0 {
			return wait, nil
		}
	}
	k.jobs[name] = &kept{term: term, began: time.Now()}
	return 0, nil
}

func (k *keeper) EndJob(_ context.Context, term int64, name, _ string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.fence(term); err != nil {
		return err
	}
	k.jobs[name].ended = true
	return nil
}

// runs are when which replica did a job.
type runs struct {
	mu  sync.Mutex
	all []string
	at  []time.Time
}

func (r *runs) add(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all, r.at = append(r.all, what), append(r.at, time.Now())
}

// party starts replicas a, b, c that share a job.
func party(t *testing.T, stores map[string]Store, every time.Duration, job func(ctx context.Context, id string, f Fence) error) (stop map[string]context.CancelFunc, all map[string]*Replica) {
	stop, all = map[string]context.CancelFunc{}, map[string]*Replica{}
	for _, id := range []string{"a", "b", "c"} {
		r := NewReplica(ReplicaConfig{
			Store: stores[id], Self: func() Member { return Member{ID: id} },
			Jobs: []Job{{Name: "job", Every: every, Run: func(ctx context.Context, f Fence) error { return job(ctx, id, f) }}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		stop[id], all[id] = cancel, r
		go r.Run(ctx)
		synctest.Wait() // a comes first
	}
	return stop, all
}

func same(k *keeper) map[string]Store { return map[string]Store{"a": k, "b": k, "c": k} }

func newKeeper() *keeper { return &keeper{members: map[string]Member{}, jobs: map[string]*kept{}} }

// TestJobsRunOnceForAll: by the leader, at their interval; who goes is succeeded
// at its successor's next beat, and no run is lost or done twice.
func TestJobsRunOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done runs
		k := newKeeper()
		stop, all := party(t, same(k), 10*time.Second, func(_ context.Context, id string, f Fence) error {
			if err := f.Check(); err != nil {
				t.Error(err)
			}
			done.add(id)
			return errors.New("a failure is no reason to do it again at once")
		})
		time.Sleep(35 * time.Second)
		synctest.Wait()
		if !slices.Equal(done.all, []string{"a", "a", "a", "a"}) || !all["a"].Leads() || all["b"].Leads() {
			t.Errorf("runs by %v, want four by a", done.all)
		}
		stop["a"]()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := len(done.all); n != 7 || done.all[4] == "a" || all["a"].Leads() || len(k.members) != 2 {
			t.Errorf("runs by %v, want three more by another one", done.all)
		}
		for i := 1; i < len(done.at); i++ {
			if gap := done.at[i].Sub(done.at[i-1]); gap < 10*time.Second || gap > 10*time.Second+BeatEvery {
				t.Errorf("%s between two runs", gap)
			}
		}
	})
}

// TestAFrozenLeaderIsSucceeded: it is over for it when it wakes up, before it
// does anything more; what it was at is done by its successor.
func TestAFrozenLeaderIsSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done runs
		k := newKeeper()
		f := &frozen{keeper: k}
		_, all := party(t, map[string]Store{"a": f, "b": k, "c": k}, time.Minute, func(ctx context.Context, id string, fence Fence) error {
			done.add(fmt.Sprint(id, " begins"))
			if id != "a" {
				return nil
			}
			f.mu.Lock()
			f.until = time.Now().Add(30 * time.Second)
			f.mu.Unlock()
			f.thaw()
			if err := fence.Check(); model.KindOf(err) != model.KindConflict || ctx.Err() == nil {
				t.Errorf("it woke up, and may go on: %v, %v", err, ctx.Err())
			}
			if err := k.EndJob(ctx, fence.Term, "job", ""); model.KindOf(err) != model.KindConflict {
				t.Errorf("the store takes what a former leader writes: %v", err)
			}
			return ctx.Err()
		})
		time.Sleep(LeadTTL + 2*BeatEvery)
		synctest.Wait()
		if !slices.Equal(done.all, []string{"a begins", "b begins"}) && !slices.Equal(done.all, []string{"a begins", "c begins"}) {
			t.Errorf("%v: want the run to be begun anew by another one", done.all)
		}
		if at := done.at[1].Sub(done.at[0]); at > LeadTTL+BeatEvery {
			t.Errorf("taken over after %s", at)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if len(done.all) != 2 || all["a"].Leads() {
			t.Errorf("%v after it woke up", done.all)
		}
	})
}

// TestNobodyLeadsWhileTheStoreIsAway: the leader stops by itself, before
// another one could begin.
func TestNobodyLeadsWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		ended := make(chan time.Time, 1)
		_, all := party(t, same(k), time.Hour, func(ctx context.Context, _ string, _ Fence) error {
			<-ctx.Done()
			select {
			case ended <- time.Now():
			default:
			}
			return ctx.Err()
		})
		time.Sleep(9 * time.Second)
		k.mu.Lock()
		k.away = true
		until := k.until
		k.mu.Unlock()
		time.Sleep(time.Minute)
		if at := <-ended; at.After(until) || all["a"].Leads() {
			t.Errorf("it led until %s, the store says until %s", at, until)
		}
		k.mu.Lock()
		k.away = false
		k.mu.Unlock()
		time.Sleep(BeatEvery)
		synctest.Wait()
		leaders := 0
		for _, r := range all {
			if r.Leads() {
				leaders++
			}
		}
		if leaders != 1 || k.term != 2 {
			t.Errorf("%d lead in term %d", leaders, k.term)
		}
	})
}

// TestAReplicaSaysWhatItsSilenceMeans, once.
func TestAReplicaSaysWhatItsSilenceMeans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		var said bytes.Buffer
		r := NewReplica(ReplicaConfig{Store: k, Self: func() Member { return Member{ID: "a"} }, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		ctx, cancel := context.WithTimeout(t.Context(), 5*BeatEvery)
		defer cancel()
		k.away = true
		r.Run(ctx)
		if strings.Count(said.String(), "this replica cannot tell that it is there; calls go on") != 1 {
			t.Errorf("the log says\n%s", said.String())
		}
	})
}
