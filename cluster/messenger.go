package cluster

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// Carrier is one connection to what carries messages to all replicas, the
// sender included, in the order in which they were sent. One goroutine uses it.
type Carrier interface {
	// Send hands messages over. After an error some may have been.
	Send(ctx context.Context, messages []string) error
	// Receive waits for the next message. When ctx ends first it returns an error
	// and the connection can still be used.
	Receive(ctx context.Context) (string, error)
	Close()
}

// The figures of a Messenger.
const (
	maxOutbox   = 256                   // messages that wait to be sent; more are dropped
	firstDial   = 50 * time.Millisecond // wait after the second connection that fails
	lastDial    = 5 * time.Second       // longest wait between two
	probeEvery  = 10 * time.Second      // a message to itself shows that messages arrive, and how fast
	answerIn    = 5 * time.Second       // a connection on which it does not arrive is given up
	dialTimeout = 10 * time.Second
)

// The topics that a Messenger keeps for itself. Subscribers cannot have them.
const (
	topicProbe = "!probe" // is anybody there
	topicLost  = "!lost"  // the sender dropped messages
)

// MessengerConfig is what a Messenger needs.
type MessengerConfig struct {
	// Dial opens a connection that receives what is sent from its return on. Required.
	Dial   func(ctx context.Context) (Carrier, error)
	Logger *slog.Logger // default: discards
}

// Messenger is a Bus over connections that may break: it makes a new one then,
// and tells subscribers that they may have missed something. Use NewMessenger,
// and have Run run. Safe for concurrent use.
type Messenger struct {
	dial func(ctx context.Context) (Carrier, error)
	log  *slog.Logger
	self string // who sends
	subs subscribers

	mu        sync.Mutex // guards what follows
	number    uint64     // of the latest message
	outbox    []string
	connected bool
	dropped   bool   // messages were, and the others were not told yet
	interrupt func() // ends the wait for a message, so that the outbox is emptied
	stats     BusStats
}

// BusStats says how a bus is doing.
type BusStats struct {
	Connected bool
	Lag       time.Duration // how long the last probe was under way
	Sent      uint64
	Received  uint64 // from others
	Dropped   uint64 // never sent
	Losses    uint64 // times that messages of others may have been missed
}

// NewMessenger makes a Messenger without touching the network.
func NewMessenger(c MessengerConfig) *Messenger {
	m := &Messenger{dial: c.Dial, log: c.Logger, self: cryptorand.Text()[:12]}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	return m
}

// Stats returns how the bus is doing.
func (m *Messenger) Stats() BusStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Connected = m.connected
	return s
}

// Subscribe implements Bus.
func (m *Messenger) Subscribe(topic string, f func([]byte)) (cancel func()) {
	return m.subs.add(topic, f)
}

// Publish implements Bus. What cannot be sent is dropped, and the others are
// told so once they can be.
func (m *Messenger) Publish(topic string, data []byte) {
	ok := len(data) <= MaxMessage && len(topic) <= 64 && utf8.Valid(data) && bytes.IndexByte(data, 0) < 0
	m.mu.Lock()
	defer m.mu.Unlock()
	if !ok || !m.connected || len(m.outbox) >= maxOutbox {
		m.lose(1)
		return
	}
	m.outbox = append(m.outbox, m.message(topic, data))
	if m.interrupt != nil {
		m.interrupt()
	}
}

// message writes a message with its sender and number: a database may take two
// that are the same for one. Caller holds mu.
func (m *Messenger) message(topic string, data []byte) string {
	m.number++
	return m.self + " " + strconv.FormatUint(m.number, 36) + " " + topic + " " + string(data)
}

// Run keeps a connection until ctx ends.
func (m *Messenger) Run(ctx context.Context) {
	wait := time.Duration(0)
	for away := false; ctx.Err() == nil; {
		heard, err := m.session(ctx, func() {
			if away {
				m.log.Info("replicas hear each other again")
			}
			away = false
		})
		if ctx.Err() != nil {
			return
		}
		if !away {
			away = true
			m.log.Warn("the connection between replicas is lost; what others change is noticed by asking the store", "error", err)
		}
		if heard {
			wait = 0 // it was sound: a new one at once
		} else {
			wait = min(max(2*wait, firstDial), lastDial)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait + rand.N(wait/4+1)): // not all replicas at once
		}
	}
}

// session uses one connection until it fails, and calls ready once messages go
// all the way.
func (m *Messenger) session(ctx context.Context, ready func()) (heard bool, err error) {
	limited, cancel := context.WithTimeout(ctx, dialTimeout)
	c, err := m.dial(limited)
	cancel()
	if err != nil {
		return false, err
	}
	defer c.Close()
	m.connect()
	defer m.disconnect()
	m.subs.lost()
	l := &link{Messenger: m, carrier: c, ready: ready, next: time.Now()}
	for err == nil {
		if err = l.flush(ctx); err == nil {
			err = l.wait(ctx)
		}
	}
	return l.heard, err
}

func (m *Messenger) connect() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.connected = true
	m.stats.Losses++
}

func (m *Messenger) disconnect() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lose(len(m.outbox))
	m.outbox, m.connected = nil, false
}

// lose notes that messages were not sent. Caller holds mu.
func (m *Messenger) lose(n int) {
	m.stats.Dropped += uint64(n)
	m.dropped = m.dropped || n > 0
}
