package redis

import (
	"context"
	"errors"

	"github.com/redis/rueidis"

	"github.com/cartrita/cartrita/cluster"
)

// busBuffer is how many messages may wait to be received. With more the
// connection is given up: who receives is told that some are lost.
const busBuffer = 1024

var errSlow = errors.New("messages come faster than they are received")

// DialBus begins to listen to the messages between replicas. It is the Dial of a
// cluster.Messenger.
func (c *Client) DialBus(ctx context.Context) (cluster.Carrier, error) {
	if !c.Available() {
		return nil, errAway
	}
	conn, err := c.connect()
	if err != nil {
		return nil, err
	}
	b := &carrier{client: c, channel: c.key("bus"), in: make(chan string, busBuffer), gone: make(chan struct{})}
	listening := make(chan struct{})
	listen, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	b.cancel = cancel
	confirmed := false
	hook := func(s rueidis.PubSubSubscription) {
		switch {
		case s.Kind != "subscribe":
		case confirmed: // a connection broke, and another one was made
			cancel(errAway)
		default:
			confirmed = true
			close(listening)
		}
	}
	go func() {
		defer close(b.gone)
		b.err = conn.Receive(rueidis.WithOnSubscriptionHook(listen, hook), conn.B().Subscribe().Channel(b.channel).Build(), func(m rueidis.PubSubMessage) {
			select {
			case b.in <- m.Message:
			default:
				cancel(errSlow)
			}
		})
		if cause := context.Cause(listen); cause != nil {
			b.err = cause
		}
	}()
	select {
	case <-listening:
		return b, nil
	case <-b.gone:
		return nil, ended(b.err)
	case <-ctx.Done():
		b.Close()
		return nil, ctx.Err()
	}
}

// carrier implements cluster.Carrier with SUBSCRIBE and PUBLISH.
type carrier struct {
	client  *Client
	channel string
	in      chan string
	cancel  context.CancelCauseFunc
	gone    chan struct{} // closed when nothing more is received
	err     error         // why; to be read once gone is closed
}

// Send implements cluster.Carrier.
func (b *carrier) Send(ctx context.Context, messages []string) error {
	return b.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		for _, m := range messages { // one after the other, so that they stay in order
			if err := conn.Do(ctx, conn.B().Publish().Channel(b.channel).Message(m).Build()).Error(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Receive implements cluster.Carrier.
func (b *carrier) Receive(ctx context.Context) (string, error) {
	select {
	case m := <-b.in:
		return m, nil
	default:
	}
	select {
	case m := <-b.in:
		return m, nil
	case <-b.gone:
		return "", ended(b.err)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Close implements cluster.Carrier.
func (b *carrier) Close() {
	b.cancel(context.Canceled)
	<-b.gone
}

// ended is why nothing more is received.
func ended(err error) error {
	if err == nil {
		return errAway
	}
	return err
}
