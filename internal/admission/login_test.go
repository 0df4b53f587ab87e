package admission_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// Each reason that an account's people may meet, by a login that has it.
func TestEveryRefusalHasItsReason(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	acme := func(edit func(*claims.Account)) *brokertest.Account {
		account := cluster.Control.NewAccount("acme")
		node.WaitApplied(account.Change(edit))
		return account
	}
	template := func(edit func(*claims.Template)) *brokertest.Account {
		return acme(func(a *claims.Account) { edit(&a.Roles[0].Template) })
	}
	open := acme(nil)
	told := map[resolver.RefusedLogin]int64{}
	for _, c := range []struct {
		reason admission.Reason
		user   func() brokertest.Credential
	}{
		{admission.NoCredential, func() brokertest.Credential { return brokertest.Credential{Seed: open.Issue("app").Seed} }},
		{admission.Malformed, func() brokertest.Credential {
			user := open.Issue("app")
			user.JWT = user.JWT[:len(user.JWT)-8] + "AAAAAAAA"
			return user
		}},
		{admission.CredentialExpired, func() brokertest.Credential {
			return custom(t, open, func(c *jwt.UserClaims) { c.Expires = time.Now().Add(-time.Minute).Unix() })
		}},
		{admission.CredentialNotYetValid, func() brokertest.Credential {
			return custom(t, open, func(c *jwt.UserClaims) { c.NotBefore = time.Now().Add(time.Hour).Unix() })
		}},
		{admission.AccountUnknown, func() brokertest.Credential { return cluster.Control.NewAccount("nobody").Issue("app") }},
		{admission.UnknownSigningKey, func() brokertest.Credential {
			account := acme(nil)
			user := account.Issue("app")
			node.WaitApplied(account.Change(func(a *claims.Account) { a.Roles = nil }))
			return user
		}},
		{admission.RoleMismatch, func() brokertest.Credential {
			return custom(t, open, func(c *jwt.UserClaims) { c.Pub.Allow.Add("mine.>") })
		}},
		{admission.RoleTemplate, func() brokertest.Credential {
			return template(func(r *claims.Template) { r.Publish.Deny = []string{"{{tag(team)}}.>"} }).Issue("app")
		}},
		{admission.ProxyRequired, func() brokertest.Credential {
			return custom(t, open, func(c *jwt.UserClaims) { c.ProxyRequired = true })
		}},
		{admission.AccountExpired, func() brokertest.Credential {
			account := cluster.Control.NewAccount("acme")
			node.WaitApplied(cluster.Control.Put(string(account.Key), account.Expired(time.Now().Add(-time.Minute))))
			return account.Issue("app")
		}},
		{admission.AccountClosed, func() brokertest.Credential {
			account := acme(nil)
			user := account.Issue("app")
			node.WaitApplied(account.Delete())
			return user
		}},
		{admission.CalloutTimeout, func() brokertest.Credential { // of whom the account's own service is asked, which is not there
			account := acme(nil)
			user, other := account.Issue("app"), account.Issue("other")
			node.WaitApplied(cluster.Control.Put(string(account.Key), account.Custom(func(c *jwt.AccountClaims) { c.Authorization.AuthUsers.Add(string(other.Key)) })))
			other.Connect(t, node.ClientURL())
			return user
		}},
		{admission.BearerNotAllowed, func() brokertest.Credential {
			account := template(func(r *claims.Template) { r.Bearer = true })
			node.WaitApplied(cluster.Control.Put(string(account.Key), account.Custom(func(c *jwt.AccountClaims) { c.Limits.DisallowBearer = true })))
			return account.Issue("app")
		}},
		{admission.OutsideHours, func() brokertest.Credential {
			account := acme(nil)
			hour := time.Now().UTC().Add(3 * time.Hour)
			node.WaitApplied(cluster.Control.Put(string(account.Key), account.Custom(func(c *jwt.AccountClaims) {
				for _, scope := range c.SigningKeys {
					role := scope.(*jwt.UserScope)
					role.Template.Locale = "UTC"
					role.Template.Times = []jwt.TimeRange{{Start: hour.Format(time.TimeOnly), End: hour.Add(time.Hour).Format(time.TimeOnly)}}
				}
			})))
			return account.Issue("app")
		}},
		{admission.ConnectionType, func() brokertest.Credential {
			return template(func(r *claims.Template) { r.ConnectionTypes = []claims.ConnectionType{claims.WebSocket} }).Issue("app")
		}},
		{admission.BadSignature, func() brokertest.Credential {
			user := open.Issue("app")
			user.Seed = open.Issue("other").Seed
			return user
		}},
		{admission.CredentialRevoked, func() brokertest.Credential {
			account := acme(nil)
			user := account.Issue("app")
			node.WaitApplied(account.Revoke(user.Key))
			return user
		}},
		{admission.WrongNetwork, func() brokertest.Credential {
			return template(func(r *claims.Template) { r.SourceNetworks = []string{"192.0.2.0/24"} }).Issue("app")
		}},
		{admission.ServerLimit, func() brokertest.Credential {
			account := acme(func(a *claims.Account) { a.Limits.Connections = 1 })
			account.Issue("first").Connect(t, node.ClientURL())
			return account.Issue("app")
		}},
	} {
		t.Run(string(c.reason), func(t *testing.T) {
			user := c.user()
			before := node.Admission().Refused(c.reason)
			mustBeRefused(t, user, node.ClientURL())
			waitFor(t, "it to be counted", func() bool { return node.Admission().Refused(c.reason) == before+1 }) // the client may hear it sooner
			if account := accountOf(user); account != "" {
				told[resolver.RefusedLogin{Account: account, User: string(user.Key), Reason: string(c.reason), ConnectionType: "STANDARD", Address: "127.0.0.1"}] = 1
			}
		})
	}
	cluster.Control.WaitFor(patience(t), "all reasons", func() bool { return len(cluster.Control.RefusedLogins()) >= len(told) })
	got := map[resolver.RefusedLogin]int64{}
	for _, r := range cluster.Control.RefusedLogins() {
		got[r.RefusedLogin] += r.Count
		if strings.Contains(r.Detail, "eyJ") {
			t.Errorf("%+v holds a JWT", r)
		}
	}
	if diff := cmp.Diff(told, got); diff != "" {
		t.Errorf("what control was told: -want +got\n%s", diff)
	}
}

// accountOf is the account that the credential is of; empty when nobody can tell.
func accountOf(user brokertest.Credential) string {
	c, err := jwt.DecodeUserClaims(user.JWT)
	if err != nil {
		return ""
	}
	return c.IssuerAccount
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// custom is a credential with claims that Signalbox would not issue, signed by the account's role.
func custom(t *testing.T, account *brokertest.Account, edit func(*jwt.UserClaims)) brokertest.Credential {
	t.Helper()
	user := account.Issue("app")
	c, err := jwt.DecodeUserClaims(user.JWT)
	if err != nil {
		t.Fatal(err)
	}
	edit(c)
	role, err := nkeys.FromSeed(account.Role.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if user.JWT, err = c.Encode(role); err != nil {
		t.Fatal(err)
	}
	return user
}

func mustBeRefused(t *testing.T, c brokertest.Credential, url string) {
	t.Helper()
	nc, err := c.Dial(url)
	if err == nil {
		nc.Close()
		t.Fatal("the client was let in, want it refused")
	}
}

func TestRefusedLoginsOfOneKindCountAsOne(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	user, other := account.Issue("app"), account.Issue("other")
	node.WaitApplied(account.Change(func(c *claims.Account) { c.Revoked[user.Key], c.Revoked[other.Key] = time.Now(), time.Now() }))
	for range 20 {
		mustBeRefused(t, user, node.ClientURL())
	}
	mustBeRefused(t, other, node.ClientURL())
	counted := func() map[string]int64 {
		got := map[string]int64{}
		for _, r := range cluster.Control.RefusedLogins() {
			got[r.User] += r.Count
		}
		return got
	}
	want := map[string]int64{string(user.Key): 20, string(other.Key): 1}
	cluster.Control.WaitFor(patience(t), "all refusals", func() bool { return cmp.Equal(want, counted()) })
	if reports := len(cluster.Control.RefusedLogins()); reports > 4 {
		t.Errorf("%d reports of two ways to be refused", reports)
	}
}

// ways are all the ways to connect, each of which returns a channel that closes
// when the server has ended the connection.
func ways(t *testing.T, node *brokertest.Node) map[string]func(*testing.T, brokertest.Credential) <-chan struct{} {
	t.Helper()
	endpoints := node.Endpoints()
	viaNATS := func(url string, more ...nats.Option) func(*testing.T, brokertest.Credential) <-chan struct{} {
		return func(t *testing.T, user brokertest.Credential) <-chan struct{} {
			closed := make(chan struct{})
			user.Connect(t, url, append(more, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))...)
			return closed
		}
	}
	viaMQTT := func(address string) func(*testing.T, brokertest.Credential) <-chan struct{} {
		return func(t *testing.T, user brokertest.Credential) <-chan struct{} {
			closed := make(chan struct{})
			client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(address).SetClientID(string(user.Key)).SetUsername("any").SetPassword(user.JWT).
				SetAutoReconnect(false).SetConnectTimeout(brokertest.Patience).SetConnectionLostHandler(func(mqtt.Client, error) { close(closed) }))
			if token := client.Connect(); !token.WaitTimeout(brokertest.Patience) || token.Error() != nil {
				t.Fatalf("connect: %v", token.Error())
			}
			t.Cleanup(func() { client.Disconnect(0) })
			return closed
		}
	}
	return map[string]func(*testing.T, brokertest.Credential) <-chan struct{}{
		"nats":                     viaNATS(endpoints.NATS[0]),
		"websocket":                viaNATS(endpoints.WebSocket[0]),
		"in process":               viaNATS("", nats.InProcessServer(node.Server())),
		"mqtt":                     viaMQTT(strings.Replace(endpoints.MQTT[0], "mqtt://", "tcp://", 1)),
		"mqtt over websocket":      viaMQTT(endpoints.WebSocket[0] + "/mqtt"),
		"leaf node":                leafNode(node, endpoints.LeafNode[0]),
		"leaf node over websocket": leafNode(node, endpoints.WebSocket[0]),
	}
}

func leafNode(node *brokertest.Node, remote string) func(*testing.T, brokertest.Credential) <-chan struct{} {
	return func(t *testing.T, user brokertest.Credential) <-chan struct{} {
		at, err := url.Parse(remote)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := server.NewServer(&server.Options{
			Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, // without a name: a second one of that would end the first
			LeafNode: server.LeafNodeOpts{ReconnectInterval: time.Hour, Remotes: []*server.RemoteLeafOpts{{URLs: []*url.URL{at}, Credentials: user.File(t)}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		// What the leaf node counts may yet be refused: the broker has those that were let in.
		letIn := func() bool {
			return slices.ContainsFunc(must(node.Server().Leafz(nil))(t).Leafs, func(l *server.LeafInfo) bool { return l.Name == leaf.Name() })
		}
		leaf.Start()
		t.Cleanup(func() { leaf.Shutdown(); leaf.WaitForShutdown() })
		count := func() int { return leaf.NumLeafNodes() }
		waitFor(t, "the leaf node to be let in", func() bool { return letIn() && count() == 1 })
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			for deadline := time.Now().Add(brokertest.Patience); count() == 1 && time.Now().Before(deadline); {
				<-time.After(time.Millisecond)
			}
		}()
		return closed
	}
}

// waitFor is for what the server tells nobody of.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(brokertest.Patience); !ok(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestRevocationEndsTheCredentialsConnectionsOfEveryKind(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(func(c *claims.Account) { c.Roles[0].Template.Bearer = true }))
	for name, connect := range ways(t, node) {
		t.Run(name, func(t *testing.T) {
			user, other := account.Issue("app"), account.Issue("other")
			closed, stays := connect(t, user), connect(t, other)
			ended := node.Admission().Ended()
			node.WaitApplied(account.Revoke(user.Key))
			select {
			case <-closed:
			case <-time.After(brokertest.Patience):
				t.Fatal("the connection is still open")
			}
			if got := node.Admission().Ended() - ended; got != 1 {
				t.Errorf("%d connections ended, want 1", got)
			}
			select {
			case <-stays:
				t.Error("another credential's connection was ended as well")
			default:
			}
		})
	}
}

func TestConnectionTypesOfARoleHold(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	only := map[string]claims.ConnectionType{
		"nats": claims.Standard, "websocket": claims.WebSocket, "in process": claims.InProcess, "mqtt": claims.MQTT, "mqtt over websocket": claims.MQTTOverWS,
		"leaf node": claims.LeafNode, "leaf node over websocket": claims.LeafNodeWS,
	}
	for name, connect := range ways(t, node) {
		t.Run(name, func(t *testing.T) {
			account := cluster.Control.NewAccount("acme")
			node.WaitApplied(account.Change(func(c *claims.Account) {
				c.Roles[0].Template.Bearer = true
				c.Roles[0].Template.ConnectionTypes = []claims.ConnectionType{only[name]}
			}))
			connect(t, account.Issue("app"))
			if name != "nats" {
				mustBeRefused(t, account.Issue("app"), node.ClientURL())
			}
		})
	}
}

// What monitoring shows of a login is what it would show on a stock server,
// except for the JWT, which is not kept.
func TestMonitoringKnowsTheUser(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	head := account.Change(func(c *claims.Account) { c.Roles[0].Template.Bearer = true })
	node.WaitApplied(head)
	user := custom(t, account, func(c *jwt.UserClaims) { c.Tags.Add("team:red") })
	reference := stock(t, cluster.Control, map[string]string{string(account.Key): account.Edit(nil)})
	connections := ways(t, node)
	connections["nats"](t, user)
	user.Connect(t, reference.ClientURL())
	want, got := connz(t, reference, account), connz(t, node.Server(), account)
	for i := range want {
		want[i].JWT = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-stock +signalbox\n%s", diff)
	}
	if len(got) != 1 || got[0].User != string(user.Key) {
		t.Errorf("connections = %+v, want the user's", got)
	}
	connections["mqtt"](t, user)
	for _, c := range connz(t, node.Server(), account) {
		if c.User != string(user.Key) || c.NameTag != got[0].NameTag {
			t.Errorf("over MQTT it shows %+v, want the user", c)
		}
	}
}

type listed struct {
	Account, User, JWT, NameTag, IssuerKey string
	Tags                                   jwt.TagList
}

func connz(t *testing.T, s *server.Server, account *brokertest.Account) (all []listed) {
	t.Helper()
	list, err := s.Connz(&server.ConnzOptions{Account: string(account.Key), Username: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Conns {
		all = append(all, listed{c.Account, c.AuthorizedUser, c.JWT, c.NameTag, c.IssuerKey, c.Tags})
	}
	return all
}

// A client may send CONNECT again, as another user. nats-server itself ends
// those whose limits are a role's then, so these have none.
func TestSecondConnectIsJudgedAndReplacesTheFirst(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	unscoped := func(edit func(*jwt.AccountClaims)) {
		node.WaitApplied(cluster.Control.Put(string(account.Key), account.Custom(func(c *jwt.AccountClaims) {
			for key := range c.SigningKeys {
				c.SigningKeys[key] = nil
			}
			edit(c)
		})))
	}
	unscoped(func(*jwt.AccountClaims) {})
	issue := func() brokertest.Credential {
		return custom(t, account, func(c *jwt.UserClaims) { c.SetScoped(false) })
	}
	first, second := issue(), issue()
	c := dialRaw(t, node.ClientURL())
	c.connect(first)
	c.connect(second)
	unscoped(func(c *jwt.AccountClaims) { c.Revoke(string(first.Key)) })
	c.ping() // still there
	unscoped(func(c *jwt.AccountClaims) { c.Revoke(string(first.Key)); c.Revoke(string(second.Key)) })
	c.waitClosed()

	c = dialRaw(t, node.ClientURL())
	c.connect(issue())
	c.send(first)
	c.waitClosed() // revoked, so not the second either
}

// raw is a client that says what no library would.
type raw struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Reader
	nonce string
}

func dialRaw(t *testing.T, address string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(brokertest.Patience)); err != nil {
		t.Fatal(err)
	}
	r := &raw{t: t, conn: conn, lines: bufio.NewReader(conn)}
	var info server.Info
	if err := json.Unmarshal([]byte(strings.TrimPrefix(r.line(), "INFO ")), &info); err != nil {
		t.Fatal(err)
	}
	r.nonce = info.Nonce
	return r
}

func (r *raw) line() string {
	r.t.Helper()
	line, err := r.lines.ReadString('\n')
	if err != nil {
		r.t.Fatal(err)
	}
	return line
}

func (r *raw) send(user brokertest.Credential) {
	r.t.Helper()
	pair, err := nkeys.FromSeed(user.Seed.Reveal())
	if err != nil {
		r.t.Fatal(err)
	}
	sig, err := pair.Sign([]byte(r.nonce))
	if err != nil {
		r.t.Fatal(err)
	}
	fmt.Fprintf(r.conn, "CONNECT {\"verbose\":false,\"jwt\":%q,\"sig\":%q}\r\nPING\r\n", user.JWT, base64.RawURLEncoding.EncodeToString(sig))
}

func (r *raw) connect(user brokertest.Credential) {
	r.t.Helper()
	r.send(user)
	r.pong()
}

func (r *raw) ping() {
	r.t.Helper()
	fmt.Fprint(r.conn, "PING\r\n")
	r.pong()
}

func (r *raw) pong() {
	r.t.Helper()
	for line := r.line(); !strings.HasPrefix(line, "PONG"); line = r.line() {
		if strings.HasPrefix(line, "-ERR") {
			r.t.Fatalf("the server says %q", line)
		}
	}
}

func (r *raw) waitClosed() {
	r.t.Helper()
	for {
		if _, err := r.lines.ReadString('\n'); os.IsTimeout(err) {
			r.t.Fatal("the connection is still open")
		} else if err != nil {
			return
		}
	}
}

// What a closed gate must not shut out: control, and the broker itself.
func TestSystemAccountPassesAGateThatIsShut(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	cluster.Control.StopHub()
	node.Stop()
	node.WhenAlone, node.AloneAfter = admission.Refuse, time.Millisecond
	node.Start()
	mustBeRefused(t, account.Issue("app"), node.ClientURL())
	if node.Admission().Refused(admission.NotCaughtUp) == 0 {
		t.Error("not refused for that reason")
	}
	cluster.Control.SystemCreds().Connect(t, node.ClientURL())
	cluster.Control.StartHub()
	node.WaitOpen()
	account.Issue("app").Connect(t, node.ClientURL())
}

func TestStoredConfirmationThatIsTooOldDoesNotServe(t *testing.T) {
	t.Parallel()
	cluster := brokertest.Start(t, 1)
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	cluster.Control.StopHub()
	node.Stop()
	node.AloneAfter, node.MaxAge = time.Millisecond, time.Millisecond
	node.Start()
	mustBeRefused(t, user, node.ClientURL())
	node.Stop()
	node.MaxAge = time.Hour
	node.Start()
	node.WaitOpen()
	user.Connect(t, node.ClientURL())
}

func TestConfigurationThatJudgesLoginsItselfIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"resolver_pinned_accounts": "resolver_pinned_accounts: [\"AAAA\"]",
		"default_sentinel":         "default_sentinel: \"eyJ\"",
		"mqtt authorization":       "mqtt { port: -1, authorization { username: a, password: b } }",
		"websocket authorization":  "websocket { port: -1, no_tls: true, authorization { token: b } }",
		"leafnodes authorization":  "leafnodes { port: -1, authorization { user: a, password: b } }",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "nats.conf")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := startWith(t, path); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("start says %v, want it to name %s", err, name)
			}
		})
	}
}
