package event

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/cartrita/cartrita/model"
)

// SyncMode says when a frame counts as recorded.
type SyncMode uint8

// The modes.
const (
	SyncNone  SyncMode = iota // in the file: survives the death of the process
	SyncBatch                 // on the disk: survives a power loss; concurrent callers share an fsync
)

// Config of a Log. The zero value of a field takes its default.
type Config struct {
	Dir    string // of the spool; "" keeps outcomes in memory only, until they are in the Sink
	Sink   Sink   // required
	Clock  func() time.Time
	Logger *slog.Logger

	Sync         SyncMode      // default SyncNone
	SegmentBytes int64         // size at which a segment file ends; default 32 MiB
	MaxBytes     int64         // of all segment files; default 1 GiB
	BatchCalls   int           // calls that start a batch at once; default 1,000
	BatchDelay   time.Duration // longest wait for a batch to fill; default 200 ms
	QueueCalls   int           // finished calls held in memory; default 4,096
}

// Stats counts what a Log did since Open.
type Stats struct {
	Intents     uint64 // recorded
	Outcomes    uint64 // recorded, recovered ones included
	Stored      uint64 // calls handed to the Sink
	Batches     uint64
	SinkErrors  uint64 // failed batches; each is tried again
	Refused     uint64 // intents refused because the spool was full or failing
	Undurable   uint64 // outcomes kept in memory only because the spool was failing
	Lost        uint64 // outcomes lost because memory was full too
	Interrupted uint64 // intents of a dead process, closed as failed
	Corrupt     uint64 // bytes of the spool that were unreadable and skipped
	Missed      uint64 // events that slow subscribers did not get
	Pending     int    // calls with an intent and no outcome yet
	Waiting     int64  // bytes of spool not yet in the Sink
	SpoolBytes  int64  // of all segment files
	Segments    int
	Subscribers int
	SinkError   string // of the last batch, "" if it was stored
}

// Log records calls. Open, then Run until shutdown, then Close.
type Log struct{}

// Open opens the spool, recovers what a former process left, and closes its
// interrupted calls as failed. Errors: KindConflict when another process has
// the spool (the message names its pid), KindUnavailable when the directory
// cannot be used, KindInvalid for a bad Config.
func Open(c Config) (*Log, error) { panic("being written") }

// Intent records that a call is about to start: rec holds the plan and
// everything known so far, and is not kept. Errors: KindUnavailable when it
// cannot be recorded; the call should then not start.
func (l *Log) Intent(rec *model.Record) error { panic("being written") }

// Outcome records how a call ended and publishes its terminal events. The Log
// keeps rec: it must not be changed afterwards. A record in StatePlanned is a
// decision without a call; a call refused before its first attempt has an
// outcome and no intent. Call it once per call. Errors: KindUnavailable when
// the record is not durable (see Stats.Undurable and Lost).
func (l *Log) Outcome(rec *model.Record) error { panic("being written") }

// Pending returns the record of a call that is under way in this process, as
// its Intent recorded it.
func (l *Log) Pending(id model.CallID) (*model.Record, bool) { panic("being written") }

// Run moves outcomes to the Sink until ctx is done, then moves what is left,
// for at most five seconds, and returns. It must run once.
func (l *Log) Run(ctx context.Context) error { panic("being written") }

// Flush returns when every outcome recorded so far is in the Sink; while the
// Sink fails, it returns the Sink's error. Readers call it to see their own
// writes. It needs Run.
func (l *Log) Flush(ctx context.Context) error { panic("being written") }

// Subscribe returns events as they happen, from this moment until ctx is done,
// the loop ends, or the Log is closed. A subscriber that is slower than its
// queue loses events and is told how many (Event.Missed).
func (l *Log) Subscribe(ctx context.Context, f Filter) iter.Seq[Event] { panic("being written") }

// Stats returns the counters.
func (l *Log) Stats() Stats { panic("being written") }

// Close ends subscriptions and releases the spool. Call it after Run has returned.
func (l *Log) Close() error { panic("being written") }
