package claims

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Seed is the private half of an nkey: an operator's, an account's (a role's is
// one of those) or a user's. It prints as [seed] under every verb and in slog,
// and refuses to be marshalled; [Seed.Reveal] is the one way to its text. The
// zero Seed, and a wiped one, can do nothing but say so.
type Seed struct {
	// A function, because fmt calls no methods on unexported fields of other
	// structs, and follows a pointer there when the verb does not suit it; of
	// a function it prints the address. Nil in the zero Seed.
	secret func() *secret
}

type secret struct {
	text    []byte // S…; nil once wiped
	private ed25519.PrivateKey
	prefix  nkeys.PrefixByte
}

var errNoSeed = errors.New("the seed is empty or was wiped")

// NewOperatorSeed makes an operator key, or a signing key for one.
func NewOperatorSeed() (Seed, error) { return newSeed(nkeys.PrefixByteOperator) }

// NewAccountSeed makes an account key, or a role's.
func NewAccountSeed() (Seed, error) { return newSeed(nkeys.PrefixByteAccount) }

// NewUserSeed makes the key of a credential.
func NewUserSeed() (Seed, error) { return newSeed(nkeys.PrefixByteUser) }

func newSeed(prefix nkeys.PrefixByte) (Seed, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Seed{}, wrap("make a key", err)
	}
	return seedOf(prefix, private)
}

// ParseSeed reads the text of an operator's, account's or user's seed. The
// bytes are copied: the caller may wipe its own. The error never repeats them.
func ParseSeed(b []byte) (Seed, error) {
	prefix, raw, err := nkeys.DecodeSeed(bytes.TrimSpace(b))
	if err != nil {
		return Seed{}, fault.New(fault.Invalid, "this is not a seed, or it is damaged")
	}
	defer clear(raw)
	if initial[prefix] == "" {
		return Seed{}, fault.New(fault.Invalid, "this is %s seed; an operator's, an account's or a user's is needed", possessive[prefix])
	}
	return seedOf(prefix, ed25519.NewKeyFromSeed(raw))
}

// seedOf writes the text anew instead of keeping what was read: base32 has
// several spellings of one seed.
func seedOf(prefix nkeys.PrefixByte, private ed25519.PrivateKey) (Seed, error) {
	text, err := nkeys.EncodeSeed(prefix, private.Seed())
	if err != nil {
		return Seed{}, wrap("encode a seed", err)
	}
	kept := &secret{text: text, private: private, prefix: prefix}
	return Seed{func() *secret { return kept }}, nil
}

// OperatorKey is the public half; an error if the seed is not an operator's.
func (s Seed) OperatorKey() (OperatorKey, error) {
	public, err := s.publicOf(nkeys.PrefixByteOperator)
	return OperatorKey(public), err
}

// AccountKey is the public half; an error if the seed is not an account's.
func (s Seed) AccountKey() (AccountKey, error) {
	public, err := s.publicOf(nkeys.PrefixByteAccount)
	return AccountKey(public), err
}

// UserKey is the public half; an error if the seed is not a user's.
func (s Seed) UserKey() (UserKey, error) {
	public, err := s.publicOf(nkeys.PrefixByteUser)
	return UserKey(public), err
}

func (s Seed) publicOf(want nkeys.PrefixByte) (string, error) {
	kept, err := s.open()
	if err != nil {
		return "", err
	}
	if kept.prefix != want {
		return "", fault.New(fault.Invalid, "this is %s seed; %s is needed", possessive[kept.prefix], possessive[want])
	}
	return s.public()
}

func (s Seed) public() (string, error) {
	kept, err := s.open()
	if err != nil {
		return "", err
	}
	public, err := nkeys.Encode(kept.prefix, kept.private.Public().(ed25519.PublicKey))
	return string(public), wrap("encode a public key", err)
}

// Sign signs data, such as the nonce of a NATS login, with Ed25519. A wiped seed cannot.
func (s Seed) Sign(data []byte) ([]byte, error) {
	kept, err := s.open()
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(kept.private, data), nil
}

func (s Seed) open() (*secret, error) {
	if s.secret == nil || s.secret().text == nil {
		return nil, errNoSeed
	}
	return s.secret(), nil
}

// Reveal is a copy of the seed's text, for sealing and for creds files and
// nothing else. The caller wipes it with clear. Nil if there is no seed.
func (s Seed) Reveal() []byte {
	kept, err := s.open()
	if err != nil {
		return nil
	}
	return bytes.Clone(kept.text)
}

// Wipe overwrites the seed, in this value and in all copies of it. It must not
// run while another goroutine signs.
func (s Seed) Wipe() {
	kept, err := s.open()
	if err != nil {
		return
	}
	clear(kept.text)
	clear(kept.private)
	kept.text = nil
}

const redacted = "[seed]"

// Format prints [seed] whatever the verb and flags.
func (s Seed) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue prints [seed] in slog.
func (s Seed) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText always fails, and with it JSON, XML and the like.
func (s Seed) MarshalText() ([]byte, error) {
	return nil, errors.New("a seed is never marshalled")
}
