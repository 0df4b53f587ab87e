package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	superuser  = "postgres"
	port       = "5432" // of no network: it is part of the socket's name
	killSignal = syscall.SIGKILL
)

// How long a server gets to shut down before it is asked less politely. What
// it had no time to write it recovers at the next start.
const (
	fastShutdown      = 30 * time.Second
	immediateShutdown = 5 * time.Second
)

// run is one process of the server, from its start to its end.
type run struct {
	cmd  *exec.Cmd
	lock *os.File // of the data folder, shared with the process and its children
	log  *tail
	done chan struct{} // closed when the process and its children have ended
	err  error         // how it ended; read after done
}

// launch starts postgres on the locked, filled data folder and waits until it
// takes connections. It gives up the lock when that fails.
func (s *Server) launch(ctx context.Context, lock *os.File) error {
	r := &run{lock: lock, log: &tail{to: s.log}, done: make(chan struct{})}
	if err := s.prepare(r); err != nil {
		return errors.Join(err, unlockFolder(lock))
	}
	if err := r.start(s); err != nil {
		return errors.Join(err, unlockFolder(lock))
	}
	if err := r.ready(ctx, s.dir); err != nil {
		return errors.Join(err, r.kill(), r.release())
	}
	s.run, s.last = r, r
	return nil
}

func (s *Server) prepare(r *run) error {
	for _, folder := range []string{s.dir, s.scratch.path} {
		if err := s.identity.own(folder); err != nil {
			return err
		}
	}
	env := environment()
	stale, _ := readPIDFile(s.dir)
	if stale != 0 {
		if worksIn(stale, s.dir) {
			return fmt.Errorf("a Postgres that something else started, process %d, works on the data folder %s", stale, s.dir)
		}
		// Left by a crash. Should the number have gone to another process by
		// now, Postgres would take that for a server. This tells it, as pg_ctl would,
		// to let that process be; its check for children that still share memory stays.
		env = append(env, "PG_GRANDPARENT_PID="+strconv.Itoa(stale))
	}
	r.cmd = exec.Command(s.binaries.program("postgres"), s.arguments()...)
	r.cmd.Env = env
	r.cmd.Dir = s.dir
	r.cmd.Stderr = r.log
	r.cmd.ExtraFiles = []*os.File{r.lock, s.scratch.owner}
	r.cmd.SysProcAttr = s.identity.attributes(s.farewell())
	r.cmd.WaitDelay = 10 * time.Second // for children of a killed server; they leave at once unless they are stuck
	return nil
}

// farewell is the signal that a server whose starter died gets: to keep the
// data it writes them; to throw them away it need not.
func (s *Server) farewell() syscall.Signal {
	if s.keep {
		return syscall.SIGINT
	}
	return syscall.SIGQUIT
}

func (s *Server) arguments() []string {
	settings := []string{
		"listen_addresses=",
		"unix_socket_directories=" + s.scratch.path,
		"unix_socket_permissions=0700",
		"port=" + port,
		"max_connections=200",
		"timezone=UTC",
		"log_timezone=UTC",
		"log_error_verbosity=terse", // the detail of an error quotes the row
	}
	if s.fast {
		settings = append(settings,
			"fsync=off", "synchronous_commit=off", "full_page_writes=off",
			"wal_level=minimal", "max_wal_senders=0",
			"autovacuum=off", // it would get in the way of cloning databases
		)
	}
	args := []string{"-D", s.dir}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// environment is ours without what would change how Postgres works.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "LANG") {
			env = append(env, v)
		}
	}
	return append(env, "LC_ALL=C")
}

// readPIDFile returns the process number in postmaster.pid and the state the
// server is in; 0 and "" when they are not there or only half written.
func readPIDFile(dir string) (pid int, state string) {
	const stateLine = 7 // of postmaster.pid, counted from 0
	text, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return 0, ""
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 2 {
		return 0, ""
	}
	pid, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	if len(lines) > stateLine+1 {
		state = strings.TrimSpace(lines[stateLine])
	}
	return pid, state
}

// start starts the process, on a thread that lives as long as it does: Linux
// takes the end of the thread that forked for the parent's death.
func (r *run) start(s *Server) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		reaper, err := r.fork(s)
		started <- err
		if err != nil {
			return
		}
		r.err = r.cmd.Wait()
		reaper.dismiss()
		close(r.done)
	}()
	return <-started
}

func (r *run) fork(s *Server) (*reaper, error) {
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("run %s: %w", r.cmd.Path, err)
	}
	reaper, err := startReaper(s.farewell(), r.cmd.Process.Pid, s.scratch)
	if err != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait() // says that it was killed
		return nil, err
	}
	return reaper, nil
}

// ready waits until the server says in its pid file that it takes connections.
func (r *run) ready(ctx context.Context, dir string) error {
	for {
		if pid, state := readPIDFile(dir); pid == r.cmd.Process.Pid && state == "ready" {
			return nil
		}
		select {
		case <-r.done:
			return fmt.Errorf("postgres on %s ended while it started: %w: %s", dir, r.err, r.log.text())
		default:
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("wait for postgres on %s to start: %w: %s", dir, err, r.log.text())
		}
	}
}

// shutDown ends the server in an orderly way, or else in the next best one.
func (r *run) shutDown() error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastShutdown}, {syscall.SIGQUIT, immediateShutdown}} {
		if err := r.signal(step.signal); err != nil {
			return err
		}
		if r.ended(step.wait) {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("postgres, process %d, did not shut down and was killed", r.cmd.Process.Pid), r.kill())
}

func (r *run) kill() error {
	if err := r.signal(killSignal); err != nil {
		return err
	}
	<-r.done
	return nil
}

func (r *run) signal(signal syscall.Signal) error {
	err := r.cmd.Process.Signal(signal)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end postgres, process %d: %w", r.cmd.Process.Pid, err)
	}
	return nil
}

func (r *run) ended(within time.Duration) bool {
	select {
	case <-r.done:
		return true
	case <-time.After(within):
		return false
	}
}

// release gives up the data folder after the run.
func (r *run) release() error { return unlockFolder(r.lock) }

// reaper is a shell that outlives us when we are killed. It then ends the
// server, should the kernel not have done so, waits until the server has taken its
// socket away, and removes the scratch folder. (The process may stay for
// ever, as a zombie, where nobody takes over orphans.)
type reaper struct {
	cmd  *exec.Cmd
	life io.Closer // our end of its input: it reads until we are gone
}

const reaperScript = `cat >/dev/null
kill -s "$1" "$2"
n=0
while [ -S "$4" ] && kill -s 0 "$2" && [ $n -lt 300 ]; do n=$((n+1)); sleep 0.1; done
rm -rf "$3"`

func startReaper(farewell syscall.Signal, pid int, scratch *scratch) (*reaper, error) {
	name := map[syscall.Signal]string{syscall.SIGINT: "INT", syscall.SIGQUIT: "QUIT"}[farewell]
	cmd := exec.Command("/bin/sh", "-c", reaperScript, "signalbox-reaper", name, strconv.Itoa(pid), scratch.path, filepath.Join(scratch.path, socketName))
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{scratch.owner}
	cmd.SysProcAttr = ownGroup() // what kills our group must not kill the reaper
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the reaper of postgres: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the reaper of postgres: %w", err)
	}
	return &reaper{cmd: cmd, life: life}, nil
}

// dismiss ends the reaper before it does anything.
func (r *reaper) dismiss() {
	_ = r.cmd.Process.Kill() // fails only when it is gone already
	_ = r.cmd.Wait()         // says that it was killed
	_ = r.life.Close()       // closed by Wait
}

// tail passes the server's log on and remembers its end, to explain a start
// that failed. A log that cannot be written does not stop the server.
type tail struct {
	mu   sync.Mutex
	to   io.Writer
	last []byte
}

const tailLimit = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	t.last = t.last[max(0, len(t.last)-tailLimit):]
	_, _ = t.to.Write(p)
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.last))
}
