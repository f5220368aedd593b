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

	reserved bool  // the file for calls under way is there
	short    error // why the disk takes no intents; nil when it does
	triedAt  int64 // when that was looked at
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

// active returns the last segment; nil when there is none.
func (s *spool) active() *segment {
	if len(s.segments) == 0 {
		return nil
	}
	return s.segments[len(s.segments)-1]
}

// next returns the number of the next segment.
func (s *spool) next() uint64 {
	if g := s.active(); g != nil {
		return g.number + 1
	}
	return 1
}

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
// damaged bytes that were skipped.
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
	if n, err := d.Size(reserveName); err == nil && n >= s.reserve() {
		s.reserved = true
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

// begin makes the next segment the active one, of the spare if there is one.
func (s *spool) begin() error {
	if s.spare {
		return s.beginWith(spareName, &s.spare)
	}
	return s.beginWith("", nil)
}

// beginWith begins a segment with a file that is there, which then is not any
// more, or with a new one. What cannot be begun leaves no file.
func (s *spool) beginWith(from string, there *bool) error {
	if old := s.active(); s.sync && old != nil && !old.foreign {
		if err := old.file.Sync(); err != nil {
			return err
		}
	}
	number := s.next()
	name := segmentName(number)
	if there != nil {
		if err := s.disk.Rename(from, name); err != nil {
			return err
		}
		*there = false
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
		_ = s.disk.Remove(name) // it would hold nothing
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
// sum is given. It sets f.at to a time by the clock, unless it is set. A frame
// that would take the spool over max bytes is refused. Where the disk has no room
// it gives up the spare, and then takes outcomes into the reserve, and intents no
// more. After an error nothing was appended, and the next frame takes the same place.
func (s *spool) append(f *frame, b []byte, sum uint32, now, max int64) (at location, err error) {
	if len(b)-frameHeader > maxPayload {
		return at, model.Invalidf("event.append", "record", "has %d bytes, at most %d are kept", len(b)-frameHeader, maxPayload)
	}
	if f.kind == frameIntent {
		if err := s.roomy(now); err != nil {
			return at, err
		}
	}
	if s.bytes()+int64(len(b)) > max {
		return at, errSpoolFull
	}
	if f.at == 0 {
		f.at = s.tick(now)
	}
	if at, err = s.write(f, b, sum); err == nil {
		return at, nil
	}
	if s.spare && s.disk.Remove(spareName) == nil {
		s.spare = false
		if at, err = s.write(f, b, sum); err == nil {
			return at, nil
		}
	}
	s.short, s.triedAt = err, now
	if f.kind == frameOutcome && s.reserved && s.beginWith(reserveName, &s.reserved) == nil {
		at, err = s.write(f, b, sum)
	}
	return at, err
}

// write appends a frame to the active segment, or a new one where that is full
// or there is none.
func (s *spool) write(f *frame, b []byte, sum uint32) (at location, err error) {
	g, err := s.room(int64(len(b)))
	if err != nil {
		return at, err
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

// room returns the segment that takes the next n bytes.
func (s *spool) room(n int64) (*segment, error) {
	if g := s.active(); g != nil && !g.foreign && (g.size == segmentHeader || g.size+n <= s.limit) {
		return g, nil
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s.active(), nil
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

// drop forgets a segment and recycles its file, or removes it: at once where the
// disk has no room.
func (s *spool) drop(g *segment) error {
	for i := range s.segments {
		if s.segments[i] == g {
			s.segments = append(s.segments[:i:i], s.segments[i+1:]...)
			break
		}
	}
	g.file.Close()
	if s.short == nil && !s.spare && s.disk.Rename(segmentName(g.number), spareName) == nil {
		s.spare = true
		return nil
	}
	s.triedAt = 0
	return s.disk.Remove(segmentName(g.number))
}

func (s *spool) close() {
	for _, g := range s.segments {
		g.file.Close()
	}
}
