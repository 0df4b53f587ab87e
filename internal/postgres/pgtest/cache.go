package pgtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/postgres/embedded"
	"github.com/signalbox-io/signalbox/migrations"
)

// stale is how long a cached data folder is kept after its last use: that of
// another branch may be wanted again.
const stale = 7 * 24 * time.Hour

// layout changes the key of the cache; raise it when what is in the cached
// folder changes without the migrations changing.
const layout = "1"

// cached returns the data folder of a stopped server with a migrated database.
var cached = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	binaries, err := embedded.Find(ctx, "")
	if err != nil {
		return "", err
	}
	key, err := cacheKey(binaries)
	if err != nil {
		return "", err
	}
	root, err := os.UserCacheDir()
	if err != nil {
		root = os.TempDir() // no home folder, as in some containers
	}
	root = filepath.Join(root, "signalbox-test")
	return fill(ctx, root, key, binaries)
})

func cacheKey(binaries embedded.Binaries) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, layout, binaries.Dir, binaries.Version)
	names, err := fs.Glob(migrations.FS, "*.up.sql")
	if err != nil {
		return "", fmt.Errorf("list the migrations: %w", err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			return "", fmt.Errorf("read the migrations: %w", err)
		}
		fmt.Fprintln(h, name, len(text))
		h.Write(text)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// fill returns the cached folder, made first if it is not there. Test
// processes that start together may each make one; the first to finish puts it in place.
func fill(ctx context.Context, root, key string, binaries embedded.Binaries) (string, error) {
	final := filepath.Join(root, key)
	now := time.Now()
	if os.Chtimes(final, now, now) == nil { // there, and marked as used
		return final, nil
	}
	sweep(root, now)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return "", fmt.Errorf("make the cache of test databases: %w", err)
	}
	workshop, err := os.MkdirTemp(root, "building-")
	if err != nil {
		return "", fmt.Errorf("fill the cache of test databases: %w", err)
	}
	defer os.RemoveAll(workshop) // what stays, a sweep removes
	fresh := filepath.Join(workshop, "data")
	if err := build(ctx, fresh, binaries); err != nil {
		return "", fmt.Errorf("fill the cache of test databases: %w", err)
	}
	if err := os.Rename(fresh, final); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("fill the cache of test databases: %w", err)
	}
	return final, nil
}

// build makes the data folder of a server with a migrated database and stops
// the server.
func build(ctx context.Context, dir string, binaries embedded.Binaries) (err error) {
	server, err := embedded.Start(ctx, embedded.Options{Dir: dir, Binaries: binaries.Dir, Fast: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := administer(server, "CREATE DATABASE "+migrated+" TEMPLATE template0"); err != nil {
		return err
	}
	return postgres.Migrate(ctx, server.URLFor(Migrated))
}

// sweep removes what no test has used for long. What cannot be removed costs
// only disk space.
func sweep(root string, now time.Time) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && entry.IsDir() && now.Sub(info.ModTime()) > stale {
			_ = os.RemoveAll(filepath.Join(root, entry.Name()))
		}
	}
}
