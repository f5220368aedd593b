package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"time"

	"github.com/cartrita/cartrita/internal/send"
)

// WebhookConfig of a webhook.
type WebhookConfig struct {
	URL     string            // required
	Secret  []byte            // signs what is sent; none: it is not signed
	Headers map[string]string // added to every request
	Client  *http.Client      // default: one that follows no redirect
}

// Webhook posts events as a batch of CloudEvents in the JSON batch format,
// signed as Standard Webhooks are (send.Sign). A batch that is sent again has the
// same id.
type Webhook struct {
	cfg   WebhookConfig
	clock func() time.Time
}

// NewWebhook makes one. Errors: KindInvalid.
func NewWebhook(c WebhookConfig) (*Webhook, error) {
	if err := send.CheckURL("sink.NewWebhook", c.URL); err != nil {
		return nil, err
	}
	if c.Client == nil {
		c.Client = send.NewClient()
	}
	return &Webhook{cfg: c, clock: time.Now}, nil
}

// Send implements Target.
func (w *Webhook) Send(ctx context.Context, messages []Message) error {
	ids := sha256.New()
	body := bytes.NewBufferString("[")
	for i := range messages {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(messages[i].JSON)
		_, _ = io.WriteString(ids, messages[i].ID+"\n") // never fails
	}
	body.WriteByte(']')
	h := http.Header{}
	for k, v := range w.cfg.Headers {
		h.Set(k, v)
	}
	h.Set("Content-Type", "application/cloudevents-batch+json")
	send.Sign(h, hex.EncodeToString(ids.Sum(nil)[:16]), w.clock(), w.cfg.Secret, body.Bytes())
	return send.Post(ctx, "sink.Webhook", w.cfg.Client, w.cfg.URL, h, body.Bytes())
}

// Close implements Target.
func (w *Webhook) Close() error {
	w.cfg.Client.CloseIdleConnections()
	return nil
}
