package event

import (
	"log/slog"
	"time"

	"github.com/cartrita/cartrita/model"
)

// SyncMode says when an outcome counts as recorded.
type SyncMode uint8

// The modes.
const (
	SyncNone  SyncMode = iota // in the file: survives the death of the process
	SyncBatch                 // on the disk: survives a power loss; concurrent callers share an fsync
)

// The defaults of a Config.
const (
	DefaultSegmentBytes = 32 << 20
	DefaultMaxBytes     = 1 << 30
	DefaultBatchCalls   = 1000
	DefaultBatchDelay   = time.Second
	DefaultQueueCalls   = 4096

	minSegmentBytes = 4 << 10
)

// Config of a Log. The zero value of a field takes its default.
type Config struct {
	Dir  string // of the spool; "" keeps outcomes in memory only, until they are in the Sink
	Sink Sink   // required
	// Notices keeps what is not about one call; default: nobody does.
	Notices NoticeStore
	// Shared has calls shown to others before they are stored; default: they are not.
	Shared *SharedConfig
	Clock  func() time.Time // default time.Now
	Logger *slog.Logger     // default discards

	Sync         SyncMode      // default SyncNone
	SegmentBytes int64         // size at which a segment file ends; default 32 MiB
	MaxBytes     int64         // of all segment files; default 1 GiB. The last eighth is kept for outcomes
	BatchCalls   int           // most calls in one batch, and the number that starts one at once; default 1,000
	BatchDelay   time.Duration // longest wait for a batch to fill; default 1 s
	QueueCalls   int           // outcomes held in memory where the spool cannot hold them; default 4,096

	disk disk // of tests; default Dir in the file system
}

func (c Config) withDefaults() (Config, error) {
	const op = "event.Open"
	if c.Sink == nil {
		return c, model.Invalidf(op, "sink", "is missing")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Sync > SyncBatch {
		return c, model.Invalidf(op, "sync", "is %d, want SyncNone or SyncBatch", c.Sync)
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = DefaultSegmentBytes
	}
	if c.SegmentBytes < minSegmentBytes {
		return c, model.Invalidf(op, "segment_bytes", "is %d, want at least %d", c.SegmentBytes, minSegmentBytes)
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = max(DefaultMaxBytes, 4*c.SegmentBytes)
	}
	if c.MaxBytes < 2*c.SegmentBytes {
		return c, model.Invalidf(op, "max_bytes", "is %d, want at least two segments, %d", c.MaxBytes, 2*c.SegmentBytes)
	}
	if c.BatchDelay == 0 {
		c.BatchDelay = DefaultBatchDelay
	}
	if c.BatchDelay < 0 {
		return c, model.Invalidf(op, "batch_delay", "is %s, want more than zero", c.BatchDelay)
	}
	for _, n := range []struct {
		name string
		v    *int
		def  int
	}{
		{"batch_calls", &c.BatchCalls, DefaultBatchCalls},
		{"queue_calls", &c.QueueCalls, DefaultQueueCalls},
	} {
		if *n.v == 0 {
			*n.v = n.def
		}
		if *n.v < 1 {
			return c, model.Invalidf(op, n.name, "is %d, want at least 1", *n.v)
		}
	}
	return c, nil
}
