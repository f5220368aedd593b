//go:build unix

package event

import (
	"os"
	"syscall"
)

// flock takes the lock without waiting; it reports false when another process has it.
func flock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}
