package gateway

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// listEvents serves GET /api/v1/events, latest first. limit counts calls, whose
// events stay together, and by themselves what is not about a call.
func (g *Gateway) listEvents(x *exchange) {
	q := x.query()
	f := eventFilter(q)
	f.Since, f.Until = q.moment("since"), q.moment("until")
	f.Limit = q.number("limit", 1, event.MaxLimit)
	cursor := readEventCursor(q)
	f.Plans = q.flag("plans")
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	if err := f.Check(); err != nil {
		x.fail(model.AsError(err))
		return
	}
	f.Cursor = cursor.calls
	var page event.Page
	var err error
	if wantsCalls(&f) && f.Cursor != noMoreCalls {
		if page, err = g.calls(x.r.Context(), f); err != nil {
			x.fail(model.AsError(err))
			return
		}
	}
	notices, next, err := g.notices(x.r.Context(), &f, &page, cursor)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(map[string]any{"events": eventsOf(&page, notices, f), "next": next})
}

// calls reads a page with every call in it that has ended by now.
func (g *Gateway) calls(ctx context.Context, f event.Filter) (event.Page, error) {
	if err := g.flushEvents(ctx); err != nil {
		return event.Page{}, err
	}
	return g.cfg.Reader.Calls(ctx, f)
}

// flushTimeout bounds how long a reader waits for its own writes.
const flushTimeout = 5 * time.Second

func (g *Gateway) flushEvents(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return g.cfg.Events.Flush(ctx)
}

func eventFilter(q *query) event.Filter {
	f := event.Filter{
		State: oneOf(q, "state", model.StatePlanned, model.StateCompleted, model.StateFailed),
		Model: model.ModelID(q.text("model")), Endpoint: model.EndpointID(q.text("endpoint")), Provider: q.text("provider"),
		Task: q.task("task_type"), Strategy: q.text("strategy"),
		User: q.text("user"), Workflow: q.text("workflow"), Stage: q.text("stage"), Session: q.text("session"),
		Supervisor: q.text("supervisor"), Key: model.KeyID(q.text("key")), Team: q.text("team"), Project: q.text("project"), Tag: q.text("tag"),
	}
	known := slices.Concat(event.CallKinds, event.NoticeKinds)
	for _, k := range q.list("kind") {
		if !slices.Contains(known, event.Kind(k)) {
			q.fail("kind", "want one of %s, found %.40q", words(known), k)
		}
		f.Kinds = append(f.Kinds, event.Kind(k))
	}
	return f
}

// heartbeat is how often an idle event stream shows that it lives, and how long
// at most it outlives its key.
const heartbeat = 15 * time.Second

// streamEvents serves GET /api/v1/events/stream: events as they happen, as
// server-sent events, until the caller goes away, its key ends or the server
// shuts down.
func (g *Gateway) streamEvents(x *exchange) {
	q := x.query()
	f := eventFilter(q)
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	events := g.cfg.Events.Subscribe(ctx, f)
	h := x.w.Header()
	h["Content-Type"], h["Cache-Control"], h["X-Accel-Buffering"] = contentSSE, noCache, noBuffering
	x.set(h, headerRequestID, x.requestID())
	x.writeHeader(http.StatusOK)
	g.relayEvents(x, cancel, events)
}

// relayEvents writes events and heartbeats in turn, each only while the caller
// may still read them: a stream outlives keys. Its second goroutine ends before
// it returns.
func (g *Gateway) relayEvents(x *exchange, cancel context.CancelFunc, events iter.Seq[event.Event]) {
	var mu sync.Mutex // over x
	write := func(data []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if err := x.stillWelcome(); err != nil {
			_ = x.Chunk(append(appendError([]byte("event: error\ndata: "), err, false, x.requestID()), "\n\n"...))
			cancel()
			return false
		}
		if x.Chunk(data) != nil {
			cancel()
			return false
		}
		return true
	}
	if !write([]byte(": listening\n\n")) {
		return
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(g.heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if !write([]byte(": alive\n\n")) {
					return
				}
			case <-g.stopping:
				cancel()
				return
			case <-quit:
				return
			}
		}
	}()
	for e := range events {
		data, err := marshal(fmt.Appendf(nil, "id: %s\nevent: %s\ndata: ", e.ID, e.Kind), e)
		if err != nil || !write(append(data, "\n\n"...)) {
			break
		}
	}
	close(quit)
	<-done
}

// getDecision serves GET /api/v1/decisions/{id}.
func (g *Gateway) getDecision(x *exchange) {
	id, err := model.ParseCallID(x.rest())
	if err != nil {
		x.fail(model.Invalidf("gateway.getDecision", "id", "%v", err))
		return
	}
	d, err := g.cfg.Service.Decision(x.r.Context(), id)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(d)
}
