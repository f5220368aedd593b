package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/cartrita/cartrita/internal/send"
	"github.com/cartrita/cartrita/model"
)

// The ways to say who we are to Kafka.
const (
	SASLPlain  = "plain"
	SASLSHA256 = "scram-sha-256"
	SASLSHA512 = "scram-sha-512"
)

// KafkaConfig of a topic.
type KafkaConfig struct {
	Brokers        []string // host:port; required
	Topic          string   // required
	TLS            bool
	SASL           string // plain, scram-sha-256 or scram-sha-512; default plain with a user
	User, Password string
}

// Kafka produces events to a topic of a server that speaks Kafka's protocol, as
// CloudEvents in structured mode. The key is the call, so that the events of one
// are in one partition, in order. It waits for all replicas.
type Kafka struct {
	options []kgo.Opt
	client  *kgo.Client // nil after a Send that was not answered
	dials   *dials
}

// dials keeps why a broker could not be reached, which the client, trying on, does
// not say.
type dials struct{ failed atomic.Pointer[error] }

// OnBrokerConnect implements kgo.HookBrokerConnect. Our own port is left out: it is
// another each time, and the log tells an error once.
func (d *dials) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	var op *net.OpError
	if errors.As(err, &op) && op.Source != nil {
		err = fmt.Errorf("%s %s: %w", op.Op, op.Addr, op.Err)
	}
	if err != nil && !errors.Is(err, kgo.ErrClientClosed) && !errors.Is(err, context.Canceled) { // else it is us who gave up
		d.failed.Store(&err)
	}
}

// NewKafka makes one; it connects when there is something to send. Errors:
// KindInvalid.
func NewKafka(c KafkaConfig) (*Kafka, error) {
	const op = "sink.NewKafka"
	switch {
	case len(c.Brokers) == 0:
		return nil, model.Invalidf(op, "brokers", "are missing")
	case c.Topic == "":
		return nil, model.Invalidf(op, "topic", "is missing")
	}
	d := new(dials)
	options := []kgo.Opt{
		kgo.WithHooks(d), kgo.DialTimeout(netTimeout),
		kgo.SeedBrokers(c.Brokers...), kgo.DefaultProduceTopic(c.Topic), kgo.ClientID("cartrita"),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchCompression(kgo.ZstdCompression(), kgo.NoCompression()),
	}
	if c.TLS {
		options = append(options, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	if c.User != "" {
		switch c.SASL {
		case SASLPlain, "":
			options = append(options, kgo.SASL(plain.Auth{User: c.User, Pass: c.Password}.AsMechanism()))
		case SASLSHA256:
			options = append(options, kgo.SASL(scram.Auth{User: c.User, Pass: c.Password}.AsSha256Mechanism()))
		case SASLSHA512:
			options = append(options, kgo.SASL(scram.Auth{User: c.User, Pass: c.Password}.AsSha512Mechanism()))
		default:
			return nil, model.Invalidf(op, "sasl", "is %q: want plain, scram-sha-256 or scram-sha-512", c.SASL)
		}
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, model.Invalidf(op, "brokers", "%v", err)
	}
	return &Kafka{options, client, d}, nil
}

// Send implements Target. A client waits for a broker that hangs, whatever the
// context says, and holds what it was to send: when the time is over it is closed,
// and the next Send makes another.
func (k *Kafka) Send(ctx context.Context, messages []Message) error {
	const op = "sink.Kafka"
	records := make([]*kgo.Record, len(messages))
	for i := range messages {
		m := &messages[i]
		key := m.Subject
		if key == "" {
			key = m.ID
		}
		records[i] = &kgo.Record{Key: []byte(key), Value: m.JSON, Timestamp: m.At,
			Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}}}
	}
	var err error
	if k.client == nil {
		if k.client, err = kgo.NewClient(k.options...); err != nil {
			return away(op, err)
		}
	}
	k.dials.failed.Store(nil)
	produced := make(chan error, 1)
	go func(c *kgo.Client) { produced <- c.ProduceSync(ctx, records...).FirstErr() }(k.client)
	select {
	case err = <-produced:
	case <-ctx.Done():
		k.client.Close()
		k.client = nil
		err = <-produced
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return k.unanswered(ctx)
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge), errors.Is(err, kerr.InvalidRecord):
		return model.Errorf(op, model.KindInvalid, "%v", err)
	}
	return away(op, err)
}

func (k *Kafka) unanswered(ctx context.Context) error {
	e := model.AsError(send.Failure(ctx, "sink.Kafka", ctx.Err()))
	if failed := k.dials.failed.Load(); failed != nil {
		e.Message += ": " + (*failed).Error()
	}
	return e
}

// Close implements Target.
func (k *Kafka) Close() error {
	if k.client != nil {
		k.client.Close()
	}
	return nil
}
