package cluster

import (
	"context"
	"errors"
	"strings"
	"time"
)

// link is a Messenger's use of one connection.
type link struct {
	*Messenger
	carrier Carrier
	ready   func()    // called with the first message heard
	heard   bool      // own messages come back
	next    time.Time // when to send a probe
	probed  time.Time // when the one under way was sent; zero: none is
}

var errSilent = errors.New("messages are sent and do not arrive; does a pooler stand before the database?")

// flush sends what waits, and a probe when it is time.
func (l *link) flush(ctx context.Context) error {
	messages := l.take(time.Now())
	if len(messages) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	err := l.carrier.Send(limited, messages)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.lose(len(messages))
		return err
	}
	l.stats.Sent += uint64(len(messages))
	return nil
}

// take empties the outbox.
func (l *link) take(now time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages := l.outbox
	if l.dropped {
		messages = append(messages, l.message(topicLost, nil))
		l.dropped = false
	}
	if !now.Before(l.next) {
		messages = append(messages, l.message(topicProbe, nil))
		l.probed, l.next = now, now.Add(probeEvery)
	}
	l.outbox = nil
	return messages
}

// wait waits for a message, until there is something to send.
func (l *link) wait(ctx context.Context) error {
	until := l.next
	if !l.probed.IsZero() {
		until = l.probed.Add(answerIn)
	}
	limited, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	l.interruptible(cancel)
	message, err := l.carrier.Receive(limited)
	l.interruptible(nil)
	switch {
	case err == nil:
		l.receive(message)
		return nil
	case ctx.Err() != nil || limited.Err() == nil:
		return err
	case !l.probed.IsZero() && !time.Now().Before(until):
		return errSilent
	}
	return nil
}

// interruptible has Publish call f; at once when it was called in between.
func (l *link) interruptible(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interrupt = f
	if f != nil && len(l.outbox) > 0 {
		f()
	}
}

func (l *link) receive(message string) {
	sender, rest, _ := strings.Cut(message, " ")
	_, rest, _ = strings.Cut(rest, " ")
	topic, data, ok := strings.Cut(rest, " ")
	if !ok {
		return // of another program
	}
	if sender == l.self {
		if topic == topicProbe && !l.probed.IsZero() {
			l.answered(time.Since(l.probed))
		}
		return
	}
	l.mu.Lock()
	l.stats.Received++
	if topic == topicLost {
		l.stats.Losses++
	}
	l.mu.Unlock()
	switch topic {
	case topicProbe:
	case topicLost:
		l.subs.lost()
	default:
		l.subs.deliver(topic, []byte(data))
	}
}

func (l *link) answered(lag time.Duration) {
	l.probed = time.Time{}
	l.mu.Lock()
	l.stats.Lag = lag
	l.mu.Unlock()
	if !l.heard {
		l.heard = true
		l.ready()
	}
}
