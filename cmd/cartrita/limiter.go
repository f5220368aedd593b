package main

import (
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/redis"
)

// databaseTimeout is how long a call may wait for the counters of rate limits in
// a database.
const databaseTimeout = time.Second

// newLimiter makes the counters of rate limits: shared by Redis, else by a
// database that several gateways may share, else this gateway's own.
func newLimiter(s store, r *redis.Client, log *slog.Logger) *limit.Limiter {
	c := limit.Config{Replica: rand.Text(), Logger: log}
	db, shared := sharedDatabase(s)
	switch {
	case r != nil:
		c.Shared, c.Timeout = r.Limits(), r.Timeout()
		if shared {
			c.Count = db.Limits().Beat
		}
	case shared:
		c.Shared, c.Timeout = db.Limits(), databaseTimeout
	}
	return limit.New(c)
}

// rateLimitsOf returns the rate limits of a configuration.
func rateLimitsOf(c *config.Config) []limit.Limit {
	out := make([]limit.Limit, len(c.RateLimits))
	for i, l := range c.RateLimits {
		out[i] = limit.Limit{
			Name: l.Name, Scope: limit.Scope(l.Scope), Window: l.Window.Std(),
			Requests: l.Requests, Tokens: l.Tokens, Concurrency: l.Concurrency,
		}
	}
	return out
}

// checkRateLimits finds out whether the rate limits of a configuration make sense.
func checkRateLimits(l *config.Loaded) error {
	err := limit.New(limit.Config{}).Configure(rateLimitsOf(&l.Config))
	if err == nil {
		return nil
	}
	e := model.AsError(err)
	return l.Refuse([]config.Problem{{Path: "rate_limits" + e.Param, Message: e.Message}})
}
