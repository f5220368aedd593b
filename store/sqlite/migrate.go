package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/cartrita/cartrita/model"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema of the file up to date, as Open does, makes the
// file if it is missing, and returns the migrations that it applied. Errors: as
// of Open.
func Migrate(ctx context.Context, c Config) (applied []string, err error) {
	const op = "sqlite.Migrate"
	if err := c.check(op); err != nil {
		return nil, err
	}
	applied, err = untilFree(ctx, func() ([]string, error) {
		done, err := create(ctx, c)
		if err != nil {
			return nil, err
		}
		db, err := sql.Open("sqlite", source(c, "immediate", "NORMAL"))
		if err != nil {
			return nil, err
		}
		more, err := migrate(ctx, db)
		return append(done, more...), errors.Join(err, db.Close())
	})
	return applied, failure(op, err)
}

// migrationNames returns the files of all migrations in their order.
func migrationNames() ([]string, error) { return fs.Glob(migrations, "migrations/*.sql") }

// migrate applies the migrations that the file lacks, each in a transaction
// that takes the write lock first: of several processes one applies it and the
// others see that it is done. The number of applied ones is in user_version. It
// returns the names of those that it applied itself.
func migrate(ctx context.Context, db *sql.DB) (applied []string, err error) {
	names, err := migrationNames()
	if err != nil {
		return nil, err
	}
	var have int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return nil, err
	}
	if have > len(names) {
		return nil, model.Errorf("sqlite.Open", model.KindConflict,
			"the database has schema version %d, this program knows %d: use a newer one", have, len(names))
	}
	for i := have; i < len(names); i++ {
		done, err := apply(ctx, db, i, names[i])
		if err != nil {
			return applied, fmt.Errorf("%s: %w", names[i], err)
		}
		if done {
			applied = append(applied, strings.TrimSuffix(path.Base(names[i]), ".sql"))
		}
	}
	return applied, nil
}

// apply reports whether the migration was still to be applied.
func apply(ctx context.Context, db *sql.DB, number int, name string) (done bool, err error) {
	script, err := migrations.ReadFile(name)
	if err != nil {
		return false, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	var have int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil || have > number {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, string(script)); err != nil {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", number+1)); err != nil {
		return false, err
	}
	return true, tx.Commit()
}
