package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// startLoginStack starts a stack whose broker takes TLS beside plain connections.
func startLoginStack(t *testing.T) (*stack, authority) {
	t.Helper()
	servers := newAuthority(t)
	s := startStackOn(t, func(s *stack) string {
		s.forBroker = []string{"SIGNALBOX_CA=" + servers.ca}
		return fmt.Sprintf("server_name: one\nlisten: 127.0.0.1:%s\nallow_non_tls: true\n%s\nwebsocket { listen: 127.0.0.1:%s, no_tls: true }\n"+
			"mqtt { listen: 127.0.0.1:%s, %[2]s }\njetstream { store_dir: %[5]q, max_file_store: 1TB, max_memory_store: 16GB }\n",
			s.ports[1], servers.tls(""), s.ports[2], s.ports[3], filepath.Join(s.dir, "jetstream"))
	})
	return s, servers
}

// issuer is a tenant's own certificate authority.
type issuer struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t}
	var err error
	i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	i.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Devices"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, i.cert, i.cert, i.key.Public(), i.key)
	check(t, err)
	i.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return i
}

// issue answers the files of a client's certificate and key.
func (i *issuer) issue(spiffe string) (cert, key string) {
	i.t.Helper()
	id, err := url.Parse(spiffe)
	check(i.t, err)
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(i.t, err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: i.cert.NotBefore, NotAfter: i.cert.NotAfter, URIs: []*url.URL{id},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, i.cert, secret.Public(), i.key)
	check(i.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	check(i.t, err)
	dir := i.t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	check(i.t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	check(i.t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return cert, key
}

// deviceLogin is one with what its client shows.
type deviceLogin struct {
	ID        string
	Kind      string
	Username  string
	ExpiresAt time.Time `json:"expires_at"`
	secret    string
	show      []nats.Option
	tls       bool
}

// deviceLogin creates one for the user. What the client of a kind shows is made for it.
func (w *loginWorld) deviceLogin(c *customer, user, kind string, more map[string]any) deviceLogin {
	c.t.Helper()
	body := map[string]any{"kind": kind}
	for name, value := range more {
		body[name] = value
	}
	l := deviceLogin{}
	switch kind {
	case "nkey":
		seed, err := nkeys.CreateUser()
		check(c.t, err)
		body["public_key"], err = seed.PublicKey()
		check(c.t, err)
		l.show = []nats.Option{nats.Nkey(body["public_key"].(string), seed.Sign)}
	case "certificate":
		w.count++
		id := fmt.Sprintf("spiffe://example.org/device/%d", w.count)
		body["match"] = map[string]any{"kind": "uri", "value": id}
		cert, key := w.issuer.issue(id)
		l.show, l.tls = []nats.Option{nats.ClientCert(cert, key), nats.RootCAs(w.servers.ca)}, true
	}
	var out struct {
		DeviceLogin deviceLogin `json:"device_login"`
		Secret      string
	}
	c.must("POST", "/v1/users/"+user+"/device-logins", body, &out)
	out.DeviceLogin.show, out.DeviceLogin.tls, out.DeviceLogin.secret = l.show, l.tls, out.Secret
	l = out.DeviceLogin
	switch kind {
	case "token":
		l.show = []nats.Option{nats.Token(l.secret)}
	default:
		l.show = append(l.show, nats.UserInfo(l.Username, l.secret))
	}
	c.inForce()
	return l
}

// loginWorld is a tenant and another, on a stack.
type loginWorld struct {
	*stack
	servers       authority
	issuer        *issuer
	owner, others *customer
	account       resource
	count         int
}

var loginKinds = []string{"password", "token", "nkey", "certificate"}

func startLoginWorld(t *testing.T) *loginWorld {
	t.Helper()
	s, servers := startLoginStack(t)
	w := &loginWorld{stack: s, servers: servers, issuer: newIssuer(t), owner: s.signUp("maker"), others: s.signUp("neighbour")}
	for _, c := range []*customer{w.owner, w.others} {
		c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{"certificate_authorities": []string{w.issuer.pem}}, &w.account)
	}
	w.owner.must("GET", "/v1/accounts/"+w.owner.account, nil, &w.account)
	return w
}

// dial logs in with these, which of a certificate's is over TLS.
func (w *loginWorld) dial(l deviceLogin, more ...nats.Option) (*client, error) {
	c := &client{closed: make(chan struct{})}
	at := w.nats
	if l.tls {
		at = strings.Replace(at, "nats:", "tls:", 1)
	}
	nc, err := nats.Connect(at, slices.Concat(l.show, []nats.Option{nats.NoReconnect(), nats.Timeout(patience),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) })}, more)...)
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(nc.Close)
	c.Conn = nc
	return c, nil
}

// admits answers a connection with the login.
func (w *loginWorld) admits(t *testing.T, l deviceLogin) *client {
	t.Helper()
	c, err := w.dial(l)
	if err != nil {
		t.Fatalf("a client with the %s: %v", l.Kind, err)
	}
	wantEcho(t, c)
	return c
}

// refuses fails unless a login is refused, in the same words as every other.
func (w *loginWorld) refuses(t *testing.T, why string, l deviceLogin, more ...nats.Option) {
	t.Helper()
	eventually(t, why+" to be refused", func() error {
		c, err := w.dial(l, more...)
		if err == nil {
			c.Close()
			t.Fatalf("%s: a client with the %s was let in", why, l.Kind)
		}
		if !errors.Is(err, nats.ErrAuthorization) {
			return err
		}
		if err.Error() != "nats: Authorization Violation" {
			t.Errorf("%s: the client hears %q", why, err)
		}
		return nil
	})
}

// told waits until the tenant is told of these reasons, and of no others.
func (w *loginWorld) told(t *testing.T, reasons ...string) {
	t.Helper()
	slices.Sort(reasons)
	eventually(t, fmt.Sprintf("the reasons %s", reasons), func() error {
		var got []string
		for _, r := range w.owner.refusals() {
			got = append(got, r.Reason)
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, slices.Compact(reasons)) {
			return fmt.Errorf("reasons = %s", got)
		}
		return nil
	})
}

func (c *customer) revokeLogin(l deviceLogin) proof {
	c.t.Helper()
	var out struct{ Proof proof }
	c.must("POST", "/v1/device-logins/"+l.ID+"/revoke?wait=PT30S", map[string]any{"reason": "stolen"}, &out)
	return out.Proof
}

func TestDeviceLoginsLetInWhomTheyShould(t *testing.T) {
	t.Parallel()
	w := startLoginWorld(t)
	for _, kind := range loginKinds {
		t.Run(kind, func(t *testing.T) {
			user := w.owner.user("device-"+kind, "")
			l, other := w.deviceLogin(w.owner, user.ID, kind, nil), w.deviceLogin(w.owner, user.ID, kind, nil)
			c, stays := w.admits(t, l), w.admits(t, other)

			out := make(chan time.Time, 1)
			go func() {
				<-c.closed
				out <- time.Now()
			}()
			began := time.Now()
			w.owner.revokeLogin(l).wantConfirmed(t, 1)
			wantThrownOut(t, c)
			if took := (<-out).Sub(began); took > time.Second {
				t.Errorf("thrown out after %v", took)
			}
			w.refuses(t, "a revoked login", l)
			wantEcho(t, stays)

			brief := w.deviceLogin(w.owner, user.ID, kind, map[string]any{"expires_in": "PT3S"})
			wantThrownOut(t, w.admits(t, brief))
			eventually(t, "its last second to be over", func() error {
				if over := brief.ExpiresAt.Add(time.Second); time.Now().Before(over) {
					return fmt.Errorf("it ends at %s", over)
				}
				return nil
			})
			w.refuses(t, "an expired login", brief)

			eventually(t, "its last use to be told", func() error {
				var seen struct {
					LastSeen *struct {
						ConnectionType string `json:"connection_type"`
					} `json:"last_seen"`
				}
				w.owner.must("GET", "/v1/device-logins/"+other.ID, nil, &seen)
				if seen.LastSeen == nil || seen.LastSeen.ConnectionType != "STANDARD" {
					return fmt.Errorf("last seen = %+v", seen.LastSeen)
				}
				return nil
			})
		})
	}
	w.told(t, "credential_revoked", "credential_expired")
	for _, r := range w.owner.refusals() {
		if r.User == nil || !strings.HasPrefix(*r.User, "device-") || r.CredentialID != nil || r.DeviceLoginID == nil || !strings.HasPrefix(*r.DeviceLoginID, "dlg_") {
			t.Errorf("refusal = %+v, want one of a device login and its user", r)
		}
	}
}

func TestDeviceLoginsKeepOutWhomTheyShould(t *testing.T) {
	t.Parallel()
	w := startLoginWorld(t)
	user, theirs := w.owner.user("device", ""), w.others.user("device", "")
	own := map[string]deviceLogin{}
	for _, kind := range loginKinds {
		own[kind] = w.deviceLogin(w.owner, user.ID, kind, nil)
		w.admits(t, own[kind]).Close()
	}

	// What is not the account's.
	for _, kind := range loginKinds {
		wrong := own[kind]
		switch kind {
		case "password", "token": // the account's, with other random bytes
			secret := wrong.secret[:50] + strings.Repeat("A", len(wrong.secret)-50)
			wrong.show = []nats.Option{nats.Token(secret)}
			if kind == "password" {
				wrong.show = []nats.Option{nats.UserInfo(wrong.Username, secret)}
			}
		default: // another tenant's, who names this account
			wrong = w.deviceLogin(w.others, theirs.ID, kind, nil)
			w.admits(t, wrong).Close()
			wrong.show = append(slices.Clone(wrong.show), nats.UserInfo(w.account.PublicKey, ""))
		}
		w.refuses(t, "what the account does not know", wrong)
	}
	w.refuses(t, "another user name", own["password"], nats.UserInfo("somebody", own["password"].secret))
	stranger := newIssuer(t)
	cert, key := stranger.issue("spiffe://example.org/device/1")
	w.refuses(t, "another authority's certificate", deviceLogin{Kind: "certificate", tls: true, show: []nats.Option{
		nats.ClientCert(cert, key), nats.RootCAs(w.servers.ca), nats.UserInfo(w.account.PublicKey, "")}})
	w.told(t, "login_unknown", "login_username", "login_certificate")

	// What its role does not allow.
	role := func(name string, more map[string]any) string {
		more["name"] = name
		var r resource
		w.owner.must("POST", "/v1/accounts/"+w.owner.account+"/roles", more, &r)
		return r.ID
	}
	overWebSocket := w.owner.user("web", role("web", map[string]any{"connection_types": []string{"WEBSOCKET"}}))
	elsewhere := w.owner.user("elsewhere", role("elsewhere", map[string]any{"source_networks": []string{"192.0.2.0/24"}}))
	for _, kind := range loginKinds {
		l := w.deviceLogin(w.owner, overWebSocket.ID, kind, nil)
		if kind != "certificate" { // this stack's WebSocket has no TLS
			nc, err := nats.Connect(w.ws, slices.Concat(l.show, []nats.Option{nats.Timeout(patience)})...)
			if err != nil {
				t.Fatalf("a client with the %s over WebSocket: %v", kind, err)
			}
			nc.Close()
		}
		w.refuses(t, "a connection of another type", l)
		w.refuses(t, "another network", w.deviceLogin(w.owner, elsewhere.ID, kind, nil))
	}
	w.told(t, "login_unknown", "login_username", "login_certificate", "connection_type", "wrong_network")
	if got := w.others.refusals(); len(got) != 0 {
		t.Errorf("the other tenant is told of %+v", got)
	}
}

// What brokers know of logins they know while control is away.
func TestDeviceLoginsWorkWhileControlIsAway(t *testing.T) {
	t.Parallel()
	w := startLoginWorld(t)
	user := w.owner.user("device", "")
	var logins []deviceLogin
	for _, kind := range loginKinds {
		l := w.deviceLogin(w.owner, user.ID, kind, nil)
		w.admits(t, l).Close()
		logins = append(logins, l)
	}
	gone := w.deviceLogin(w.owner, user.ID, "token", nil)
	w.owner.revokeLogin(gone)
	w.control.kill()
	for _, l := range logins {
		c, err := w.dial(l)
		if err != nil {
			t.Fatalf("%s: %v", l.Kind, err)
		}
		wantEcho(t, c)
	}
	w.refuses(t, "a revoked login", gone)
	w.broker.kill()
	w.startBroker()
	w.awaitBroker() // it serves what it knew last
	for _, l := range logins {
		w.admits(t, l)
	}
	w.refuses(t, "a revoked login", gone)
}

func TestMQTTClientsComeWithDeviceLogins(t *testing.T) {
	t.Parallel()
	w := startLoginWorld(t)
	var role resource
	w.owner.must("POST", "/v1/accounts/"+w.owner.account+"/roles", map[string]any{"name": "mqtt", "connection_types": []string{"MQTT"}}, &role)
	user := w.owner.user("meter", role.ID)
	mosquitto := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		out, err := exec.CommandContext(ctx, "mosquitto_pub", append([]string{"-h", "127.0.0.1", "-p", w.ports[3], "--cafile", w.servers.ca, "-q", "1", "-t", "meters/7", "-m", "42"}, args...)...).CombinedOutput()
		return string(out), err
	}
	password, token := w.deviceLogin(w.owner, user.ID, "password", map[string]any{"username": "meter/7"}), w.deviceLogin(w.owner, user.ID, "token", nil)
	cert, key := w.issuer.issue("spiffe://example.org/meter/7")
	w.owner.must("POST", "/v1/users/"+user.ID+"/device-logins", map[string]any{"kind": "certificate", "match": map[string]any{"kind": "uri", "value": "spiffe://example.org/meter/7"}}, &resource{})
	ways := map[string][]string{
		"password":    {"-u", "meter/7", "-P", password.secret},
		"token":       {"-u", "whatever", "-P", token.secret},
		"certificate": {"-u", w.account.PublicKey, "--cert", cert, "--key", key},
	}
	w.owner.inForce()
	for name, args := range ways {
		if out, err := mosquitto(args...); err != nil {
			t.Errorf("mosquitto with the %s: %v, %s", name, err, out)
		}
	}
	for name, args := range map[string][]string{
		"another user name":            {"-u", "meter/8", "-P", password.secret},
		"no password":                  {"-u", "meter/7"},
		"no certificate":               {"-u", w.account.PublicKey},
		"a certificate and no account": {"-u", "meter/7", "--cert", cert, "--key", key},
	} {
		if out, err := mosquitto(args...); err == nil || !refusal.MatchString(out) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}

	// Nkeys cannot be had over MQTT alone, nor creds, and the API says why.
	for path, words := range map[string]string{
		"/v1/users/" + user.ID + "/device-logins": "sign",
		"/v1/users/" + user.ID + "/credentials":   "device login",
	} {
		seed, err := nkeys.CreateUser()
		check(t, err)
		public, err := seed.PublicKey()
		check(t, err)
		body := map[string]any{"public_key": public}
		if strings.HasSuffix(path, "logins") {
			body["kind"] = "nkey"
		}
		if status, text, err := w.owner.call("POST", path, body); status != 409 || err != nil || !strings.Contains(string(text), words) {
			t.Errorf("%s: %d %s, %v", path, status, text, err)
		}
	}
}

// The commands of docs/device-logins.md, as they stand there.
func TestCommandsOfTheDeviceLoginsPageWork(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	clone, err := filepath.Abs(repository)
	check(t, err)
	typed(t, commands(t, "docs/device-logins.md"), t.TempDir(), buildNK(t), append(d.addresses(), "~/signalbox", clone),
		[]string{`Published 2 bytes to "readings.7"`, "not with another user name", "revoked, as it should be", `"in_force":true`, `"reason":"login_username"`, `"reason":"credential_revoked"`})
}

// buildNK builds the tool that makes nkeys and answers its folder.
func buildNK(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "nk"), "github.com/nats-io/nkeys/nk").CombinedOutput(); err != nil {
		t.Fatalf("build nk: %v\n%s", err, out)
	}
	return dir
}
