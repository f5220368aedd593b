package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/sse"
	"github.com/cartrita/cartrita/model"
)

type eventsTailCmd struct {
	eventFilter
	Count int `short:"n" help:"Stop after this many events. Default: never." placeholder:"N"`
}

// Run follows events until it is interrupted or the gateway stops.
func (cmd *eventsTailCmd) Run(a *app, g *globals, p *printer) error {
	if err := wantNumber("--count", cmd.Count, 0, 0); err != nil {
		return err
	}
	c, err := a.connect(g)
	if err != nil {
		return err
	}
	defer c.close()
	if c.stop != nil {
		return model.Errorf("", model.KindUnavailable, "no gateway is running whose events could be followed: start one with cartrita serve, or name it with --server")
	}
	resp, err := c.do(a.ctx, http.MethodGet, "/api/v1/events/stream", cmd.query(), "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if !p.json {
		p.eventTable().header(liveWidths)
	}
	events := sse.NewReader(resp.Body, nil, 16<<20)
	for n := 0; cmd.Count == 0 || n < cmd.Count; {
		e, err := events.Next()
		switch {
		case errors.Is(err, io.EOF):
			p.notef("the gateway ended the stream")
			return nil
		case err != nil && a.ctx.Err() != nil:
			return nil // Ctrl-C is how one stops following
		case err != nil:
			return c.unreachable(err)
		case len(e.Data) == 0:
			continue // a sign of life
		case string(e.Name) == "error":
			if err := c.refused(e.Data, http.StatusUnauthorized); err != nil {
				return err
			}
		}
		n++
		if err := p.liveEvent(e.Data); err != nil {
			return err
		}
	}
	return nil
}

// liveWidths are the columns of the events that are followed: they cannot be
// fitted to what is yet to come.
var liveWidths = []int{18, 22, 36, 14, 9, 36, 60}

// liveEvent prints one event at once.
func (p *printer) liveEvent(data []byte) error {
	if p.json {
		return p.line(json.RawMessage(data))
	}
	e, err := decode[event.Event](data)
	if err != nil {
		return err
	}
	if e.Missed > 0 {
		p.notef("%d events were missed because this reader was slow", e.Missed)
	}
	cells := p.eventCells(&e)
	p.eventTable().line(cells, liveWidths)
	return nil
}
