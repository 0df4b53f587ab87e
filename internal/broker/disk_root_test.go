package broker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-io/signalbox/internal/claims"
)

func newAccountKey(t *testing.T) string {
	t.Helper()
	seed, err := claims.NewAccountSeed()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seed.AccountKey()
	if err != nil {
		t.Fatal(err)
	}
	return string(key)
}

// Whatever somebody calls an account, nothing but a tenant account's own folder is touched.
func TestErasingReachesNothingOutsideAnAccountsFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := disk{folder: filepath.Join(dir, "jetstream"), system: newAccountKey(t), open: func(string) bool { return false }, assigned: func(string, string) bool { return false }}
	account, linked, busy := newAccountKey(t), newAccountKey(t), newAccountKey(t)
	precious := filepath.Join(dir, "precious")
	for _, folder := range []string{precious, filepath.Join(d.folder, d.system), filepath.Join(d.folder, account, "streams"), filepath.Join(d.folder, "other")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "file"), []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(precious, filepath.Join(d.folder, linked)), os.Symlink(precious, filepath.Join(d.folder, account, "out"))); err != nil {
		t.Fatal(err)
	}

	for _, name := range []string{"", ".", "..", "../precious", "other", d.system, account + "/..", account + "/streams", strings.ToLower(account)} {
		if err := d.erase(name); err == nil {
			t.Errorf("%q was erased", name)
		}
		if _, _, err := d.size(name); err == nil {
			t.Errorf("%q was measured", name)
		}
	}
	if found, err := d.accounts(); err != nil || len(found) != 2 {
		t.Errorf("accounts = %v, %v; want the two tenants' alone", found, err)
	}
	if bytes, there, err := d.size(account); bytes != 5 || !there || err != nil {
		t.Errorf("size = %d, %t, %v", bytes, there, err)
	}
	if err := d.erase(linked); err == nil {
		t.Error("a folder that lies elsewhere was taken for erased")
	}
	for _, key := range []string{account, newAccountKey(t)} {
		if err := d.erase(key); err != nil {
			t.Error(err)
		}
		if _, there, err := d.size(key); there || err != nil {
			t.Errorf("after erasing, it is there: %t, %v", there, err)
		}
	}
	for _, file := range []string{precious, filepath.Join(d.folder, d.system), filepath.Join(d.folder, "other")} {
		if _, err := os.Stat(filepath.Join(file, "file")); err != nil {
			t.Error(err)
		}
	}

	d.open = func(key string) bool { return key == busy }
	if err := os.Mkdir(filepath.Join(d.folder, busy), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.erase(busy); err == nil {
		t.Error("what the server has open was erased")
	}
	d.open = func(string) bool { return false }
	d.assigned = func(key, stream string) bool { return key == busy && stream == "ORDERS" }
	if err := os.MkdirAll(filepath.Join(d.folder, busy, "streams", "ORDERS"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.erase(busy); err == nil {
		t.Error("a stream that the cluster has not deleted was erased")
	}
}
