//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// identity is who the server runs as.
type identity struct {
	uid, gid  int  // who owns its files, seen from here
	switched  bool // it runs as uid and gid in place of root
	namespace int  // it runs as us in a user namespace that calls us this; 0: in none
}

// own gives a folder to the identity, in case it had another before.
func (i identity) own(folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return fmt.Errorf("look at the owner of %s: %w", folder, err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) == i.uid || os.Geteuid() != 0 {
		return nil
	}
	err = filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, i.uid, i.gid)
	})
	if err != nil {
		return fmt.Errorf("give %s to the user %d: %w", folder, i.uid, err)
	}
	return nil
}

// stranger is the identity of a server started by root that cannot stay root.
func stranger() (identity, error) {
	for _, name := range []string{"postgres", "nobody"} {
		uid, gid, ok := lookUp(name)
		if ok && uid > 0 {
			return identity{uid: uid, gid: gid, switched: true}, nil
		}
	}
	return identity{}, errors.New("postgres refuses to run as root, user namespaces are forbidden here, " +
		"and there is no user postgres or nobody: run as another user")
}

func lookUp(name string) (uid, gid int, ok bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, false
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	return uid, gid, errUID == nil && errGID == nil
}

// credential makes a child switch to the identity.
func (i identity) credential() *syscall.Credential {
	if !i.switched {
		return nil
	}
	return &syscall.Credential{Uid: uint32(i.uid), Gid: uint32(i.gid)}
}

// ownGroup keeps what a terminal sends to our process group, as on Ctrl-C,
// away from a child: we end it ourselves, in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// tryLock locks a file for as long as anyone has it open, unless it is locked.
func tryLock(f *os.File) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return err == nil, err
		}
	}
}
