package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/internal/send"
	"github.com/cartrita/cartrita/model"
)

// DefaultTimeout bounds one request, one e-mail or one run of a command.
const DefaultTimeout = 10 * time.Second

// HTTPConfig is where something is posted to.
type HTTPConfig struct {
	URL     string        // required; that of a service holds its secret
	Timeout time.Duration // of one request; default DefaultTimeout
	Client  *http.Client  // default: one that follows no redirect
}

// poster posts JSON.
type poster struct {
	op      string
	url     string
	timeout time.Duration
	client  *http.Client
}

func newPoster(op string, c HTTPConfig) (poster, error) {
	if err := send.CheckURL(op, c.URL); err != nil {
		return poster{}, err
	}
	timeout, err := checkTimeout(op, c.Timeout)
	if c.Client == nil {
		c.Client = send.NewClient()
	}
	return poster{op, c.URL, timeout, c.Client}, err
}

func checkTimeout(op string, d time.Duration) (time.Duration, error) {
	if d < 0 {
		return 0, model.Invalidf(op, "timeout", "is %s: want more than 0", d)
	}
	if d == 0 {
		d = DefaultTimeout
	}
	return d, nil
}

func (p *poster) post(ctx context.Context, h http.Header, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	h.Set("Content-Type", "application/json")
	return send.Post(ctx, p.op, p.client, p.url, h, body)
}

// encode writes JSON in which no character is written longer than it must be.
// Errors: KindInvalid.
func encode(op string, v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, model.Errorf(op, model.KindInvalid, "the message cannot be written as JSON")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// whole writes a notification as it is, with its times in UTC.
func whole(op string, n *alert.Notification) ([]byte, error) {
	doc := *n
	doc.At, doc.Alerts = n.At.UTC(), slices.Clone(n.Alerts)
	for i := range doc.Alerts {
		a := &doc.Alerts[i]
		a.Since, a.Until = a.Since.UTC(), a.Until.UTC()
	}
	return encode(op, &doc)
}

// chat is a channel of a service that shows one posted message to people.
type chat struct {
	poster
	write func(*alert.Notification) any
}

func newChat(op string, c HTTPConfig, write func(*alert.Notification) any) (alert.Channel, error) {
	p, err := newPoster(op, c)
	if err != nil {
		return nil, err
	}
	return &chat{p, write}, nil
}

// Send implements alert.Channel.
func (c *chat) Send(ctx context.Context, n *alert.Notification) error {
	body, err := encode(c.op, c.write(n))
	if err != nil {
		return err
	}
	return c.post(ctx, http.Header{}, body)
}
