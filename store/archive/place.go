package archive

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

// dayFile is what the names of the n-th file of a day and of its manifest begin
// with.
func dayFile(day string, n int) string {
	if n == 1 {
		return "calls-" + day
	}
	return "calls-" + day + "." + strconv.Itoa(n)
}

// unfinished writes a file under a name that nobody reads and brings it to the
// disk: at its own name is a whole file or none.
func unfinished(dir, name string, fill func(io.Writer) error) (path string, err error) {
	f, err := os.CreateTemp(dir, "."+name+".*"+suffix)
	if err != nil {
		return "", err
	}
	if err := errors.Join(fill(f), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// place gives a file its name: the first of the day that is free, or that has the
// same calls already. What holds others is kept. At its old name it may stay.
func place(file, dir, day string, plain []byte) (name string, err error) {
	for n := 1; ; n++ {
		name = dayFile(day, n)
		path := filepath.Join(dir, name+callsEnd)
		there, err := taken(path)
		if err != nil {
			return "", err
		}
		if there {
			same, err := holds(path, plain)
			if err != nil {
				return "", err
			}
			if same {
				return name, rename(file, path) // the manifest is to fit it to the byte
			}
			continue
		}
		if there, err = taken(filepath.Join(dir, name+manifestEnd)); err != nil {
			return "", err
		}
		if there {
			continue // its file was taken elsewhere
		}
		err = os.Link(file, path)
		switch {
		case err == nil:
			return name, syncDir(dir)
		case !errors.Is(err, fs.ErrExist): // a file system without links: the look has to do
			return name, rename(file, path)
		}
		n-- // another process was faster
	}
}

func taken(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// holds reports whether a file unpacks to something of this SHA-256.
func holds(path string, sha []byte) (same bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	sum := sha256.New()
	packed, err := gzip.NewReader(f)
	if err == nil {
		_, err = io.Copy(sum, packed)
	}
	if unread := new(fs.PathError); errors.As(err, &unread) {
		return false, err
	}
	return err == nil && bytes.Equal(sum.Sum(nil), sha), nil // damage is not the same
}

func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// syncDir brings the names in a folder to the disk.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // there a folder cannot be opened for this
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
