package main

import (
	"context"
	"log/slog"
	"sync"
)

// startLog is the log of a start that is tried again and again: until it is done,
// nothing is told twice in the same words.
type startLog struct {
	slog.Handler
	told *told
}

// told remembers lines of a log.
type told struct {
	mu    sync.Mutex
	lines map[string]bool // nil: the start is done
}

func newStartLog(log *slog.Logger) (_ *slog.Logger, done func()) {
	t := &told{lines: map[string]bool{}}
	return slog.New(startLog{log.Handler(), t}), t.done
}

func (t *told) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = nil
}

// before reports whether a line was told, and takes it for told from then on.
func (t *told) before(r *slog.Record) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		return false
	}
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	was := t.lines[line]
	t.lines[line] = true
	return was
}

// Handle implements slog.Handler.
func (l startLog) Handle(ctx context.Context, r slog.Record) error {
	if l.told.before(&r) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l startLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return startLog{l.Handler.WithAttrs(attrs), l.told}
}

// WithGroup implements slog.Handler.
func (l startLog) WithGroup(name string) slog.Handler {
	return startLog{l.Handler.WithGroup(name), l.told}
}
