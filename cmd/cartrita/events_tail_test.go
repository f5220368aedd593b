package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// Whoever follows hears of what was missed, and that the feed ended, and goes on.
func TestEventsTailGoesOn(t *testing.T) {
	const happened = `{"id":"1","type":"config.changed","time":"2026-11-26T12:00:00Z","data":{"n":%}}`
	feeds := []string{
		"data: " + strings.Replace(happened, "%", "1", 1) + "\n\n" +
			"event: events.missed\ndata: {\"id\":\"2\",\"type\":\"events.missed\",\"time\":\"2026-11-26T12:00:00Z\",\"missed\":1,\"data\":{}}\n\n",
		"", // not there yet
		"data: " + strings.Replace(happened, "{\"n\":%}", "{\"n\":2},\"missed\":70", 1) + "\n\ndata: {\"i", // broken off
		"data: " + strings.Replace(happened, "%", "3", 1) + "\n\n",
	}
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1)) - 1
		if r.URL.Path != "/api/v1/events/stream" || n >= len(feeds) || feeds[n] == "" {
			http.Error(w, "", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, feeds[n])
	}))
	t.Cleanup(server.Close)
	b := newBench(t, "")
	r := b.run("events", "tail", "--server", server.URL, "-n", "3")
	if r.code != exitOK || strings.Count(r.out, "\n") != 4 || !strings.HasPrefix(r.out, "TIME\tKIND\t") || !strings.Contains(r.out, `{"n":3}`) || strings.Contains(r.out, "missed") {
		t.Errorf("exit code %d:\n%s", r.code, r.out)
	}
	said := r.err
	for _, want := range []string{
		"1 event was missed because this reader was too slow",
		"the gateway at " + server.URL + " ended the feed; connecting again\n",
		"connected again; events from ",
		"70 events were missed",
		"broke off; connecting again\n",
		"connected again; events from ",
	} {
		_, rest, found := strings.Cut(said, want)
		if !found {
			t.Fatalf("%q is not said:\n%s", want, r.err)
		}
		said = rest
	}

	// With a bound on the time it gives up, and so it does when nobody was there.
	asked.Store(0)
	if r = b.run("events", "tail", "--server", server.URL, "--timeout", "1m", "-n", "3", "--json"); r.code != exitUnavailable || strings.Count(r.out, "\n") != 2 || !strings.Contains(r.err, "ended the feed") {
		t.Errorf("with --timeout: exit code %d:\n%s%s", r.code, r.out, r.err)
	}
	if r = b.run("events", "tail", "--server", server.URL); r.code != exitUnavailable {
		t.Errorf("nobody there: exit code %d:\n%s%s", r.code, r.out, r.err)
	}
}

// Who gives a time follows for so long; where nobody is to be followed in it, that
// is an error.
func TestEventsTailEndsInTime(t *testing.T) {
	silent := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !silent {
			_, _ = io.WriteString(w, ": listening\n\n")
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	b := newBench(t, "")
	if r := b.run("events", "tail", "--server", server.URL, "--timeout", "200ms"); r.code != exitOK || r.err != "" || strings.Count(r.out, "\n") != 1 {
		t.Errorf("followed: exit code %d:\n%s%s", r.code, r.out, r.err)
	}
	silent = true
	if r := b.run("events", "tail", "--server", server.URL, "--timeout", "200ms"); r.code != exitUnavailable || !strings.Contains(r.err, "did not answer in time") {
		t.Errorf("not followed: exit code %d:\n%s%s", r.code, r.out, r.err)
	}
}
