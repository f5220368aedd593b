package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/cartrita/cartrita/model"
)

// probeEvery is how often the server is asked whether it takes writes.
const probeEvery = 500 * time.Millisecond

// Config of a Client.
type Config struct {
	URL    string       // as ParseURL reads it; required
	Owner  string       // whose keys and messages they are, where several share a server and a prefix; "" is nobody's
	Logger *slog.Logger // default: discards
	// Renew returns the URL as it is now: each new connection takes user and
	// password of it, which may have changed. Default, and with sentinels: those
	// of URL.
	Renew func() (string, error)
}

// Client is the connection to a Redis server. Make it with New, and have Run run.
type Client struct {
	target *target
	log    *slog.Logger

	up   atomic.Bool
	kick chan struct{} // wakes Run after a failure

	mu     sync.RWMutex // guards what follows
	conn   rueidis.Client
	closed bool

	away time.Time // since when; of Connect and Run alone
}

// New makes a Client without touching the network. Errors: KindInvalid.
func New(c Config) (*Client, error) {
	t, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Owner != "" {
		t.prefix += c.Owner + ":"
	}
	if c.Renew != nil && t.option.Sentinel.MasterSet == "" { // sentinels would be told the master's password
		t.option.AuthCredentialsFn = c.renew
	}
	return &Client{target: t, log: c.Logger, kick: make(chan struct{}, 1)}, nil
}

// renew returns the user and the password of now.
func (c Config) renew(rueidis.AuthCredentialsContext) (now rueidis.AuthCredentials, err error) {
	s, err := c.Renew()
	if err != nil {
		return now, err
	}
	u, _, err := takeApart(s)
	if err != nil {
		return now, err
	}
	now.Username, now.Password = credentials(u)
	return now, nil
}

func dialSocket(ctx context.Context, path string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
	return d.DialContext(ctx, "unix", path)
}

// Available reports whether the server takes writes, as far as is known.
func (c *Client) Available() bool { return c.up.Load() }

// Connect makes the first attempt, so that what follows finds the server where
// there is one. Call it before Run; that it fails is logged and no error.
func (c *Client) Connect(ctx context.Context) { c.note(c.probe(ctx)) }

// Timeout is how long one command may take.
func (c *Client) Timeout() time.Duration { return c.target.timeout }

// Run keeps the connection until ctx is done, and closes it then.
func (c *Client) Run(ctx context.Context) error {
	defer c.close()
	t := time.NewTicker(probeEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		case <-c.kick: // a command failed: find out now what is the matter
		}
		c.note(c.probe(ctx))
	}
}

// probe writes a key, which a replica, a full server and one that is loading
// its data refuse.
func (c *Client) probe(ctx context.Context) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, max(c.target.timeout, probeEvery))
	defer cancel()
	return conn.Do(ctx, conn.B().Set().Key(c.target.prefix+"probe").Value("1").ExSeconds(60).Build()).Error()
}

// connect returns the connection, a new one where there was none.
func (c *Client) connect() (rueidis.Client, error) {
	c.mu.RLock()
	conn := c.conn
	c.mu.RUnlock()
	if conn != nil {
		return conn, nil
	}
	conn, err := rueidis.NewClient(c.target.option)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	return conn, nil
}

func (c *Client) close() {
	c.up.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && !c.closed {
		c.conn.Close()
	}
	c.closed = true
}

// note takes the outcome of a probe, and logs where it changes something.
func (c *Client) note(err error) {
	switch {
	case errors.Is(err, context.Canceled):
	case err == nil:
		if !c.away.IsZero() {
			c.log.Info("Redis is back", "after", time.Since(c.away).Round(time.Millisecond))
		}
		c.away = time.Time{}
		c.up.Store(true)
	default:
		c.up.Store(false)
		if c.away.IsZero() {
			c.away = time.Now()
			c.log.Warn("Redis is away", "error", reason(err))
		}
	}
}

// use calls f with the connection and no more than the timeout of the URL. It
// fails at once while the server is away, and takes it for away where it does
// not answer. The answer nil is none of its errors. Errors: KindUnavailable.
func (c *Client) use(ctx context.Context, f func(ctx context.Context, conn rueidis.Client) error) error {
	if !c.up.Load() {
		return errAway
	}
	c.mu.RLock()
	conn := c.conn
	c.mu.RUnlock()
	limited, cancel := context.WithTimeout(ctx, c.target.timeout)
	defer cancel()
	err := f(limited, conn)
	if err == nil || rueidis.IsRedisNil(err) {
		return nil
	}
	if ctx.Err() == nil && !isAnswer(err) { // else it is the caller who ended it, or not the server's fault
		c.up.Store(false)
		select {
		case c.kick <- struct{}{}:
		default:
		}
	}
	return &model.Error{Op: "redis.use", Kind: model.KindUnavailable, Message: "Redis: " + reason(err), Err: err}
}

var errAway = model.Errorf("redis.use", model.KindUnavailable, "Redis is away")

// key returns a key of this installation. All keys that begin with the same
// first part lie in one slot of a cluster.
func (c *Client) key(first string, rest ...string) string {
	k := c.target.prefix + "{" + first + "}"
	for _, r := range rest {
		k += ":" + r
	}
	return k
}

// refusals begin the answers of a server that takes no writes.
var refusals = []string{"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "MISCONF", "OOM", "NOREPLICAS", "BUSY", "NOAUTH", "NOPERM", "WRONGPASS"}

// isAnswer reports whether the server is well and only refused the command.
func isAnswer(err error) bool {
	answer, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	for _, r := range refusals {
		if strings.HasPrefix(answer.Error(), r) {
			return false
		}
	}
	return true
}

// reason words an error without the addresses of net's: a URL may have been
// taken apart into them, but a password never is.
func reason(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "it does not answer in time"
	case errors.As(err, &op):
		return op.Op + " " + op.Net + ": " + op.Err.Error()
	}
	return err.Error()
}
