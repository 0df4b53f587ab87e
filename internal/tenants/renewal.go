package tenants

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// Challenge is what the holder of a credential's seed signs to have it renewed.
type Challenge struct {
	Nonce     string // its bytes are what is signed
	ExpiresAt time.Time
}

// RenewalProof is a nonce, signed.
type RenewalProof struct {
	Nonce     string
	Signature string // Ed25519, in base64 of either alphabet
}

// CredentialLife is how long a credential was asked to live from now on. Without
// either: as long as it did.
type CredentialLife struct {
	ExpiresAt *time.Time
	ExpiresIn *time.Duration
}

// challengeFor is how long a nonce can be signed.
const challengeFor = 2 * time.Minute

// errNotProven is all that is said before the proof is found right: what exists,
// and in which state, is for its holder to know.
var errNotProven = fault.New(fault.Unauthenticated, "this does not prove that you hold the credential; ask for a new nonce and sign its bytes with the credential's seed")

// nonceOwner is what a nonce is sealed for: it is of no use for another credential, or for anything else.
func nonceOwner(id CredentialID) string { return "renewal of " + string(id) }

// newNonce makes a nonce that needs no keeping: it is its own time of expiry,
// sealed, so that every replica can tell that one of them made it.
func (s *Service) newNonce(id CredentialID, expires time.Time) (string, error) {
	sealed, err := s.keys.Seal(binary.BigEndian.AppendUint64(nil, uint64(expires.Unix())), nonceOwner(id))
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// openNonce is the nonce's bytes, and when it expires.
func (s *Service) openNonce(id CredentialID, nonce string) (sealed []byte, expires time.Time, err error) {
	if sealed, err = base64.RawURLEncoding.Strict().DecodeString(nonce); err != nil {
		return nil, time.Time{}, errNotProven
	}
	err = s.keys.Use(sealed, nonceOwner(id), func(text []byte) error {
		if len(text) != 8 {
			return errNotProven
		}
		expires = time.Unix(int64(binary.BigEndian.Uint64(text)), 0)
		return nil
	})
	if err != nil || !s.clock().Before(expires) {
		return nil, time.Time{}, errNotProven
	}
	return sealed, expires, nil
}

// proves says whether the proof's signature is the key's.
func (p RenewalProof) proves(key claims.UserKey) bool {
	signature, err := base64.RawURLEncoding.DecodeString(p.Signature)
	if err != nil {
		signature, err = base64.StdEncoding.DecodeString(p.Signature)
	}
	return err == nil && key.Verifies([]byte(p.Nonce), signature)
}

// renewable refuses to renew what cannot be used any more.
func (c Credential) renewable(now time.Time) error {
	switch c.Status(now) {
	case CredentialRevoked:
		return fault.New(fault.Conflict, "the credential was revoked; issue another one")
	case CredentialExpired:
		return fault.New(fault.Conflict, "the credential expired at %s; issue another one", c.ExpiresAt.Format(time.RFC3339))
	}
	return nil
}

// renewed is until when the credential lives if it is renewed now: as was asked
// for, else as long as it did, within what role and plan allow today.
func (c Credential) renewed(now time.Time, l lifetimes, life CredentialLife) (*time.Time, error) {
	if life.ExpiresAt != nil || life.ExpiresIn != nil {
		return l.expiry(now, life.ExpiresAt, life.ExpiresIn)
	}
	if c.ExpiresAt == nil {
		return l.expiry(now, nil, nil)
	}
	same := c.ExpiresAt.Sub(c.IssuedAt.Truncate(time.Second))
	if most, _ := l.maximum(); most > 0 {
		same = min(same, most)
	}
	return l.expiry(now, nil, &same)
}
