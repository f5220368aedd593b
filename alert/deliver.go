package alert

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/cartrita/cartrita/model"
)

// busy returns the channels that something is being sent to.
func (e *Engine) busy() map[string]bool {
	e.sending.Lock()
	defer e.sending.Unlock()
	return maps.Clone(e.sending.channels)
}

// deliver begins to send messages, those of each channel one after the other and
// the channels beside each other. Channels that are busy, or were when the
// messages were read, have their turn the next time.
func (e *Engine) deliver(ctx context.Context, term int64, due []Delivery, channels map[string]Channel, busy map[string]bool) {
	byChannel := map[string][]Delivery{}
	e.sending.Lock()
	for i := range due {
		if name := due[i].Channel; !busy[name] && (!e.sending.channels[name] || byChannel[name] != nil) {
			e.sending.channels[name] = true
			byChannel[name] = append(byChannel[name], due[i])
		}
	}
	e.sending.Unlock()
	for name, list := range byChannel {
		e.senders.Go(func() {
			for i := 0; i < len(list) && ctx.Err() == nil; i++ {
				e.send(ctx, term, &list[i], channels[name])
			}
			e.sending.Lock()
			delete(e.sending.channels, name)
			e.sending.Unlock()
		})
	}
}

func (e *Engine) send(ctx context.Context, term int64, d *Delivery, c Channel) {
	err := try(ctx, c, d)
	if ctx.Err() != nil && err != nil {
		return // cut off: the next leader begins anew
	}
	d.attempted(err, e.now())
	e.stats.attempted(d)
	if err != nil {
		level := slog.LevelDebug // said already
		if d.Attempts == 1 || d.State == Failed {
			level = slog.LevelWarn
		}
		e.cfg.Logger.Log(ctx, level, "alerts: a message was not delivered", "channel", d.Channel, "rule", d.Rule, "error", d.Error, "attempt", d.Attempts, "gives_up", d.State == Failed)
	}
	// What cannot be noted is sent again, under the same id.
	if err := e.cfg.Store.SaveAlerts(ctx, term, Change{Deliveries: []Delivery{*d}}); err != nil && ctx.Err() == nil {
		e.cfg.Logger.Warn("alerts: a message was sent and that could not be noted; it may be sent again", "channel", d.Channel, "rule", d.Rule, "error", err)
	}
}

// try makes one attempt.
func try(ctx context.Context, c Channel, d *Delivery) error {
	if c == nil {
		return model.Errorf("alert.Deliver", model.KindUnavailable, "no channel of this gateway's configuration has the name now")
	}
	ctx, cancel := context.WithTimeout(ctx, sendWait)
	defer cancel()
	return c.Send(ctx, &d.Notification)
}

// TestChannel sends a message to a channel now, and returns what became of it.
// Errors: KindNotFound, KindUnavailable.
func (e *Engine) TestChannel(ctx context.Context, name string) (Delivery, error) {
	e.mu.Lock()
	c := e.settings.Channels[name]
	e.mu.Unlock()
	if c == nil {
		return Delivery{}, model.Errorf("alert.Test", model.KindNotFound, "%s", noChannel(name, e.Channels()))
	}
	now := e.now()
	d := Delivery{
		Notification: Notification{
			ID: newID(), Event: Test, Rule: "test", Type: ErrorRate, Severity: Info, At: now,
			Alerts: []Alert{{Incident: newID(), Summary: "this is a test of the channel " + name, Operator: Above, Since: now}},
		},
		Channel: name, State: Waiting, Due: now,
	}
	d.attempted(try(ctx, c, &d), e.now())
	if d.State == Waiting {
		d.State, d.Ended = Failed, e.now() // nobody tries a test again
	}
	e.stats.attempted(&d)
	return d, e.cfg.Store.LogDelivery(ctx, d)
}

func (e *Engine) now() time.Time { return e.cfg.Clock().UTC().Truncate(time.Microsecond) }

// Stats counts what an engine did.
type Stats struct {
	Evaluations uint64
	Evaluated   time.Time         // when the latest evaluation here began; another gateway may lead since
	Firing      map[FiringKey]int // as of then
	Waiting     int               // messages, likewise
	Attempts    map[AttemptKey]uint64
}

// FiringKey names a number of alerts that fire.
type FiringKey struct {
	Rule     string
	Severity Severity
}

// AttemptKey names a number of attempts to deliver.
type AttemptKey struct {
	Channel string
	State   DeliveryState // after it
}

type stats struct {
	mu sync.Mutex
	Stats
}

func (s *stats) evaluated(b *Board, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Evaluations++
	s.Evaluated = now
	s.Firing, s.Waiting = map[FiringKey]int{}, len(b.Queue)
	for i := range b.States {
		if st := &b.States[i]; st.Firing {
			s.Firing[FiringKey{st.Rule.Name, st.Rule.Severity}]++
		}
	}
}

func (s *stats) attempted(d *Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Attempts == nil {
		s.Attempts = map[AttemptKey]uint64{}
	}
	s.Attempts[AttemptKey{d.Channel, d.State}]++
}

// Stats returns the counters.
func (e *Engine) Stats() Stats {
	e.stats.mu.Lock()
	defer e.stats.mu.Unlock()
	s := e.stats.Stats
	s.Attempts = map[AttemptKey]uint64{}
	for k, n := range e.stats.Attempts {
		s.Attempts[k] = n
	}
	return s
}
