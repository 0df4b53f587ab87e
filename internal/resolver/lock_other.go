//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package resolver

import "os"

// lockFile opens a file. Two brokers on one directory are not noticed here.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}
