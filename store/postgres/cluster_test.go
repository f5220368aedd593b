package postgres_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
)

// TestLead: one of many leads, until it goes or its time is over; what is written
// in a former term is refused.
func TestLead(t *testing.T) {
	t.Parallel()
	s := open(t, testserver.Database(t))
	ctx := t.Context()
	beat := func(id string, lead time.Duration) int64 {
		t.Helper()
		term, err := s.Beat(ctx, cluster.Member{ID: id, Name: "host", Address: id + ":1", Version: "v", Config: "c", Started: time.Now()}, lead)
		if err != nil {
			t.Fatal(err)
		}
		return term
	}
	conflict := func(what string, err error) {
		t.Helper()
		if model.KindOf(err) != model.KindConflict {
			t.Errorf("%s: %v, want %s", what, err, model.KindConflict)
		}
	}
	if a, b := beat("a", time.Minute), beat("b", time.Minute); a != 1 || b != 0 {
		t.Errorf("a leads in term %d, b in %d", a, b)
	}
	if wait, err := s.BeginJob(ctx, 1, "job", time.Hour); err != nil || wait != 0 {
		t.Errorf("the first run: in %s, %v", wait, err)
	}
	if a := beat("a", 0); a != 1 {
		t.Errorf("it goes on in term %d", a)
	}
	if b := beat("b", time.Minute); b != 2 {
		t.Errorf("its successor leads in term %d", b)
	}
	if a := beat("a", time.Minute); a != 0 {
		t.Errorf("who led before leads in term %d", a)
	}
	_, err := s.BeginJob(ctx, 1, "other", time.Hour)
	conflict("a job of a former term begins", err)
	conflict("a job of a former term ends", s.EndJob(ctx, 1, "job", ""))
	conflict("members are forgotten in a former term", s.ForgetMembers(ctx, 1, 0))
	if wait, err := s.BeginJob(ctx, 2, "job", time.Hour); err != nil || wait != 0 {
		t.Errorf("a run that was not ended: in %s, %v", wait, err)
	}
	if err := s.EndJob(ctx, 2, "job", "it failed"); err != nil {
		t.Error(err)
	}
	if wait, err := s.BeginJob(ctx, 2, "job", time.Hour); err != nil || wait < 59*time.Minute || wait > time.Hour {
		t.Errorf("the next run: in %s, %v", wait, err)
	}
	if wait, err := s.BeginJob(ctx, 2, "job", time.Microsecond); err != nil || wait != 0 {
		t.Errorf("one that is due: in %s, %v", wait, err)
	}
	c, err := s.Census(ctx)
	if err != nil || len(c.Members) != 2 || c.Term != 2 || c.Members[0].Leader || !c.Members[1].Leader || c.At.Sub(c.Members[0].Seen) > time.Minute {
		t.Errorf("%+v, %v", c, err)
	}
	if err := s.Depart(ctx, "b"); err != nil {
		t.Error(err)
	}
	conflict("a job of who went", s.EndJob(ctx, 2, "job", ""))
	if a := beat("a", time.Minute); a != 3 {
		t.Errorf("the successor of who went leads in term %d", a)
	}
	if err := s.ForgetMembers(ctx, 3, time.Hour); err != nil {
		t.Error(err)
	}
	if err := s.ForgetMembers(ctx, 3, 0); err != nil {
		t.Error(err)
	}
	if c, err := s.Census(ctx); err != nil || len(c.Members) != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestOneOfManyLeads: all ask at once, when nobody leads.
func TestOneOfManyLeads(t *testing.T) {
	t.Parallel()
	s := open(t, testserver.Database(t))
	for round := range int64(5) {
		var wg sync.WaitGroup
		var leaders atomic.Int64
		for i := range 6 {
			wg.Go(func() {
				lead := time.Minute
				term, err := s.Beat(t.Context(), cluster.Member{ID: string(rune('a' + i)), Started: time.Now()}, lead)
				if err != nil {
					t.Error(err)
				}
				if term > 0 {
					leaders.Add(1)
					if term != round+1 {
						t.Errorf("term %d, want %d", term, round+1)
					}
				}
			})
		}
		wg.Wait()
		if n := leaders.Load(); n != 1 {
			t.Errorf("%d lead", n)
		}
		for i := range 6 {
			if err := s.Depart(t.Context(), string(rune('a'+i))); err != nil {
				t.Error(err)
			}
		}
	}
}
