package memory_test

import (
	"testing"

	"github.com/cartrita/cartrita/store/memory"
	"github.com/cartrita/cartrita/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		s, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
