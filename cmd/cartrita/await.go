package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/store/postgres"
)

const (
	// quickStart is how long callers of a gateway that starts are kept waiting
	// before they are told so.
	quickStart = time.Second
	// How long to wait between two attempts at a database that is away.
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// untilDatabase calls start until the database is there. Where that takes long,
// because the database is away or its schema is brought up to date, callers are
// told that they have to wait, and probes that the process lives: who restarted
// it meanwhile would have a long migration begin anew each time. The log says
// once what it waits for, and again when that is something else.
func (s *server) untilDatabase(start func() error) error {
	stop := s.answerAfter(quickStart)
	defer stop()
	err := start()
	if !s.loaded.SharesStore() || !postgres.Away(err) {
		return err
	}
	s.log.Warn("waiting for the database", "error", err)
	for wait, said := firstRetry, err.Error(); ; wait = min(2*wait, lastRetry) {
		select {
		case <-s.app.ctx.Done():
			return err
		case <-time.After(wait):
		}
		if err = start(); !postgres.Away(err) {
			if err == nil {
				s.log.Info("the database answers")
			}
			return err
		}
		if err.Error() != said {
			said = err.Error()
			s.log.Warn("still waiting for the database", "error", err)
		}
	}
}

// startLog is the log of a start that is tried again and again: until it is done,
// nothing is told twice in the same words.
type startLog struct {
	slog.Handler
	told *told
}

// told remembers lines of a log.
type told struct {
	mu    sync.Mutex
	lines map[string]bool // nil: the start is done
}

func newStartLog(log *slog.Logger) (_ *slog.Logger, done func()) {
	t := &told{lines: map[string]bool{}}
	return slog.New(startLog{log.Handler(), t}), t.done
}

func (t *told) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = nil
}

// before reports whether a line was told, and takes it for told from then on.
func (t *told) before(r *slog.Record) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		return false
	}
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	was := t.lines[line]
	t.lines[line] = true
	return was
}

// Handle implements slog.Handler.
func (l startLog) Handle(ctx context.Context, r slog.Record) error {
	if l.told.before(&r) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l startLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return startLog{l.Handler.WithAttrs(attrs), l.told}
}

// WithGroup implements slog.Handler.
func (l startLog) WithGroup(name string) slog.Handler {
	return startLog{l.Handler.WithGroup(name), l.told}
}

// answerAfter refuses calls from then on until stop is called; the listener stays
// open.
func (s *server) answerAfter(wait time.Duration) (stop func()) {
	var running sync.WaitGroup
	done := make(chan struct{})
	running.Go(func() {
		select {
		case <-time.After(wait):
			s.log.Warn("the start takes long; calls are refused until it is done", "listening", s.url)
			defer s.answer(gateway.Starting())()
			<-done
		case <-done:
		}
	})
	return func() { close(done); running.Wait() }
}

// answer serves h on the listener until stop is called.
func (s *server) answer(h http.Handler) (stop func()) {
	hs := &http.Server{Handler: h, ReadHeaderTimeout: s.loaded.Limits.HeaderTimeout.Std()}
	lent := &lentListener{Listener: s.listener}
	done := make(chan struct{})
	go func() { _ = hs.Serve(lent); close(done) }() // until Shutdown
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := hs.Shutdown(ctx); err != nil {
			_ = hs.Close() // whoever still reads an error may ask again
		}
		<-done
		lent.giveBack()
	}
}

// lentListener is a listener whose Close ends Accept and nothing else.
type lentListener struct{ net.Listener }

// Close implements net.Listener.
func (l *lentListener) Close() error { return l.deadline(time.Unix(1, 0)) }

func (l *lentListener) giveBack() { _ = l.deadline(time.Time{}) } // it took the other one

func (l *lentListener) deadline(t time.Time) error {
	if d, ok := l.Listener.(interface{ SetDeadline(t time.Time) error }); ok {
		return d.SetDeadline(t)
	}
	return errors.ErrUnsupported
}
