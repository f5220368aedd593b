package redis

import (
	"context"
	_ "embed"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
)

var _ limit.Shared = (*Limits)(nil)

//go:embed limits.lua
var limitsScript string

//go:embed beat.lua
var beatScript string

var (
	exchangeLimits = rueidis.NewLuaScript(limitsScript)
	beatLimits     = rueidis.NewLuaScript(beatScript)
)

// Limits are the counters of rate limits, each a hash that ends by itself when it
// counts nothing any more. A script meets a demand as limit.State does, by the
// server's clock.
type Limits struct{ client *Client }

// Limits returns the counters of rate limits.
func (c *Client) Limits() *Limits { return &Limits{c} }

// Exchange implements limit.Shared.
func (l *Limits) Exchange(ctx context.Context, replica string, demands []limit.Demand) ([]limit.Grant, error) {
	grants := make([]limit.Grant, len(demands))
	err := l.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		if len(demands) == 1 {
			return readGrant(exchangeLimits.Exec(ctx, conn, l.keys(&demands[0]), demandArgs(replica, &demands[0])), &grants[0])
		}
		multi := make([]rueidis.LuaExec, len(demands))
		for i := range demands {
			multi[i] = rueidis.LuaExec{Keys: l.keys(&demands[i]), Args: demandArgs(replica, &demands[i])}
		}
		for i, answer := range exchangeLimits.ExecMulti(ctx, conn, multi...) {
			if err := readGrant(answer, &grants[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return grants, err
}

func (l *Limits) keys(d *limit.Demand) []string { return []string{l.client.key("limit/" + d.Counter)} }

// demandArgs are the arguments of limits.lua, in its order.
func demandArgs(replica string, d *limit.Demand) []string {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	args := append(make([]string, 0, 18+4*(len(d.Given)+len(d.Aged))),
		replica, n(d.Epoch), n(d.Width().Microseconds()), n(limit.SlotTTL.Microseconds()), n(limit.Steps),
		n(d.Limit.Requests), n(d.Limit.Tokens), n(d.Slots), n(d.Least.Requests), n(d.Least.Tokens),
		n(d.Want.Requests), n(d.Want.Tokens), n(d.Most.Requests), n(d.Most.Tokens),
		n(d.Running), n(d.LeastSlots), n(d.WantSlots), n(d.MostSlots))
	for _, x := range d.Given {
		args = append(args, "given", n(x.Step), n(x.Requests), n(x.Tokens))
	}
	for _, x := range d.Aged {
		args = append(args, "aged", n(x.Step), n(x.Requests), n(x.Tokens))
	}
	return args
}

// units are the numbers by which limits.lua names what it refuses.
var units = [...]limit.Unit{"", limit.Requests, limit.TokensUnit, limit.Concurrency}

func readGrant(answer rueidis.RedisResult, g *limit.Grant) error {
	n, err := answer.AsIntSlice()
	if err != nil {
		return err
	}
	if len(n) != 13 || n[5] < 0 || n[5] >= int64(len(units)) {
		return model.Errorf("redis.Exchange", model.KindInternal, "the script answers %v", n)
	}
	micros := func(v int64) time.Duration { return time.Duration(v) * time.Microsecond }
	*g = limit.Grant{
		Now: micros(n[0]), Epoch: n[1], Lost: n[2] == 1, Granted: limit.Amount{Requests: n[3], Tokens: n[4]}, Refused: units[n[5]],
		Retry: micros(n[6]), Slots: n[7], Sum: limit.Amount{Requests: n[8], Tokens: n[9]},
		Reset: [2]time.Duration{micros(n[10]), micros(n[11])}, Tight: n[12] == 1,
	}
	return nil
}

// Beat implements limit.Shared.
func (l *Limits) Beat(ctx context.Context, replica string) (n int, err error) {
	err = l.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		args := []string{replica, strconv.FormatInt(limit.BeatTTL.Microseconds(), 10)}
		count, err := beatLimits.Exec(ctx, conn, []string{l.client.key("limits", "replicas")}, args).AsInt64()
		n = int(count)
		return err
	})
	return n, err
}
