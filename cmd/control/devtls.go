package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 365 * 24 * time.Hour
	renewIn    = 30 * 24 * time.Hour // a certificate with less left is made anew at a start

	handshakeWithin = 10 * time.Second
	beginsWithin    = 50 * time.Millisecond // who begins with TLS has by then
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
	text, err := os.ReadFile(files.ca)
	if err != nil {
		return devTLS{}, fmt.Errorf("read the certificate authority: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return devTLS{}, fmt.Errorf("%s is damaged: delete %s, and clients need the new authority", files.ca, folder)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
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
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(path + " is damaged")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		return key, nil
	}
	return nil, errors.New(path + " holds another kind of key")
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
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Signalbox development on " + host},
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
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Signalbox broker"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(serverLife),
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

// tlsFront ends TLS in front of a listener of the broker that is plain, since
// nats-server has no second one of its kind. It is for one machine: the broker
// sees its address, which is the clients' anyway.
type tlsFront struct {
	listen, to string
	// The server says a first line before TLS, unless the client begins with TLS.
	serverBegins bool
	config       *tls.Config
}

// run serves until ctx ends, and then ends the connections.
func (f *tlsFront) run(ctx context.Context) error {
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listen for TLS: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var connections sync.WaitGroup
	defer connections.Wait()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			cancel()
			return fmt.Errorf("accept for TLS: %w", err)
		}
		connections.Go(func() { f.carry(ctx, client) })
	}
}

// carry ends with either end of the connection, or ctx.
func (f *tlsFront) carry(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", f.to)
	if err != nil {
		return // the broker is being started again
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	behind := bufio.NewReader(server)
	before := bufio.NewReader(client)
	var inClear bool
	if f.serverBegins {
		if inClear, err = waits(client, before); err == nil && inClear {
			err = sayFirst(client, behind)
		}
		if err != nil {
			return
		}
	}
	secure := tls.Server(buffered{client, before}, f.config)
	ctx, cancel := context.WithTimeout(ctx, handshakeWithin)
	err = secure.HandshakeContext(ctx)
	cancel()
	if err == nil && f.serverBegins && !inClear {
		err = sayFirst(secure, behind)
	}
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, secure)
		server.Close()
	}()
	_, _ = io.Copy(secure, behind)
}

// waits reports whether the client waits for the server's first line.
func waits(client net.Conn, before *bufio.Reader) (bool, error) {
	if err := client.SetReadDeadline(time.Now().Add(beginsWithin)); err != nil {
		return false, err
	}
	_, err := before.Peek(1)
	waits := errors.Is(err, os.ErrDeadlineExceeded)
	if waits {
		err = nil
	}
	return waits, errors.Join(err, client.SetReadDeadline(time.Time{}))
}

// sayFirst hands the server's first line on.
func sayFirst(client io.Writer, behind *bufio.Reader) error {
	line, err := behind.ReadBytes('\n')
	if err != nil {
		return err
	}
	if line, err = wantTLS(line); err == nil {
		_, err = client.Write(line)
	}
	return err
}

// wantTLS has the server's first line want TLS, and name no other address,
// where there is none.
func wantTLS(line []byte) ([]byte, error) {
	text, ok := bytes.CutPrefix(line, []byte("INFO "))
	var info map[string]json.RawMessage
	if !ok || json.Unmarshal(text, &info) != nil {
		return nil, errors.New("this is not how a server begins")
	}
	info["tls_required"] = json.RawMessage("true")
	for _, elsewhere := range []string{"connect_urls", "leafnode_urls"} {
		delete(info, elsewhere)
	}
	text, err := json.Marshal(info)
	return slices.Concat([]byte("INFO "), text, []byte("\r\n")), err
}

// buffered reads what has been read ahead first.
type buffered struct {
	net.Conn
	ahead *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.ahead.Read(p) }
