package admission_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// key is an nkey that signs whatever it is given, which package claims and the
// library's encoders would not.
type key struct {
	public  string
	private ed25519.PrivateKey
}

// newKey makes a key that is the same for the same random numbers.
func newKey(r *rand.Rand, prefix nkeys.PrefixByte) key {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(r.Uint32())
	}
	return keyFrom(prefix, seed)
}

func keyFrom(prefix nkeys.PrefixByte, seed []byte) key {
	private := ed25519.NewKeyFromSeed(seed)
	public, err := nkeys.Encode(prefix, private.Public().(ed25519.PublicKey))
	if err != nil {
		panic(err) // only for a prefix that there is not
	}
	return key{string(public), private}
}

func keyOf(t testing.TB, seed claims.Seed) key {
	t.Helper()
	prefix, raw, err := nkeys.DecodeSeed(seed.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return keyFrom(prefix, raw)
}

const (
	header   = `{"typ":"JWT","alg":"ed25519-nkey"}`
	headerV1 = `{"typ":"jwt","alg":"ed25519"}`
)

var encoding = base64.RawURLEncoding

// token signs the claims as they are: who issued them, when, and of which
// version they are, is the caller's business.
func (k key) token(header string, claims []byte) string {
	text := encoding.EncodeToString([]byte(header)) + "." + encoding.EncodeToString(claims)
	return text + "." + k.sign([]byte(text))
}

// tokenV1 is token for the first version of JWTs, whose header is not signed.
func (k key) tokenV1(header string, claims []byte) string {
	text := encoding.EncodeToString(claims)
	return encoding.EncodeToString([]byte(header)) + "." + text + "." + k.sign([]byte(text))
}

func (k key) sign(text []byte) string { return encoding.EncodeToString(ed25519.Sign(k.private, text)) }

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // claims of our own making
	}
	return text
}

// pick returns one of the values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// chance is true once in n times.
func chance(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }
