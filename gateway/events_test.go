package gateway

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

func testEvent(n string, kind event.Kind) event.Event {
	id := model.NewCallID()
	return event.Event{ID: id.String() + "." + n, Kind: kind, Call: id, Record: &model.Record{ID: id, State: model.StateCompleted}}
}

// frame reads one server-sent event.
func frame(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", b.String(), err)
		}
		if line == "\n" {
			return b.String()
		}
		b.WriteString(line)
	}
}

func TestEventsAreStreamedAsTheyHappen(t *testing.T) {
	w := newWorld(t)
	resp := w.do("GET", "/api/v1/events/stream?kind=model_call.completed&user=ann", "")
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/event-stream") {
		t.Errorf("content type %q", got)
	}
	r := bufio.NewReader(resp.Body)
	if got := frame(t, r); got != ": listening\n" {
		t.Errorf("first %q", got)
	}
	if f := w.events.filter; f.User != "ann" || len(f.Kinds) != 1 {
		t.Errorf("filter %+v", f)
	}
	e := testEvent("3", event.CallCompleted)
	e.Missed = 7
	w.events.ch <- e
	got := frame(t, r)
	for _, want := range []string{"id: " + e.ID + "\n", "event: model_call.completed\n", `"missed":7`, `"call_id":"` + e.Call.String()} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

func TestEventStreamEndsWithTheServer(t *testing.T) {
	w := newWorld(t)
	resp := w.do("GET", "/api/v1/events/stream", "")
	r := bufio.NewReader(resp.Body)
	frame(t, r)
	w.Drain()
	if _, err := r.ReadByte(); err == nil {
		t.Error("the stream goes on")
	}
	resp.Body.Close()
}

// A stream ends with the key that it was opened with, at the next event or
// heartbeat, and says why.
func TestEventStreamEndsWithItsKey(t *testing.T) {
	revoke := func(kw *keyWorld, id model.KeyID) error { _, err := kw.ring.Revoke(t.Context(), id, ""); return err }
	for name, c := range map[string]struct {
		end  func(kw *keyWorld, id model.KeyID) error
		idle bool // no event comes
		want string
	}{
		"revoked":           {revoke, false, "revoked"},
		"revoked, no event": {revoke, true, "revoked"},
		"expired":           {func(kw *keyWorld, _ model.KeyID) error { kw.now = kw.now.Add(2 * time.Hour); return nil }, false, "expired"},
		"of another role": {func(kw *keyWorld, id model.KeyID) error {
			_, err := kw.ring.Update(t.Context(), id, key.Fields{Role: ptr(key.RoleCaller)}, "")
			return err
		}, false, "role"},
	} {
		w, kw := newWorldWithKeys(t)
		if c.idle {
			w.heartbeat = 10 * time.Millisecond
		}
		id, token := kw.make(t, key.Fields{Name: ptr("watcher"), Role: ptr(key.RoleViewer), Expires: ptr("1h")})
		resp := w.do("GET", "/api/v1/events/stream", "", "Authorization", "Bearer "+token)
		r := bufio.NewReader(resp.Body)
		frame(t, r)
		if err := c.end(kw, id); err != nil {
			t.Fatal(err)
		}
		if !c.idle {
			w.events.ch <- testEvent("3", event.CallCompleted)
		}
		rest := text(t, resp)
		_, last, found := strings.Cut(rest, "event: error\n")
		if !found || !strings.Contains(last, c.want) || strings.Contains(rest, "model_call") {
			t.Errorf("%s: %s", name, rest)
		}
	}
}

func TestShutdownWaitsForStreams(t *testing.T) {
	w := newWorld(t)
	srv := w.Server()
	step := make(chan struct{})
	w.service.serve = func(_ context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		_ = out.Start(testInfo(call), nil)
		_ = out.Chunk([]byte("data: 1\n\n"))
		<-step
		_ = out.Chunk([]byte("data: [DONE]\n\n"))
		return testRecord(call), out.End(testRecord(call), nil)
	}
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	resp, err := http.Post("http://"+l.Addr().String()+"/v1/chat/completions", "", strings.NewReader(streamBody))
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Shutdown(context.Background()) }()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Fatal(err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a stream under way: %v", err)
	default:
	}
	<-w.stopping // the shutdown drains the gateway
	close(step)
	if got := text(t, resp); !strings.HasSuffix(got, "data: [DONE]\n\n") {
		t.Errorf("stream %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestEventsAreListedLatestFirst(t *testing.T) {
	w := newWorld(t)
	first, second := model.NewCallID(), model.NewCallID()
	now := time.Now()
	call := func(id model.CallID) event.Call {
		return event.Call{Started: now, Ended: now, Record: &model.Record{ID: id, State: model.StateCompleted, Received: now, Plan: &model.Plan{}}}
	}
	w.reader.page = event.Page{Calls: []event.Call{call(second), call(first)}, Next: "more"}
	got := decode[struct {
		Events []struct{ ID string }
		Next   string
	}](t, w.do("GET", "/api/v1/events?limit=2&cursor=c.0&plans&since=1h", ""), 200)
	if len(got.Events) < 4 || !strings.HasPrefix(got.Next, "more.") || w.events.flushes != 1 {
		t.Fatalf("%+v, %d flushes", got, w.events.flushes)
	}
	if !strings.HasPrefix(got.Events[0].ID, second.String()) || !strings.HasPrefix(got.Events[len(got.Events)-1].ID, first.String()) {
		t.Errorf("order %+v", got.Events)
	}
	for i := 1; i < len(got.Events); i++ { // ids end with the place of the event in its call
		a, b := got.Events[i-1].ID, got.Events[i].ID
		if a[:36] == b[:36] && a <= b {
			t.Errorf("%s stands before %s", a, b)
		}
	}
	if f := w.reader.filter; f.Limit != 2 || f.Cursor != "c" || !f.Plans || f.Since.IsZero() {
		t.Errorf("filter %+v", f)
	}
	only := decode[struct{ Events []struct{ Type string } }](t, w.do("GET", "/api/v1/events?kind=model_call.completed", ""), 200)
	if len(only.Events) != 2 || only.Events[0].Type != "model_call.completed" {
		t.Errorf("filtered %+v", only)
	}
}
