package archive

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// Source shows the calls of a store by their numbers. Errors: KindUnavailable.
type Source interface {
	// NextCall returns the lowest number of a call from a number on; 0 for none.
	NextCall(ctx context.Context, from int64) (int64, error)
	// Span looks at the calls with from ≤ number < below.
	Span(ctx context.Context, from, below int64) (Span, error)
	// WalkNumbers shows these calls in order, some at a time, as event.History's
	// Walk does. KindInternal for documents that are damaged.
	WalkNumbers(ctx context.Context, from, below int64, visit func([]event.Call) error) error
	// CallStarts is database.Export's.
	CallStarts(ctx context.Context, first, last int64) (map[int64]time.Time, error)
	// FeedReaders returns how far each reader of the feed came.
	FeedReaders(ctx context.Context) ([]Reader, error)
}

// Store is what calls leave. A term is that of the replica that does it; 0 by
// hand. Errors: KindUnavailable, KindConflict for a term that is over.
type Store interface {
	Source
	event.Departing // calls below its boundary are gone, or going
	// Seal keeps calls that are stored from now on from getting a lower number.
	Seal(ctx context.Context, term, below int64) error
	// MoveBoundary moves it, and puts that on the audit trail. KindConflict unless it
	// is where it is moved from.
	MoveBoundary(ctx context.Context, term int64, m Move) error
	// RemoveCalls removes some calls below the boundary with their documents, and
	// says how many. It is done when none is left.
	RemoveCalls(ctx context.Context, term int64) (removed int64, done bool, err error)
}

// Span is what there is of calls between two numbers.
type Span struct {
	First, Last int64 // numbers; 0: no calls
	Calls       int64
}

// Move is what leaves when the boundary moves.
type Move struct {
	From, To int64 // numbers
	Day      string
	Calls    int64
	SHA256   string // of the file; "": dropped
}

// Reader is how far a reader of the feed came.
type Reader struct {
	Name  string
	Calls int64     // number of the last call that it has passed
	Until time.Time // to when somebody holds or held it
}

// abandoned is when a reader that nobody holds is waited for no more: its sink
// is in no configuration.
const abandoned = 7 * 24 * time.Hour

// Config of an Archiver.
type Config struct {
	Store  Store
	Dir    string           // that days are written to; made if missing. "": they are dropped
	Sinks  []string         // readers that are waited for however long nobody holds them
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default: discards
}

// Archiver moves calls out of a store.
type Archiver struct {
	cfg  Config
	told string // what was said of days that are held back
}

// New makes an Archiver without touching anything.
func New(c Config) *Archiver {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Archiver{cfg: c}
}

// Configure changes the folder and the sinks for the next run.
func (a *Archiver) Configure(dir string, sinks []string) { a.cfg.Dir, a.cfg.Sinks = dir, sinks }

// Day is a day whose calls leave the store, or would.
type Day struct {
	Day   string `json:"day"` // 2006-01-02
	Calls int64  `json:"calls"`
	File  string `json:"file,omitempty"` // "": dropped, or not done
	// Beside names a file of the day that was there and holds other calls: of
	// another database, or of another copy of this one. It stays.
	Beside string `json:"beside,omitempty"`
	// Held names the sink that has not passed all of the calls; the day stays.
	Held string `json:"held_back_by,omitempty"`
}

const dayMicros = int64(24 * time.Hour / time.Microsecond)

// dayOf returns the numbers of the day that a number is in.
func dayOf(number int64) (from, below int64) {
	from = number - number%dayMicros
	return from, from + dayMicros
}

func dayName(from int64) string { return time.UnixMicro(from).UTC().Format(time.DateOnly) }

// Run moves out the days that ended by a time, and first what a former run left.
// It returns the days that it moved out and, last, the one that is held back. It
// stops when ctx ends or the term is over; what it began is finished by another
// run. Errors: those of the store; KindUnavailable when the folder cannot be
// written.
func (a *Archiver) Run(ctx context.Context, f cluster.Fence, until time.Time) (days []Day, err error) {
	if err := a.remove(ctx, f); err != nil {
		return nil, err
	}
	if a.cfg.Dir != "" {
		if err := tidy(a.cfg.Dir, a.cfg.Now()); err != nil {
			return nil, err
		}
	}
	err = a.each(ctx, until, func(from, below int64, d *Day) error {
		if d.Held == "" {
			if err := a.move(ctx, f, from, below, d); err != nil {
				return err
			}
		}
		days = append(days, *d)
		return nil
	})
	return days, err
}

// Pending returns what Run would move out, and changes nothing.
func (a *Archiver) Pending(ctx context.Context, until time.Time) (days []Day, err error) {
	err = a.each(ctx, until, func(_, _ int64, d *Day) error {
		days = append(days, *d)
		return nil
	})
	return days, err
}

// each shows the days with calls behind the boundary that ended by a time, up to
// the first that is held back.
func (a *Archiver) each(ctx context.Context, until time.Time, visit func(from, below int64, d *Day) error) error {
	end, _ := dayOf(until.UnixMicro())
	next, err := a.cfg.Store.Boundary(ctx)
	if err != nil {
		return err
	}
	for {
		if next, err = a.cfg.Store.NextCall(ctx, next); err != nil || next == 0 || next >= end {
			return err
		}
		from, below := dayOf(next)
		span, err := a.cfg.Store.Span(ctx, from, below)
		if err != nil {
			return err
		}
		d := Day{Day: dayName(from), Calls: span.Calls}
		if d.Held, err = a.heldBack(ctx, span.Last); err != nil {
			return err
		}
		if err := visit(from, below, &d); err != nil {
			return err
		}
		if a.tell(&d); d.Held != "" {
			return nil
		}
		next = below
	}
}

// heldBack names a reader that has not passed a call yet.
func (a *Archiver) heldBack(ctx context.Context, number int64) (string, error) {
	readers, err := a.cfg.Store.FeedReaders(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range readers {
		if r.Calls < number && (a.cfg.Now().Sub(r.Until) < abandoned || slices.Contains(a.cfg.Sinks, r.Name)) {
			return r.Name, nil
		}
	}
	return "", nil
}

// tell warns once of what holds calls back.
func (a *Archiver) tell(d *Day) {
	said := ""
	if d.Held != "" {
		said = d.Day + " " + d.Held
	}
	if said != "" && said != a.told {
		a.cfg.Logger.Warn("calls that are to leave the store are held back: a sink has not been sent all of them", "sink", d.Held, "day", d.Day, "calls", d.Calls)
	}
	a.told = said
}

// move takes one day out of the store.
func (a *Archiver) move(ctx context.Context, f cluster.Fence, from, below int64, d *Day) error {
	began := a.cfg.Now()
	boundary, err := a.cfg.Store.Boundary(ctx)
	if err != nil {
		return err
	}
	if err := a.step(ctx, f, func() error { return a.cfg.Store.Seal(ctx, f.Term, below) }); err != nil {
		return err
	}
	span, err := a.cfg.Store.Span(ctx, from, below) // some may have come before it was sealed
	if err != nil {
		return err
	}
	d.Calls = span.Calls
	if d.Held, err = a.heldBack(ctx, span.Last); err != nil || d.Held != "" {
		return err
	}
	m := Move{From: boundary, To: below, Day: d.Day, Calls: d.Calls}
	if a.cfg.Dir != "" {
		if d.File, m.SHA256, err = a.write(ctx, from, below, d); err != nil {
			return err
		}
	}
	if err := a.step(ctx, f, func() error { return a.cfg.Store.MoveBoundary(ctx, f.Term, m) }); err != nil {
		return err
	}
	if err := a.remove(ctx, f); err != nil {
		return err
	}
	a.cfg.Logger.Info("calls left the store", "day", d.Day, "calls", d.Calls, "file", d.File, "took", a.cfg.Now().Sub(began).Round(time.Millisecond))
	return nil
}

// step does something in the term of the fence only.
func (a *Archiver) step(ctx context.Context, f cluster.Fence, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.Check(); err != nil {
		return err
	}
	return do()
}

// remove removes what is left below the boundary, and leaves others as much time
// as it takes.
func (a *Archiver) remove(ctx context.Context, f cluster.Fence) error {
	for {
		began := time.Now()
		var done bool
		err := a.step(ctx, f, func() (err error) {
			_, done, err = a.cfg.Store.RemoveCalls(ctx, f.Term)
			return err
		})
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Since(began)):
		}
	}
}

// Until is the end of the days that are over when calls are kept for a while.
func Until(now time.Time, keep time.Duration) time.Time {
	return now.UTC().Add(-keep).Truncate(24 * time.Hour)
}

func unavailable(dir string, err error) error {
	return &model.Error{Op: "archive.Run", Kind: model.KindUnavailable, Message: "the archive in " + dir + " cannot be written", Err: err}
}
