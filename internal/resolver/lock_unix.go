//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package resolver

import (
	"errors"
	"os"
	"syscall"
)

// lockFile opens a file that no other process has opened with this function.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("another broker is using it"), f.Close())
	}
	return f, nil
}
