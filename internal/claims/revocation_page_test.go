package claims_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// userKey is the public key with that number in it.
func userKey(n uint64) claims.UserKey {
	raw := make([]byte, 32)
	binary.BigEndian.PutUint64(raw, n*0x9E3779B97F4A7C15) // the order of keys is not that of numbers
	return claims.UserKey(must(nkeys.Encode(nkeys.PrefixByteUser, raw)))
}

func revocations(n uint64) map[claims.UserKey]time.Time {
	revoked := map[claims.UserKey]time.Time{}
	for i := range n {
		revoked[userKey(i)] = time.Unix(1_700_000_000+int64(i), 0).UTC()
	}
	return revoked
}

func TestPageTellsWhoIsRevokedUpToWhen(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{1, 2, 3, 1000, claims.MaxPageRevocations} {
		revoked := revocations(n)
		page := must(claims.EncodeRevocationPage(revoked))
		if page.Len() != len(revoked) || len(page.Bytes()) != 40*len(revoked) {
			t.Errorf("a page of %d revocations has %d in %d bytes", n, page.Len(), len(page.Bytes()))
		}
		for key, want := range revoked {
			if at, ok := page.RevokedAt(key); !ok || !at.Equal(want) {
				t.Fatalf("of %d: %s is revoked up to %v (%t), want %v", n, key, at, ok, want)
			}
		}
		for i := range uint64(100) {
			if at, ok := page.RevokedAt(userKey(n + i)); ok {
				t.Errorf("of %d: a key that is not in the page is revoked up to %v", n, at)
			}
		}
	}
}

func TestWhatIsNoKeyIsNotRevoked(t *testing.T) {
	t.Parallel()
	page := must(claims.EncodeRevocationPage(revocations(10)))
	account := claims.UserKey(fullAccount(t).Key)
	for _, key := range []claims.UserKey{"", "U", claims.AllUsers, account, userKey(1) + "A"} {
		if _, ok := page.RevokedAt(key); ok {
			t.Errorf("%q is revoked", key)
		}
	}
	if _, ok := (claims.RevocationPage{}).RevokedAt(userKey(1)); ok {
		t.Error("a key is revoked by a page that is empty")
	}
}

func TestPageIsNamedByWhatIsInIt(t *testing.T) {
	t.Parallel()
	one, same := must(claims.EncodeRevocationPage(revocations(500))), must(claims.EncodeRevocationPage(revocations(500)))
	if one.Hash() != same.Hash() || !bytes.Equal(one.Bytes(), same.Bytes()) {
		t.Error("the same revocations make two pages")
	}
	later := revocations(500)
	later[userKey(7)] = later[userKey(7)].Add(time.Second)
	if must(claims.EncodeRevocationPage(later)).Hash() == one.Hash() {
		t.Error("another time of revocation makes the same page")
	}
	if hash := must(claims.ParsePageHash(string(one.Hash()))); hash != claims.HashPage(one.Bytes()) {
		t.Errorf("hash = %s, want %s", hash, claims.HashPage(one.Bytes()))
	}
	for _, bad := range []string{"", "ab", strings.ToUpper(string(one.Hash())), string(one.Hash()) + "00", strings.Repeat("g", 64)} {
		if _, err := claims.ParsePageHash(bad); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q as a hash: error = %v, want fault.Invalid", bad, err)
		}
	}
}

func TestRevocationsThatMakeNoPageAreRefused(t *testing.T) {
	t.Parallel()
	good := must(claims.EncodeRevocationPage(revocations(3))).Bytes()
	swapped := slices.Concat(good[40:80], good[:40], good[80:])
	for name, b := range map[string][]byte{
		"nothing": nil, "half a record": good[:60], "out of order": swapped, "a key twice": slices.Concat(good[:40], good),
		"too many": bytes.Repeat(good[:40], claims.MaxPageRevocations+1),
	} {
		if _, err := claims.DecodeRevocationPage(b); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: error = %v, want fault.Invalid", name, err)
		}
	}
	for name, revoked := range map[string]map[claims.UserKey]time.Time{
		"nobody":        {},
		"everybody":     {claims.AllUsers: time.Now()},
		"an account":    {claims.UserKey(fullAccount(t).Key): time.Now()},
		"never revoked": {userKey(1): {}},
		"too many":      revocations(claims.MaxPageRevocations + 1),
	} {
		if _, err := claims.EncodeRevocationPage(revoked); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: error = %v, want fault.Invalid", name, err)
		}
	}
}

func TestAccountNamesItsPages(t *testing.T) {
	t.Parallel()
	signer := must(claims.NewOperatorSeed())
	account := fullAccount(t)
	account.Logins, account.Trust = nil, ""
	plain := must(claims.EncodeAccount(account, signer))
	account.Pages = []claims.PageHash{claims.HashPage([]byte("one")), claims.HashPage([]byte("two"))}
	paged := must(claims.EncodeAccount(account, signer))
	facts := must(claims.DecodeAccount(paged))
	if diff := cmp.Diff(account, facts.Account, byKey); diff != "" {
		t.Errorf("(-minted +decoded):\n%s", diff)
	}
	if claims.MayNamePages(plain) || !claims.MayNamePages(paged) {
		t.Errorf("may name pages: %t without, %t with", claims.MayNamePages(plain), claims.MayNamePages(paged))
	}
	for pointer, wrong := range map[string]claims.Account{
		"/pages/1":  {Key: account.Key, Name: "a", Pages: []claims.PageHash{account.Pages[0], account.Pages[0]}},
		"/pages/0":  {Key: account.Key, Name: "a", Pages: []claims.PageHash{"x"}},
		"/logins/0": {Key: account.Key, Name: "a", Logins: []claims.PageHash{"x"}},
		"/logins/1": {Key: account.Key, Name: "a", Logins: []claims.PageHash{account.Pages[0], account.Pages[0]}},
		"/trust":    {Key: account.Key, Name: "a", Trust: "x"},
		"/tags/0":   {Key: account.Key, Name: "a", Tags: []string{"signalbox-revocations:" + string(account.Pages[0])}},
	} {
		_, err := claims.EncodeAccount(wrong, signer)
		if got := pointers(err); len(got) != 1 || got[0] != pointer {
			t.Errorf("pointers = %q, want %q", got, pointer)
		}
	}
	trust := "signalbox-trust:" + string(account.Pages[0])
	for _, bad := range [][]string{{"signalbox-revocations:abc"}, {"signalbox-logins:abc"}, {"signalbox-trust:"}, {trust, trust}} {
		if _, _, err := claims.SplitTags(bad); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: error = %v, want fault.Invalid", bad, err)
		}
	}
	for _, tag := range []string{"signalbox-revocations:", "signalbox-logins:", "signalbox-trust:"} {
		_, names, err := claims.SplitTags([]string{"eu", tag + string(account.Pages[0])})
		if err != nil || len(names) != 1 || names[0].Hash != account.Pages[0] {
			t.Fatalf("%s names %v, %v", tag, names, err)
		}
		if again, err := claims.ParsePageName(names[0].String()); err != nil || again != names[0] {
			t.Errorf("%s reads back as %s, %v", names[0], again, err)
		}
	}
}

func TestInlinedAccountSaysTheSameWithoutPages(t *testing.T) {
	t.Parallel()
	signer := must(claims.NewOperatorSeed())
	account := fullAccount(t)
	account.Pages = []claims.PageHash{claims.HashPage([]byte("one"))}
	paged := must(claims.EncodeAccount(account, signer))
	account.Pages, account.Revoked = nil, revocations(10_000)
	account.ConnectionTypes, account.TypeConnections = nil, nil // a stock server's are the roles' alone
	account.RoleConnections, account.Overrides, account.ConsoleRoles = nil, nil, nil
	account.Logins, account.Trust = nil, ""

	token := must(claims.InlineRevocations(paged, account.Revoked, signer))
	account.Revoked[claims.AllUsers] = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC) // of the JWT before

	facts, before := must(claims.DecodeAccount(token)), must(claims.DecodeAccount(paged))
	if diff := cmp.Diff(account, facts.Account, byKey); diff != "" {
		t.Errorf("(-want +decoded):\n%s", diff)
	}
	if !facts.IssuedAt.Equal(before.IssuedAt) || facts.Issuer != before.Issuer || claims.MayNamePages(token) {
		t.Errorf("issued at %v by %s, want %v by %s; may name pages: %t", facts.IssuedAt, facts.Issuer, before.IssuedAt, before.Issuer, claims.MayNamePages(token))
	}
	if facts.ID == before.ID {
		t.Error("a server would take it for the JWT with the pages: their jti is the same")
	}
	if again := must(claims.InlineRevocations(paged, account.Revoked, signer)); again != token {
		t.Error("the same revocations make two JWTs")
	}
	if _, err := claims.InlineRevocations(paged, revocations(12_000), signer); !errors.Is(err, fault.OverLimit) {
		t.Errorf("too many revocations: error = %v, want fault.OverLimit", err)
	}
	if _, err := claims.InlineRevocations(paged, nil, must(claims.NewUserSeed())); err == nil {
		t.Error("signed by a user: no error")
	}
}

func FuzzPageDecodeAndEncodeIsIdentity(f *testing.F) {
	f.Add(must(claims.EncodeRevocationPage(revocations(1))).Bytes(), uint64(0), uint32(1))
	f.Add(must(claims.EncodeRevocationPage(revocations(5))).Bytes(), uint64(3), uint32(77))
	f.Add([]byte("no page"), uint64(9), uint32(5))
	f.Fuzz(func(t *testing.T, b []byte, n uint64, at uint32) {
		if page, err := claims.DecodeRevocationPage(b); err == nil {
			if page.Len()*40 != len(b) || page.Hash() != claims.HashPage(b) {
				t.Errorf("a page of %d bytes has %d revocations and the name %s", len(b), page.Len(), page.Hash())
			}
			_, _ = page.RevokedAt(userKey(n))
		} else if !errors.Is(err, fault.Invalid) {
			t.Fatalf("error = %v, want fault.Invalid", err)
		}
		revoked := map[claims.UserKey]time.Time{userKey(n): time.Unix(int64(at)+1, 0).UTC(), userKey(n / 3): time.Unix(5, 0).UTC()}
		page := must(claims.EncodeRevocationPage(revoked))
		read := must(claims.DecodeRevocationPage(page.Bytes()))
		for key, want := range revoked {
			if got, ok := read.RevokedAt(key); !ok || !got.Equal(want) {
				t.Errorf("%s was minted with %v and is decoded with %v (%t)", key, want, got, ok)
			}
		}
	})
}
