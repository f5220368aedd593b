package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/sse"
	"github.com/cartrita/cartrita/model"
)

type eventsTailCmd struct {
	eventFilter
	Count int `short:"n" help:"Stop after this many events. Default: never." placeholder:"N"`
}

// Help says what becomes of events that cannot be shown.
func (cmd *eventsTailCmd) Help() string {
	return `When the gateway ends or cannot be reached, the command says so on standard error and connects again by itself,
unless --timeout is given: then it ends, at the latest when that time is over. It also says how many events were
missed because they were read too slowly. cartrita events list has what was missed.`
}

// Run follows events until it is interrupted.
func (cmd *eventsTailCmd) Run(a *app, g *globals, p *printer) error {
	if err := wantNumber("--count", cmd.Count, 0); err != nil {
		return err
	}
	c, err := a.connect(g)
	if err != nil {
		return err
	}
	defer func() { c.close() }()
	if c.stop != nil {
		return model.Errorf("", model.KindUnavailable, "no gateway is running whose events could be followed: start one with cartrita serve, or name it with --server")
	}
	t := &tail{p: p, query: cmd.query(), left: cmd.Count, endless: cmd.Count == 0}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		before := t.alive
		err := t.follow(a.ctx, c)
		switch {
		case a.ctx.Err() != nil:
			return nil // Ctrl-C is how one stops following
		case err == nil || t.alive.IsZero() || g.Timeout != 0 || !passes(err):
			return err
		case t.alive != before:
			wait = firstRetry
			p.notef("%s; connecting again", failureText(model.AsError(err)))
		}
		select {
		case <-a.ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if again := a.running(g); again != nil { // it may listen elsewhere now
			c.close()
			c = again
		}
	}
}

// passes reports whether an error may be over after a while.
func passes(err error) bool {
	switch model.KindOf(err) {
	case model.KindUnavailable, model.KindTimeout, model.KindUpstream:
		return true
	}
	return false
}

// deadAfter is how long a feed may show no sign of life; a gateway gives one
// every 15 seconds.
const deadAfter = 45 * time.Second

var errDead = errors.New("no sign of life for 45 seconds")

// tail is how far events were followed, over one feed after the other.
type tail struct {
	p       *printer
	query   url.Values
	left    int // events to show
	endless bool
	alive   time.Time // when something last came; zero before the first feed
}

// follow shows the events of one feed. It returns nil when all were shown that
// were asked for, or their time is over.
func (t *tail) follow(ctx context.Context, c *client) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	resp, err := c.do(ctx, http.MethodGet, "/api/v1/events/stream", t.query, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case !t.alive.IsZero():
		since := t.alive.UTC().Format(time.RFC3339)
		t.p.notef("connected again; events from %s until now may be missing here: cartrita events list --since %s has them", since, since)
	case !t.p.json:
		t.p.eventTable().header(liveWidths)
	}
	dead := time.AfterFunc(deadAfter, func() { cancel(errDead) })
	defer dead.Stop()
	for events := sse.NewReader(resp.Body, nil, 16<<20); t.endless || t.left > 0; {
		dead.Reset(deadAfter)
		e, err := events.Next()
		dead.Stop() // writing takes what time it takes
		switch {
		case errors.Is(err, context.DeadlineExceeded) && !t.alive.IsZero():
			return nil // it was followed for as long as --timeout says
		case err != nil:
			return c.feedEnded(ctx, err)
		}
		t.alive = time.Now()
		if len(e.Data) == 0 {
			continue // a sign of life
		}
		if string(e.Name) == "error" {
			if err := c.refused(e.Data, http.StatusUnauthorized); err != nil {
				return err
			}
		}
		shown, err := t.p.liveEvent(e.Data)
		if err != nil {
			return err
		}
		if shown {
			t.left--
		}
	}
	return nil
}

// feedEnded says why nothing more comes.
func (c *client) feedEnded(ctx context.Context, err error) error {
	switch {
	case errors.Is(context.Cause(ctx), errDead):
		return model.Errorf("", model.KindTimeout, "%s gives %v", c.where, errDead)
	case errors.Is(err, io.EOF):
		return model.Errorf("", model.KindUnavailable, "%s ended the feed", c.where)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return model.Errorf("", model.KindUnavailable, "the feed of %s broke off", c.where)
	}
	return c.unreachable(err)
}

// liveWidths are the columns of the events that are followed: they cannot be
// fitted to what is yet to come.
var liveWidths = []int{18, 22, 36, 14, 9, 36, 60}

// liveEvent prints one event at once, and reports whether it is one that
// happened and not one about the feed.
func (p *printer) liveEvent(data []byte) (happened bool, err error) {
	e, err := decode[event.Event](data)
	if err != nil {
		return false, err
	}
	if e.Missed > 0 {
		p.notef("%d %s missed because this reader was too slow: cartrita events list has %s",
			e.Missed, agree(int64(e.Missed), "event was", "events were"), agree(int64(e.Missed), "it", "them"))
	}
	happened = e.Kind != event.EventsMissed
	switch {
	case p.json:
		return happened, p.line(json.RawMessage(data))
	case happened:
		p.eventTable().line(p.eventCells(&e), liveWidths)
	}
	return happened, nil
}
