package claims_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func TestLoginSecretSurvivesBeingWrittenDown(t *testing.T) {
	t.Parallel()
	account := fullAccount(t).Key
	secret := must(claims.NewLoginSecret(account))
	text := secret.Reveal()
	if len(text) != 68 || !claims.IsLoginSecret(text) {
		t.Errorf("a secret has %d characters", len(text))
	}
	read := must(claims.ParseLoginSecret(text))
	if read.Reveal() != text || read.Digest() != secret.Digest() || read.Account() != account {
		t.Errorf("read as one of account %s, or another secret", read.Account())
	}
	raw := must(base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, "sbl_")))
	if want := sha256.Sum256(append([]byte("secret\x00"), raw...)); secret.Digest() != want {
		t.Errorf("digest = %x, want %x", secret.Digest(), want)
	}
	if other := must(claims.NewLoginSecret(account)); other.Digest() == secret.Digest() {
		t.Error("two secrets are the same")
	}
	if _, err := claims.NewLoginSecret("A"); !errors.Is(err, fault.Invalid) {
		t.Errorf("for no account: error = %v, want fault.Invalid", err)
	}
	for _, bad := range []string{"", "sbl_", text[:67], text + "A", "sbl-" + text[4:], text[:67] + "!", text[:60] + "\r\n" + text[60:66], strings.ToUpper(text)} {
		if _, err := claims.ParseLoginSecret(bad); !errors.Is(err, fault.Invalid) || len(bad) > 20 && strings.Contains(err.Error(), bad[20:40]) {
			t.Errorf("%q: error = %v, want a fault.Invalid that does not repeat it", bad, err)
		}
	}
	if none := (claims.LoginSecret{}); none.Reveal() != "" || none.Account() != "" || none.Digest() != (claims.LoginDigest{}) {
		t.Error("the zero secret is one")
	}
}

func TestLoginSecretPrintsNowhere(t *testing.T) {
	t.Parallel()
	secret := must(claims.NewLoginSecret(fullAccount(t).Key))
	type holder struct{ secret claims.LoginSecret }
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, what := range []any{secret, &secret, holder{secret}, []claims.LoginSecret{secret}} {
			text := fmt.Sprintf(verb, what)
			if strings.Contains(text, secret.Reveal()[40:60]) || strings.Contains(text, hex.EncodeToString([]byte(secret.Reveal()[40:60]))) {
				t.Errorf("%s of %T shows it: %s", verb, what, text)
			}
		}
	}
	if text := fmt.Sprint(secret); text != "[secret]" {
		t.Errorf("prints as %s", text)
	}
	if text := secret.LogValue().String(); text != "[secret]" {
		t.Errorf("logs as %s", text)
	}
	if b, err := json.Marshal(secret); err == nil {
		t.Errorf("is marshalled to %s", b)
	}
}

// authority signs certificates; template is what they say.
func certificate(t testing.TB, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	change(template)
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
}

func TestCertificateAnswersToAllItsNames(t *testing.T) {
	t.Parallel()
	c := certificate(t, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "sensor, 7", Organization: []string{"Example"}}
		c.URIs = []*url.URL{must(url.Parse("spiffe://example.org/sensor/7"))}
		c.EmailAddresses = []string{"Sensor@EXAMPLE.org"}
		c.DNSNames = []string{"Sensor-7.example.org"}
	})
	fingerprint := sha256.Sum256(c.Raw)
	want := []claims.CertificateMatch{
		{Field: claims.CertificateFingerprint, Value: hex.EncodeToString(fingerprint[:])},
		{Field: claims.CertificateURI, Value: "spiffe://example.org/sensor/7"},
		{Field: claims.CertificateEmail, Value: "Sensor@example.org"},
		{Field: claims.CertificateDNS, Value: "sensor-7.example.org"},
		{Field: claims.CertificateSubject, Value: `CN=sensor\, 7,O=Example`},
	}
	if diff := cmp.Diff(want, claims.CertificateMatches(c)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, as := range []string{
		strings.ToUpper(hex.EncodeToString(fingerprint[:1])) + ":" + hex.EncodeToString(fingerprint[1:]),
		"SPIFFE://example.org/sensor/7", "Sensor@example.ORG", "SENSOR-7.Example.org.", `CN=sensor\, 7,O=Example`,
	} {
		normal, err := claims.CertificateMatch{Field: want[i].Field, Value: as}.Normal()
		if err != nil || normal != want[i] || normal.Digest() != want[i].Digest() {
			t.Errorf("%s %q: %v, %v", want[i].Field, as, normal, err)
		}
	}
	digest := sha256.Sum256([]byte("certificate\x00uri\x00spiffe://example.org/sensor/7"))
	if got := want[1].Digest(); got != digest {
		t.Errorf("digest = %x, want %x", got, digest)
	}
	if bare := certificate(t, func(c *x509.Certificate) {}); len(claims.CertificateMatches(bare)) != 1 {
		t.Errorf("without names it answers to %v", claims.CertificateMatches(bare))
	}
}

// A subject with two common names has, as a text, the last of them only: it is nobody's.
func TestSubjectThatSaysTwoThingsIsNoName(t *testing.T) {
	t.Parallel()
	name := func(value string, last int) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: value}
	}
	for subject, c := range map[string]struct {
		parts []pkix.AttributeTypeAndValue
		names int
	}{
		"CN=sensor":                {[]pkix.AttributeTypeAndValue{name("sensor", 3)}, 2},
		"CN=sensor,OU=a+OU=b":      {[]pkix.AttributeTypeAndValue{name("a", 11), name("b", 11), name("sensor", 3)}, 2},
		"CN=sensor, twice":         {[]pkix.AttributeTypeAndValue{name("visitor", 3), name("sensor", 3)}, 1},
		"SERIALNUMBER=1, twice":    {[]pkix.AttributeTypeAndValue{name("2", 5), name("1", 5)}, 1},
		"CN=sensor,SERIALNUMBER=1": {[]pkix.AttributeTypeAndValue{name("1", 5), name("sensor", 3)}, 2},
	} {
		var all pkix.RDNSequence
		for _, part := range c.parts {
			all = append(all, pkix.RelativeDistinguishedNameSET{part})
		}
		made := certificate(t, func(c *x509.Certificate) { c.RawSubject = must(asn1.Marshal(all)) })
		if got := claims.CertificateMatches(made); len(got) != c.names {
			t.Errorf("%s: it answers to %v", subject, got)
		}
	}
}

func TestMatchThatNoCertificateHasIsRefused(t *testing.T) {
	t.Parallel()
	for value, field := range map[string]claims.CertificateField{
		"ab": claims.CertificateFingerprint, "no uri": claims.CertificateURI, "A <a@b.c>": claims.CertificateEmail, "nobody": claims.CertificateEmail,
		"*.example.org": claims.CertificateDNS, ".": claims.CertificateDNS, "somebody": claims.CertificateSubject, "": claims.CertificateSubject, "x\x00=": claims.CertificateSubject,
		strings.Repeat("x=", 600): claims.CertificateSubject,
	} {
		if _, err := (claims.CertificateMatch{Field: field, Value: value}).Normal(); len(pointers(err)) != 1 || pointers(err)[0] != "/value" {
			t.Errorf("%s %.20q: error = %v, want one at /value", field, value, err)
		}
	}
	if _, err := (claims.CertificateMatch{Field: "serial", Value: "1"}).Normal(); len(pointers(err)) != 1 || pointers(err)[0] != "/kind" {
		t.Errorf("error = %v, want one at /kind", err)
	}
}

func TestLoginIsTheCredentialItStandsFor(t *testing.T) {
	t.Parallel()
	account := fullAccount(t).Key
	l := deviceLogin(t, 1)
	c := l.SignedClaims(account)
	if c.Subject != string(l.User) || c.Issuer != string(l.Role) || c.IssuerAccount != string(account) || c.Name != l.Name ||
		c.IssuedAt != l.IssuedAt.Unix() || c.Expires != l.ExpiresAt.Unix() || cmp.Diff([]string(c.Tags), l.Tags) != "" || !c.HasEmptyPermissions() {
		t.Errorf("claims = %+v", c)
	}
	if claims.NkeyDigest(userKey(1)) != sha256.Sum256([]byte("nkey\x00"+string(userKey(1)))) {
		t.Error("an nkey's digest is another")
	}
	if kind := nkeys.Prefix(c.Subject); kind != nkeys.PrefixByteUser {
		t.Errorf("the subject is a %v", kind)
	}
}
