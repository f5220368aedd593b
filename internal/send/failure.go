package send

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/cartrita/cartrita/model"
)

// Failure words an error of the network without the addresses in it. Kinds:
// KindCanceled, KindTimeout, KindUnavailable.
func Failure(ctx context.Context, op string, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return model.Errorf(op, model.KindCanceled, "it was cut off")
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return model.Errorf(op, model.KindTimeout, "there was no answer in time")
	}
	return model.Errorf(op, model.KindUnavailable, "the server cannot be reached: %s", why(err))
}

func why(err error) string {
	var (
		name    *net.DNSError
		errno   syscall.Errno
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		network net.Error
	)
	switch {
	case errors.As(err, &name):
		return "its name is not known"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &host):
		return "its certificate is for another name"
	case errors.As(err, &unknown):
		return "its certificate is signed by an unknown authority"
	case errors.As(err, &invalid):
		return "its certificate is not valid"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak TLS"
	case errors.As(err, &alert):
		return alert.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closed the connection"
	case errors.As(err, &network) && network.Timeout():
		return "it did not answer in time"
	}
	return "the connection failed"
}
