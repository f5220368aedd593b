package event

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// disk is the directory of a spool. It is an interface so that tests can make
// it full, slow to sync, or broken.
type disk interface {
	Create(name string) (file, error) // opens for reading and writing; keeps what is there
	Open(name string) (file, error)   // for reading
	Rename(from, to string) error
	Remove(name string) error
	Truncate(name string, size int64) error
	Size(name string) (int64, error)
	List() ([]string, error)
	Sync() error // of the directory itself
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
}

// directory is a disk in the file system.
type directory string

func (d directory) path(name string) string { return filepath.Join(string(d), name) }

func (d directory) Create(name string) (file, error) {
	return os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE, 0o600)
}
func (d directory) Open(name string) (file, error) { return os.Open(d.path(name)) }
func (d directory) Rename(from, to string) error   { return os.Rename(d.path(from), d.path(to)) }
func (d directory) Remove(name string) error       { return os.Remove(d.path(name)) }
func (d directory) Truncate(name string, size int64) error {
	return os.Truncate(d.path(name), size)
}

func (d directory) Size(name string) (int64, error) {
	info, err := os.Stat(d.path(name))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (d directory) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (d directory) Sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

const (
	segmentSuffix = ".seg"
	spareName     = "spare"
)

func segmentName(n uint64) string { return fmt.Sprintf("%020d"+segmentSuffix, n) }

// segmentNumbers returns the numbers of the segment files, rising.
func segmentNumbers(d disk) ([]uint64, error) {
	names, err := d.List()
	if err != nil {
		return nil, err
	}
	var ns []uint64
	for _, name := range names {
		digits, found := strings.CutSuffix(name, segmentSuffix)
		if n, err := strconv.ParseUint(digits, 10, 64); found && err == nil && n > 0 && segmentName(n) == name {
			ns = append(ns, n)
		}
	}
	slices.Sort(ns)
	return ns, nil
}
