package limit_test

import (
	"context"
	"testing"
	"time"

	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/storetest"
)

// patient refuses contexts that are over, which Local has no reason to look at.
type patient struct{ *limit.Local }

func (p patient) Beat(ctx context.Context, replica string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, model.Errorf("limit.Beat", model.KindUnavailable, "%v", err)
	}
	return p.Local.Beat(ctx, replica)
}

func TestLocal(t *testing.T) {
	storetest.RunLimits(t, func(*testing.T) limit.Shared {
		return patient{&limit.Local{Clock: func() time.Duration { return time.Duration(time.Now().UnixMicro()) * time.Microsecond }}}
	})
}
