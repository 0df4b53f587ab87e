//go:build unix && !linux

package embedded

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// findIdentity decides who the server runs as: us, or, as it refuses to be
// root, another user.
func findIdentity() (identity, error) {
	if os.Geteuid() != 0 {
		return identity{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	return stranger()
}

// attributes makes a child run as the identity, out of reach of our terminal.
// There is no signal for a parent's death here; the reaper sends it.
func (i identity) attributes(syscall.Signal) *syscall.SysProcAttr {
	attr := ownGroup()
	attr.Credential = i.credential()
	return attr
}

// worksIn says whether a process may be a Postgres that works on a folder.
// Where it works cannot be told here, so any Postgres counts.
func worksIn(pid int, _ string) bool {
	out, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), "postgres")
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
