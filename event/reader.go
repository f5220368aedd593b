package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// frameReader reads the frames of one segment file in order, through a window
// of bounded size. Damaged bytes are skipped up to the next whole frame.
type frameReader struct {
	src     io.ReaderAt
	segment uint64
	size    int64 // bytes to look at
	off     int64 // of the next frame
	skipped int64 // damaged bytes that had a frame behind them
	buf     []byte
	base    int64 // of buf in the file
}

const (
	readWindow = 256 << 10 // bytes read at once
	lookBack   = 512 << 10 // bytes kept behind: intents are not far before their outcomes
)

// next returns the next frame with its start and end; its payload is valid
// until the following call. After the last frame the error is io.EOF.
func (r *frameReader) next() (f frame, start, end int64, err error) {
	for from := r.off; ; from++ {
		if from, err = r.findMagic(from); err != nil {
			return f, 0, 0, err
		}
		head, err := r.window(from, frameHeader)
		if err != nil {
			return f, 0, 0, err
		}
		if len(head) < frameHeader || binary.LittleEndian.Uint32(head[4:]) != headerSum(head, r.segment) {
			continue
		}
		whole, err := r.window(from, frameHeader+min(int(binary.LittleEndian.Uint32(head[12:])), maxPayload))
		if err != nil {
			return f, 0, 0, err
		}
		if f, size, ok := readFrame(whole, r.segment); ok {
			r.skipped += from - r.off
			r.off = from + int64(size)
			return f, from, r.off, nil
		}
	}
}

// findMagic returns the place of the first magic at or behind off.
func (r *frameReader) findMagic(off int64) (int64, error) {
	for r.size-off >= frameHeader {
		w, err := r.window(off, frameHeader)
		if err != nil {
			return 0, err
		}
		if i := bytes.Index(w, []byte(frameMagic)); i >= 0 {
			return off + int64(i), nil
		}
		if len(w) < len(frameMagic) {
			break
		}
		off += int64(len(w) - len(frameMagic) + 1)
	}
	return 0, io.EOF
}

// window returns at least n bytes of the file from off on, fewer only at its
// end, and more when they are at hand.
func (r *frameReader) window(off int64, n int) ([]byte, error) {
	end := r.base + int64(len(r.buf))
	if off >= r.base && off <= end && (end-off >= int64(n) || end >= r.size) {
		return r.buf[off-r.base:], nil
	}
	r.keep(off)
	have := len(r.buf)
	from := r.base + int64(have)
	want := int(min(max(off+int64(n)-from, readWindow), r.size-from))
	if want <= 0 {
		return nil, nil
	}
	r.buf = slices.Grow(r.buf, want)[:have+want]
	got, err := r.src.ReadAt(r.buf[have:], from)
	r.buf = r.buf[:have+got]
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if got < want { // the file is shorter than we were told
		r.size = from + int64(got)
	}
	return r.buf[min(off-r.base, int64(len(r.buf))):], nil
}

// keep drops what is more than lookBack bytes before off.
func (r *frameReader) keep(off int64) {
	end := r.base + int64(len(r.buf))
	if off < r.base || off > end {
		r.buf, r.base = r.buf[:0], off
		return
	}
	if drop := off - lookBack - r.base; drop > 0 {
		n := copy(r.buf, r.buf[drop:])
		r.buf, r.base = r.buf[:n], r.base+drop
	}
}

// behind returns the frame at a place that was read lately, and false when it
// is out of the window. The payload is valid until the following call of next.
func (r *frameReader) behind(at location) (frame, bool) {
	from := at.Offset - r.base
	if at.Segment != r.segment || from < 0 || from+int64(at.size) > int64(len(r.buf)) {
		return frame{}, false
	}
	f, size, ok := readFrame(r.buf[from:], r.segment)
	return f, ok && size == at.size
}

// readSegmentHeader returns the spool id of a segment file, and false when the
// file does not hold a segment of this number (it is new, or recycled and not
// yet begun).
func readSegmentHeader(src io.ReaderAt, number uint64) (id [16]byte, ok bool) {
	var h [segmentHeader]byte
	if _, err := src.ReadAt(h[:], 0); err != nil {
		return id, false
	}
	copy(id[:], h[8:])
	return id, string(h[:8]) == segmentMagic && binary.LittleEndian.Uint64(h[24:]) == number
}

func writeSegmentHeader(dst io.WriterAt, id [16]byte, number uint64) error {
	h := make([]byte, 0, segmentHeader)
	h = append(h, segmentMagic...)
	h = append(h, id[:]...)
	h = binary.LittleEndian.AppendUint64(h, number)
	_, err := dst.WriteAt(h, 0)
	return err
}
