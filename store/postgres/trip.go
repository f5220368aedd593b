package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// statement is one of a trip; read takes its rows, if any are of interest.
type statement struct {
	sql  string
	args []any
	read func(pgx.Rows) error
}

// trip sends statements and has all answers within one round trip, also on a new
// connection: a pgx.Batch prepares first what it has not sent before, and a
// server that is far away then takes longer than its answer is waited for. After
// an error the others are not run.
func trip(ctx context.Context, conn *pgx.Conn, statements ...statement) error {
	b := &pgconn.Batch{}
	for _, s := range statements {
		var q pgx.ExtendedQueryBuilder
		if err := q.Build(conn.TypeMap(), nil, s.args); err != nil {
			return err
		}
		b.ExecParams(s.sql, q.ParamValues, nil, q.ParamFormats, q.ResultFormats)
	}
	answers := conn.PgConn().ExecBatch(ctx, b)
	var failed error
	for i := 0; answers.NextResult(); i++ {
		rows := pgx.RowsFromResultReader(conn.TypeMap(), answers.ResultReader())
		if read := statements[i].read; read != nil && failed == nil {
			failed = read(rows)
		}
		rows.Close()
	}
	if err := answers.Close(); err != nil {
		return err
	}
	return failed
}
