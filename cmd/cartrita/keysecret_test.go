package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
)

func TestTheKeySecretIsMadeOnceAndKept(t *testing.T) {
	c := config.Default()
	c.Data = t.TempDir()
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = keySecret(&c, &config.Secrets{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range got {
		if s != got[0] || len(s) < 32 {
			t.Fatalf("processes that start at once have different secrets: %q", got)
		}
	}
	info, err := os.Stat(filepath.Join(c.Data, keySecretFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if entries, err := os.ReadDir(c.Data); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if err := os.WriteFile(filepath.Join(c.Data, keySecretFile), []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keySecret(&c, &config.Secrets{}); model.KindOf(err) != model.KindInvalid {
		t.Errorf("a secret that is cut short: %v", err)
	}
}

func TestTheKeySecretCanBeConfigured(t *testing.T) {
	long := strings.Repeat("k", 32)
	env := map[string]string{"LONG": long, "SHORT": "abc"}
	secrets := &config.Secrets{Getenv: func(name string) string { return env[name] }}
	c := config.Default()
	c.Data = filepath.Join(t.TempDir(), "absent")
	c.Keys.Secret = "env:LONG"
	if got, err := keySecret(&c, secrets); got != long || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	c.Keys.Secret = "env:SHORT"
	if _, err := keySecret(&c, secrets); err == nil || model.AsError(err).Param != "keys.secret" {
		t.Errorf("a short secret: %v", err)
	}
}
