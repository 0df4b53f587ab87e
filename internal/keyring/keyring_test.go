package keyring_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/signalbox-io/signalbox/internal/keyring"
)

const owner = "AAOWNEROFTHESEED"

var plaintext = []byte("SAANOTAREALSEEDBUTASLONGASONEABCDEFGHIJKLMNOPQRSTUVWXYZ234")

func newKeyring(t testing.TB) (*keyring.Keyring, []byte) {
	t.Helper()
	master, err := keyring.GenerateMaster()
	if err != nil {
		t.Fatal(err)
	}
	return open(t, master), master
}

func open(t testing.TB, master []byte) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Open(master)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t testing.TB, k *keyring.Keyring) []byte {
	t.Helper()
	sealed, err := k.Seal(plaintext, owner)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func opens(t testing.TB, k *keyring.Keyring, sealed []byte) {
	t.Helper()
	called := false
	err := k.Use(sealed, owner, func(got []byte) error {
		called = true
		if !bytes.Equal(got, plaintext) {
			t.Errorf("opened %d bytes that differ from what was sealed", len(got))
		}
		return nil
	})
	if err != nil || !called {
		t.Errorf("Use: called = %t, error = %v", called, err)
	}
}

func staysShut(t testing.TB, k *keyring.Keyring, sealed []byte, owner string) {
	t.Helper()
	err := k.Use(sealed, owner, func([]byte) error { t.Error("use was called"); return nil })
	if err == nil {
		t.Error("it opens, want an error")
		return
	}
	if strings.Contains(err.Error(), string(plaintext)) || len(sealed) > 0 && strings.Contains(err.Error(), string(sealed)) {
		t.Error("the error repeats what was sealed")
	}
}

func TestWhatWasSealedOpensForItsOwner(t *testing.T) {
	t.Parallel()
	k, _ := newKeyring(t)
	sealed := seal(t, k)
	if bytes.Contains(sealed, plaintext) {
		t.Fatal("the sealed value contains the plaintext")
	}
	opens(t, k, sealed)
	opens(t, k, sealed)
}

func TestSealingTwiceGivesTwoValues(t *testing.T) {
	t.Parallel()
	k, _ := newKeyring(t)
	if bytes.Equal(seal(t, k), seal(t, k)) {
		t.Error("two sealed values are equal")
	}
}

func TestSealedValueDoesNotOpenForAnotherOwner(t *testing.T) {
	t.Parallel()
	k, _ := newKeyring(t)
	sealed := seal(t, k)
	for _, other := range []string{"", "A", owner + "X", strings.ToLower(owner)} {
		staysShut(t, k, sealed, other)
	}
	if _, err := k.Seal(plaintext, ""); err == nil {
		t.Error("sealed for nobody, want an error")
	}
}

func TestTamperedValueDoesNotOpen(t *testing.T) {
	t.Parallel()
	k, _ := newKeyring(t)
	sealed := seal(t, k)
	for i := range sealed {
		for _, bit := range []byte{1, 0x80} {
			tampered := bytes.Clone(sealed)
			tampered[i] ^= bit
			staysShut(t, k, tampered, owner)
		}
	}
	for n := range sealed {
		staysShut(t, k, sealed[:n], owner)
	}
	staysShut(t, k, append(bytes.Clone(sealed), 0), owner)
}

func TestDataKeyOfOneValueDoesNotOpenAnother(t *testing.T) {
	t.Parallel()
	k, _ := newKeyring(t)
	first, second := seal(t, k), seal(t, k)
	keyLength := 4 + int(binary.BigEndian.Uint32(first))
	staysShut(t, k, append(bytes.Clone(first[:keyLength]), second[keyLength:]...), owner)
}

func TestAnotherMasterDoesNotOpenIt(t *testing.T) {
	t.Parallel()
	k, _ := newKeyring(t)
	other, _ := newKeyring(t)
	staysShut(t, other, seal(t, k), owner)
}

func TestMasterIsOneLineOfPrintableText(t *testing.T) {
	t.Parallel()
	_, master := newKeyring(t)
	if i := bytes.IndexFunc(master, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) || r == ' ' }); i >= 0 {
		t.Errorf("character %d of the master is not printable ASCII", i)
	}
	k := open(t, append([]byte("\t "), append(bytes.Clone(master), " \r\n"...)...))
	opens(t, open(t, master), seal(t, k))
}

func TestRotatedMasterOpensOldValuesAndSealsWithTheNewKey(t *testing.T) {
	t.Parallel()
	k, master := newKeyring(t)
	old := seal(t, k)
	for range 3 {
		var err error
		if master, err = keyring.Rotate(master); err != nil {
			t.Fatal(err)
		}
		rotated := open(t, master)
		opens(t, rotated, old)
		sealed := seal(t, rotated)
		opens(t, rotated, sealed)
		staysShut(t, k, sealed, owner)
	}
}

func TestBadMasterIsNotRepeated(t *testing.T) {
	t.Parallel()
	_, master := newKeyring(t)
	text := string(master)
	for name, bad := range map[string]string{
		"nothing": "", "not base64": "!" + text, "cut short": text[:len(text)/2], "not a keyset": base64.StdEncoding.EncodeToString(plaintext),
		"two of them": text + "\n" + text, "only the start": text[:8],
	} {
		for what, err := range map[string]error{
			"Open":   func() error { _, err := keyring.Open([]byte(bad)); return err }(),
			"Rotate": func() error { _, err := keyring.Rotate([]byte(bad)); return err }(),
		} {
			if err == nil {
				t.Errorf("%s of %s: no error", what, name)
				continue
			}
			if len(bad) > 0 && strings.Contains(err.Error(), bad) || strings.Contains(err.Error(), text[10:20]) {
				t.Errorf("%s of %s: the error repeats the master", what, name)
			}
		}
	}
}

func TestPlaintextIsWipedWhenUseEnds(t *testing.T) {
	t.Parallel()
	k, _ := newKeyring(t)
	sealed := seal(t, k)
	var kept []byte
	stop := errors.New("stop")
	if err := k.Use(sealed, owner, func(p []byte) error { kept = p; return stop }); err != stop {
		t.Errorf("error = %v, want the one that use returned", err)
	}
	if !bytes.Equal(kept, make([]byte, len(plaintext))) {
		t.Error("the plaintext outlives an error")
	}
	func() {
		defer func() { _ = recover() }()
		_ = k.Use(sealed, owner, func(p []byte) error { kept = p; panic("in use") })
	}()
	if !bytes.Equal(kept, make([]byte, len(plaintext))) {
		t.Error("the plaintext outlives a panic")
	}
}

func TestKeyringServesManyAtOnce(t *testing.T) {
	t.Parallel()
	k, _ := newKeyring(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				opens(t, k, seal(t, k))
			}
		})
	}
	wg.Wait()
}

func FuzzWhatIsSealedOpensUnchanged(f *testing.F) {
	k, _ := newKeyring(f)
	f.Add([]byte("seed"), "owner", []byte("junk"))
	f.Add([]byte{}, "o", seal(f, k))
	f.Fuzz(func(t *testing.T, plaintext []byte, owner string, junk []byte) {
		_ = k.Use(junk, "somebody", func([]byte) error { t.Error("junk opens"); return nil })
		if owner == "" {
			return
		}
		sealed, err := k.Seal(plaintext, owner)
		if err != nil {
			t.Fatal(err)
		}
		err = k.Use(sealed, owner, func(got []byte) error {
			if !bytes.Equal(got, plaintext) {
				t.Errorf("opened %q, want %q", got, plaintext)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k, _ := newKeyring(b)
	for b.Loop() {
		seal(b, k)
	}
}

func BenchmarkUse(b *testing.B) {
	k, _ := newKeyring(b)
	sealed := seal(b, k)
	for b.Loop() {
		if err := k.Use(sealed, owner, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
