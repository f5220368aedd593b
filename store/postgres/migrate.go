package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cartrita/cartrita/model"
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
	if applied, err = migrate(ctx, pool); err != nil {
		return nil, notOpened(op, config.ConnConfig, err)
	}
	return applied, nil
}

// migrationNames returns the files of all migrations in their order.
func migrationNames() ([]string, error) { return fs.Glob(migrations, "migrations/*.sql") }

// migrate applies the migrations that the database lacks, in one transaction
// and behind a lock: of several processes one applies them and the others see
// that it is done. It returns the names of those that it applied itself. It is
// our own as that of store/sqlite is, with one numbering for both; a library
// would not refuse the schema of a newer program.
func migrate(ctx context.Context, pool *pgxpool.Pool) (applied []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	names, err := migrationNames()
	if err != nil {
		return nil, err
	}
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockSchema); err != nil {
			return err
		}
		have, err := schemaVersion(ctx, tx)
		if err != nil || have == len(names) {
			return err
		}
		if have > len(names) {
			return model.Errorf("postgres.Open", model.KindConflict,
				"the database has schema version %d, this program knows %d: use a newer one", have, len(names))
		}
		for i := have; i < len(names); i++ {
			if err := apply(ctx, tx, i+1, names[i]); err != nil {
				return fmt.Errorf("%s: %w", names[i], err)
			}
			applied = append(applied, strings.TrimSuffix(path.Base(names[i]), ".sql"))
		}
		return nil
	})
	return applied, err
}

// schemaVersion returns the number of the migration applied last, 0 for none.
// What is there is not made again: who runs the program need not be allowed to.
func schemaVersion(ctx context.Context, tx pgx.Tx) (have int, err error) {
	there, err := isTable(ctx, tx, "cartrita_schema")
	if err != nil {
		return 0, err
	}
	if !there {
		_, err = tx.Exec(ctx, `CREATE TABLE cartrita_schema (
			number  integer     NOT NULL PRIMARY KEY CHECK (number >= 1),
			applied timestamptz NOT NULL DEFAULT now())`)
		return 0, err
	}
	err = tx.QueryRow(ctx, `SELECT coalesce(max(number), 0) FROM cartrita_schema`).Scan(&have)
	return have, err
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
