package event

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// lockDirectory makes this process the only user of the spool in dir. The lock
// goes with the process, however it ends; closing the file gives it back.
func lockDirectory(dir string) (*os.File, error) {
	const op = "event.Open"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &model.Error{Op: op, Kind: model.KindUnavailable, Param: "dir", Message: "the spool directory cannot be made", Err: err}
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &model.Error{Op: op, Kind: model.KindUnavailable, Param: "dir", Message: "the spool directory cannot be used", Err: err}
	}
	ok, err := flock(f)
	if err == nil && ok {
		pid := []byte(strconv.Itoa(os.Getpid()) + "\n")
		if _, err = f.WriteAt(pid, 0); err == nil { // over the former one: the disk may be full
			err = f.Truncate(int64(len(pid)))
		}
	}
	if err != nil {
		f.Close()
		return nil, &model.Error{Op: op, Kind: model.KindUnavailable, Param: "dir", Message: "the spool directory cannot be locked", Err: err}
	}
	if !ok {
		pid, _ := io.ReadAll(io.LimitReader(f, 20))
		f.Close()
		e := model.Errorf(op, model.KindConflict, "%s is in use by process %s: stop it, or use another data directory", dir, strings.TrimSpace(string(pid)))
		e.Param = "dir"
		return nil, e
	}
	return f, nil
}
