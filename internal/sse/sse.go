// Package sse reads server-sent events out of a byte stream.
//
// It follows the event stream format of the WHATWG HTML standard: lines end in
// LF, CR or CRLF, a blank line ends an event, a leading byte order mark is
// skipped, several data lines are joined by LF, comments and unknown fields
// count for nothing. Beside the parsed fields an Event carries the bytes it
// came in, so that a relay can pass it on untouched.
//
// The buffer never grows beyond the limit given, and an event that does not fit
// is an error: memory is bounded whatever the other side sends. Work is linear
// in the bytes read, also when a long event arrives in small pieces.
//
// A Reader belongs to one goroutine. The slices of an Event point into its
// buffer and are valid until the next read from the source.
package sse

import (
	"bytes"
	"errors"
	"io"
)

// ErrTooLong is returned for an event over the limit.
var ErrTooLong = errors.New("sse: event over the size limit")

// maxIdleReads is how many empty reads in a row are taken for a broken source.
const maxIdleReads = 100

// Event is one event, or what ends in a blank line without being one: comments,
// or the LF of a CRLF whose CR has already ended an event.
type Event struct {
	Name []byte // value of the event field; nil if there was none
	Data []byte // the data lines, joined; nil if there were none
	// Raw is the event as received, with the blank line that ends it. Raw of
	// events returned without a read between them lies contiguous in memory.
	Raw []byte
}

// Reader reads events. The zero value is not usable; see NewReader.
type Reader struct {
	src        io.Reader
	buf        []byte
	start, end int // buf[start:end] is unread
	limit      int
	srcErr     error

	scan    scan
	begun   bool // the place of the byte order mark is behind us
	scratch []byte
	idle    int // reads in a row that brought nothing
}

// scan is how far the event at start has been understood. Offsets count from
// start, so that they survive a move of the buffer.
type scan struct {
	line   int // where the current line starts
	seen   int // no line end before this offset
	name   span
	data   span
	lines  int // data lines so far
	joined bool
	whole  bool // the blank line was seen, before line
}

type span struct{ from, to int }

// NewReader returns a reader that starts with the given buffer and lets it
// grow until an event of limit bytes fits.
func NewReader(src io.Reader, buf []byte, limit int) *Reader {
	r := &Reader{buf: buf[:cap(buf)], limit: limit}
	r.Reset(src)
	return r
}

// Reset makes the reader read from src, forgetting everything else but its buffer.
func (r *Reader) Reset(src io.Reader) {
	*r = Reader{src: src, buf: r.buf, limit: r.limit, scratch: r.scratch[:0]}
}

// Limit returns the limit that the reader was made with.
func (r *Reader) Limit() int { return r.limit }

// Size returns the memory that the reader holds, in bytes.
func (r *Reader) Size() int { return cap(r.buf) + cap(r.scratch) }

// Next returns the next event, reading as much as it takes. At the end of the
// source it returns io.EOF; where the source ends inside an event, what there
// was of it together with io.ErrUnexpectedEOF. Other errors of the source are
// returned as they are.
func (r *Reader) Next() (Event, error) {
	for {
		if r.Buffered() {
			return r.take(), nil
		}
		if r.srcErr != nil {
			return r.last()
		}
		if err := r.fill(); err != nil {
			return Event{}, err
		}
	}
}

// Buffered reports whether Next will return without reading from the source.
func (r *Reader) Buffered() bool {
	if !r.scan.whole && r.begin() {
		r.advance()
	}
	return r.scan.whole
}

// begin skips what may stand before an event; false if that is not decided yet.
func (r *Reader) begin() bool {
	if !r.begun {
		have := r.buf[r.start:r.end]
		if n := min(len(have), 3); n < 3 && r.srcErr == nil && string(have) == "\xef\xbb\xbf"[:n] {
			return false
		}
		if bytes.HasPrefix(have, []byte("\xef\xbb\xbf")) {
			r.start += 3
		}
		r.begun = true
	}
	return true
}

// advance understands the whole lines that are buffered, up to a blank one.
func (r *Reader) advance() {
	b, s := r.buf[r.start:r.end], &r.scan
	for s.seen < len(b) {
		end, next, ok := lineEnd(b, s.seen)
		if !ok {
			s.seen = len(b)
			return
		}
		if next == len(b) && b[end] == '\r' && end > s.line && r.srcErr == nil {
			s.seen = end // an LF that belongs to this line may still come
			return
		}
		line := span{s.line, end}
		s.line, s.seen = next, next
		if line.to > line.from {
			r.field(b, line)
			continue
		}
		s.whole = true
		return
	}
}

// lineEnd finds the first line end at or after from: the line's end and the
// start of the next line. A CR in the last byte counts as a line end.
func lineEnd(b []byte, from int) (end, next int, ok bool) {
	lf := bytes.IndexByte(b[from:], '\n')
	stop := len(b)
	if lf >= 0 {
		stop = from + lf
	}
	if cr := bytes.IndexByte(b[from:stop], '\r'); cr >= 0 {
		end = from + cr
		if end+1 < len(b) && b[end+1] == '\n' {
			return end, end + 2, true
		}
		return end, end + 1, true
	}
	return stop, stop + 1, lf >= 0
}

// field takes in one line that is not blank.
func (r *Reader) field(b []byte, line span) {
	s, text := &r.scan, b[line.from:line.to]
	name, value := text, span{line.to, line.to}
	if colon := bytes.IndexByte(text, ':'); colon >= 0 {
		name, value.from = text[:colon], line.from+colon+1
		if value.from < value.to && b[value.from] == ' ' {
			value.from++
		}
	}
	switch string(name) {
	case "event":
		s.name = value
	case "data":
		r.addData(b, value)
	}
}

func (r *Reader) addData(b []byte, value span) {
	s := &r.scan
	s.lines++
	switch s.lines {
	case 1:
		s.data = value
	case 2:
		r.scratch = append(r.scratch[:0], b[s.data.from:s.data.to]...)
		s.joined = true
		fallthrough
	default:
		r.scratch = append(append(r.scratch, '\n'), b[value.from:value.to]...)
	}
}

// take returns the event that advance has found and steps behind it.
func (r *Reader) take() Event {
	s := r.scan
	b := r.buf[r.start:r.end]
	ev := Event{Raw: b[:s.line]}
	if s.name.to > 0 {
		ev.Name = b[s.name.from:s.name.to]
	}
	switch {
	case s.joined:
		ev.Data = r.scratch
	case s.lines > 0:
		ev.Data = b[s.data.from:s.data.to]
	}
	r.start += s.line
	r.scan = scan{}
	return ev
}

// last returns what is left when the source has ended.
func (r *Reader) last() (Event, error) {
	rest := r.buf[r.start:r.end]
	if !errors.Is(r.srcErr, io.EOF) {
		return Event{}, r.srcErr
	}
	if len(rest) > r.scan.line {
		r.field(rest, span{r.scan.line, len(rest)})
		r.scan.line = len(rest)
	}
	if len(rest) == 0 {
		return Event{}, io.EOF
	}
	return r.take(), io.ErrUnexpectedEOF
}

// fill reads once, making room first.
func (r *Reader) fill() error {
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.end == len(r.buf) {
		if err := r.room(); err != nil {
			return err
		}
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	r.srcErr = err
	if r.idle++; n > 0 {
		r.idle = 0
	}
	if r.idle == maxIdleReads {
		return io.ErrNoProgress
	}
	return nil
}

// room moves the unread bytes to the front, or grows the buffer if that is no help.
func (r *Reader) room() error {
	unread := r.end - r.start
	switch {
	case unread >= r.limit:
		return ErrTooLong
	case r.start > 0 && unread <= len(r.buf)/2:
		copy(r.buf, r.buf[r.start:r.end])
	default:
		grown := make([]byte, min(max(2*len(r.buf), 4096), max(r.limit, len(r.buf)+1)))
		copy(grown, r.buf[r.start:r.end])
		r.buf = grown
	}
	r.start, r.end = 0, unread
	return nil
}
