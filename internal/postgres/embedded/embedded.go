// Package embedded runs a Postgres server as a child process, for machines
// where nobody set one up: `make run` keeps its data in one, the tests clone
// their databases in another.
//
// It owns a data folder, the lock file beside it, and a short-lived folder
// below the system's temporary one that holds the unix socket. The server
// listens on nothing but that socket, which only the caller's own user can
// reach, so it asks for no password. It promises that two servers never work on one
// folder, that a folder which is not empty is never initialised again, that
// the server ends when the process that started it ends, however that
// happens, and that what an earlier crash left behind never stops a start.
//
// Postgres refuses to run as root. Started by root, it gets a user namespace in
// which it is somebody else; where those are forbidden it runs as the user
// postgres or nobody, to whom its folder is then given.
//
// The binaries come from the pinned npm packages in npm/, or else from an
// installed Postgres 15 or newer. The package knows nothing of our schema.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
)

// Options says where the server keeps its data and how careful it is with it.
type Options struct {
	Dir      string    // the data folder, made when absent; empty: a temporary one that Stop removes
	From     string    // the data folder of a stopped server, copied instead of initialising an empty Dir; empty: none
	Binaries string    // a folder with bin/postgres and bin/initdb; empty: search, see [Find]
	Temp     string    // where temporary folders are made; empty: the system's place for them
	Fast     bool      // no fsync: a crash of the machine loses the data. For tests
	Log      io.Writer // gets the server's log; nil: nowhere
}

// Server is one Postgres server. Its methods may be called from any goroutine.
type Server struct {
	fast     bool
	log      io.Writer
	binaries Binaries
	identity identity
	dir      string // the data folder, absolute
	scratch  *scratch
	keep     bool // the data outlives Stop

	mu   sync.Mutex
	run  *run // nil while stopped
	last *run // the latest run, for Done
}

// Start starts a server and returns when it answers. A folder that another
// process's server works on, that another major version of Postgres made, or
// that holds something else, is left as it is and reported. When ctx ends
// before the server answers, it is stopped again.
func Start(ctx context.Context, o Options) (*Server, error) {
	identity, err := findIdentity()
	if err != nil {
		return nil, err
	}
	return start(ctx, o, identity)
}

func start(ctx context.Context, o Options, identity identity) (*Server, error) {
	scratch, err := newScratch(o.Temp)
	if err != nil {
		return nil, err
	}
	s := &Server{fast: o.Fast, log: o.Log, identity: identity, scratch: scratch, keep: o.Dir != ""}
	if s.log == nil {
		s.log = io.Discard
	}
	if err := s.begin(ctx, o); err != nil {
		return nil, errors.Join(err, scratch.remove())
	}
	return s, nil
}

func (s *Server) begin(ctx context.Context, o Options) error {
	dir := o.Dir
	if !s.keep {
		dir = filepath.Join(s.scratch.path, "data")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the data folder: %w", err)
	}
	s.dir = dir
	lock, err := lockFolder(ctx, dir)
	if err != nil {
		return err
	}
	if err := s.fill(ctx, o); err != nil {
		return errors.Join(err, unlockFolder(lock))
	}
	return s.launch(ctx, lock)
}

// URL returns the connection URL of the database "postgres".
func (s *Server) URL() string { return s.URLFor("postgres") }

// URLFor returns the connection URL of a database, which need not exist. It
// stays the same across Restart.
func (s *Server) URLFor(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Host: "", Path: "/" + database}
	u.RawQuery = url.Values{"host": {s.scratch.path}, "port": {port}}.Encode()
	return u.String()
}

// Dir returns the data folder.
func (s *Server) Dir() string { return s.dir }

// Binaries returns the Postgres the server runs on.
func (s *Server) Binaries() Binaries { return s.binaries }

// Done returns a channel that is closed when the server that runs now has
// ended, whether by Stop or by itself.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.done
}

// Stop shuts the server down: open transactions are rolled back, connections
// closed, data written. It returns when that is done, and may be called again.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return nil
	}
	err := s.halt((*run).shutDown)
	return errors.Join(err, s.scratch.remove())
}

// Kill ends the server as a crash would, without a word to it, and returns
// when all its processes are gone. For tests of what happens then.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return nil
	}
	return s.halt((*run).kill)
}

// Restart stops the server if it runs, and starts it on the same folder and
// the same URL. After Stop of a server with temporary data it fails: they are gone.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		if err := s.halt((*run).shutDown); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(s.dir, "PG_VERSION")); err != nil {
		return fmt.Errorf("restart postgres: its data are gone: %w", err)
	}
	if err := s.scratch.restore(); err != nil {
		return err
	}
	lock, err := lockFolder(ctx, s.dir)
	if err != nil {
		return err
	}
	return s.launch(ctx, lock)
}

// halt ends the run by the given means and lets go of the data folder, once
// no process of the server has it open any more.
func (s *Server) halt(end func(*run) error) error {
	r := s.run
	s.run = nil
	return errors.Join(end(r), r.release())
}
