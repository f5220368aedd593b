package postgres_test

import (
	"testing"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/store/storetest"
)

func TestLimits(t *testing.T) {
	storetest.RunLimits(t, func(t *testing.T) limit.Shared { return open(t, testserver.Database(t)).Limits() })
}
