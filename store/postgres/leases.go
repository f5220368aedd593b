package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ budget.ShareStore = (*Store)(nil)

// Join implements budget.ShareStore.
func (s *Store) Join(ctx context.Context, spool, name string) (epoch int64, err error) {
	const op = "postgres.Join"
	err = s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO budget_replicas (spool, name, seen, epoch)
			VALUES ($1, $2, clock_timestamp(), extract(epoch FROM clock_timestamp()) * 1000000)
			ON CONFLICT (spool) DO UPDATE SET name = excluded.name, seen = excluded.seen, epoch = excluded.epoch RETURNING epoch`, spool, name).Scan(&epoch)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM budget_leases WHERE spool = $1`, spool)
		return err
	})
	return epoch, s.failure(op, err)
}

// seenOfLate is how long ago a gateway may have looked that lives.
const seenOfLate = `interval '3 seconds'`

// Look implements budget.ShareStore. The statements see one state each, the
// earlier ones an earlier one: whatever they miss comes the next time.
func (s *Store) Look(ctx context.Context, q budget.Query) (*budget.Sight, error) {
	const op = "postgres.Look"
	ctx, cancel := s.bound(ctx)
	defer cancel()
	sight := &budget.Sight{Clock: q.After}
	b := &pgx.Batch{}
	b.Queue(`UPDATE budget_replicas SET seen = clock_timestamp() WHERE spool = $1 RETURNING epoch`, q.Spool).
		QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&sight.Epoch); !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			return nil // epoch 0: nobody knows it
		})
	b.Queue(`SELECT version FROM budget_version`).QueryRow(func(row pgx.Row) error { return row.Scan(&sight.Version) })
	b.Queue(`SELECT count(*) FROM budget_replicas WHERE seen > clock_timestamp() - ` + seenOfLate).
		QueryRow(func(row pgx.Row) error { return row.Scan(&sight.Replicas) })
	b.Queue(`SELECT spool, budget, period, cost, tokens, requests, assumed, changed FROM budget_spend
		WHERE (changed > $1 OR $1 = 0) AND period >= $2`, q.After, q.Since).Query(func(rows pgx.Rows) error {
		var r budget.SpoolSpent
		var changed int64
		_, err := pgx.ForEachRow(rows, []any{&r.Spool, (*string)(&r.Budget), &r.Period, (*int64)(&r.USD), &r.Tokens, &r.Requests, (*int64)(&r.Assumed), &changed}, func() error {
			r.Period = r.Period.UTC()
			sight.Spent = append(sight.Spent, r)
			sight.Clock = max(sight.Clock, changed)
			return nil
		})
		return err
	})
	b.Queue(`SELECT DISTINCT a.budget, a.period FROM budget_leases a
		JOIN budget_leases own ON own.budget = a.budget AND own.period = a.period AND own.spool = $1
		WHERE a.asked IS NOT NULL AND a.asked > clock_timestamp() - interval '2 seconds' AND a.spool <> $1
		AND (own.answered IS NULL OR own.answered < a.asked)`, q.Spool).Query(func(rows pgx.Rows) error {
		var a budget.Account
		_, err := pgx.ForEachRow(rows, []any{(*string)(&a.Budget), &a.Period}, func() error {
			sight.Wanted = append(sight.Wanted, budget.Account{Budget: a.Budget, Period: a.Period.UTC()})
			return nil
		})
		return err
	})
	if err := s.pool.SendBatch(ctx, b).Close(); err != nil {
		return nil, s.failure(op, err)
	}
	return sight, nil
}

// Lease implements budget.ShareStore. Of the gateways that ask for the same
// budget one does at a time, by an advisory lock; what each of them holds and
// recorded is read behind it, in one statement, since a gateway that leaves
// moves from the one to the other. Calls may wait for it, so the transaction
// takes two round trips: one to read, and one to write what follows.
func (s *Store) Lease(ctx context.Context, spool string, epoch int64, asks []budget.Ask) ([]budget.Grant, error) {
	const op = "postgres.Lease"
	ctx, cancel := s.bound(ctx)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, s.failure(op, err)
	}
	defer conn.Release() // ends it together with a transaction that is still open
	holders, openings, err := readHolders(ctx, conn.Conn(), spool, epoch, asks)
	if err != nil {
		return nil, s.failure(op, err)
	}
	grants := make([]budget.Grant, len(asks))
	var write []statement
	for i := range asks {
		a := &asks[i]
		g := a.Decide(spool, openings[a.Account], holders[i])
		grants[i] = g
		write = append(write, statement{sql: `INSERT INTO budget_leases AS l (budget, period, spool, usd, tokens, requests, asked, answered)
			VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN clock_timestamp() END, CASE WHEN $8 THEN clock_timestamp() END)
			ON CONFLICT (budget, period, spool) DO UPDATE SET usd = excluded.usd, tokens = excluded.tokens, requests = excluded.requests,
				asked = CASE WHEN $7 AND l.asked > clock_timestamp() - interval '2 seconds' THEN l.asked ELSE excluded.asked END,
				answered = coalesce(excluded.answered, l.answered)`,
			args: []any{string(a.Budget), a.Period, spool, int64(g.USD), g.Tokens, g.Requests, g.Open, a.Answer}})
	}
	return grants, s.failure(op, trip(ctx, conn.Conn(), append(write, statement{sql: `COMMIT`})...))
}

// readHolders begins a transaction, waits until nobody else decides about the
// budgets, in one order for all, and holds the gateway's epoch still. It returns
// for each ask who holds or recorded a part of the account, and what the budgets
// opened with.
func readHolders(ctx context.Context, conn *pgx.Conn, spool string, epoch int64, asks []budget.Ask) ([][]budget.Holder, map[budget.Account]budget.Quantities, error) {
	holders := make([][]budget.Holder, len(asks))
	openings := map[budget.Account]budget.Quantities{}
	var budgets, names []string
	var periods, from, to []time.Time
	for i := range asks {
		a := &asks[i]
		budgets, periods, from, to = append(budgets, string(a.Budget)), append(periods, a.Period), append(from, a.From), append(to, a.To)
		name, _, _ := strings.Cut(string(a.Budget), "/")
		names = append(names, name)
	}
	var have int64
	err := trip(ctx, conn,
		statement{sql: beginCommitted}, statement{sql: endWhenIdle},
		statement{sql: `SELECT epoch FROM budget_replicas WHERE spool = $1 FOR SHARE`, args: []any{spool}, read: func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&have}, func() error { return nil })
			return err
		}},
		statement{sql: `SELECT pg_advisory_xact_lock(hashtext('cartrita budgets ' || current_schema()), h)
			FROM (SELECT DISTINCT hashtext(n) AS h FROM unnest($1::text[]) n ORDER BY h) o`, args: []any{budgets}},
		statement{sql: holdersQuery, args: []any{budgets, periods, from, to, spool}, read: func(rows pgx.Rows) error {
			var n int
			var h budget.Holder
			_, err := pgx.ForEachRow(rows, []any{
				&n, &h.Spool, (*int64)(&h.Granted.USD), &h.Granted.Tokens, &h.Granted.Requests,
				(*int64)(&h.Recorded.USD), &h.Recorded.Tokens, &h.Recorded.Requests, &h.Answers,
			}, func() error {
				holders[n-1] = append(holders[n-1], h)
				return nil
			})
			return err
		}},
		statement{sql: `SELECT doc::text FROM budget_openings WHERE name = ANY($1)`, args: []any{names}, read: func(rows pgx.Rows) error {
			var doc string
			_, err := pgx.ForEachRow(rows, []any{&doc}, func() error {
				var o budget.Opening
				if err := json.Unmarshal([]byte(doc), &o); err != nil {
					return err
				}
				for i := range asks {
					openings[asks[i].Account] = asks[i].Opened(&o, openings[asks[i].Account])
				}
				return nil
			})
			return err
		}},
	)
	if err == nil && have != epoch {
		err = model.Errorf("postgres.Lease", model.KindConflict, "what this gateway held was taken from it")
	}
	return holders, openings, err
}

const holdersQuery = `SELECT k.n, h.spool, coalesce(l.usd, 0), coalesce(l.tokens, 0), coalesce(l.requests, 0), r.usd, r.tokens, r.requests,
	coalesce(g.seen > clock_timestamp() - ` + seenOfLate + ` AND (own.asked IS NULL OR l.answered IS NULL OR l.answered < own.asked), false)
	FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY AS k(budget, period, first, last, n)
	CROSS JOIN LATERAL (
		SELECT spool FROM budget_leases WHERE budget = k.budget AND period = k.period
		UNION SELECT spool FROM budget_spend WHERE budget = k.budget AND period BETWEEN k.first AND k.last) h
	LEFT JOIN budget_leases l ON l.budget = k.budget AND l.period = k.period AND l.spool = h.spool
	LEFT JOIN budget_leases own ON own.budget = k.budget AND own.period = k.period AND own.spool = $5
	LEFT JOIN budget_replicas g ON g.spool = h.spool
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(cost), 0)::bigint AS usd, coalesce(sum(tokens), 0)::bigint AS tokens, coalesce(sum(requests), 0)::bigint AS requests
		FROM budget_spend WHERE budget = k.budget AND spool = h.spool AND period BETWEEN k.first AND k.last) r`

// Forget implements budget.ShareStore.
func (s *Store) Forget(ctx context.Context, spool string, keep []budget.Account) error {
	budgets, periods := make([]string, len(keep)), make([]time.Time, len(keep))
	for i, a := range keep {
		budgets[i], periods[i] = string(a.Budget), a.Period
	}
	return s.exec(ctx, "postgres.Forget", `DELETE FROM budget_leases l WHERE spool = $1 AND NOT EXISTS (
		SELECT FROM unnest($2::text[], $3::timestamptz[]) k(budget, period) WHERE k.budget = l.budget AND k.period = l.period)`, spool, budgets, periods)
}

// Leave implements budget.ShareStore.
func (s *Store) Leave(ctx context.Context, spool string, epoch int64) error {
	return s.exec(ctx, "postgres.Leave", `DELETE FROM budget_replicas WHERE spool = $1 AND epoch = $2`, spool, epoch)
}

// Leases implements budget.ShareStore.
func (s *Store) Leases(ctx context.Context) ([]budget.Replica, error) {
	type row struct {
		replica budget.Replica
		lease   *budget.Lease
	}
	rows, err := list(ctx, s, "postgres.Leases", `SELECT g.spool, g.name, g.seen, l.budget, l.period, coalesce(l.usd, 0), coalesce(l.tokens, 0), coalesce(l.requests, 0),
			coalesce(r.cost, 0), coalesce(r.tokens, 0), coalesce(r.requests, 0)
		FROM budget_replicas g LEFT JOIN budget_leases l ON l.spool = g.spool AND (l.usd > 0 OR l.tokens > 0 OR l.requests > 0)
		LEFT JOIN budget_spend r ON r.budget = l.budget AND r.period = l.period AND r.spool = l.spool
		ORDER BY g.spool, l.budget COLLATE "C", l.period`, nil, func(found pgx.CollectableRow) (out row, err error) {
		var name *string
		var period *time.Time
		var l budget.Lease
		r := &out.replica
		err = found.Scan(&r.Spool, &r.Name, &r.Seen, &name, &period, (*int64)(&l.Granted.USD), &l.Granted.Tokens, &l.Granted.Requests,
			(*int64)(&l.Recorded.USD), &l.Recorded.Tokens, &l.Recorded.Requests)
		if name != nil {
			l.Budget, l.Period = model.BudgetID(*name), period.UTC()
			out.lease = &l
		}
		return out, err
	})
	replicas := []budget.Replica{}
	for _, r := range rows {
		if n := len(replicas); n == 0 || replicas[n-1].Spool != r.replica.Spool {
			r.replica.Seen, r.replica.Leases = r.replica.Seen.UTC(), []budget.Lease{}
			replicas = append(replicas, r.replica)
		}
		if last := &replicas[len(replicas)-1]; r.lease != nil {
			last.Leases = append(last.Leases, *r.lease)
		}
	}
	return replicas, err
}

// Release implements budget.ShareStore.
func (s *Store) Release(ctx context.Context, spool string) error {
	const op = "postgres.Release"
	return s.failure(op, s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM budget_replicas WHERE spool = $1`, spool)
		if err == nil && done.RowsAffected() == 0 {
			err = model.Errorf(op, model.KindNotFound, "no gateway has the spool %.80q; see cartrita budget leases", spool)
		}
		if err != nil {
			return err
		}
		return s.record(ctx, tx, "", database.ReleaseChange(spool))
	}))
}

// ReleaseUnseen implements budget.ShareStore.
func (s *Store) ReleaseUnseen(ctx context.Context, age time.Duration) ([]string, error) {
	var gone []string
	err := s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `DELETE FROM budget_replicas WHERE seen < clock_timestamp() - $1::interval RETURNING spool`, age)
		if err != nil {
			return err
		}
		if gone, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		changes := make([]audit.Change, len(gone))
		for i, spool := range gone {
			changes[i] = database.ReleaseChange(spool)
		}
		return s.record(ctx, tx, "", changes...)
	})
	return gone, s.failure("postgres.ReleaseUnseen", err)
}
