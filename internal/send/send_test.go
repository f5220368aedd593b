package send

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

func post(ctx context.Context, address string) error {
	return Post(ctx, "test", NewClient(), address, http.Header{}, []byte("{}"))
}

func TestAnAnswerSaysWhetherToTryAgain(t *testing.T) {
	soon := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for name, c := range map[string]struct {
		status           int
		retryAfter, body string
		want             model.Kind
		wait             time.Duration
		message          string
	}{
		"taken":              {204, "", "", 0, 0, ""},
		"refused":            {400, "", "invalid_payload\n", model.KindInvalid, 0, "the server answers 400 Bad Request (invalid_payload)"},
		"too large":          {413, "", "", model.KindInvalid, 0, "the server answers 413 Request Entity Too Large"},
		"not understood":     {422, "", "", model.KindInvalid, 0, ""},
		"words are not ours": {403, "", "no such token: T0PSECRET", model.KindUnavailable, 0, "the server answers 403 Forbidden"},
		"gone":               {410, "", "channel_is_archived", model.KindUnavailable, 0, "the server answers 410 Gone (channel_is_archived)"},
		"moved":              {302, "", "", model.KindUnavailable, 0, ""},
		"no status of ours":  {599, "", "", model.KindUnavailable, 0, "the server answers 599"},
		"seconds":            {429, "30", "", model.KindRateLimited, 30 * time.Second, ""},
		"parts of a second":  {429, "0.5", "", model.KindRateLimited, 500 * time.Millisecond, ""},
		"in the body":        {429, "", `{"message":"slow down","retry_after":1.25,"global":false}`, model.KindRateLimited, 1250 * time.Millisecond, ""},
		"the header counts":  {429, "3", `{"retry_after":1}`, model.KindRateLimited, 3 * time.Second, ""},
		"a time":             {503, soon, "", model.KindUnavailable, time.Hour, ""},
		"a time that was":    {503, "Mon, 02 Jan 2006 15:04:05 GMT", "", model.KindUnavailable, 0, ""},
		"for ever":           {503, "1e300", "", model.KindUnavailable, longestWait, ""},
		"nonsense":           {503, "later", `{"retry_after":"x"}`, model.KindUnavailable, 0, ""},
		"not a number":       {503, "NaN", "", model.KindUnavailable, 0, ""},
		"negative":           {503, "-3", "", model.KindUnavailable, 0, ""},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Errorf("%s: a redirect was followed", name)
			}
			w.Header().Set("Location", "/elsewhere")
			if c.retryAfter != "" {
				w.Header().Set("Retry-After", c.retryAfter)
			}
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}))
		err := post(t.Context(), srv.URL)
		srv.Close()
		if c.want == 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		e := model.AsError(err)
		if e == nil || e.Kind != c.want || e.Status != c.status || c.message != "" && e.Message != c.message {
			t.Errorf("%s: %#v", name, e)
		} else if d := c.wait - e.RetryAfter; d < 0 || d > 2*time.Second && c.wait == time.Hour || d != 0 && c.wait != time.Hour {
			t.Errorf("%s: wait %s, want %s", name, e.RetryAfter, c.wait)
		}
	}
}

func TestAFailureDoesNotRepeatTheAddress(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	encrypted := httptest.NewUnstartedServer(http.NotFoundHandler())
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0)
	encrypted.StartTLS()
	defer encrypted.Close()
	hang := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer hanging.Close()
	defer close(hang)
	rude := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	}))
	defer rude.Close()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	brief, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	for name, c := range map[string]struct {
		ctx     context.Context
		address string
		kind    model.Kind
		want    string
	}{
		"closed":    {t.Context(), closed.URL, model.KindUnavailable, "connection refused"},
		"unknown":   {t.Context(), "http://no-such-name.invalid", model.KindUnavailable, "its name is not known"},
		"no TLS":    {t.Context(), strings.Replace(plain.URL, "http:", "https:", 1), model.KindUnavailable, "does not speak TLS"},
		"untrusted": {t.Context(), encrypted.URL, model.KindUnavailable, "unknown authority"},
		"rude":      {t.Context(), rude.URL, model.KindUnavailable, "it closed the connection"},
		"canceled":  {over, plain.URL, model.KindCanceled, "cut off"},
		"hanging":   {brief, hanging.URL, model.KindTimeout, "no answer in time"},
		"no URL":    {t.Context(), ":// secret", model.KindUnavailable, "not a URL"},
	} {
		err := post(c.ctx, c.address+"/T0PSECRET")
		if model.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		for _, secret := range []string{"T0PSECRET", "127.0.0.1", "no-such-name"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v repeats the address", name, err)
			}
		}
	}
	if got := why(&net.OpError{Op: "dial", Err: context.DeadlineExceeded}); got != "it did not answer in time" {
		t.Errorf("a dial that takes long: %s", got)
	}
}

func TestWhatPeopleGaveIsChecked(t *testing.T) {
	for address, want := range map[string]bool{
		"https://hooks.example/x": true, "http://[::1]:9/": true, "": false, "hooks.example": false, "ftp://x": false, "https://": false, ":// T0PSECRET": false,
	} {
		if err := CheckURL("test", address); err == nil != want || err != nil && (model.AsError(err).Param != "url" || strings.Contains(err.Error(), "T0PSECRET")) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if h, err := Header("test", map[string]string{"x-team": "ops"}); err != nil || h.Get("X-Team") != "ops" {
		t.Errorf("%v: %v", err, h)
	}
	for _, given := range []map[string]string{{"a b": "c"}, {"a": "b\nc"}} {
		if _, err := Header("test", given); model.AsError(err).Param != "headers" {
			t.Errorf("%q: %v", given, err)
		}
	}
}

// Whatever a server answers, it is waited for a day at most, and nothing but one
// word of it is repeated.
func FuzzAnswer(f *testing.F) {
	f.Add("30", "invalid_payload")
	f.Add("", `{"retry_after":1.5}`)
	f.Add("Mon, 02 Jan 2126 15:04:05 GMT", "")
	f.Add("-1e999", `{"retry_after":-1e308}`)
	f.Fuzz(func(t *testing.T, header, body string) {
		h := http.Header{"Retry-After": {header}}
		if d := retryAfter(h, []byte(body), time.Unix(1_790_000_000, 0)); d < 0 || d > longestWait {
			t.Errorf("%q, %q: wait %s", header, body, d)
		}
		if s := reason([]byte(body)); len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(" ()_abcdefghijklmnopqrstuvwxyz", r) }) {
			t.Errorf("%q is repeated as %q", body, s)
		}
	})
}
