package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// authority is a certificate authority and a certificate of this machine's, in files.
type authority struct {
	ca, cert, key string
	keyHash       string // of the certificate's key, as browsers pin it
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	now := time.Now()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Tests"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	check(t, err)
	certDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	check(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	check(t, err)
	hash := sha256.Sum256(public)

	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	return authority{
		ca: write("ca.pem", "CERTIFICATE", caDER), cert: write("cert.pem", "CERTIFICATE", certDER), key: write("key.pem", "PRIVATE KEY", keyDER),
		keyHash: base64.StdEncoding.EncodeToString(hash[:]),
	}
}

// tls is the block of a listener in nats-server's configuration.
func (a authority) tls(more string) string {
	return fmt.Sprintf("tls { cert_file: %q, key_file: %q%s }", a.cert, a.key, more)
}

// clientsFolder holds clients in JavaScript, and what drives them.
const clientsFolder = "testdata/clients"

// driver is a Node process with clients that are not ours.
type driver struct {
	t     *testing.T
	input io.Writer

	mu      sync.Mutex
	last    int
	answers map[int]chan said
	clients map[string]*foreign
}

// said is a line from the driver: an answer, or what happened to a client.
type said struct {
	ID           int
	Error        string
	Client       string
	Event        string
	Text         string
	Topic, Data  string
	Size         int
	QoS          int `json:"qos"`
	Retain       bool
	Acknowledged int
	Retried      int
	at           time.Time
}

// startDriver starts it until the test ends. It trusts the authority.
func startDriver(t *testing.T, trusts authority) *driver {
	t.Helper()
	if _, err := os.Stat(filepath.Join(clientsFolder, "node_modules")); err != nil {
		t.Fatalf("the clients are not installed, which `make clients` does: %v", err)
	}
	d := &driver{t: t, answers: map[int]chan said{}, clients: map[string]*foreign{}}
	cmd := exec.Command("node", "clients.mjs")
	cmd.Dir = clientsFolder
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+trusts.ca, "SERVER_KEY_HASH="+trusts.keyHash)
	errs := &process{}
	cmd.Stderr = errs
	input, err := cmd.StdinPipe()
	check(t, err)
	output, err := cmd.StdoutPipe()
	check(t, err)
	d.input = input
	check(t, cmd.Start())
	var reading sync.WaitGroup
	reading.Go(func() { d.read(output) })
	t.Cleanup(func() {
		input.Close()
		ends := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer ends.Stop()
		reading.Wait()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the driver of clients ended (%v) and said:\n%s", err, tail(errs.output(), 20))
		}
	})
	return d
}

func (d *driver) read(output io.Reader) {
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		s := said{at: time.Now()}
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			d.t.Errorf("the driver of clients said %q: %v", lines.Text(), err)
			continue
		}
		d.mu.Lock()
		answer, client := d.answers[s.ID], d.clients[s.Client]
		delete(d.answers, s.ID)
		d.mu.Unlock()
		switch {
		case s.ID != 0:
			answer <- s
		case client != nil:
			client.hear(s)
		}
	}
}

// ask sends a request and waits for its answer, whose error is this one's.
func (d *driver) ask(ctx context.Context, request map[string]any) (said, error) {
	answer := make(chan said, 1)
	d.mu.Lock()
	d.last++
	request["id"] = d.last
	d.answers[d.last] = answer
	line, err := json.Marshal(request)
	if err == nil {
		_, err = d.input.Write(append(line, '\n'))
	}
	d.mu.Unlock()
	if err != nil {
		return said{}, err
	}
	select {
	case s := <-answer:
		if s.Error != "" {
			return s, errors.New(s.Error)
		}
		return s, nil
	case <-ctx.Done():
		return said{}, fmt.Errorf("no answer to %v of %v: %w", request["do"], request["client"], ctx.Err())
	}
}

// foreign is one of the driver's clients.
type foreign struct {
	*driver
	name  string
	ended chan struct{} // closed when the connection is

	mu     sync.Mutex
	events []said
	endsAt time.Time
}

// connect has a client of that kind log in. The client does not come back by
// itself unless the request says so.
func (d *driver) connect(name, kind string, request map[string]any) (*foreign, error) {
	f := &foreign{driver: d, name: name, ended: make(chan struct{})}
	d.mu.Lock()
	d.clients[name] = f
	d.mu.Unlock()
	request["kind"] = kind
	_, err := f.do("connect", request)
	return f, err
}

// mustConnect is connect for who has to be let in.
func (d *driver) mustConnect(name, kind string, request map[string]any) *foreign {
	d.t.Helper()
	f, err := d.connect(name, kind, request)
	if err != nil {
		d.t.Fatalf("%s cannot connect: %v", name, err)
	}
	return f
}

func (f *foreign) do(what string, request map[string]any) (said, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	if request == nil {
		request = map[string]any{}
	}
	request["do"], request["client"] = what, f.name
	return f.ask(ctx, request)
}

// must is do for what has to work.
func (f *foreign) must(what string, request map[string]any) said {
	f.t.Helper()
	s, err := f.do(what, request)
	if err != nil {
		f.t.Fatalf("%s: %s %v: %v", f.name, what, request["topic"], err)
	}
	return s
}

func (f *foreign) hear(s said) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, s)
	if s.Event == "closed" && f.endsAt.IsZero() {
		f.endsAt = s.at
		close(f.ended)
	}
}

// heard are the events of that kind so far.
func (f *foreign) heard(event string) (all []said) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.events {
		if s.Event == event {
			all = append(all, s)
		}
	}
	return all
}

// endedAt is when the connection was closed; after ended.
func (f *foreign) endedAt() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.endsAt
}
