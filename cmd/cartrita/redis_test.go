package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
)

// A gateway shows whether its Redis is there, and serves all the same.
func TestServeWithRedis(t *testing.T) {
	server := testserver.NewRedis(t)
	server.Stop(t)
	b := newBench(t, "redis: env:REDIS_URL\n")
	b.environ = []string{"REDIS_URL=" + server.URL()}
	r := b.serve("--demo")
	wait := func(metric string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			_, text := get(t, r.url+"/metrics")
			if strings.Contains(text, metric+"\n") {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("no %s in the metrics", metric)
			}
		}
	}
	wait("cartrita_redis_up 0")
	if code, body := get(t, r.url+"/readyz"); code != http.StatusOK {
		t.Errorf("readyz: %d %s", code, body)
	}
	b.ok("chat", "hello", "--model", "demo/pebble-nano")
	server.Start(t)
	wait("cartrita_redis_up 1")
}

func TestARedisThatCannotBeUsed(t *testing.T) {
	for url, want := range map[string]string{
		"":                           "the environment variable REDIS_URL is not set",
		"redis://ada:s3cret@h?db=1":  `"db" is no parameter`,
		"http://ada:s3cret@h":        "want redis://",
		"redis://ada:s3cret@h,other": "add master=NAME or cluster=true",
	} {
		b := newBench(t, "redis: env:REDIS_URL\n")
		b.environ = []string{"REDIS_URL=" + url}
		for _, command := range [][]string{{"serve"}, {"config", "check"}} {
			r := b.run(command...)
			if r.code == exitOK || !strings.Contains(r.err, want) || strings.Contains(r.err, "s3cret") {
				t.Errorf("%v with %s: exit code %d: %s", command, url, r.code, r.err)
			}
		}
	}
}
