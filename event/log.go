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
	fresh    int       // outcomes in the spool since Run last looked
	queue    []*queued // outcomes that the spool does not hold
	tail     Position  // end of the last outcome; in memory a count
	stored   Position  // end of the last outcome in the Sink; likewise
	seen     Position  // tail when Open returned: what the foreign segments are needed for
	first    uint64    // number of the first segment of this process
	stats    Stats
	closed   bool
	broken   bool          // intents are refused; said once
	progress chan struct{} // closed and replaced when a batch is stored or fails

	synced struct {
		sync.Mutex
		Position
	}
	work chan struct{} // there is something to move
	now  chan struct{} // do not wait for more
	subs subscribers

	share *sharer // nil: calls are not shared

	notices chan Notice // that wait for the store
}

// pendingCall is an intent without an outcome.
type pendingCall struct {
	location         // of its frame; zero in memory
	at       int64   // µs
	payload  *buffer // in memory; nil with a spool
}

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
		work: make(chan struct{}, 1), now: make(chan struct{}, 1), notices: make(chan Notice, maxNotices),
		subs: subscribers{room: subscriberBytes},
	}
	if l.share, err = newSharer(c.Shared, c.Logger); err != nil {
		return nil, err
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

// Spool is the identity of the spool as the Sink knows it; "" in memory.
func (l *Log) Spool() string {
	if l.spool == nil {
		return ""
	}
	return l.spool.name()
}

// Intent records that a call is about to start: rec holds the plan and
// everything known so far, and is not kept. Errors: KindUnavailable when it
// cannot be recorded; the call should then not start.
func (l *Log) Intent(rec *model.Record) error {
	at, err := l.intend(rec)
	if err == nil && l.subs.any() {
		l.subs.publish(planned(at, rec))
	}
	return err
}

// Amend replaces the intent of a call under way, before an attempt that
// changes what is at stake: a fallback that holds more money. It publishes
// nothing. Errors as Intent; the former intent then stays.
func (l *Log) Amend(rec *model.Record) error {
	_, err := l.intend(rec)
	return err
}

func (l *Log) intend(rec *model.Record) (time.Time, error) {
	sum := Summarize(rec)
	buf, crc := encode(&sum, rec, true)
	f := frame{kind: frameIntent, id: rec.ID}

	l.mu.Lock()
	former, amended := l.pending[rec.ID]
	if amended {
		f.at = former.at // when the call started does not change
	}
	at, err := l.append(&f, buf.b, crc, l.intentBytes())
	if err == nil {
		if amended {
			l.unref(former.location)
		} else {
			l.stats.Intents++
		}
		p := pendingCall{location: at, at: f.at}
		if l.spool == nil {
			p.payload = buf
		}
		l.pending[rec.ID] = p
	} else {
		l.stats.Refused++
	}
	l.mu.Unlock()

	if l.spool != nil || err != nil {
		buf.release()
	}
	if err != nil {
		return time.Time{}, unrecorded("event.Intent", "the call cannot be recorded and was not started", err)
	}
	return f.time(), nil
}

// Outcome records how a call ended and publishes its terminal events. Live
// subscribers may keep rec: it must not be changed afterwards. A record in
// StatePlanned is a decision without a call; a call refused before its first
// attempt has an outcome and no intent. Call it once per call. Errors:
// KindUnavailable when the record is not durable (see Stats.Undurable and
// Stats.Lost).
func (l *Log) Outcome(rec *model.Record) error {
	switch rec.State {
	case model.StatePlanned, model.StateCompleted, model.StateFailed:
	default:
		return model.Invalidf("event.Outcome", "state", "is %q, want planned, completed or failed", rec.State)
	}
	l.mu.Lock()
	intent, had := l.pending[rec.ID]
	delete(l.pending, rec.ID)
	l.mu.Unlock()

	call := Call{Summary: Summarize(rec), Record: rec}
	if had {
		call.Started = time.UnixMicro(intent.at).UTC()
	}
	buf, crc := encode(&call.Summary, rec, !had)
	f := frame{kind: frameOutcome, id: rec.ID, intent: intent.location}

	l.mu.Lock()
	at, err := l.append(&f, buf.b, crc, l.cfg.MaxBytes)
	call.Ended = f.time()
	inMemory := err != nil || l.spool == nil
	var lost bool
	if err == nil {
		l.stats.Outcomes++
		l.tail = at.end()
		l.announce()
	}
	if lost = inMemory && !l.enqueue(call, intent, buf, err); lost && had {
		l.pending[rec.ID] = intent // the next Open closes it
	}
	l.mu.Unlock()

	if !inMemory {
		buf.release()
	}
	l.share.add(&call, lost)
	if l.subs.any() && l.subs.first(call.ID, false) {
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
		return l.waitSync(at.end())
	}
	return nil
}

// append writes a frame in mu and sets its time. In memory there is nothing to
// write, and the location is a plain count.
func (l *Log) append(f *frame, b []byte, sum uint32, max int64) (at location, err error) {
	now := l.cfg.Clock().UnixMicro()
	switch {
	case l.closed:
		err = os.ErrClosed
	case l.spool != nil:
		if at, err = l.spool.append(f, b, sum, now, max); err != nil || f.kind == frameIntent {
			l.noteSpool(err)
		}
	case f.kind == frameOutcome && len(l.queue) >= l.cfg.QueueCalls:
		err = errSpoolFull
	case f.kind == frameOutcome:
		at = location{l.tail, 1}
	}
	if f.at == 0 {
		f.at = now
	}
	return at, err
}

// Ready returns nil when a call that starts can be recorded, else KindUnavailable
// with the reason.
func (l *Log) Ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	switch {
	case l.closed:
		err = os.ErrClosed
	case l.spool != nil:
		if err = l.spool.roomy(l.cfg.Clock().UnixMicro()); err == nil && l.spool.bytes()+l.spool.aFew() > l.intentBytes() {
			err = errSpoolFull
		}
		l.noteSpool(err)
	}
	if err != nil {
		return unrecorded("event.Ready", "calls cannot be recorded and are refused: "+reason(err), err)
	}
	return nil
}

// intentBytes is the size up to which the spool takes intents; the rest is kept
// for outcomes.
func (l *Log) intentBytes() int64 { return l.cfg.MaxBytes - l.cfg.MaxBytes/8 }

// noteSpool says once that the spool takes no intents, and once that it does again.
// Run may be able to give space back.
func (l *Log) noteSpool(err error) {
	broken := err != nil
	if broken && model.KindOf(err) == model.KindInvalid {
		return
	}
	if broken {
		signal(l.work)
	}
	if broken == l.broken {
		return
	}
	l.broken = broken
	if broken {
		l.cfg.Logger.Error("the event spool cannot be written; new calls are refused", "dir", l.cfg.Dir, "err", err)
	} else {
		l.cfg.Logger.Info("the event spool can be written again", "dir", l.cfg.Dir)
	}
}

// announce wakes Run, in mu: at the first outcome, and at a batchful.
func (l *Log) announce() {
	l.fresh++
	signal(l.work)
	if l.fresh >= l.cfg.BatchCalls {
		signal(l.now)
	}
}

// enqueue keeps an outcome in memory, in mu, because there is no spool or, if
// err is not nil, because the spool could not take it. It reports false when
// memory is full too.
func (l *Log) enqueue(c Call, intent pendingCall, buf *buffer, err error) bool {
	if err != nil {
		if l.closed || l.spool == nil || len(l.queue) >= l.cfg.QueueCalls {
			l.stats.Lost++
			l.cfg.Logger.Error("an outcome is lost: neither spool nor memory can hold it", "call", c.ID, "err", err)
			buf.release()
			return false
		}
		l.stats.Undurable++
		l.announce()
	}
	l.hold(c, intent, buf)
	return true
}

// hold puts an outcome into memory, in mu.
func (l *Log) hold(c Call, intent pendingCall, buf *buffer) {
	q := &queued{call: c, intent: intent.location, started: intent.payload, ended: buf}
	q.call.Record = nil
	q.fill()
	l.queue = append(l.queue, q)
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
