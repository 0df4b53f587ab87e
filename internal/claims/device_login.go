package claims

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// DeviceLogin is a way in for clients that have no creds file: a password, a
// token, a plain nkey or a TLS client certificate stands for a credential of a
// user in a role. Brokers know it by a [LoginDigest] of what the client shows,
// from a [LoginPage].
type DeviceLogin struct {
	Digest    LoginDigest
	User      UserKey    // of the credential; revoked like any
	Name      string     // the user's
	Username  string     // what a client that sends a password calls itself; empty: that does not matter
	Role      AccountKey // what would have signed a JWT
	Tags      []string   // the user's
	IssuedAt  time.Time
	ExpiresAt time.Time // zero: never
}

// LoginDigest is by what a device login is found within its account.
type LoginDigest [sha256.Size]byte

func digestOf(parts ...string) LoginDigest {
	return sha256.Sum256([]byte(strings.Join(parts, "\x00")))
}

// NkeyDigest is the digest of a login by the key's challenge.
func NkeyDigest(key UserKey) LoginDigest { return digestOf("nkey", string(key)) }

// LoginSecret is a device login's password or token, sbl_ and 64 characters. It
// names its account, so whoever is shown one knows whom to ask about it, and has
// 128 random bits. It prints as [secret], like a [Seed]; [LoginSecret.Reveal] is
// the one way to its text. The zero LoginSecret is none.
type LoginSecret struct {
	kept func() *[secretLength]byte // a function for the reason that Seed has one
}

// LoginSecretPrefix begins each secret's text.
const LoginSecretPrefix = "sbl_"

const (
	randomLength = 16
	secretLength = rawKeyLength + randomLength
)

// NewLoginSecret makes a secret for a login to the account.
func NewLoginSecret(account AccountKey) (LoginSecret, error) {
	if _, err := ParseAccountKey(string(account)); err != nil {
		return LoginSecret{}, err
	}
	raw, err := nkeys.Decode(nkeys.PrefixByteAccount, []byte(account))
	if err != nil {
		return LoginSecret{}, wrap("read the account's key", err)
	}
	var kept [secretLength]byte
	copy(kept[:], raw)
	rand.Read(kept[rawKeyLength:]) // never fails
	return LoginSecret{func() *[secretLength]byte { return &kept }}, nil
}

// IsLoginSecret says whether a text claims to be a login's secret.
func IsLoginSecret(s string) bool { return strings.HasPrefix(s, LoginSecretPrefix) }

// ParseLoginSecret reads the text of a secret. The error does not repeat it.
func ParseLoginSecret(s string) (LoginSecret, error) {
	text, ok := strings.CutPrefix(s, LoginSecretPrefix)
	var kept [secretLength]byte
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(secretLength) || strings.ContainsAny(text, "\r\n") {
		return LoginSecret{}, fault.New(fault.Invalid, "this is not a device login's secret, which starts with %s", LoginSecretPrefix)
	}
	if _, err := base64.RawURLEncoding.Decode(kept[:], []byte(text)); err != nil {
		return LoginSecret{}, fault.New(fault.Invalid, "the device login's secret is damaged")
	}
	return LoginSecret{func() *[secretLength]byte { return &kept }}, nil
}

// Account is the one that the secret is for.
func (s LoginSecret) Account() AccountKey {
	if s.kept == nil {
		return ""
	}
	return AccountKey(encodeKey(nkeys.PrefixByteAccount, s.kept()[:rawKeyLength]))
}

// Digest is all that is kept of the secret. It needs no slow hash: nobody guesses 128 random bits.
func (s LoginSecret) Digest() LoginDigest {
	if s.kept == nil {
		return LoginDigest{}
	}
	return digestOf("secret", string(s.kept()[:]))
}

// Reveal is the secret's text, to be shown once.
func (s LoginSecret) Reveal() string {
	if s.kept == nil {
		return ""
	}
	return LoginSecretPrefix + base64.RawURLEncoding.EncodeToString(s.kept()[:])
}

const redactedSecret = "[secret]"

// Format prints [secret] whatever the verb and flags.
func (s LoginSecret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redactedSecret)) }

// LogValue prints [secret] in slog.
func (s LoginSecret) LogValue() slog.Value { return slog.StringValue(redactedSecret) }

// MarshalText always fails, and with it JSON, XML and the like.
func (s LoginSecret) MarshalText() ([]byte, error) {
	return nil, errors.New("a login's secret is never marshalled")
}

// CertificateField is the part of a client certificate by which a login is found.
type CertificateField string

// The fields, in the order in which a certificate is looked up by them: what is
// in it counts by the first that a login of the account has.
const (
	CertificateFingerprint CertificateField = "fingerprint" // the SHA-256 of all of it, in lower-case hexadecimal digits
	CertificateURI         CertificateField = "uri"         // in its subject alternative names, such as a SPIFFE id
	CertificateEmail       CertificateField = "email"       // likewise
	CertificateDNS         CertificateField = "dns"         // likewise
	CertificateSubject     CertificateField = "subject"     // its distinguished name, as RFC 2253 writes it
)

// CertificateMatch is a field and what is to be in it.
type CertificateMatch struct {
	Field CertificateField
	Value string
}

// maxMatchBytes is the longest value of a match.
const maxMatchBytes = 1024

// Normal is the match in the spelling that certificates are looked up by. What no
// certificate can have is a fault at /value, or at /kind.
func (m CertificateMatch) Normal() (CertificateMatch, error) {
	if len(m.Value) > maxMatchBytes || m.Value == "" {
		return m, fault.Field("/value", "1 to %d bytes", maxMatchBytes)
	}
	if err := validateText(m.Value, maxMatchBytes); err != nil {
		return m, fault.At("/value", err)
	}
	switch m.Field {
	case CertificateFingerprint:
		m.Value = strings.ToLower(strings.ReplaceAll(m.Value, ":", ""))
		if raw, err := hex.DecodeString(m.Value); err != nil || len(raw) != sha256.Size {
			return m, fault.Field("/value", "a fingerprint is the SHA-256 of the certificate in DER: 64 hexadecimal digits, with or without colons")
		}
	case CertificateURI:
		u, err := url.Parse(m.Value)
		if err != nil || u.Scheme == "" {
			return m, fault.Field("/value", "a URI, such as spiffe://example.org/sensor/7")
		}
		m.Value = u.String()
	case CertificateEmail:
		address, err := mail.ParseAddress(m.Value)
		if err != nil || address.Address != m.Value {
			return m, fault.Field("/value", "an e-mail address and nothing else, such as sensor@example.org")
		}
		m.Value = normalEmail(m.Value)
	case CertificateDNS:
		m.Value = normalDNS(m.Value)
		if m.Value == "" || strings.ContainsAny(m.Value, " /:@*") {
			return m, fault.Field("/value", "a DNS name without wildcards, such as sensor-7.example.org")
		}
	case CertificateSubject:
		if !strings.Contains(m.Value, "=") {
			return m, fault.Field("/value", "a distinguished name as RFC 2253 writes it, such as CN=sensor-7,O=Example")
		}
	default:
		return m, fault.Field("/kind", "one of fingerprint, uri, email, dns and subject")
	}
	return m, nil
}

// normalEmail: domains are the same in any case, what is before the @ is not.
func normalEmail(s string) string {
	at := strings.LastIndexByte(s, '@')
	return s[:at+1] + strings.ToLower(s[at+1:])
}

func normalDNS(s string) string { return strings.TrimSuffix(strings.ToLower(s), ".") }

// Digest is that of a login by this match, which is to be a normal one.
func (m CertificateMatch) Digest() LoginDigest {
	return digestOf("certificate", string(m.Field), m.Value)
}

// maxSANs is how many names of a certificate are looked up.
const maxSANs = 64

// CertificateMatches are all matches that a certificate answers to, in the order in which they count.
func CertificateMatches(c *x509.Certificate) []CertificateMatch {
	list := []CertificateMatch{{CertificateFingerprint, hashOf(c.Raw)}}
	add := func(field CertificateField, value string) {
		if value != "" && len(list) <= maxSANs {
			list = append(list, CertificateMatch{field, value})
		}
	}
	for _, u := range c.URIs {
		add(CertificateURI, u.String())
	}
	for _, address := range c.EmailAddresses {
		add(CertificateEmail, normalEmail(address))
	}
	for _, name := range c.DNSNames {
		add(CertificateDNS, normalDNS(name))
	}
	if subject := c.Subject.String(); subject != "" && saysOnce(c.Subject) {
		list = append(list, CertificateMatch{CertificateSubject, subject})
	}
	return list
}

// saysOnce is false for a name that has two common names, or serial numbers: as a text
// it has the last of them only, and so is the name of something else, too.
func saysOnce(name pkix.Name) bool {
	commonName, serial := 0, 0
	for _, attribute := range name.Names {
		switch {
		case attribute.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}):
			commonName++
		case attribute.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 5}):
			serial++
		}
	}
	return commonName <= 1 && serial <= 1
}
