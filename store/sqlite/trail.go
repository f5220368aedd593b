package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/model"
)

var _ audit.Store = (*Store)(nil)

const trailColumns = `seq, at, actor, name, action, object, detail, prev, hash`

// record appends changes to the audit trail within the transaction that makes
// them. from is the context of who makes them; name is who did it where that
// does not say.
func (s *Store) record(writing, from context.Context, name string, changes ...audit.Change) error {
	if audit.IsCopy(from) || len(changes) == 0 {
		return nil
	}
	last, err := s.lastEntry(writing)
	if err != nil {
		return err
	}
	who := audit.Who(from)
	if who.Name == "" {
		who.Name = name
	}
	entries := make([]audit.Entry, len(changes))
	for i, c := range changes {
		entries[i] = audit.Next(&last, time.Now(), who, c)
		last = entries[i]
	}
	return s.addEntries(writing, entries)
}

// lastEntry returns the last entry, of which only the place in the chain is read.
func (s *Store) lastEntry(ctx context.Context) (last audit.Entry, err error) {
	var hash []byte
	err = s.write.conn.QueryRowContext(ctx, `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&last.Seq, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return audit.Entry{}, nil
	}
	copy(last.Hash[:], hash)
	return last, err
}

func (s *Store) addEntries(ctx context.Context, entries []audit.Entry) error {
	for i := range entries {
		e := &entries[i]
		if _, err := s.write.conn.ExecContext(ctx, `INSERT INTO audit (seq, at, actor, name, action, object, detail, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			e.Seq, e.At.UnixMicro(), e.Actor, e.Name, string(e.Action), e.Object, string(e.Detail), e.Prev[:], e.Hash[:]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) entries(ctx context.Context, query string, args ...any) (out []audit.Entry, err error) {
	err = each(ctx, s.read, `SELECT `+trailColumns+` FROM audit `+query, func(rows *sql.Rows) error {
		var e audit.Entry
		var at int64
		var prev, hash []byte
		if err := rows.Scan(&e.Seq, &at, &e.Actor, &e.Name, &e.Action, &e.Object, (*[]byte)(&e.Detail), &prev, &hash); err != nil {
			return err
		}
		e.At = time.UnixMicro(at).UTC()
		copy(e.Prev[:], prev)
		copy(e.Hash[:], hash)
		out = append(out, e)
		return nil
	}, args...)
	return out, err
}

// Trail implements audit.Store.
func (s *Store) Trail(ctx context.Context, f audit.Filter) ([]audit.Entry, error) {
	var since, until any
	if !f.Since.IsZero() {
		since = f.Since.UnixMicro()
	}
	if !f.Until.IsZero() {
		until = f.Until.UnixMicro()
	}
	out, err := s.entries(ctx, `WHERE (?1 IS NULL OR at >= ?1) AND (?2 IS NULL OR at < ?2)
		AND (?3 = '' OR actor = ?3 OR name = ?3) AND (?4 = '' OR action = ?4 OR substr(action, 1, length(?4) + 1) = ?4 || '.')
		AND (?5 = '' OR object = ?5) AND (?6 = 0 OR seq < ?6) ORDER BY seq DESC LIMIT ?7`,
		since, until, f.Actor, f.Action, f.Object, f.Before, f.PageSize())
	return out, failure("sqlite.Trail", err)
}

// WalkTrail implements audit.Store.
func (s *Store) WalkTrail(ctx context.Context, visit func([]audit.Entry) error) error {
	for last := int64(-1 << 62); ; {
		some, err := s.entries(ctx, `WHERE seq > ? ORDER BY seq LIMIT ?`, last, audit.MaxLimit)
		if err != nil || len(some) == 0 {
			return failure("sqlite.WalkTrail", err)
		}
		if err := visit(some); err != nil {
			return err
		}
		last = some[len(some)-1].Seq
	}
}

// CopyTrail implements audit.Store.
func (s *Store) CopyTrail(ctx context.Context, entries []audit.Entry) error {
	const op = "sqlite.CopyTrail"
	if len(entries) == 0 {
		return nil
	}
	return s.transact(ctx, op, func(writing context.Context) error {
		last, err := s.lastEntry(writing)
		if err != nil {
			return err
		}
		if entries[0].Seq != last.Seq+1 || entries[0].Prev != last.Hash {
			return model.Errorf(op, model.KindConflict, "entry %d does not follow the audit trail, which ends at %d", entries[0].Seq, last.Seq)
		}
		return s.addEntries(writing, entries)
	})
}
