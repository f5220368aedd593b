package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/limit"
)

var _ limit.Shared = (*Limits)(nil)

// Limits are the counters of rate limits, for replicas that share no Redis: a row
// each, in tables of which a crash of the server leaves nothing.
type Limits struct {
	store *Store
	beats atomic.Int64
}

// Limits returns the counters of rate limits.
func (s *Store) Limits() *Limits { return &Limits{store: s} }

// Exchange implements limit.Shared. All demands are met or none, in the order of
// their counters, so that no two replicas wait for each other.
func (l *Limits) Exchange(ctx context.Context, replica string, demands []limit.Demand) ([]limit.Grant, error) {
	grants, order := make([]limit.Grant, len(demands)), make([]int, len(demands))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(demands[a].Counter, demands[b].Counter) })
	err := l.store.update(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		for _, i := range order {
			if grants[i], err = meet(ctx, tx, replica, &demands[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return grants, l.store.failure("postgres.Exchange", err)
}

// meet meets one demand. The time is read once the row is locked: of two replicas
// the later one has the later time.
func meet(ctx context.Context, tx pgx.Tx, replica string, d *limit.Demand) (g limit.Grant, err error) {
	var doc string
	var now time.Time
	err = tx.QueryRow(ctx, `INSERT INTO rate_limits AS r (counter, state, ends) VALUES ($1, '{}', clock_timestamp())
		ON CONFLICT (counter) DO UPDATE SET state = r.state RETURNING state::text, clock_timestamp()`, []byte(d.Counter)).Scan(&doc, &now)
	if err != nil {
		return g, err
	}
	var state limit.State
	if err := json.Unmarshal([]byte(doc), &state); err != nil {
		return g, unavailable("postgres.Exchange", "a counter of rate limits cannot be read", err)
	}
	g = state.Exchange(time.Duration(now.UnixNano()), replica, d)
	changed, err := json.Marshal(&state)
	if err != nil {
		return g, err
	}
	_, err = tx.Exec(ctx, `UPDATE rate_limits SET state = $2, ends = $3 WHERE counter = $1`,
		[]byte(d.Counter), string(changed), now.Add(limit.Steps*d.Width()+limit.SlotTTL))
	return g, err
}

// sweepBeats is how many beats of a replica pass between looks for counters that
// count nothing any more.
const sweepBeats = 60

// Beat implements limit.Shared.
func (l *Limits) Beat(ctx context.Context, replica string) (n int, err error) {
	const op = "postgres.Beat"
	if l.beats.Add(1)%sweepBeats == 1 {
		if err := l.store.exec(ctx, op, `DELETE FROM rate_limits WHERE ends < clock_timestamp()`); err != nil {
			return 0, err
		}
		if err := l.store.exec(ctx, op, `DELETE FROM rate_limit_replicas WHERE seen < clock_timestamp() - interval '1 hour'`); err != nil {
			return 0, err
		}
	}
	err = l.store.row(ctx, `WITH me AS (
			INSERT INTO rate_limit_replicas VALUES ($1, clock_timestamp()) ON CONFLICT (replica) DO UPDATE SET seen = excluded.seen)
		SELECT 1 + count(*) FROM rate_limit_replicas WHERE replica <> $1 AND seen > clock_timestamp() - $2::interval`,
		[]any{replica, limit.BeatTTL}, &n)
	return n, l.store.failure(op, err)
}
