package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ether carries messages between the carriers of a test.
type ether struct {
	mu    sync.Mutex
	down  bool // dials and sends fail
	deaf  bool // nothing arrives
	dials []time.Time
	on    []*wire
}

type wire struct {
	ether *ether
	in    chan string
	gone  chan struct{}
}

var errDown = errors.New("down")

func (e *ether) dial(context.Context) (Carrier, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dials = append(e.dials, time.Now())
	if e.down {
		return nil, errDown
	}
	w := &wire{e, make(chan string, 1000), make(chan struct{})}
	e.on = append(e.on, w)
	return w, nil
}

// cut breaks all connections.
func (e *ether) cut(down bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = down
	for _, w := range e.on {
		close(w.gone)
	}
	e.on = nil
}

func (w *wire) Send(_ context.Context, messages []string) error {
	w.ether.mu.Lock()
	defer w.ether.mu.Unlock()
	select {
	case <-w.gone:
		return errDown
	default:
	}
	for _, to := range w.ether.on {
		for _, m := range messages {
			if !w.ether.deaf {
				to.in <- m
			}
		}
	}
	return nil
}

func (w *wire) Receive(ctx context.Context) (string, error) {
	select {
	case m := <-w.in:
		return m, nil
	case <-w.gone:
		return "", errDown
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (w *wire) Close() {
	w.ether.mu.Lock()
	defer w.ether.mu.Unlock()
	w.ether.on = slices.DeleteFunc(w.ether.on, func(o *wire) bool { return o == w })
}

// run starts a Messenger that writes down what it hears on the topic x.
func run(t *testing.T, e *ether) (m *Messenger, heard *[]string) {
	m = NewMessenger(MessengerConfig{Dial: e.dial})
	heard = new([]string)
	m.Subscribe("x", func(data []byte) {
		if data == nil {
			data = []byte("lost")
		}
		*heard = append(*heard, string(data))
	})
	go m.Run(t.Context())
	return m, heard
}

func expect(t *testing.T, heard *[]string, want string) {
	t.Helper()
	synctest.Wait()
	if got := strings.Join(*heard, " "); got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	*heard = nil
}

// TestWhatWasPublishedWhileAwayIsToldAsLost: nothing is kept for later.
func TestWhatWasPublishedWhileAwayIsToldAsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		a, _ := run(t, e)
		synctest.Wait()
		_, heard := run(t, e)
		expect(t, heard, "lost")
		a.Publish("x", []byte("1"))
		expect(t, heard, "1")

		e.cut(true)
		synctest.Wait()
		a.Publish("x", []byte("2"))
		if s := a.Stats(); s.Connected || s.Dropped != 1 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		e.cut(false)
		time.Sleep(2 * lastDial)
		synctest.Wait()
		if n := len(*heard); n == 0 || n > 2 || (*heard)[0] != "lost" { // by the connection, and by who dropped the message
			t.Errorf("heard %q", *heard)
		}
		*heard = nil
		a.Publish("x", []byte("3"))
		expect(t, heard, "3")
	})
}

// TestDialsAreSpaced: a server that is away is not asked without end, one that
// is back is asked soon.
func TestDialsAreSpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{down: true}
		run(t, e)
		time.Sleep(time.Minute)
		e.mu.Lock()
		defer e.mu.Unlock()
		if n := len(e.dials); n < 12 || n > 22 {
			t.Errorf("%d attempts in a minute", n)
		}
		for i := 1; i < len(e.dials); i++ {
			if gap := e.dials[i].Sub(e.dials[i-1]); gap > lastDial*5/4 {
				t.Errorf("%s between two attempts", gap)
			}
		}
	})
}

// TestASilentConnectionIsGivenUp: one that looks open and carries nothing, as
// behind a pooler or a firewall that forgot it.
func TestASilentConnectionIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		m, heard := run(t, e)
		expect(t, heard, "lost")
		time.Sleep(10 * time.Minute)
		if s := m.Stats(); s.Losses != 1 || s.Sent < 60 || s.Sent > 62 || !s.Connected {
			t.Errorf("%+v: want one connection and a probe every %s", s, probeEvery)
		}
		e.mu.Lock()
		e.deaf = true
		e.mu.Unlock()
		time.Sleep(probeEvery + answerIn + time.Millisecond)
		e.mu.Lock()
		e.deaf = false
		e.mu.Unlock()
		time.Sleep(answerIn + time.Second)
		synctest.Wait()
		if s := m.Stats(); s.Losses < 2 || !s.Connected {
			t.Errorf("%+v: want a new connection", s)
		}
		if n := len(*heard); n == 0 {
			t.Error("the subscriber was not told")
		}
	})
}

// TestOutboxHasAnEnd: of a burst, what does not fit is told as lost.
func TestOutboxHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		a, _ := run(t, e)
		_, heard := run(t, e)
		expect(t, heard, "lost")
		e.mu.Lock() // nothing is sent meanwhile but what was taken already
		for i := range 2*maxOutbox + 10 {
			a.Publish("x", fmt.Append(nil, i))
		}
		e.mu.Unlock()
		synctest.Wait()
		all := *heard
		s := a.Stats()
		if n := len(all); s.Dropped == 0 || n < maxOutbox || n-1 != 2*maxOutbox+10-int(s.Dropped) || !slices.Contains(all, "lost") {
			t.Errorf("heard %d messages, the last ones %q; %+v", n, all[max(0, n-3):], s)
		}
	})
}
