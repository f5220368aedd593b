package gateway

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/event"
)

// maxSameTime bounds the notices of one instant, which no page parts.
const maxSameTime = 10_000

// noMoreCalls is the place among the calls of a page behind which only notices
// are left.
const noMoreCalls = "-"

// eventCursor is where a page of events ends: among the calls, and in time for
// the notices between them.
type eventCursor struct {
	calls string
	until time.Time // notices before it are still to come; zero: all are
}

func readEventCursor(q *query) eventCursor {
	text := q.optional("cursor") // empty for the first page
	calls, micros, ok := strings.Cut(text, ".")
	if text == "" {
		return eventCursor{}
	}
	at, err := strconv.ParseInt(micros, 36, 64)
	if !ok || err != nil {
		q.fail("cursor", "is not one that a page gave")
	}
	return eventCursor{calls, time.UnixMicro(at).UTC()}
}

func (c *eventCursor) String() string {
	return c.calls + "." + strconv.FormatInt(c.until.UnixMicro(), 36)
}

// wantsCalls reports whether events of calls are asked for at all.
func wantsCalls(f *event.Filter) bool {
	return f.Kinds == nil || slices.ContainsFunc(f.Kinds, func(k event.Kind) bool { return slices.Contains(event.CallKinds, k) })
}

// notices reads the notices of the time that a page of calls spans, latest
// first, and returns the cursor behind the page; "" at the end. There are at most
// as many as calls in a page, but for those of one instant: where more fall into
// the time, the rest is on the next page. A filter that asks something of calls
// wants none.
func (g *Gateway) notices(ctx context.Context, f *event.Filter, page *event.Page, cursor eventCursor) ([]event.Notice, string, error) {
	since, until, next := f.Since, f.Until, ""
	if !cursor.until.IsZero() {
		until = cursor.until
	}
	if page.Next != "" {
		since = page.Calls[len(page.Calls)-1].Ended
		next = (&eventCursor{page.Next, since}).String()
	}
	var kinds []event.Kind
	for _, k := range event.NoticeKinds {
		if f.Match(event.Event{Kind: k}) {
			kinds = append(kinds, k)
		}
	}
	if g.cfg.Notices == nil || kinds == nil {
		return nil, next, nil
	}
	limit := cmp.Or(f.Limit, event.DefaultLimit)
	list, err := g.cfg.Notices.Notices(ctx, kinds, since, until, limit+1)
	if err != nil || len(list) <= limit {
		return list, next, err
	}
	last := list[limit-1].At
	list = slices.DeleteFunc(list, func(n event.Notice) bool { return !n.At.After(last) })
	same, err := g.cfg.Notices.Notices(ctx, kinds, last, last.Add(time.Microsecond), maxSameTime)
	return append(list, same...), (&eventCursor{cmp.Or(page.Next, noMoreCalls), last}).String(), err
}

// eventsOf lists the events of a page, latest first; those of one call stay
// together, notices stand between the calls.
func eventsOf(page *event.Page, notices []event.Notice, f event.Filter) []event.Event {
	events := []event.Event{}
	for i := range page.Calls {
		c := &page.Calls[i]
		for len(notices) > 0 && notices[0].At.After(c.Ended) {
			events = append(events, notices[0].Event())
			notices = notices[1:]
		}
		one := event.Page{Calls: page.Calls[i : i+1]}
		events = append(events, one.Events(f)...)
	}
	for i := range notices {
		events = append(events, notices[i].Event())
	}
	return events
}
