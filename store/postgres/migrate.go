package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cartrita/cartrita/model"
)

const (
	migrateLockWait  = time.Minute
	migrateTableWait = time.Second
	migratePause     = 4 * time.Second
	migrateRemind    = 15 * time.Second
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema of the database up to date, as Open does, and
// returns the migrations that it applied. Errors: as of Open.
func Migrate(ctx context.Context, c Config) (applied []string, err error) {
	const op = "postgres.Migrate"
	config, err := parse(c)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, failure(op, err)
	}
	defer pool.Close()
	if applied, err = newMigration(c, pool).run(ctx); err != nil {
		return nil, notOpened(op, config.ConnConfig, err)
	}
	return applied, nil
}

// migrationNames returns the files of all migrations in their order.
func migrationNames() ([]string, error) { return fs.Glob(migrations, "migrations/*.sql") }

// migration brings a schema up to date. How long that takes grows with the
// database and has no bound; waiting for others has. Who uses a table that a
// migration waits for is waited for by everybody else: so it waits briefly, and
// tries again.
type migration struct {
	pool      *pgxpool.Pool
	log       *slog.Logger
	lockWait  time.Duration // for another process that migrates; for tables in all
	tableWait time.Duration // for a table in one try
	pause     time.Duration // between two tries, in which others get the tables
	remind    time.Duration // the log says so often that it goes on
}

func newMigration(c Config, pool *pgxpool.Pool) *migration {
	return &migration{pool, c.logger(), migrateLockWait, migrateTableWait, migratePause, migrateRemind}
}

// run applies the migrations that the database lacks, in one transaction
// and behind a lock: of several processes one applies them and the others see
// that it is done. It returns the names of those that it applied itself. It is
// our own as that of store/sqlite is, with one numbering for both; a library
// would not refuse the schema of a newer program.
func (m *migration) run(ctx context.Context) (applied []string, err error) {
	names, err := migrationNames()
	if err != nil {
		return nil, err
	}
	err = pgx.BeginTxFunc(ctx, m.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = %d; SET LOCAL statement_timeout = 0`, m.lockWait.Milliseconds())); err != nil {
			return err
		}
		have, err := schemaVersion(ctx, tx)
		if err != nil || have == len(names) { // who has the lock may be making an index
			return err
		}
		if err := lock(ctx, tx, lockSchema); err != nil {
			return err
		}
		if have, err = startedSchema(ctx, tx); err != nil || have == len(names) {
			return err
		}
		if have > len(names) {
			return model.Errorf("postgres.Open", model.KindConflict,
				"the database has schema version %d, this program knows %d: use a newer one", have, len(names))
		}
		applied, err = m.applyAll(ctx, tx, names, have)
		return err
	})
	return applied, err
}

// applyAll applies the migrations behind the first have, all or none. Where a table
// is not to be had, it gives back those that it has, and after a pause begins
// anew; the lock of the schema it keeps.
func (m *migration) applyAll(ctx context.Context, tx pgx.Tx, names []string, have int) (applied []string, err error) {
	if _, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = %d`, m.tableWait.Milliseconds())); err != nil {
		return nil, err
	}
	w, stop, err := m.watch(ctx, tx)
	if err != nil {
		return nil, err
	}
	defer stop()
	for until := (time.Time{}); ; {
		applied = applied[:0]
		err = pgx.BeginFunc(ctx, tx, func(try pgx.Tx) error {
			for i := have; i < len(names); i++ {
				name := strings.TrimSuffix(path.Base(names[i]), ".sql")
				w.begin(name)
				if err := apply(ctx, try, i+1, names[i]); err != nil {
					return notApplied(name, err)
				}
				applied = append(applied, name)
			}
			return nil
		})
		if err == nil || !lockMissed(err) {
			return applied, err
		}
		now := time.Now()
		if until.IsZero() {
			until = now.Add(m.lockWait - m.tableWait)
		}
		if !now.Add(m.pause).Before(until) {
			return nil, err
		}
		w.missed()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(m.pause):
		}
	}
}

// lockMissed reports whether a lock was not to be had in time.
func lockMissed(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == "55P03"
}

// schemaVersion returns the number of the migration applied last, 0 for none.
func schemaVersion(ctx context.Context, tx pgx.Tx) (have int, err error) {
	there, err := isTable(ctx, tx, "cartrita_schema")
	if err != nil || !there {
		return 0, err
	}
	err = tx.QueryRow(ctx, `SELECT coalesce(max(number), 0) FROM cartrita_schema`).Scan(&have)
	return have, err
}

// startedSchema is schemaVersion of a schema in which migrations can be noted. What
// is there is not made again: who runs the program need not be allowed to.
func startedSchema(ctx context.Context, tx pgx.Tx) (have int, err error) {
	there, err := isTable(ctx, tx, "cartrita_schema")
	if err == nil && !there {
		_, err = tx.Exec(ctx, `CREATE TABLE cartrita_schema (
			number  integer     NOT NULL PRIMARY KEY CHECK (number >= 1),
			applied timestamptz NOT NULL DEFAULT now())`)
	}
	if err != nil || !there {
		return 0, err
	}
	return schemaVersion(ctx, tx)
}

// notApplied says what keeps a migration from being applied; what depends on a
// table is in the details.
func notApplied(name string, err error) error {
	var server *pgconn.PgError
	if !errors.As(err, &server) || passes(server) {
		return fmt.Errorf("%s: %w", name, err)
	}
	why := server.Message
	if server.Detail != "" {
		why += " (" + server.Detail + ")"
	}
	return &model.Error{Op: "postgres.Migrate", Kind: model.KindConflict, Message: fmt.Sprintf("the schema cannot be brought up to date by %s: %s", name, why), Err: err}
}

func apply(ctx context.Context, tx pgx.Tx, number int, name string) error {
	script, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, string(script)); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO cartrita_schema (number) VALUES ($1)`, number)
	return err
}
