package main

import (
	"testing"

	"github.com/cartrita/cartrita/config"
)

// The seed is that of the data directory: the same at the next start, another
// in another installation.
func TestPromptSeedIsOfTheInstallation(t *testing.T) {
	seed := func(dir string) uint64 {
		n, err := promptSeed(&config.Config{Data: dir}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	here, there := t.TempDir(), t.TempDir()
	if a := seed(here); a == 0 || a != seed(here) || a == seed(there) {
		t.Errorf("seeds %x, %x and %x", a, seed(here), seed(there))
	}
}
