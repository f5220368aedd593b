package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/store/database"
)

// inspectTimeout bounds how long the rows of a large database are counted.
const inspectTimeout = time.Minute

// Inspect says what a database holds, and changes nothing in it. Errors:
// KindInvalid for a URL that cannot be read, KindUnavailable when the database
// cannot be used. None of them holds the password.
func Inspect(ctx context.Context, c Config) (st database.Status, err error) {
	const op = "postgres.Inspect"
	config, err := parse(c)
	if err != nil {
		return st, err
	}
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return st, notOpened(op, config.ConnConfig, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was written
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, snapshot, func(tx pgx.Tx) error { return inspect(ctx, tx, &st) })
	if err != nil {
		return st, notOpened(op, config.ConnConfig, err)
	}
	return st, nil
}

func inspect(ctx context.Context, tx pgx.Tx, st *database.Status) error {
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
	there, err := isTable(ctx, tx, "cartrita_schema")
	if err != nil || !there {
		return err
	}
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(number), 0) FROM cartrita_schema`).Scan(&st.Schema); err != nil {
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
	if there, err = isTable(ctx, tx, "archive_boundary"); err != nil {
		return err
	}
	if there {
		var below int64
		if err := tx.QueryRow(ctx, `SELECT below FROM archive_boundary`).Scan(&below); err != nil {
			return err
		}
		st.Since = database.BoundaryTime(below)
	}
	if st.Calls == 0 {
		return nil
	}
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM calls WHERE state = 'planned'`).Scan(&st.Decisions); err != nil {
		return err
	}
	var oldest, newest *time.Time
	if err := tx.QueryRow(ctx, `SELECT min(oldest), max(newest) FROM call_blocks`).Scan(&oldest, &newest); err != nil {
		return err
	}
	if oldest != nil {
		st.Oldest, st.Newest = oldest.UTC(), newest.UTC()
	}
	return nil
}

func isTable(ctx context.Context, tx pgx.Tx, name string) (there bool, err error) {
	err = tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there)
	return there, err
}
