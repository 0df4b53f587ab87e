package brokertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a certificate authority of a test's own.
type Authority struct {
	Certificate *x509.Certificate
	File        string // the certificate as PEM
	Pool        *x509.CertPool

	t   testing.TB
	key *ecdsa.PrivateKey
}

// NewAuthority makes an authority of that name.
func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	a := &Authority{t: t, key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), Pool: x509.NewCertPool()}
	a.Certificate = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}, a.key)
	a.Pool.AddCert(a.Certificate)
	a.File = a.write("CERTIFICATE", a.Certificate.Raw)
	return a
}

// Server issues a certificate for the hosts, 127.0.0.1 and localhost, and
// answers the files of it and of its key.
func (a *Authority) Server(hosts ...string) (certificate, key string) {
	a.t.Helper()
	issued := a.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "broker"}, DNSNames: append([]string{"localhost"}, hosts...),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return a.write("CERTIFICATE", issued.Certificate[0]), a.write("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(issued.PrivateKey))(a.t))
}

// Issue signs what the template says. The zero times are an hour ago and in an hour.
func (a *Authority) Issue(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(a.t)
	signed := a.sign(template, key)
	return tls.Certificate{Certificate: [][]byte{signed.Raw}, PrivateKey: key, Leaf: signed}
}

func (a *Authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	parent := a.Certificate
	if parent == nil {
		parent = template
	}
	template.SerialNumber = must(rand.Int(rand.Reader, big.NewInt(1<<62)))(a.t)
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key))(a.t)
	return must(x509.ParseCertificate(der))(a.t)
}

func (a *Authority) write(kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// ClientCertificate is a template for who connects.
func ClientCertificate(name string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}
