package notify

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
)

// mailServer is an SMTP server as small as it can be.
type mailServer struct {
	addr    string
	roots   *x509.CertPool
	tls     *tls.Config
	offers  []string          // extensions
	answers map[string]string // to what begins so, instead of taking it
	hang    bool              // says nothing

	mu    sync.Mutex
	heard []string // commands
	mails []string
	tlsOn bool // for the last mail
}

func newMailServer(t *testing.T, always bool, offers ...string) *mailServer {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	s := &mailServer{offers: offers, answers: map[string]string{}, roots: x509.NewCertPool(), tls: &tls.Config{Certificates: certified.TLS.Certificates}}
	s.roots.AddCert(certified.Certificate())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if always {
				conn = tls.Server(conn, s.tls)
			}
			running.Go(func() { defer conn.Close(); s.serve(conn, always) })
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return s
}

func (s *mailServer) serve(conn net.Conn, encrypted bool) {
	in := bufio.NewReader(conn)
	say := func(text string) { fmt.Fprint(conn, text+"\r\n") }
	if s.hang {
		in.ReadString('\n') // until the other side gives up
		return
	}
	say("220 ready")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		s.mu.Lock()
		s.heard = append(s.heard, line)
		s.mu.Unlock()
		verb := strings.ToUpper(strings.Fields(line + " .")[0])
		refused := ""
		for begin, answer := range s.answers {
			if strings.HasPrefix(line, begin) {
				refused = answer
			}
		}
		switch {
		case refused != "":
			say(refused)
		case verb == "EHLO":
			say("250-hello")
			for _, o := range s.offers {
				say("250-" + o)
			}
			say("250 OK")
		case verb == "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, s.tls)
			in, encrypted = bufio.NewReader(conn), true
		case verb == "AUTH":
			if strings.HasPrefix(line, "AUTH LOGIN") {
				say("334 " + base64.StdEncoding.EncodeToString([]byte("Username:")))
				in.ReadString('\n')
				say("334 " + base64.StdEncoding.EncodeToString([]byte("Password:")))
				in.ReadString('\n')
			}
			say("235 welcome")
		case verb == "DATA":
			say("354 go on")
			var mail strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil || line == ".\r\n" {
					break
				}
				mail.WriteString(line)
			}
			s.mu.Lock()
			s.mails, s.tlsOn = append(s.mails, mail.String()), encrypted
			s.mu.Unlock()
			say(orElse(s.answers["."], "250 taken"))
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 OK")
		}
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (s *mailServer) config() EmailConfig {
	return EmailConfig{Server: s.addr, From: "Cartrita <alerts@example.com>", To: []string{"on@example.com", "Off <off@example.com>"}, Roots: s.roots}
}

func sendMail(ctx context.Context, t *testing.T, c EmailConfig, n *alert.Notification) error {
	t.Helper()
	ch, err := NewEmail(c)
	if err != nil {
		t.Fatal(err)
	}
	return ch.Send(ctx, n)
}

func TestMailsAreDelivered(t *testing.T) {
	for name, c := range map[string]struct {
		always  bool
		offers  []string
		tls     string
		user    string
		heard   string
		tlsOn   bool
		refusal string
	}{
		"plain":               {false, nil, NoTLS, "", "MAIL FROM:<alerts@example.com>", false, ""},
		"STARTTLS":            {false, []string{"STARTTLS", "AUTH PLAIN LOGIN"}, StartTLS, "u", "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00u\x00T0PSECRET")), true, ""},
		"by default":          {false, []string{"STARTTLS"}, "", "", "STARTTLS", true, ""},
		"TLS":                 {true, []string{"AUTH LOGIN"}, TLS, "u", "AUTH LOGIN", true, ""},
		"no STARTTLS offered": {false, nil, StartTLS, "", "EHLO", false, "does not offer STARTTLS"},
		"no way in":           {true, []string{"AUTH GSSAPI"}, TLS, "u", "EHLO", false, "offers none of"},
		"no UTF-8 asked for":  {false, []string{"8BITMIME", "SMTPUTF8"}, NoTLS, "", "MAIL FROM:<alerts@example.com> BODY=8BITMIME", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newMailServer(t, c.always, c.offers...)
			cfg := s.config()
			if cfg.TLS = c.tls; c.user != "" {
				cfg.User, cfg.Password = c.user, "T0PSECRET"
			}
			err := sendMail(t.Context(), t, cfg, samples()["firing"])
			if c.refusal != "" {
				if model.KindOf(err) != model.KindUnavailable || !strings.Contains(err.Error(), c.refusal) || strings.Contains(err.Error(), "T0PSECRET") || len(s.mails) > 0 {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(s.heard, func(l string) bool {
				return l == c.heard || strings.HasPrefix(l, c.heard) && !strings.HasPrefix(c.heard, "MAIL")
			}) ||
				!slices.Contains(s.heard, "RCPT TO:<off@example.com>") || len(s.mails) != 1 || s.tlsOn != c.tlsOn {
				t.Errorf("TLS %v, heard %q", s.tlsOn, s.heard)
			}
		})
	}
}

func TestWhatAMailSays(t *testing.T) {
	s := newMailServer(t, false)
	cfg := s.config()
	cfg.TLS = NoTLS
	for event, n := range samples() {
		s.mails = nil
		for range 2 {
			if err := sendMail(t.Context(), t, cfg, n); err != nil {
				t.Fatal(err)
			}
		}
		if s.mails[0] != s.mails[1] {
			t.Errorf("the same message is another mail:\n%s\n%s", s.mails[0], s.mails[1])
		}
		golden(t, "email."+event+".eml", []byte(strings.ReplaceAll(s.mails[0], "\r\n", "\n")))
	}
}

func TestWhatAServerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		answers map[string]string
		kind    model.Kind
		want    string
	}{
		"the user":          {map[string]string{"AUTH": "535 alerts@example.com is unknown"}, model.KindUnavailable, "does not let us in: it answers 535"},
		"the greeting":      {map[string]string{"EHLO": "554 go away", "HELO": "554 go away"}, model.KindUnavailable, "does not let us in: it answers 554"},
		"the sender":        {map[string]string{"MAIL": "550 alerts@example.com may not"}, model.KindUnavailable, "from this address: it answers 550"},
		"one address":       {map[string]string{"RCPT TO:<on@": "550 no such user"}, 0, ""},
		"all addresses":     {map[string]string{"RCPT": "550 no such user on@example.com"}, model.KindUnavailable, "none of the addresses: it answers 550"},
		"the text for now":  {map[string]string{".": "451 later"}, model.KindUnavailable, "does not take the mail: it answers 451"},
		"the text for good": {map[string]string{".": "554 looks like spam"}, model.KindInvalid, "does not take the mail: it answers 554"},
	} {
		s := newMailServer(t, true, "AUTH PLAIN")
		s.answers = c.answers
		cfg := s.config()
		cfg.TLS, cfg.User, cfg.Password = TLS, "u", "T0PSECRET"
		err := sendMail(t.Context(), t, cfg, samples()["test"])
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if model.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "@") || strings.Contains(err.Error(), "T0PSECRET") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestAMailServerThatCannotBeUsed(t *testing.T) {
	s := newMailServer(t, false, "STARTTLS")
	hanging := newMailServer(t, false)
	hanging.hang = true
	over, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	for name, c := range map[string]struct {
		ctx    context.Context
		change func(*EmailConfig)
		kind   model.Kind
		want   string
	}{
		"untrusted":     {t.Context(), func(c *EmailConfig) { c.Roots = nil }, model.KindUnavailable, "unknown authority"},
		"TLS too early": {t.Context(), func(c *EmailConfig) { c.TLS = TLS }, model.KindUnavailable, "does not speak TLS"},
		"hanging":       {t.Context(), func(c *EmailConfig) { c.Server, c.Timeout = hanging.addr, 20*time.Millisecond }, model.KindTimeout, "no answer in time"},
		"cut off":       {over, func(c *EmailConfig) { c.Server = hanging.addr }, model.KindCanceled, "cut off"},
		"closed":        {t.Context(), func(c *EmailConfig) { c.Server = "127.0.0.1:1" }, model.KindUnavailable, "connection refused"},
	} {
		cfg := s.config()
		c.change(&cfg)
		err := sendMail(c.ctx, t, cfg, samples()["test"])
		if model.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
