package main

import (
	"context"
	"errors"
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
	if !s.loaded.SharesStore() || !databaseAway(err) {
		return err
	}
	s.log.Warn("waiting for the database", "error", err)
	for wait, said := firstRetry, err.Error(); ; wait = min(2*wait, lastRetry) {
		select {
		case <-s.app.ctx.Done():
			return err
		case <-time.After(wait):
		}
		if err = start(); !databaseAway(err) {
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

// databaseAway reports whether an error is of a database that may come back. One of
// the disk here looks alike, and no database cures it.
func databaseAway(err error) bool {
	var own *diskError
	return postgres.Away(err) && !errors.As(err, &own)
}

// diskError is an error of the data directory.
type diskError struct{ error }

func (e *diskError) Unwrap() error { return e.error }

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
