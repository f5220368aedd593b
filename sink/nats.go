package sink

import (
	"context"
	"errors"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cartrita/cartrita/internal/send"
	"github.com/cartrita/cartrita/model"
)

// NATSConfig of a subject in JetStream.
type NATSConfig struct {
	URL     string // required, may hold user and password
	Subject string // required; a stream that is there must take it
}

// NATS publishes events to JetStream, as CloudEvents in structured mode. The id
// of a message is that of the event: the stream drops what it was sent twice
// within its duplicate window.
type NATS struct {
	cfg  NATSConfig
	conn *nats.Conn // nil before the first Send
	js   jetstream.JetStream
}

// NewNATS makes one; it connects when there is something to send. Errors:
// KindInvalid.
func NewNATS(c NATSConfig) (*NATS, error) {
	const op = "sink.NewNATS"
	switch {
	case c.URL == "":
		return nil, model.Invalidf(op, "url", "is missing")
	case c.Subject == "":
		return nil, model.Invalidf(op, "subject", "is missing")
	}
	return &NATS{cfg: c}, nil
}

func (n *NATS) connect() (err error) {
	if n.conn != nil {
		return nil
	}
	n.conn, err = nats.Connect(n.cfg.URL, nats.Name("cartrita"), nats.MaxReconnects(-1), nats.Timeout(netTimeout), nats.FlusherTimeout(netTimeout))
	if err == nil {
		n.js, err = jetstream.New(n.conn)
	}
	return err
}

// Send implements Target. What was not taken leaves no connection behind: it
// would count what was never acknowledged as on its way for ever, and take no more
// in the end.
func (n *NATS) Send(ctx context.Context, messages []Message) error {
	err := n.publish(ctx, messages)
	if err != nil && model.KindOf(err) != model.KindInvalid {
		_ = n.Close() // never fails
		n.conn = nil
	}
	return err
}

func (n *NATS) publish(ctx context.Context, messages []Message) error {
	const op = "sink.NATS"
	if err := n.connect(); err != nil {
		return away(op, err)
	}
	waiting := make([]jetstream.PubAckFuture, 0, len(messages))
	for i := range messages {
		m := &messages[i]
		msg := &nats.Msg{Subject: n.cfg.Subject, Data: m.JSON, Header: nats.Header{"Content-Type": {"application/cloudevents+json"}}}
		f, err := n.js.PublishMsgAsync(msg, jetstream.WithMsgID(m.ID))
		switch {
		case errors.Is(err, nats.ErrMaxPayload):
			return model.Errorf(op, model.KindInvalid, "%v", err)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return send.Failure(ctx, op, err)
		case err != nil:
			return away(op, err)
		}
		waiting = append(waiting, f)
	}
	for _, f := range waiting {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return away(op, err)
		case <-ctx.Done():
			return send.Failure(ctx, op, ctx.Err())
		}
	}
	return nil
}

// Close implements Target.
func (n *NATS) Close() error {
	if n.conn != nil {
		n.conn.Close()
	}
	return nil
}
