package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

var _ event.History = (*Store)(nil)

// walkBlocks is the number of blocks that are read at once: a reading that
// stayed open over a long walk would keep the write-ahead log from being
// emptied.
const walkBlocks = 64

// block is a row of call_blocks.
type block struct {
	seq            int64
	records, plans []byte
}

// Walk implements event.History.
func (s *Store) Walk(ctx context.Context, since, until time.Time, visit func([]event.Call) error) error {
	const op = "sqlite.Walk"
	low, high := int64(0), int64(math.MaxInt64) // of ended; seq is never below it
	if !since.IsZero() {
		low = since.UnixMicro()
	}
	if !until.IsZero() {
		high = until.UnixMicro()
	}
	// The block in which the span begins starts before it.
	var next int64
	err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM call_blocks WHERE seq <= ?`, low).Scan(&next)
	if err != nil {
		return failure(op, err)
	}
	return eachBlock(ctx, s.read, next, func(b *block) (bool, error) {
		calls, over, err := b.calls(low, high)
		if err != nil {
			return false, failure(op, err)
		}
		if len(calls) > 0 {
			if err := visit(calls); err != nil {
				return false, err
			}
		}
		return !over, nil
	})
}

// asker is what can be asked: the file, or a transaction.
type asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// eachBlock shows the blocks from a number on, in order, until visit wants no
// more or fails; its error is returned as it is.
func eachBlock(ctx context.Context, from asker, next int64, visit func(*block) (more bool, err error)) error {
	for {
		blocks, err := blocksFrom(ctx, from, next)
		if err != nil {
			return failure("sqlite.Walk", err)
		}
		for i := range blocks {
			if more, err := visit(&blocks[i]); err != nil || !more {
				return err
			}
		}
		if len(blocks) < walkBlocks {
			return nil
		}
		next = blocks[len(blocks)-1].seq + 1
	}
}

func blocksFrom(ctx context.Context, from asker, seq int64) ([]block, error) {
	rows, err := from.QueryContext(ctx, `SELECT seq, records, plans FROM call_blocks WHERE seq >= ? ORDER BY seq LIMIT ?`, seq, walkBlocks)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []block
	for rows.Next() {
		var b block
		if err := rows.Scan(&b.seq, &b.records, &b.plans); err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, rows.Err()
}

// calls unpacks the calls of the block that ended in the span; over is true
// when the block begins behind it. A block holds times that are raised to be
// unique, so seq alone does not tell the last ones.
func (b *block) calls(low, high int64) (out []event.Call, over bool, err error) {
	entries, err := batch.Unpack(b.seq, b.records, b.plans)
	if err != nil {
		return nil, false, err
	}
	out = make([]event.Call, 0, len(entries))
	over = len(entries) > 0
	for i := range entries {
		e := &entries[i]
		over = over && e.Ended >= high
		if e.Ended >= low && e.Ended < high {
			out = append(out, event.Call{
				Seq: e.Seq, Ended: time.UnixMicro(e.Ended).UTC(), RecordJSON: e.Record, PlanJSON: e.Plan,
			})
		}
	}
	return out, over, nil
}

// SaveFleet implements event.History.
func (s *Store) SaveFleet(ctx context.Context, id uint64, doc []byte) error {
	const op = "sqlite.SaveFleet"
	var one int
	err := s.read.QueryRowContext(ctx, `SELECT 1 FROM fleets WHERE id = ?`, int64(id)).Scan(&one)
	if !errors.Is(err, sql.ErrNoRows) {
		return failure(op, err)
	}
	packed := s2.EncodeBetter(nil, doc)
	s.mu.Lock()
	defer s.mu.Unlock()
	return failure(op, s.write.do(func(ctx context.Context) error {
		_, err := s.write.conn.ExecContext(ctx, `INSERT OR IGNORE INTO fleets (id, doc) VALUES (?, ?)`, int64(id), packed)
		return err
	}))
}

// Fleet implements event.History.
func (s *Store) Fleet(ctx context.Context, id uint64) ([]byte, error) {
	const op = "sqlite.Fleet"
	var packed []byte
	err := s.read.QueryRowContext(ctx, `SELECT doc FROM fleets WHERE id = ?`, int64(id)).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, model.Errorf(op, model.KindNotFound, "no registry snapshot %016x is stored", id)
	}
	if err != nil {
		return nil, failure(op, err)
	}
	doc, err := batch.Decompress(packed)
	return doc, failure(op, err)
}
