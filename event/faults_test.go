package event

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// faulty is a disk that can be made full or broken. It wraps a real directory,
// so that what was written before a crash is there after it.
type faulty struct {
	disk
	mu    sync.Mutex
	room  int64 // bytes by which files can still grow; a write beyond it is cut short
	sync  error // what Sync says
	noNew error // what Create says
	syncs int
}

func newFaulty(dir string) *faulty { return &faulty{disk: directory(dir), room: 1 << 40} }

func (d *faulty) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *faulty) Create(name string) (file, error) {
	d.mu.Lock()
	err := d.noNew
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	f, err := d.disk.Create(name)
	return &faultyFile{f, d}, err
}

func (d *faulty) Remove(name string) error {
	size, _ := d.Size(name) // none: what follows says so
	err := d.disk.Remove(name)
	if err == nil {
		d.set(func() { d.room += size })
	}
	return err
}

func (d *faulty) Truncate(name string, to int64) error {
	size, _ := d.Size(name) // likewise
	err := d.disk.Truncate(name, to)
	if err == nil {
		d.set(func() { d.room += size - to })
	}
	return err
}

type faultyFile struct {
	file
	d *faulty
}

func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	info, err := f.file.(*os.File).Stat()
	if err != nil {
		return 0, err
	}
	grows := max(off+int64(len(b))-info.Size(), 0)
	if grows <= f.d.room {
		f.d.room -= grows
		return f.file.WriteAt(b, off)
	}
	n, err := f.file.WriteAt(b[:max(int64(len(b))-grows+f.d.room, 0)], off)
	f.d.room = 0
	return n, errors.Join(err, syscall.ENOSPC)
}

func (f *faultyFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.syncs++
	if f.d.sync != nil {
		return f.d.sync
	}
	return f.file.Sync()
}
