package claims_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// fixedSeed is a seed of the given type that is the same in every run.
func fixedSeed(t testing.TB, prefix nkeys.PrefixByte, n byte) claims.Seed {
	t.Helper()
	raw := make([]byte, 32)
	raw[0] = n
	text, err := nkeys.EncodeSeed(prefix, raw)
	if err != nil {
		t.Fatal(err)
	}
	return must(claims.ParseSeed(text))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestKeysOfTheRightTypeAreRead(t *testing.T) {
	t.Parallel()
	operator := must(must(claims.NewOperatorSeed()).OperatorKey())
	account := must(must(claims.NewAccountSeed()).AccountKey())
	user := must(must(claims.NewUserSeed()).UserKey())
	if got, err := claims.ParseOperatorKey(string(operator)); err != nil || got != operator {
		t.Errorf("ParseOperatorKey = %q, %v, want %q", got, err, operator)
	}
	if got, err := claims.ParseAccountKey(string(account)); err != nil || got != account {
		t.Errorf("ParseAccountKey = %q, %v, want %q", got, err, account)
	}
	if got, err := claims.ParseUserKey(string(user)); err != nil || got != user {
		t.Errorf("ParseUserKey = %q, %v, want %q", got, err, user)
	}
}

func TestWrongKeysAreNamedAndNeverRepeated(t *testing.T) {
	t.Parallel()
	seed := string(fixedSeed(t, nkeys.PrefixByteUser, 1).Reveal())
	pair := must(nkeys.CreateUser())
	private := string(must(pair.PrivateKey()))
	user := must(pair.PublicKey())
	account := string(must(fixedSeed(t, nkeys.PrefixByteAccount, 1).AccountKey()))
	operator := string(must(fixedSeed(t, nkeys.PrefixByteOperator, 1).OperatorKey()))
	server := must(must(nkeys.CreateServer()).PublicKey())
	tests := []struct{ name, input, want string }{
		{"an account's key", account, "this is an account's public key; a user's starts with U"},
		{"an operator's key", operator, "this is an operator's public key; a user's starts with U"},
		{"a server's key", server, "this is a server's public key; a user's starts with U"},
		{"a seed", seed, "this is a seed: keep it to yourself, send only the public key"},
		{"a damaged seed", seed[:len(seed)-1] + "1", "this is a seed: keep it to yourself, send only the public key"},
		{"a private key", private, "this is a private key: keep it to yourself, send only the public key"},
		{"nothing", "", "this is not a public key; a user's has 56 characters and starts with U"},
		{"a damaged key", user[:55] + "1", "this is not a public key; a user's has 56 characters and starts with U"},
		{"a key with a line break", user + "\n", "this is not a public key; a user's has 56 characters and starts with U"},
		{"everybody", string(claims.AllUsers), "this is not a public key; a user's has 56 characters and starts with U"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := claims.ParseUserKey(tt.input)
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("error = %v, want fault.Invalid", err)
			}
			if err.Error() != tt.want {
				t.Errorf("error = %q, want %q", err, tt.want)
			}
			if len(tt.input) > 8 && strings.Contains(err.Error(), tt.input[2:]) {
				t.Errorf("the error repeats what was given")
			}
		})
	}
	for _, parse := range []func(string) error{
		func(s string) error { _, err := claims.ParseOperatorKey(s); return err },
		func(s string) error { _, err := claims.ParseAccountKey(s); return err },
	} {
		if err := parse(user); err == nil || !strings.HasPrefix(err.Error(), "this is a user's public key") {
			t.Errorf("error = %v, want one that says it is a user's key", err)
		}
	}
}

func FuzzKeysRoundTripAndNothingElseIsRead(f *testing.F) {
	f.Add(string(must(fixedSeed(f, nkeys.PrefixByteUser, 1).UserKey())), []byte{1})
	f.Add("UAAAA", make([]byte, 32))
	f.Fuzz(func(t *testing.T, s string, raw []byte) {
		if key, err := claims.ParseUserKey(s); err == nil {
			if !nkeys.IsValidPublicUserKey(string(key)) || string(key) != s {
				t.Errorf("ParseUserKey(%q) = %q, which is not that key", s, key)
			}
		} else if len(s) > 8 && strings.Contains(err.Error(), s) {
			t.Errorf("the error repeats the input")
		}
		if len(raw) != 32 {
			return
		}
		text := must(nkeys.EncodeSeed(nkeys.PrefixByteAccount, raw))
		seed, err := claims.ParseSeed(text)
		if err != nil {
			t.Fatalf("ParseSeed: %v", err)
		}
		if got := seed.Reveal(); string(got) != string(text) {
			t.Errorf("Reveal does not give back what ParseSeed read")
		}
		want := must(must(nkeys.FromSeed(text)).PublicKey())
		if got := must(seed.AccountKey()); string(got) != want {
			t.Errorf("AccountKey = %s, want %s as nkeys has it", got, want)
		}
		if _, err := claims.ParseAccountKey(want); err != nil {
			t.Errorf("ParseAccountKey(%s): %v", want, err)
		}
	})
}

func TestKeysMarshalAsText(t *testing.T) {
	t.Parallel()
	key := must(fixedSeed(t, nkeys.PrefixByteUser, 1).UserKey())
	if got := string(must(json.Marshal(key))); got != `"`+string(key)+`"` {
		t.Errorf("JSON = %s, want the quoted key", got)
	}
}
