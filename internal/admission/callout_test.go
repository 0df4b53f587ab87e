package admission_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// callout is an account that leaves logins to a service of its own, which holds a
// signing key of it; another account in which that may put users; and a third, in which it may not.
type callout struct {
	*brokertest.Cluster
	account, allowed, foreign *brokertest.Account
	keys                      map[*brokertest.Account]nkeys.KeyPair // unscoped signing keys
	service, sentinel         brokertest.Credential
	box                       nkeys.KeyPair // the service's, to decrypt with; nil: nothing is encrypted
}

func setupCallout(t *testing.T, edit func(*callout, *claims.Account)) *callout {
	t.Helper()
	return calloutOn(t, brokertest.Start(t, 1), edit)
}

func calloutOn(t *testing.T, cluster *brokertest.Cluster, edit func(*callout, *claims.Account)) *callout {
	t.Helper()
	c := &callout{Cluster: cluster, keys: map[*brokertest.Account]nkeys.KeyPair{}}
	for name, at := range map[string]**brokertest.Account{"acme": &c.account, "allowed": &c.allowed, "foreign": &c.foreign} {
		*at = c.Control.NewAccount(name)
		c.keys[*at] = pairOf(nkeys.CreateAccount())(t)
		c.WaitApplied((*at).Change(func(a *claims.Account) {
			a.SigningKeys = []claims.AccountKey{claims.AccountKey(publicOf(t, c.keys[*at]))}
		}))
	}
	c.service, c.sentinel = c.account.Issue("service"), c.account.Issue("sentinel")
	c.WaitApplied(c.account.Change(func(a *claims.Account) {
		a.Callout = &claims.Callout{Users: []claims.UserKey{c.service.Key}, Accounts: []claims.AccountKey{c.allowed.Key}}
		if edit != nil {
			edit(c, a)
		}
	}))
	return c
}

func pairOf(pair nkeys.KeyPair, err error) func(*testing.T) nkeys.KeyPair {
	return func(t *testing.T) nkeys.KeyPair {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
}

func publicOf(t *testing.T, pair nkeys.KeyPair) string {
	t.Helper()
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// answer is what a service makes of a request: the user, and the response around it.
type answer struct {
	user     *jwt.UserClaims
	signer   nkeys.KeyPair // of the user
	response *jwt.AuthorizationResponseClaims
	by       nkeys.KeyPair // signs the response
	raw      []byte        // sent instead
	silent   bool
	open     bool // not encrypted, although the request was
}

// serve answers a server's requests, edit making of the right answer what the
// test wants. It returns the requests.
func (c *callout) serve(t *testing.T, url string, edit func(*jwt.AuthorizationRequestClaims, *answer), options ...nats.Option) func() []*jwt.AuthorizationRequestClaims {
	t.Helper()
	var mu sync.Mutex
	var seen []*jwt.AuthorizationRequestClaims
	nc := c.service.Connect(t, url, options...)
	_, err := nc.Subscribe(server.AuthCalloutSubject, func(m *nats.Msg) {
		data, sender := m.Data, m.Header.Get(server.AuthRequestXKeyHeader)
		if c.box != nil {
			opened, err := c.box.Open(data, sender)
			if err != nil {
				t.Errorf("a request that is not for the account's xkey: %v", err)
				return
			}
			data = opened
		}
		request, err := jwt.DecodeAuthorizationRequestClaims(string(data))
		if err != nil {
			t.Errorf("no request: %v", err)
			return
		}
		mu.Lock()
		seen = append(seen, request)
		mu.Unlock()
		a := c.right(request)
		edit(request, a)
		out, err := a.encode()
		if err != nil {
			t.Error(err)
			return
		}
		if a.silent {
			return
		}
		if c.box != nil && !a.open {
			if out, err = c.box.Seal(out, sender); err != nil {
				t.Error(err)
			}
		}
		_ = m.Respond(out) // the asker may have gone
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func() []*jwt.AuthorizationRequestClaims {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

// right lets the client in as a user who may publish on mine.> only.
func (c *callout) right(request *jwt.AuthorizationRequestClaims) *answer {
	user := jwt.NewUserClaims(request.UserNkey)
	user.Name, user.IssuerAccount = "from-callout", string(c.account.Key)
	user.Pub.Allow.Add("mine.>")
	response := jwt.NewAuthorizationResponseClaims(request.UserNkey)
	response.Audience, response.IssuerAccount = request.Server.ID, string(c.account.Key)
	return &answer{user: user, signer: c.keys[c.account], response: response, by: c.keys[c.account]}
}

func (a *answer) encode() ([]byte, error) {
	if a.raw != nil {
		return a.raw, nil
	}
	if a.response.Error == "" {
		token, err := a.user.Encode(a.signer)
		if err != nil {
			return nil, err
		}
		a.response.Jwt = token
	}
	token, err := a.response.Encode(a.by)
	return []byte(token), err
}

// stockServer holds the accounts as they are now.
func (c *callout) stockServer(t *testing.T, edit ...func(*server.Options)) *server.Server {
	t.Helper()
	system, token := c.Control.SystemAccount()
	all := []*account{{key: key{public: system}, token: token, known: true}}
	for a := range c.keys {
		all = append(all, &account{key: key{public: string(a.Key)}, token: c.Control.Entry(string(a.Key)).JWT, known: true})
	}
	return startStock(t, c.Control, all, edit...)
}

// What the service answers decides, on a broker as on a stock server, and what
// is wrong with it is told to the account's people, not to the client.
func TestAuthorizationServiceDecidesAsOnAStockServer(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprintf("encrypted=%t", encrypted), func(t *testing.T) {
			t.Parallel()
			c := setupCallout(t, func(c *callout, a *claims.Account) {
				if encrypted {
					c.box = pairOf(nkeys.CreateCurveKeys())(t)
					a.Callout.XKey = publicOf(t, c.box)
				}
			})
			node, stock := c.Nodes[0], c.stockServer(t)
			stranger := pairOf(nkeys.CreateAccount())(t)
			cases := []struct {
				name   string
				edit   func(*jwt.AuthorizationRequestClaims, *answer)
				reason admission.Reason // empty: it is let in
			}{
				{"as it should be", func(*jwt.AuthorizationRequestClaims, *answer) {}, ""},
				{"in an allowed account", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					a.user.IssuerAccount, a.signer = string(c.allowed.Key), c.keys[c.allowed]
				}, ""},
				{"under a role", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					role, err := nkeys.FromSeed(c.account.Role.Reveal())
					if err != nil {
						t.Error(err)
					}
					a.user.UserPermissionLimits, a.signer = jwt.UserPermissionLimits{}, role
				}, ""},
				{"nothing said", func(_ *jwt.AuthorizationRequestClaims, a *answer) { a.raw, a.open = []byte{}, true }, admission.CalloutRefused},
				{"refused", func(_ *jwt.AuthorizationRequestClaims, a *answer) { a.response.Error = "not you" }, admission.CalloutRefused},
				{"rubbish", func(_ *jwt.AuthorizationRequestClaims, a *answer) { a.raw = []byte("eyJ.rubbish") }, admission.CalloutInvalid},
				{"for another request", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					a.response.Subject = string(c.sentinel.Key)
				}, admission.CalloutInvalid},
				{"for another server", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					a.response.Audience = publicOf(t, pairOf(nkeys.CreateServer())(t))
				}, admission.CalloutInvalid},
				{"another user", func(_ *jwt.AuthorizationRequestClaims, a *answer) { a.user.Subject = string(c.sentinel.Key) }, admission.CalloutInvalid},
				{"in an account that is not allowed", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					a.user.IssuerAccount, a.signer = string(c.foreign.Key), c.keys[c.foreign]
				}, admission.CalloutInvalid},
				{"in an allowed account, signed by another's key", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					a.user.IssuerAccount = string(c.allowed.Key)
				}, admission.UnknownSigningKey},
				{"user signed by a stranger", func(_ *jwt.AuthorizationRequestClaims, a *answer) { a.signer = stranger }, admission.UnknownSigningKey},
				{"expired user", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					a.user.Expires = time.Now().Add(-time.Minute).Unix()
				}, admission.CalloutInvalid},
				{"for another connection type", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					a.user.AllowedConnectionTypes.Add(jwt.ConnectionTypeMqtt)
				}, admission.ConnectionType},
				{"of a role, with permissions of its own", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					role, err := nkeys.FromSeed(c.account.Role.Reveal())
					if err != nil {
						t.Error(err)
					}
					a.signer = role
				}, admission.RoleMismatch},
				{"in another account, signed by its own", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					a.user.IssuerAccount, a.signer = "", c.keys[c.foreign]
				}, admission.CalloutInvalid},
				{"at another time", func(_ *jwt.AuthorizationRequestClaims, a *answer) {
					hour := time.Now().UTC().Add(3 * time.Hour)
					a.user.Locale, a.user.Times = "UTC", []jwt.TimeRange{{Start: hour.Format(time.TimeOnly), End: hour.Add(time.Hour).Format(time.TimeOnly)}}
				}, admission.OutsideHours},
			}
			if !encrypted { // encryption proves by itself who answers
				cases = append(cases, []struct {
					name   string
					edit   func(*jwt.AuthorizationRequestClaims, *answer)
					reason admission.Reason
				}{
					{"signed by a stranger", func(_ *jwt.AuthorizationRequestClaims, a *answer) { a.by, a.response.IssuerAccount = stranger, "" }, admission.CalloutInvalid},
					{"issued by another account", func(_ *jwt.AuthorizationRequestClaims, a *answer) { a.response.IssuerAccount = string(c.foreign.Key) }, admission.CalloutInvalid},
					{"no answer", func(_ *jwt.AuthorizationRequestClaims, a *answer) { a.silent = true }, admission.CalloutTimeout},
				}...)
			}
			byToken := map[string]func(*jwt.AuthorizationRequestClaims, *answer){}
			for _, k := range cases {
				byToken[k.name] = k.edit
			}
			edit := func(r *jwt.AuthorizationRequestClaims, a *answer) { byToken[r.ConnectOptions.Token](r, a) }
			ours, theirs := c.serve(t, node.ClientURL(), edit), c.serve(t, stock.ClientURL(), edit)
			for _, k := range cases {
				var before int64
				if k.reason != "" {
					before = node.Admission().Refused(k.reason)
				}
				onStock, stockErr := c.sentinel.Dial(stock.ClientURL(), nats.Token(k.name))
				onOurs, oursErr := c.sentinel.Dial(node.ClientURL(), nats.Token(k.name))
				if (stockErr == nil) != (oursErr == nil) || (oursErr == nil) != (k.reason == "") {
					t.Errorf("%s: on stock %v, on a broker %v", k.name, stockErr, oursErr)
				}
				for _, nc := range []*nats.Conn{onStock, onOurs} {
					if nc != nil {
						t.Cleanup(nc.Close)
					}
				}
				if oursErr == nil {
					continue
				}
				if !errors.Is(oursErr, nats.ErrAuthorization) {
					t.Errorf("%s: the client hears %v", k.name, oursErr)
				}
				waitFor(t, k.name+" to be counted as "+string(k.reason), func() bool { return node.Admission().Refused(k.reason) == before+1 })
			}
			if diff := cmp.Diff(tell(theirs()), tell(ours()), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the service can tell a broker from a stock server (-stock +broker):\n%s", diff)
			}
			c.Control.WaitFor(patience(t), "what the service said", func() bool {
				return slices.ContainsFunc(toldDetails(c.Control), func(text string) bool { return strings.Contains(text, "not you") })
			})
		})
	}
}

func toldDetails(control *brokertest.Control) (all []string) {
	for _, r := range control.RefusedLogins() {
		all = append(all, r.Detail)
	}
	return all
}

// tell is what requests say, without what differs from one to the next.
func tell(requests []*jwt.AuthorizationRequestClaims) (all []jwt.AuthorizationRequest) {
	for _, r := range requests {
		said := r.AuthorizationRequest
		said.Server.Name, said.Server.ID, said.Server.XKey, said.UserNkey = "", "", "", ""
		said.ClientInformation.ID, said.ClientInformation.Nonce, said.ConnectOptions.SignedNonce = 0, "", ""
		said.ClientInformation.Host, _, _ = strings.Cut(said.ClientInformation.Host, ":")
		all = append(all, said)
	}
	return all
}

func TestUserOfAnAuthorizationServiceMayDoWhatItSays(t *testing.T) {
	t.Parallel()
	c := setupCallout(t, nil)
	node := c.Nodes[0]
	c.serve(t, node.ClientURL(), func(*jwt.AuthorizationRequestClaims, *answer) {})
	listener := c.service.Connect(t, node.ClientURL())
	heard := make(chan *nats.Msg, 8)
	if _, err := listener.ChanSubscribe(">", heard); err != nil {
		t.Fatal(err)
	}
	if err := listener.Flush(); err != nil {
		t.Fatal(err)
	}
	denied := make(chan error, 8)
	client := c.sentinel.Connect(t, node.ClientURL(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	for _, subject := range []string{"theirs.a", server.AuthCalloutSubject, "mine.a"} {
		if err := client.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-denied; !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("published where it may not: %v", err)
		}
	}
	for m := range heard {
		if m.Subject == "mine.a" {
			break
		}
		if m.Subject == "theirs.a" {
			t.Errorf("heard %s", m.Subject)
		}
	}
}

// Over each transport, the service is asked, and its user is what the connection becomes.
func TestAuthorizationServiceIsAskedOverEveryTransport(t *testing.T) {
	t.Parallel()
	c := setupCallout(t, func(_ *callout, a *claims.Account) {
		a.Limits.JetStream = claims.UnlimitedJetStream()
	})
	node := c.Nodes[0]
	requests := c.serve(t, node.ClientURL(), func(r *jwt.AuthorizationRequestClaims, a *answer) {
		a.user.Pub.Allow = nil
		if r.ConnectOptions.Username == "bad" {
			a.response.Error = "bad"
		}
	})
	for name, connect := range ways(t, node) {
		before := len(requests())
		connect(t, c.sentinel)
		if len(requests()) == before {
			t.Errorf("%s: nobody was asked", name)
		}
	}
	var types []string
	for _, r := range requests() {
		types = append(types, r.ClientInformation.Kind+" "+r.ClientInformation.Type+" "+fmt.Sprint(r.ClientInformation.MQTT != ""))
	}
	slices.Sort(types)
	want := []string{"Client mqtt true", "Client nats false", "Client websocket false", "Leafnode  false"}
	if diff := cmp.Diff(want, slices.Compact(types)); diff != "" {
		t.Errorf("what the service heard (-want +got):\n%s", diff)
	}
	bad := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(strings.Replace(node.Endpoints().MQTT[0], "mqtt://", "tcp://", 1)).SetClientID("bad").
		SetUsername("bad").SetPassword(c.sentinel.JWT).SetConnectRetry(false).SetConnectTimeout(brokertest.Patience))
	if token := bad.Connect(); !token.WaitTimeout(brokertest.Patience) || token.Error() == nil {
		t.Error("an MQTT client that the service refuses was let in")
	}
}

func TestThoseWhomAServiceLetInLeaveWithIt(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*callout, *claims.Account){
		"the account judges by itself again": func(_ *callout, a *claims.Account) { a.Callout = nil },
		"the signing key is gone":            func(_ *callout, a *claims.Account) { a.SigningKeys = nil },
		"the account is closed":              func(_ *callout, a *claims.Account) { a.Revoked[claims.AllUsers] = time.Now().Add(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setupCallout(t, nil)
			node := c.Nodes[0]
			c.serve(t, node.ClientURL(), func(*jwt.AuthorizationRequestClaims, *answer) {})
			client := c.sentinel.Connect(t, node.ClientURL())
			c.WaitApplied(c.account.Change(func(a *claims.Account) { a.Tags = []string{"harmless:change"} }))
			if client.IsClosed() {
				t.Fatal("a change that does not concern it ended the connection")
			}
			c.WaitApplied(c.account.Change(func(a *claims.Account) { change(c, a) }))
			brokertest.WaitClosed(t, client)
		})
	}
	for name, change := range map[string]func(*callout, *claims.Account){
		"the other account is allowed no more": func(_ *callout, a *claims.Account) { a.Callout.Accounts = nil },
		"a third account is allowed instead":   func(c *callout, a *claims.Account) { a.Callout.Accounts = []claims.AccountKey{c.foreign.Key} },
		"no service is asked any more":         func(_ *callout, a *claims.Account) { a.Callout = nil },
		"the service's account is closed": func(_ *callout, a *claims.Account) {
			a.Limits.Connections, a.Limits.LeafNodes, a.Revoked[claims.AllUsers] = 0, 0, time.Now().Add(time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setupCallout(t, nil)
			node := c.Nodes[0]
			c.serve(t, node.ClientURL(), func(_ *jwt.AuthorizationRequestClaims, a *answer) {
				a.user.IssuerAccount, a.signer = string(c.allowed.Key), c.keys[c.allowed]
			})
			client, native := c.sentinel.Connect(t, node.ClientURL()), c.allowed.Issue("native").Connect(t, node.ClientURL())
			c.WaitApplied(c.account.Change(func(a *claims.Account) { a.Tags = []string{"harmless:change"} }))
			if client.IsClosed() {
				t.Fatal("a change that does not concern it ended the connection")
			}
			c.WaitApplied(c.account.Change(func(a *claims.Account) { change(c, a) }))
			brokertest.WaitClosed(t, client)
			if native.IsClosed() {
				t.Error("the other account's own client was closed, too")
			}
		})
	}
}

func TestServiceIsAskedOnlyForThoseWhomTheAccountKnows(t *testing.T) {
	t.Parallel()
	c := setupCallout(t, nil)
	node := c.Nodes[0]
	requests := c.serve(t, node.ClientURL(), func(*jwt.AuthorizationRequestClaims, *answer) {})
	seed, key := brokertest.NewUserSeed(t)
	token, err := claims.EncodeUser(claims.User{Key: key, Name: "stranger", Account: c.account.Key}, c.foreign.Role)
	if err != nil {
		t.Fatal(err)
	}
	mustBeRefused(t, brokertest.Credential{Key: key, JWT: token, Seed: seed}, node.ClientURL())
	c.WaitApplied(c.account.Revoke(c.sentinel.Key))
	mustBeRefused(t, c.sentinel, node.ClientURL())
	if asked := requests(); len(asked) > 0 {
		t.Errorf("it was asked of %v", asked[0].ClientInformation)
	}
}

// Nothing that a tenant can say makes a connection the broker's own.
func TestNobodyElseComesInAsTheAsker(t *testing.T) {
	t.Parallel()
	c := setupCallout(t, nil)
	node := c.Nodes[0]
	c.serve(t, node.ClientURL(), func(*jwt.AuthorizationRequestClaims, *answer) {})
	c.sentinel.Connect(t, node.ClientURL()) // and with that, the asker's key can be seen
	connections, err := node.Server().Connz(&server.ConnzOptions{Username: true, Account: string(c.account.Key)})
	if err != nil {
		t.Fatal(err)
	}
	var asker string
	for _, conn := range connections.Conns {
		if conn.Name == "signalbox auth callout" {
			asker = conn.AuthorizedUser
		}
	}
	asker = strings.Trim(strings.TrimPrefix(asker, "Nkey "), `"`)
	if !nkeys.IsValidPublicUserKey(asker) {
		t.Fatalf("the asker is %q", asker)
	}
	own := pairOf(nkeys.CreateUser())(t)
	for _, to := range []nats.Option{nats.InProcessServer(node.Server()), nats.Name("over TCP")} {
		nc, err := nats.Connect(node.ClientURL(), to, nats.Nkey(asker, own.Sign), nats.UserInfo(string(c.account.Key), ""), nats.NoReconnect())
		if err == nil {
			nc.Close()
			t.Error("somebody who does not have the process's key was let in as the asker")
		}
	}
}

func TestServiceThatIsAwayHoldsNobodyForLong(t *testing.T) {
	t.Parallel()
	c := setupCallout(t, nil)
	node := c.Nodes[0]
	start := time.Now()
	mustBeRefused(t, c.sentinel, node.ClientURL())
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s to hear that there is no service", took)
	}
	if n := node.Admission().Refused(admission.CalloutTimeout); n != 1 {
		t.Errorf("%d were refused for it", n)
	}
	c.service.Connect(t, node.ClientURL()) // who is not left to the service gets in without it
}

// The service listens on one broker of a cluster; who comes to another is asked about there.
func TestServiceIsAskedAcrossBrokers(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 2)
	c := &callout{Cluster: cluster, keys: map[*brokertest.Account]nkeys.KeyPair{}}
	c.account = cluster.Control.NewAccount("acme")
	c.keys[c.account] = pairOf(nkeys.CreateAccount())(t)
	c.service, c.sentinel = c.account.Issue("service"), c.account.Issue("sentinel")
	c.WaitApplied(c.account.Change(func(a *claims.Account) {
		a.SigningKeys = []claims.AccountKey{claims.AccountKey(publicOf(t, c.keys[c.account]))}
		a.Callout = &claims.Callout{Users: []claims.UserKey{c.service.Key}}
	}))
	requests := c.serve(t, c.Nodes[0].ClientURL(), func(*jwt.AuthorizationRequestClaims, *answer) {})
	waitFor(t, "the other broker to hear of the service", func() bool {
		nc, err := c.sentinel.Dial(c.Nodes[1].ClientURL())
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	if asked := requests(); asked[0].Server.ID != c.Nodes[1].Server().ID() {
		t.Errorf("asked by %s", asked[0].Server.Name)
	}
}

// A service that is slow holds up those who wait for it, and nobody else.
func TestSlowServiceHoldsUpOnlyItsOwnAccount(t *testing.T) {
	t.Parallel()
	c := setupCallout(t, nil)
	node := c.Nodes[0]
	asked := make(chan struct{}, 64)
	c.serve(t, node.ClientURL(), func(_ *jwt.AuthorizationRequestClaims, a *answer) { a.silent = true; asked <- struct{}{} })
	var waiting sync.WaitGroup
	for range 16 {
		waiting.Go(func() {
			if nc, err := c.sentinel.Dial(node.ClientURL()); err == nil {
				nc.Close()
				t.Error("a client was let in without an answer")
			}
		})
	}
	for range 16 {
		<-asked
	}
	start := time.Now()
	c.foreign.Issue("other").Connect(t, node.ClientURL())
	c.service.Connect(t, node.ClientURL())
	if took := time.Since(start); took > time.Second {
		t.Errorf("others waited for %s", took)
	}
	waiting.Wait()
	waitFor(t, "all to be counted", func() bool { return node.Admission().Refused(admission.CalloutTimeout) == 16 })
}

// What an account says of all its connections holds for those whom a service puts in it.
func TestServiceCannotPutUsersPastTheLaw(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct {
		edit   func(*claims.Account)
		reason admission.Reason
	}{
		"another network":      {func(*claims.Account) {}, admission.WrongNetwork}, // which a stock server does not look at
		"no place of the type": {func(a *claims.Account) { a.TypeConnections = map[claims.ConnectionType]int64{claims.Standard: 0} }, admission.TypeLimit},
		"another type":         {func(a *claims.Account) { a.ConnectionTypes = []claims.ConnectionType{claims.MQTT} }, admission.TypeNotAllowed},
		"everything revoked":   {func(a *claims.Account) { a.Revoked[claims.AllUsers] = time.Now().Add(time.Minute) }, admission.CredentialRevoked},
		"closed": {func(a *claims.Account) {
			a.Limits.Connections, a.Limits.LeafNodes, a.Revoked[claims.AllUsers] = 0, 0, time.Now().Add(time.Hour)
		}, admission.AccountClosed},
		"the key gone": {func(a *claims.Account) { a.SigningKeys = nil }, admission.UnknownSigningKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setupCallout(t, nil)
			node := c.Nodes[0]
			var second atomic.Bool
			c.serve(t, node.ClientURL(), func(_ *jwt.AuthorizationRequestClaims, a *answer) {
				a.user.IssuerAccount, a.signer = string(c.allowed.Key), c.keys[c.allowed]
				if second.Swap(true) && k.reason == admission.WrongNetwork {
					a.user.Src.Add("192.0.2.0/24")
				}
			})
			c.sentinel.Connect(t, node.ClientURL()).Close()
			c.WaitApplied(c.allowed.Change(k.edit))
			before := node.Admission().Refused(k.reason)
			mustBeRefused(t, c.sentinel, node.ClientURL())
			waitFor(t, "it to be refused as "+string(k.reason), func() bool { return node.Admission().Refused(k.reason) == before+1 })
		})
	}
}

// An answer is good for one request.
func TestAnswerThatIsSentAgainLetsNobodyIn(t *testing.T) {
	t.Parallel()
	c := setupCallout(t, nil)
	node := c.Nodes[0]
	var first []byte
	c.serve(t, node.ClientURL(), func(_ *jwt.AuthorizationRequestClaims, a *answer) {
		if first != nil {
			a.raw = first
			return
		}
		out, err := a.encode()
		if err != nil {
			t.Error(err)
		}
		first = out
	})
	c.sentinel.Connect(t, node.ClientURL())
	mustBeRefused(t, c.sentinel, node.ClientURL())
	waitFor(t, "it to be counted", func() bool { return node.Admission().Refused(admission.CalloutInvalid) == 1 })
}

// The service answers for its account while control is away.
func TestServiceIsAskedWhileControlIsAway(t *testing.T) {
	t.Parallel()
	c := setupCallout(t, nil)
	node := c.Nodes[0]
	c.Control.StopHub()
	node.Stop()
	node.Start()
	requests := c.serve(t, node.ClientURL(), func(*jwt.AuthorizationRequestClaims, *answer) {})
	c.sentinel.Connect(t, node.ClientURL())
	if n := len(requests()); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

// However many clients come, a deaf service is asked about so many at a time, and the broker waits for no more.
func TestServiceIsAskedAboutSoManyAtATime(t *testing.T) {
	t.Parallel()
	const clients, most = 400, 200 // those whose place comes free while the first hears of its end included
	c := setupCallout(t, nil)
	node := c.Nodes[0]
	var asked, atFirstEnd atomic.Int64
	c.serve(t, node.ClientURL(), func(_ *jwt.AuthorizationRequestClaims, a *answer) { a.silent = true; asked.Add(1) })
	var first sync.Once
	var waiting sync.WaitGroup
	for range clients {
		waiting.Go(func() {
			nc, err := c.sentinel.Dial(node.ClientURL())
			first.Do(func() { atFirstEnd.Store(asked.Load()) })
			if err == nil {
				nc.Close()
				t.Error("a client was let in without an answer")
			}
		})
	}
	waiting.Wait()
	if n := atFirstEnd.Load(); n == 0 || n > most {
		t.Errorf("%d were asked about before the first was given up; %d at most", n, most)
	}
	waitFor(t, "all to be refused for it", func() bool { return node.Admission().Refused(admission.CalloutTimeout) == clients })
}

// A device login is the service's to decide like creds, by what the device shows, unless it is one of the account's own.
func TestServiceIsAskedAboutDeviceLogins(t *testing.T) {
	t.Parallel()
	c := setupCallout(t, nil)
	node := c.Nodes[0]
	var devices [2]device
	var logins [2]claims.DeviceLogin
	for i, name := range []string{"asked", "spared"} {
		secret := c.account.NewSecret()
		logins[i] = c.account.NewLogin(name)
		logins[i].Digest, logins[i].Username = secret.Digest(), name
		devices[i] = device{user: name, password: secret.Reveal()}
	}
	c.WaitApplied(c.account.SetLogins(logins[:]...))
	c.WaitApplied(c.account.Change(func(a *claims.Account) { a.Callout.Users = append(a.Callout.Users, logins[1].User) }))
	requests := c.serve(t, node.ClientURL(), func(r *jwt.AuthorizationRequestClaims, a *answer) {
		if r.ConnectOptions.Password != devices[0].password {
			a.response.Error = "who is that?"
		}
	})
	at := (&listening{Cluster: c.Cluster, node: node}).viaNATS(node.ClientURL())
	for _, d := range devices {
		if _, err := at(t, d); err != nil {
			t.Errorf("%s is kept out: %v", d.user, err)
		}
	}
	seen := requests()
	if len(seen) != 1 || seen[0].ConnectOptions.Username != "asked" {
		t.Errorf("the service was asked %d times: %+v", len(seen), seen)
	}
}
