package claims_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func encode64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func fullUser(t testing.TB) claims.User {
	t.Helper()
	return claims.User{
		Key:     must(fixedSeed(t, nkeys.PrefixByteUser, 1).UserKey()),
		Name:    "till-7",
		Account: must(fixedSeed(t, nkeys.PrefixByteAccount, 1).AccountKey()),
		Tags:    []string{"team:blue"},
		Expires: time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func TestUserSurvivesMintAndDecode(t *testing.T) {
	t.Parallel()
	role := must(claims.NewAccountSeed())
	browser := claims.User{Key: fullUser(t).Key, Name: "ada@example.com", Account: fullUser(t).Account, Session: time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)}
	for _, user := range []claims.User{fullUser(t), {Key: fullUser(t).Key, Name: "u", Account: fullUser(t).Account}, browser} {
		facts, err := claims.DecodeUser(must(claims.EncodeUser(user, role)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(user, facts.User); diff != "" {
			t.Errorf("(-minted +decoded):\n%s", diff)
		}
		if !facts.Scoped || facts.Issuer != must(role.AccountKey()) {
			t.Errorf("scoped = %t, issuer = %s, want true and the role's key", facts.Scoped, facts.Issuer)
		}
	}
}

func TestUserJWTIsTheLibrarysOwn(t *testing.T) {
	t.Parallel()
	role := fixedSeed(t, nkeys.PrefixByteAccount, 2)
	user := fullUser(t)
	library := jwt.NewUserClaims(string(user.Key))
	library.SetScoped(true)
	library.Name, library.IssuerAccount, library.Expires = user.Name, string(user.Account), user.Expires.Unix()
	library.Tags.Add(user.Tags...)
	pair := must(nkeys.FromSeed(role.Reveal()))
	// Both stamp the time in seconds: repeat until they fall into the same one.
	for range 100 {
		want := must(library.Encode(pair))
		got := must(claims.EncodeUser(user, role))
		if must(claims.DecodeUser(want)).IssuedAt.Equal(must(claims.DecodeUser(got)).IssuedAt) {
			if got != want {
				t.Errorf("JWT = %s, want %s", got, want)
			}
			return
		}
	}
	t.Fatal("the clock never stood still for two signatures")
}

func TestEveryBadFieldOfAUserIsNamed(t *testing.T) {
	t.Parallel()
	user := claims.User{Key: "U", Name: "a b", Account: "A", Tags: []string{"a>"}, Expires: time.Unix(0, 999).UTC()}
	_, err := claims.EncodeUser(user, must(claims.NewAccountSeed()))
	want := []string{"/public_key", "/account", "/name", "/tags/0", "/expires_at"}
	if diff := cmp.Diff(want, pointers(err)); diff != "" {
		t.Errorf("pointers (-want +got):\n%s", diff)
	}
}

func TestOnlyAccountsSignUsers(t *testing.T) {
	t.Parallel()
	for _, signer := range []claims.Seed{must(claims.NewOperatorSeed()), must(claims.NewUserSeed()), {}} {
		if _, err := claims.EncodeUser(fullUser(t), signer); err == nil {
			t.Error("signed by what is no account: no error")
		}
	}
}

func TestSystemUserCarriesItsPermissions(t *testing.T) {
	t.Parallel()
	system := must(claims.NewAccountSeed())
	account := must(system.AccountKey())
	permissions := claims.OpenTemplate()
	permissions.Publish.Allow = []string{"signalbox.>"}
	permissions.Responses = &claims.ResponsePermission{MaxMessages: -1}
	user := fullUser(t)
	facts := must(claims.DecodeUser(must(claims.EncodeSystemUser(user.Key, "broker 1", account, permissions, system))))
	if diff := cmp.Diff(permissions, facts.Permissions); diff != "" {
		t.Errorf("permissions (-minted +decoded):\n%s", diff)
	}
	if facts.Scoped || facts.Account != account || facts.Issuer != account {
		t.Errorf("facts = %+v, want an unscoped user of %s signed by it", facts, account)
	}
	permissions.Publish.Allow = []string{"{{name()}}.>"}
	if _, err := claims.EncodeSystemUser(user.Key, "b", account, permissions, system); !errors.Is(err, fault.Invalid) {
		t.Errorf("a variable in a system user's subject: error = %v, want fault.Invalid", err)
	}
}

func FuzzUserMintAndDecodeIsIdentity(f *testing.F) {
	f.Add("till-7", "team:blue", int64(2000000000))
	f.Add("u", "x", int64(0))
	f.Add("u", "x", int64(-1))
	role := must(claims.NewAccountSeed())
	key := must(must(claims.NewUserSeed()).UserKey())
	account := must(must(claims.NewAccountSeed()).AccountKey())
	f.Fuzz(func(t *testing.T, name, tag string, expires int64) {
		user := claims.User{Key: key, Name: name, Account: account, Tags: []string{tag}, Expires: time.Unix(expires, 0).UTC()}
		token, err := claims.EncodeUser(user, role)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("error = %v, want fault.Invalid", err)
			}
			return
		}
		facts, err := claims.DecodeUser(token)
		if err != nil {
			t.Fatalf("what was minted is not decoded: %v", err)
		}
		if diff := cmp.Diff(user, facts.User); diff != "" {
			t.Errorf("(-minted +decoded):\n%s", diff)
		}
	})
}

func TestOperatorSurvivesMintAndDecode(t *testing.T) {
	t.Parallel()
	seed := must(claims.NewOperatorSeed())
	operator := claims.Operator{
		Key: must(seed.OperatorKey()), Name: "Default",
		SigningKeys:   []claims.OperatorKey{must(must(claims.NewOperatorSeed()).OperatorKey())},
		SystemAccount: must(must(claims.NewAccountSeed()).AccountKey()),
		Tags:          []string{"region:eu"}, SystemJWTID: claims.OperatorJWTID("the system account's"),
	}
	facts := must(claims.DecodeOperator(must(claims.EncodeOperator(operator, seed))))
	if diff := cmp.Diff(operator, facts.Operator); diff != "" {
		t.Errorf("(-minted +decoded):\n%s", diff)
	}
	if !facts.Strict || facts.Issuer != operator.Key {
		t.Errorf("strict = %t, issuer = %s, want true and the operator", facts.Strict, facts.Issuer)
	}
	if _, err := claims.EncodeOperator(operator, must(claims.NewOperatorSeed())); err == nil {
		t.Error("signed with another operator's seed: no error")
	}
	operator.SigningKeys = nil
	if _, err := claims.EncodeOperator(operator, seed); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "signing key") {
		t.Errorf("without signing keys: error = %v, want fault.Invalid", err)
	}
}

func TestOnlyWhoComesFromAWebPageIsNamedByAnEmail(t *testing.T) {
	t.Parallel()
	role, user := must(claims.NewAccountSeed()), fullUser(t)
	user.Name = "ada@example.com"
	if _, err := claims.EncodeUser(user, role); !errors.Is(err, fault.Invalid) {
		t.Errorf("error = %v, want fault.Invalid", err)
	}
	user.Session = time.Now().Add(time.Hour)
	if _, err := claims.EncodeUser(user, role); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", strings.Repeat("a", 255), "a\nb"} {
		user.Name = name
		if _, err := claims.EncodeUser(user, role); !errors.Is(err, fault.Invalid) {
			t.Errorf("error for %q = %v, want fault.Invalid", name, err)
		}
	}
}

func TestSessionEndIsReadStrictly(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]time.Time{
		"signalbox-session:1700000000":           time.Unix(1700000000, 0).UTC(),
		"signalbox-session:":                     {},
		"signalbox-session:-1":                   {},
		"signalbox-session:0":                    {},
		"signalbox-session:1e9":                  {},
		"signalbox-session:99999999999999999999": {},
		"signalbox-session:999999999999":         {}, // after the year 9999
		"session:1700000000":                     {},
	} {
		if got := claims.SessionEnd([]string{"team:blue", tag}); !got.Equal(want) {
			t.Errorf("%s ends %s, want %s", tag, got, want)
		}
	}
}
