package sink

import (
	"context"

	"github.com/cartrita/cartrita/model"
)

// DefaultStreamLength is how many events a Redis stream keeps.
const DefaultStreamLength = 100_000

// Streams appends to Redis streams.
type Streams interface {
	// AddToStream appends an entry of these fields for each of entries, and drops
	// the oldest beyond about length. Errors: KindUnavailable.
	AddToStream(ctx context.Context, stream string, length int64, entries [][]string) error
}

// RedisConfig of a stream.
type RedisConfig struct {
	Streams Streams // required
	Stream  string  // required
	Length  int64   // events kept, about; default 100,000
}

// Redis appends events to a Redis stream, for consumers that follow live. An
// entry has the fields id, type, subject and event (the CloudEvent).
type Redis struct{ cfg RedisConfig }

// NewRedis makes one. Errors: KindInvalid.
func NewRedis(c RedisConfig) (*Redis, error) {
	const op = "sink.NewRedis"
	if c.Length == 0 {
		c.Length = DefaultStreamLength
	}
	switch {
	case c.Streams == nil:
		return nil, model.Invalidf(op, "kind", "redis needs the setting redis")
	case c.Stream == "":
		return nil, model.Invalidf(op, "stream", "is missing")
	case c.Length < 0:
		return nil, model.Invalidf(op, "length", "must be positive")
	}
	return &Redis{c}, nil
}

// Send implements Target.
func (r *Redis) Send(ctx context.Context, messages []Message) error {
	entries := make([][]string, len(messages))
	for i := range messages {
		m := &messages[i]
		entries[i] = []string{"id", m.ID, "type", m.Type, "subject", m.Subject, "event", string(m.JSON)}
	}
	return r.cfg.Streams.AddToStream(ctx, r.cfg.Stream, r.cfg.Length, entries)
}

// Close implements Target.
func (r *Redis) Close() error { return nil }
