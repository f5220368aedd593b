package event

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cartrita/cartrita/model"
)

// The patience of Run.
const (
	ingestTimeout = 30 * time.Second // of one batch
	drainTimeout  = 5 * time.Second  // after ctx is done
	firstRetry    = 100 * time.Millisecond
	lastRetry     = 2 * time.Second // a disk that is lost takes with it what waits
)

// ingester is the state of Run alone.
type ingester struct {
	*Log
	located bool     // the Sink told us where it stands
	again   bool     // what is read may have been stored long ago
	next    Position // where to read on
	arena   []byte   // documents of one batch
	reader  frameReader
}

// batch is what one Ingest takes, and what to do when it is stored.
type batch struct {
	calls   []Call
	intents []location // of the calls; zero for those that had none
	items   []*queued  // of the calls, if they come from memory
	end     Position   // of the spool behind the batch; in memory behind its last call; zero: stays
}

// Run moves outcomes and notices to the store until ctx is done, then moves
// what is left, for at most five seconds, and returns. Meanwhile calls that ended
// lie in the shared buffer, if there is one. It must run once.
func (l *Log) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { l.storeNotices(ctx) })
	sharing, stop := context.WithCancel(context.WithoutCancel(ctx)) // ends when all that can be is stored
	defer stop()
	beside.Go(func() { l.share.run(sharing, l.Spool()) })
	in := &ingester{Log: l}
	retry := time.Duration(0)
	for {
		wait := l.cfg.BatchDelay
		if retry > 0 {
			wait = retry
		} else {
			select {
			case <-l.work:
			case <-ctx.Done():
				return in.drain()
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.now:
		case <-ctx.Done():
			timer.Stop()
			return in.drain()
		}
		timer.Stop()
		if err := in.moveAll(ctx); err == nil {
			retry = 0
		} else {
			retry = min(max(2*retry, firstRetry), lastRetry)
		}
	}
}

// drain moves what is left when Run ends.
func (in *ingester) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := in.moveAll(ctx); err != nil {
		return &model.Error{Op: "event.Run", Kind: model.KindUnavailable, Message: "some calls wait in the spool for the next start", Err: err}
	}
	return nil
}

// moveAll moves batches until there is nothing to move.
func (in *ingester) moveAll(ctx context.Context) error {
	for {
		err := in.locate(ctx)
		var b *batch
		if err == nil {
			b, err = in.take()
		}
		if err == nil && b == nil {
			in.wake() // the store may have had everything when it was asked where it stands
			return nil
		}
		if err == nil {
			err = in.ingest(ctx, b)
		}
		in.report(err)
		if err != nil {
			return err
		}
	}
}

// locate asks the Sink once where it stands.
func (in *ingester) locate(ctx context.Context) error {
	if in.located || in.spool == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ingestTimeout)
	defer cancel()
	pos, err := in.cfg.Sink.Position(ctx, in.spool.name())
	if err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if pos.Segment >= in.first {
		// The directory was put back from an older copy. What is in it may or may
		// not be stored; the Sink skips the calls that are.
		in.cfg.Logger.Warn("the store has read further than this event spool reaches; the spool is read from its beginning")
		pos, in.again = Position{}, true
	}
	in.next, in.stored, in.located = pos, pos, true
	return nil
}

// ingest hands a batch to the Sink and settles it. A call that the Sink can
// never take is found by storing one by one, and set aside.
func (in *ingester) ingest(ctx context.Context, b *batch) error {
	err := in.send(ctx, b.calls, b.end)
	if model.KindOf(err) == model.KindInvalid {
		for i := range b.calls {
			if err = in.send(ctx, b.calls[i:i+1], Position{}); model.KindOf(err) == model.KindInvalid {
				in.cfg.Logger.Error("the store cannot take a call; it is set aside", "call", b.calls[i].ID, "err", err)
				in.mu.Lock()
				in.stats.Rejected++
				in.stats.Stored--
				in.mu.Unlock()
			} else if err != nil {
				return err
			}
		}
		err = in.send(ctx, nil, b.end)
	}
	if err == nil {
		in.settle(b)
	}
	return err
}

func (in *ingester) send(ctx context.Context, calls []Call, end Position) error {
	if in.spool == nil {
		end = Position{}
	}
	if len(calls) == 0 && end == (Position{}) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ingestTimeout)
	defer cancel()
	b := Batch{Position: end, Calls: calls, Again: in.again}
	if in.spool != nil {
		b.Spool = in.spool.name()
	}
	_, err := in.cfg.Sink.Ingest(ctx, b)
	return err
}

// settle takes a stored batch out of memory and drops the segments that
// nobody needs any more.
func (in *ingester) settle(b *batch) {
	in.mu.Lock()
	in.stats.Stored += uint64(len(b.calls))
	in.stats.Batches++
	in.queue = slices.Delete(in.queue, 0, len(b.items))
	for _, at := range b.intents {
		in.unref(at)
	}
	if in.stored.Less(b.end) {
		in.stored, in.next = b.end, b.end
	}
	back := in.stats.SinkError != ""
	in.mu.Unlock()
	if back {
		in.share.renew() // before calls are taken out of its buffer: the store may be another one
	}
	in.share.settle(b.calls)
	for _, q := range b.items {
		q.release()
	}
	if in.spool != nil {
		in.sweep()
	}
}

// unref notes, in mu, that the outcome of an intent is stored.
func (l *Log) unref(intent location) {
	if l.spool == nil || intent == (location{}) {
		return
	}
	if g := l.spool.segment(intent.Segment); g != nil {
		g.refs--
	}
}

// wake has those who wait for progress look again.
func (l *Log) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.progress)
	l.progress = make(chan struct{})
}

// report notes how the last step went and wakes those who wait for it. The
// log says once that the Sink fails and once that it is back.
func (in *ingester) report(err error) {
	in.mu.Lock()
	was := in.stats.SinkError
	in.stats.SinkError = ""
	if err != nil {
		in.stats.SinkErrors++
		in.stats.SinkError = err.Error()
	}
	in.mu.Unlock()
	in.wake()
	switch {
	case err != nil && was == "":
		in.cfg.Logger.Error("the store does not take calls; they wait in the spool", "err", err)
	case err == nil && was != "":
		in.cfg.Logger.Info("the store takes calls again")
	}
}
