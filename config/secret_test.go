package config

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

func TestResolve(t *testing.T) {
	s := &Secrets{
		Getenv: func(name string) string { return map[string]string{"KEY": " k-1 ", "BLANK": "  "}[name] },
		ReadFile: func(path string) ([]byte, error) {
			switch path {
			case "/run/key":
				return []byte("k-2\n"), nil
			case "/run/two":
				return []byte("a\nb\n"), nil
			case "/run/empty":
				return nil, nil
			}
			return nil, fs.ErrNotExist
		},
	}
	for ref, want := range map[string]string{"": "", "env:KEY": "k-1", "file:/run/key": "k-2"} {
		if got, err := s.Resolve(ref); got != want || err != nil {
			t.Errorf("%q: %q, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"env:NONE", "env:BLANK", "file:/run/none", "file:/run/two", "file:/run/empty", "sk-secret"} {
		got, err := s.Resolve(ref)
		if got != "" || model.KindOf(err) != model.KindInvalid {
			t.Errorf("%q: %q, %v", ref, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "sk-secret") {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
	if v, err := s.Literal("plain: text"); v != "plain: text" || err != nil {
		t.Errorf("literal: %q, %v", v, err)
	}
	if v, err := s.Literal("env:KEY"); v != "k-1" || err != nil {
		t.Errorf("literal reference: %q, %v", v, err)
	}
}

func TestSecretFileIsReadAgainAfterItsTime(t *testing.T) {
	now, content, reads := time.Unix(0, 0), "old", 0
	s := &Secrets{
		Now:      func() time.Time { return now },
		ReadFile: func(string) ([]byte, error) { reads++; return []byte(content), nil },
	}
	want := func(value string, n int) {
		t.Helper()
		if got, err := s.Resolve("file:/k"); got != value || err != nil || reads != n {
			t.Errorf("got %q after %d reads, %v; want %q after %d", got, reads, err, value, n)
		}
	}
	want("old", 1)
	content = "new"
	now = now.Add(secretTTL - 1)
	want("old", 1)
	now = now.Add(1)
	want("new", 2)
}
