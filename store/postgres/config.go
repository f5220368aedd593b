package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ cluster.ConfigStore = (*Store)(nil)

// ConfigVersion implements cluster.ConfigStore.
func (s *Store) ConfigVersion(ctx context.Context) (n int64, err error) {
	err = s.row(ctx, `SELECT coalesce(max(version), 0) FROM shared_config`, nil, &n)
	return n, s.failure("postgres.ConfigVersion", err)
}

// LoadConfig implements cluster.ConfigStore.
func (s *Store) LoadConfig(ctx context.Context, version int64) (cluster.Configuration, error) {
	const op = "postgres.LoadConfig"
	c := cluster.Configuration{Version: version}
	err := s.row(ctx, `SELECT at, actor, document FROM shared_config WHERE version = $1`, []any{version}, &c.At, &c.By, &c.Document)
	if errors.Is(err, pgx.ErrNoRows) {
		return cluster.Configuration{}, model.Errorf(op, model.KindNotFound, "there is no version %d of the shared configuration", version)
	}
	c.At = c.At.UTC()
	return c, s.failure(op, err)
}

// ListConfigs implements cluster.ConfigStore.
func (s *Store) ListConfigs(ctx context.Context) ([]cluster.Configuration, error) {
	return list(ctx, s, "postgres.ListConfigs", `SELECT version, at, actor FROM shared_config ORDER BY version DESC`, nil,
		func(row pgx.CollectableRow) (c cluster.Configuration, err error) {
			err = row.Scan(&c.Version, &c.At, &c.By)
			c.At = c.At.UTC()
			return c, err
		})
}

// SaveConfig implements cluster.ConfigStore.
func (s *Store) SaveConfig(ctx context.Context, c cluster.Configuration) error {
	const op = "postgres.SaveConfig"
	return s.failure(op, s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lock(ctx, tx, lockConfig); err != nil {
			return err
		}
		done, err := tx.Exec(ctx, `INSERT INTO shared_config (version, at, actor, document)
			SELECT $1, $2, $3, $4 WHERE $1 = (SELECT coalesce(max(version), 0) + 1 FROM shared_config)`,
			c.Version, c.At, text(c.By), c.Document)
		if err == nil && done.RowsAffected() == 0 {
			err = model.Errorf(op, model.KindConflict, "version %d of the shared configuration cannot follow the latest", c.Version)
		}
		if err != nil {
			return err
		}
		return s.record(ctx, tx, c.By, database.ConfigChange(&c))
	}))
}
