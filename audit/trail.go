package audit

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Store keeps the trail. It appends by itself what it is told to change.
// Implementations are safe for concurrent use. Errors: KindUnavailable.
type Store interface {
	// Trail lists the entries that a filter asks for, latest first.
	Trail(ctx context.Context, f Filter) ([]Entry, error)

	// WalkTrail shows all entries, oldest first, some at a time, until visit
	// returns an error, which it passes on.
	WalkTrail(ctx context.Context, visit func([]Entry) error) error

	// CopyTrail appends entries of another trail as they are. KindConflict unless
	// they follow the last.
	CopyTrail(ctx context.Context, entries []Entry) error
}

// Filter asks for entries. Zero values ask for all.
type Filter struct {
	Since  time.Time
	Until  time.Time // exclusive
	Actor  string    // an actor or a name
	Action string    // an action, or what it is about: "key"
	Object string
	Before int64 // only entries with a lower number
	Limit  int   // default DefaultLimit
}

// The numbers of entries of a page.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// PageSize is the number of entries wanted.
func (f *Filter) PageSize() int { return min(cmp.Or(f.Limit, DefaultLimit), MaxLimit) }

// Check returns an error of KindInvalid for a filter by an action that there is
// not, or between times that are the wrong way round.
func (f *Filter) Check() error {
	if err := model.CheckTimes("audit.Filter", f.Since, f.Until); err != nil {
		return err
	}
	var known []string
	for _, a := range Actions() {
		known = append(known, string(a))
		if (&Filter{Action: f.Action}).Match(&Entry{Change: Change{Action: a}}) {
			return nil
		}
	}
	return model.Invalidf("audit.Filter", "action", "is %.40q: want one of %s, or what it is about, such as key", f.Action, strings.Join(known, ", "))
}

// Match reports whether an entry is asked for.
func (f *Filter) Match(e *Entry) bool {
	return (f.Since.IsZero() || !e.At.Before(f.Since)) && (f.Until.IsZero() || e.At.Before(f.Until)) &&
		(f.Actor == "" || f.Actor == e.Actor || f.Actor == e.Name) &&
		(f.Action == "" || f.Action == string(e.Action) || strings.HasPrefix(string(e.Action), f.Action+".")) &&
		(f.Object == "" || f.Object == e.Object) && (f.Before == 0 || e.Seq < f.Before)
}

// Report is what a verification found.
type Report struct {
	Entries int64   `json:"entries"` // that were read, up to the broken one
	Head    Hash    `json:"head"`    // of the last entry; zeros for an empty trail
	Broken  *Broken `json:"broken,omitempty"`
}

// Broken is the first place at which a trail is not what it was.
type Broken struct {
	Seq int64  `json:"seq"` // of the entry
	Why string `json:"why"`
}

// Verify reads a whole trail. head is the hash of an entry that somebody
// remembers, which must be on it; nil: nobody does. Errors are those of the store:
// that the trail is broken is in the report.
func Verify(ctx context.Context, s Store, head *Hash) (Report, error) {
	v := Verifier{remembered: head}
	err := s.WalkTrail(ctx, func(entries []Entry) error {
		for i := range entries {
			if !v.Check(&entries[i]) {
				return errBroken
			}
		}
		return ctx.Err()
	})
	if err != nil && err != errBroken { //nolint:errorlint // it is passed on as it is
		return Report{}, err
	}
	return v.End(), nil
}

var errBroken = model.Errorf("audit.Verify", model.KindConflict, "the trail is broken")

// Verifier checks a trail, entry by entry.
type Verifier struct {
	report     Report
	last       Entry
	remembered *Hash
	seen       bool // the remembered hash
}

// Check takes the next entry, and reports whether the trail is whole so far.
func (v *Verifier) Check(e *Entry) bool {
	switch next := v.last.Seq + 1; {
	case e.Seq > next:
		v.broken(next, "%s missing before entry %d", missing(next, e.Seq-1), e.Seq)
	case e.Seq < next:
		v.broken(e.Seq, "entry %d stands behind entry %d", e.Seq, v.last.Seq)
	case e.Hash != e.sum():
		v.broken(e.Seq, "entry %d was changed: its contents do not have its hash", e.Seq)
	case e.Prev != v.last.Hash:
		v.broken(e.Seq, "entry %d does not follow the one before it, which was replaced", e.Seq)
	default:
		v.report.Entries++
		v.report.Head, v.last = e.Hash, *e
		v.seen = v.seen || v.remembered != nil && *v.remembered == e.Hash
		return true
	}
	return false
}

func missing(first, last int64) string {
	if first == last {
		return fmt.Sprintf("entry %d is", first)
	}
	return fmt.Sprintf("entries %d to %d are", first, last)
}

func (v *Verifier) broken(seq int64, format string, args ...any) {
	v.report.Broken = &Broken{seq, fmt.Sprintf(format, args...)}
}

// End returns what was found.
func (v *Verifier) End() Report {
	if v.report.Broken == nil && v.remembered != nil && !v.seen {
		v.broken(v.last.Seq+1, "no entry has the hash %s: entries behind number %d were cut off, or the trail was made anew", *v.remembered, v.last.Seq)
	}
	return v.report
}
