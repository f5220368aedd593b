package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ cluster.ConfigStore = (*Store)(nil)

// ConfigVersion implements cluster.ConfigStore.
func (s *Store) ConfigVersion(ctx context.Context) (n int64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM shared_config`).Scan(&n)
	return n, failure("sqlite.ConfigVersion", err)
}

// LoadConfig implements cluster.ConfigStore.
func (s *Store) LoadConfig(ctx context.Context, version int64) (cluster.Configuration, error) {
	const op = "sqlite.LoadConfig"
	c := cluster.Configuration{Version: version}
	var at int64
	err := s.read.QueryRowContext(ctx, `SELECT at, actor, document FROM shared_config WHERE version = ?`, version).Scan(&at, &c.By, &c.Document)
	if errors.Is(err, sql.ErrNoRows) {
		return cluster.Configuration{}, model.Errorf(op, model.KindNotFound, "there is no version %d of the shared configuration", version)
	}
	c.At = time.UnixMicro(at).UTC()
	return c, failure(op, err)
}

// ListConfigs implements cluster.ConfigStore.
func (s *Store) ListConfigs(ctx context.Context) (out []cluster.Configuration, err error) {
	const op = "sqlite.ListConfigs"
	rows, err := s.read.QueryContext(ctx, `SELECT version, at, actor FROM shared_config ORDER BY version DESC`)
	if err != nil {
		return nil, failure(op, err)
	}
	defer rows.Close()
	for rows.Next() {
		var c cluster.Configuration
		var at int64
		if err := rows.Scan(&c.Version, &at, &c.By); err != nil {
			return nil, failure(op, err)
		}
		c.At = time.UnixMicro(at).UTC()
		out = append(out, c)
	}
	return out, failure(op, rows.Err())
}

// SaveConfig implements cluster.ConfigStore.
func (s *Store) SaveConfig(ctx context.Context, c cluster.Configuration) error {
	const op = "sqlite.SaveConfig"
	return s.transact(ctx, op, func(writing context.Context) error {
		done, err := s.write.conn.ExecContext(writing, `INSERT INTO shared_config (version, at, actor, document)
			SELECT ?1, ?2, ?3, ?4 WHERE ?1 = (SELECT coalesce(max(version), 0) + 1 FROM shared_config)`,
			c.Version, c.At.UnixMicro(), c.By, c.Document)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err == nil && n == 0 {
			err = model.Errorf(op, model.KindConflict, "version %d of the shared configuration cannot follow the latest", c.Version)
		}
		if err != nil {
			return err
		}
		return s.record(writing, ctx, c.By, database.ConfigChange(&c))
	})
}
