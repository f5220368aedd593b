package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/sink"
	"github.com/cartrita/cartrita/store/memory"
	"github.com/cartrita/cartrita/store/storetest"
)

// stuck is a target that takes nothing, whatever its context says.
type stuck struct{ free chan struct{} }

func (s stuck) Send(context.Context, []sink.Message) error { <-s.free; return nil }
func (s stuck) Close() error                               { return nil }

// closedStore says when it was closed.
type closedStore struct {
	store
	closed bool
}

func (s *closedStore) Close() error { s.closed = true; return nil }

// A sink that hangs keeps a gateway from ending for a few seconds only.
func TestASinkThatHangsLetsAGatewayEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Ingest(t.Context(), event.Batch{Calls: []event.Call{storetest.Sample(0)}}); err != nil {
			t.Fatal(err)
		}
		target := stuck{make(chan struct{})}
		r, err := sink.New(sink.Config{Name: "s", Holder: "h", Target: target, Feed: s, FromStart: true})
		if err != nil {
			t.Fatal(err)
		}
		log, closed := newLineLog(t), &closedStore{store: s}
		n := &node{log: slog.New(slog.NewTextHandler(log, nil)), store: closed, sinks: []*sink.Runner{r}}
		n.ctx, n.stop = context.WithCancel(t.Context())
		n.runSinks()
		synctest.Wait()
		began := time.Now()
		n.close()
		if took := time.Since(began); took > leaveTimeout || !closed.closed || !strings.Contains(log.String(), "a sink hangs") {
			t.Errorf("it ended after %s, the store closed: %v\n%s", took, closed.closed, log)
		}
		close(target.free)
		n.sending.Wait()
	})
}
