package anthropic

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/upstream"
)

const op = "anthropic.Do"

// Defaults of Config.
const (
	DefaultMaxTokens = 4096
	DefaultVersion   = "2023-06-01"
)

// Config is the configuration of one provider.
type Config struct {
	upstream.Config
	// MaxTokens is sent for calls that do not limit their answer, because the
	// API demands a limit. Default 4096, which every model allows.
	MaxTokens int64
	// Version is the value of the anthropic-version header. Default 2023-06-01.
	Version string
	// Bearer sends the key as "Authorization: Bearer", as some compatible
	// servers want it, instead of "x-api-key".
	Bearer bool
	// Clock dates the answers. Default time.Now.
	Clock func() time.Time
}

// Client implements provider.Client.
type Client struct {
	cfg  Config
	send *upstream.Sender
}

var _ provider.Client = (*Client)(nil)

// New returns a client. It makes no connection.
func New(cfg Config) (*Client, error) {
	if cfg.MaxTokens == 0 {
		cfg.MaxTokens = DefaultMaxTokens
	}
	if cfg.MaxTokens < 0 {
		return nil, model.Invalidf(op, "max_tokens", "must be positive, or 0 for the default")
	}
	if cfg.Version == "" {
		cfg.Version = DefaultVersion
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	headers := map[string]string{"Anthropic-Version": cfg.Version}
	for name, value := range cfg.Headers {
		headers[name] = value
	}
	cfg.Headers = headers
	send, err := upstream.New(op, cfg.Config, func(*url.URL) string {
		if cfg.Bearer {
			return "Authorization"
		}
		return "X-Api-Key"
	})
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, send: send}, nil
}

// Close closes connections that are not in use.
func (c *Client) Close() error { return c.send.Close() }

// Do implements provider.Client.
func (c *Client) Do(ctx context.Context, ep *model.Endpoint, call *model.Call) (*provider.Response, error) {
	req, err := translate(c.cfg.MaxTokens, ep.Upstream, call)
	if err != nil {
		return nil, err
	}
	path := "/v1/messages"
	if strings.HasSuffix(ep.BaseURL, "/v1") {
		path = "/messages"
	}
	reply, err := c.send.Post(ctx, ep, path, req.body(), call.Stream)
	if err != nil {
		return nil, err
	}
	shape := shape{surface: call.Surface, created: c.cfg.Clock().Unix(), answerTool: req.answerTool}
	out := &provider.Response{Status: reply.Status, Header: reply.Header}
	if call.Stream {
		if kind := reply.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
			_ = reply.Stream.Close()
			return nil, &model.Error{Op: op, Kind: model.KindUpstream, Status: reply.Status,
				Message: "the upstream answered a call for a stream with " + kind}
		}
		out.Stream = newStream(reply, shape, c.send.MaxEvent())
		return out, nil
	}
	message, err := jsonscan.Parse(reply.Body)
	if err != nil {
		return nil, &model.Error{Op: op, Kind: model.KindUpstream, Status: reply.Status,
			Message: "the upstream's answer is not a JSON object", Err: err}
	}
	out.Body, out.Usage, err = shape.unary(reply.Status, message)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// fault makes an error of an error body that came with a success status.
func fault(status int, body []byte) *model.Error {
	e := upstream.ParseFault(body).Error(status)
	e.Op = op
	return e
}

func asError(err error) *model.Error {
	var e *model.Error
	if errors.As(err, &e) {
		return e
	}
	return &model.Error{Op: op, Kind: model.KindUpstream, Err: err,
		Message: "the upstream sent a stream that cannot be read"}
}
