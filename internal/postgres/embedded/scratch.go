package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	scratchPrefix = "signalbox-pg-"
	socketName    = ".s.PGSQL." + port
	socketLimit   = 103 // bytes in a socket's path on macOS, the tightest; 107 on Linux
)

// scratch is a server's temporary folder: its socket is in it, and its data
// when nobody asked to keep them. The file "owner" in it is locked for as long as
// anyone needs the folder: us, the server, the reaper.
type scratch struct {
	path  string
	owner *os.File // nil after remove
}

// newScratch makes a temporary folder below base, or where the system has them
// when that is empty, with a path short enough for a socket. It clears away those
// that nobody was left to remove.
func newScratch(base string) (*scratch, error) {
	if base == "" {
		base = os.TempDir()
	}
	if len(base)+len("/"+scratchPrefix+"0123456789/"+socketName) > socketLimit {
		base = "/tmp"
	}
	sweepScratch(base)
	path, err := os.MkdirTemp(base, scratchPrefix)
	if err != nil {
		return nil, fmt.Errorf("make the socket folder: %w", err)
	}
	c := &scratch{path: path}
	if err := c.claim(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return c, nil
}

// claim puts the locked owner file in place. It is locked before it has that
// name, so that a sweep never sees it unlocked.
func (c *scratch) claim() error {
	early := filepath.Join(c.path, "claim")
	owner, err := os.OpenFile(early, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("claim the socket folder: %w", err)
	}
	if _, err := tryLock(owner); err != nil {
		return errors.Join(fmt.Errorf("claim the socket folder: %w", err), owner.Close())
	}
	if err := os.Rename(early, filepath.Join(c.path, "owner")); err != nil {
		return errors.Join(fmt.Errorf("claim the socket folder: %w", err), owner.Close())
	}
	c.owner = owner
	return nil
}

// restore makes the folder again, under the same path, after remove.
func (c *scratch) restore() error {
	if c.owner != nil {
		return nil
	}
	if err := os.Mkdir(c.path, 0o700); err != nil {
		return fmt.Errorf("make the socket folder again: %w", err)
	}
	return c.claim()
}

func (c *scratch) remove() error {
	if c.owner == nil {
		return nil
	}
	err := errors.Join(os.RemoveAll(c.path), c.owner.Close())
	c.owner = nil
	if err != nil {
		return fmt.Errorf("remove the socket folder: %w", err)
	}
	return nil
}

// sweepScratch removes folders whose makers are gone. One without an owner
// file is left alone, as it may be being made just now. A failure costs only
// disk space.
func sweepScratch(base string) {
	owners, err := filepath.Glob(filepath.Join(base, scratchPrefix+"*", "owner"))
	if err != nil {
		return // base has a bracket in it, perhaps
	}
	for _, path := range owners {
		owner, err := os.Open(path)
		if err != nil {
			continue
		}
		if free, err := tryLock(owner); err == nil && free {
			_ = os.RemoveAll(filepath.Dir(path)) // the next start tries again
		}
		_ = owner.Close() // opened for reading
	}
}
