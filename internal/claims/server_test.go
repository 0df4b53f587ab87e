package claims_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// patience bounds every wait for an event; it passes only when a test fails.
const patience = 10 * time.Second

// world is a real server that trusts an operator of ours, with one account.
type world struct {
	t        *testing.T
	server   *server.Server
	resolver *server.MemAccResolver
	options  *server.Options
	operator claims.Seed // signs no accounts
	signer   claims.Seed // the operator's signing key
	account  claims.Account
	roleSeed claims.Seed // of account.Roles[0]
	system   *nats.Conn
}

func setupWorld(t *testing.T) *world {
	t.Helper()
	operatorSeed, signer := must(claims.NewOperatorSeed()), must(claims.NewOperatorSeed())
	system, roleSeed := must(claims.NewAccountSeed()), must(claims.NewAccountSeed())
	systemKey := must(system.AccountKey())
	operator := claims.Operator{
		Key: must(operatorSeed.OperatorKey()), Name: "Test",
		SigningKeys: []claims.OperatorKey{must(signer.OperatorKey())}, SystemAccount: systemKey,
	}
	w := &world{t: t, resolver: &server.MemAccResolver{}, operator: operatorSeed, signer: signer, roleSeed: roleSeed}
	w.account = claims.Account{
		Key: must(must(claims.NewAccountSeed()).AccountKey()), Name: "orders", Limits: claims.UnlimitedLimits(),
		Roles: []claims.Role{{Key: must(roleSeed.AccountKey()), Name: "default", Template: claims.OpenTemplate()}},
	}
	w.store(string(systemKey), must(claims.EncodeSystemAccount(systemKey, "SYS", signer)))
	w.store(string(w.account.Key), must(claims.EncodeAccount(w.account, signer)))
	w.options = &server.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true,
		Websocket:        server.WebsocketOpts{Host: "127.0.0.1", Port: -1, NoTLS: true},
		TrustedOperators: []*jwt.OperatorClaims{must(jwt.DecodeOperatorClaims(must(claims.EncodeOperator(operator, operatorSeed))))},
		SystemAccount:    string(systemKey), AccountResolver: w.resolver,
		JetStream: true, StoreDir: t.TempDir(), JetStreamMaxMemory: 1 << 20, JetStreamMaxStore: 1 << 20,
	}
	w.start()
	user := must(claims.NewUserSeed())
	token := must(claims.EncodeSystemUser(must(user.UserKey()), "control", systemKey, claims.OpenTemplate(), system))
	w.system = must(w.connect(token, user))
	return w
}

func (w *world) start() {
	w.t.Helper()
	w.server = must(server.NewServer(w.options))
	w.server.Start()
	w.t.Cleanup(func() { w.server.Shutdown(); w.server.WaitForShutdown() })
	if !w.server.ReadyForConnections(patience) {
		w.t.Fatal("the server does not start")
	}
}

func (w *world) store(account, token string) {
	w.t.Helper()
	if err := w.resolver.Store(account, token); err != nil {
		w.t.Fatal(err)
	}
}

// credential is a user of the account in its first role, as issued now.
func (w *world) credential(edit ...func(*claims.User)) (string, claims.Seed) {
	w.t.Helper()
	seed := must(claims.NewUserSeed())
	user := claims.User{Key: must(seed.UserKey()), Name: "till-7", Account: w.account.Key}
	for _, e := range edit {
		e(&user)
	}
	return must(claims.EncodeUser(user, w.roleSeed)), seed
}

// quiet keeps the client from printing errors that a test provokes.
var quiet = nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})

// connect logs in with a creds file, over plain TCP unless a URL is given.
func (w *world) connect(token string, seed claims.Seed, options ...nats.Option) (*nats.Conn, error) {
	w.t.Helper()
	creds := claims.FormatCreds(token, seed)
	options = append([]nats.Option{nats.UserCredentialBytes(creds), nats.NoReconnect(), nats.Timeout(patience), quiet}, options...)
	conn, err := nats.Connect(w.server.ClientURL(), options...)
	if err == nil {
		w.t.Cleanup(conn.Close)
	}
	return conn, err
}

// client is a connection of the account's that tells when it is closed.
type client struct {
	*nats.Conn
	closed chan struct{}
}

func (w *world) client(token string, seed claims.Seed) client {
	w.t.Helper()
	closed := make(chan struct{})
	conn, err := w.connect(token, seed, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		w.t.Fatalf("connect: %v", err)
	}
	return client{conn, closed}
}

func (c client) mustClose(t *testing.T) {
	t.Helper()
	select {
	case <-c.closed:
	case <-time.After(patience):
		t.Fatal("the client stays connected")
	}
}

func (w *world) refuses(token string, seed claims.Seed) {
	w.t.Helper()
	conn, err := w.connect(token, seed)
	if err == nil {
		conn.Close()
		w.t.Fatal("the client is let in")
	}
	text := strings.ToLower(err.Error())
	if !errors.Is(err, nats.ErrAuthorization) && !strings.Contains(text, "auth") && !strings.Contains(text, "maximum account") {
		w.t.Fatalf("the client is not let in because of %v, want a refusal", err)
	}
}

// push has the server apply an account JWT in the standard way.
func (w *world) push(token string) {
	w.t.Helper()
	key := string(must(claims.DecodeAccount(token)).Key)
	w.store(key, token)
	reply, err := w.system.Request(fmt.Sprintf("$SYS.REQ.ACCOUNT.%s.CLAIMS.UPDATE", key), []byte(token), patience)
	if err != nil {
		w.t.Fatalf("push: %v", err)
	}
	var answer struct {
		Error *struct{ Description string } `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil || answer.Error != nil {
		w.t.Fatalf("push is answered %s", reply.Data)
	}
}

func (w *world) pushAccount() {
	w.t.Helper()
	w.push(must(claims.EncodeAccount(w.account, w.signer)))
}

func TestServerLetsInAUserOfARole(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	c := w.client(w.credential())
	sub := must(c.SubscribeSync("orders.*"))
	if err := c.Publish("orders.new", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if got := must(sub.NextMsg(patience)); string(got.Data) != "1" {
		t.Errorf("message = %q, want 1", got.Data)
	}
}

func TestServerRefusesAUserWhoseRoleIsGone(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	token, seed := w.credential()
	c := w.client(token, seed)
	w.account.Roles = nil
	w.pushAccount()
	c.mustClose(t)
	w.refuses(token, seed)
}

func TestServerRefusesAWrongConnectionType(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	w.account.Roles[0].Template.ConnectionTypes = []claims.ConnectionType{claims.WebSocket}
	w.pushAccount()
	token, seed := w.credential()
	w.refuses(token, seed)
	conn, err := nats.Connect(w.server.WebsocketURL(), nats.UserCredentialBytes(claims.FormatCreds(token, seed)), nats.Timeout(patience))
	if err != nil {
		t.Fatalf("over WebSocket: %v", err)
	}
	conn.Close()
}

func TestServerRefusesEveryConnectionTypeWhereNoneIsLeft(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	w.account.Roles[0].Template.ConnectionTypes = claims.CommonTypes([]claims.ConnectionType{claims.Standard}, []claims.ConnectionType{claims.MQTT})
	w.pushAccount()
	token, seed := w.credential()
	w.refuses(token, seed)
}

func TestServerRefusesARevokedUserAndOnlyThat(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	token, seed := w.credential()
	other := w.client(w.credential())
	c := w.client(token, seed)
	w.account.Revoked = map[claims.UserKey]time.Time{must(seed.UserKey()): time.Now()}
	w.pushAccount()
	c.mustClose(t)
	w.refuses(token, seed)
	if _, err := other.RTT(); err != nil {
		t.Errorf("another credential's connection: %v", err)
	}
}

func TestServerRefusesAnExpiredUser(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	w.refuses(w.credential(func(u *claims.User) { u.Expires = time.Now().Add(-2 * time.Second) }))
	w.client(w.credential(func(u *claims.User) { u.Expires = time.Now().Add(time.Hour) }))
}

func TestServerRefusesTheCredsOfAnotherUser(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	token, _ := w.credential()
	w.refuses(token, must(claims.NewUserSeed()))
}

func TestServerRefusesAccountsNotSignedByASigningKey(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	for _, signer := range []claims.Seed{w.operator, must(claims.NewOperatorSeed())} {
		w.account.Key = must(must(claims.NewAccountSeed()).AccountKey())
		w.store(string(w.account.Key), must(claims.EncodeAccount(w.account, signer)))
		w.refuses(w.credential())
	}
}

// This is why a tombstone must not expire.
func TestServerKeepsAnAccountWhoseUpdateHasExpired(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	c := w.client(w.credential())
	expired := must(jwt.DecodeAccountClaims(must(claims.EncodeTombstone(w.account.Key, "gone", w.signer))))
	expired.Expires = time.Now().Add(-time.Hour).Unix()
	token := must(expired.Encode(must(nkeys.FromSeed(w.signer.Reveal()))))
	reply := must(w.system.Request(fmt.Sprintf("$SYS.REQ.ACCOUNT.%s.CLAIMS.UPDATE", w.account.Key), []byte(token), patience))
	if !strings.Contains(string(reply.Data), `"error"`) {
		t.Errorf("the server answers %s, want an error", reply.Data)
	}
	if _, err := c.RTT(); err != nil {
		t.Errorf("the client's connection: %v", err)
	}
}

func TestTombstoneDropsAllClientsAndLetsNoneBack(t *testing.T) {
	t.Parallel()
	apply := map[string]func(*world, string){
		"pushed": (*world).push,
		"applied in process": func(w *world, token string) {
			w.store(string(w.account.Key), token)
			account := must(w.server.LookupAccount(string(w.account.Key)))
			w.server.UpdateAccountClaims(account, must(jwt.DecodeAccountClaims(token)))
		},
	}
	for name, apply := range apply {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setupWorld(t)
			token, seed := w.credential()
			clients := []client{w.client(token, seed), w.client(token, seed), w.client(w.credential())}
			apply(w, must(claims.EncodeTombstone(w.account.Key, "gone", w.signer)))
			for _, c := range clients {
				c.mustClose(t)
			}
			w.refuses(token, seed)
			w.refuses(w.credential())
			if w.server.JetStreamEnabled() && must(w.server.LookupAccount(string(w.account.Key))).JetStreamEnabled() {
				t.Error("JetStream is still on for the account")
			}
		})
	}
}

func TestTombstoneFoundByAFreshServerLetsNobodyIn(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	w.store(string(w.account.Key), must(claims.EncodeTombstone(w.account.Key, "gone", w.signer)))
	w.refuses(w.credential())
}

func TestNewClaimsBringADeletedAccountBack(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	token, seed := w.credential()
	c := w.client(token, seed)
	w.push(must(claims.EncodeTombstone(w.account.Key, "gone", w.signer)))
	c.mustClose(t)
	w.pushAccount()
	w.client(token, seed)
}

func TestZeroLimitsAllowNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		limit func(*claims.Limits)
		broke func(*world) error // what the server does to a client that tries
	}{
		"no connections": {
			func(l *claims.Limits) { l.Connections = 0 },
			func(w *world) error { _, err := w.connect(w.credential()); return err },
		},
		"no subscriptions": {
			func(l *claims.Limits) { l.Subscriptions = 0 },
			func(w *world) error {
				return w.violation(func(c *nats.Conn) { _, _ = c.SubscribeSync("a") })
			},
		},
		"no payload": {
			func(l *claims.Limits) { l.PayloadBytes = 0 },
			func(w *world) error {
				_, err := w.client(w.credential()).Request("a", []byte("1"), patience)
				return err
			},
		},
		"no JetStream": {
			func(l *claims.Limits) { l.JetStream = claims.JetStreamLimits{} },
			func(w *world) error { return w.addStream("S", jetstream.FileStorage) },
		},
		"no memory for streams": {
			func(l *claims.Limits) { l.JetStream.MemoryBytes = 0 },
			func(w *world) error {
				if err := w.addStream("FILE", jetstream.FileStorage); err != nil {
					w.t.Errorf("a stream on disk: %v", err)
				}
				return w.publishToStream("MEM", jetstream.MemoryStorage)
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setupWorld(t)
			tt.limit(&w.account.Limits)
			w.pushAccount()
			if err := tt.broke(w); err == nil {
				t.Error("it works, want a refusal")
			} else {
				t.Logf("refused: %v", err)
			}
		})
	}
}

func TestStreamLimitHolds(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	w.account.Limits.JetStream = claims.UnlimitedJetStream()
	w.account.Limits.JetStream.DiskBytes, w.account.Limits.JetStream.Streams = 1<<16, 1
	w.pushAccount()
	if err := w.addStream("ONE", jetstream.FileStorage); err != nil {
		t.Fatal(err)
	}
	if err := w.addStream("TWO", jetstream.FileStorage); err == nil {
		t.Error("a second stream is made, want a refusal")
	}
}

// Each limit of JetStream is one that a server refuses by, whether it is common
// to all streams or a tier's.
func TestJetStreamLimitsHold(t *testing.T) {
	t.Parallel()
	roomy := claims.UnlimitedJetStream()
	roomy.DiskBytes, roomy.MemoryBytes = 1<<16, 1<<16
	less := func(edit func(*claims.JetStreamLimits)) claims.JetStreamLimits {
		l := roomy
		edit(&l)
		return l
	}
	file := jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, MaxBytes: 1 << 12}
	memory, endless, large := file, file, file
	memory.Storage, endless.MaxBytes, large.MaxBytes = jetstream.MemoryStorage, -1, 1<<17
	for name, c := range map[string]struct {
		limits claims.JetStreamLimits
		stream jetstream.StreamConfig
		code   int // of the refusal; 0: there is none
	}{
		"within all":             {roomy, file, 0},
		"disk":                   {roomy, large, 10047},
		"largest on disk":        {less(func(l *claims.JetStreamLimits) { l.DiskMaxStreamBytes = 1 << 10 }), file, 10122},
		"largest in memory":      {less(func(l *claims.JetStreamLimits) { l.MemoryMaxStreamBytes = 1 << 10 }), memory, 10122},
		"memory's does not bind": {less(func(l *claims.JetStreamLimits) { l.MemoryMaxStreamBytes = 1 << 10 }), file, 0},
		"size to be said":        {less(func(l *claims.JetStreamLimits) { l.MaxBytesRequired = true }), endless, 10113},
		"size said":              {less(func(l *claims.JetStreamLimits) { l.MaxBytesRequired = true }), file, 0},
		"pending":                {less(func(l *claims.JetStreamLimits) { l.AckPending = 5 }), file, 10121},
	} {
		common, tiered, other := claims.UnlimitedLimits(), claims.UnlimitedLimits(), claims.UnlimitedLimits()
		common.JetStream = c.limits
		tiered.JetStream, tiered.Tiers = claims.JetStreamLimits{}, claims.JetStreamTiers{R1: c.limits, R3: roomy}
		other.JetStream, other.Tiers = claims.JetStreamLimits{}, claims.JetStreamTiers{R3: c.limits}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setupWorld(t)
			for kind, l := range map[string]struct {
				claims.Limits
				code int
			}{"common": {common, c.code}, "in its tier": {tiered, c.code}, "in a tier that there is not": {other, 10120}} {
				w.account.Limits = l.Limits
				w.pushAccount()
				if got := errorCode(w.tryStream(c.stream, 10)); got != l.code {
					t.Errorf("%s: refused with code %d, want %d", kind, got, l.code)
				}
			}
		})
	}
}

// errorCode is 0 for no error, and -1 for one that is no answer of JetStream's.
func errorCode(err error) int {
	var refused *jetstream.APIError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &refused):
		return int(refused.ErrorCode)
	}
	return -1
}

// tryStream makes a stream and a consumer with so many messages pending, and
// removes what it made.
func (w *world) tryStream(config jetstream.StreamConfig, pending int) error {
	w.t.Helper()
	js := must(jetstream.New(w.client(w.credential()).Conn))
	stream, err := js.CreateStream(w.t.Context(), config)
	if err != nil {
		return err
	}
	_, err = stream.CreateConsumer(w.t.Context(), jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: pending})
	return errors.Join(err, js.DeleteStream(w.t.Context(), config.Name))
}

func (w *world) addStream(name string, storage jetstream.StorageType) error {
	js := must(jetstream.New(w.client(w.credential()).Conn))
	_, err := js.CreateStream(w.t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name}, Storage: storage})
	return err
}

func (w *world) publishToStream(name string, storage jetstream.StorageType) error {
	if err := w.addStream(name, storage); err != nil {
		return err
	}
	js := must(jetstream.New(w.client(w.credential()).Conn))
	_, err := js.Publish(w.t.Context(), name, []byte("x"))
	return err
}

// violation is the error that the server sends to a client for what it does.
func (w *world) violation(do func(*nats.Conn)) error {
	w.t.Helper()
	conn, err := w.connect(w.credential())
	if err != nil {
		return err
	}
	do(conn)
	// The server's error precedes its answer to the flush; the client's
	// handlers run later than either, so ask the connection itself.
	if err := conn.FlushTimeout(patience); err != nil {
		return err
	}
	return conn.LastError()
}

func TestRolesTemplateIsInForce(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	w.account.Roles[0].Template = claims.Template{
		Publish:       claims.Permission{Allow: []string{"users.{{name()}}.>"}},
		Subscribe:     claims.Permission{Allow: []string{"a", "b pool"}, Deny: []string{"c"}},
		Subscriptions: 1, PayloadBytes: 4,
	}
	w.pushAccount()
	tests := map[string]struct {
		do      func(*nats.Conn)
		refused bool
	}{
		"publish on its own subject":     {func(c *nats.Conn) { _ = c.Publish("users.till-7.x", nil) }, false},
		"publish on another's":           {func(c *nats.Conn) { _ = c.Publish("users.till-8.x", nil) }, true},
		"subscribe what is allowed":      {func(c *nats.Conn) { _, _ = c.SubscribeSync("a") }, false},
		"subscribe in the allowed queue": {func(c *nats.Conn) { _, _ = c.QueueSubscribeSync("b", "pool") }, false},
		"subscribe in another queue":     {func(c *nats.Conn) { _, _ = c.QueueSubscribeSync("b", "other") }, true},
		"subscribe what is denied":       {func(c *nats.Conn) { _, _ = c.SubscribeSync("c") }, true},
		"subscribe more than allowed":    {func(c *nats.Conn) { _, _ = c.SubscribeSync("a"); _, _ = c.SubscribeSync("a") }, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := w.violation(tt.do)
			if (err != nil) != tt.refused {
				t.Errorf("error = %v, want refused = %t", err, tt.refused)
			}
		})
	}
}

func TestRolesPayloadLimitIsToldAndHolds(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	w.account.Roles[0].Template.PayloadBytes = 4
	w.pushAccount()
	c := w.client(w.credential())
	if err := c.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	if got := c.MaxPayload(); got != 4 {
		t.Errorf("the server tells a maximum payload of %d bytes, want 4", got)
	}
}

func TestBearerRoleNeedsNoSeed(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	token, _ := w.credential()
	bearer := nats.UserJWT(func() (string, error) { return token, nil }, func([]byte) ([]byte, error) { return nil, nil })
	connect := func() error {
		conn, err := nats.Connect(w.server.ClientURL(), bearer, nats.Timeout(patience))
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := connect(); err == nil {
		t.Error("let in without a signature, though the role does not say bearer")
	}
	w.account.Roles[0].Template.Bearer = true
	w.pushAccount()
	if err := connect(); err != nil {
		t.Errorf("a bearer role's user: %v", err)
	}
}

func TestSourceNetworksAreInForce(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	token, seed := w.credential()
	w.account.Roles[0].Template.SourceNetworks = []string{"192.0.2.0/24"}
	w.pushAccount()
	w.refuses(token, seed)
	w.account.Roles[0].Template.SourceNetworks = []string{"192.0.2.0/24", "127.0.0.0/8"}
	w.pushAccount()
	w.client(token, seed)
}

func TestResponsesThatNeverExpireAreAllowed(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	asking := w.client(w.credential())
	w.account.Roles[0].Template.Responses = &claims.ResponsePermission{MaxMessages: 1}
	w.account.Roles[0].Template.Publish.Allow = []string{"ask"}
	w.account.Roles[0].Template.Subscribe.Allow = []string{"ask", "_INBOX.>"}
	w.pushAccount()
	asking.mustClose(t) // its role was edited; it may come back at once
	asking, serving := w.client(w.credential()), w.client(w.credential())
	must(serving.Subscribe("ask", func(m *nats.Msg) { _ = m.Respond([]byte("answer")) }))
	if err := serving.Flush(); err != nil {
		t.Fatal(err)
	}
	if reply, err := asking.Request("ask", nil, patience); err != nil || !bytes.Equal(reply.Data, []byte("answer")) {
		t.Errorf("reply = %v, %v, want the answer", reply, err)
	}
}

func TestSystemUserHearsOfConnections(t *testing.T) {
	t.Parallel()
	w := setupWorld(t)
	sub := must(w.system.SubscribeSync(fmt.Sprintf("$SYS.ACCOUNT.%s.CONNECT", w.account.Key)))
	if err := w.system.Flush(); err != nil {
		t.Fatal(err)
	}
	w.client(w.credential())
	if _, err := sub.NextMsg(patience); err != nil {
		t.Errorf("no event of a connection: %v", err)
	}
}
