package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// leaving is how long a start waits for the server of a process that has died:
// such a server is on its way out, but may have data to write first.
const leaving = 20 * time.Second

// lockFolder makes the caller the only one to use a data folder. The lock is
// on a file beside the folder; server processes inherit it, so it is free
// only when the last of them has ended.
func lockFolder(ctx context.Context, dir string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder above the data folder: %w", err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the data folder's lock: %w", err)
	}
	if err := acquire(ctx, lock, dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := writeOwner(lock, strconv.Itoa(os.Getpid())); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func acquire(ctx context.Context, lock *os.File, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, leaving)
	defer cancel()
	for {
		free, err := tryLock(lock)
		if err != nil {
			return fmt.Errorf("lock %s: %w", lock.Name(), err)
		}
		if free {
			return nil
		}
		if owner := readOwner(lock); owner != 0 && alive(owner) {
			return fmt.Errorf("the data folder %s is in use by process %d", dir, owner)
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("wait for an earlier server on %s to end: %w", dir, err)
		}
	}
}

// unlockFolder gives up the lock. Server processes that still end keep it
// until they have; the empty file tells the next start to wait for them.
func unlockFolder(lock *os.File) error {
	return errors.Join(writeOwner(lock, ""), lock.Close())
}

func writeOwner(lock *os.File, owner string) error {
	if err := lock.Truncate(0); err != nil {
		return fmt.Errorf("write the data folder's lock: %w", err)
	}
	if _, err := lock.WriteAt([]byte(owner), 0); err != nil {
		return fmt.Errorf("write the data folder's lock: %w", err)
	}
	return nil
}

func readOwner(lock *os.File) int {
	text := make([]byte, 20)
	n, _ := lock.ReadAt(text, 0) // at most 20 bytes, so io.EOF is the rule
	pid, _ := strconv.Atoi(string(text[:n]))
	return pid // 0: nobody, or being written just now
}

// fill finds the binaries for the data folder and puts a new cluster into it
// if it is empty. The lock must be held.
func (s *Server) fill(ctx context.Context, o Options) error {
	made, err := madeBy(s.dir)
	if err != nil {
		return err
	}
	if s.binaries, err = find(ctx, o.Binaries, made); err != nil {
		return err
	}
	if made == 0 {
		return s.initialise(ctx, o.From)
	}
	if made != s.binaries.Major {
		return fmt.Errorf("the data folder %s was made by Postgres %d, and %s is Postgres %d: start it with Postgres %d, "+
			"or move the folder away to begin afresh; nothing was changed", s.dir, made, s.binaries.program("postgres"), s.binaries.Major, made)
	}
	return nil
}

// madeBy returns the major version of Postgres that made a data folder, or 0
// when it is empty or absent.
func madeBy(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err == nil {
		major, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return 0, fmt.Errorf("read which Postgres made %s: %w", dir, err)
		}
		return major, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("look at the data folder: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at the data folder: %w", err)
	}
	if len(entries) > 0 {
		return 0, fmt.Errorf("the folder %s is not empty and holds no Postgres data: nothing was changed", dir)
	}
	return 0, nil
}

// initialise makes the cluster in a folder beside the final one and renames
// it, so that an interrupted start leaves either no data folder or a whole one.
func (s *Server) initialise(ctx context.Context, from string) error {
	fresh := s.dir + ".new"
	if err := os.RemoveAll(fresh); err != nil { // of an interrupted start: we hold the lock
		return fmt.Errorf("clear away an interrupted start: %w", err)
	}
	make := s.initdb
	if from != "" {
		make = func(_ context.Context, fresh string) error { return copyFolder(from, fresh) }
	}
	if err := make(ctx, fresh); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err := os.Rename(fresh, s.dir); err != nil {
		return fmt.Errorf("put the new data folder in place: %w", err)
	}
	return nil
}

func (s *Server) initdb(ctx context.Context, fresh string) error {
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := s.identity.own(fresh); err != nil {
		return err
	}
	locale := "C.UTF-8" // order by code point, yet lower() knows all letters
	if runtime.GOOS != "linux" {
		locale = "C"
	}
	args := []string{"-D", fresh, "-U", superuser, "--auth=trust", "--encoding=UTF8", "--locale=" + locale, "--no-instructions"}
	if s.fast {
		args = append(args, "--no-sync", "--wal-segsize=1")
	}
	cmd := exec.CommandContext(ctx, s.binaries.program("initdb"), args...)
	cmd.Env = environment()
	cmd.Dir = fresh // initdb looks where it is, and the caller's folder may be closed to it
	cmd.SysProcAttr = s.identity.attributes(killSignal)
	runtime.LockOSThread() // see run.start
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initialise the data folder with %s: %w: %s", cmd.Path, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// copyFolder copies the data folder of a stopped server.
func copyFolder(from, to string) error {
	if _, err := os.Stat(filepath.Join(from, "postmaster.pid")); err == nil {
		return fmt.Errorf("copy the data folder %s: a server runs on it, or was not stopped", from)
	}
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.Mkdir(filepath.Join(to, rel), 0o700)
		}
		return copyFile(path, filepath.Join(to, rel))
	})
	if err != nil {
		return fmt.Errorf("copy the data folder %s: %w", from, err)
	}
	return nil
}

func copyFile(from, to string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	_, err = io.Copy(dst, src)
	return err
}

// pause waits a moment between two looks at something that reports no change.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(3 * time.Millisecond):
		return nil
	}
}
