package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/url"
	"sync"
	"time"
)

const (
	// settles is how long the last records may take to reach the store.
	settles = 60 * time.Second
	// drilled is how many users there are in a drill: each has called at every
	// replica before the database stops. Who is new to a replica then is refused,
	// since it holds no part of the user's budget.
	drilled = 5
)

// drill loads the cluster while something happens to it, and compares the
// records in the store with what callers saw: every call answered whole, and
// recorded once.
func drill(ctx context.Context, c *cluster, o options, happens func(context.Context, options) error) error {
	loaded, cancel := context.WithCancel(ctx)
	defer cancel()
	l := newLoad(c, o.rate)
	l.users, l.note = drilled, true
	var running sync.WaitGroup
	running.Go(func() { l.run(loaded) })
	err := happens(ctx, o)
	cancel()
	running.Wait()
	fmt.Println(l.summary())
	if err != nil {
		return err
	}
	if l.whole == 0 {
		return errors.New("there was no load")
	}
	return errors.Join(unanswered(l), c.compare(ctx, l.ids))
}

// outage stops the database for a while, as a crash would.
func (c *cluster) outage(ctx context.Context, o options) error {
	if err := wait(ctx, o.lasting); err != nil {
		return err
	}
	log.Print("the database stops")
	c.postgres.Stop(fatal{})
	if err := wait(ctx, o.outage); err != nil {
		return err
	}
	c.postgres.Start(fatal{})
	log.Print("the database is back")
	return wait(ctx, o.lasting)
}

// restart ends and starts each replica, politely, as a rollout does.
func (c *cluster) restart(ctx context.Context, o options) error {
	for i, r := range c.replicas {
		if err := wait(ctx, o.lasting); err != nil {
			return err
		}
		log.Printf("replica %d restarts", i+1)
		r.stop()
		if err := r.start(ctx); err != nil {
			return err
		}
	}
	return wait(ctx, o.lasting)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// compare reads the store, over the last replica, until every call is recorded.
func (c *cluster) compare(ctx context.Context, ids []string) error {
	ctx, cancel := context.WithTimeout(ctx, settles)
	defer cancel()
	for {
		recorded, err := c.recorded(ctx)
		if err != nil {
			return err
		}
		missing, more := 0, 0
		for _, id := range ids {
			if recorded[id] == 0 {
				missing++
			}
		}
		for _, n := range recorded {
			more += n - 1
		}
		if missing > 0 && wait(ctx, time.Second) == nil {
			continue
		}
		fmt.Printf("%d calls are recorded as completed: of %d that callers saw %d are missing, %d are recorded twice, %d nobody saw\n",
			len(recorded), len(ids), missing, more, len(recorded)-(len(ids)-missing))
		if missing > 0 || more > 0 || len(recorded) != len(ids) {
			return errors.New("the records are not what callers saw")
		}
		return nil
	}
}

// recorded counts the completed events of each call.
func (c *cluster) recorded(ctx context.Context) (map[string]int, error) {
	base := c.replicas[len(c.replicas)-1].url + "/api/v1/events?kind=model_call.completed&limit=1000&cursor="
	calls := map[string]int{}
	for cursor := ""; ; {
		raw, err := fetch(ctx, base+url.QueryEscape(cursor))
		if err != nil {
			return nil, err
		}
		var page struct {
			Events []struct {
				CallID string `json:"call_id"`
			} `json:"events"`
			Next string `json:"next"`
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			calls[e.CallID]++
		}
		if cursor = page.Next; cursor == "" {
			return calls, nil
		}
	}
}

// fatal ends the command when a server does not do what it is told.
type fatal struct{}

// Helper implements testserver.Failer.
func (fatal) Helper() {}

// Fatal implements testserver.Failer.
func (fatal) Fatal(args ...any) { log.Fatal(args...) }
