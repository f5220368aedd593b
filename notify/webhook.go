package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/internal/send"
)

// WebhookConfig of a webhook.
type WebhookConfig struct {
	HTTPConfig
	Secret  []byte            // signs what is sent; none: it is not signed
	Headers map[string]string // added to every request
}

// webhook posts notifications as they are, signed as Standard Webhooks are
// (send.Sign). webhook-id is that of the notification, at every attempt.
type webhook struct {
	poster
	secret []byte
	header http.Header
	clock  func() time.Time
}

// NewWebhook makes a channel to a webhook. Errors: KindInvalid.
func NewWebhook(c WebhookConfig) (alert.Channel, error) {
	const op = "notify.Webhook"
	p, err := newPoster(op, c.HTTPConfig)
	if err != nil {
		return nil, err
	}
	h, err := send.Header(op, c.Headers)
	if err != nil {
		return nil, err
	}
	return &webhook{p, c.Secret, h, time.Now}, nil
}

// Send implements alert.Channel.
func (w *webhook) Send(ctx context.Context, n *alert.Notification) error {
	body, err := whole(w.op, n)
	if err != nil {
		return err
	}
	h := w.header.Clone()
	send.Sign(h, token(n.ID), w.clock(), w.secret, body)
	return w.post(ctx, h, body)
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// token is an id as it may stand in a header: itself, if it is as ours are.
func token(id string) string {
	if plain.MatchString(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}
