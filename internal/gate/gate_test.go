package gate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestLetsInByPriorityThenByArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 10)
		if err := g.Enter(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		for _, c := range []struct {
			name     string
			priority int8
		}{{"low", -1}, {"medium 1", 0}, {"medium 2", 0}, {"critical", 2}, {"high", 1}} {
			go func() {
				if err := g.Enter(t.Context(), c.priority); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, c.name)
				mu.Unlock()
				g.Leave()
			}()
			synctest.Wait()
		}
		if inside, waiting := g.Load(); inside != 1 || waiting != 5 {
			t.Fatalf("%d inside, %d waiting", inside, waiting)
		}
		g.Leave()
		synctest.Wait()
		if want := []string{"critical", "high", "medium 1", "medium 2", "low"}; !slices.Equal(order, want) {
			t.Errorf("order %q, want %q", order, want)
		}
		if inside, waiting := g.Load(); inside != 0 || waiting != 0 {
			t.Errorf("%d inside, %d waiting at the end", inside, waiting)
		}
	})
}

func TestFullQueueRefusesOrPushesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 1)
		if err := g.Enter(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		low := make(chan error, 1)
		go func() { low <- g.Enter(t.Context(), -1) }()
		synctest.Wait()
		if err := g.Enter(t.Context(), -1); !errors.Is(err, ErrFull) {
			t.Errorf("second low waiter: %v", err)
		}
		high := make(chan error, 1)
		go func() { high <- g.Enter(t.Context(), 1) }()
		synctest.Wait()
		if err := <-low; !errors.Is(err, ErrFull) {
			t.Errorf("the low waiter was not pushed out: %v", err)
		}
		g.Leave()
		if err := <-high; err != nil {
			t.Errorf("the high waiter: %v", err)
		}
		g.Leave()
	})
}

func TestCancelledWaiterLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 5)
		if err := g.Enter(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error, 1)
		go func() { got <- g.Enter(ctx, 0) }()
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		g.Leave()
		if inside, waiting := g.Load(); inside != 0 || waiting != 0 {
			t.Errorf("%d inside, %d waiting", inside, waiting)
		}
	})
}

// TestNeverOverTheLimit races entries, cancellations and push-outs.
func TestNeverOverTheLimit(t *testing.T) {
	const limit = 3
	g := New(limit, 4)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ctx, cancel := context.WithCancel(context.Background())
			if i%3 == 0 {
				go cancel()
			}
			defer cancel()
			if g.Enter(ctx, int8(i%4)-1) != nil {
				return
			}
			if inside, _ := g.Load(); inside > limit {
				t.Errorf("%d inside", inside)
			}
			g.Leave()
		}()
	}
	wg.Wait()
	if inside, waiting := g.Load(); inside != 0 || waiting != 0 {
		t.Errorf("%d inside, %d waiting at the end", inside, waiting)
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	g := New(1000, 10)
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if g.Enter(ctx, 0) == nil {
				g.Leave()
			}
		}
	})
}
