package event

import (
	"os"
	"sync"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Log records calls. Open, then Run until shutdown, then Close.
type Log struct {
	cfg  Config
	lock *os.File // of Dir; nil in memory

	mu       sync.Mutex // guards what follows, and the order of frames
	spool    *spool     // nil in memory
	pending  map[model.CallID]pendingCall
	retained int       // bytes of payloads kept in pending
	queue    []*queued // outcomes on their way to the Sink, in the order of their frames
	queued   int       // bytes in queue
	orphans  []*queued // outcomes that have no frame because the spool failed
	lagging  bool      // later outcomes are in the spool only; the queue takes no more until Run has read them
	tail     Position  // end of the last outcome
	stored   Position  // end of the last outcome in the Sink
	seen     Position  // tail when Open returned: what the foreign segments are needed for
	first    uint64    // number of the first segment of this process
	stats    Stats
	closed   bool
	broken   bool          // the last append failed; said once
	progress chan struct{} // closed and replaced when a batch is stored or fails

	synced struct {
		sync.Mutex
		Position
	}
	work chan struct{} // something is in the queue
	now  chan struct{} // do not wait for more
	subs subscribers
}

// pendingCall is an intent without an outcome.
type pendingCall struct {
	pos     Position // of its frame; in memory zero
	at      int64    // µs
	size    int64    // of its frame
	payload *buffer  // nil: to be read back
}

// retainBytes bounds the payloads of pending intents that are kept in memory;
// those of more calls in flight are read back from the spool.
const retainBytes = 4 << 20

// Open opens the spool, recovers what a former process left, and closes its
// interrupted calls as failed. Errors: KindConflict when another process has
// the spool (the message names its pid), KindUnavailable when the directory
// cannot be used, KindInvalid for a bad Config.
func Open(c Config) (*Log, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Log{
		cfg: c, pending: map[model.CallID]pendingCall{}, progress: make(chan struct{}),
		work: make(chan struct{}, 1), now: make(chan struct{}, 1),
	}
	if c.Dir == "" {
		return l, nil
	}
	if l.lock, err = lockDirectory(c.Dir); err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		l.lock.Close()
		return nil, err
	}
	return l, nil
}

// Intent records that a call is about to start: rec holds the plan and
// everything known so far, and is not kept. Errors: KindUnavailable when it
// cannot be recorded; the call should then not start.
func (l *Log) Intent(rec *model.Record) error {
	s := Summarize(rec)
	buf, sum := encode(&s, rec, true)
	f := frame{kind: frameIntent, id: rec.ID}

	l.mu.Lock()
	pos, _, err := l.append(&f, buf.b, sum, l.cfg.MaxBytes-l.cfg.MaxBytes/8)
	if err != nil {
		l.stats.Refused++
		l.mu.Unlock()
		buf.release()
		return unrecorded("event.Intent", "the call cannot be recorded and was not started", err)
	}
	l.stats.Intents++
	p := pendingCall{pos: pos, at: f.at, size: int64(len(buf.b))}
	if l.spool == nil || l.retained+len(buf.b) <= retainBytes {
		p.payload = buf
		l.retained += len(buf.b)
	}
	l.pending[rec.ID] = p
	l.mu.Unlock()

	if p.payload == nil {
		buf.release()
	}
	if l.subs.any() {
		l.subs.publish(planned(f.time(), rec))
	}
	return nil
}

// Outcome records how a call ended and publishes its terminal events. Live
// subscribers may keep rec: it must not be changed afterwards. A record in StatePlanned is a
// decision without a call; a call refused before its first attempt has an
// outcome and no intent. Call it once per call. Errors: KindUnavailable when
// the record is not durable (see Stats.Undurable and Stats.Lost).
func (l *Log) Outcome(rec *model.Record) error {
	switch rec.State {
	case model.StatePlanned, model.StateCompleted, model.StateFailed:
	default:
		return model.Invalidf("event.Outcome", "state", "is %q, want planned, completed or failed", rec.State)
	}
	l.mu.Lock()
	intent, had := l.pending[rec.ID]
	if had {
		delete(l.pending, rec.ID)
		if intent.payload != nil {
			l.retained -= len(intent.payload.b)
		}
	}
	l.mu.Unlock()

	q := &queued{intent: intent.pos, started: intent.payload}
	q.call.Summary = Summarize(rec)
	var sum uint32
	q.ended, sum = encode(&q.call.Summary, rec, !had)
	f := frame{kind: frameOutcome, id: rec.ID, intent: intent.pos}
	if had {
		q.call.Started = time.UnixMicro(intent.at).UTC()
	}

	l.mu.Lock()
	_, end, err := l.append(&f, q.ended.b, sum, l.cfg.MaxBytes)
	if l.closed {
		err = os.ErrClosed
	}
	if err == nil {
		l.stats.Outcomes++
		q.end, l.tail = end, end
	}
	if f.at == 0 {
		f.at = l.cfg.Clock().UnixMicro()
	}
	q.call.Ended = f.time()
	q.fill()
	call := Call{Summary: q.call.Summary, Started: q.call.Started, Ended: q.call.Ended, Record: rec}
	kept := l.enqueue(q, err)
	l.mu.Unlock()

	if !kept {
		q.release()
	}
	if l.subs.any() {
		if had {
			l.subs.publish(ended(call))
		} else {
			l.subs.publish(Of(call))
		}
	}
	if err != nil {
		return unrecorded("event.Outcome", "the outcome of the call is not durable", err)
	}
	if l.spool != nil && l.cfg.Sync == SyncBatch {
		return l.waitSync(end)
	}
	return nil
}

// append writes a frame in mu. In memory there is nothing to write, and the
// position is a plain count.
func (l *Log) append(f *frame, b []byte, sum uint32, max int64) (start, end Position, err error) {
	now := l.cfg.Clock().UnixMicro()
	if l.spool == nil {
		f.at = now
		if f.kind == frameOutcome && len(l.queue) >= l.cfg.QueueCalls {
			return start, end, errSpoolFull
		}
		return start, Position{1, l.tail.Offset + 1}, nil
	}
	start, end, err = l.spool.append(f, b, sum, now, max)
	if broken := err != nil && model.KindOf(err) != model.KindInvalid; broken != l.broken {
		l.broken = broken
		if broken {
			l.cfg.Logger.Error("the event spool cannot be written; new calls are refused", "dir", l.cfg.Dir, "err", err)
		} else {
			l.cfg.Logger.Info("the event spool can be written again", "dir", l.cfg.Dir)
		}
	}
	return start, end, err
}

// enqueue hands an outcome to Run, in mu; appendErr says why it has no frame.
// It reports whether the queue keeps it.
func (l *Log) enqueue(q *queued, appendErr error) bool {
	switch {
	case appendErr != nil:
		if l.closed || l.spool == nil || len(l.orphans) >= l.cfg.QueueCalls {
			l.stats.Lost++
			l.cfg.Logger.Error("an outcome is lost: neither spool nor memory can hold it", "call", q.call.ID, "err", appendErr)
			return false
		}
		l.stats.Undurable++
		l.orphans = append(l.orphans, q)
	case l.lagging:
		return false
	case l.spool != nil && (len(l.queue) >= l.cfg.QueueCalls || len(l.queue) > 0 && l.queued+q.bytes() > l.cfg.QueueBytes):
		l.lagging = true // Run reads it back from the spool
		return false
	default:
		l.queue = append(l.queue, q)
		l.queued += q.bytes()
	}
	signal(l.work)
	if len(l.queue) >= l.cfg.BatchCalls {
		signal(l.now)
	}
	return true
}

// Close ends subscriptions and releases the spool. Call it after Run has returned.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.subs.close()
	if l.spool == nil {
		return nil
	}
	if !l.stored.Less(l.tail) && len(l.pending) == 0 {
		l.forget()
	}
	l.spool.close()
	return l.lock.Close()
}

func unrecorded(op, message string, err error) error {
	if model.KindOf(err) == model.KindInvalid {
		return err
	}
	return &model.Error{Op: op, Kind: model.KindUnavailable, Message: message, Err: err}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
