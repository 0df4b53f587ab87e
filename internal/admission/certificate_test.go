package admission_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// What people do to certificates so that they are taken for what they are not. All
// the account's logins are for names that are nearly theirs.
func TestForgedCertificatesAreRefused(t *testing.T) {
	t.Parallel()
	s := tlsSite(t)
	ca, other, over := newAuthority(t, "acme"), newAuthority(t, "acme"), s.viaNATS(s.natsURL(t))
	expired := authority{t: t}
	expired.cert, expired.key = expired.issue(func(c *x509.Certificate) {
		c.Subject.CommonName, c.NotAfter = "expired", time.Now().Add(-time.Minute)
		asAuthority(c)
	})
	shallow := authority{t: t}
	shallow.cert, shallow.key = shallow.issue(func(c *x509.Certificate) {
		c.Subject.CommonName, c.MaxPathLenZero = "shallow", true
		asAuthority(c)
	})
	below := func(a authority, edit func(*x509.Certificate)) authority {
		next := authority{t: t}
		next.cert, next.key = a.issue(func(c *x509.Certificate) {
			c.Subject.CommonName = "below"
			asAuthority(c)
			edit(c)
		})
		return next
	}
	same := func(*x509.Certificate) {}
	elsewhere := below(ca, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"elsewhere.example"}, true
	})
	servers := below(ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	tooDeep := below(shallow, same)
	chain := []authority{below(ca, same)}
	for range 9 {
		chain = append([]authority{below(chain[0], same)}, chain...)
	}
	long := authority{t: t} // whose key nobody has, and which no certificate needs
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "long"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	asAuthority(template)
	modulus := new(big.Int).Lsh(big.NewInt(1), 4200)
	der := must(x509.CreateCertificate(rand.Reader, template, ca.cert, &rsa.PublicKey{N: modulus.SetBit(modulus, 0, 1), E: 65537}, ca.key))(t)
	long.cert = must(x509.ParseCertificate(der))(t)
	copied := authority{t: t} // says of itself what the authority says, with another key
	copied.cert, copied.key = copied.issue(func(c *x509.Certificate) {
		asAuthority(c)
		c.RawSubject, c.SubjectKeyId, c.SerialNumber = ca.cert.RawSubject, ca.cert.SubjectKeyId, ca.cert.SerialNumber
	})

	mine, theirs := s.Control.NewAccount("acme"), s.Control.NewAccount("others")
	for _, account := range []*brokertest.Account{mine, theirs} {
		account.SetTrust(claims.Trust{Authorities: [][]byte{ca.cert.Raw, expired.cert.Raw, shallow.cert.Raw}})
	}
	var logins []claims.DeviceLogin
	for _, match := range []claims.CertificateMatch{
		{Field: claims.CertificateDNS, Value: "sensor.example.org"}, {Field: claims.CertificateEmail, Value: "sensor@example.org"},
		{Field: claims.CertificateURI, Value: "spiffe://example.org/sensor"}, {Field: claims.CertificateSubject, Value: "CN=sensor,O=Example"},
		{Field: claims.CertificateSubject, Value: "CN=sensor"},
	} {
		l := mine.NewLogin("sensor")
		l.Digest = match.Digest()
		logins = append(logins, l)
	}
	s.WaitApplied(mine.SetLogins(logins...))
	s.WaitApplied(theirs.Change(nil))

	dns := func(c *x509.Certificate) { c.DNSNames = []string{"sensor.example.org"} }
	dnsNames := func(names ...string) *tls.Certificate {
		return ca.client(func(c *x509.Certificate) { c.DNSNames = names })
	}
	uri := func(text string) *tls.Certificate {
		return ca.client(func(c *x509.Certificate) { c.URIs = []*url.URL{must(url.Parse(text))(t)} })
	}
	email := func(text string) *tls.Certificate {
		return ca.client(func(c *x509.Certificate) { c.EmailAddresses = []string{text} })
	}
	subject := func(parts ...any) *tls.Certificate { // pairs of the last number of an attribute, and its value
		var all pkix.RDNSequence
		for i := 0; i < len(parts); i += 2 {
			all = append(all, pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, parts[i].(int)}, Value: parts[i+1]}})
		}
		return ca.client(func(c *x509.Certificate) { c.RawSubject = must(asn1.Marshal(all))(t) })
	}
	const in = admission.Reason("")
	for name, c := range map[string]struct {
		cert    *tls.Certificate
		account *brokertest.Account
		reason  admission.Reason
	}{
		"as it should be":                          {ca.client(dns), mine, in},
		"through one in between":                   {chain[9].client(dns, chain[9]), mine, in},
		"of the same authority, for another":       {ca.client(dns), theirs, admission.LoginUnknown},
		"another authority of that name":           {other.client(dns), mine, admission.LoginCertificate},
		"a copy of the authority":                  {copied.client(dns), mine, admission.LoginCertificate},
		"a copy of the authority that comes along": {copied.client(dns, copied), mine, admission.LoginCertificate},
		"the authority's comes along, unused":      {authority{t: t}.client(dns, ca), mine, admission.LoginCertificate},
		"an authority that has expired":            {expired.client(dns), mine, admission.LoginCertificate},
		"one in between, for other names":          {elsewhere.client(dns, elsewhere), mine, admission.LoginCertificate},
		"one in between, for servers":              {servers.client(dns, servers), mine, admission.LoginCertificate},
		"deeper than the authority allows":         {tooDeep.client(dns, tooDeep), mine, admission.LoginCertificate},
		"a long key comes along":                   {ca.client(dns, long), mine, admission.LoginCertificate},
		"ten in between":                           {chain[0].client(dns, chain...), mine, admission.LoginCertificate},
		"a name that ends elsewhere":               {dnsNames("sensor.example.org\x00.evil.example"), mine, admission.LoginUnknown},
		"a name that begins elsewhere":             {dnsNames("evil.example\x00sensor.example.org"), mine, admission.LoginUnknown},
		"all names below":                          {dnsNames("*.example.org", "*"), mine, admission.LoginUnknown},
		"an e-mail as a name":                      {dnsNames("sensor@example.org"), mine, admission.LoginUnknown},
		"in other letters":                         {dnsNames("SENSOR.example.ORG."), mine, in},
		"e-mail":                                   {email("sensor@EXAMPLE.org"), mine, in},
		"e-mail of another":                        {email("Sensor@example.org"), mine, admission.LoginUnknown},
		"e-mail with more":                         {email("sensor@example.org\x00"), mine, admission.LoginUnknown},
		"URI":                                      {uri("spiffe://example.org/sensor"), mine, in},
		"URI of a user":                            {uri("spiffe://x@example.org/sensor"), mine, admission.LoginUnknown},
		"URI with a query":                         {uri("spiffe://example.org/sensor?x"), mine, admission.LoginUnknown},
		"URI with a fragment":                      {uri("spiffe://example.org/sensor#x"), mine, admission.LoginUnknown},
		"URI with a port":                          {uri("spiffe://example.org:443/sensor"), mine, admission.LoginUnknown},
		"URI that leads back":                      {uri("spiffe://example.org/x/../sensor"), mine, admission.LoginUnknown},
		"URI in other signs":                       {uri("spiffe://example.org/%73ensor"), mine, admission.LoginUnknown},
		"subject":                                  {subject(10, "Example", 3, "sensor"), mine, in},
		"subject the other way round":              {subject(3, "sensor", 10, "Example"), mine, in},
		"subject with a unit":                      {subject(10, "Example", 11, "visitors", 3, "sensor"), mine, admission.LoginUnknown},
		"subject of two":                           {subject(3, "visitor", 3, "sensor"), mine, admission.LoginUnknown},
		"subject that says it in its name":         {subject(3, "sensor,O=Example"), mine, admission.LoginUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			var before int64
			if c.reason != in {
				before = s.node.Admission().Refused(c.reason)
			}
			_, err := over(t, device{user: string(c.account.Key), cert: c.cert})
			if (err == nil) != (c.reason == in) {
				t.Fatalf("%v, want %q", err, c.reason)
			}
			if err != nil {
				waitFor(t, "it to be refused as "+string(c.reason), func() bool { return s.node.Admission().Refused(c.reason) == before+1 })
			}
		})
	}
}
