package event

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/cartrita/cartrita/model"
)

// The kinds of events that are not about one call.
const (
	BudgetCrossed    Kind = "budget.threshold_crossed" // a threshold or a ladder step, once per period
	BudgetOverridden Kind = "budget.override"          // somebody changed or suspended a budget for a time
	PriceUnknown     Kind = "price.unknown"            // an endpoint without a known price was used; once a day
	ConfigChanged    Kind = "config.changed"           // a version of the shared configuration was saved
	AlertFired       Kind = "alert.fired"              // an alert rule began to fire
	AlertResolved    Kind = "alert.resolved"           // and is over
)

// CallKinds are the kinds of the events of calls, NoticeKinds the others.
var (
	CallKinds   = []Kind{CallPlanned, CallStarted, CallCompleted, CallFailed, CostAccumulated}
	NoticeKinds = []Kind{BudgetCrossed, BudgetOverridden, PriceUnknown, ConfigChanged, AlertFired, AlertResolved}
)

// Notice is something that happened and is not about one call.
type Notice struct {
	ID   string          // UUIDv7; made by the Log
	Kind Kind            //
	Key  string          // what happens once: a second notice of the same kind and key is none
	At   time.Time       // when it happened; default: when it was noticed
	Data json.RawMessage // a JSON object
}

// Event returns the notice as subscribers see it.
func (n *Notice) Event() Event {
	return Event{ID: n.ID, Kind: n.Kind, At: n.At, Notice: n.Data}
}

// NoticeStore keeps notices. Implementations are safe for concurrent use.
// Errors: KindUnavailable when the store cannot be used now.
type NoticeStore interface {
	// AddNotice stores a notice unless there is one of its kind and key, and
	// reports whether it did.
	AddNotice(ctx context.Context, n Notice) (added bool, err error)
	// Notices lists notices of the kinds (nil: all) with since ≤ At < until, latest
	// first, at most limit; a zero time is no bound.
	Notices(ctx context.Context, kinds []Kind, since, until time.Time, limit int) ([]Notice, error)
}

// maxNotices bounds the notices that wait for the store. They are few: when the
// store is away for so long that more would wait, the newest are dropped and
// the log says so. Whoever gives notices repeats them at the next start.
const maxNotices = 10_000

// Notice records what is not about one call, without waiting for the store:
// once for a kind and key, also over restarts. It is published when it is
// stored. Without a NoticeStore in the Config it is published alone.
func (l *Log) Notice(kind Kind, key string, at time.Time, data any) {
	doc, err := json.Marshal(data)
	if err != nil {
		l.cfg.Logger.Error("a notice cannot be written as JSON", "kind", kind, "key", key, "err", err)
		return
	}
	if at.IsZero() {
		at = l.cfg.Clock()
	}
	n := Notice{ID: uuid.Must(uuid.NewV7()).String(), Kind: kind, Key: key, At: at.UTC().Truncate(time.Microsecond), Data: doc}
	if l.cfg.Notices == nil {
		l.publishNotice(&n)
		return
	}
	select {
	case l.notices <- n:
	default:
		l.cfg.Logger.Error("too many notices wait for the store; one is dropped", "kind", kind, "key", key)
	}
}

// publishNotice publishes a notice that was not shown yet.
func (l *Log) publishNotice(n *Notice) {
	if id, err := uuid.Parse(n.ID); err == nil && l.subs.first(model.CallID(id), true) {
		l.subs.publish([]Event{n.Event()})
	}
}

// storeNotices moves notices to the store until ctx is done, and then those
// that wait, for as long as the store takes them.
func (l *Log) storeNotices(ctx context.Context) {
	for {
		select {
		case n := <-l.notices:
			l.storeNotice(ctx, n)
		case <-ctx.Done():
			for {
				select {
				case n := <-l.notices:
					l.storeNotice(ctx, n)
				default:
					return
				}
			}
		}
	}
}

// storeNotice stores one notice. While the store is away it tries again; when
// ctx is done, once.
func (l *Log) storeNotice(ctx context.Context, n Notice) {
	for retry := firstRetry; ; retry = min(2*retry, lastRetry) {
		try, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		added, err := l.cfg.Notices.AddNotice(try, n)
		cancel()
		switch {
		case err == nil && added:
			l.publishNotice(&n)
			return
		case err == nil:
			return
		case ctx.Err() != nil:
			l.cfg.Logger.Error("a notice could not be stored", "kind", n.Kind, "key", n.Key, "err", err)
			return
		}
		timer := time.NewTimer(retry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}
