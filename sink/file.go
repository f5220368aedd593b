package sink

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cartrita/cartrita/model"
)

// Defaults of a file.
const (
	DefaultFileBytes = 100 << 20
	DefaultFileKeep  = 10
)

// FileConfig of a file.
type FileConfig struct {
	Path     string // required; full files become path.1, path.2, the oldest last
	MaxBytes int64  // from which a file is full; default 100 MiB
	Keep     int    // full files that are kept; default 10
}

// File appends events to a file, one a line. The file may be removed, renamed or
// emptied by others, as logrotate does: what is sent next is in the file that
// lies at the path then.
type File struct {
	cfg  FileConfig
	file *os.File // opened for appending: what is emptied while we write gets no gap
	size int64    // as we left it
}

// NewFile makes one; the file is opened when there is something to write.
// Errors: KindInvalid.
func NewFile(c FileConfig) (*File, error) {
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultFileBytes
	}
	if c.Keep == 0 {
		c.Keep = DefaultFileKeep
	}
	switch {
	case c.Path == "":
		return nil, model.Invalidf("sink.NewFile", "path", "is missing")
	case c.MaxBytes < 0 || c.Keep < 0:
		return nil, model.Invalidf("sink.NewFile", "max_size", "and keep must be positive")
	}
	return &File{cfg: c}, nil
}

// Send implements Target: the lines are on the disk when it returns. What a
// process that was killed left of a line is cut off.
func (f *File) Send(_ context.Context, messages []Message) error {
	if err := f.open(); err != nil {
		return away("sink.File", err)
	}
	var b bytes.Buffer
	for i := range messages {
		b.Write(messages[i].JSON)
		b.WriteByte('\n')
	}
	n, err := f.file.Write(b.Bytes())
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		_ = f.file.Truncate(f.size) // else the next open cuts it off
		return away("sink.File", err)
	}
	f.size += int64(n)
	return nil
}

func away(op string, err error) error {
	return model.Errorf(op, model.KindUnavailable, "%v", err)
}

// open makes sure that there is a file with room in it.
func (f *File) open() (err error) {
	if f.file != nil && !f.untouched() {
		if err := f.Close(); err != nil {
			return err
		}
	}
	if f.file != nil && f.size >= f.cfg.MaxBytes {
		if err := f.rotate(); err != nil {
			return err
		}
	}
	if f.file != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.cfg.Path), 0o700); err != nil {
		return err
	}
	if f.file, err = os.OpenFile(f.cfg.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
		return err
	}
	f.size, err = wholeLines(f.file)
	if err == nil {
		err = os.Truncate(f.cfg.Path, f.size) // by the path: Windows cuts nothing off through a handle for appending
	}
	if err != nil {
		_ = f.file.Close()
		f.file = nil
	}
	return err
}

// untouched reports whether the open file still lies at the path, as we left it.
func (f *File) untouched() bool {
	there, err := os.Stat(f.cfg.Path)
	if err != nil {
		return false
	}
	ours, err := f.file.Stat()
	return err == nil && os.SameFile(there, ours) && ours.Size() == f.size
}

// wholeLines returns the size of a file up to its last line end.
func wholeLines(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for end := info.Size(); end > 0; {
		start := max(0, end-int64(len(buf)))
		part := buf[:end-start]
		if _, err := file.ReadAt(part, start); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}

func (f *File) rotate() error {
	if err := f.Close(); err != nil {
		return err
	}
	name := func(n int) string { return fmt.Sprintf("%s.%d", f.cfg.Path, n) }
	for n := f.cfg.Keep; n > 1; n-- {
		if err := os.Rename(name(n-1), name(n)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return os.Rename(f.cfg.Path, name(1))
}

// Close implements Target.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
