package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/cluster"
)

// Dial opens a connection of one bus, as in cluster.MessengerConfig.
type Dial func(ctx context.Context) (cluster.Carrier, error)

// RunBus is the conformance suite of what carries messages between replicas. The
// function is called once per subtest and returns how to connect to an empty bus.
func RunBus(t *testing.T, open func(t *testing.T) Dial) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Dial)
	}{
		{"reaches the others", busReaches},
		{"carries any text", busText},
		{"stops with its subscriber", busCancel},
		{"waits for nobody", busWaits},
		{"tells of losses", busLosses},
		{"keeps the connection when a wait ends", busInterrupted},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

// heard are the messages that came on one topic. A loss is "lost".
type heard struct {
	mu   sync.Mutex
	all  []string
	more chan struct{}
}

func listen(b cluster.Bus, topic string) (h *heard, cancel func()) {
	h = &heard{more: make(chan struct{}, 1)}
	return h, b.Subscribe(topic, func(data []byte) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if data == nil {
			h.all = append(h.all, "lost")
		} else {
			h.all = append(h.all, string(data))
		}
		select {
		case h.more <- struct{}{}:
		default:
		}
	})
}

// until waits until what was heard is as wanted.
func (h *heard) until(t *testing.T, what string, so func(all []string) bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		h.mu.Lock()
		all := slices.Clone(h.all)
		h.mu.Unlock()
		if so(all) {
			return
		}
		select {
		case <-h.more:
		case <-limit:
			t.Fatalf("never heard %s, but %.300q", what, all)
		}
	}
}

// has waits for one message.
func (h *heard) has(t *testing.T, message string) {
	t.Helper()
	h.until(t, message, func(all []string) bool { return slices.Contains(all, message) })
}

// connect runs one replica's bus until the test ends, and waits until it hears.
func connect(t *testing.T, dial Dial) *cluster.Messenger {
	t.Helper()
	m := cluster.NewMessenger(cluster.MessengerConfig{Dial: dial})
	h, cancel := listen(m, "join")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	h.has(t, "lost") // of before
	cancel()
	return m
}

func busReaches(t *testing.T, dial Dial) {
	a, b, c := connect(t, dial), connect(t, dial), connect(t, dial)
	own, _ := listen(a, "x")
	atB, _ := listen(b, "x")
	second, _ := listen(b, "x")
	other, _ := listen(b, "y")
	atC, _ := listen(c, "x")
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint(i%50)) // some are the same, and come as often
		a.Publish("x", []byte(want[i]))
	}
	c.Publish("x", []byte("end"))
	for _, h := range []*heard{atB, second} {
		h.until(t, "all of it in order", func(all []string) bool {
			return slices.Equal(slices.DeleteFunc(all, func(s string) bool { return s == "end" }), want)
		})
		h.has(t, "end")
	}
	atC.until(t, "all of it in order", func(all []string) bool { return slices.Equal(all, want) })
	own.until(t, "the end alone", func(all []string) bool { return slices.Equal(all, []string{"end"}) })
	other.until(t, "nothing", func(all []string) bool { return len(all) == 0 })
	if s := a.Stats(); !s.Connected || s.Sent < 100 || s.Received < 1 || s.Dropped != 0 || s.Losses != 1 {
		t.Errorf("%+v", s)
	}
}

func busText(t *testing.T, dial Dial) {
	a, b := connect(t, dial), connect(t, dial)
	h, _ := listen(b, "x")
	for _, message := range []string{"", " a  b ", `{"a":"'\"\\"}`, "ü€𝄞\n\t\x01", strings.Repeat("€", cluster.MaxMessage/3)} {
		a.Publish("x", []byte(message))
		h.has(t, message)
	}
	for _, bad := range []string{strings.Repeat("x", cluster.MaxMessage+1), "a\x00b", "\xff"} {
		a.Publish("x", []byte(bad))
	}
	a.Publish("x", []byte("end"))
	h.has(t, "end")
	h.has(t, "lost") // what could not be sent is told
	if n := a.Stats().Dropped; n != 3 {
		t.Errorf("%d were dropped, want 3", n)
	}
}

func busCancel(t *testing.T, dial Dial) {
	a, b := connect(t, dial), connect(t, dial)
	gone, cancel := listen(b, "x")
	stays, _ := listen(b, "x")
	a.Publish("x", []byte("1"))
	gone.has(t, "1")
	cancel()
	a.Publish("x", []byte("2"))
	stays.has(t, "2")
	gone.until(t, "1 alone", func(all []string) bool { return slices.Equal(all, []string{"1"}) })
}

// busWaits has a subscriber block what comes in; who publishes does not notice.
func busWaits(t *testing.T, dial Dial) {
	a, b := connect(t, dial), connect(t, dial)
	h, _ := listen(b, "end")
	blocked, free := make(chan struct{}), make(chan struct{})
	b.Subscribe("x", func([]byte) {
		select {
		case <-blocked:
		default:
			close(blocked)
		}
		<-free
	})
	a.Publish("x", nil)
	<-blocked
	took := time.Duration(0)
	for range 10000 {
		begin := time.Now()
		b.Publish("y", []byte("a message"))
		took = max(took, time.Since(begin))
	}
	if n := b.Stats().Dropped; n == 0 {
		t.Error("10000 messages wait to be sent: the outbox has no end")
	}
	if took > time.Second {
		t.Errorf("a message took %s to publish", took)
	}
	close(free)
	a.Publish("end", []byte("end"))
	h.has(t, "end")
}

// breakable is a connection that a test can break.
type breakable struct {
	cluster.Carrier
	broken chan struct{}
}

func (b *breakable) Receive(ctx context.Context) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-b.broken:
			cancel()
		case <-stop:
		}
	}()
	m, err := b.Carrier.Receive(ctx)
	select {
	case <-b.broken:
		return "", errors.New("broken")
	default:
		return m, err
	}
}

func busLosses(t *testing.T, dial Dial) {
	a := connect(t, dial)
	links := make(chan *breakable, 10)
	b := connect(t, func(ctx context.Context) (cluster.Carrier, error) {
		c, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		l := &breakable{Carrier: c, broken: make(chan struct{})}
		links <- l
		return l, nil
	})
	atA, _ := listen(a, "x")
	atB, _ := listen(b, "x")
	for i := range 3 {
		close((<-links).broken)
		atB.until(t, "of a loss", func(all []string) bool {
			return len(slices.DeleteFunc(all, func(s string) bool { return s != "lost" })) > i
		})
		message := fmt.Sprint(i)
		a.Publish("x", []byte(message))
		atB.has(t, message)
		b.Publish("x", []byte(message))
		atA.has(t, message)
	}
}

// busInterrupted ends waits for messages, which come then.
func busInterrupted(t *testing.T, dial Dial) {
	c, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
		if m, err := c.Receive(ctx); err == nil {
			t.Errorf("heard %q", m)
		}
		cancel()
	}
	if err := c.Send(t.Context(), []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a", "b"} {
		if got, err := c.Receive(t.Context()); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}
