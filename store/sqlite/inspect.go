package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
	"github.com/cartrita/cartrita/store/database"
)

// Inspect says what a file holds, and changes nothing in it. Others may write
// meanwhile. Errors: KindNotFound when there is no file, KindUnavailable when it
// cannot be read.
func Inspect(ctx context.Context, c Config) (database.Status, error) {
	const op = "sqlite.Inspect"
	var st database.Status
	if err := c.check(op); err != nil {
		return st, err
	}
	switch _, err := os.Stat(c.Path); {
	case errors.Is(err, fs.ErrNotExist):
		return st, model.Errorf(op, model.KindNotFound, "there is no file %s", c.Path)
	case err != nil:
		return st, failure(op, err)
	}
	db, err := sql.Open("sqlite", readSource(c))
	if err != nil {
		return st, failure(op, err)
	}
	st, err = inspect(ctx, db, c.Path)
	return st, failure(op, errors.Join(err, db.Close()))
}

func inspect(ctx context.Context, db *sql.DB, path string) (st database.Status, err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // all of one moment
	if err != nil {
		return st, err
	}
	defer tx.Rollback()
	names, err := migrationNames()
	if err != nil {
		return st, err
	}
	st.Known = len(names)
	if err := tx.QueryRowContext(ctx, `SELECT 'SQLite ' || sqlite_version()`).Scan(&st.Server); err != nil {
		return st, err
	}
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&st.Schema); err != nil {
		return st, err
	}
	for table, into := range st.Counts() {
		there, err := isTable(ctx, tx, table) // an older schema lacks some
		if err != nil {
			return st, err
		}
		if !there {
			continue
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM `+table).Scan(into); err != nil {
			return st, err
		}
	}
	if there, err := isTable(ctx, tx, "archive_boundary"); err != nil {
		return st, err
	} else if there {
		below, err := boundary(ctx, tx)
		if err != nil {
			return st, err
		}
		st.Since = database.BoundaryTime(below)
	}
	if there, err := isTable(ctx, tx, "calls"); err != nil {
		return st, err
	} else if there {
		if err := tx.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE state = 'planned') FROM calls`).Scan(&st.Calls, &st.Decisions); err != nil {
			return st, err
		}
		if st.Oldest, _, err = endedIn(ctx, tx, `SELECT seq, records FROM call_blocks ORDER BY seq LIMIT 1`); err != nil {
			return st, err
		}
		if _, st.Newest, err = endedIn(ctx, tx, `SELECT seq, records FROM call_blocks ORDER BY seq DESC LIMIT 1`); err != nil {
			return st, err
		}
	}
	for _, name := range [...]string{path, path + "-wal"} {
		if info, err := os.Stat(name); err == nil { // there need not be a log
			st.Bytes += info.Size()
		}
	}
	return st, nil
}

func isTable(ctx context.Context, tx *sql.Tx, name string) (there bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`, name).Scan(&there)
	return there, err
}

// endedIn returns when the first and the last call of one block ended.
func endedIn(ctx context.Context, tx *sql.Tx, query string) (first, last time.Time, err error) {
	var b block
	if err := tx.QueryRowContext(ctx, query).Scan(&b.seq, &b.records); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return first, last, err
	}
	entries, err := batch.Unpack(b.seq, b.records, nil)
	if err != nil { // damage is for an audit to report; the number is the time, if not raised
		at := time.UnixMicro(b.seq).UTC()
		return at, at, nil //nolint:nilerr // see above
	}
	if len(entries) > 0 {
		first, last = batch.Ended(entries)
	}
	return first, last, nil
}
