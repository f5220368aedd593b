package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/database"
)

// LoadModels implements registry.Store.
func (s *Store) LoadModels(ctx context.Context) ([]registry.Stored, error) {
	const op = "sqlite.LoadModels"
	rows, err := s.read.QueryContext(ctx, `SELECT v.model_id, v.number, v.record FROM models m JOIN model_versions v USING (model_id, number)`)
	if err != nil {
		return nil, failure(op, err)
	}
	defer rows.Close()
	var out []registry.Stored
	for rows.Next() {
		var r registry.Stored
		if err := rows.Scan(&r.ID, &r.Number, (*[]byte)(&r.Doc)); err != nil {
			return nil, failure(op, err)
		}
		out = append(out, r)
	}
	return out, failure(op, rows.Err())
}

// SaveModels implements registry.Store.
func (s *Store) SaveModels(ctx context.Context, versions []registry.Version) error {
	const op = "sqlite.SaveModels"
	if len(versions) == 0 {
		return nil
	}
	return s.transact(ctx, op, func(writing context.Context) error {
		for _, v := range versions {
			if err := s.saveModel(writing, v); err != nil {
				return err
			}
		}
		return s.record(writing, ctx, versions[0].Actor, database.ModelChanges(versions)...)
	})
}

func (s *Store) saveModel(ctx context.Context, v registry.Version) error {
	conn := s.write.conn
	var latest int
	if err := conn.QueryRowContext(ctx, `SELECT coalesce(max(number), 0) FROM model_versions WHERE model_id = ?`, string(v.ID)).Scan(&latest); err != nil {
		return err
	}
	if v.Number != latest+1 {
		return model.Errorf("sqlite.SaveModels", model.KindConflict, "%s is at version %d: version %d cannot follow", v.ID, latest, v.Number)
	}
	var diff any
	if v.Diff != nil {
		b, err := json.Marshal(v.Diff)
		if err != nil {
			return err
		}
		diff = string(b)
	}
	if _, err := conn.ExecContext(ctx, `INSERT INTO model_versions (model_id, number, at, actor, action, record, diff) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		string(v.ID), v.Number, v.At.UnixMicro(), v.Actor, string(v.Action), string(v.Doc), diff); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, `INSERT INTO models VALUES (?, ?) ON CONFLICT (model_id) DO UPDATE SET number = excluded.number`, string(v.ID), v.Number)
	return err
}

// ModelHistory implements registry.Store.
func (s *Store) ModelHistory(ctx context.Context, id model.ModelID) ([]registry.Version, error) {
	const op = "sqlite.ModelHistory"
	rows, err := s.read.QueryContext(ctx, `SELECT number, at, actor, action, record, diff FROM model_versions WHERE model_id = ? ORDER BY number`, string(id))
	if err != nil {
		return nil, failure(op, err)
	}
	defer rows.Close()
	var out []registry.Version
	for rows.Next() {
		v := registry.Version{ID: id}
		var at int64
		var diff []byte
		if err := rows.Scan(&v.Number, &at, &v.Actor, &v.Action, (*[]byte)(&v.Doc), &diff); err != nil {
			return nil, failure(op, err)
		}
		v.At = time.UnixMicro(at).UTC()
		if diff != nil {
			if err := json.Unmarshal(diff, &v.Diff); err != nil {
				return nil, failure(op, err)
			}
		}
		out = append(out, v)
	}
	return out, failure(op, rows.Err())
}

// ModelsVersion implements registry.Store.
func (s *Store) ModelsVersion(ctx context.Context) (uint64, error) {
	var n int64
	err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM model_versions`).Scan(&n)
	return uint64(n), failure("sqlite.ModelsVersion", err)
}
