package config

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long the directory must be quiet before a changed file is
// read: editors and deployments write in several steps.
const (
	settle       = 150 * time.Millisecond
	settleAtMost = time.Second // for a directory that is never quiet
)

// WatcherConfig says what a Watcher watches and whom it tells.
type WatcherConfig struct {
	Current *Loaded // the configuration in force

	// Apply puts a new configuration in force. It is called from Run alone,
	// with the differences; they are not empty. After an error the old one
	// stays in force.
	Apply func(ctx context.Context, next *Loaded, diff []Change) error

	Logger *slog.Logger // default slog.Default()
}

// Watcher reloads a configuration. See the package comment.
type Watcher struct {
	opts    Options
	apply   func(context.Context, *Loaded, []Change) error
	log     *slog.Logger
	trigger chan struct{}
	shares  chan share
	current atomic.Pointer[Loaded]
	seen    []byte // content of the file at the last look, good or bad
}

// share is a shared configuration to put in force, and who waits for that.
type share struct {
	Shared
	done chan error
}

// NewWatcher makes a Watcher. It does no I/O.
func NewWatcher(c WatcherConfig) *Watcher {
	w := &Watcher{opts: c.Current.opts, apply: c.Apply, log: c.Logger, trigger: make(chan struct{}, 1), shares: make(chan share)}
	if w.log == nil {
		w.log = slog.Default()
	}
	if w.opts.ReadFile == nil {
		w.opts.ReadFile = os.ReadFile
	}
	w.current.Store(c.Current)
	w.seen = c.Current.data
	return w
}

// Current returns the configuration in force.
func (w *Watcher) Current() *Loaded { return w.current.Load() }

// Reload asks for a reload whether or not the file changed, as SIGHUP does. It
// does not wait.
func (w *Watcher) Reload() {
	select {
	case w.trigger <- struct{}{}:
	default: // one is asked for already
	}
}

// Share puts another shared configuration in force beneath the file, and waits
// for that. Errors: those of Load and of Apply, after which the old one stays in
// force; the cause of ctx.
func (w *Watcher) Share(ctx context.Context, s Shared) error {
	ask := share{s, make(chan error, 1)}
	select {
	case w.shares <- ask:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-ask.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Run watches until ctx ends. Where the file system cannot be watched it logs
// that and serves Reload alone.
func (w *Watcher) Run(ctx context.Context) {
	dir := w.watch()
	if dir.Watcher != nil {
		defer func() { _ = dir.Close() }() // its goroutine ends with it
	}
	if w.opts.File != "" && w.changed() { // since it was loaded, while nobody watched
		w.reload(ctx)
	}
	quiet := time.NewTimer(settle)
	quiet.Stop()
	defer quiet.Stop()
	var latest time.Time // zero: nothing happened since it was looked at last
	soon := func() {
		// Other files of the directory may be written without end.
		now := time.Now()
		if latest.IsZero() {
			latest = now.Add(settleAtMost)
		}
		quiet.Reset(min(settle, latest.Sub(now)))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.trigger:
			w.reload(ctx)
		case s := <-w.shares:
			s.done <- w.share(ctx, s.Shared)
		case <-dir.Events:
			soon()
		case err := <-dir.Errors: // events were lost
			w.log.Debug("changes of the configuration may have been missed", "error", err)
			soon()
		case <-quiet.C:
			latest = time.Time{}
			if w.changed() {
				w.reload(ctx)
			}
		}
	}
}

// watch reports changes in the file's directory: the file itself may be
// replaced, or be a link into a directory that is.
func (w *Watcher) watch() directory {
	if w.opts.File == "" {
		return directory{}
	}
	fs, err := fsnotify.NewWatcher()
	if err == nil {
		err = fs.Add(filepath.Dir(w.opts.File))
	}
	if err != nil {
		w.log.Warn("the configuration is not watched for changes; send SIGHUP to reload it", "file", w.opts.File, "error", err)
		if fs != nil {
			_ = fs.Close() // nothing was watched
		}
		return directory{}
	}
	return directory{fs, fs.Events, fs.Errors}
}

// directory is one that is watched. The zero directory reports nothing.
type directory struct {
	*fsnotify.Watcher
	Events <-chan fsnotify.Event
	Errors <-chan error
}

func (w *Watcher) changed() bool {
	data, err := w.opts.ReadFile(w.opts.File)
	return err != nil || !bytes.Equal(data, w.seen)
}

func (w *Watcher) reload(ctx context.Context) {
	if w.opts.File != "" {
		w.seen, _ = w.opts.ReadFile(w.opts.File) // Load reports what is wrong with it
	}
	next, err := Load(w.opts)
	if err != nil {
		problems := Problems(err)
		for _, p := range problems {
			w.log.Error("configuration: " + p.String())
		}
		w.log.Error("the configuration was not reloaded; the last good one stays in force", "problems", len(problems))
		return
	}
	if err := w.replace(ctx, next); err != nil {
		w.log.Error("the configuration was not applied; the last good one stays in force", "error", err)
	}
}

// share takes another shared configuration. The file stays as it was read last,
// when that was good.
func (w *Watcher) share(ctx context.Context, s Shared) error {
	next, err := w.Current().WithShared(s)
	if err == nil {
		err = w.replace(ctx, next)
	}
	if err == nil {
		w.opts.Shared = s
	}
	return err
}

// replace puts a configuration in force and says what is different.
func (w *Watcher) replace(ctx context.Context, next *Loaded) error {
	diff := Diff(&w.Current().Config, &next.Config)
	if len(diff) == 0 {
		w.current.Store(next)
		w.log.Info("configuration reloaded without a difference")
		return nil
	}
	if err := w.apply(ctx, next, diff); err != nil {
		return err
	}
	w.current.Store(next)
	for _, p := range next.Warnings {
		w.log.Warn("configuration: " + p.String())
	}
	for _, c := range diff {
		w.log.Info("configuration changed", "path", c.Path, "from", c.Old, "to", c.New, "restart_needed", c.Restart)
	}
	return nil
}
