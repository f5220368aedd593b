package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/store/storetest"
)

func TestBus(t *testing.T) {
	t.Parallel()
	storetest.RunBus(t, func(t *testing.T) storetest.Dial { return open(t, testserver.Database(t)).DialBus })
}

// TestBusOfATerminatedConnection has the server end the connection that listens.
func TestBusOfATerminatedConnection(t *testing.T) {
	t.Parallel()
	url := testserver.Database(t)
	m := cluster.NewMessenger(cluster.MessengerConfig{Dial: open(t, url).DialBus})
	lost := make(chan time.Time, 10)
	defer m.Subscribe("x", func(data []byte) {
		if data == nil {
			lost <- time.Now()
		}
	})()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { m.Run(ctx) })
	<-lost
	for range 3 {
		begin := time.Now()
		sql(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cartrita bus' AND datname = current_database()`)
		select {
		case at := <-lost:
			t.Logf("heard again after %s", at.Sub(begin))
		case <-time.After(5 * time.Second):
			t.Fatal("the connection did not come back")
		}
	}
}
