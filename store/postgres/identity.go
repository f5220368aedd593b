package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Identity tells this database, and the schema in it, from every other one: also
// from a copy that was restored from a dump, which holds the same rows. A server
// that does not show its identifier is told by what it does show. Errors:
// KindUnavailable.
func (s *Store) Identity(ctx context.Context) (string, error) {
	const op = "postgres.Identity"
	var system, database int64
	var schema string
	err := s.row(ctx, `SELECT oid::bigint, current_schema() FROM pg_database WHERE datname = current_database()`, nil, &database, &schema)
	if err != nil {
		return "", s.failure(op, err)
	}
	err = s.row(ctx, `SELECT system_identifier FROM pg_control_system()`, nil, &system)
	var refusal *pgconn.PgError
	if err != nil && !errors.As(err, &refusal) {
		return "", s.failure(op, err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", system, database, schema))
	return hex.EncodeToString(sum[:8]), nil
}
