package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// keySecretFile holds the secret with which keys are digested. It lies beside
// the store and not in it: a copy of the store alone recognises no key.
const keySecretFile = "key.secret"

// openKeys loads the virtual keys.
func (a *app) openKeys(l *config.Loaded, secrets *config.Secrets, c key.Config) (*key.Ring, error) {
	secret, err := keySecret(&l.Config, secrets)
	if err != nil {
		return nil, err
	}
	c.Secret = []byte(secret)
	ring, err := key.New(c)
	if err != nil {
		return nil, err
	}
	return ring, ring.Load(a.ctx)
}

// promptSeed makes the fingerprints of prompts those of this installation: it
// lasts as long as the secret, and does not tell it.
func promptSeed(c *config.Config, secrets *config.Secrets) (uint64, error) {
	secret, err := keySecret(c, secrets)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256([]byte("prompt fingerprints\x00" + secret))
	return binary.LittleEndian.Uint64(sum[:]), nil
}

// keySecret is the configured secret, else the one of the data directory, which
// is made if it is missing. Keys in memory need none that lasts.
func keySecret(c *config.Config, secrets *config.Secrets) (string, error) {
	switch {
	case c.Keys.Secret != "":
		return configuredKeySecret(c, secrets)
	case c.Store == config.StoreMemory:
		return newSecret(), nil
	}
	path := filepath.Join(c.Data, keySecretFile)
	secret, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeSecret(path); err == nil {
			secret, err = readSecret(path)
		}
	}
	if err != nil {
		return "", dataError(c.Data, err)
	}
	if len(secret) < key.SecretBytes {
		return "", model.Errorf("", model.KindInvalid, "%s holds %d characters; want at least %d", path, len(secret), key.SecretBytes)
	}
	return secret, nil
}

func configuredKeySecret(c *config.Config, secrets *config.Secrets) (string, error) {
	secret, err := secrets.Resolve(string(c.Keys.Secret))
	if err == nil && len(secret) < key.SecretBytes {
		err = model.Invalidf("", "keys.secret", "%s holds %d characters; want at least %d", c.Keys.Secret, len(secret), key.SecretBytes)
	}
	return secret, err
}

func readSecret(path string) (string, error) {
	raw, err := os.ReadFile(path)
	return strings.TrimSpace(string(raw)), err
}

// makeSecret writes a new secret whole or not at all; of several processes that
// start at once, the first one's stays.
func makeSecret(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), keySecretFile+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // its other name stays
	_, err = tmp.WriteString(newSecret() + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// newSecret has 256 bits of randomness.
func newSecret() string { return rand.Text() + rand.Text() }
