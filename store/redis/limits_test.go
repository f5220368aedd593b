package redis

import (
	"testing"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/store/storetest"
)

func TestLimits(t *testing.T) {
	storetest.RunLimits(t, func(t *testing.T) limit.Shared {
		c, _ := open(t, testserver.Keyspace(t)+"&timeout=5s") // the machine may be busy
		return c.Limits()
	})
}
