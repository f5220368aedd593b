package database

import (
	"context"
	"maps"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

// BoundaryTime is when the first calls ended that are behind a boundary: a call's
// number is never below its end. The zero time for 0.
func BoundaryTime(below int64) time.Time {
	if below == 0 {
		return time.Time{}
	}
	return time.UnixMicro(below).UTC()
}

// left reports whether calls that belong to a piece of time, by its beginning,
// may have left the store.
func (c *comparison) left(start time.Time) bool { return start.Before(c.audit.Since) }

// forget drops what was worked out of the calls of such pieces that are still
// here: those stored late, and those that are going.
func (c *comparison) forget() {
	maps.DeleteFunc(c.rollups, func(k batch.RollupKey, _ *event.Tally) bool { return c.left(batch.HourTime(k.Hour)) })
	maps.DeleteFunc(c.coarse, func(k batch.SumKey, _ *event.Tally) bool { return c.left(batch.HourTime(k.Start)) })
}

// refuseArchived keeps a database from being copied whose sums are not those of
// its calls alone.
func refuseArchived(ctx context.Context, s Store, which string) error {
	below, err := s.Boundary(ctx)
	if err != nil || below == 0 {
		return err
	}
	return model.Errorf("database.Copy", model.KindConflict,
		"calls from before %s have left the %s for the archive, and their costs cannot be worked out of the calls that are left: such a database cannot be copied",
		BoundaryTime(below).Format(time.DateOnly), which)
}
