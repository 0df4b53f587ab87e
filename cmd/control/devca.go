package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 365 * 24 * time.Hour
	renewIn    = 30 * 24 * time.Hour // a certificate with less left is made anew at a start
)

// devTLS is dev's certificate authority, which can sign for this machine only,
// and the broker's certificate. Both are kept among the state.
type devTLS struct {
	ca     string // the authority, as PEM: for clients to trust
	server string // certificate and key, as PEM
}

// prepareTLS makes what is missing or about to expire.
func prepareTLS(data string, now time.Time) (devTLS, error) {
	folder := filepath.Join(data, "tls")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return devTLS{}, fmt.Errorf("make the folder of certificates: %w", err)
	}
	files := devTLS{ca: filepath.Join(folder, "ca.pem"), server: filepath.Join(folder, "server.pem")}
	key, err := keepKey(filepath.Join(folder, "ca.key"))
	if err != nil {
		return devTLS{}, fmt.Errorf("keep the certificate authority's key: %w", err)
	}
	if err := writeOnce(files.ca, func() ([]byte, error) { return newCA(key, now) }); err != nil {
		return devTLS{}, fmt.Errorf("keep the certificate authority: %w", err)
	}
	der, err := readPEM(files.ca)
	if err != nil {
		return devTLS{}, fmt.Errorf("read the certificate authority: %w", err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return devTLS{}, fmt.Errorf("read the certificate authority: %w", err)
	}
	names := namesBelow(ca)
	if serves(files.server, ca, names, now) {
		return files, nil
	}
	if err := os.Remove(files.server); err != nil && !errors.Is(err, os.ErrNotExist) {
		return devTLS{}, fmt.Errorf("replace the broker's certificate: %w", err)
	}
	if err := writeOnce(files.server, func() ([]byte, error) { return newServer(ca, key, names, now) }); err != nil {
		return devTLS{}, fmt.Errorf("keep the broker's certificate: %w", err)
	}
	return files, nil
}

// keepKey reads the key, or makes it.
func keepKey(path string) (*ecdsa.PrivateKey, error) {
	err := writeOnce(path, func() ([]byte, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return encodeKey(key)
	})
	if err != nil {
		return nil, err
	}
	der, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		return key, nil
	}
	return nil, errors.New(path + " holds another kind of key")
}

// readPEM reads the first thing in a file among the certificates.
func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is damaged: delete %s, and clients need the new authority", path, filepath.Dir(path))
	}
	return block.Bytes, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return bytes.TrimSpace(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), err
}

// newCA signs for this machine only, whoever comes to trust it.
func newCA(key *ecdsa.PrivateKey, now time.Time) ([]byte, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "Signalbox development on " + host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: slices.Compact([]string{"localhost", host}),
		PermittedIPRanges: []*net.IPNet{{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}, {IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return bytes.TrimSpace(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), err
}

// namesBelow are this machine's that the authority may sign for.
func namesBelow(ca *x509.Certificate) []string {
	names := []string{"localhost"}
	if host, err := os.Hostname(); err == nil && host != "localhost" && slices.Contains(ca.PermittedDNSDomains, host) {
		names = append(names, host)
	}
	return names
}

// serves reports whether the certificate will do for a while.
func serves(path string, ca *x509.Certificate, names []string, now time.Time) bool {
	pair, err := tls.LoadX509KeyPair(path, path)
	if err != nil {
		return false
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(ca)
	for _, name := range append([]string{"127.0.0.1"}, names...) {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: trusted, DNSName: name, CurrentTime: now.Add(renewIn)}); err != nil {
			return false
		}
	}
	return true
}

func newServer(ca *x509.Certificate, caKey *ecdsa.PrivateKey, names []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Signalbox broker"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(serverLife),
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return nil, err
	}
	text, err := encodeKey(key)
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), text...), err
}
