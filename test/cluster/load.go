package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// load calls the replicas that are ready in turn, as a load balancer would, at a
// rate that does not wait for answers.
type load struct {
	c      *cluster
	rate   float64
	client *http.Client
	users  int  // that the calls are made for
	note   bool // keep the ids of calls that were answered whole

	mu      sync.Mutex
	whole   int
	failed  map[string]int // by reason
	skipped int            // found maxInFlight calls under way
	ids     []string
}

// maxInFlight bounds the calls under way.
const maxInFlight = 2000

// looks is how often a load balancer asks whether a replica is ready.
const looks = 50 * time.Millisecond

func newLoad(c *cluster, rate float64) *load {
	return &load{c: c, rate: rate, users: 500, failed: map[string]int{}, client: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	}}
}

// run calls until ctx ends, and waits for the answers.
func (l *load) run(ctx context.Context) {
	if l.rate <= 0 {
		<-ctx.Done()
		return
	}
	var wg sync.WaitGroup
	defer l.client.CloseIdleConnections()
	defer wg.Wait()
	for _, r := range l.c.replicas {
		r.ready.Store(true) // start waited for that
		wg.Go(func() { r.look(ctx) })
	}
	places := make(chan struct{}, maxInFlight)
	began, every := time.Now(), time.Duration(float64(time.Second)/l.rate)
	for n := 0; ; n++ {
		// By the clock: what a busy machine delays is made up for.
		if wait(ctx, time.Until(began.Add(time.Duration(n)*every))) != nil {
			return
		}
		select {
		case places <- struct{}{}:
			wg.Go(func() {
				l.call(n)
				<-places
			})
		default:
			l.count("skipped", "")
		}
	}
}

// look keeps up whether a replica is ready.
func (r *replica) look(ctx context.Context) {
	t := time.NewTicker(looks)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			_, err := fetch(ctx, r.url+"/readyz")
			r.ready.Store(err == nil)
		}
	}
}

// target is the replica of call n.
func (l *load) target(n int) *replica {
	for i := range l.c.replicas {
		if r := l.c.replicas[(n+i)%len(l.c.replicas)]; r.ready.Load() {
			return r
		}
	}
	return nil
}

// call makes one call and counts it by why it was not answered whole.
func (l *load) call(n int) {
	r := l.target(n)
	if r == nil {
		l.count("no replica is ready", "")
		return
	}
	stream := n%5 == 0
	body, err := json.Marshal(map[string]any{
		"model": "auto", "stream": stream, "user": fmt.Sprintf("user-%d", n%l.users),
		"messages": []map[string]string{{"role": "user", "content": fmt.Sprintf("Question %d: %s", n, strings.Repeat("why? ", n%40))}},
	})
	if err != nil {
		l.count(err.Error(), "")
		return
	}
	resp, err := l.client.Post(r.url+"/v1/chat/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		l.count("transport: "+err.Error(), "")
		return
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	reason := ""
	switch {
	case err != nil:
		reason = "broke off"
	case resp.StatusCode != http.StatusOK:
		reason = resp.Status
	case stream && !bytes.HasSuffix(bytes.TrimSpace(answer), []byte("data: [DONE]")), !stream && !json.Valid(answer):
		reason = "not whole"
	}
	l.count(reason, resp.Header.Get("X-Cartrita-Call-Id"))
}

func (l *load) count(reason, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch reason {
	case "":
		l.whole++
		if l.note {
			l.ids = append(l.ids, id)
		}
	case "skipped":
		l.skipped++
	default:
		l.failed[reason]++
	}
}

// failures counts calls that were not answered whole.
func (l *load) failures() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.failed {
		n += f
	}
	return n
}

func (l *load) summary() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := fmt.Sprintf("%d calls answered whole, %d not sent because %d were under way", l.whole, l.skipped, maxInFlight)
	for _, reason := range slices.Sorted(maps.Keys(l.failed)) {
		s += fmt.Sprintf(", %d failed: %s", l.failed[reason], reason)
	}
	return s
}
