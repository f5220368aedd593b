package event

import (
	"os"

	"golang.org/x/sys/windows"
)

// flock takes the lock without waiting; it reports false when another process
// has it. The locked byte lies behind the pid, which others must be able to read.
func flock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0,
		&windows.Overlapped{Offset: 1 << 20})
	if err == windows.ERROR_LOCK_VIOLATION {
		return false, nil
	}
	return err == nil, err
}
