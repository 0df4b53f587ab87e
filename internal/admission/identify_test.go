package admission

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// caller is a connection that says what it is told to.
type caller struct {
	client
	opts  server.ClientOpts
	nonce []byte
	tls   *tls.ConnectionState
}

func (c *caller) GetNonce() []byte                            { return c.nonce }
func (c *caller) GetTLSConnectionState() *tls.ConnectionState { return c.tls }

// tenancy is an account with a role and one login of each kind that needs no TLS.
type tenancy struct {
	key, role    nkeys.KeyPair
	account      claims.AccountKey
	secret       claims.LoginSecret
	device       nkeys.KeyPair
	deviceKey    claims.UserKey
	byKey, bySec claims.DeviceLogin
	law          *law
}

func newTenancy(t testing.TB) *tenancy {
	t.Helper()
	w := &tenancy{key: must(nkeys.CreateAccount())(t), role: must(nkeys.CreateAccount())(t), device: must(nkeys.CreateUser())(t)}
	w.account, w.deviceKey = claims.AccountKey(must(w.key.PublicKey())(t)), claims.UserKey(must(w.device.PublicKey())(t))
	w.secret = must(claims.NewLoginSecret(w.account))(t)
	login := func(user claims.UserKey, digest claims.LoginDigest) claims.DeviceLogin {
		return claims.DeviceLogin{Digest: digest, User: user, Name: "sensor", Role: claims.AccountKey(must(w.role.PublicKey())(t)), IssuedAt: time.Unix(1_700_000_000, 0).UTC()}
	}
	w.byKey = login(w.deviceKey, claims.NkeyDigest(w.deviceKey))
	w.bySec = login(claims.UserKey(must(must(nkeys.CreateUser())(t).PublicKey())(t)), w.secret.Digest())
	w.bySec.Username = "sensor-1"
	w.law = w.lawWith(t, w.byKey, w.bySec)
	return w
}

func (w *tenancy) claims(t testing.TB) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(string(w.account))
	scope := jwt.NewUserScope()
	scope.Key = must(w.role.PublicKey())(t)
	scope.Template.Permissions.Pub.Allow.Add("sensors.>")
	c.SigningKeys.AddScopedSigner(scope)
	return c
}

func (w *tenancy) lawWith(t testing.TB, logins ...claims.DeviceLogin) *law {
	t.Helper()
	return newLaw(w.claims(t), claims.Pages{Logins: claims.LoginPages{must(claims.EncodeLoginPage(logins))(t)}}, false)
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

func newAttempt(c *caller, k kind) *login {
	return &login{client: c, said: c.opts, source: source{kind: k, host: "192.0.2.1"}, at: time.Now()}
}

// whole is all that happens to a login before it is registered.
func (l *login) whole(w *law) (verdict, error) {
	if _, err := l.identify(); err != nil {
		return verdict{}, err
	}
	if err := w.identify(l); err != nil {
		return verdict{}, err
	}
	return w.judge(l.facts(l.at))
}

// Whatever a client says, it gets in by the very secret, or by a signature of the key that it names, or not.
func FuzzNobodyGetsInByLess(f *testing.F) {
	w := newTenancy(f)
	secret := w.secret.Reveal()
	f.Add("sensor-1", secret, "", "", "", "", uint8(0))
	f.Add("", "", secret, "", "", "", uint8(1))
	f.Add(string(w.account), "", "", "", string(w.deviceKey), "c2ln", uint8(0))
	f.Add(string(w.account), "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "", "", "", "", uint8(2))
	f.Add("x", "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.c2ln", "", "", "", "", uint8(2))
	f.Add("sensor-1", secret[:67]+"A", string(w.account), "eyJ", "U", "", uint8(3))
	f.Fuzz(func(t *testing.T, user, password, token, userJWT, nkey, sig string, k uint8) {
		kinds := []kind{jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket, jwt.ConnectionTypeMqtt, jwt.ConnectionTypeLeafnode}
		c := &caller{opts: server.ClientOpts{Username: user, Password: password, Token: token, JWT: userJWT, Nkey: nkey, Sig: sig}, nonce: []byte("nonce of the connection")}
		l := newAttempt(c, kinds[int(k)%len(kinds)])
		v, err := l.whole(w.law)
		if err != nil {
			if refusalOf(err).reason == "" {
				t.Errorf("refused for no reason: %v", err)
			}
			return
		}
		switch v.user.Subject {
		case string(w.bySec.User):
			if password != secret && token != secret || password == secret && user != w.bySec.Username {
				t.Errorf("let in with %q, %q, %q", user, password, token)
			}
		case string(w.deviceKey):
			raw, err := base64.RawURLEncoding.DecodeString(sig)
			if err != nil {
				raw, _ = base64.StdEncoding.DecodeString(sig)
			}
			if nkey != string(w.deviceKey) || w.device.Verify(c.nonce, raw) != nil {
				t.Errorf("let in as %q with signature %q", nkey, sig)
			}
		default:
			t.Errorf("let in as %s", v.user.Subject)
		}
	})
}

func TestLoginByASecretHasItsRolesPermissionsAndItsOwnEnd(t *testing.T) {
	t.Parallel()
	w := newTenancy(t)
	w.bySec.ExpiresAt = time.Now().Add(time.Hour).Truncate(time.Second)
	c := &caller{opts: server.ClientOpts{Username: "sensor-1", Password: w.secret.Reveal()}}
	v, err := newAttempt(c, jwt.ConnectionTypeMqtt).whole(w.lawWith(t, w.bySec))
	if err != nil {
		t.Fatal(err)
	}
	if v.permissions == nil || v.permissions.Publish == nil || !slices.Equal(v.permissions.Publish.Allow, []string{"sensors.>"}) {
		t.Errorf("may %+v, want what its role may", v.permissions)
	}
	if !v.deadline.Equal(w.bySec.ExpiresAt) {
		t.Errorf("ends at %v, want %v", v.deadline, w.bySec.ExpiresAt)
	}
}

// What says the role that it is not there is no way around the role.
func TestLoginOfAKeyThatIsNoRoleIsRefused(t *testing.T) {
	t.Parallel()
	w := newTenancy(t)
	c := &caller{opts: server.ClientOpts{Token: w.secret.Reveal()}}
	for name, edit := range map[string]func(*jwt.AccountClaims){
		"unscoped":        func(c *jwt.AccountClaims) { c.SigningKeys[string(w.bySec.Role)] = nil },
		"gone":            func(c *jwt.AccountClaims) { clear(c.SigningKeys) },
		"the account's":   func(*jwt.AccountClaims) { w.bySec.Role = w.account },
		"another account": func(*jwt.AccountClaims) { w.bySec.Role = newTenancy(t).account },
	} {
		claim := w.claims(t)
		edit(claim)
		law := newLaw(claim, claims.Pages{Logins: claims.LoginPages{must(claims.EncodeLoginPage([]claims.DeviceLogin{w.bySec}))(t)}}, true)
		_, err := newAttempt(c, jwt.ConnectionTypeStandard).whole(law)
		if err == nil || refusalOf(err).reason != UnknownSigningKey {
			t.Errorf("%s: error = %v, want %s", name, err, UnknownSigningKey)
		}
	}
}

// A page that changes costs what it changes: who is not in it is not looked at.
func TestOnlyLoginsOfPagesThatAreGoneAreLookedAt(t *testing.T) {
	t.Parallel()
	w := newTenancy(t)
	page := func(from, n int) claims.LoginPage {
		var list []claims.DeviceLogin
		for i := range n {
			l := w.bySec
			l.Digest = claims.NkeyDigest(claims.UserKey(fmt.Sprint(from + i)))
			list = append(list, l)
		}
		return must(claims.EncodeLoginPage(list))(t)
	}
	big, small, merged := page(0, 100), page(100, 3), page(100, 4)
	lawOf := func(pages ...claims.LoginPage) *law { return newLaw(w.claims(t), claims.Pages{Logins: pages}, false) }
	for _, others := range []int{0, 1000} { // connections, more or less than there are logins in a page
		var x sessions
		id := uint64(0)
		add := func(digest claims.LoginDigest) {
			id++
			x.add(&session{id: id, user: "U", ground: deviceLogin{DeviceLogin: claims.DeviceLogin{Digest: digest}}}, func(*session) bool { return true })
		}
		add(big.Digest(0))
		add(small.Digest(0))
		add(small.Digest(0))
		for i := range others {
			add(claims.NkeyDigest(claims.UserKey(fmt.Sprint("other", i))))
		}
		looked := 0
		x.withdrawn(lawOf(big, merged), lawOf(big, small), func(s *session) {
			looked++
			if s.ground.(deviceLogin).Digest != small.Digest(0) {
				t.Error("looked at a session of another login")
			}
		})
		if looked != 2 {
			t.Errorf("beside %d others: looked at %d sessions, want 2", others, looked)
		}
		for _, s := range x.byID {
			x.remove(s)
		}
		if len(x.byLogin)+len(x.trusted) > 0 {
			t.Errorf("of sessions that are gone %d and %d are left", len(x.byLogin), len(x.trusted))
		}
	}
}

func TestForeseenClaimsHaveThePagesThatAreKnown(t *testing.T) {
	t.Parallel()
	w := newTenancy(t)
	one, two := must(claims.EncodeLoginPage([]claims.DeviceLogin{w.byKey}))(t), must(claims.EncodeLoginPage([]claims.DeviceLogin{w.bySec}))(t)
	trusting := func(url string) claims.TrustPage {
		return must(claims.EncodeTrustPage(claims.Trust{Issuers: []claims.TrustedIssuer{{URL: url, Audiences: []string{"x"},
			Rules: []claims.TrustRule{{Role: w.account, Name: "ci"}}}}}))(t)
	}
	trust, other := trusting("https://a.example"), trusting("https://b.example")
	now := newLaw(w.claims(t), claims.Pages{Logins: claims.LoginPages{one, two}, Trust: trust}, false)
	tag := func(kind string, hash claims.PageHash) string { return "signalbox-" + kind + ":" + string(hash) }
	unknown := claims.HashPage([]byte("unknown"))
	for _, c := range []struct {
		tags   []string
		logins int
		given  claims.TrustPage
		trust  claims.TrustPage
	}{
		{nil, 0, claims.TrustPage{}, claims.TrustPage{}},
		{[]string{tag("logins", one.Hash())}, 1, other, claims.TrustPage{}},
		{[]string{tag("logins", one.Hash()), tag("logins", two.Hash()), tag("trust", trust.Hash())}, 2, claims.TrustPage{}, trust},
		{[]string{tag("logins", one.Hash()), tag("logins", unknown), tag("trust", unknown)}, 2, other, trust},
		{[]string{tag("trust", other.Hash())}, 0, other, other},
		{[]string{tag("logins", unknown), tag("logins", two.Hash())}, 2, claims.TrustPage{}, claims.TrustPage{}},
	} {
		would := w.claims(t)
		would.Tags = c.tags
		got := now.pagesFor(would, c.given)
		if len(got.Logins) != c.logins || got.Trust.Hash() != c.trust.Hash() {
			t.Errorf("%q: %d pages of logins, trust %q", c.tags, len(got.Logins), got.Trust.Hash())
		}
	}
}

func TestForeignTokensAreToldFromNATS(t *testing.T) {
	t.Parallel()
	user := must(nkeys.CreateUser())(t)
	own := must(jwt.NewUserClaims(must(user.PublicKey())(t)).Encode(must(nkeys.CreateAccount())(t)))(t)
	headed := func(header string) string { return base64.RawURLEncoding.EncodeToString([]byte(header)) + ".e30.c2ln" }
	for text, want := range map[string]bool{
		own: false, headed(`{"typ":"JWT","alg":"ED25519-nkey"}`): false, headed(`{"alg":"none"}`): true, "": false, "eyJ": false, "eyJhbGciOiJSUzI1NiJ9.e30.c2ln": true, "eyJhbGciOiJSUzI1NiJ9.e30": false,
		"eyJhbGciOiJSUzI1NiJ9": false, "hunter2.a.b": false, "eyJub25zZW5zZQ.a.b": false,
	} {
		if got := isForeignToken(text); got != want {
			t.Errorf("%.40q: %t, want %t", text, got, want)
		}
	}
}

// creds are what a client with a creds file shows.
func (w *tenancy) creds(t testing.TB, nonce []byte) *caller {
	user := must(nkeys.CreateUser())(t)
	c := jwt.NewUserClaims(must(user.PublicKey())(t))
	c.SetScoped(true)
	c.Name, c.IssuerAccount = "app", string(w.account)
	sig := must(user.Sign(nonce))(t)
	return &caller{nonce: nonce, opts: server.ClientOpts{JWT: must(c.Encode(w.role))(t), Sig: base64.RawURLEncoding.EncodeToString(sig)}}
}

// judging returns what a login of each kind costs, without the network and the server.
func judging(t testing.TB) map[string]func() error {
	w := newTenancy(t)
	var all []claims.LoginPage // an account that has ten thousand of them
	for i := range 5 {
		list := make([]claims.DeviceLogin, 2000)
		for n := range list {
			list[n] = w.bySec
			list[n].Digest = claims.NkeyDigest(claims.UserKey(fmt.Sprint(i, n)))
		}
		all = append(all, must(claims.EncodeLoginPage(list))(t))
	}
	all = append(all, must(claims.EncodeLoginPage([]claims.DeviceLogin{w.byKey, w.bySec}))(t))
	law := newLaw(w.claims(t), claims.Pages{Logins: all}, false)
	nonce := []byte("nonce of the connection")
	sig := must(w.device.Sign(nonce))(t)
	callers := map[string]*caller{
		"creds":    w.creds(t, nonce),
		"password": {opts: server.ClientOpts{Username: "sensor-1", Password: w.secret.Reveal()}},
		"token":    {opts: server.ClientOpts{Token: w.secret.Reveal()}},
		"nkey":     {nonce: nonce, opts: server.ClientOpts{Token: string(w.account), Nkey: string(w.deviceKey), Sig: base64.RawURLEncoding.EncodeToString(sig)}},
	}
	work := map[string]func() error{}
	for name, c := range callers {
		work[name] = func() error {
			_, err := newAttempt(c, jwt.ConnectionTypeStandard).whole(law)
			return err
		}
	}
	return work
}

func BenchmarkJudge(b *testing.B) {
	for name, login := range judging(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := login(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The quickest of many is what it costs on a machine that does nothing else.
func TestDeviceLoginCostsNoMoreThanCreds(t *testing.T) {
	work := judging(t)
	quickest := map[string]time.Duration{}
	for range 300 {
		for name, login := range work {
			began := time.Now()
			if err := login(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if took := time.Since(began); quickest[name] == 0 || took < quickest[name] {
				quickest[name] = took
			}
		}
	}
	t.Logf("quickest: %v", quickest)
	for name, took := range quickest {
		if took > quickest["creds"] {
			t.Errorf("a login by %s takes %v, by creds %v", name, took, quickest["creds"])
		}
	}
}
