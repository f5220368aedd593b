package event

import (
	"bytes"
	"encoding/binary"
	"io"
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

const readWindow = 256 << 10

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
	have := r.base + int64(len(r.buf)) - off
	if off >= r.base && (have >= int64(n) || r.base+int64(len(r.buf)) >= r.size) && have >= 0 {
		return r.buf[off-r.base:], nil
	}
	want := min(int64(max(n, readWindow)), r.size-off)
	if want <= 0 {
		return nil, nil
	}
	if int64(cap(r.buf)) < want {
		r.buf = make([]byte, want)
	}
	got, err := r.src.ReadAt(r.buf[:want], off)
	if err != nil && err != io.EOF {
		r.buf = r.buf[:0]
		return nil, err
	}
	r.buf, r.base = r.buf[:got], off
	if int64(got) < want { // the file is shorter than we were told
		r.size = off + int64(got)
	}
	return r.buf, nil
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
