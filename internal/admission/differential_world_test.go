package admission_test

import (
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

const (
	soundAccounts   = 200
	mqttAccounts    = 10 // of the sound ones, the first
	flawedPerKind   = 4
	usersPerAccount = 3 // revoked ones
)

// world is an operator with hundreds of accounts, and two servers that hold them:
// a stock one, and a broker.
type world struct {
	now    time.Time
	stock  *site
	ours   *site
	sound  []*account
	flawed map[string][]*account

	operator, signing key // the operator's own key, and the one it signs accounts with
}

// account is an account and the keys that sign for it.
type account struct {
	key     key
	claims  *jwt.AccountClaims
	token   string
	known   bool  // to both servers
	flawed  bool  // nobody may be able to do anything in it
	plain   []key // signing keys without a scope
	roles   []*role
	closed  map[string]*role // roles that should let nobody in, by why
	revoked []key            // users, revoked at revokedAt
	moved   map[string]moved // users whose JWTs say something that is no longer so, by name
	probing sync.Mutex       // one login at a time tries what it may do
}

// moved is what a user is, whatever its JWTs say.
type moved struct {
	role *role
	tags []string
}

// role is a scoped signing key.
type role struct {
	key   key
	scope *jwt.UserScope
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	cluster := brokertest.Start(t, 1)
	operator, signing, system := cluster.Control.Seeds()
	w := &world{
		now: time.Now(), flawed: map[string][]*account{},
		operator: keyOf(t, operator), signing: keyOf(t, signing),
	}
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range soundAccounts {
		w.sound = append(w.sound, w.newAccount(r, i))
	}
	w.sound = append(w.sound, systemAccount(t, cluster.Control, keyOf(t, system)))
	for _, name := range names(accountFlaws) {
		for i := range flawedPerKind {
			a := w.newAccount(r, mqttAccounts+i)
			accountFlaws[name](w, r, a)
			a.flawed = name != "delegated"
			w.flawed[name] = append(w.flawed[name], a)
		}
	}
	w.ours = newSite("signalbox", cluster.Nodes[0].Server())
	w.stock = newSite("stock", startStock(t, cluster.Control, w.accounts()))
	w.publish(t, cluster)
	return w
}

func systemAccount(t *testing.T, control *brokertest.Control, k key) *account {
	t.Helper()
	_, token := control.SystemAccount()
	c, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	return &account{key: k, claims: c, token: token, known: true, plain: []key{k}}
}

func (w *world) accounts() []*account {
	all := w.sound
	for _, accounts := range w.flawed {
		all = append(all, accounts...)
	}
	return all
}

// publish brings the accounts to the broker, which may refuse the flawed ones.
func (w *world) publish(t *testing.T, cluster *brokertest.Cluster) {
	t.Helper()
	system, _ := cluster.Control.SystemAccount()
	for _, a := range w.accounts() {
		if a.known && a.key.public != system {
			cluster.Control.Put(a.key.public, a.token)
		}
	}
	cluster.WaitApplied(cluster.Control.Revision())
}

// newAccount makes the i-th account, known and signed as it should be.
func (w *world) newAccount(r *rand.Rand, i int) *account {
	a := &account{key: newKey(r, nkeys.PrefixByteAccount), known: true, closed: map[string]*role{}}
	c := jwt.NewAccountClaims(a.key.public)
	a.claims = c
	c.Name = pick(r, "acme", "acme.eu", "two words", "", "*", ">", "Ünïcode", "acme-"+strconv.Itoa(i))
	c.Audience, c.ID = pick(r, "", "anybody"), strconv.Itoa(r.Int())
	c.IssuedAt = w.ago(3 * time.Hour)
	c.Expires, c.NotBefore = pick(r, 0, w.ago(-time.Hour)), pick(r, 0, w.ago(time.Hour))
	c.Tags = some(r, 3, "tier:gold", "tier:free", "zone:eu", "zone:us.east", "odd:*", "odd:two words", "plain")
	c.Limits.Subs, c.Limits.Payload, c.Limits.Data = pick[int64](r, -1, -1, 12), pick[int64](r, -1, -1, 500), pick[int64](r, -1, 1<<20)
	c.Limits.Conn, c.Limits.LeafNodeConn = pick[int64](r, -1, 100000), pick[int64](r, -1, 100000)
	c.Limits.DisallowBearer = i >= mqttAccounts && chance(r, 5)
	if i < mqttAccounts {
		c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: 1 << 26, DiskStorage: 1 << 26, Streams: -1, Consumer: -1}
	}
	if chance(r, 2) {
		c.DefaultPermissions = permissions(r, plainSubjects)
	}
	c.Mappings = []jwt.Mapping{nil, nil, {"orders.us": {{Subject: "a.b"}}}, {"a.*": {{Subject: "orders.{{wildcard(1)}}", Weight: 100}}}, {"b": {{Subject: "c.d.e"}}}}[i%5]
	w.revokeSome(r, a)
	w.addSigners(r, a)
	a.moveSome(r)
	w.signAccount(a, w.signing)
	return a
}

// moveSome moves users to other roles and tags. Brokers read of it in a tag of the
// account's; a stock server has to be shown JWTs that say the same.
func (a *account) moveSome(r *rand.Rand) {
	said := claims.Account{Key: claims.AccountKey(a.key.public), Name: "any", Limits: claims.UnlimitedLimits()}
	a.moved = map[string]moved{}
	for i := range usersPerAccount {
		name, to := "moved-"+strconv.Itoa(i), moved{pick(r, a.roles...), some(r, 5, tameTags...)}
		if chance(r, 6) {
			to.role = a.closed[pick(r, names(a.closed)...)]
		}
		a.moved[name] = to
		said.Overrides = append(said.Overrides, claims.UserOverride{
			Name: name, Role: claims.AccountKey(to.role.key.public), Tags: to.tags, Connections: claims.Unlimited})
	}
	signer, err := claims.NewOperatorSeed() // whose signature does not matter
	if err != nil {
		panic(err)
	}
	token, err := claims.EncodeAccount(said, signer)
	if err != nil {
		panic(err) // claims of our own making
	}
	decoded, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		panic(err)
	}
	a.claims.Tags = append(a.claims.Tags, decoded.Tags...)
	a.claims.Tags = append(a.claims.Tags, "signalbox-console:"+strings.ToLower(a.roles[0].key.public))
}

// revokeSome revokes a few users, and in half of the accounts everybody whose
// JWT is older than two hours.
func (w *world) revokeSome(r *rand.Rand, a *account) {
	a.claims.Revocations = jwt.RevocationList{}
	for range usersPerAccount {
		user := newKey(r, nkeys.PrefixByteUser)
		a.revoked = append(a.revoked, user)
		a.claims.Revocations[user.public] = w.revokedAt()
	}
	if chance(r, 2) {
		a.claims.Revocations[jwt.All] = w.allRevokedAt()
	}
}

func (w *world) revokedAt() int64    { return w.ago(time.Hour) }
func (w *world) allRevokedAt() int64 { return w.ago(2 * time.Hour) }

func (w *world) addSigners(r *rand.Rand, a *account) {
	for range 2 {
		k := newKey(r, nkeys.PrefixByteAccount)
		a.plain = append(a.plain, k)
		a.claims.SigningKeys.Add(k.public)
	}
	a.addRole(r, func(template *jwt.UserPermissionLimits) { template.BearerToken = true })
	for range 3 {
		a.addRole(r, w.template(r))
	}
	for range 3 {
		why := pick(r, roleFlawNames...)
		template := w.template(r)
		a.closed[why] = a.addRole(r, func(l *jwt.UserPermissionLimits) { template(l); roleFlaws[why](w, l) })
		a.roles = a.roles[:len(a.roles)-1]
	}
}

func (a *account) addRole(r *rand.Rand, edit func(*jwt.UserPermissionLimits)) *role {
	k := newKey(r, nkeys.PrefixByteAccount)
	s := jwt.NewUserScope()
	s.Key, s.Role, s.Description = k.public, pick(r, "", "reader"), pick(r, "", "a role")
	edit(&s.Template)
	a.claims.SigningKeys.AddScopedSigner(s)
	added := &role{k, s}
	a.roles = append(a.roles, added)
	return added
}

// template fills a role's template with what lets most users in.
func (w *world) template(r *rand.Rand) func(*jwt.UserPermissionLimits) {
	return func(l *jwt.UserPermissionLimits) {
		l.Permissions = permissions(r, templateSubjects)
		l.NatsLimits = natsLimits(r)
		l.BearerToken = chance(r, 3)
		if chance(r, 3) {
			l.Src = networksHere(r)
		}
		if chance(r, 3) {
			l.Times, l.Locale = w.timesNow(r)
		}
		if chance(r, 4) {
			l.AllowedConnectionTypes = some(r, 6, connectionTypes...)
		}
	}
}

func (w *world) signAccount(a *account, signer key) {
	c := a.claims
	c.Issuer, c.Type, c.Version = signer.public, jwt.AccountClaim, 2
	a.token = signer.token(header, mustJSON(c))
}

// ago is that long before the test began, in the seconds of JWTs.
func (w *world) ago(d time.Duration) int64 { return w.now.Add(-d).Unix() }

// accountFlaws are what can be wrong with an account.
var accountFlaws = map[string]func(*world, *rand.Rand, *account){
	"account unknown": func(_ *world, _ *rand.Rand, a *account) { a.known = false },
	"account expired": func(w *world, _ *rand.Rand, a *account) {
		a.claims.Expires = w.ago(time.Minute)
		w.signAccount(a, w.signing)
	},
	"account not yet": func(w *world, _ *rand.Rand, a *account) {
		a.claims.NotBefore = w.ago(-time.Hour)
		w.signAccount(a, w.signing)
	},
	"account of another":  func(w *world, r *rand.Rand, a *account) { w.signAccount(a, newKey(r, nkeys.PrefixByteOperator)) },
	"account of main key": func(w *world, _ *rand.Rand, a *account) { w.signAccount(a, w.operator) },
	"account of itself":   func(w *world, _ *rand.Rand, a *account) { w.signAccount(a, a.key) },
	"account forged": func(w *world, r *rand.Rand, a *account) {
		a.claims.Issuer = w.signing.public
		a.token = newKey(r, nkeys.PrefixByteOperator).token(header, mustJSON(a.claims))
	},
	"account invalid": func(w *world, _ *rand.Rand, a *account) { a.claims.InfoURL = "nowhere"; w.signAccount(a, w.signing) },
	"account too new": func(w *world, _ *rand.Rand, a *account) {
		a.claims.Version = 3
		a.token = w.signing.token(header, mustJSON(a.claims))
	},
	"account as a user": func(w *world, _ *rand.Rand, a *account) {
		a.claims.Type = jwt.UserClaim
		a.token = w.signing.token(header, mustJSON(a.claims))
	},
	"account mistaken": func(w *world, _ *rand.Rand, a *account) { a.token = w.sound[0].token },
	"no connections":   func(w *world, _ *rand.Rand, a *account) { a.claims.Limits.Conn = 0; w.signAccount(a, w.signing) },
	"no leaf nodes": func(w *world, _ *rand.Rand, a *account) {
		a.claims.Limits.LeafNodeConn = 0
		w.signAccount(a, w.signing)
	},
	"no signing keys": func(w *world, _ *rand.Rand, a *account) { clear(a.claims.SigningKeys); w.signAccount(a, w.signing) },
	"no bearer tokens": func(w *world, _ *rand.Rand, a *account) {
		a.claims.Limits.DisallowBearer = true
		w.signAccount(a, w.signing)
	},
	"no subscriptions": func(w *world, _ *rand.Rand, a *account) { a.claims.Limits.Subs = 0; w.signAccount(a, w.signing) },
	"revoked altogether": func(w *world, _ *rand.Rand, a *account) {
		a.claims.Revocations[jwt.All] = w.ago(-time.Hour)
		w.signAccount(a, w.signing)
	},
	"main key as signer": func(w *world, _ *rand.Rand, a *account) {
		a.claims.SigningKeys.Add(a.key.public)
		w.signAccount(a, w.signing)
	},
	"no default anything": func(w *world, _ *rand.Rand, a *account) {
		a.claims.DefaultPermissions.Pub.Deny = []string{">"}
		w.signAccount(a, w.signing)
	},
	"delegated": func(w *world, r *rand.Rand, a *account) {
		a.claims.Authorization.AuthUsers = []string{newKey(r, nkeys.PrefixByteUser).public, a.revoked[0].public}
		delete(a.claims.Revocations, a.revoked[0].public)
		w.signAccount(a, w.signing)
	},
}

// roleFlaws are what a role can ask for that nobody, or hardly anybody, has.
var roleFlaws = map[string]func(*world, *jwt.UserPermissionLimits){
	"role for elsewhere":    func(_ *world, l *jwt.UserPermissionLimits) { l.Src = []string{"10.0.0.0/8"} },
	"role with odd network": func(_ *world, l *jwt.UserPermissionLimits) { l.Src = []string{"anywhere"} },
	"role for another time": func(w *world, l *jwt.UserPermissionLimits) { l.Times, l.Locale = w.timesNot(""), "" },
	"role with odd times": func(_ *world, l *jwt.UserPermissionLimits) {
		l.Times = []jwt.TimeRange{{Start: "noon", End: "midnight"}}
	},
	"role with odd place":    func(w *world, l *jwt.UserPermissionLimits) { l.Times, l.Locale = w.timesNot(""), "Middle/Earth" },
	"role for unknown types": func(_ *world, l *jwt.UserPermissionLimits) { l.AllowedConnectionTypes = []string{"PIGEON"} },
	"role for proxies":       func(_ *world, l *jwt.UserPermissionLimits) { l.ProxyRequired = true },
	"template with odd call": func(_ *world, l *jwt.UserPermissionLimits) { l.Pub.Allow.Add("a.{{shoe-size()}}") },
	"template with odd deny": func(_ *world, l *jwt.UserPermissionLimits) { l.Sub.Deny.Add("a.{{tag(none)}}") },
	"template with odd tag":  func(_ *world, l *jwt.UserPermissionLimits) { l.Pub.Deny.Add("a..{{name()}}") },
	"template without result": func(_ *world, l *jwt.UserPermissionLimits) {
		l.Sub.Allow, l.Pub.Allow = []string{"{{tag(none)}}"}, []string{"x.{{tag(none)}}"}
	},
	"template that explodes": func(_ *world, l *jwt.UserPermissionLimits) {
		l.Pub.Allow.Add(strings.Repeat("{{tag(many)}}.", 3) + "end")
	},
}

var roleFlawNames = names(roleFlaws)

var connectionTypes = []string{
	jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket, jwt.ConnectionTypeLeafnode, jwt.ConnectionTypeLeafnodeWS,
	jwt.ConnectionTypeMqtt, jwt.ConnectionTypeMqttWS, jwt.ConnectionTypeInProcess, "standard", "WebSocket", "PIGEON",
}

// site is one of the two servers.
type site struct {
	name                    string
	server                  *server.Server
	nats, leaf, ws, mqttTCP string // addresses

	mu        sync.Mutex
	witnesses map[*account]*wire
}

func newSite(name string, s *server.Server) *site {
	v, err := s.Varz(nil)
	if err != nil {
		panic(err) // only when options are given that are not
	}
	at := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	return &site{
		name: name, server: s, witnesses: map[*account]*wire{},
		nats: s.Addr().String(), leaf: at(v.LeafNode.Port), ws: at(v.Websocket.Port), mqttTCP: at(v.MQTT.Port),
	}
}

// startStock starts a nats-server in operator mode that holds the accounts. Each
// is loaded before the first login: stock judges logins that come while it loads
// an account by claims that it has only half read.
func startStock(t *testing.T, control *brokertest.Control, accounts []*account, edit ...func(*server.Options)) *server.Server {
	t.Helper()
	operator, err := jwt.DecodeOperatorClaims(control.OperatorJWT())
	if err != nil {
		t.Fatal(err)
	}
	const host = "127.0.0.1"
	system, _ := control.SystemAccount()
	resolver := &server.MemAccResolver{}
	o := &server.Options{
		ServerName: "stock", Host: host, Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), JetStreamMaxMemory: 1 << 33, JetStreamMaxStore: 1 << 33,
		TrustedOperators: []*jwt.OperatorClaims{operator}, SystemAccount: system, AccountResolver: resolver,
		Websocket: server.WebsocketOpts{Host: host, Port: server.RANDOM_PORT, NoTLS: true},
		LeafNode:  server.LeafNodeOpts{Host: host, Port: server.RANDOM_PORT},
		MQTT:      server.MQTTOpts{Host: host, Port: server.RANDOM_PORT},
	}
	brokertest.TakeTime(o)
	for _, change := range edit {
		change(o)
	}
	for _, a := range accounts {
		if a.known {
			if err := resolver.Store(a.key.public, a.token); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(brokertest.Patience) {
		t.Fatal("the stock server is not ready")
	}
	for _, a := range accounts {
		_, _ = s.LookupAccount(a.key.public) // the flawed ones fail
	}
	return s
}
