package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/store/database"
)

// Inspect says what a database holds, and changes nothing in it. Calls are counted
// for as long as count says; where that is not enough, their numbers are what the
// server estimates from its statistics. Errors:
// KindInvalid for a URL that cannot be read, KindUnavailable when the database
// cannot be used. None of them holds the password.
func Inspect(ctx context.Context, c Config, count time.Duration) (st database.Status, err error) {
	const op = "postgres.Inspect"
	config, err := parse(c)
	if err != nil {
		return st, err
	}
	ctx, cancel := context.WithTimeout(ctx, count+answerTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return st, notOpened(op, config.ConnConfig, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was written
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, snapshot, func(tx pgx.Tx) error { return inspect(ctx, tx, count, &st) })
	if err != nil {
		return st, notOpened(op, config.ConnConfig, err)
	}
	return st, nil
}

func inspect(ctx context.Context, tx pgx.Tx, count time.Duration, st *database.Status) error {
	names, err := migrationNames()
	if err != nil {
		return err
	}
	st.Known = len(names)
	if err := tx.QueryRow(ctx, `SELECT 'PostgreSQL ' || current_setting('server_version'),
		coalesce((SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace), 0)::bigint`).
		Scan(&st.Server, &st.Bytes); err != nil {
		return err
	}
	if st.Schema, err = schemaVersion(ctx, tx); err != nil || st.Schema == 0 {
		return err
	}
	for table, into := range st.Counts() {
		there, err := isTable(ctx, tx, table) // an older schema lacks some
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(into); err != nil {
			return err
		}
	}
	there, err := isTable(ctx, tx, "archive_boundary")
	if err != nil {
		return err
	}
	if there {
		var below int64
		if err := tx.QueryRow(ctx, `SELECT below FROM archive_boundary`).Scan(&below); err != nil {
			return err
		}
		st.Since = database.BoundaryTime(below)
	}
	if err := inspectCalls(ctx, tx, count, st); err != nil {
		return err
	}
	var oldest, newest *time.Time
	if err := tx.QueryRow(ctx, `SELECT (SELECT oldest FROM call_blocks ORDER BY seq LIMIT 1), (SELECT newest FROM call_blocks ORDER BY seq DESC LIMIT 1)`).Scan(&oldest, &newest); err != nil {
		return err
	}
	if oldest != nil {
		st.Oldest, st.Newest = oldest.UTC(), newest.UTC()
	}
	return nil
}

const decided = `state = 'planned'`

// inspectCalls counts the calls, or estimates how many there are.
func inspectCalls(ctx context.Context, tx pgx.Tx, count time.Duration, st *database.Status) error {
	if count > 0 {
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { // what it sets ends with it
			if _, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL statement_timeout = %d`, count.Milliseconds())); err != nil {
				return err
			}
			return tx.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE `+decided+`) FROM calls`).Scan(&st.Calls, &st.Decisions)
		})
		if err == nil || !lockTimedOut(err) {
			return err
		}
	}
	st.Estimated = true
	for condition, into := range map[string]*int64{`true`: &st.Calls, decided: &st.Decisions} {
		var plans []struct {
			Plan struct {
				Rows int64 `json:"Plan Rows"`
			}
		}
		if err := tx.QueryRow(ctx, `EXPLAIN (FORMAT JSON) SELECT FROM calls WHERE `+condition).Scan(&plans); err != nil {
			return err
		}
		for i := range plans {
			*into += plans[i].Plan.Rows
		}
	}
	return nil
}

func isTable(ctx context.Context, tx pgx.Tx, name string) (there bool, err error) {
	err = tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there)
	return there, err
}
