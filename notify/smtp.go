package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	netmail "net/mail"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/cartrita/cartrita/internal/send"
	"github.com/cartrita/cartrita/model"
)

// deliver hands a mail to the server. As soon as one address is taken the mail is
// delivered: an address that is wrong does not keep the others from being told.
func (e *email) deliver(ctx context.Context, m *mail.Msg) error {
	conn, err := e.dial(ctx)
	if err != nil {
		return send.Failure(ctx, mailOp, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, err := e.greet(conn)
	if err != nil {
		return smtpFault(ctx, "the server does not let us in", err)
	}
	if err := c.Mail(path(e.from)); err != nil {
		return smtpFault(ctx, "the server does not take mail from this address", err)
	}
	taken := false
	for _, to := range e.to {
		if rerr := c.Rcpt(path(to)); rerr != nil {
			err = rerr
		} else {
			taken = true
		}
	}
	if !taken {
		return smtpFault(ctx, "the server takes mail for none of the addresses", err)
	}
	w, err := c.Data()
	if err == nil {
		if _, err = m.WriteTo(w); err == nil {
			err = w.Close()
		}
	}
	if err != nil {
		return refusedText(smtpFault(ctx, "the server does not take the mail", err))
	}
	_ = c.Quit() // it is delivered
	return nil
}

func (e *email) dial(ctx context.Context) (net.Conn, error) {
	if e.cfg.TLS == TLS {
		return (&tls.Dialer{Config: e.tls()}).DialContext(ctx, "tcp", e.cfg.Server)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", e.cfg.Server)
}

func (e *email) tls() *tls.Config {
	return &tls.Config{ServerName: e.host, MinVersion: tls.VersionTLS12, RootCAs: e.cfg.Roots}
}

var errNoTLS, errNoAuth = errors.New("no TLS"), errors.New("no way to say who we are")

// greet begins a session: encrypted, and as the user there is.
func (e *email) greet(conn net.Conn) (*smtp.Client, error) {
	c, err := smtp.NewClient(conn, e.host)
	if err != nil {
		return nil, err
	}
	c.SkipSMTPUTF8(e.ascii)
	if err := c.Hello(self()); err != nil {
		return nil, err
	}
	if e.cfg.TLS == StartTLS {
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return nil, errNoTLS
		}
		if err := c.StartTLS(e.tls()); err != nil {
			return nil, err
		}
	}
	if e.cfg.User == "" {
		return c, nil
	}
	_, list := c.Extension("AUTH")
	offered := strings.Fields(strings.ToUpper(list))
	for _, way := range []struct {
		name string
		auth smtp.Auth
	}{
		{"PLAIN", smtp.PlainAuth("", e.cfg.User, e.cfg.Password, e.host, false)},
		{"LOGIN", smtp.LoginAuth(e.cfg.User, e.cfg.Password, e.host, false)},
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(e.cfg.User, e.cfg.Password)},
	} {
		if slices.Contains(offered, way.name) {
			return c, c.Auth(way.auth)
		}
	}
	return nil, errNoAuth
}

// self is the name of this machine, as far as it is one to greet with.
func self() string {
	name, err := os.Hostname()
	if err != nil || !plain.MatchString(strings.ReplaceAll(name, ".", "-")) {
		return "localhost"
	}
	return name
}

// path is an address as SMTP has it, in angle brackets.
func path(a *netmail.Address) string { return (&netmail.Address{Address: a.Address}).String() }

// smtpFault words what went wrong without what the server says, which repeats
// addresses. It is temporary: what is wrong with a user, a sender or an address
// can be put right.
func smtpFault(ctx context.Context, what string, err error) error {
	var answer *textproto.Error
	switch {
	case errors.As(err, &answer):
		return &model.Error{Op: mailOp, Kind: model.KindUnavailable, Status: answer.Code, Message: what + ": it answers " + strconv.Itoa(answer.Code)}
	case errors.Is(err, errNoTLS):
		return model.Errorf(mailOp, model.KindUnavailable, "the server does not offer STARTTLS: set tls to none to do without")
	case errors.Is(err, errNoAuth):
		return model.Errorf(mailOp, model.KindUnavailable, "the server offers none of PLAIN, LOGIN and SCRAM-SHA-256 to say who we are")
	}
	return send.Failure(ctx, mailOp, err)
}

// refusedText makes an error final when the server refuses for good what it was
// sent.
func refusedText(err error) error {
	if e := model.AsError(err); e.Status/100 == 5 {
		e.Kind = model.KindInvalid
	}
	return err
}
