package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/model"
)

var _ audit.Store = (*Store)(nil)

const trailColumns = `seq, at, actor, name, action, object, detail::text, prev, hash`

// record appends changes to the audit trail within the transaction that makes
// them, as its last step: entries are made one after the other until the
// transactions of their changes end. name is who did it where the context does
// not say.
func (s *Store) record(ctx context.Context, tx pgx.Tx, name string, changes ...audit.Change) error {
	if audit.IsCopy(ctx) || len(changes) == 0 {
		return nil
	}
	last, err := lockTrail(ctx, tx)
	if err != nil {
		return err
	}
	who := audit.Who(ctx)
	if who.Name == "" {
		who.Name = name
	}
	entries := make([]audit.Entry, len(changes))
	for i, c := range changes {
		entries[i] = audit.Next(&last, s.now(), who, c)
		last = entries[i]
	}
	return addEntries(ctx, tx, entries)
}

// lockTrail keeps others from appending until the transaction ends, and returns
// the last entry, of which only the place in the chain is read.
func lockTrail(ctx context.Context, tx pgx.Tx) (last audit.Entry, err error) {
	if err := lock(ctx, tx, lockAudit); err != nil {
		return last, err
	}
	var hash []byte
	err = tx.QueryRow(ctx, `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&last.Seq, &hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return audit.Entry{}, nil
	}
	copy(last.Hash[:], hash)
	return last, err
}

func addEntries(ctx context.Context, tx pgx.Tx, entries []audit.Entry) error {
	q := &pgx.Batch{}
	for i := range entries {
		e := &entries[i]
		q.Queue(`INSERT INTO audit (seq, at, actor, name, action, object, detail, prev, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			e.Seq, e.At, e.Actor, e.Name, string(e.Action), e.Object, string(e.Detail), e.Prev[:], e.Hash[:])
	}
	return tx.SendBatch(ctx, q).Close()
}

func scanEntry(row pgx.CollectableRow) (e audit.Entry, err error) {
	var detail string
	var prev, hash []byte
	err = row.Scan(&e.Seq, &e.At, &e.Actor, &e.Name, (*string)(&e.Action), &e.Object, &detail, &prev, &hash)
	e.At, e.Detail = e.At.UTC(), []byte(detail)
	copy(e.Prev[:], prev)
	copy(e.Hash[:], hash)
	return e, err
}

// Trail implements audit.Store.
func (s *Store) Trail(ctx context.Context, f audit.Filter) ([]audit.Entry, error) {
	var since, until *time.Time
	if !f.Since.IsZero() {
		since = &f.Since
	}
	if !f.Until.IsZero() {
		until = &f.Until
	}
	return list(ctx, s, "postgres.Trail", `SELECT `+trailColumns+` FROM audit
		WHERE ($1::timestamptz IS NULL OR at >= $1) AND ($2::timestamptz IS NULL OR at < $2)
		  AND ($3 = '' OR actor = $3 OR name = $3) AND ($4 = '' OR action = $4 OR starts_with(action, $4 || '.'))
		  AND ($5 = '' OR object = $5) AND ($6 = 0 OR seq < $6)
		ORDER BY seq DESC LIMIT $7`, []any{since, until, text(f.Actor), text(f.Action), text(f.Object), f.Before, f.PageSize()}, scanEntry)
}

// WalkTrail implements audit.Store.
func (s *Store) WalkTrail(ctx context.Context, visit func([]audit.Entry) error) error {
	for last := int64(-1 << 62); ; {
		some, err := list(ctx, s, "postgres.WalkTrail", `SELECT `+trailColumns+` FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2`, []any{last, audit.MaxLimit}, scanEntry)
		if err != nil || len(some) == 0 {
			return err
		}
		if err := visit(some); err != nil {
			return err
		}
		last = some[len(some)-1].Seq
	}
}

// CopyTrail implements audit.Store.
func (s *Store) CopyTrail(ctx context.Context, entries []audit.Entry) error {
	const op = "postgres.CopyTrail"
	if len(entries) == 0 {
		return nil
	}
	return s.failure(op, s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		last, err := lockTrail(ctx, tx)
		if err != nil {
			return err
		}
		if entries[0].Seq != last.Seq+1 || entries[0].Prev != last.Hash {
			return model.Errorf(op, model.KindConflict, "entry %d does not follow the audit trail, which ends at %d", entries[0].Seq, last.Seq)
		}
		return addEntries(ctx, tx, entries)
	}))
}
