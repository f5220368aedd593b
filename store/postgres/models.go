package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/database"
)

// LoadModels implements registry.Store.
func (s *Store) LoadModels(ctx context.Context) ([]registry.Stored, error) {
	return list(ctx, s, "postgres.LoadModels", `SELECT v.model_id, v.number, v.record::text FROM models m JOIN model_versions v USING (model_id, number)`, nil,
		func(row pgx.CollectableRow) (r registry.Stored, err error) {
			var doc string
			err = row.Scan((*string)(&r.ID), &r.Number, &doc)
			r.Doc = []byte(doc)
			return r, err
		})
}

// SaveModels implements registry.Store.
func (s *Store) SaveModels(ctx context.Context, versions []registry.Version) error {
	if len(versions) == 0 {
		return nil
	}
	return s.failure("postgres.SaveModels", s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lock(ctx, tx, lockModels); err != nil {
			return err
		}
		for _, v := range versions {
			if err := saveModel(ctx, tx, v); err != nil {
				return err
			}
		}
		return s.record(ctx, tx, versions[0].Actor, database.ModelChanges(versions)...)
	}))
}

func saveModel(ctx context.Context, tx pgx.Tx, v registry.Version) error {
	var latest int
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(number), 0) FROM model_versions WHERE model_id = $1`, string(v.ID)).Scan(&latest); err != nil {
		return err
	}
	if v.Number != latest+1 {
		return model.Errorf("postgres.SaveModels", model.KindConflict, "%s is at version %d: version %d cannot follow", v.ID, latest, v.Number)
	}
	var diff any
	if v.Diff != nil {
		b, err := json.Marshal(v.Diff)
		if err != nil {
			return err
		}
		diff = string(b)
	}
	q := &pgx.Batch{}
	q.Queue(`INSERT INTO model_versions (model_id, number, at, actor, action, record, diff) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		string(v.ID), v.Number, v.At, v.Actor, string(v.Action), string(v.Doc), diff)
	q.Queue(`INSERT INTO models VALUES ($1, $2) ON CONFLICT (model_id) DO UPDATE SET number = excluded.number`, string(v.ID), v.Number)
	return tx.SendBatch(ctx, q).Close()
}

// ModelHistory implements registry.Store.
func (s *Store) ModelHistory(ctx context.Context, id model.ModelID) ([]registry.Version, error) {
	return list(ctx, s, "postgres.ModelHistory",
		`SELECT number, at, actor, action, record::text, diff::text FROM model_versions WHERE model_id = $1 ORDER BY number`, []any{string(id)},
		func(row pgx.CollectableRow) (registry.Version, error) {
			v := registry.Version{ID: id}
			var doc string
			var diff *string
			if err := row.Scan(&v.Number, &v.At, &v.Actor, (*string)(&v.Action), &doc, &diff); err != nil {
				return v, err
			}
			v.At, v.Doc = v.At.UTC(), []byte(doc)
			if diff == nil {
				return v, nil
			}
			return v, json.Unmarshal([]byte(*diff), &v.Diff)
		})
}

// ModelsVersion implements registry.Store.
func (s *Store) ModelsVersion(ctx context.Context) (uint64, error) {
	var n int64
	err := s.row(ctx, `SELECT coalesce(max(seq), 0) FROM model_versions`, nil, &n)
	return uint64(n), s.failure("postgres.ModelsVersion", err)
}
