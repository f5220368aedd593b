package event

import (
	"context"
	"errors"
	"os"

	"github.com/cartrita/cartrita/model"
)

// Flush returns when every outcome recorded so far is in the Sink; while the
// Sink fails, it returns the Sink's error. Readers call it to see their own
// writes. It needs Run.
func (l *Log) Flush(ctx context.Context) error {
	l.mu.Lock()
	target, failures := l.tail, l.stats.SinkErrors
	for l.stored.Less(target) || len(l.queue) > 0 {
		if l.stats.SinkErrors > failures {
			err := model.Errorf("event.Flush", model.KindUnavailable, "the store cannot be written: %s", l.stats.SinkError)
			l.mu.Unlock()
			return err
		}
		progress := l.progress
		l.mu.Unlock()
		signal(l.work)
		signal(l.now)
		select {
		case <-progress:
		case <-ctx.Done():
			return &model.Error{Op: "event.Flush", Kind: model.KindTimeout, Message: "the store did not take the calls in time", Err: ctx.Err()}
		}
		l.mu.Lock()
	}
	l.mu.Unlock()
	return nil
}

// waitSync returns when the frame that ends at end is on the disk. The first
// caller syncs for all that wait behind it.
func (l *Log) waitSync(end Position) error {
	l.synced.Lock()
	defer l.synced.Unlock()
	if !l.synced.Less(end) {
		return nil
	}
	l.mu.Lock()
	g := l.spool.active()
	at := Position{g.number, g.size}
	l.mu.Unlock()
	// A segment that was closed meanwhile was synced when the next one began.
	if err := g.file.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		return unrecorded("event.Outcome", "the outcome of the call is in the file but not on the disk", err)
	}
	l.synced.Position = at
	return nil
}
