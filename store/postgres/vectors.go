package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/internal/nearest"
)

// vectorTable is a table of vectors, with the columns embedding and dimensions.
// Where the extension pgvector is there, it has an index for each length.
type vectorTable string

const (
	modelVectors  vectorTable = "model_embeddings"
	promptVectors vectorTable = "prompt_embeddings"
)

// The most dimensions that indexes of pgvector take, with numbers of 32 bits
// and of 16; beyond, every vector is compared. An index is always asked as widely
// as it can be: with less it misses some that are near, in random directions most.
const (
	maxVector     = 2000
	maxHalfVector = 4000
	maxIndexed    = 1000
)

// indexTimeout bounds how long one index may take to be made.
const indexTimeout = 5 * time.Minute

// question asks a table for what is nearest to a vector.
type question[T any] struct {
	table   vectorTable
	columns string // of the table, that scan or join needs
	where   string // beside the length
	args    []any  // of where and join
	vector  []float32
	// join completes the rows of a part of the table, where that takes others. Of
	// candidates all are shown, also those that are not wanted.
	join func(part string, candidates bool) string
	// sieved is set where join wants only some of the rows: then more are asked for.
	sieved bool
	// scan reads a row; one that is not wanted is not in the answer.
	scan    func(rows pgx.Rows) (found T, wanted bool, err error)
	compare func(a, b T) int
	score   func(T) float64
}

// search returns the k nearest. What the index gives is compared once more as
// without it, so that the answers are the same.
func search[T any](ctx context.Context, s *Store, op string, q *question[T], k int) ([]T, error) {
	if k <= 0 || len(q.vector) == 0 {
		return nil, nil
	}
	if s.vectorType(len(q.vector)) != "" && 2*k <= maxIndexed {
		found, sure, err := candidates(ctx, s, q, k)
		if err != nil || sure {
			return found, s.failure(op, err)
		}
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	rows, err := s.pool.Query(ctx, q.all(), q.args...)
	if err != nil {
		return nil, s.failure(op, err)
	}
	found, _, err := q.rank(rows, k)
	return found, s.failure(op, err)
}

// all asks for every row.
func (q *question[T]) all() string { return q.joined(q.part(), false) }

// part is the part of the table that is compared. The number of dimensions
// stands as it is: with a parameter no index is used.
func (q *question[T]) part() string {
	return fmt.Sprintf(`SELECT %s FROM %s WHERE dimensions = %d AND %s`, q.columns, q.table, len(q.vector), q.where)
}

func (q *question[T]) joined(part string, candidates bool) string {
	if q.join == nil {
		return part
	}
	return q.join(part, candidates)
}

// margin is how much farther than the last of an answer the last candidate must
// be: indexes of few bits are not exact.
const margin = 1e-6

// candidates asks the index for more than k. It is sure that the nearest are
// among them unless they are fewer than asked for (there are no more, or the
// index has others in their way), or the last is as near as one of the answer:
// others may be, too.
func candidates[T any](ctx context.Context, s *Store, q *question[T], k int) (found []T, sure bool, err error) {
	kind, n := s.vectorType(len(q.vector)), k+max(k, 64)
	if q.sieved {
		n = min(4*n, maxIndexed)
	}
	inOrder := &query{text: q.part(), args: q.args}
	inOrder.add(fmt.Sprintf(` ORDER BY (embedding::%s) OPERATOR(%s.<=>) ?::real[]::%[1]s`, kind, s.vectorSchema), q.vector)
	inOrder.add(` LIMIT ?`, n)
	err = s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// A planner counts neither what long vectors take to fetch nor to compare.
		if _, err := tx.Exec(ctx, `SET LOCAL enable_seqscan = off; SET LOCAL hnsw.ef_search = `+strconv.Itoa(maxIndexed)); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, q.joined(inOrder.text, true), inOrder.args...)
		if err != nil {
			return err
		}
		var seen extent
		found, seen, err = q.rank(rows, k)
		sure = seen.rows == n && len(found) == k && q.score(found[k-1]) > seen.lowest+margin
		return err
	})
	return found, sure, err
}

// extent is what was seen of a table.
type extent struct {
	rows   int
	lowest float64 // score
}

// rank reads rows one at a time and keeps the k nearest that are wanted.
func (q *question[T]) rank(rows pgx.Rows, k int) ([]T, extent, error) {
	defer rows.Close()
	seen := extent{lowest: math.Inf(1)}
	best := nearest.NewBest(k, q.compare)
	for rows.Next() {
		found, wanted, err := q.scan(rows)
		if err != nil {
			return nil, seen, err
		}
		seen.rows++
		seen.lowest = min(seen.lowest, q.score(found))
		if wanted {
			best.Add(found)
		}
	}
	return best.Sorted(), seen, rows.Err()
}

// vectorType is the type of indexed vectors of a length, with its schema; ""
// where they have no index.
func (s *Store) vectorType(length int) string {
	switch {
	case s.vectorSchema == "" || length > maxHalfVector:
		return ""
	case length > maxVector:
		return fmt.Sprintf("%s.halfvec(%d)", s.vectorSchema, length)
	}
	return fmt.Sprintf("%s.vector(%d)", s.vectorSchema, length)
}

// findVector looks for the extension, makes the indexes that are missing, and
// says once how vectors are compared. Whatever fails costs time, no answers.
func (s *Store) findVector(ctx context.Context) {
	var schema, version string
	err := s.row(ctx, `SELECT quote_ident(nspname), extversion FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'`, nil, &schema, &version)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		s.log.Info("similarity searches compare with every vector; with the extension pgvector in the database they use an index")
		return
	case err != nil:
		s.log.Warn("whether the database has the extension pgvector cannot be asked; similarity searches compare with every vector", "error", err)
		return
	}
	if older(version, 0, 7) {
		s.log.Warn("similarity searches compare with every vector: the extension pgvector is older than 0.7", "version", version)
		return
	}
	s.log.Info("similarity searches use an index of the extension pgvector", "version", version)
	s.vectorSchema = schema
	for _, t := range [...]vectorTable{modelVectors, promptVectors} {
		lengths, err := list(ctx, s, "postgres.Open", `SELECT DISTINCT dimensions FROM `+string(t), nil, pgx.RowTo[int])
		if err != nil {
			s.log.Warn("the indexes for similarity searches were not looked for", "table", t, "error", err)
		}
		s.index(ctx, t, lengths...)
	}
}

// older reports whether a version is below major.minor.
func older(version string, major, minor int) bool {
	parts := strings.SplitN(version+".0.", ".", 3)
	a, _ := strconv.Atoi(parts[0])
	b, _ := strconv.Atoi(parts[1])
	return a < major || a == major && b < minor
}

// vectorIndex is the index of the vectors of a length.
type vectorIndex struct {
	table  vectorTable
	length int
}

// index makes the indexes of vectors of such lengths, once each.
func (s *Store) index(ctx context.Context, t vectorTable, lengths ...int) {
	for _, n := range lengths {
		kind := s.vectorType(n)
		s.mu.Lock()
		known := s.indexed[vectorIndex{t, n}]
		s.indexed[vectorIndex{t, n}] = true
		s.mu.Unlock()
		if kind == "" || known {
			continue
		}
		if err := s.makeIndex(ctx, t, n, kind); err != nil {
			s.log.Warn("the index for similarity searches cannot be made: they compare with every vector", "table", t, "dimensions", n, "error", err)
		}
	}
}

func (s *Store) makeIndex(ctx context.Context, t vectorTable, length int, kind string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), indexTimeout)
	defer cancel()
	class, _, _ := strings.Cut(kind, "(")
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockSchema); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %[1]s_hnsw_%[2]d ON %[1]s
			USING hnsw ((embedding::%[3]s) %[4]s_cosine_ops) WHERE dimensions = %[2]d`, t, length, kind, class))
		return err
	})
}
