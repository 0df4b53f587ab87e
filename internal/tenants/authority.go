package tenants

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// Authority is what a certificate of an account's authorities says.
type Authority struct {
	PEM                 string
	Subject             string // as RFC 2253 writes it
	Fingerprint         string // as of a [claims.CertificateFingerprint]
	NotBefore, NotAfter time.Time
}

// Authorities are those of the settings, in their order.
func (s AccountSettings) Authorities() ([]Authority, error) {
	var list []Authority
	for i, text := range s.CertificateAuthorities {
		c, err := parseAuthority(text)
		if err != nil {
			return nil, fmt.Errorf("read certificate authority %d: %w", i, err)
		}
		digest := sha256.Sum256(c.Raw)
		list = append(list, Authority{PEM: text, Subject: c.Subject.String(), Fingerprint: hex.EncodeToString(digest[:]), NotBefore: c.NotBefore, NotAfter: c.NotAfter})
	}
	return list, nil
}

// parseAuthority reads the one certificate of an authority that a text in PEM has.
// What is wrong is a fault without pointer, which does not repeat the text.
func parseAuthority(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case strings.Contains(text, "PRIVATE KEY-----"):
		return nil, fault.New(fault.Invalid, "this has a private key, which is the authority's alone: send the certificate only, and consider the key as known to others")
	case block == nil:
		return nil, fault.New(fault.Invalid, "this is no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----")
	case block.Type != "CERTIFICATE":
		return nil, fault.New(fault.Invalid, "this is no certificate but, as it says, a %.40s", block.Type)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, fault.New(fault.Invalid, "there is more than one certificate; list each by itself")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Message: "the certificate cannot be read", Cause: err}
	}
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return nil, fault.New(fault.Invalid, "this certificate is not an authority's: it lacks the basic constraint CA:TRUE")
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, fault.New(fault.Invalid, "this certificate may not sign others: its key usage lacks Certificate Sign")
	case c.PublicKeyAlgorithm == x509.UnknownPublicKeyAlgorithm:
		return nil, fault.New(fault.Invalid, "the certificate's key is of a kind that brokers cannot check: RSA, ECDSA and Ed25519 are known")
	}
	return c, nil
}

// validateAuthorities reports what is no authority, or listed twice, at /certificate_authorities/….
func validateAuthorities(list []string) error {
	if len(list) > claims.MaxAuthorities {
		return fault.Field("/certificate_authorities", "%d certificate authorities at most", claims.MaxAuthorities)
	}
	var errs []error
	seen := map[string]int{}
	for i, text := range list {
		at := fmt.Sprintf("/certificate_authorities/%d", i)
		c, err := parseAuthority(text)
		if err != nil {
			errs = append(errs, fault.At(at, err))
			continue
		}
		if first, twice := seen[string(c.Raw)]; twice {
			errs = append(errs, fault.Field(at, "this certificate is listed at %d already", first))
		}
		seen[string(c.Raw)] = i
	}
	return errors.Join(errs...)
}

// freshAuthorities refuses those of the list that are new to the account and have
// expired. One that it has may expire there, and does not stand in the way of another change.
func freshAuthorities(list, before []string, now time.Time) error {
	had := map[string]bool{}
	for _, text := range before {
		if c, err := parseAuthority(text); err == nil {
			had[string(c.Raw)] = true
		}
	}
	var errs []error
	for i, text := range list {
		if c, err := parseAuthority(text); err == nil && !had[string(c.Raw)] && !c.NotAfter.After(now) {
			errs = append(errs, fault.Field(fmt.Sprintf("/certificate_authorities/%d", i), "this certificate expired at %s", c.NotAfter.UTC().Format(time.RFC3339)))
		}
	}
	return errors.Join(errs...)
}
