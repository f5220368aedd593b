// Command cluster runs several replicas of the gateway on this machine, on a
// PostgreSQL and a Redis of their own and a mock model server, for trying by
// hand (`make cluster`), for drills (`make drills`) and for soaking (`make
// soak`). Everything is gone when it ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	binary   string
	replicas int
	port     int
	rate     float64
	outage   time.Duration
	restart  bool
	lasting  time.Duration
	soak     time.Duration
	warmUp   time.Duration
	every    time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/cartrita", "the gateway")
	flag.IntVar(&o.replicas, "replicas", 3, "how many")
	flag.IntVar(&o.port, "port", 8081, "of the first replica, the others follow; 0: free ones")
	flag.Float64Var(&o.rate, "rate", 0, "calls per second over all replicas, a fifth of them streams; 0: none")
	flag.DurationVar(&o.outage, "outage", 0, "stop the database for this time under load, and compare its records with what callers saw")
	flag.BoolVar(&o.restart, "restart", false, "restart one replica after the other under load, and compare the records with what callers saw")
	flag.DurationVar(&o.lasting, "lasting", 5*time.Second, "load before and after an outage, and between restarts")
	flag.DurationVar(&o.soak, "soak", 0, "end after this time and judge the growth of memory, goroutines and descriptors; 0: run until interrupted")
	flag.DurationVar(&o.warmUp, "warm-up", 10*time.Minute, "beginning of a soak that is not judged")
	flag.DurationVar(&o.every, "every", 5*time.Second, "how often a soak looks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		log.Fatal("cluster: ", err)
	}
}

func run(ctx context.Context, o options) error {
	c, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer c.stop()
	for i, r := range c.replicas {
		fmt.Printf("replica %d  %s  process %d, data %s\n", i+1, r.url, r.cmd.Process.Pid, r.data)
	}
	fmt.Printf("database   %s\n", c.postgres.URL())
	if c.redis != nil {
		fmt.Printf("redis      %s\n", c.redis.URL())
	}
	switch {
	case o.soak > 0:
		return soak(ctx, c, o)
	case o.outage > 0:
		return drill(ctx, c, o, c.outage)
	case o.restart:
		return drill(ctx, c, o, c.restart)
	}
	fmt.Printf("\nTry:\n  curl %s/v1/chat/completions -d '{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}'\n  %s budget list --server %s\n\nInterrupt to end it all.\n",
		c.replicas[0].url, o.binary, c.replicas[len(c.replicas)-1].url)
	l := newLoad(c, o.rate)
	l.run(ctx) // until it is interrupted
	if o.rate > 0 {
		fmt.Println(l.summary())
	}
	return nil
}
