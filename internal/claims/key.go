package claims

import (
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// OperatorKey is an operator's public key, or that of one of its signing keys: O….
type OperatorKey string

// AccountKey is an account's public key, or that of one of its roles: A….
type AccountKey string

// UserKey is the public key of a credential: U….
type UserKey string

// AllUsers stands for every user in a list of revocations. It is no key:
// [ParseUserKey] refuses it.
const AllUsers UserKey = "*"

// publicKeyLength is the length of every public nkey: 35 bytes in base32.
const publicKeyLength = 56

// ParseOperatorKey reads an operator's public key. Its error is a fault.Invalid
// that says what was given instead, and never repeats it: it may be a seed.
func ParseOperatorKey(s string) (OperatorKey, error) {
	return OperatorKey(s), checkKey(s, nkeys.PrefixByteOperator)
}

// ParseAccountKey reads an account's public key, with errors as of [ParseOperatorKey].
func ParseAccountKey(s string) (AccountKey, error) {
	return AccountKey(s), checkKey(s, nkeys.PrefixByteAccount)
}

// ParseUserKey reads a user's public key, with errors as of [ParseOperatorKey].
func ParseUserKey(s string) (UserKey, error) {
	return UserKey(s), checkKey(s, nkeys.PrefixByteUser)
}

// Verifies says whether the signature of the data is the key's.
func (k UserKey) Verifies(data, signature []byte) bool {
	public, err := nkeys.FromPublicKey(string(k))
	return err == nil && public.Verify(data, signature) == nil
}

// encodeKey writes 32 bytes as a public key.
func encodeKey(prefix nkeys.PrefixByte, raw []byte) string {
	key, err := nkeys.Encode(prefix, raw)
	if err != nil {
		panic(err) // the prefix is one of the library's
	}
	return string(key)
}

func checkKey(s string, want nkeys.PrefixByte) error {
	got := kindOf(s)
	if got == want {
		return nil
	}
	switch got {
	case nkeys.PrefixByteSeed:
		return fault.New(fault.Invalid, "this is a seed: keep it to yourself, send only the public key")
	case nkeys.PrefixBytePrivate:
		return fault.New(fault.Invalid, "this is a private key: keep it to yourself, send only the public key")
	case nkeys.PrefixByteUnknown:
		return fault.New(fault.Invalid, "this is not a public key; %s has %d characters and starts with %s",
			possessive[want], publicKeyLength, initial[want])
	}
	return fault.New(fault.Invalid, "this is %s public key; %s starts with %s", possessive[got], possessive[want], initial[want])
}

// kindOf says what s is: a public key's type, or a seed or private key, also
// when it is damaged, so that the message about it can be the right one.
func kindOf(s string) nkeys.PrefixByte {
	// The library's decoder skips line breaks and does not look at lengths.
	if len(s) == publicKeyLength && nkeys.IsValidPublicKey(s) {
		return nkeys.Prefix(s)
	}
	switch {
	case len(s) >= 50 && s[0] == 'S':
		return nkeys.PrefixByteSeed
	case len(s) >= 50 && s[0] == 'P':
		return nkeys.PrefixBytePrivate
	}
	return nkeys.PrefixByteUnknown
}

var possessive = map[nkeys.PrefixByte]string{
	nkeys.PrefixByteOperator: "an operator's",
	nkeys.PrefixByteAccount:  "an account's",
	nkeys.PrefixByteUser:     "a user's",
	nkeys.PrefixByteServer:   "a server's",
	nkeys.PrefixByteCluster:  "a cluster's",
	nkeys.PrefixByteCurve:    "an encryption",
}

var initial = map[nkeys.PrefixByte]string{
	nkeys.PrefixByteOperator: "O",
	nkeys.PrefixByteAccount:  "A",
	nkeys.PrefixByteUser:     "U",
}
