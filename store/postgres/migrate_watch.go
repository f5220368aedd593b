package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// watcher tells the log that migrations go on, and by whom they are kept waiting.
type watcher struct {
	*migration
	server int32 // process of the server that applies them

	mu     sync.Mutex // guards what follows
	name   string     // of the migration under way; "": it pauses
	last   string     // of the latest under way
	waits  bool       // for a lock
	holder string     // of the latest lock that it waited for, as far as known
}

// watch begins to look and to tell; stop ends that.
func (m *migration) watch(ctx context.Context, tx pgx.Tx) (w *watcher, stop func(), err error) {
	w = &watcher{migration: m}
	if err := tx.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&w.server); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { w.run(ctx) })
	return w, func() { cancel(); running.Wait() }, nil
}

func (w *watcher) run(ctx context.Context) {
	began := time.Now()
	look, remind := time.NewTicker(w.tableWait/2), time.NewTicker(w.remind)
	defer look.Stop()
	defer remind.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			w.look(ctx)
		case <-remind.C:
			w.tell(ctx, time.Since(began).Round(time.Second))
		}
	}
}

// begin says that a migration is under way.
func (w *watcher) begin(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.name, w.last = name, name
}

// missed says that a lock was not to be had, and that there is a pause.
func (w *watcher) missed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.name, w.waits = "", true
}

// look finds out whether the migration under way waits for a lock, and who has
// that. Where no connection is to be had for it, that stays unknown.
func (w *watcher) look(ctx context.Context) {
	if w.pauses() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, w.tableWait)
	defer cancel()
	var holder string
	err := w.pool.QueryRow(ctx, `SELECT coalesce(string_agg(concat_ws(' ', 'process', b.pid, 'of', a.usename, '(' || nullif(a.application_name, '') || ')'), ', '), '')
		FROM unnest(pg_blocking_pids($1)) AS b(pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid`, w.server).Scan(&holder)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || w.name == "" {
		return
	}
	if w.waits = holder != ""; w.waits {
		w.holder = holder
	}
}

func (w *watcher) pauses() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.name == ""
}

func (w *watcher) tell(ctx context.Context, since time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.waits {
		w.log.WarnContext(ctx, "the schema is still being brought up to date; a large database takes long", "migration", w.last, "since", since)
		return
	}
	w.log.WarnContext(ctx, "the schema is not brought up to date yet: a table is in use; it is tried again every few seconds, so that calls are stored meanwhile",
		"migration", w.last, "used_by", w.holder, "since", since)
}
