package postgres

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/s2"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/batch"
)

var _ event.History = (*Store)(nil)

// walkBlocks is the number of blocks that are read at once: a question that
// stayed open over a long walk would keep the server from clearing old rows.
const walkBlocks = 64

// Walk implements event.History. A call that was stored late, because its
// process could not reach the database, comes behind those stored before it.
func (s *Store) Walk(ctx context.Context, since, until time.Time, visit func([]event.Call) error) error {
	const op = "postgres.Walk"
	low, high := int64(math.MinInt64), int64(math.MaxInt64) // of ended
	condition := query{text: ` WHERE true`}
	if !since.IsZero() {
		low = since.UnixMicro()
		condition.add(` AND last >= ?`, low) // the numbers of calls are never below ended
		condition.add(` AND newest >= ?`, since)
	}
	if !until.IsZero() {
		high = until.UnixMicro()
		condition.add(` AND oldest < ?`, until)
	}
	ask := func(q *query) ([]block, error) { return list(ctx, s, op, q.text, q.args, scanBlock) }
	return eachBlock(ask, condition, func(b *block) error {
		calls, err := b.between(low, high)
		if err != nil {
			return s.failure(op, err)
		}
		if len(calls) == 0 {
			return nil
		}
		return visit(calls)
	})
}

func scanBlock(row pgx.CollectableRow) (b block, err error) {
	err = row.Scan(&b.seq, &b.oldest, &b.newest, &b.records, &b.plans)
	return b, err
}

// eachBlock shows the blocks of a condition in order, until visit fails.
func eachBlock(ask func(*query) ([]block, error), condition query, visit func(*block) error) error {
	for next := int64(0); ; {
		q := query{text: `SELECT seq, oldest, newest, records, plans FROM call_blocks` + condition.text, args: condition.args}
		q.add(` AND seq >= ? ORDER BY seq`, next)
		q.add(` LIMIT ?`, walkBlocks)
		blocks, err := ask(&q)
		if err != nil {
			return err
		}
		for i := range blocks {
			if err := visit(&blocks[i]); err != nil {
				return err
			}
		}
		if len(blocks) < walkBlocks {
			return nil
		}
		next = blocks[len(blocks)-1].seq + 1
	}
}

// between unpacks the calls of the block that ended in the span.
func (b *block) between(low, high int64) ([]event.Call, error) {
	entries, err := batch.Unpack(b.seq, b.records, b.plans)
	if err != nil {
		return nil, err
	}
	out := make([]event.Call, 0, len(entries))
	for _, e := range entries {
		if e.Ended >= low && e.Ended < high {
			out = append(out, event.Call{Seq: e.Seq, Ended: time.UnixMicro(e.Ended).UTC(), RecordJSON: e.Record, PlanJSON: e.Plan})
		}
	}
	return out, nil
}

// SaveFleet implements event.History.
func (s *Store) SaveFleet(ctx context.Context, id uint64, doc []byte) error {
	const op = "postgres.SaveFleet"
	var there bool
	if err := s.row(ctx, `SELECT EXISTS (SELECT 1 FROM fleets WHERE id = $1)`, []any{int64(id)}, &there); err != nil || there {
		return s.failure(op, err)
	}
	return s.exec(ctx, op, `INSERT INTO fleets (id, doc) VALUES ($1, $2) ON CONFLICT DO NOTHING`, int64(id), s2.EncodeBetter(nil, doc))
}

// Fleet implements event.History.
func (s *Store) Fleet(ctx context.Context, id uint64) ([]byte, error) {
	const op = "postgres.Fleet"
	var packed []byte
	err := s.row(ctx, `SELECT doc FROM fleets WHERE id = $1`, []any{int64(id)}, &packed)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, model.Errorf(op, model.KindNotFound, "no registry snapshot %016x is stored", id)
	}
	if err != nil {
		return nil, s.failure(op, err)
	}
	doc, err := batch.Decompress(packed)
	return doc, s.failure(op, err)
}
