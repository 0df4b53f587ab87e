package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// place is a server to try a limit on.
type place struct {
	nats, ws   string // URLs
	mqtt, leaf string // addresses
}

// holder is who a limit is tried with: a user in an account of its own.
type holder struct {
	t       *testing.T
	account string
	file    string
	jwt     string
	seed    nkeys.KeyPair
	here    place
}

// limitCase is a limit or restriction: how it is set through the API, and what
// clients then find. Nothing else is limited.
type limitCase struct {
	name    string
	account map[string]any // PATCH of the account
	role    map[string]any // of the role
	late    map[string]any // PATCH of the account once the credential is issued
	issue   map[string]any // of the credential; nil: nothing special
	try     func(h *holder)
}

// Each limit and restriction holds for real clients on a broker, and on an
// unmodified nats-server that has the account's JWT.
func TestEveryLimitHoldsOnTheWire(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	s.unlimited()
	c := s.signUp("limited")
	domain := s.openDomain()
	stock, stores := s.startLoneStock(c, c.asStaff(s).ID)
	broker := place{nats: s.nats, ws: s.ws, mqtt: "127.0.0.1:" + s.ports[3], leaf: "127.0.0.1:" + s.ports[4]}
	for _, limit := range limitCases() {
		h := c.furnish(t, limit)
		var of struct {
			PublicKey  claims.AccountKey  `json:"public_key"`
			OperatorID tenants.OperatorID `json:"operator_id"`
		}
		c.must("GET", "/v1/accounts/"+h.account, nil, &of)
		stored, err := domain.AccountJWTByKey(t.Context(), of.OperatorID, of.PublicKey)
		if err := errors.Join(err, stores(string(of.PublicKey), stored.JWT)); err != nil {
			t.Fatal(err)
		}
		c.awaitInForce(h.account)
		for where, at := range map[string]place{"a broker": broker, "a stock server": stock} {
			t.Run(limit.name+" on "+where, func(t *testing.T) {
				held := *h
				held.t, held.here = t, at
				limit.try(&held)
			})
		}
	}
}

func limitCases() []limitCase {
	now := time.Now().UTC()
	clock := func(d time.Duration) string { return now.Add(d).Format(time.TimeOnly) }
	hours := func(from, to time.Duration) map[string]any {
		return map[string]any{"time_zone": "UTC", "times": []any{map[string]any{"start": clock(from), "end": clock(to)}}}
	}
	limits := func(of map[string]any) map[string]any { return map[string]any{"limits": of} }
	stored := func(of map[string]any) map[string]any { return limits(map[string]any{"jetstream": of}) }
	enough := map[string]any{"memory_bytes": 1 << 20, "disk_bytes": 1 << 20, "streams": 5, "consumers": 5}
	with := func(name string, value any) map[string]any {
		all := map[string]any{name: value}
		for other, n := range enough {
			if other != name {
				all[other] = n
			}
		}
		return stored(all)
	}
	return []limitCase{
		{name: "connection 11 of 10", account: limits(map[string]any{"connections": 10}), try: (*holder).wantTenConnections},
		{name: "payload over the account's", account: limits(map[string]any{"payload_bytes": 100}), try: (*holder).wantHundredBytes},
		{name: "payload over the role's", role: limits(map[string]any{"payload_bytes": 100}), try: (*holder).wantHundredBytes},
		{name: "subscription over the account's", account: limits(map[string]any{"subscriptions": 3}), try: (*holder).wantThreeSubscriptions},
		{name: "subscription over the role's", role: limits(map[string]any{"subscriptions": 3}), try: (*holder).wantThreeSubscriptions},
		{name: "the right network", role: map[string]any{"source_networks": []string{"127.0.0.0/8"}}, try: (*holder).wantIn},
		{name: "the wrong network", role: map[string]any{"source_networks": []string{"10.0.0.0/8", "2001:db8::/32"}}, try: (*holder).wantOut},
		{name: "within the hours", role: hours(-time.Hour, time.Hour), try: (*holder).wantIn},
		{name: "outside the hours", role: hours(2*time.Hour, 3*time.Hour), try: (*holder).wantOut},
		{name: "expired", issue: map[string]any{"expires_in": "PT2S"}, try: (*holder).wantOutSoon},
		{name: "a bearer without proof", role: map[string]any{"bearer": true}, try: (*holder).wantBearerIn},
		{name: "no bearer, and no proof", try: (*holder).wantBearerOut},
		{name: "bearer refused", role: map[string]any{"bearer": true}, late: limits(map[string]any{"bearer": false}), try: (*holder).wantBearerOut},
		{name: "a type that the role refuses", role: map[string]any{"connection_types": []string{"WEBSOCKET"}}, try: (*holder).wantWebSocketOnly},
		{name: "a type that the account refuses", account: map[string]any{"connection_types": []string{"WEBSOCKET"}}, try: (*holder).wantWebSocketOnly},
		{name: "MQTT refused", account: map[string]any{"connection_types": []string{"STANDARD"}}, role: map[string]any{"bearer": true}, try: (*holder).wantNoMQTT},
		{name: "leaf node 2 of 1", account: limits(map[string]any{"leaf_nodes": 1}), try: (*holder).wantOneLeafNode},
		{name: "what may be published", role: map[string]any{"permissions": map[string]any{"publish": map[string]any{"allow": []string{"yes.>"}, "deny": []string{"yes.but.no"}}}},
			try: (*holder).wantToPublishYes},
		{name: "what may be subscribed to", role: map[string]any{"permissions": map[string]any{"subscribe": map[string]any{"allow": []string{"yes.>", "jobs workers"}}}},
			try: (*holder).wantToSubscribeYes},
		{name: "no JetStream", account: stored(map[string]any{"memory_bytes": 0, "disk_bytes": 0}), try: func(h *holder) {
			h.wantStream("none", jetstream.StreamConfig{}, false)
		}},
		{name: "JetStream over its disk", account: with("disk_bytes", 100_000), try: func(h *holder) { h.wantFull(jetstream.FileStorage) }},
		{name: "JetStream over its memory", account: with("memory_bytes", 100_000), try: func(h *holder) { h.wantFull(jetstream.MemoryStorage) }},
		{name: "streams", account: with("streams", 2), try: func(h *holder) {
			h.wantStream("one", jetstream.StreamConfig{}, true)
			h.wantStream("two", jetstream.StreamConfig{}, true)
			h.wantStream("three", jetstream.StreamConfig{}, false)
		}},
		{name: "consumers", account: with("consumers", 1), try: func(h *holder) {
			h.wantStream("one", jetstream.StreamConfig{}, true)
			h.wantConsumer("one", jetstream.ConsumerConfig{Durable: "a", AckPolicy: jetstream.AckExplicitPolicy}, true)
			h.wantConsumer("one", jetstream.ConsumerConfig{Durable: "b", AckPolicy: jetstream.AckExplicitPolicy}, false)
		}},
		{name: "unacknowledged messages", account: with("ack_pending", 10), try: func(h *holder) {
			h.wantStream("one", jetstream.StreamConfig{}, true)
			h.wantConsumer("one", jetstream.ConsumerConfig{Durable: "a", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10}, true)
			h.wantConsumer("one", jetstream.ConsumerConfig{Durable: "b", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 11}, false)
		}},
		{name: "bytes of a stream on disk", account: with("disk_max_stream_bytes", 1000), try: func(h *holder) {
			h.wantStream("one", jetstream.StreamConfig{MaxBytes: 1000}, true)
			h.wantStream("two", jetstream.StreamConfig{MaxBytes: 1001}, false)
		}},
		{name: "bytes of a stream in memory", account: with("memory_max_stream_bytes", 1000), try: func(h *holder) {
			h.wantStream("one", jetstream.StreamConfig{MaxBytes: 1000, Storage: jetstream.MemoryStorage}, true)
			h.wantStream("two", jetstream.StreamConfig{MaxBytes: 1001, Storage: jetstream.MemoryStorage}, false)
		}},
		{name: "streams that say how big they become", account: with("max_bytes_required", true), try: func(h *holder) {
			h.wantStream("one", jetstream.StreamConfig{MaxBytes: 1000}, true)
			h.wantStream("two", jetstream.StreamConfig{}, false)
		}},
		{name: "a tier", account: stored(map[string]any{"tiers": map[string]any{"r1": map[string]any{"disk_bytes": 100_000, "streams": 1, "consumers": 5}}}), try: func(h *holder) {
			h.wantStream("one", jetstream.StreamConfig{MaxBytes: 100_001}, false)
			h.wantStream("one", jetstream.StreamConfig{}, true)
			h.wantStream("two", jetstream.StreamConfig{}, false)
			h.wantStream("three", jetstream.StreamConfig{Replicas: 3}, false)
		}},
	}
}

// furnish makes an account with a user and its credential, as the case says.
func (c *customer) furnish(t *testing.T, limit limitCase) *holder {
	t.Helper()
	var account, role, user resource
	name := strings.ReplaceAll(limit.name, " ", "-")
	c.must("POST", "/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": name}, &account)
	if limit.account != nil {
		c.must("PATCH", "/v1/accounts/"+account.ID, limit.account, nil)
	}
	c.must("POST", "/v1/accounts/"+account.ID+"/roles", map[string]any{"name": "limited"}, &role)
	if limit.role != nil {
		c.must("PATCH", "/v1/roles/"+role.ID, limit.role, nil)
	}
	c.must("POST", "/v1/accounts/"+account.ID+"/users", map[string]any{"name": "client", "role_id": role.ID}, &user)
	if limit.issue == nil {
		limit.issue = map[string]any{}
	}
	var issued struct{ JWT, Creds string }
	c.must("POST", "/v1/users/"+user.ID+"/credentials", limit.issue, &issued)
	if limit.late != nil {
		c.must("PATCH", "/v1/accounts/"+account.ID, limit.late, nil)
	}
	h := &holder{account: account.ID, jwt: issued.JWT, file: t.TempDir() + "/client.creds"}
	if err := os.WriteFile(h.file, []byte(issued.Creds), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.seed, err = jwt.ParseDecoratedUserNKey([]byte(issued.Creds)); err != nil {
		t.Fatal(err)
	}
	return h
}

// startLoneStock starts an unmodified nats-server of the operator that knows the
// accounts it is given.
func (s *stack) startLoneStock(c *customer, operator string) (place, func(account, token string) error) {
	s.t.Helper()
	dir := s.t.TempDir()
	member := filepath.Join(dir, "member.conf")
	if err := os.WriteFile(member, []byte(strings.ReplaceAll(c.serverConfig(operator, "full"), `"./jwt"`, strconv.Quote(dir))), 0o600); err != nil {
		s.t.Fatal(err)
	}
	known, err := server.ProcessConfigFile(member)
	if err != nil {
		s.t.Fatal(err)
	}
	system, err := s.openDomain().AccountJWTByKey(s.t.Context(), tenants.OperatorID(operator), claims.AccountKey(known.SystemAccount))
	accounts := &server.MemAccResolver{}
	if err := errors.Join(err, accounts.Store(known.SystemAccount, system.JWT)); err != nil {
		s.t.Fatal(err)
	}
	const host = "127.0.0.1"
	stock, err := server.NewServer(&server.Options{
		ServerName: "stock", Host: host, Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: s.t.TempDir(), JetStreamMaxMemory: 1 << 40, JetStreamMaxStore: 1 << 40,
		TrustedOperators: known.TrustedOperators, SystemAccount: known.SystemAccount, AccountResolver: accounts,
		Websocket: server.WebsocketOpts{Host: host, Port: server.RANDOM_PORT, NoTLS: true},
		LeafNode:  server.LeafNodeOpts{Host: host, Port: server.RANDOM_PORT},
		MQTT:      server.MQTTOpts{Host: host, Port: server.RANDOM_PORT},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	go stock.Start()
	s.t.Cleanup(func() { stock.Shutdown(); stock.WaitForShutdown() })
	if !stock.ReadyForConnections(patience) {
		s.t.Fatal("the stock server is not ready")
	}
	v, err := stock.Varz(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	at := func(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
	return place{nats: stock.ClientURL(), ws: "ws://" + at(v.Websocket.Port), mqtt: at(v.MQTT.Port), leaf: at(v.LeafNode.Port)}, accounts.Store
}

// dial logs in, and closes the connection with the test.
func (h *holder) dial(url string, options ...nats.Option) (*nats.Conn, error) {
	options = append([]nats.Option{nats.UserCredentials(h.file), nats.NoReconnect(), nats.Timeout(patience)}, options...)
	nc, err := nats.Connect(url, options...)
	if err == nil {
		h.t.Cleanup(nc.Close)
	}
	return nc, err
}

func (h *holder) connect() *nats.Conn {
	h.t.Helper()
	nc, err := h.dial(h.here.nats)
	if err != nil {
		h.t.Fatal(err)
	}
	return nc
}

func (h *holder) wantIn() { h.t.Helper(); h.connect() }

func (h *holder) wantOut() {
	h.t.Helper()
	if _, err := h.dial(h.here.nats); !errors.Is(err, nats.ErrAuthorization) {
		h.t.Errorf("the login: %v, want %v", err, nats.ErrAuthorization)
	}
}

func (h *holder) wantOutSoon() {
	eventually(h.t, "the login to be refused", func() error {
		nc, err := h.dial(h.here.nats)
		if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
			return nil
		}
		if err == nil {
			nc.Close()
		}
		return fmt.Errorf("it was let in, or: %w", err)
	})
}

func (h *holder) wantTenConnections() {
	for range 10 {
		h.wantIn()
	}
	if _, err := h.dial(h.here.nats); err == nil {
		h.t.Error("an 11th connection was let in")
	}
}

func (h *holder) wantHundredBytes() {
	nc := h.connect()
	if err := errors.Join(nc.Publish("size", make([]byte, 100)), nc.FlushTimeout(patience)); err != nil {
		h.t.Fatalf("100 bytes: %v", err)
	}
	err := errors.Join(nc.Publish("size", make([]byte, 101)), nc.FlushTimeout(patience))
	if err == nil || !nc.IsClosed() && !errors.Is(err, nats.ErrMaxPayload) {
		h.t.Errorf("101 bytes: %v, and the connection is closed: %v", err, nc.IsClosed())
	}
}

func (h *holder) wantThreeSubscriptions() {
	nc := h.connect()
	for i := range 3 {
		if _, err := nc.SubscribeSync(fmt.Sprint("topic.", i)); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := nc.FlushTimeout(patience); err != nil {
		h.t.Fatalf("three subscriptions: %v", err)
	}
	if _, err := nc.SubscribeSync("topic.3"); err != nil {
		h.t.Fatal(err)
	}
	_ = nc.FlushTimeout(patience) // fails when the connection goes with the subscription
	if err := nc.LastError(); err == nil || !strings.Contains(err.Error(), "subscriptions") {
		h.t.Errorf("a fourth subscription: %v", err)
	}
}

// bearer logs in by the JWT alone.
func (h *holder) bearer() error {
	nc, err := nats.Connect(h.here.nats, nats.NoReconnect(), nats.Timeout(patience),
		nats.UserJWT(func() (string, error) { return h.jwt, nil }, func([]byte) ([]byte, error) { return nil, nil }))
	if err == nil {
		nc.Close()
	}
	return err
}

func (h *holder) wantBearerIn() {
	if err := h.bearer(); err != nil {
		h.t.Error(err)
	}
}

func (h *holder) wantBearerOut() {
	if err := h.bearer(); !errors.Is(err, nats.ErrAuthorization) {
		h.t.Errorf("the login: %v, want %v", err, nats.ErrAuthorization)
	}
}

func (h *holder) wantWebSocketOnly() {
	h.wantOut()
	if _, err := h.dial(h.here.ws); err != nil {
		h.t.Errorf("over WebSocket: %v", err)
	}
}

func (h *holder) wantNoMQTT() {
	h.wantIn()
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + h.here.mqtt).SetClientID("limited").
		SetUsername("client").SetPassword(h.jwt).SetConnectRetry(false).SetAutoReconnect(false))
	token := client.Connect()
	if token.Wait() && token.Error() == nil {
		client.Disconnect(0)
		h.t.Error("MQTT was let in")
	}
}

// leafNode logs in as a leaf node does, and returns what the server says against it.
func (h *holder) leafNode(name string) string {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.here.leaf)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		h.t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil {
		h.t.Fatal(err)
	}
	var info struct{ Nonce string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "INFO ")), &info); err != nil {
		h.t.Fatal(err)
	}
	sig, err := h.seed.Sign([]byte(info.Nonce))
	if err != nil {
		h.t.Fatal(err)
	}
	hello, err := json.Marshal(map[string]any{"jwt": h.jwt, "sig": base64.RawURLEncoding.EncodeToString(sig), "server_id": name, "name": name, "headers": true})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "CONNECT "+string(hello)+"\r\nPING\r\n"); err != nil {
		h.t.Fatal(err)
	}
	for {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return err.Error()
		case strings.HasPrefix(line, "-ERR"):
			return line
		case strings.HasPrefix(line, "PONG"):
			return ""
		}
	}
}

func (h *holder) wantOneLeafNode() {
	if why := h.leafNode("one"); why != "" {
		h.t.Fatalf("the first leaf node: %s", why)
	}
	if why := h.leafNode("two"); why == "" {
		h.t.Error("a second leaf node was let in")
	}
}

// violation is what the server says against what was just tried.
func violation(nc *nats.Conn, violations <-chan error, err error) error {
	if err := errors.Join(err, nc.FlushTimeout(patience)); err != nil {
		return err
	}
	select {
	case err := <-violations:
		return err
	default:
		return nil
	}
}

func (h *holder) watched() (*nats.Conn, <-chan error) {
	h.t.Helper()
	nc, violations := h.connect(), make(chan error, 10)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err })
	return nc, violations
}

func (h *holder) wantToPublishYes() {
	nc, violations := h.watched()
	if err := violation(nc, violations, nc.Publish("yes.and", nil)); err != nil {
		h.t.Errorf("publish what is allowed: %v", err)
	}
	for _, subject := range []string{"no", "yes", "yes.but.no"} {
		if err := nc.Publish(subject, nil); err != nil {
			h.t.Fatal(err)
		}
		if err := <-violations; !errors.Is(err, nats.ErrPermissionViolation) {
			h.t.Errorf("publish on %s: %v", subject, err)
		}
	}
}

func (h *holder) wantToSubscribeYes() {
	nc, violations := h.watched()
	quiet := func(*nats.Msg) {}
	if err := violation(nc, violations, errors.Join(second(nc.Subscribe("yes.>", quiet)), second(nc.QueueSubscribe("jobs", "workers", quiet)))); err != nil {
		h.t.Errorf("subscribe to what is allowed: %v", err)
	}
	for _, err := range []error{second(nc.Subscribe("no", quiet)), second(nc.Subscribe(">", quiet)), second(nc.Subscribe("jobs", quiet)), second(nc.QueueSubscribe("jobs", "others", quiet))} {
		if err != nil {
			h.t.Fatal(err)
		}
		if err := <-violations; !errors.Is(err, nats.ErrPermissionViolation) {
			h.t.Errorf("subscribe to what is not allowed: %v", err)
		}
	}
}

func (h *holder) jetstream() jetstream.JetStream {
	h.t.Helper()
	js, err := jetstream.New(h.connect())
	if err != nil {
		h.t.Fatal(err)
	}
	return js
}

// wantStream makes a stream, which the server is to allow or not.
func (h *holder) wantStream(name string, config jetstream.StreamConfig, allowed bool) {
	h.t.Helper()
	config.Name, config.Subjects = name, []string{name + ".>"}
	_, err := h.jetstream().CreateStream(h.t.Context(), config)
	if (err == nil) != allowed {
		h.t.Errorf("stream %s with %d bytes: %v, want it allowed: %v", name, config.MaxBytes, err, allowed)
	}
}

func (h *holder) wantConsumer(stream string, config jetstream.ConsumerConfig, allowed bool) {
	h.t.Helper()
	_, err := h.jetstream().CreateConsumer(h.t.Context(), stream, config)
	if (err == nil) != allowed {
		h.t.Errorf("consumer %s: %v, want it allowed: %v", config.Durable, err, allowed)
	}
}

// wantFull stores messages until there is no room for more, which 100,000 bytes are to hold.
func (h *holder) wantFull(storage jetstream.StorageType) {
	h.t.Helper()
	js := h.jetstream()
	if _, err := js.CreateStream(h.t.Context(), jetstream.StreamConfig{Name: "full", Subjects: []string{"full"}, Storage: storage}); err != nil {
		h.t.Fatal(err)
	}
	const size, room = 1000, 100
	for n := range room + 1 {
		if _, err := js.Publish(h.t.Context(), "full", make([]byte, size)); err != nil {
			if n < room/2 {
				h.t.Errorf("message %d does not fit: %v", n, err)
			}
			return
		}
	}
	h.t.Errorf("%d messages of %d bytes fit into %d bytes", room+1, size, room*size)
}
