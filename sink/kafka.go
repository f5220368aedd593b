package sink

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

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
	options := []kgo.Opt{
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
	return &Kafka{options, client}, nil
}

// Send implements Target. A client waits for a broker that hangs, whatever the
// context says, and holds what it was to send: when the time is over it is closed,
// and the next Send makes another.
func (k *Kafka) Send(ctx context.Context, messages []Message) error {
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
	if k.client == nil {
		var err error
		if k.client, err = kgo.NewClient(k.options...); err != nil {
			return away("sink.Kafka", err)
		}
	}
	produced := make(chan error, 1)
	go func(c *kgo.Client) { produced <- c.ProduceSync(ctx, records...).FirstErr() }(k.client)
	var err error
	select {
	case err = <-produced:
	case <-ctx.Done():
		k.client.Close()
		k.client = nil
		if <-produced != nil {
			err = ctx.Err()
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge), errors.Is(err, kerr.InvalidRecord):
		return &model.Error{Op: "sink.Kafka", Kind: model.KindInvalid, Message: err.Error(), Err: err}
	}
	return away("sink.Kafka", err)
}

// Close implements Target.
func (k *Kafka) Close() error {
	if k.client != nil {
		k.client.Close()
	}
	return nil
}
