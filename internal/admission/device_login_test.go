package admission_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// authority signs certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string) authority {
	t.Helper()
	a := authority{t: t}
	a.cert, a.key = a.issue(func(c *x509.Certificate) { c.Subject.CommonName = name; asAuthority(c) })
	return a
}

func asAuthority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
}

// issue makes a certificate for clients, or for what the edit makes of it. The zero authority's signs itself.
func (a authority) issue(edit func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(a.t)
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62)))(a.t), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	edit(template)
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer))(a.t)
	return must(x509.ParseCertificate(der))(a.t), key
}

// client is a certificate with its key and what a client sends beside it.
func (a authority) client(edit func(*x509.Certificate), between ...authority) *tls.Certificate {
	a.t.Helper()
	cert, key := a.issue(edit)
	c := &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	for _, i := range between {
		c.Certificate = append(c.Certificate, i.cert.Raw)
	}
	return c
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// device is what a client shows that has no creds.
type device struct {
	user, password, token string
	nkey                  claims.Seed
	cert                  *tls.Certificate
}

// listening is a broker with all its listeners, plain or with TLS.
type listening struct {
	*brokertest.Cluster
	node  *brokertest.Node
	roots *x509.CertPool // of what it says to be; nil: plain
}

func plainSite(t testing.TB) *listening {
	cluster := brokertest.Start(t, 1)
	return &listening{Cluster: cluster, node: cluster.Nodes[0]}
}

// tlsSite has TLS, and asks clients for a certificate; over WebSocket it wants one
// of these authorities', if there are any.
func tlsSite(t testing.TB, wanted ...authority) *listening {
	ca := brokertest.NewAuthority(t, "site")
	certificate, key := ca.Server()
	secure := fmt.Sprintf("cert_file: %q, key_file: %q, timeout: 20", certificate, key)
	verify := ""
	for _, a := range wanted {
		path := filepath.Join(t.TempDir(), "wanted.pem")
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		verify = fmt.Sprintf(", verify: true, ca_file: %q", path)
	}
	cluster := brokertest.StartConfigured(t, 1, func(_ int, node *brokertest.Node) {
		node.CAFile = ca.File
		node.Configuration = strings.ReplaceAll(`
			listen: "127.0.0.1:-1", tls { TLS }
			jetstream {}
			mqtt { listen: "127.0.0.1:-1", tls { TLS } }
			leafnodes { listen: "127.0.0.1:-1", tls { TLS } }
			websocket { listen: "127.0.0.1:-1", tls { TLS `+verify+` } }`, "TLS", secure)
	})
	return &listening{Cluster: cluster, node: cluster.Nodes[0], roots: ca.Pool}
}

// config is a client's end of TLS; nil: it has none.
func (s *listening) config(d device) *tls.Config {
	if s.roots == nil {
		return nil
	}
	c := &tls.Config{RootCAs: s.roots, ServerName: "127.0.0.1"}
	if d.cert != nil {
		c.Certificates = []tls.Certificate{*d.cert}
	}
	return c
}

// address is where a listener is, with the scheme that a client knows it by.
func (s *listening) address(t testing.TB, endpoint, scheme, secure, path string) string {
	t.Helper()
	if s.roots != nil {
		scheme = secure
	}
	return scheme + "://" + must(url.Parse(endpoint))(t).Host + path
}

// natsURL is for clients, with TLS if there is any.
func (s *listening) natsURL(t testing.TB) string {
	return s.address(t, s.node.ClientURL(), "nats", "tls", "")
}

// way is a transport: it returns a channel that closes when the connection has
// ended, or why there is none.
type way func(t *testing.T, d device) (<-chan struct{}, error)

func (s *listening) ways(t *testing.T) map[string]way {
	t.Helper()
	at := s.node.Endpoints()
	ws := func(path string) string { return s.address(t, at.WebSocket[0], "ws", "wss", path) }
	suffix := ""
	if s.roots != nil {
		suffix = " and tls"
	}
	ways := map[string]way{
		"nats" + suffix:         s.viaNATS(s.natsURL(t)),
		"ws" + suffix:           s.viaNATS(ws("")),
		"mqtt" + suffix:         s.viaMQTT(s.address(t, at.MQTT[0], "tcp", "ssl", "")),
		"mqtt over ws" + suffix: s.viaMQTT(ws("/mqtt")),
		"leaf" + suffix:         s.viaLeaf(s.address(t, at.LeafNode[0], "nats-leaf", "tls", "")),
		"leaf over ws" + suffix: s.viaLeaf(ws("")),
	}
	if s.roots == nil {
		ways["in process"] = s.viaNATS("")
	}
	return ways
}

func (s *listening) viaNATS(address string) way {
	return func(t *testing.T, d device) (<-chan struct{}, error) {
		closed := make(chan struct{})
		options := []nats.Option{nats.NoReconnect(), nats.Timeout(brokertest.Patience), nats.ClosedHandler(func(*nats.Conn) { close(closed) }),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}
		if address == "" {
			options = append(options, nats.InProcessServer(s.node.Server()))
		} else if config := s.config(d); config != nil {
			options = append(options, nats.Secure(config))
		}
		if d.user != "" || d.password != "" {
			options = append(options, nats.UserInfo(d.user, d.password))
		}
		if d.token != "" {
			options = append(options, nats.Token(d.token))
		}
		if seed := d.nkey.Reveal(); seed != nil {
			pair := must(nkeys.FromSeed(seed))(t)
			options = append(options, nats.Nkey(must(pair.PublicKey())(t), pair.Sign))
		}
		nc, err := nats.Connect(address, options...)
		if err != nil {
			return nil, err
		}
		t.Cleanup(nc.Close)
		return closed, nc.Flush()
	}
}

func (s *listening) viaMQTT(address string) way {
	return func(t *testing.T, d device) (<-chan struct{}, error) {
		closed := make(chan struct{})
		password := d.password
		if password == "" {
			password = d.token
		}
		options := mqtt.NewClientOptions().AddBroker(address).SetClientID(strings.ReplaceAll(t.Name(), "/", "-")).SetUsername(d.user).SetPassword(password).
			SetAutoReconnect(false).SetConnectTimeout(brokertest.Patience).SetConnectionLostHandler(func(mqtt.Client, error) { close(closed) })
		if config := s.config(d); config != nil {
			options.SetTLSConfig(config)
		}
		client := mqtt.NewClient(options)
		token := client.Connect()
		if !token.WaitTimeout(brokertest.Patience) {
			t.Fatal("no answer to CONNECT")
		}
		t.Cleanup(func() { client.Disconnect(0) })
		return closed, token.Error()
	}
}

// errLeaf stands for what a leaf node does not say: it has not connected.
var errLeaf = errors.New("the leaf node was refused")

func (s *listening) viaLeaf(address string) way {
	return func(t *testing.T, d device) (<-chan struct{}, error) {
		at := must(url.Parse(address))(t)
		switch {
		case d.password != "":
			at.User = url.UserPassword(d.user, d.password)
		case d.token != "":
			at.User = url.User(d.token)
		case d.user != "":
			at.User = url.User(d.user)
		}
		remote := &server.RemoteLeafOpts{URLs: []*url.URL{at}, Nkey: string(d.nkey.Reveal())}
		if config := s.config(d); config != nil {
			remote.TLS, remote.TLSConfig, remote.TLSTimeout = true, config, 10
		}
		leaf := must(server.NewServer(&server.Options{
			Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, ServerName: strings.ReplaceAll(t.Name(), "/", "-"),
			LeafNode: server.LeafNodeOpts{ReconnectInterval: time.Hour, Remotes: []*server.RemoteLeafOpts{remote}},
		}))(t)
		var refused int64
		count := func() (n int64) {
			for _, r := range admission.Reasons {
				n += s.node.Admission().Refused(r)
			}
			return n
		}
		refused = count()
		admitted := s.node.Admission().Admitted()
		leaf.Start()
		t.Cleanup(func() { leaf.Shutdown(); leaf.WaitForShutdown() })
		waitFor(t, "the leaf node to connect, or to be refused", func() bool {
			// A leaf node counts its connection before the other side has let it in.
			return count() > refused || leaf.NumLeafNodes() == 1 && s.node.Admission().Admitted() > admitted
		})
		if count() > refused {
			return nil, errLeaf
		}
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			for deadline := time.Now().Add(brokertest.Patience); leaf.NumLeafNodes() == 1 && time.Now().Before(deadline); {
				<-time.After(time.Millisecond)
			}
		}()
		return closed, nil
	}
}

// scheme is a way to log in without creds, for a login of the account.
type scheme struct {
	name string
	make func(t *testing.T, account *brokertest.Account, l *claims.DeviceLogin) device
	over func(way string) bool // that can carry it
}

func schemes(ca authority) []scheme {
	anyWay := func(string) bool { return true }
	return []scheme{
		{"password", func(t *testing.T, account *brokertest.Account, l *claims.DeviceLogin) device {
			secret := account.NewSecret()
			l.Digest, l.Username = secret.Digest(), "the-"+l.Name
			return device{user: l.Username, password: secret.Reveal()}
		}, anyWay},
		{"token", func(t *testing.T, account *brokertest.Account, l *claims.DeviceLogin) device {
			secret := account.NewSecret()
			l.Digest = secret.Digest()
			if strings.Contains(t.Name(), "mqtt") { // which has no place for a token alone
				return device{user: "whoever", password: secret.Reveal()}
			}
			return device{token: secret.Reveal()}
		}, anyWay},
		{"nkey", func(t *testing.T, account *brokertest.Account, l *claims.DeviceLogin) device {
			seed, key := brokertest.NewUserSeed(t)
			l.Digest, l.User = claims.NkeyDigest(key), key
			if strings.Contains(t.Name(), "leaf") {
				return device{user: string(account.Key), nkey: seed}
			}
			return device{token: string(account.Key), nkey: seed}
		}, func(way string) bool { return !strings.Contains(way, "mqtt") }},
		{"certificate", func(t *testing.T, account *brokertest.Account, l *claims.DeviceLogin) device {
			id := must(url.Parse("spiffe://example.org/" + l.Name + "/" + string(l.User)))(t)
			l.Digest = claims.CertificateMatch{Field: claims.CertificateURI, Value: id.String()}.Digest()
			return device{user: string(account.Key), cert: ca.client(func(c *x509.Certificate) { c.URIs = []*url.URL{id} })}
		}, func(way string) bool { return strings.HasSuffix(way, "tls") && !strings.Contains(way, "ws") }},
	}
}

// Each scheme, over each transport that can carry it, lets in exactly as long as its login is there.
func TestDeviceLoginLetsInOverEveryTransportUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "acme")
	verifying := tlsSite(t, ca) // which demands certificates over WebSocket: it does not ask for them else, since browsers mind
	for _, s := range []*listening{plainSite(t), tlsSite(t), verifying} {
		account := s.Control.NewAccount("acme")
		s.WaitApplied(account.SetTrust(claims.Trust{Authorities: [][]byte{ca.cert.Raw}}))
		for over, connect := range s.ways(t) {
			for _, scheme := range schemes(ca) {
				if s == verifying {
					if scheme.name != "certificate" || !strings.Contains(over, "ws") {
						continue
					}
				} else if !scheme.over(over) {
					continue
				}
				t.Run(scheme.name+" over "+over, func(t *testing.T) {
					l, other := account.NewLogin("sensor"), account.NewLogin("other")
					d, stays := scheme.make(t, account, &l), scheme.make(t, account, &other)
					s.WaitApplied(account.SetLogins(l, other))
					closed, err := connect(t, d)
					if err != nil {
						t.Fatalf("refused: %v", err)
					}
					s.WaitApplied(account.SetLogins(l)) // of the other one nothing is left
					pipe := over == "in process"        // it takes a pipe ten seconds to hear that it is refused
					if !pipe {
						if _, err := connect(t, stays); err == nil {
							t.Error("let in by a login that was taken away")
						}
					}
					select {
					case <-closed:
						t.Fatal("ended with another's login")
					default:
					}
					revoked := time.Now()
					s.WaitApplied(account.Revoke(l.User))
					select {
					case <-closed:
					case <-time.After(brokertest.Patience):
						t.Fatal("the connection is still open")
					}
					if took := time.Since(revoked); took > time.Second {
						t.Errorf("thrown out after %v", took)
					}
					if pipe {
						return
					}
					before := s.node.Admission().Refused(admission.CredentialRevoked)
					if _, err := connect(t, d); err == nil {
						t.Error("let in again")
					}
					waitFor(t, "the reason", func() bool { return s.node.Admission().Refused(admission.CredentialRevoked) > before })
				})
			}
		}
	}
}

// Whatever is wrong, the client hears the same, and the account's people hear what it was.
func TestDeviceLoginIsRefusedForAReasonThatOnlyTheTenantHears(t *testing.T) {
	t.Parallel()
	s := tlsSite(t)
	ca, strange := newAuthority(t, "acme"), newAuthority(t, "strange")
	between := authority{t: t}
	between.cert, between.key = ca.issue(func(c *x509.Certificate) { c.Subject.CommonName = "between"; asAuthority(c) })
	over := s.viaNATS(s.natsURL(t))
	acme := func(edit func(*claims.Account)) *brokertest.Account {
		account := s.Control.NewAccount("acme")
		account.SetTrust(claims.Trust{Authorities: [][]byte{ca.cert.Raw}})
		s.WaitApplied(account.Change(edit))
		return account
	}
	of := map[string]scheme{}
	for _, scheme := range schemes(ca) {
		of[scheme.name] = scheme
	}
	told := map[resolver.RefusedLogin]string{}
	// make is what the client shows, and the login that the refusal names.
	try := func(name string, reason admission.Reason, words string, make func(t *testing.T) (*brokertest.Account, claims.UserKey, device)) {
		t.Run(name, func(t *testing.T) {
			account, user, d := make(t)
			before := s.node.Admission().Refused(reason)
			_, err := over(t, d)
			if err == nil {
				t.Fatal("let in")
			}
			if got := err.Error(); got != "nats: Authorization Violation" {
				t.Errorf("the client hears %q", got)
			}
			waitFor(t, "it to be refused as "+string(reason), func() bool { return s.node.Admission().Refused(reason) == before+1 })
			if account == nil {
				return
			}
			r := resolver.RefusedLogin{Account: string(account.Key), User: string(user), Reason: string(reason), ConnectionType: "STANDARD", Address: "127.0.0.1"}
			told[r] = words
		})
	}
	for name, scheme := range of {
		try(name+": revoked", admission.CredentialRevoked, "", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			account := acme(nil)
			l := account.NewLogin("sensor")
			d := scheme.make(t, account, &l)
			account.SetLogins(l)
			s.WaitApplied(account.Revoke(l.User))
			return account, l.User, d
		})
		try(name+": expired", admission.CredentialExpired, "expired at", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			account := acme(nil)
			l := account.NewLogin("sensor")
			l.ExpiresAt = time.Now().Add(-2 * time.Second)
			d := scheme.make(t, account, &l)
			s.WaitApplied(account.SetLogins(l))
			return account, l.User, d
		})
		try(name+": wrong type by the role", admission.ConnectionType, "STANDARD", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			account := acme(func(a *claims.Account) {
				a.Roles[0].Template.ConnectionTypes = []claims.ConnectionType{claims.MQTT}
			})
			l := account.NewLogin("sensor")
			d := scheme.make(t, account, &l)
			s.WaitApplied(account.SetLogins(l))
			return account, l.User, d
		})
		try(name+": wrong type by the account", admission.TypeNotAllowed, "STANDARD", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			account := acme(func(a *claims.Account) { a.ConnectionTypes = []claims.ConnectionType{claims.MQTT} })
			l := account.NewLogin("sensor")
			d := scheme.make(t, account, &l)
			s.WaitApplied(account.SetLogins(l))
			return account, l.User, d
		})
		try(name+": wrong network", admission.WrongNetwork, "127.0.0.1", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			account := acme(func(a *claims.Account) { a.Roles[0].Template.SourceNetworks = []string{"192.0.2.0/24"} })
			l := account.NewLogin("sensor")
			d := scheme.make(t, account, &l)
			s.WaitApplied(account.SetLogins(l))
			return account, l.User, d
		})
		try(name+": wrong time of day", admission.OutsideHours, "", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			hour := time.Now().UTC().Add(3 * time.Hour)
			account := acme(func(a *claims.Account) {
				a.Roles[0].Template.TimeZone = "UTC"
				a.Roles[0].Template.Times = []claims.TimeRange{{Start: hour.Format(time.TimeOnly), End: hour.Add(time.Hour).Format(time.TimeOnly)}}
			})
			l := account.NewLogin("sensor")
			d := scheme.make(t, account, &l)
			s.WaitApplied(account.SetLogins(l))
			return account, l.User, d
		})
		try(name+": too many of the user", admission.UserLimit, "1 connections", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			account := acme(func(a *claims.Account) { a.RoleConnections = map[claims.AccountKey]int64{a.Roles[0].Key: 1} })
			l := account.NewLogin("sensor")
			d := scheme.make(t, account, &l)
			s.WaitApplied(account.SetLogins(l))
			if _, err := over(t, d); err != nil {
				t.Fatalf("the first: %v", err)
			}
			return account, l.User, d
		})
		try(name+": of a role that is gone", admission.UnknownSigningKey, "role", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			account := acme(nil)
			l := account.NewLogin("sensor")
			d := scheme.make(t, account, &l)
			account.SetLogins(l)
			s.WaitApplied(account.Change(func(a *claims.Account) { a.Roles = nil }))
			return account, l.User, d
		})
		try(name+": of a suspended account", admission.AccountClosed, "", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			account := acme(nil)
			l := account.NewLogin("sensor")
			d := scheme.make(t, account, &l)
			account.SetLogins(l)
			s.WaitApplied(account.Change(func(a *claims.Account) {
				a.Limits.Connections, a.Limits.LeafNodes = 0, 0
				a.Revoked[claims.AllUsers] = time.Now().Add(time.Hour)
			}))
			return account, l.User, d
		})
		try(name+": another account's", admission.LoginUnknown, "the account has no device login", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			mine, yours := acme(nil), acme(nil)
			l := mine.NewLogin("sensor")
			d := scheme.make(t, yours, &l) // as if it were yours
			s.WaitApplied(mine.SetLogins(l))
			return yours, "", d
		})
		try(name+": of no account", admission.AccountUnknown, "", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			account := s.Control.NewAccount("nobody")
			l := account.NewLogin("sensor")
			return account, "", scheme.make(t, account, &l)
		})
	}
	secret := func(t *testing.T) (*brokertest.Account, claims.DeviceLogin, device) {
		account := acme(nil)
		l := account.NewLogin("sensor")
		d := of["password"].make(t, account, &l)
		s.WaitApplied(account.SetLogins(l))
		return account, l, d
	}
	try("wrong secret", admission.LoginUnknown, "secret", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
		account, _, d := secret(t)
		d.password = account.NewSecret().Reveal()
		return account, "", d
	})
	try("wrong user name", admission.LoginUsername, "user name", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
		account, l, d := secret(t)
		d.user += "x"
		return account, l.User, d
	})
	try("damaged secret", admission.Malformed, "", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
		_, _, d := secret(t)
		d.password = d.password[:60]
		return nil, "", d
	})
	try("any password", admission.NoCredential, "", func(*testing.T) (*brokertest.Account, claims.UserKey, device) {
		return nil, "", device{user: "sensor", password: "hunter2"}
	})
	try("any password for an account", admission.LoginUnknown, "what the client sent", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
		account, _, _ := secret(t)
		return account, "", device{user: string(account.Key), password: "hunter2"}
	})
	try("an account and nothing else", admission.LoginUnknown, "what the client sent", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
		account, _, _ := secret(t)
		return account, "", device{token: string(account.Key)}
	})
	try("somebody else's nkey", admission.LoginUnknown, "nkey", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
		account, _, _ := secret(t)
		seed, _ := brokertest.NewUserSeed(t)
		return account, "", device{token: string(account.Key), nkey: seed}
	})
	try("an nkey for nobody", admission.NoCredential, "", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
		seed, _ := brokertest.NewUserSeed(t)
		return nil, "", device{nkey: seed}
	})
	try("a certificate for nobody", admission.NoCredential, "", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
		return nil, "", device{cert: ca.client(func(*x509.Certificate) {})}
	})
	certificate := func(name string, reason admission.Reason, words string, make func(login func(*x509.Certificate)) *tls.Certificate) {
		try("certificate: "+name, reason, words, func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
			account := acme(nil)
			l := account.NewLogin("sensor")
			l.Digest = claims.CertificateMatch{Field: claims.CertificateDNS, Value: "sensor.example.org"}.Digest()
			s.WaitApplied(account.SetLogins(l))
			cert := make(func(c *x509.Certificate) { c.DNSNames = []string{"sensor.example.org"} })
			return account, "", device{user: string(account.Key), cert: cert}
		})
	}
	certificate("another authority's", admission.LoginCertificate, "authority that the account trusts", func(login func(*x509.Certificate)) *tls.Certificate {
		return strange.client(login)
	})
	certificate("its own", admission.LoginCertificate, "authority that the account trusts", func(login func(*x509.Certificate)) *tls.Certificate {
		return authority{t: t}.client(login)
	})
	certificate("expired", admission.LoginCertificate, "the certificate expired at", func(login func(*x509.Certificate)) *tls.Certificate {
		return ca.client(func(c *x509.Certificate) { login(c); c.NotAfter = time.Now().Add(-time.Minute) })
	})
	certificate("not yet valid", admission.LoginCertificate, "valid from", func(login func(*x509.Certificate)) *tls.Certificate {
		return ca.client(func(c *x509.Certificate) { login(c); c.NotBefore = time.Now().Add(time.Minute) })
	})
	certificate("a server's", admission.LoginCertificate, "client authentication", func(login func(*x509.Certificate)) *tls.Certificate {
		return ca.client(func(c *x509.Certificate) {
			login(c)
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		})
	})
	certificate("without what is in between", admission.LoginCertificate, "in between", func(login func(*x509.Certificate)) *tls.Certificate {
		return between.client(login)
	})
	certificate("signed by one that may not", admission.LoginCertificate, "", func(login func(*x509.Certificate)) *tls.Certificate {
		no := authority{t: t}
		no.cert, no.key = ca.issue(login)
		return no.client(login, no)
	})
	certificate("of another name", admission.LoginUnknown, "CN=stranger", func(func(*x509.Certificate)) *tls.Certificate {
		return ca.client(func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "stranger"} })
	})
	try("certificate: trusted by nobody", admission.LoginCertificate, "no authorities", func(t *testing.T) (*brokertest.Account, claims.UserKey, device) {
		account := acme(func(a *claims.Account) { a.Trust = "" })
		return account, "", device{user: string(account.Key), cert: ca.client(func(*x509.Certificate) {})}
	})

	s.Control.WaitFor(patience(t), "all refusals", func() bool { return len(s.Control.RefusedLogins()) >= len(told) })
	for _, r := range s.Control.RefusedLogins() {
		if words, ok := told[r.RefusedLogin]; !ok || !strings.Contains(r.Detail, words) {
			t.Errorf("control was told of %+v, want %q", r, words)
		}
		if strings.Contains(r.Detail, "sbl_") {
			t.Errorf("%+v holds a secret", r)
		}
	}
}

// Each part of a certificate by which a login can be found.
func TestCertificateIsKnownByAnyOfItsNames(t *testing.T) {
	t.Parallel()
	s := tlsSite(t)
	ca := newAuthority(t, "acme")
	between, further := authority{t: t}, authority{t: t}
	between.cert, between.key = ca.issue(func(c *x509.Certificate) { c.Subject.CommonName = "between"; asAuthority(c) })
	further.cert, further.key = between.issue(func(c *x509.Certificate) { c.Subject.CommonName = "further"; asAuthority(c) })
	account := s.Control.NewAccount("acme")
	s.WaitApplied(account.SetTrust(claims.Trust{Authorities: [][]byte{newAuthority(t, "unused").cert.Raw, ca.cert.Raw}}))
	over := s.viaNATS(s.natsURL(t))
	cert := further.client(func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "sensor-7", Organization: []string{"Example, Inc."}}
		c.URIs = []*url.URL{{Scheme: "spiffe", Host: "example.org", Path: "/sensor/7"}}
		c.EmailAddresses, c.DNSNames = []string{"sensor@example.org"}, []string{"Sensor-7.example.org"}
	}, further, between)
	matches := claims.CertificateMatches(cert.Leaf)
	if len(matches) != 5 {
		t.Fatalf("matches = %v", matches)
	}
	for _, match := range matches {
		t.Run(string(match.Field), func(t *testing.T) {
			l := account.NewLogin("sensor")
			l.Digest = match.Digest()
			s.WaitApplied(account.SetLogins(l))
			if _, err := over(t, device{user: string(account.Key), cert: cert}); err != nil {
				t.Errorf("by user name: %v", err)
			}
			if _, err := over(t, device{token: string(account.Key), cert: cert}); err != nil {
				t.Errorf("by token: %v", err)
			}
		})
	}
	t.Run("the most particular counts", func(t *testing.T) {
		var logins []claims.DeviceLogin
		for i, match := range matches {
			l := account.NewLogin(fmt.Sprintf("sensor-%d", i))
			l.Digest = match.Digest()
			logins = append(logins, l)
		}
		s.WaitApplied(account.SetLogins(logins...))
		for i := range logins {
			closed, err := over(t, device{user: string(account.Key), cert: cert})
			if err != nil {
				t.Fatal(err)
			}
			s.WaitApplied(account.SetLogins(logins[i+1:]...))
			select {
			case <-closed:
			case <-time.After(brokertest.Patience):
				t.Fatalf("not let in by its %s", matches[i].Field)
			}
		}
	})
	t.Run("no authority, no connection", func(t *testing.T) {
		l, byNkey := account.NewLogin("sensor"), account.NewLogin("other")
		l.Digest = matches[0].Digest()
		seed, key := brokertest.NewUserSeed(t)
		byNkey.User, byNkey.Digest = key, claims.NkeyDigest(key)
		s.WaitApplied(account.SetLogins(l, byNkey))
		closed, err := over(t, device{user: string(account.Key), cert: cert})
		if err != nil {
			t.Fatal(err)
		}
		stays, err := over(t, device{token: string(account.Key), nkey: seed, cert: cert})
		if err != nil {
			t.Fatal(err)
		}
		s.WaitApplied(account.SetTrust(claims.Trust{Authorities: [][]byte{ca.cert.Raw}})) // without the unused one
		select {
		case <-closed:
			t.Fatal("ended, though its authority is still trusted")
		default:
		}
		s.WaitApplied(account.SetTrust(claims.Trust{}))
		select {
		case <-closed:
		case <-time.After(brokertest.Patience):
			t.Fatal("still connected by a certificate that nobody trusts")
		}
		select {
		case <-stays:
			t.Error("an nkey needs no authority")
		default:
		}
	})
}

// A creds file counts before what else a client shows, as it always has.
func TestCredsCountBeforeACertificate(t *testing.T) {
	t.Parallel()
	s := tlsSite(t)
	ca := newAuthority(t, "acme")
	account := s.Control.NewAccount("acme")
	s.WaitApplied(account.Change(nil))
	cert := ca.client(func(*x509.Certificate) {})
	account.Issue("app").Connect(t, s.natsURL(t), nats.Secure(s.config(device{cert: cert})))
}

// What a login's page says of it holds for who is connected already.
func TestLoginThatChangesEndsItsConnectionsAndThoseThatMoveDoNot(t *testing.T) {
	t.Parallel()
	s := plainSite(t)
	account := s.Control.NewAccount("acme")
	over := s.viaNATS(s.node.ClientURL())
	changes := map[string]func(*claims.DeviceLogin){
		"another expiry":    func(l *claims.DeviceLogin) { l.ExpiresAt = time.Now().Add(time.Hour) },
		"another user name": func(l *claims.DeviceLogin) { l.Username = "else" },
		"other tags":        func(l *claims.DeviceLogin) { l.Tags = []string{"site:bern"} },
		"another key":       func(l *claims.DeviceLogin) { _, l.User = brokertest.NewUserSeed(t) },
		"nothing else":      func(*claims.DeviceLogin) {},
	}
	var logins []claims.DeviceLogin
	closed := map[string]<-chan struct{}{}
	devices := map[string]device{}
	for name := range changes {
		l := account.NewLogin("sensor")
		devices[name] = schemes(authority{})[0].make(t, account, &l)
		changes[name] = func(change func(*claims.DeviceLogin), i int) func(*claims.DeviceLogin) {
			return func(*claims.DeviceLogin) { change(&logins[i]) }
		}(changes[name], len(logins))
		logins = append(logins, l)
	}
	s.WaitApplied(account.SetLogins(logins...))
	for name, d := range devices {
		var err error
		if closed[name], err = over(t, d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	ended := s.node.Admission().Ended()
	for _, change := range changes {
		change(nil)
	}
	s.WaitApplied(account.SetLogins(logins...))
	for name, closed := range closed {
		if name == "nothing else" {
			continue
		}
		select {
		case <-closed:
		case <-time.After(brokertest.Patience):
			t.Errorf("%s: still connected", name)
		}
	}
	select {
	case <-closed["nothing else"]:
		t.Error("the login that only moved to another page was ended")
	default:
	}
	if got := s.node.Admission().Ended() - ended; got != int64(len(changes)-1) {
		t.Errorf("%d connections ended, want %d", got, len(changes)-1)
	}
}

// While control is away a broker that starts knows its logins.
func TestDeviceLoginsHoldWithoutControl(t *testing.T) {
	t.Parallel()
	s := plainSite(t)
	account := s.Control.NewAccount("acme")
	l, gone := account.NewLogin("sensor"), account.NewLogin("gone")
	d, was := schemes(authority{})[0].make(t, account, &l), schemes(authority{})[0].make(t, account, &gone)
	account.SetLogins(l, gone)
	s.WaitApplied(account.Revoke(gone.User))
	s.node.Stop()
	s.Control.StopHub()
	s.node.Start()
	over := s.viaNATS(s.node.ClientURL())
	if _, err := over(t, d); err != nil {
		t.Errorf("refused: %v", err)
	}
	if _, err := over(t, was); err == nil {
		t.Error("a revoked login was let in")
	}
}

// A cache knows which account to ask for: the secret, or the client, says it.
func TestCacheFindsTheAccountOfADeviceLogin(t *testing.T) {
	t.Parallel()
	s := plainSite(t)
	s.node.Stop()
	s.node.Store, s.node.CacheSize = "cache", "10"
	s.node.Start()
	account := s.Control.NewAccount("acme")
	for _, scheme := range schemes(authority{})[:3] {
		l := account.NewLogin("sensor")
		d := scheme.make(t, account, &l)
		s.WaitApplied(account.SetLogins(l))
		closed, err := s.viaNATS(s.node.ClientURL())(t, d)
		if err != nil {
			t.Fatalf("%s: %v", scheme.name, err)
		}
		s.WaitApplied(account.SetLogins())
		select {
		case <-closed:
		case <-time.After(brokertest.Patience):
			t.Errorf("%s: still connected", scheme.name)
		}
	}
}

// Sixteen clients log in while their login is taken out of its page, or its authority is trusted no more.
func TestTakingADeviceLoginAwayRacingLogins(t *testing.T) {
	t.Parallel()
	const rounds, clients = 40, 16
	s, ca := tlsSite(t), newAuthority(t, "acme")
	account := s.Control.NewAccount("acme")
	letIn := 0
	for round := range rounds {
		scheme := schemes(ca)[round%2*3] // password, certificate
		s.WaitApplied(account.SetTrust(claims.Trust{Authorities: [][]byte{ca.cert.Raw}}))
		l := account.NewLogin("sensor")
		d := scheme.make(t, account, &l)
		s.WaitApplied(account.SetLogins(l))
		options := []nats.Option{nats.UserInfo(d.user, d.password), nats.NoReconnect(), nats.Timeout(brokertest.Patience), nats.Secure(s.config(d))}
		in := raceBy(func() (*nats.Conn, error) { return nats.Connect(s.natsURL(t), options...) }, clients, func() {
			if d.cert != nil {
				s.WaitApplied(account.SetTrust(claims.Trust{}))
			} else {
				s.WaitApplied(account.SetLogins())
			}
		})
		letIn += len(in)
		if survived(in) {
			t.Fatalf("a connection by %s outlived what it was let in for", scheme.name)
		}
	}
	mustBeNobody(t, s.node.Server(), account)
	t.Logf("%d of %d logins came first; all of them were ended", letIn, rounds*clients)
}

// A user's move to another role, or to other tags, holds for its device logins as for its creds.
func TestDeviceLoginFollowsItsUser(t *testing.T) {
	t.Parallel()
	s := plainSite(t)
	account := s.Control.NewAccount("acme")
	role, roleKey := brokertest.NewAccountSeed(t)
	defer role.Wipe()
	s.WaitApplied(account.Change(func(a *claims.Account) {
		only := claims.OpenTemplate()
		only.ConnectionTypes = []claims.ConnectionType{claims.MQTT}
		a.Roles = append(a.Roles, claims.Role{Key: roleKey, Name: "mqtt only", Template: only})
	}))
	l := account.NewLogin("sensor")
	d := schemes(authority{})[0].make(t, account, &l)
	s.WaitApplied(account.SetLogins(l))
	over := s.viaNATS(s.node.ClientURL())
	closed, err := over(t, d)
	if err != nil {
		t.Fatal(err)
	}
	s.WaitApplied(account.Change(func(a *claims.Account) {
		a.Overrides = []claims.UserOverride{{Name: "sensor", Role: roleKey, Connections: claims.Unlimited}}
	}))
	select {
	case <-closed:
	case <-time.After(brokertest.Patience):
		t.Fatal("still connected, though the user's role of now allows MQTT only")
	}
	if _, err := over(t, d); err == nil {
		t.Error("let in over NATS by a role for MQTT")
	}
	if _, err := s.ways(t)["mqtt"](t, d); err != nil {
		t.Errorf("over MQTT: %v", err)
	}
}

// What monitoring, events and logs say of a login holds no secret.
func TestNothingShowsADeviceLoginsSecret(t *testing.T) {
	t.Parallel()
	s := plainSite(t)
	account := s.Control.NewAccount("acme")
	l, wrong := account.NewLogin("sensor"), account.NewSecret().Reveal()
	d := schemes(authority{})[0].make(t, account, &l)
	s.WaitApplied(account.SetLogins(l))
	admin := s.Control.SystemCreds().Connect(t, s.node.ClientURL())
	events, err := admin.SubscribeSync("$SYS.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.Flush(); err != nil {
		t.Fatal(err)
	}
	for over, connect := range s.ways(t) {
		t.Run(over, func(t *testing.T) {
			if _, err := connect(t, d); err != nil {
				t.Fatal(err)
			}
			if over != "in process" {
				if _, err := connect(t, device{user: d.user, password: wrong}); err == nil {
					t.Error("let in by a wrong secret")
				}
			}
		})
	}
	list := must(s.node.Server().Connz(&server.ConnzOptions{Username: true}))(t)
	text := fmt.Sprintf("%+v", list)
	for _, c := range list.Conns {
		text += fmt.Sprintf("%+v", c)
		if c.Account == string(account.Key) && c.AuthorizedUser != string(l.User) {
			t.Errorf("shown as %q", c.AuthorizedUser)
		}
	}
	leafs := must(s.node.Server().Leafz(nil))(t)
	text += fmt.Sprintf("%+v", leafs.Leafs)
	for {
		m, err := events.NextMsg(300 * time.Millisecond)
		if err != nil {
			break
		}
		text += string(m.Data)
	}
	if !strings.Contains(text, string(l.User)) {
		t.Error("events do not name the login's key")
	}
	for _, secret := range []string{d.password, wrong} {
		if strings.Contains(text, secret[10:60]) {
			t.Error("a secret is shown")
		}
	}
}

// A login that an account's change overtakes is judged again, by what the client has said.
func TestChangesOfTheAccountKeepNobodyOut(t *testing.T) {
	t.Parallel()
	const clients, logins = 4, 50
	s := plainSite(t)
	account := s.Control.NewAccount("acme")
	var all []claims.DeviceLogin
	shows := map[string][]nats.Option{"creds": {account.Issue("app").Option()}}
	for _, scheme := range schemes(authority{})[:3] {
		l := account.NewLogin("sensor")
		d := scheme.make(t, account, &l)
		all = append(all, l)
		shows[scheme.name] = []nats.Option{nats.UserInfo(d.user, d.password), nats.Token(d.token)}
		if seed := d.nkey.Reveal(); seed != nil {
			pair := must(nkeys.FromSeed(seed))(t)
			shows[scheme.name] = append(shows[scheme.name], nats.Nkey(string(l.User), pair.Sign))
		}
	}
	s.WaitApplied(account.SetLogins(all...))
	var running sync.WaitGroup
	done := make(chan struct{})
	for name, options := range shows {
		for range clients {
			running.Go(func() {
				for range logins {
					nc, err := nats.Connect(s.node.ClientURL(), slices.Concat(options, []nats.Option{nats.NoReconnect(), nats.Timeout(brokertest.Patience)})...)
					if err != nil {
						t.Errorf("by %s: %v", name, err)
						return
					}
					nc.Close()
				}
			})
		}
	}
	go func() { running.Wait(); close(done) }()
	for changes := 0; ; changes++ {
		more := account.NewLogin("more")
		more.Digest = account.NewSecret().Digest()
		s.WaitApplied(account.SetLogins(append(all, more)...))
		select {
		case <-done:
			t.Logf("%d logins during %d changes", len(shows)*clients*logins, changes)
			return
		default:
		}
	}
}

// An unmodified nats-server passes over what it does not understand, and lets no device in.
func TestStockServerLetsNoDeviceLoginIn(t *testing.T) {
	t.Parallel()
	s := plainSite(t)
	account := s.Control.NewAccount("acme")
	ca := newAuthority(t, "acme")
	s.WaitApplied(account.SetTrust(claims.Trust{Authorities: [][]byte{ca.cert.Raw}}))
	for _, scheme := range schemes(ca)[:3] {
		l := account.NewLogin("sensor")
		d := scheme.make(t, account, &l)
		s.WaitApplied(account.SetLogins(l))
		reference := stock(t, s.Control, map[string]string{string(account.Key): account.Edit(nil)})
		account.Issue("app").Connect(t, reference.ClientURL())
		if _, err := s.viaNATS(reference.ClientURL())(t, d); err == nil {
			t.Errorf("a stock server let a device in by %s", scheme.name)
		}
	}
}
