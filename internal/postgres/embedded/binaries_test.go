//go:build unix

package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pretend makes a folder with programs that say they are a version of Postgres.
func pretend(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s'\n", version)
		if err := os.WriteFile(filepath.Join(dir, "bin", name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestVersionsThatWillNotDoAreNamed(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"postgres (PostgreSQL) 15.2 (Debian 15.2-1)": "",
		"postgres (PostgreSQL) 19beta1":              "",
		"postgres (PostgreSQL) 14.9":                 "is Postgres 14, and at least 15 is needed",
		"dog (PetgreSQL)":                            "is no Postgres",
	} {
		_, err := Find(t.Context(), pretend(t, version))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("Find(%q): %v, want %q", version, err, want)
		}
	}
	if _, err := Find(t.Context(), t.TempDir()); err == nil {
		t.Error("found a Postgres in an empty folder")
	}
}

func TestInstalledVersionsAreTriedNewestFirst(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, version := range []string{"9.6", "15", "16", "17"} {
		if err := os.Mkdir(filepath.Join(root, version), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	got := newestFirst(filepath.Join(root, "1*"))
	if len(got) != 3 || filepath.Base(got[0]) != "17" || filepath.Base(got[2]) != "15" {
		t.Errorf("order = %v, want 17, 16, 15", got)
	}
}

func TestLibraryLinksAreMadeOnceAndOnlyInThePackage(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	native := filepath.Join(root, "package", "native")
	if err := os.MkdirAll(filepath.Join(native, "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(native, "lib", "libx.so.1.2"), "library")
	list := filepath.Join(native, "pg-symlinks.json")
	write(t, list, `[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so.1"}]`)
	for range 2 {
		if err := linkLibraries(native); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(native, "lib", "libx.so.1")); err != nil || string(got) != "library" {
		t.Errorf("through the link: %q, %v", got, err)
	}
	write(t, list, `[{"source":"native/lib/libx.so.1.2","target":"../outside"}]`)
	if err := linkLibraries(native); err == nil {
		t.Error("a link was made outside of the package")
	}
	gone(t, filepath.Join(root, "outside"))
}
