package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/cartrita/cartrita/internal/sse"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/upstream"
	"github.com/cartrita/cartrita/provider/usage"
)

const (
	firstBuffer = 16 << 10
	keptBuffer  = 64 << 10 // larger ones are not kept for reuse
	doneEvent   = "data: [DONE]\n\n"
)

var readers sync.Pool

func newReader(src io.Reader, limit int) *sse.Reader {
	if r, ok := readers.Get().(*sse.Reader); ok && r.Limit() == limit {
		r.Reset(src)
		return r
	}
	return sse.NewReader(src, make([]byte, firstBuffer), limit)
}

// stream relays one answer.
type stream struct {
	body     *upstream.Body
	status   int
	r        *sse.Reader
	held     event // read, and not handed over yet
	holding  bool
	choices  choices // those seen so far
	finished choices // those of them that have come to their end
	begun    bool    // content has come
	err      error
}

// event is an event with what the relay knows about it.
type event struct {
	sse.Event
	facts
	kind eventKind
}

type eventKind uint8

const (
	eventPlain eventKind = iota
	eventUsage
	eventDone
	eventFault
	eventBroken
)

func newStream(reply *upstream.Reply, limit int) *stream {
	return &stream{body: reply.Stream, status: reply.Status, r: newReader(reply.Stream, limit)}
}

// Next implements provider.Stream.
func (s *stream) Next() (provider.Chunk, error) {
	if s.err != nil {
		return provider.Chunk{}, s.err
	}
	var c provider.Chunk
	for {
		ev, err := s.next()
		if err != nil {
			return s.end(ev, err)
		}
		if ev.kind != eventPlain {
			if c.Data == nil {
				return s.special(ev)
			}
			s.held, s.holding = ev, true
			return c, nil
		}
		if !s.begun && len(ev.Data) == 0 { // a comment: nothing to wait for has come
			if c.Data != nil {
				return c, nil
			}
			continue
		}
		s.note(ev)
		c.Data = extend(c.Data, ev.Raw)
		c.Content = c.Content || ev.content
		c.OutputBytes += ev.bytes
		if !s.r.Buffered() {
			return c, nil
		}
	}
}

func (s *stream) note(ev event) {
	s.choices |= ev.choices
	s.finished |= ev.finished
	if ev.content && !s.begun {
		s.begun = true
		s.body.Begun()
	}
}

// extend adds the event that follows run in the reader's buffer.
func extend(run, raw []byte) []byte {
	if run == nil {
		return raw
	}
	return run[:len(run)+len(raw)]
}

func (s *stream) next() (event, error) {
	if s.holding {
		s.holding = false
		return s.held, nil
	}
	raw, err := s.r.Next()
	ev := event{Event: raw}
	if err != nil {
		return ev, err
	}
	ev.inspect()
	return ev, nil
}

// inspect finds out what kind of event it is.
func (ev *event) inspect() {
	switch {
	case isDone(ev.Data):
		ev.kind = eventDone
		return
	case string(ev.Name) == "error":
		ev.kind = eventFault
		return
	case len(ev.Data) == 0: // a comment, or nothing
		return
	}
	var ok bool
	switch ev.facts, ok = scan(ev.Data); {
	case !ok || (ev.usage != nil && !json.Valid(ev.usage)):
		ev.kind = eventBroken
	case ev.fault:
		ev.kind = eventFault
	case ev.usage != nil:
		ev.kind = eventUsage
	}
}

func isDone(data []byte) bool {
	return len(data) < 16 && string(bytes.TrimSpace(data)) == "[DONE]"
}

// special hands over an event that comes alone.
func (s *stream) special(ev event) (provider.Chunk, error) {
	switch ev.kind {
	case eventDone:
		s.err = io.EOF
		return provider.Chunk{Data: ev.Raw, Done: true}, nil
	case eventUsage:
		s.note(ev)
		u := usage.OpenAI(ev.usage)
		if u.Source != "" {
			u.ServiceTier = usage.Tier(ev.tier)
		}
		return provider.Chunk{Data: ev.Raw, Content: ev.content, OutputBytes: ev.bytes,
			Usage: u, UsageOnly: u.Source != "" && ev.choices == 0}, nil
	case eventFault:
		return s.fail(inBand(s.status, ev.Data))
	}
	return s.fail(&model.Error{Op: op, Kind: model.KindUpstream, Status: s.status,
		Message: "the upstream sent an event that is no JSON object"})
}

// end deals with the end of the bytes. Some servers leave out [DONE] or its
// blank line; whatever else ends early was cut.
func (s *stream) end(last event, err error) (provider.Chunk, error) {
	whole := errors.Is(err, io.EOF) && s.choices != 0 && s.finished == s.choices && s.body.EndIsKnown()
	if whole || (errors.Is(err, io.ErrUnexpectedEOF) && isDone(last.Data)) {
		s.err = io.EOF
		return provider.Chunk{Data: []byte(doneEvent), Done: true}, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.fail(&model.Error{Op: op, Kind: model.KindUpstream, Status: s.status,
			Message: "the upstream broke off its stream"})
	}
	e := asError(err)
	return s.fail(e)
}

func (s *stream) fail(e *model.Error) (provider.Chunk, error) {
	s.err = e
	return provider.Chunk{}, e
}

// Close implements provider.Stream.
func (s *stream) Close() error {
	if s.r == nil {
		return nil
	}
	if errors.Is(s.err, io.EOF) {
		s.body.Drain()
	}
	if s.r.Size() <= keptBuffer {
		s.r.Reset(nil)
		readers.Put(s.r)
	}
	s.r = nil
	if s.err == nil {
		s.err = model.Errorf(op, model.KindCanceled, "the stream was closed")
	}
	return s.body.Close()
}
