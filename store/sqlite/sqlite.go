// Package sqlite keeps what Cartrita must remember in one SQLite file: the
// changed model records with their versions, every call with its documents,
// the cost rollups, and how far the event spool has been read.
//
// It implements registry.Store, key.Store, event.Sink and event.Reader. Writing has one
// connection and one writer at a time; reading has a small pool of its own, and
// neither waits for the other (write-ahead log). A call costs one narrow row;
// its documents are compressed together with those of its neighbours, because
// writing pages is what storing a call costs.
//
// synchronous is NORMAL: the file survives a crash of the process with
// everything, a power loss with everything but the last moments, which the
// event spool then holds (with event.SyncBatch). The schema is in migrations;
// Open applies what is missing, also when several processes start at once.
//
// It does not talk to a server, deletes no calls but those that are archived, and does not
// aggregate at query time what the rollups hold. A Store is safe for
// concurrent use.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

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

// The defaults of a Config.
const (
	DefaultReaders    = 4
	DefaultCacheBytes = 2 << 20
	busyTimeout       = 5 * time.Second // for another process that is writing
)

// Config of a Store. The zero value of a field takes its default.
type Config struct {
	Path       string // of the file; required. Its directory is made if missing
	Readers    int    // connections for reading; default 4
	CacheBytes int    // page cache of each connection; default 2 MiB

	Logger *slog.Logger // default: discards
}

// Store is one SQLite file.
type Store struct {
	read   *sql.DB
	log    *slog.Logger
	clocks batch.Clocks

	mu      sync.Mutex // one writer at a time; guards what follows
	db      *sql.DB    // one connection
	write   *writer
	targets map[event.Target]int64
	last    int64 // highest calls.seq
}

// Open opens the file, makes it if it is missing, and brings its schema up to
// date. Errors: KindUnavailable when the file cannot be used, KindConflict when
// a newer version has written it.
func Open(ctx context.Context, c Config) (*Store, error) {
	const op = "sqlite.Open"
	if err := c.check(op); err != nil {
		return nil, err
	}
	s, err := untilFree(ctx, func() (*Store, error) { return openOnce(ctx, c) })
	return s, failure(op, err)
}

// check puts the defaults in.
func (c *Config) check(op string) error {
	if c.Path == "" {
		return model.Invalidf(op, "path", "is missing")
	}
	if c.Readers == 0 {
		c.Readers = DefaultReaders
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = DefaultCacheBytes
	}
	if c.Readers < 0 || c.CacheBytes < 0 {
		return model.Invalidf(op, "readers", "must not be negative, nor cache_bytes")
	}
	return nil
}

// untilFree tries again what another process stands in the way of, for a while.
func untilFree[T any](ctx context.Context, f func() (T, error)) (T, error) {
	for deadline := time.Now().Add(busyTimeout); ; {
		v, err := f()
		if !isBusy(err) || time.Now().After(deadline) {
			return v, err
		}
		select {
		case <-ctx.Done():
			return v, err
		case <-time.After(busyPause):
		}
	}
}

// busyPause is between two attempts to open a file that another process is
// just switching to its write-ahead log or back: SQLite does not wait for that.
const busyPause = 10 * time.Millisecond

func openOnce(ctx context.Context, c Config) (*Store, error) {
	if _, err := create(ctx, c); err != nil {
		return nil, err
	}
	s := &Store{targets: map[event.Target]int64{}, log: c.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.open(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// create makes the file if it is missing, readable by its owner alone; SQLite
// gives its companions (-wal, -shm) the same mode. A new file gets its schema
// without waiting for the disk: there is nothing in it yet to lose.
func create(ctx context.Context, c Config) (applied []string, err error) {
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(c.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil || info.Size() > 0 {
		return nil, err
	}
	db, err := sql.Open("sqlite", source(c, "immediate", "OFF"))
	if err != nil {
		return nil, err
	}
	applied, err = migrate(ctx, db)
	return applied, errors.Join(err, db.Close())
}

func (s *Store) open(ctx context.Context, c Config) (err error) {
	if s.db, err = sql.Open("sqlite", source(c, "immediate", "NORMAL")); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1)
	if _, err := migrate(ctx, s.db); err != nil {
		return err
	}
	if s.write, err = newWriter(ctx, s.db); err != nil {
		return err
	}
	if s.read, err = sql.Open("sqlite", source(c, "deferred", "NORMAL")+"&_pragma=query_only(1)"); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(c.Readers)
	s.read.SetMaxIdleConns(2)
	s.read.SetConnMaxIdleTime(time.Minute)
	return s.restart(ctx)
}

func source(c Config, lock, synchronous string) string {
	return address(c, url.Values{"_txlock": {lock}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"journal_mode(WAL)", "synchronous(" + synchronous + ")", "foreign_keys(1)", "temp_store(MEMORY)",
		fmt.Sprintf("cache_size(-%d)", c.CacheBytes>>10),
	}})
}

// readSource opens a file that is there as it is.
func readSource(c Config) string {
	return address(c, url.Values{"mode": {"rw"}, "_pragma": { // rw: to read a file with a log takes its index, which is written
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "query_only(1)",
	}})
}

func address(c Config, q url.Values) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: c.Path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// Close closes the file. Nothing may use the Store afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

// failure classifies an error of the database; one that is classified already
// is passed on.
func failure(op string, err error) error {
	var known *model.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if isConstraint(err) {
		return &model.Error{Op: op, Kind: model.KindInvalid, Message: "the database refuses the values", Err: err}
	}
	return unavailable(op, "the database cannot be reached", err)
}

func unavailable(op, message string, err error) error {
	return &model.Error{Op: op, Kind: model.KindUnavailable, Message: message, Err: err}
}
