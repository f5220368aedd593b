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

// load calls the replicas in turn, at a rate that does not wait for answers.
type load struct {
	urls   []string
	rate   float64
	client *http.Client

	mu      sync.Mutex
	whole   int
	failed  map[string]int // by reason
	skipped int            // found maxInFlight calls under way
}

// maxInFlight bounds the calls under way.
const maxInFlight = 2000

func newLoad(urls []string, rate float64) *load {
	return &load{urls: urls, rate: rate, failed: map[string]int{}, client: &http.Client{
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
	places := make(chan struct{}, maxInFlight)
	tick := time.NewTicker(time.Duration(float64(time.Second) / l.rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			wg.Wait()
			l.client.CloseIdleConnections()
			return
		case <-tick.C:
		}
		select {
		case places <- struct{}{}:
			wg.Go(func() {
				l.count(l.call(l.urls[n%len(l.urls)], n))
				<-places
			})
		default:
			l.count("skipped")
		}
	}
}

// call makes one call and returns why it was not answered whole, "" if it was.
func (l *load) call(base string, n int) string {
	stream := n%5 == 0
	body, err := json.Marshal(map[string]any{
		"model": "auto", "stream": stream, "user": fmt.Sprintf("user-%d", n%500),
		"messages": []map[string]string{{"role": "user", "content": fmt.Sprintf("Question %d: %s", n, strings.Repeat("why? ", n%40))}},
	})
	if err != nil {
		return err.Error()
	}
	resp, err := l.client.Post(base+"/v1/chat/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		return "transport"
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "broke off"
	case resp.StatusCode != http.StatusOK:
		return resp.Status
	case stream && !bytes.HasSuffix(bytes.TrimSpace(answer), []byte("data: [DONE]")), !stream && !json.Valid(answer):
		return "not whole"
	}
	return ""
}

func (l *load) count(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch reason {
	case "":
		l.whole++
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
