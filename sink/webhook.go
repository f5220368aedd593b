package sink

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/cartrita/cartrita/model"
)

// WebhookConfig of a webhook.
type WebhookConfig struct {
	URL     string            // required
	Secret  []byte            // signs what is sent; none: it is not signed
	Headers map[string]string // added to every request
	Client  *http.Client      // default: one that follows no redirect
}

// Webhook posts events as a batch of CloudEvents in the JSON batch format,
// signed as Standard Webhooks (standardwebhooks.com) are: webhook-signature is
// "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body", with id and
// timestamp (seconds since 1970) of the headers webhook-id and
// webhook-timestamp. A batch that is sent again has the same id.
type Webhook struct {
	cfg   WebhookConfig
	clock func() time.Time
}

// NewWebhook makes one. Errors: KindInvalid.
func NewWebhook(c WebhookConfig) (*Webhook, error) {
	if c.URL == "" {
		return nil, model.Invalidf("sink.NewWebhook", "url", "is missing")
	}
	if c.Client == nil {
		c.Client = newHTTPClient()
	}
	return &Webhook{cfg: c, clock: time.Now}, nil
}

// newHTTPClient makes a client that goes where it is told and nowhere else.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
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
	id, at := hex.EncodeToString(ids.Sum(nil)[:16]), strconv.FormatInt(w.clock().Unix(), 10)
	h.Set("Content-Type", "application/cloudevents-batch+json")
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", at)
	if len(w.cfg.Secret) > 0 {
		mac := hmac.New(sha256.New, w.cfg.Secret)
		fmt.Fprintf(mac, "%s.%s.%s", id, at, body.Bytes())
		h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return post(ctx, "sink.Webhook", w.cfg.Client, w.cfg.URL, h, body.Bytes())
}

// post sends a body. The error never repeats the address, which may hold a
// secret.
func post(ctx context.Context, op string, client *http.Client, address string, h http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return model.Errorf(op, model.KindUnavailable, "the address is not a URL")
	}
	req.Header = h
	resp, err := client.Do(req)
	if err != nil {
		var inner interface{ Unwrap() error } // of the url.Error, which has the address
		if errors.As(err, &inner) && inner.Unwrap() != nil {
			err = inner.Unwrap()
		}
		return away(op, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusBadRequest, resp.StatusCode == http.StatusRequestEntityTooLarge, resp.StatusCode == http.StatusUnprocessableEntity:
		return model.Errorf(op, model.KindInvalid, "the server answers %s", resp.Status)
	}
	return model.Errorf(op, model.KindUnavailable, "the server answers %s", resp.Status)
}

// Close implements Target.
func (w *Webhook) Close() error {
	w.cfg.Client.CloseIdleConnections()
	return nil
}
