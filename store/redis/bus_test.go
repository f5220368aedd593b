package redis

import (
	"context"
	"sync"
	"testing"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/store/storetest"
)

// TestBusOfAServerThatGoesAway: its subscribers are told, once it is back.
func TestBusOfAServerThatGoesAway(t *testing.T) {
	t.Parallel()
	server := testserver.NewRedis(t)
	c, _ := open(t, server.URL())
	m := cluster.NewMessenger(cluster.MessengerConfig{Dial: c.DialBus})
	lost := make(chan struct{}, 10)
	defer m.Subscribe("x", func(data []byte) {
		if data == nil {
			lost <- struct{}{}
		}
	})()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { m.Run(ctx) })
	<-lost
	server.Do(t, "CLIENT KILL TYPE pubsub")
	<-lost
	server.Stop(t)
	until(t, "the end of the connection", func() bool { return !m.Stats().Connected })
	server.Start(t)
	<-lost
}

func TestBus(t *testing.T) {
	t.Parallel()
	storetest.RunBus(t, func(t *testing.T) storetest.Dial {
		url := testserver.Keyspace(t) + "&timeout=5s" // the machine may be busy
		return func(ctx context.Context) (cluster.Carrier, error) {
			c, _ := open(t, url)
			until(t, "a write", func() bool { return set(c, "1") == nil })
			return c.DialBus(ctx)
		}
	})
}
