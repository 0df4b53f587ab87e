package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// findIdentity decides who the server runs as: us, or, as it refuses to be
// root, us under another number in a user namespace, or another user.
func findIdentity() (identity, error) {
	us := identity{uid: os.Geteuid(), gid: os.Getegid()}
	if us.uid != 0 {
		return us, nil
	}
	us.namespace = namespaceUser()
	probe := exec.Command("/bin/sh", "-c", ":")
	probe.SysProcAttr = us.attributes(killSignal)
	runtime.LockOSThread() // see run.start
	defer runtime.UnlockOSThread()
	if err := probe.Run(); err == nil {
		return us, nil
	}
	return stranger()
}

// namespaceUser returns a number that is not root's and, as initdb looks its
// user up, has a name.
func namespaceUser() int {
	for _, name := range []string{"postgres", "daemon", "nobody"} {
		if uid, _, ok := lookUp(name); ok && uid > 0 {
			return uid
		}
	}
	return 1000
}

// attributes makes a child run as the identity, out of reach of our terminal,
// and get the farewell signal when the thread that starts it ends.
func (i identity) attributes(farewell syscall.Signal) *syscall.SysProcAttr {
	attr := ownGroup()
	attr.Pdeathsig = farewell
	attr.Credential = i.credential()
	if i.namespace != 0 {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: i.namespace, HostID: i.uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: i.namespace, HostID: i.gid, Size: 1}}
	}
	return attr
}

// worksIn says whether a process has a folder as its own, as a Postgres server has
// its data folder. Another user's process cannot have ours, and does not tell.
func worksIn(pid int, dir string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return false
	}
	a, errA := os.Stat(cwd)
	b, errB := os.Stat(dir)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// alive says whether a process runs; a zombie does not.
func alive(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil || errors.Is(err, fs.ErrPermission)
}
