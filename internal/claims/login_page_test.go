package claims_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// deviceLogin is the login with that number in it.
func deviceLogin(t testing.TB, n uint64) claims.DeviceLogin {
	l := claims.DeviceLogin{
		Digest: claims.NkeyDigest(userKey(n)), User: userKey(n), Name: fmt.Sprintf("sensor-%d", n),
		Role:     must(fixedSeed(t, nkeys.PrefixByteAccount, 2).AccountKey()),
		IssuedAt: time.Unix(1_700_000_000+int64(n), 0).UTC(),
	}
	if n%2 == 1 {
		l.Username, l.Tags, l.ExpiresAt = "sensor@"+l.Name, []string{"site:bern", l.Name}, l.IssuedAt.Add(time.Hour)
	}
	return l
}

func deviceLogins(t testing.TB, n uint64) (list []claims.DeviceLogin) {
	for i := range n {
		list = append(list, deviceLogin(t, i))
	}
	return list
}

func TestLoginPageTellsWhoseLoginADigestIs(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{1, 2, 3, 1000, claims.MaxPageLogins} {
		logins := deviceLogins(t, n)
		page := must(claims.EncodeLoginPage(logins))
		size := 4
		for _, want := range logins {
			size += want.PageBytes()
			got, ok := page.Find(want.Digest)
			if diff := cmp.Diff(want, got); !ok || diff != "" {
				t.Fatalf("of %d (%t, -minted +found):\n%s", n, ok, diff)
			}
		}
		if page.Len() != len(logins) || len(page.Bytes()) != size {
			t.Errorf("a page of %d has %d in %d bytes, want %d", n, page.Len(), len(page.Bytes()), size)
		}
		for i := range uint64(100) {
			if l, ok := page.Find(claims.NkeyDigest(userKey(n + i))); ok {
				t.Errorf("of %d: found %s by a digest that is not in the page", n, l.Name)
			}
		}
		slices.Reverse(logins)
		if again := must(claims.EncodeLoginPage(logins)); again.Hash() != page.Hash() {
			t.Errorf("of %d: in another order they make another page", n)
		}
	}
	if _, ok := (claims.LoginPages{{}}).Find(claims.LoginDigest{}); ok || (claims.LoginPage{}).Len() != 0 {
		t.Error("the empty page has logins")
	}
}

func TestLoginsThatMakeNoPageAreRefused(t *testing.T) {
	t.Parallel()
	good := must(claims.EncodeLoginPage(deviceLogins(t, 3))).Bytes()
	const digests = 4
	swapped := slices.Concat(good[:digests], good[digests+32:digests+64], good[digests:digests+32], good[digests+64:])
	more := slices.Clone(good)
	binary.BigEndian.PutUint32(more, 4)
	for name, b := range map[string][]byte{
		"nothing": nil, "no logins": {0, 0, 0, 0}, "less than a number": good[:3], "cut off": good[:len(good)-1], "a byte too many": append(slices.Clone(good), 0),
		"out of order": swapped, "more than there are": more, "too many": {0xff, 0xff, 0xff, 0xff},
		"too long": slices.Concat(good, make([]byte, claims.MaxLoginPageBytes)),
	} {
		if _, err := claims.DecodeLoginPage(b); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: error = %v, want fault.Invalid", name, err)
		}
	}
	change := func(change func(*claims.DeviceLogin)) []claims.DeviceLogin {
		list := deviceLogins(t, 2)
		change(&list[1])
		return list
	}
	account := fullAccount(t).Key
	for pointer, logins := range map[string][]claims.DeviceLogin{
		"/1/public_key": change(func(l *claims.DeviceLogin) { l.User = claims.AllUsers }),
		"/1/role":       change(func(l *claims.DeviceLogin) { l.Role = "" }),
		"/1/name":       change(func(l *claims.DeviceLogin) { l.Name = "a.b" }),
		"/1/username":   change(func(l *claims.DeviceLogin) { l.Username = string(account) }),
		"/1/issued_at":  change(func(l *claims.DeviceLogin) { l.IssuedAt = time.Time{} }),
		"/1/expires_at": change(func(l *claims.DeviceLogin) { l.ExpiresAt = time.Unix(0, 0) }),
		"/1/tags/0":     change(func(l *claims.DeviceLogin) { l.Tags = []string{"*"} }),
	} {
		_, err := claims.EncodeLoginPage(logins)
		if got := pointers(err); len(got) != 1 || got[0] != pointer {
			t.Errorf("pointers = %q, want %q (%v)", got, pointer, err)
		}
	}
	for name, logins := range map[string][]claims.DeviceLogin{
		"none": nil, "one twice": {deviceLogin(t, 1), deviceLogin(t, 1)}, "too many": deviceLogins(t, claims.MaxPageLogins+1),
	} {
		if _, err := claims.EncodeLoginPage(logins); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: error = %v, want fault.Invalid", name, err)
		}
	}
	long := deviceLogins(t, claims.MaxPageLogins)
	for i := range long {
		long[i].Tags = []string{strings.Repeat("x", 120), strings.Repeat("y", 120)}
	}
	if _, err := claims.EncodeLoginPage(long); !errors.Is(err, fault.OverLimit) {
		t.Errorf("too long: error = %v, want fault.OverLimit", err)
	}
}

// What brokers and rows hold must not drift.
func TestLoginPageIsAsTheGoldenFileHasIt(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for b := must(claims.EncodeLoginPage(deviceLogins(t, 3))).Bytes(); len(b) > 0; b = b[min(32, len(b)):] {
		fmt.Fprintln(&text, hex.EncodeToString(b[:min(32, len(b))]))
	}
	compareGolden(t, "login_page.txt", text.String())
}

func FuzzLoginPageDecodeAndEncodeIsIdentity(f *testing.F) {
	for _, n := range []uint64{1, 2, 5} {
		f.Add(must(claims.EncodeLoginPage(deviceLogins(f, n))).Bytes())
	}
	f.Add([]byte("no page"))
	f.Fuzz(func(t *testing.T, b []byte) {
		page, err := claims.DecodeLoginPage(b)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("error = %v, want fault.Invalid", err)
			}
			return
		}
		var all []claims.DeviceLogin
		for i := range page.Len() {
			l := page.Login(i)
			if found, ok := page.Find(page.Digest(i)); !ok || !found.Equal(l) {
				t.Errorf("login %d is not found by its digest", i)
			}
			all = append(all, l)
		}
		if again := must(claims.EncodeLoginPage(all)); !bytes.Equal(again.Bytes(), b) {
			t.Errorf("%x was decoded and encodes to %x", b, again.Bytes())
		}
	})
}

func BenchmarkFindLogin(b *testing.B) {
	for _, pages := range []int{1, 50} {
		b.Run(fmt.Sprint(pages*claims.MaxPageLogins), func(b *testing.B) {
			var all claims.LoginPages
			for i := range pages {
				var logins []claims.DeviceLogin
				for n := range claims.MaxPageLogins {
					logins = append(logins, deviceLogin(b, uint64(i*claims.MaxPageLogins+n)))
				}
				all = append(all, must(claims.EncodeLoginPage(logins)))
			}
			last := all[pages-1].Digest(77)
			for b.Loop() {
				if _, ok := all.Find(last); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}

func BenchmarkDecodeLoginPage(b *testing.B) {
	page := must(claims.EncodeLoginPage(deviceLogins(b, claims.MaxPageLogins)))
	for b.Loop() {
		must(claims.DecodeLoginPage(page.Bytes()))
	}
}
