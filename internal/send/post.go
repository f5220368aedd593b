package send

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/cartrita/cartrita/model"
)

// NewClient makes a client that goes where it is told and nowhere else.
func NewClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CheckURL finds out whether something can be posted to an address. Errors:
// KindInvalid of the field url.
func CheckURL(op, address string) error {
	if address == "" {
		return model.Invalidf(op, "url", "is missing")
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return model.Invalidf(op, "url", "want a URL that begins with https:// or http://")
	}
	return nil
}

// Header makes a header of what people gave. Errors: KindInvalid of the field
// headers.
func Header(op string, given map[string]string) (http.Header, error) {
	h := http.Header{}
	for name, value := range given {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, model.Invalidf(op, "headers", "%.40q cannot be sent: want the name of a header, and one line of text", name)
		}
		h.Set(name, value)
	}
	return h, nil
}

// Sign adds the headers of Standard Webhooks (standardwebhooks.com) to h:
// webhook-id, webhook-timestamp (seconds since 1970) and, with a secret,
// webhook-signature, "v1," and the base64 of HMAC-SHA256 over
// "id.timestamp.body".
func Sign(h http.Header, id string, at time.Time, secret, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", timestamp)
	if len(secret) > 0 {
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
		h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
}

// answerRead bounds what is read of an answer.
const answerRead = 64 << 10

// Post sends a body. Errors, all with the status where there was an answer:
// KindInvalid when the body itself is refused (400, 413, 422), so that sending it
// again is useless; else temporary, since an address that is wrong, blocked or
// gone can be put right: KindRateLimited, KindTimeout, KindCanceled,
// KindUnavailable. RetryAfter is what the other side asks for.
func Post(ctx context.Context, op string, client *http.Client, address string, h http.Header, body []byte) error {
	_, err := Ask(ctx, op, client, address, h, body)
	return err
}

// Ask posts a body and returns the answer to what was taken, 64 KiB of it at
// most. Errors: those of Post.
func Ask(ctx context.Context, op string, client *http.Client, address string, h http.Header, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, model.Errorf(op, model.KindUnavailable, "the address is not a URL")
	}
	req.Header = h
	if h.Get("User-Agent") == "" {
		h.Set("User-Agent", "Cartrita")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, Failure(ctx, op, err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, answerRead)) // what is missing tells less; read, so that the connection can be used again
	if resp.StatusCode/100 == 2 {
		return answer, nil
	}
	return nil, &model.Error{
		Op: op, Kind: kindOf(resp.StatusCode), Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, answer, time.Now()),
		Message: strings.TrimSpace(fmt.Sprintf("the server answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))) + reason(answer),
	}
}

func kindOf(status int) model.Kind {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return model.KindInvalid
	case http.StatusTooManyRequests:
		return model.KindRateLimited
	}
	return model.KindUnavailable
}

// code is a reason as some services give it, such as Slack's channel_is_archived.
var code = regexp.MustCompile(`^[a-z]+(_[a-z]+){0,6}$`)

// reason repeats an answer that is one word for machines, and no other.
func reason(answer []byte) string {
	if word := strings.TrimSpace(string(answer)); len(word) <= 60 && code.MatchString(word) {
		return " (" + word + ")"
	}
	return ""
}

// longestWait bounds what is believed of how long to wait.
const longestWait = 24 * time.Hour

// retryAfter finds how long to wait: in Retry-After, seconds or a time, or in
// the retry_after of a JSON answer, seconds. 0: it is not said.
func retryAfter(h http.Header, answer []byte, now time.Time) time.Duration {
	said := h.Get("Retry-After")
	if at, err := http.ParseTime(said); err == nil {
		return min(max(0, at.Sub(now)), longestWait)
	}
	seconds, err := strconv.ParseFloat(said, 64)
	if err != nil {
		var doc struct {
			RetryAfter float64 `json:"retry_after"`
		}
		if json.Unmarshal(answer, &doc) != nil {
			return 0
		}
		seconds = doc.RetryAfter
	}
	if !(seconds > 0) { // nor NaN
		return 0
	}
	return time.Duration(min(seconds, longestWait.Seconds()) * float64(time.Second))
}
