package claims_test

import (
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// BenchmarkCredentialIssued is the whole of what a credential costs here: open
// the role's seed, make the user's key, sign, write the file.
func BenchmarkCredentialIssued(b *testing.B) {
	role := fixedSeed(b, nkeys.PrefixByteAccount, 1).Reveal()
	user := fullUser(b)
	for b.Loop() {
		signer := must(claims.ParseSeed(role))
		seed := must(claims.NewUserSeed())
		user.Key = must(seed.UserKey())
		claims.FormatCreds(must(claims.EncodeUser(user, signer)), seed)
		signer.Wipe()
		seed.Wipe()
	}
}

func BenchmarkEncodeUser(b *testing.B) {
	role, user := fixedSeed(b, nkeys.PrefixByteAccount, 1), fullUser(b)
	for b.Loop() {
		must(claims.EncodeUser(user, role))
	}
}

func BenchmarkEncodeUserWithTheLibraryAlone(b *testing.B) {
	pair, user := must(nkeys.FromSeed(fixedSeed(b, nkeys.PrefixByteAccount, 1).Reveal())), fullUser(b)
	for b.Loop() {
		c := jwt.NewUserClaims(string(user.Key))
		c.SetScoped(true)
		c.Name, c.IssuerAccount, c.Expires, c.Tags = user.Name, string(user.Account), user.Expires.Unix(), user.Tags
		must(c.Encode(pair))
	}
}

func BenchmarkFormatCreds(b *testing.B) {
	seed := fixedSeed(b, nkeys.PrefixByteUser, 1)
	token := must(claims.EncodeUser(fullUser(b), fixedSeed(b, nkeys.PrefixByteAccount, 1)))
	for b.Loop() {
		claims.FormatCreds(token, seed)
	}
}

func BenchmarkFormatCredsWithTheLibrary(b *testing.B) {
	seed := fixedSeed(b, nkeys.PrefixByteUser, 1)
	token := must(claims.EncodeUser(fullUser(b), fixedSeed(b, nkeys.PrefixByteAccount, 1)))
	for b.Loop() {
		must(jwt.FormatUserConfig(token, seed.Reveal()))
	}
}

func BenchmarkEncodeAccount(b *testing.B) {
	account, signer := fullAccount(b), fixedSeed(b, nkeys.PrefixByteOperator, 1)
	for b.Loop() {
		must(claims.EncodeAccount(account, signer))
	}
}

func BenchmarkDecodeAccount(b *testing.B) {
	token := must(claims.EncodeAccount(fullAccount(b), fixedSeed(b, nkeys.PrefixByteOperator, 1)))
	for b.Loop() {
		must(claims.DecodeAccount(token))
	}
}
