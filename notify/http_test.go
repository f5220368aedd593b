package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
)

// receiver is a server that keeps what is posted to it.
type receiver struct {
	*httptest.Server
	status []int // of the next answers; then 200
	path   string
	header http.Header
	bodies [][]byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" || !json.Valid(body) {
			t.Errorf("%v: %s %v %s", err, req.Method, req.Header, body)
		}
		r.path, r.header, r.bodies = req.URL.Path, req.Header, append(r.bodies, body)
		if len(r.status) > 0 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(r.status[0])
			r.status = r.status[1:]
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// channels make a channel of each kind that posts.
var channels = map[string]func(HTTPConfig) (alert.Channel, error){
	"webhook": func(c HTTPConfig) (alert.Channel, error) {
		return NewWebhook(WebhookConfig{HTTPConfig: c, Secret: []byte("secret"), Headers: map[string]string{"X-Team": "ops"}})
	},
	"slack": NewSlack, "teams": NewTeams, "discord": NewDiscord,
	"pagerduty": func(c HTTPConfig) (alert.Channel, error) {
		return NewPagerDuty(PagerDutyConfig{HTTPConfig: c, RoutingKey: "R0123456789abcdef0123456789abcde"})
	},
}

func TestWhatIsPosted(t *testing.T) {
	for kind, open := range channels {
		for event, n := range samples() {
			r := newReceiver(t)
			c, err := open(HTTPConfig{URL: r.URL + "/hook"})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Send(t.Context(), n); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			var all []byte
			for _, body := range r.bodies {
				all = append(all, indented(t, body)...)
			}
			golden(t, kind+"."+event+".json", all)
			if want := map[bool]string{false: "/hook", true: "/hook/v2/enqueue"}[kind == "pagerduty"]; r.path != want {
				t.Errorf("%s posts to %s, want %s", kind, r.path, want)
			}
			first := r.bodies
			r.bodies = nil
			if err := c.Send(t.Context(), n); err != nil || fmt.Sprintf("%s", first) != fmt.Sprintf("%s", r.bodies) {
				t.Errorf("%s: sent again: %v, %s", kind, err, r.bodies)
			}
		}
	}
}

func TestAWebhookGetsTheNotificationSigned(t *testing.T) {
	r, n := newReceiver(t), samples()["firing"]
	c, err := channels["webhook"](HTTPConfig{URL: r.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte("secret"))
	fmt.Fprintf(mac, "%s.%s.%s", r.header.Get("webhook-id"), r.header.Get("webhook-timestamp"), r.bodies[0])
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.header.Get("webhook-signature") != want || r.header.Get("webhook-id") != n.ID || r.header.Get("X-Team") != "ops" {
		t.Errorf("headers %v, want the signature %s", r.header, want)
	}
	var back alert.Notification
	strictly(t, r.bodies[0], &back)
	if back.Alerts[1].Subject != n.Alerts[1].Subject {
		t.Errorf("%+v", back)
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	for kind, open := range channels {
		for status, want := range map[int]model.Kind{
			400: model.KindInvalid, 413: model.KindInvalid, 422: model.KindInvalid, 429: model.KindRateLimited,
			301: model.KindUnavailable, 401: model.KindUnavailable, 403: model.KindUnavailable, 404: model.KindUnavailable, 410: model.KindUnavailable, 502: model.KindUnavailable,
		} {
			if kind == "pagerduty" && status == 400 {
				want = model.KindUnavailable
			}
			r := newReceiver(t)
			r.status = []int{status}
			c, err := open(HTTPConfig{URL: r.URL + "/T0PSECRET"})
			if err != nil {
				t.Fatal(err)
			}
			e := model.AsError(c.Send(t.Context(), samples()["firing"]))
			if e == nil || e.Kind != want || e.RetryAfter != 7*time.Second || strings.Contains(e.Error(), "T0PSECRET") || strings.Contains(e.Error(), r.URL) {
				t.Errorf("%s, %d: %v, want %s", kind, status, e, want)
			}
		}
	}
}

func TestAnAnswerThatDoesNotComeIsNotWaitedFor(t *testing.T) {
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer srv.Close()
	defer close(hang)
	c, err := NewSlack(HTTPConfig{URL: srv.URL, Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), samples()["test"]); model.KindOf(err) != model.KindTimeout {
		t.Errorf("%v", err)
	}
}

func TestPagerDutyIsNotToldAgainWhatItTook(t *testing.T) {
	r := newReceiver(t)
	r.status = []int{200, 429}
	c, err := channels["pagerduty"](HTTPConfig{URL: r.URL})
	if err != nil {
		t.Fatal(err)
	}
	n := *samples()["firing"]
	n.Alerts = append(slices.Clone(n.Alerts), samples()["reminder"].Alerts[0])
	if err := c.Send(t.Context(), &n); model.AsError(err).RetryAfter != 7*time.Second {
		t.Fatalf("%v", err)
	}
	if err := c.Send(t.Context(), &n); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, body := range r.bodies {
		var e pagerEvent
		strictly(t, body, &e)
		keys = append(keys, e.DedupKey[len(e.DedupKey)-1:])
	}
	if got := strings.Join(keys, ""); got != "1223" {
		t.Errorf("incidents %s, want the first once and the second until it was taken", got)
	}
	if got := len(c.(*pagerDuty).sent); got != 0 {
		t.Errorf("%d messages are still noted", got)
	}
	for i := range 3 * mostNoted {
		c.(*pagerDuty).note(fmt.Sprint(i), 1)
	}
	if got := len(c.(*pagerDuty).sent); got > mostNoted {
		t.Errorf("%d messages are noted", got)
	}
}

func TestConfigurationsAreChecked(t *testing.T) {
	url := HTTPConfig{URL: "https://hooks.example/T0PSECRET"}
	mail := EmailConfig{Server: "smtp.example:587", From: "Cartrita <alerts@example>", To: []string{"a@example"}}
	email := func(change func(*EmailConfig)) func() (alert.Channel, error) {
		c := mail
		change(&c)
		return func() (alert.Channel, error) { return NewEmail(c) }
	}
	for field, open := range map[string]func() (alert.Channel, error){
		"url":     func() (alert.Channel, error) { return NewSlack(HTTPConfig{}) },
		"url ":    func() (alert.Channel, error) { return NewTeams(HTTPConfig{URL: "T0PSECRET"}) },
		"url  ":   func() (alert.Channel, error) { return NewDiscord(HTTPConfig{URL: "ftp://T0PSECRET"}) },
		"timeout": func() (alert.Channel, error) { return NewSlack(HTTPConfig{URL: url.URL, Timeout: -1}) },
		"headers": func() (alert.Channel, error) {
			return NewWebhook(WebhookConfig{url, nil, map[string]string{"X": "a\nb"}})
		},
		"routing_key": func() (alert.Channel, error) { return NewPagerDuty(PagerDutyConfig{}) },
		"server":      email(func(c *EmailConfig) { c.Server = "smtp.example" }),
		"server ":     email(func(c *EmailConfig) { c.Server = ":25" }),
		"from":        email(func(c *EmailConfig) { c.From = "alerts" }),
		"to":          email(func(c *EmailConfig) { c.To = nil }),
		"to[1]":       email(func(c *EmailConfig) { c.To = []string{"a@example", "b"} }),
		"tls":         email(func(c *EmailConfig) { c.TLS = "ssl" }),
		"tls ":        email(func(c *EmailConfig) { c.TLS, c.User, c.Password = NoTLS, "u", "T0PSECRET" }),
		"user":        email(func(c *EmailConfig) { c.User = "u" }),
		"timeout ":    email(func(c *EmailConfig) { c.Timeout = -1 }),
		"command":     func() (alert.Channel, error) { return NewCommand(CommandConfig{}) },
		"command ":    func() (alert.Channel, error) { return NewCommand(CommandConfig{Command: []string{"a", "b\x00"}}) },
		"timeout  ":   func() (alert.Channel, error) { return NewCommand(CommandConfig{Command: []string{"a"}, Timeout: -1}) },
		"":            email(func(*EmailConfig) {}),
	} {
		_, err := open()
		field = strings.TrimSpace(field)
		if field == "" {
			if err != nil {
				t.Error(err)
			}
		} else if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != field || strings.Contains(e.Error(), "T0PSECRET") {
			t.Errorf("%v, want a refusal of %s", err, field)
		}
	}
}
