package openai

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/upstream"
	"github.com/cartrita/cartrita/provider/usage"
)

const op = "openai.Do"

// Config is the configuration of one provider.
type Config struct {
	upstream.Config
	// OmitStreamOptions never adds stream_options to a stream, for servers that
	// refuse it in words that the client does not recognise.
	OmitStreamOptions bool
}

// Client implements provider.Client.
type Client struct {
	cfg    Config
	send   *upstream.Sender
	quirks quirks
}

var _ provider.Client = (*Client)(nil)

// New returns a client. It makes no connection.
func New(cfg Config) (*Client, error) {
	send, err := upstream.New(op, cfg.Config, upstream.BearerAuth)
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, send: send}, nil
}

// Close closes connections that are not in use.
func (c *Client) Close() error { return c.send.Close() }

var paths = map[model.Surface]string{
	model.SurfaceChat:        "/chat/completions",
	model.SurfaceCompletions: "/completions",
	model.SurfaceEmbeddings:  "/embeddings",
}

// Do implements provider.Client.
func (c *Client) Do(ctx context.Context, ep *model.Endpoint, call *model.Call) (*provider.Response, error) {
	path, ok := paths[call.Surface]
	if !ok {
		return nil, model.Errorf(op, model.KindInvalid, "an OpenAI-compatible server has no surface %q", call.Surface)
	}
	kept := c.quirks.of(ep)
	known := kept
	for {
		reply, err := c.send.Post(ctx, ep, path, c.body(ep, call, known), call.Stream)
		if err != nil {
			learned := c.learn(known, call, err)
			if learned == known {
				return nil, err
			}
			known = learned
			continue
		}
		resp, err := c.Answer(call, reply)
		if err == nil && known != kept {
			c.quirks.keep(ep, known)
		}
		return resp, err
	}
}

// Answer turns a reply in OpenAI's shape into a response. It is for packages
// whose servers speak OpenAI's shape in part.
func (c *Client) Answer(call *model.Call, reply *upstream.Reply) (*provider.Response, error) {
	out := &provider.Response{Status: reply.Status, Header: reply.Header}
	if !call.Stream {
		if err := fillUnary(out, call, reply); err != nil {
			return nil, err
		}
		return out, nil
	}
	if err := refuseDocument(reply); err != nil {
		return nil, err
	}
	out.Stream = newStream(reply, c.send.MaxEvent())
	return out, nil
}

// fillUnary checks an answer in one piece and takes the usage from it.
func fillUnary(out *provider.Response, call *model.Call, reply *upstream.Reply) error {
	body, err := jsonscan.Parse(reply.Body)
	if err != nil { // some servers cut characters in half
		body, err = jsonscan.Parse(bytes.ToValidUTF8(reply.Body, []byte("\ufffd")))
	}
	if err != nil {
		return &model.Error{Op: op, Kind: model.KindUpstream, Status: reply.Status,
			Message: "the upstream's answer is not a JSON object", Err: err}
	}
	if raw, ok := body.Get("error"); ok && string(raw) != "null" {
		return inBand(reply.Status, body.Raw)
	}
	out.Body = body.Raw
	if raw, ok := body.Get("usage"); ok {
		out.Usage = usage.OpenAI(raw)
		if tier, ok := body.Get("service_tier"); ok && out.Usage.Source != "" {
			out.Usage.ServiceTier = usage.Tier(tier)
		}
		if call.Surface == model.SurfaceEmbeddings && out.Usage.Source != "" && !out.Usage.Output.Known {
			out.Usage.Output = model.Known(0)
		}
	}
	return nil
}

// refuseDocument refuses an answer to a streamed call that is a document.
func refuseDocument(reply *upstream.Reply) error {
	kind := reply.Header.Get("Content-Type")
	if !strings.HasPrefix(kind, "application/json") && !strings.HasPrefix(kind, "text/html") {
		return nil
	}
	defer func() { _ = reply.Stream.Close() }()
	start := make([]byte, 64<<10)
	n := 0
	for n < len(start) {
		m, err := reply.Stream.Read(start[n:])
		n += m
		if err != nil {
			break
		}
	}
	if body, err := jsonscan.Parse(start[:n]); err == nil {
		if raw, ok := body.Get("error"); ok && string(raw) != "null" {
			return inBand(reply.Status, body.Raw)
		}
	}
	return &model.Error{Op: op, Kind: model.KindUpstream, Status: reply.Status,
		Message: "the upstream answered a call for a stream with " + kind}
}

// inBand makes an error of an error body that came with a success status.
func inBand(status int, body []byte) *model.Error {
	e := upstream.ParseFault(body).Error(status)
	e.Op = op
	return e
}

// asError returns err as *model.Error.
func asError(err error) *model.Error {
	var e *model.Error
	if errors.As(err, &e) {
		return e
	}
	return &model.Error{Op: op, Kind: model.KindUpstream, Err: err,
		Message: "the upstream sent a stream that cannot be read"}
}
