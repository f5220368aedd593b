package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// Message is one event on its way.
type Message struct {
	ID      string // of the event
	Type    string // as a CloudEvent
	Subject string // the call, "" for none
	At      time.Time
	JSON    []byte // the CloudEvent
}

// Target takes messages. Errors: KindInvalid when it can never take one of
// them as they are; Rejected when it has taken the others; any other: not now.
type Target interface {
	// Send returns when the target has all of them.
	Send(ctx context.Context, messages []Message) error
	Close() error
}

// Rejected says that a target can never take some of the messages that it was
// sent, not which, and that it has taken the others.
type Rejected struct {
	Count  int
	Reason string
}

// Error implements error.
func (r *Rejected) Error() string { return fmt.Sprintf("%d were rejected: %s", r.Count, r.Reason) }

// Bounds of a Runner.
const (
	batchCalls  = 100              // calls read at once; each is up to four messages
	batchMost   = 4 * batchCalls   // messages sent at once
	claimTTL    = 20 * time.Second // after which another process takes over from one that hangs
	sendTimeout = claimTTL / 2     // of one Send, unless told
	netTimeout  = sendTimeout / 2  // of connecting, and of writing to what does not read
	pollEvery   = 500 * time.Millisecond
	firstRetry  = time.Second
	lastRetry   = time.Minute
)

// Config of a Runner.
type Config struct {
	Name   string          // of the sink, under which the store keeps how far it came; required
	Target Target          // required
	Feed   event.FeedStore // required
	Holder string          // this process, unlike any other; required
	Kinds  []event.Kind    // that are sent; nil: all
	// FromStart has a sink that is new send all that is stored; else it begins
	// with what is stored from now on.
	FromStart bool
	// Timeout of one Send. Above 10 s, another process takes over from one that
	// hangs after twice as long. Default 10 s.
	Timeout time.Duration
	Logger  *slog.Logger // default: discards
}

// Stats says how a sink fares, in this process.
type Stats struct {
	Active   bool          // this process sends
	Sent     uint64        // messages that the target took
	Refused  uint64        // messages set aside because the target can never take them
	Failures uint64        // attempts that failed
	Lag      time.Duration // age of the oldest event that was not taken; 0 for none, or when another process sends
	Error    string        // of the last attempt; "" when it succeeded
}

// Runner sends to one target.
type Runner struct {
	cfg Config
	log *slog.Logger

	claim time.Duration // well above the timeout

	// Run's own.
	kept time.Time // when the claim was made to last longer
	most int       // messages that are sent at once: what the target takes in time

	mu    sync.Mutex
	stats Stats
	since time.Time // of the oldest event not taken; zero for none
}

// New makes a Runner. Errors: KindInvalid.
func New(c Config) (*Runner, error) {
	if c.Name == "" || c.Holder == "" || c.Target == nil || c.Feed == nil {
		return nil, model.Invalidf("sink.New", "config", "wants a name, a holder, a target and a feed")
	}
	if c.Timeout < 0 {
		return nil, model.Invalidf("sink.New", "timeout", "is %s: want more than 0", c.Timeout)
	}
	if c.Timeout == 0 {
		c.Timeout = sendTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Runner{cfg: c, log: c.Logger.With("sink", c.Name), claim: max(claimTTL, 2*c.Timeout), most: batchMost}, nil
}

// Name returns the name of the sink.
func (r *Runner) Name() string { return r.cfg.Name }

// Stats returns how it fares now.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	if !r.since.IsZero() {
		s.Lag = max(0, time.Since(r.since))
	}
	return s
}

func (r *Runner) note(f func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.stats)
}

// Run sends until ctx ends, and closes the target.
func (r *Runner) Run(ctx context.Context) error {
	first, err := r.first(ctx)
	for err == nil {
		var p event.FeedPosition
		var held bool
		p, held, err = r.cfg.Feed.ClaimFeed(ctx, r.cfg.Name, r.cfg.Holder, r.claim, first)
		if err == nil && held {
			r.kept = time.Now()
			err = r.send(ctx, p)
		}
		r.note(func(s *Stats) { s.Active, r.since = false, time.Time{} })
		if ctx.Err() == nil && err != nil { // the store is away, or somebody else took over
			if !errors.Is(err, errLost) && model.KindOf(err) != model.KindConflict {
				r.failed(err)
			}
			err = nil
		}
		if err == nil {
			err = sleep(ctx, pollEvery)
		}
	}
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = r.cfg.Feed.ReleaseFeed(free, r.cfg.Name, r.cfg.Holder) // else it comes free by itself
	return r.cfg.Target.Close()
}

// first is where a sink begins that is new. It is asked once, when the process
// starts, however long the store is away.
func (r *Runner) first(ctx context.Context) (event.FeedPosition, error) {
	for {
		if r.cfg.FromStart {
			return event.FeedPosition{}, nil
		}
		head, err := r.cfg.Feed.Head(ctx)
		if err == nil {
			return head, nil
		}
		if err := sleep(ctx, pollEvery); err != nil {
			return head, err
		}
	}
}

// send sends what there is, for as long as the claim can be kept.
func (r *Runner) send(ctx context.Context, p event.FeedPosition) error {
	r.note(func(s *Stats) { s.Active = true })
	for {
		stored, err := r.cfg.Feed.After(ctx, p, batchCalls)
		if err != nil {
			return err
		}
		if stored.Next == p {
			r.note(func(*Stats) { r.since = time.Time{} })
			if err := sleep(ctx, pollEvery); err != nil {
				return err
			}
		} else {
			messages, err := r.messages(stored)
			if err == nil {
				err = r.deliver(ctx, messages)
			}
			if err == nil {
				err = r.cfg.Feed.AdvanceFeed(ctx, r.cfg.Name, r.cfg.Holder, stored.Next)
			}
			if err != nil {
				return err
			}
			p = stored.Next
		}
		if err := r.keep(ctx); err != nil {
			return err
		}
	}
}

// keep makes the claim last longer, unless it was just made to.
func (r *Runner) keep(ctx context.Context) error {
	if time.Since(r.kept) < claimTTL/4 {
		return nil
	}
	now := time.Now()
	_, held, err := r.cfg.Feed.ClaimFeed(ctx, r.cfg.Name, r.cfg.Holder, r.claim, event.FeedPosition{})
	if err == nil && !held {
		err = errLost
	}
	if err == nil {
		r.kept = now
	}
	return err
}

var errLost = errors.New("another process sends for the sink")

func (r *Runner) messages(s *event.Stored) ([]Message, error) {
	var out []Message
	for _, e := range s.Events() {
		if r.cfg.Kinds != nil && !slices.Contains(r.cfg.Kinds, e.Kind) {
			continue
		}
		doc, err := e.CloudEvent()
		if err != nil {
			return nil, err
		}
		m := Message{ID: e.ID, Type: e.Kind.CloudType(), At: e.At, JSON: doc}
		if e.Notice == nil {
			m.Subject = e.Call.String()
		}
		out = append(out, m)
	}
	return out, nil
}

// deliver returns when the target has taken or refused every message, or the
// claim is lost. What was taken of a batch is not sent again with the rest.
func (r *Runner) deliver(ctx context.Context, messages []Message) error {
	for wait := firstRetry; len(messages) > 0; {
		r.note(func(*Stats) { r.since = messages[0].At })
		done, err := r.attempt(ctx, messages[:min(len(messages), r.most)])
		messages = messages[done:]
		if err != nil && (ctx.Err() != nil || errors.Is(err, errLost)) {
			return err
		}
		if done > 0 {
			wait = firstRetry
		}
		if err == nil {
			continue
		}
		// Waiting, it still holds the sink: nobody else would fare better at once.
		for left := wait; left > 0; left -= claimTTL / 4 {
			if err := sleep(ctx, min(left, claimTTL/4)); err != nil {
				return err
			}
			if err := r.keep(ctx); err != nil {
				return err
			}
		}
		wait = min(2*wait, lastRetry)
	}
	return nil
}

// attempt sends messages once, and halves what is refused. It returns how many,
// from the first on, were taken or left out.
func (r *Runner) attempt(ctx context.Context, messages []Message) (done int, err error) {
	if err := r.keep(ctx); err != nil { // halving takes many attempts
		return 0, err
	}
	bounded, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	began := time.Now()
	err = r.cfg.Target.Send(bounded, messages)
	cancel()
	n := len(messages)
	var some *Rejected
	switch {
	case err == nil:
		r.inTime(n, time.Since(began))
		r.recovered(uint64(n))
		return n, nil
	case errors.As(err, &some):
		r.log.Error("sink: messages were refused for good and are left out", "count", some.Count, "of", n, "first", messages[0].ID, "last", messages[n-1].ID, "reason", some.Reason)
		r.note(func(s *Stats) { s.Refused += uint64(some.Count) })
		r.recovered(uint64(n - some.Count))
		return n, nil
	case model.KindOf(err) != model.KindInvalid:
		if errors.Is(bounded.Err(), context.DeadlineExceeded) || model.KindOf(err) == model.KindTimeout {
			r.most = max(1, n/2)
		}
		r.failed(err)
		return 0, err
	case n == 1:
		r.log.Error("sink: a message was refused for good and is left out", "id", messages[0].ID, "type", messages[0].Type, "error", err)
		r.note(func(s *Stats) { s.Refused++ })
		return 1, nil
	}
	if done, err = r.attempt(ctx, messages[:n/2]); err != nil {
		return done, err
	}
	rest, err := r.attempt(ctx, messages[n/2:])
	return done + rest, err
}

// inTime has more messages be sent at once when the target, at the pace at which
// it took n, would take them in a quarter of the time that it has: more would soon
// be too many again.
func (r *Runner) inTime(n int, took time.Duration) {
	fit := float64(n) * float64(r.cfg.Timeout/4) / float64(max(took, 1))
	r.most = max(r.most, int(min(fit, batchMost)))
}

// failed counts an attempt, and tells the log once for each error.
func (r *Runner) failed(err error) {
	r.mu.Lock()
	before := r.stats.Error
	r.stats.Failures++
	r.stats.Error = err.Error()
	r.mu.Unlock()
	if before != err.Error() {
		r.log.Warn("sink: cannot be sent to; it is tried again", "error", err)
	}
}

func (r *Runner) recovered(n uint64) {
	r.mu.Lock()
	before := r.stats.Error
	r.stats.Sent += n
	r.stats.Error = ""
	r.mu.Unlock()
	if before != "" {
		r.log.Info("sink: takes events again")
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
