package event

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// The reserve is a file of the spool whose bytes are on the disk already. While it
// is there, calls under way can be recorded on a disk that is full, as far as it
// reaches: the next segment is begun with it. Without it no new call starts. That
// holds where a file system writes over the same blocks.
const (
	reserveName  = "reserve"
	maxReserve   = 1 << 20 // bytes: some hundred outcomes
	reserveChunk = 64 << 10

	fewBytes = 16 << 10
	tryEvery = time.Second
)

// reserve is the size of the reserve, and of what counts as much in a segment.
func (s *spool) reserve() int64 { return min(maxReserve, s.limit/2) }

// aFew is the size of some intents.
func (s *spool) aFew() int64 { return min(fewBytes, s.limit/2) }

// roomy returns nil when the disk takes intents. When it did not, that is looked
// at again, not more often than tryEvery unless something was removed meanwhile.
func (s *spool) roomy(now int64) error {
	if s.short == nil {
		return nil
	}
	if since := now - s.triedAt; since >= 0 && since < tryEvery.Microseconds() {
		return s.short
	}
	s.triedAt = now
	s.short = s.makeRoom()
	return s.short
}

// makeRoom looks for the room of some intents behind the last frame, where the next
// one writes over it, and brings the reserve back.
func (s *spool) makeRoom() error {
	n := s.aFew()
	g, err := s.room(n)
	if err == nil {
		_, err = g.file.WriteAt(make([]byte, n), g.size)
	}
	if err == nil {
		err = s.keepReserve()
	}
	return err
}

// keepReserve makes the reserve if it is not there.
func (s *spool) keepReserve() error {
	if s.reserved {
		return nil
	}
	f, err := s.disk.Create(reserveName)
	if err != nil {
		return err
	}
	chunk := make([]byte, reserveChunk)
	for off := int64(0); off < s.reserve() && err == nil; off += int64(len(chunk)) {
		_, err = f.WriteAt(chunk[:min(int64(len(chunk)), s.reserve()-off)], off)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = s.disk.Remove(reserveName) // what there is of it may serve somebody else
		return err
	}
	s.reserved = true
	return nil
}

// empty gives back the bytes of a segment in which nothing is needed.
func (s *spool) empty(g *segment) error {
	return s.disk.Truncate(segmentName(g.number), segmentHeader)
}

// isFull reports whether an error may be over when something is removed.
func isFull(err error) bool {
	return errors.Is(err, errSpoolFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// reason is what callers may know of an error of the spool.
func reason(err error) string {
	var no syscall.Errno
	switch {
	case errors.Is(err, errSpoolFull), errors.Is(err, os.ErrClosed):
		return err.Error()
	case errors.As(err, &no):
		return no.Error()
	}
	return "the disk fails"
}
