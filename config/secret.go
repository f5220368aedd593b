package config

import (
	"os"
	"strings"
	"sync"
	"time"

	"github.com/cartrita/cartrita/model"
)

// maxSecret is the most that is read of a secret file.
const maxSecret = 64 << 10

// secretTTL is how long the content of a secret file is kept: a rotated
// credential is used at the latest after it.
const secretTTL = 10 * time.Second

// Secrets resolves references. The zero value reads the process environment
// and the file system. Safe for concurrent use.
type Secrets struct {
	Getenv   func(string) string          // default os.Getenv
	ReadFile func(string) ([]byte, error) // default os.ReadFile
	Now      func() time.Time             // default time.Now

	files sync.Map // path → fileSecret
}

type fileSecret struct {
	value string
	err   error
	read  time.Time
}

// Resolve returns the secret behind a reference; "" for an empty reference.
// The content of a file is trimmed and kept for ten seconds. The error is
// KindInvalid, for whoever asks again finds nothing either until somebody puts it
// there, and never holds the secret.
func (s *Secrets) Resolve(ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	scheme, name, _ := strings.Cut(ref, ":")
	switch scheme {
	case "env":
		getenv := s.Getenv
		if getenv == nil {
			getenv = os.Getenv
		}
		v := strings.TrimSpace(getenv(name))
		if v == "" {
			return "", model.Errorf("config.Resolve", model.KindInvalid, "the environment variable %s is not set", name)
		}
		return v, nil
	case "file":
		return s.file(name)
	}
	return "", model.Errorf("config.Resolve", model.KindInvalid, "want a reference env:NAME or file:/path")
}

func (s *Secrets) file(path string) (string, error) {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	t := now()
	if c, ok := s.files.Load(path); ok {
		if f := c.(fileSecret); t.Sub(f.read) < secretTTL {
			return f.value, f.err
		}
	}
	f := fileSecret{read: t}
	f.value, f.err = s.read(path)
	s.files.Store(path, f)
	return f.value, f.err
}

func (s *Secrets) read(path string) (string, error) {
	read := s.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	data, err := read(path)
	if err != nil {
		return "", &model.Error{
			Op: "config.Resolve", Kind: model.KindInvalid,
			Message: "the secret file " + path + ": " + readFailure(err),
		}
	}
	v := strings.TrimSpace(string(data))
	if v == "" || len(v) > maxSecret || strings.ContainsAny(v, "\r\n") {
		return "", model.Errorf("config.Resolve", model.KindInvalid, "the secret file %s: want one line of text", path)
	}
	return v, nil
}

// Literal returns the value of a header: what the reference points to, or the
// text itself when it is none.
func (s *Secrets) Literal(value string) (string, error) {
	if isRef(value) {
		return s.Resolve(value)
	}
	return value, nil
}
