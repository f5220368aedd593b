package anthropic

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/internal/sse"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/upstream"
)

const (
	firstBuffer = 16 << 10
	keptBuffer  = 64 << 10 // larger ones are not kept for reuse
)

// buffers are what a stream needs and the next one can use again.
type buffers struct {
	r   *sse.Reader
	out []byte
}

var pool sync.Pool

func newBuffers(src io.Reader, limit int) *buffers {
	if b, ok := pool.Get().(*buffers); ok && b.r.Limit() == limit {
		b.r.Reset(src)
		b.out = b.out[:0]
		return b
	}
	return &buffers{r: sse.NewReader(src, make([]byte, firstBuffer), limit), out: make([]byte, 0, firstBuffer)}
}

// stream translates one streamed answer.
type stream struct {
	body   *upstream.Body
	status int
	*buffers
	tr     translator
	chunks []piece // finished, not handed over yet
	err    error
}

// piece is a chunk whose data is out[from:to].
type piece struct {
	provider.Chunk
	from, to int
}

func newStream(reply *upstream.Reply, s shape, limit int) *stream {
	return &stream{body: reply.Stream, status: reply.Status, buffers: newBuffers(reply.Stream, limit),
		tr: translator{shape: s, limit: limit}}
}

// Next implements provider.Stream.
func (s *stream) Next() (provider.Chunk, error) {
	if len(s.chunks) > 0 {
		return s.pop(), nil
	}
	if s.err != nil {
		return provider.Chunk{}, s.err
	}
	s.out = s.out[:0]
	var cur piece
	for {
		ev, err := s.r.Next()
		if err != nil {
			s.end(&cur, err)
			break
		}
		if err := s.event(&cur, ev); err != nil {
			s.finish(&cur)
			s.err = err
			break
		}
		if s.err != nil || (!s.r.Buffered() && (len(s.out) > 0 || len(s.chunks) > 0)) {
			s.finish(&cur)
			break
		}
	}
	if len(s.chunks) > 0 {
		return s.pop(), nil
	}
	return provider.Chunk{}, s.err
}

func (s *stream) pop() provider.Chunk {
	p := s.chunks[0]
	s.chunks = s.chunks[1:]
	p.Data = s.out[p.from:p.to]
	return p.Chunk
}

// finish closes the chunk in the making.
func (s *stream) finish(cur *piece) {
	if cur.to = len(s.out); cur.to > cur.from {
		s.chunks = append(s.chunks, *cur)
	}
	*cur = piece{from: len(s.out)}
}

// event takes in one event. Errors end the stream.
func (s *stream) event(cur *piece, ev sse.Event) error {
	if len(ev.Data) == 0 {
		return nil
	}
	obj, err := jsonscan.Parse(ev.Data)
	if err != nil {
		return &model.Error{Op: op, Kind: model.KindUpstream, Status: s.status, Err: err,
			Message: "the upstream sent an event that is no JSON object"}
	}
	kind, _ := obj.Get("type")
	t := &s.tr
	if t.head == nil && (bytes.HasPrefix(kind, []byte(`"content_block_`)) || bytes.HasPrefix(kind, []byte(`"message_`))) &&
		string(kind) != `"message_start"` {
		return &model.Error{Op: op, Kind: model.KindUpstream, Status: s.status,
			Message: "the upstream sent content before the start of its message"}
	}
	switch string(kind) {
	case `"message_start"`:
		message, _ := obj.Get("message")
		s.finish(cur)
		s.out = t.start(s.out, message)
		cur.Usage = t.counts.Usage()
		s.finish(cur)
	case `"content_block_start"`, `"content_block_delta"`, `"content_block_stop"`:
		var size int
		s.out, size = t.content(s.out, string(kind), obj)
		cur.OutputBytes += size
		cur.Content = cur.Content || size > 0 || t.called
		t.called = false
		if cur.Content {
			s.body.Begun()
		}
		if t.tooLong() {
			return model.Errorf(op, model.KindUpstream, "the upstream's reasoning is over the limit of %d bytes", t.limit)
		}
	case `"message_delta"`:
		s.delta(cur, obj)
	case `"message_stop"`:
		s.done(cur)
	case `"error"`:
		return fault(s.status, obj.Raw)
	}
	return nil
}

// delta brings the stop reason and the final counts.
func (s *stream) delta(cur *piece, obj jsonscan.Object) {
	t := &s.tr
	d, _ := obj.Get("delta")
	if stop := member(d, "stop_reason"); stop != nil && !isNull(stop) {
		s.out = t.finish(s.out, stop)
	}
	raw, ok := obj.Get("usage")
	if !ok {
		return
	}
	t.counts.Read(raw)
	u := t.counts.Usage()
	if u.Source == "" || !t.finished {
		return
	}
	s.finish(cur)
	s.out = t.usage(s.out, u)
	cur.Usage, cur.UsageOnly = u, true
	s.finish(cur)
}

func (s *stream) done(cur *piece) {
	s.finish(cur)
	s.out = append(s.out, "data: [DONE]\n\n"...)
	cur.Done = true
	s.finish(cur)
	s.err = io.EOF
}

// end deals with the end of the bytes. A server that leaves out message_stop
// has still ended properly if it gave a stop reason and ended its body.
func (s *stream) end(cur *piece, err error) {
	if errors.Is(err, io.EOF) && s.tr.finished && s.body.EndIsKnown() {
		s.done(cur)
		return
	}
	s.finish(cur)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.err = &model.Error{Op: op, Kind: model.KindUpstream, Status: s.status, Message: "the upstream broke off its stream"}
		return
	}
	s.err = asError(err)
}

// Close implements provider.Stream.
func (s *stream) Close() error {
	if s.buffers == nil {
		return nil
	}
	if errors.Is(s.err, io.EOF) {
		s.body.Drain()
	}
	if s.r.Size() <= keptBuffer && cap(s.out) <= keptBuffer {
		s.r.Reset(nil)
		pool.Put(s.buffers)
	}
	s.buffers, s.chunks = nil, nil
	if s.err == nil {
		s.err = model.Errorf(op, model.KindCanceled, "the stream was closed")
	}
	return s.body.Close()
}
