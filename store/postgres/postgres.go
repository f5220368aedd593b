// Package postgres keeps what Cartrita must remember in a PostgreSQL database
// that several processes share: the changed model records with their versions,
// every call with its documents, the cost rollups, budgets and keys, and how far
// each event spool has been read.
//
// It implements what store/sqlite does, with the same tables. Of several
// processes that store calls one does at a time: it locks the row of call_clock
// until its transaction ends. So a call's number is above every number that
// could be seen before, and a reader that goes on from the last number it saw
// misses nothing. Batches go in with COPY.
//
// Calls and their documents are partitioned by month. Partitions are made when
// they are first needed or, as a rule, weeks before; a call without one goes
// into the default partition and moves when its month gets one.
//
// A question that the server does not answer in time is given up. Connections
// that broke are replaced with the next use.
//
// It does not delete anything and does not aggregate at query time what the
// rollups hold. A Store is safe for concurrent use.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/batch"
)

var (
	_ registry.Store = (*Store)(nil)
	_ event.Sink     = (*Store)(nil)
	_ event.Reader   = (*Store)(nil)
)

// The defaults of a Config, and how long a server that does not answer is
// waited for.
const (
	DefaultMaxConns = 8
	connectTimeout  = 5 * time.Second  // unless the URL has connect_timeout
	answerTimeout   = 15 * time.Second // for one question, or one batch stored
)

const opOpen = "postgres.Open"

// Config of a Store. The zero value of a field takes its default.
type Config struct {
	// URL of the database, as libpq understands it:
	// postgres://user:password@host:5432/database?sslmode=verify-full. Several
	// hosts may be named, and the settings of pgx, such as search_path for a
	// schema other than public. Required.
	URL      string
	MaxConns int          // connections at most; default what the URL says in pool_max_conns, else 8
	Logger   *slog.Logger // default slog.Default
	// Renew returns the URL as it is now: each new connection takes user and
	// password of it, which may have changed. Default: those of URL.
	Renew func() (string, error)
}

// Store is one database.
type Store struct {
	pool   *pgxpool.Pool
	where  string // for people
	log    *slog.Logger
	now    func() time.Time
	answer time.Duration

	packers sync.Pool // of *batch.Packer: their buffers are large
	clocks  batch.Clocks

	vectorSchema string // of the extension pgvector, quoted; "" where it is not there

	mu      sync.Mutex // guards what follows
	targets map[event.Target]int64
	months  map[month]time.Time  // has a partition (zero), or when to try again
	indexed map[vectorIndex]bool // that are made
}

// Open connects to the database and brings its schema up to date; of several
// processes that do at once, one does the work and the others wait. Errors:
// KindInvalid for a URL that cannot be read, KindUnavailable when the database
// cannot be used, KindConflict when a newer version has written it. None of
// them holds the password.
func Open(ctx context.Context, c Config) (*Store, error) {
	const op = opOpen
	config, err := parse(c)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, failure(op, err)
	}
	s := &Store{
		pool: pool, where: place(config.ConnConfig), log: c.logger(), now: time.Now, answer: answerTimeout,
		targets: map[event.Target]int64{}, months: map[month]time.Time{}, indexed: map[vectorIndex]bool{},
		packers: sync.Pool{New: func() any { return new(batch.Packer) }},
	}
	if _, err := newMigration(c, pool).run(ctx); err != nil {
		pool.Close()
		return nil, notOpened(op, config.ConnConfig, err)
	}
	s.partition(ctx, nil)
	s.findVector(ctx)
	return s, nil
}

func (c Config) logger() *slog.Logger { return cmp.Or(c.Logger, slog.Default()) }

func parse(c Config) (*pgxpool.Config, error) {
	if c.MaxConns < 0 {
		return nil, model.Invalidf(opOpen, "max_conns", "must not be negative")
	}
	config, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	if c.Renew != nil {
		config.BeforeConnect = c.renew
	}
	switch {
	case c.MaxConns > 0:
		config.MaxConns = int32(min(c.MaxConns, 1<<15))
	case !strings.Contains(c.URL, "pool_max_conns="):
		config.MaxConns = DefaultMaxConns
	}
	config.MinConns = min(config.MinConns, config.MaxConns)
	if !strings.Contains(c.URL, "connect_timeout=") {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "cartrita"
	}
	return config, nil
}

// parseURL never repeats the URL, nor an error that does: it holds a password.
func parseURL(url string) (*pgxpool.Config, error) {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, model.Invalidf(opOpen, "url", "want postgres://user:password@host:5432/database")
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, model.Invalidf(opOpen, "url", "is not understood; want postgres://user:password@host:5432/database, with the parameters that libpq knows")
	}
	return config, nil
}

// renew gives a connection that is to be made the user and the password of now.
// What keeps it from that is for the log, and no answer to callers.
func (c Config) renew(_ context.Context, conn *pgx.ConnConfig) error {
	url, err := c.Renew()
	if err != nil {
		return errors.New("its URL is not to be had: " + err.Error())
	}
	now, err := parseURL(url)
	if err != nil {
		return errors.New("its URL is another one: " + err.Error())
	}
	conn.User, conn.Password = now.ConnConfig.User, now.ConnConfig.Password
	return nil
}

// Close ends all connections. Nothing may use the Store afterwards.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// bound limits how long one question may take.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.answer)
}

// exec runs one statement.
func (s *Store) exec(ctx context.Context, op, query string, args ...any) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	_, err := s.pool.Exec(ctx, query, args...)
	return s.failure(op, err)
}

// row asks for one row; pgx.ErrNoRows when there is none.
func (s *Store) row(ctx context.Context, query string, args []any, into ...any) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.pool.QueryRow(ctx, query, args...).Scan(into...)
}

// list asks for rows.
func list[T any](ctx context.Context, s *Store, op, query string, args []any, scan func(pgx.CollectableRow) (T, error)) ([]T, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, s.failure(op, err)
	}
	out, err := pgx.CollectRows(rows, scan)
	return out, s.failure(op, err)
}

// update runs f in a transaction. Read committed, whatever the database's
// default is: what is read behind a lock must be what its last holder wrote.
// Should this process freeze within, the server ends the transaction, so that
// others do not wait for its locks.
func (s *Store) update(ctx context.Context, f func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) error { return f(ctx, tx) })
}

const (
	beginCommitted = `BEGIN ISOLATION LEVEL READ COMMITTED`
	endWhenIdle    = `SET LOCAL idle_in_transaction_session_timeout = '15s'`
	begin          = beginCommitted + "; " + endWhenIdle
)

// The locks that changes of small tables take, each until its transaction ends.
const (
	lockSchema = iota + 1
	lockModels
	lockKeys
	lockConfig
	lockNotices
	lockAudit // always the last of a transaction
)

// lock waits for a lock that processes share. It is the schema's own: another
// schema of the same database may belong to another cluster.
func lock(ctx context.Context, tx pgx.Tx, number int) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('cartrita ' || current_schema()), $1)`, number)
	return err
}

// notOpened says to who starts the program which database cannot be used, and why.
func notOpened(op string, c *pgx.ConnConfig, err error) error {
	err = failure(op, err)
	var server *pgconn.PgError
	var network *net.OpError
	var name *net.DNSError
	why := ""
	switch {
	case model.KindOf(err) != model.KindUnavailable:
		return err
	case errors.As(err, &server) && server.Code == "55P03":
		why = ": another process holds a lock that is needed to bring the schema up to date; perhaps it does that itself"
	case errors.As(err, &server):
		why = ": " + server.Message
	case errors.As(err, &name):
		why = ": " + name.Err
	case errors.As(err, &network):
		why = ": " + network.Err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		why = ": it does not answer"
	}
	return unavailable(op, fmt.Sprintf("the database %s cannot be used%s", place(c), why), err)
}

// place says to people where a database is.
func place(c *pgx.ConnConfig) string {
	at := []string{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))}
	for _, f := range c.Fallbacks { // a host is tried with and without TLS
		if other := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port))); !slices.Contains(at, other) {
			at = append(at, other)
		}
	}
	return c.Database + " at " + strings.Join(at, ", ")
}

// Away reports whether an error is of a database that is not there now, and may
// be later: not of one that is there and does not know us, or our schema.
func Away(err error) bool {
	var server *pgconn.PgError
	if errors.As(err, &server) && !passes(server) {
		return false
	}
	return model.KindOf(err) == model.KindUnavailable
}

// passes reports whether what a server says may be over after a while.
func passes(e *pgconn.PgError) bool {
	switch e.Code[:min(2, len(e.Code))] {
	case "08", // the connection
		"25", // it is read-only
		"40", // rolled back
		"53", // no memory, disk or connections
		"55", // a lock
		"57", // it shuts down or starts
		"58", // the system beneath it
		"XX", // whatever a proxy before it says
		"":
		return true
	}
	return false
}

// failure classifies an error of the database; one that is classified already
// is passed on.
func failure(op string, err error) error {
	var known *model.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if refused(err) {
		return &model.Error{Op: op, Kind: model.KindInvalid, Message: "the database refuses the values", Err: err}
	}
	return unavailable(op, "the database cannot be reached", err)
}

// failure classifies an error of this database. Where that is stands in the cause:
// it is for the log, not for callers.
func (s *Store) failure(op string, err error) error {
	var known *model.Error
	if err != nil && !errors.As(err, &known) && !refused(err) {
		err = fmt.Errorf("%s: %w", s.where, err)
	}
	return failure(op, err)
}

// refused reports whether the values, not the circumstances, are at fault: they
// are of no such type, break a constraint, or are too large for an index.
func refused(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) || len(e.Code) < 2 {
		return false
	}
	switch e.Code[:2] {
	case "22", "23", "54":
		return true
	}
	return false
}

func unavailable(op, message string, err error) error {
	return &model.Error{Op: op, Kind: model.KindUnavailable, Message: message, Err: err}
}
