package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/model"
)

const (
	pastEvery = 10 * time.Minute
	// pastWait is how long a day is over before its sums are made: calls that are
	// stored later are added to them one by one.
	pastWait = 30 * time.Minute
)

// daySummer is a store that makes sums of days that are over.
type daySummer interface {
	SumDay(ctx context.Context, over time.Time) (day time.Time, err error)
}

// pastJob makes the sums of the days that are over; of all gateways on a database
// one does. alike reports whether all of them run one version: one from before
// there were such sums does not add late calls to them, so they wait for its end.
func pastJob(s daySummer, alike func(context.Context) (bool, error), log *slog.Logger) cluster.Job {
	said := ""
	later := func(why string) { // each reason once
		if why != said {
			log.Info("the sums of days that are over are made later", "why", why)
			said = why
		}
	}
	return cluster.Job{Name: "past", Every: pastEvery, Run: func(ctx context.Context, f cluster.Fence) error {
		began, days := time.Now(), 0
		for {
			if err := f.Check(); err != nil {
				return err
			}
			if ok, err := alike(ctx); err != nil {
				return err
			} else if !ok {
				later("gateways of several versions are on the database, or one was that did not depart")
				return nil
			}
			start := time.Now()
			day, err := s.SumDay(ctx, start.Add(-pastWait))
			switch kind := model.KindOf(err); {
			case err != nil && (kind == model.KindConflict || kind == model.KindInvalid):
				later(err.Error())
				return nil
			case err != nil:
				return err
			case day.IsZero():
				if days > 1 { // each night it is one
					log.Info("the sums of the days that are over were made", "days", days, "took", time.Since(began).Round(time.Millisecond))
				}
				return nil
			}
			days, said = days+1, ""
			select { // others write in between
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Since(start)):
			}
		}
	}}
}

// alike reports whether all gateways run the version of this one, those included
// that are not heard now: one that was cut off stores its calls when it is back.
func (r *replica) alike(ctx context.Context) (bool, error) {
	c, _, err := r.Census(ctx)
	return oneVersion(c.Members, r.member.Version), err
}

func oneVersion(members []cluster.Member, version string) bool {
	return !slices.ContainsFunc(members, func(m cluster.Member) bool { return m.Version != version })
}
