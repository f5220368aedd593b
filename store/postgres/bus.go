package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/cluster"
)

// closeTimeout is how long the end of a connection is told to the server.
const closeTimeout = time.Second

// DialBus opens a connection of its own on which messages between replicas come
// and go, as notifications. It is the Dial of a cluster.Messenger.
func (s *Store) DialBus(ctx context.Context) (cluster.Carrier, error) {
	const op = "postgres.DialBus"
	config := s.pool.Config()
	if config.BeforeConnect != nil {
		if err := config.BeforeConnect(ctx, config.ConnConfig); err != nil {
			return nil, s.failure(op, err)
		}
	}
	config.ConnConfig.RuntimeParams["application_name"] += " bus"
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, s.failure(op, err)
	}
	c := &carrier{conn: conn}
	if err := c.listen(ctx); err != nil {
		c.Close()
		return nil, s.failure(op, err)
	}
	return c, nil
}

// carrier implements cluster.Carrier with LISTEN and NOTIFY.
type carrier struct {
	conn    *pgx.Conn
	channel string
}

// listen takes the channel of the schema: another one of the same database may
// belong to another cluster. A message need not survive a crash of the server.
func (c *carrier) listen(ctx context.Context) error {
	err := c.conn.QueryRow(ctx, `SELECT 'cartrita_' || md5(current_schema())`).Scan(&c.channel)
	if err != nil {
		return err
	}
	_, err = c.conn.Exec(ctx, `SET synchronous_commit = off; LISTEN `+pgx.Identifier{c.channel}.Sanitize())
	return err
}

// Send implements cluster.Carrier.
func (c *carrier) Send(ctx context.Context, messages []string) error {
	_, err := c.conn.Exec(ctx, `SELECT pg_notify($1, m) FROM unnest($2::text[]) m`, c.channel, messages)
	return err
}

// Receive implements cluster.Carrier.
func (c *carrier) Receive(ctx context.Context) (string, error) {
	for {
		n, err := c.conn.WaitForNotification(ctx)
		if n != nil && n.Channel == c.channel {
			return n.Payload, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// Close implements cluster.Carrier.
func (c *carrier) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = c.conn.Close(ctx) // the server notices by itself
}
