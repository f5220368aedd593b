package event

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"slices"

	"github.com/cartrita/cartrita/model"
)

// spool is the segment files of one directory. It appends to the last one;
// segments of a former process are only read. It has no lock of its own.
type spool struct {
	disk     disk
	id       [16]byte
	limit    int64 // bytes at which a segment ends
	sync     bool  // a segment is on the disk before the next begins
	segments []*segment
	spare    bool  // a file to recycle is there
	lastAt   int64 // time given last
}

// segment is one file.
type segment struct {
	number  uint64
	file    file
	size    int64    // bytes used
	refs    int      // intents in it whose outcome is not in the Sink yet
	last    Position // end of its last outcome frame
	foreign bool     // written by a former process; refs is not kept
}

var (
	errSpoolFull = errors.New("the spool has reached its size limit")
	errDamaged   = errors.New("the frame is damaged")
)

func (s *spool) active() *segment { return s.segments[len(s.segments)-1] }

func (s *spool) bytes() (n int64) {
	for _, g := range s.segments {
		n += g.size
	}
	return n
}

// behind returns the number of bytes between two positions.
func (s *spool) behind(from, to Position) (n int64) {
	for _, g := range s.segments {
		begin, end := int64(0), g.size
		if g.number == from.Segment {
			begin = from.Offset
		}
		if g.number == to.Segment {
			end = to.Offset
		}
		if g.number >= from.Segment && g.number <= to.Segment {
			n += max(end-begin, 0)
		}
	}
	return n
}

// segment finds a segment by number; nil when it is gone.
func (s *spool) segment(number uint64) *segment {
	for _, g := range s.segments {
		if g.number == number {
			return g
		}
	}
	return nil
}

// openSpool opens the segments in d and shows every frame in them to visit, in
// order; the payload is valid during visit only. It returns the number of
// damaged bytes that were skipped. begin must follow before append.
func openSpool(d disk, limit int64, sync bool, visit func(f *frame, at location)) (*spool, int64, error) {
	s := &spool{disk: d, limit: limit, sync: sync}
	numbers, err := segmentNumbers(d)
	if err != nil {
		return nil, 0, err
	}
	var skipped int64
	for _, n := range numbers {
		g, lost, err := s.scan(n, visit)
		if err != nil {
			s.close()
			return nil, 0, err
		}
		s.segments = append(s.segments, g)
		skipped += lost
	}
	if s.id == [16]byte{} {
		rand.Read(s.id[:])
	}
	if _, err := d.Size(spareName); err == nil {
		s.spare = true
	}
	return s, skipped, nil
}

func (s *spool) scan(number uint64, visit func(f *frame, at location)) (*segment, int64, error) {
	size, err := s.disk.Size(segmentName(number))
	if err != nil {
		return nil, 0, err
	}
	f, err := s.disk.Open(segmentName(number))
	if err != nil {
		return nil, 0, err
	}
	g := &segment{number: number, file: f, size: segmentHeader, foreign: true}
	id, ok := readSegmentHeader(f, number)
	if !ok {
		return g, 0, nil
	}
	s.id = id
	r := frameReader{src: f, segment: number, size: size, off: segmentHeader}
	for {
		fr, start, end, err := r.next()
		if errors.Is(err, io.EOF) {
			return g, r.skipped, nil
		}
		if err != nil {
			f.Close()
			return nil, 0, err
		}
		g.size = end
		s.lastAt = max(s.lastAt, fr.at)
		at := location{Position{number, start}, int(end - start)}
		if fr.kind == frameOutcome {
			g.last = at.end()
		}
		visit(&fr, at)
	}
}

// name is the spool's identity as the Sink knows it.
func (s *spool) name() string { return hex.EncodeToString(s.id[:]) }

// begin makes the next segment the active one.
func (s *spool) begin() error {
	number := uint64(1)
	if len(s.segments) > 0 {
		old := s.active()
		number = old.number + 1
		if s.sync && !old.foreign {
			if err := old.file.Sync(); err != nil {
				return err
			}
		}
	}
	name := segmentName(number)
	if s.spare {
		if err := s.disk.Rename(spareName, name); err != nil {
			return err
		}
		s.spare = false
	}
	f, err := s.disk.Create(name)
	if err != nil {
		return err
	}
	if err = writeSegmentHeader(f, s.id, number); err == nil && s.sync {
		err = s.disk.Sync()
	}
	if err != nil {
		f.Close()
		return err
	}
	s.segments = append(s.segments, &segment{number: number, file: f, size: segmentHeader})
	return nil
}

// maxAhead is how far the time given last may be ahead of the clock, in µs. Up to
// it times rise and none is given twice, although a clock that is corrected goes
// back a little. A clock that was wrong by more is not held on to: calls would
// end in the future until it came.
const maxAhead = 5_000_000

// tick returns the time of the next frame.
func (s *spool) tick(now int64) int64 {
	if s.lastAt > now+maxAhead {
		s.lastAt = now - 1
	}
	s.lastAt = max(now, s.lastAt+1)
	return s.lastAt
}

// append writes a frame: b is frameHeader bytes of room and the payload, whose
// sum is given. It sets f.at to a time by the clock, unless it is set. A frame that would take the spool over max bytes is refused. After an
// error nothing was appended, and the next frame takes the same place.
func (s *spool) append(f *frame, b []byte, sum uint32, now, max int64) (at location, err error) {
	if len(b)-frameHeader > maxPayload {
		return at, model.Invalidf("event.append", "record", "has %d bytes, at most %d are kept", len(b)-frameHeader, maxPayload)
	}
	if s.bytes()+int64(len(b)) > max {
		return at, errSpoolFull
	}
	g := s.active()
	if g.size > segmentHeader && g.size+int64(len(b)) > s.limit {
		if err := s.begin(); err != nil {
			return at, err
		}
		g = s.active()
	}
	if f.at == 0 {
		f.at = s.tick(now)
	}
	f.seal(b, g.number, sum)
	if _, err := g.file.WriteAt(b, g.size); err != nil {
		return at, err
	}
	at = location{Position{g.number, g.size}, len(b)}
	g.size += int64(len(b))
	switch f.kind {
	case frameIntent:
		g.refs++
	case frameOutcome:
		g.last = at.end()
	}
	return at, nil
}

// read reads the frame at a location into b, which is grown where it is too small.
func (g *segment) read(at location, b []byte) (frame, error) {
	if at.size < frameHeader || at.size > frameHeader+maxPayload {
		return frame{}, errDamaged
	}
	b = slices.Grow(b[:0], at.size)[:at.size]
	if _, err := g.file.ReadAt(b, at.Offset); err != nil {
		return frame{}, err
	}
	f, _, ok := readFrame(b, g.number)
	if !ok {
		return frame{}, errDamaged
	}
	return f, nil
}

// drop forgets a segment and recycles or removes its file.
func (s *spool) drop(g *segment) error {
	for i := range s.segments {
		if s.segments[i] == g {
			s.segments = append(s.segments[:i:i], s.segments[i+1:]...)
			break
		}
	}
	g.file.Close()
	if !s.spare && s.disk.Rename(segmentName(g.number), spareName) == nil {
		s.spare = true
		return nil
	}
	return s.disk.Remove(segmentName(g.number))
}

func (s *spool) close() {
	for _, g := range s.segments {
		g.file.Close()
	}
}
