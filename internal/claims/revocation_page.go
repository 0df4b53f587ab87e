package claims

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// RevocationPage holds revocations that an account's JWT has no room for: a [Page].
//
// Its bytes are records of 40: a user's raw public key, and in big-endian order
// the Unix second up to which JWTs for it are refused. They are sorted by key,
// each key once. The zero page is empty, and cannot be encoded.
type RevocationPage struct {
	content
}

// MaxPageRevocations is how many revocations fit in a page: 320 KiB of them, which
// fit in a message as well.
const MaxPageRevocations = 8192

const (
	rawKeyLength = 32
	recordLength = rawKeyLength + 8
)

// EncodeRevocationPage makes the page of these revocations, at least one and at
// most [MaxPageRevocations]. [AllUsers] fits in no page.
func EncodeRevocationPage(revoked map[UserKey]time.Time) (RevocationPage, error) {
	if err := validateRevoked(revoked); err != nil {
		return RevocationPage{}, wrap("encode a revocation page", err)
	}
	records := make([][]byte, 0, len(revoked))
	for key, at := range revoked {
		raw, err := rawUserKey(key)
		if err != nil {
			return RevocationPage{}, wrap("encode a revocation page", err)
		}
		records = append(records, binary.BigEndian.AppendUint64(raw, uint64(at.Unix())))
	}
	slices.SortFunc(records, bytes.Compare)
	return DecodeRevocationPage(slices.Concat(records...))
}

// DecodeRevocationPage reads a page's bytes, which must not change afterwards.
// What is no page is fault.Invalid; whether it is the one that was meant, its
// hash says.
func DecodeRevocationPage(b []byte) (RevocationPage, error) {
	p := RevocationPage{contentOf(RevocationKind, b)}
	if len(b) == 0 || len(b)%recordLength != 0 || p.Len() > MaxPageRevocations {
		return RevocationPage{}, fault.New(fault.Invalid, "%d bytes are no revocation page", len(b))
	}
	for i := 1; i < p.Len(); i++ {
		if bytes.Compare(p.key(i-1), p.key(i)) >= 0 {
			return RevocationPage{}, fault.New(fault.Invalid, "the revocation page is out of order at record %d", i)
		}
	}
	return p, nil
}

// Len is how many users are revoked.
func (p RevocationPage) Len() int { return len(p.text) / recordLength }

// RevokedAt is the time up to which JWTs for that key are refused, if any are.
func (p RevocationPage) RevokedAt(key UserKey) (time.Time, bool) {
	return RevocationPages{p}.RevokedAt(key)
}

// RevocationPages are all of an account's.
type RevocationPages []RevocationPage

// RevokedAt is the latest that any of the pages says.
func (list RevocationPages) RevokedAt(key UserKey) (at time.Time, revoked bool) {
	if len(list) == 0 {
		return time.Time{}, false
	}
	raw, err := rawUserKey(key)
	if err != nil {
		return time.Time{}, false
	}
	for _, p := range list {
		if reaches, ok := p.revokedAt(raw); ok && (!revoked || reaches.After(at)) {
			at, revoked = reaches, true
		}
	}
	return at, revoked
}

func (p RevocationPage) revokedAt(raw []byte) (time.Time, bool) {
	i, found := sort.Find(p.Len(), func(i int) int { return bytes.Compare(raw, p.key(i)) })
	if !found {
		return time.Time{}, false
	}
	seconds := binary.BigEndian.Uint64(p.text[i*recordLength+rawKeyLength:])
	return timeOf(int64(seconds)), true
}

func (p RevocationPage) key(i int) []byte {
	return p.text[i*recordLength:][:rawKeyLength]
}

func rawUserKey(key UserKey) ([]byte, error) {
	if _, err := ParseUserKey(string(key)); err != nil {
		return nil, err
	}
	return nkeys.Decode(nkeys.PrefixByteUser, []byte(key))
}

// contains says whether a JWT may have a tag that begins so.
func contains(token, tag string) bool {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	return err != nil || bytes.Contains(text, []byte(`"`+tag))
}

// MayDifferForStock is as quick a look, at whether an account JWT says something
// of its users that only brokers understand, and servers must be told by revocations.
func MayDifferForStock(token string) bool {
	return contains(token, RevocationKind.tag()) || contains(token, overridesTag)
}

// InlineRevocations signs an account JWT anew with these revocations in it,
// instead of those it has and of its pages, for servers that do not know of
// pages, and without whatever else only brokers understand. A revocation of
// everybody stays. It is issued when the other was, so whoever signs it, whenever, makes
// the same JWT of the same revocations.
func InlineRevocations(token string, revoked map[UserKey]time.Time, signer Seed) (string, error) {
	c, err := decode[*jwt.AccountClaims](token, "an account's")
	if err != nil {
		return "", err
	}
	issuer, err := signer.OperatorKey()
	if err != nil {
		return "", wrap("sign account claims", err)
	}
	if c.Tags, _, err = SplitTags(c.Tags); err != nil {
		return "", err
	}
	everybody, closed := c.Revocations[jwt.All]
	c.Issuer, c.Revocations = string(issuer), jwt.RevocationList{}
	if closed {
		c.Revocations[jwt.All] = everybody
	}
	for key, at := range revoked {
		c.RevokeAt(string(key), at)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", wrap("encode account claims", err)
	}
	// Servers take two JWTs with one jti for the same, and the library's does not
	// depend on what is revoked.
	c.ID = hashOf(payload)
	if payload, err = json.Marshal(c); err != nil {
		return "", wrap("encode account claims", err)
	}
	header, _, _ := strings.Cut(token, ".")
	signed := header + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := signer.Sign([]byte(signed))
	if err != nil {
		return "", wrap("sign account claims", err)
	}
	return fits(signed + "." + base64.RawURLEncoding.EncodeToString(signature))
}
