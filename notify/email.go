package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	_ "embed"
	"fmt"
	"html/template"
	"net"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	text "text/template"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
)

// The values of EmailConfig.TLS.
const (
	StartTLS = "starttls" // encrypt a connection that begins without; never go on without
	TLS      = "tls"      // encrypt from the beginning
	NoTLS    = "none"
)

// EmailConfig of an SMTP server and who writes to whom.
type EmailConfig struct {
	Server         string   // host:port; required
	From           string   // an address, or "Name <address>"; required
	To             []string // likewise; required
	User, Password string   // none: nothing is said of who we are
	TLS            string   // StartTLS, TLS or NoTLS; default TLS on port 465, else StartTLS
	Timeout        time.Duration
	Roots          *x509.CertPool // that sign certificates; default: the system's
}

// email sends one message with a plain and an HTML part to all addresses. The
// Message-ID is that of the notification, so that one that was taken twice can be
// known; mails about one incident refer to it and so are in one thread.
type email struct {
	cfg    EmailConfig
	host   string
	from   *netmail.Address
	to     []*netmail.Address
	domain string // of what is ours in ids
	ascii  bool   // all addresses are
}

const mailOp = "notify.Email"

// NewEmail makes a channel of e-mail. Errors: KindInvalid.
func NewEmail(c EmailConfig) (alert.Channel, error) {
	host, port, err := net.SplitHostPort(c.Server)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
		return nil, model.Invalidf(mailOp, "server", "want host:port, such as smtp.example.com:587")
	}
	e := &email{cfg: c, host: host}
	if e.from, err = netmail.ParseAddress(c.From); err != nil {
		return nil, model.Invalidf(mailOp, "from", "want an address, such as alerts@example.com")
	}
	if len(c.To) == 0 {
		return nil, model.Invalidf(mailOp, "to", "is missing")
	}
	for i, a := range c.To {
		to, err := netmail.ParseAddress(a)
		if err != nil {
			return nil, model.Invalidf(mailOp, fmt.Sprintf("to[%d]", i), "want an address, such as oncall@example.com")
		}
		e.to = append(e.to, to)
	}
	if e.cfg.Timeout, err = checkTimeout(mailOp, c.Timeout); err != nil {
		return nil, err
	}
	if e.cfg.TLS == "" {
		e.cfg.TLS = StartTLS
		if port == "465" {
			e.cfg.TLS = TLS
		}
	}
	switch {
	case e.cfg.TLS != StartTLS && e.cfg.TLS != TLS && e.cfg.TLS != NoTLS:
		return nil, model.Invalidf(mailOp, "tls", "is %.20q: want starttls, tls or none", c.TLS)
	case (c.User == "") != (c.Password == ""):
		return nil, model.Invalidf(mailOp, "user", "user and password go together")
	case c.User != "" && e.cfg.TLS == NoTLS:
		return nil, model.Invalidf(mailOp, "tls", "is none: a password is sent over TLS only")
	}
	e.domain = e.from.Address[strings.LastIndexByte(e.from.Address, '@')+1:]
	e.ascii = !slices.ContainsFunc(append(e.to, e.from), func(a *netmail.Address) bool {
		return strings.ContainsFunc(a.Address, func(r rune) bool { return r > unicode.MaxASCII })
	})
	return e, nil
}

// Send implements alert.Channel.
func (e *email) Send(ctx context.Context, n *alert.Notification) error {
	m, err := e.message(n)
	if err != nil {
		return model.Errorf(mailOp, model.KindInvalid, "the message cannot be written as a mail")
	}
	ctx, cancel := context.WithTimeout(ctx, e.cfg.Timeout)
	defer cancel()
	return e.deliver(ctx, m)
}

// mostMailed is how many alerts a mail shows.
const mostMailed = 100

//go:embed email.html.tmpl
var htmlSource string

//go:embed email.txt.tmpl
var textSource string

var (
	htmlMail  = template.Must(template.New("html").Parse(htmlSource))
	plainMail = text.Must(text.New("text").Parse(textSource))
)

// mailed is what the templates show.
type mailed struct {
	*message
	Colour string
}

// message writes the mail. The same notification makes the same bytes.
func (e *email) message(n *alert.Notification) (*mail.Msg, error) {
	shown := mailed{words(n, mostMailed), toneOf(n).colour}
	var plain, html bytes.Buffer
	if err := plainMail.Execute(&plain, shown); err != nil {
		return nil, err
	}
	if err := htmlMail.Execute(&html, shown); err != nil {
		return nil, err
	}
	m := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithBoundary("part-of-"+token(n.ID)))
	m.FromMailAddress(e.from)
	m.ToMailAddress(e.to...)
	m.Subject(shown.Title)
	m.SetDateWithValue(n.At.UTC())
	m.SetMessageIDWithValue(token(n.ID) + "@" + e.domain)
	if refs := e.references(n); refs != "" {
		m.SetGenHeader(mail.HeaderReferences, refs)
		m.SetGenHeader(mail.HeaderInReplyTo, strings.Fields(refs)[0])
	}
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	if n.Severity == alert.Critical && n.Event != alert.Resolved {
		m.SetImportance(mail.ImportanceHigh)
	}
	m.SetBodyString(mail.TypeTextPlain, plain.String())
	m.AddAlternativeString(mail.TypeTextHTML, html.String())
	return m, nil
}

// mostReferred bounds the ids in one header.
const mostReferred = 20

// references names the incidents as if each were the mail that a thread began
// with.
func (e *email) references(n *alert.Notification) string {
	var ids []string
	for i := range min(len(n.Alerts), mostReferred) {
		ids = append(ids, "<incident."+token(n.Alerts[i].Incident)+"@"+e.domain+">")
	}
	return strings.Join(ids, " ")
}
