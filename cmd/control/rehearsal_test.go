package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

const (
	rehearsals = 120
	cast       = 20 // clients
)

// What a dry run says of a generated change is what then happens: the account's claims,
// and which of its clients, over several transports and in several roles, lose their connections.
func TestDryRunForetellsWhatHappens(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	p := &play{customer: s.signUp("rehearser"), stack: s, domain: s.openDomain(), r: rand.New(rand.NewPCG(4, 20))}
	s.exec(`UPDATE plans SET max_roles = -1, max_users = -1`)
	p.raiseCurtain()
	closed, rounds := 0, 0
	for p.tried = range rehearsals {
		p.fill()
		n := p.foretell(p.newChange())
		closed += n
		if n > 0 {
			rounds++
		}
	}
	t.Logf("%d changes, of which %d closed %d connections", rehearsals, rounds, closed)
	if rounds < rehearsals/5 || rounds > rehearsals*4/5 {
		t.Error("too few changes closed connections, or left them alone, for this to say much")
	}
}

// play is an account with clients, and what of it can be changed.
type play struct {
	*customer
	stack     *stack
	domain    *tenants.Service
	r         *rand.Rand
	tried     int
	roles     []resource
	users     []resource
	creds     []*part
	suspended bool
}

// part is a credential and the client that plays it, over a transport of its own.
type part struct {
	id, user  string
	file, jwt string
	via       string
	conn      *nats.Conn
	mqtt      mqtt.Client
	address   string // of the client's end, while it is connected
}

// change is one request.
type change struct {
	method, path string
	body         any
}

func (p *play) raiseCurtain() {
	p.t.Helper()
	for i := range 4 {
		p.roles = append(p.roles, p.role(fmt.Sprint("role-", i)))
	}
	for i := range 8 {
		p.users = append(p.users, p.user(fmt.Sprint("user-", i), p.roles[i%len(p.roles)].ID))
	}
	for i := range cast {
		p.hire(p.users[i%len(p.users)].ID, []string{"tcp", "tcp", "ws", "mqtt"}[i%4])
	}
	p.inForce()
}

func (p *play) role(name string) (role resource) {
	p.t.Helper()
	p.must("POST", "/v1/accounts/"+p.account+"/roles", map[string]any{"name": name, "bearer": true}, &role)
	return role
}

func (p *play) hire(user, via string) {
	p.t.Helper()
	made := p.issue(user)
	text, err := os.ReadFile(made.file)
	if err != nil {
		p.t.Fatal(err)
	}
	token, err := jwt.ParseDecoratedJWT(text)
	if err != nil {
		p.t.Fatal(err)
	}
	p.creds = append(p.creds, &part{id: made.ID, user: user, file: made.file, jwt: token, via: via})
}

// fill connects the clients that are let in.
func (p *play) fill() {
	for _, c := range p.creds {
		if c.address == "" {
			c.connect(p.stack)
		}
	}
}

func (c *part) connect(s *stack) {
	dial := func(network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		if err == nil {
			c.address = conn.LocalAddr().String()
		}
		return conn, err
	}
	var err error
	if c.via == "mqtt" {
		c.mqtt = mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:" + s.ports[3]).SetClientID(c.id).
			SetUsername("user").SetPassword(c.jwt).SetAutoReconnect(false).SetConnectRetry(false).
			SetCustomOpenConnectionFn(func(uri *url.URL, _ mqtt.ClientOptions) (net.Conn, error) { return dial("tcp", uri.Host) }))
		token := c.mqtt.Connect()
		token.Wait()
		err = token.Error()
	} else {
		at := map[string]string{"tcp": s.nats, "ws": s.ws}[c.via]
		c.conn, err = nats.Connect(at, nats.UserCredentials(c.file), nats.NoReconnect(), nats.SetCustomDialer(dialer(dial)))
		if err == nil {
			err = errors.Join(second(c.conn.SubscribeSync("orders.new")), second(c.conn.SubscribeSync("plain")), c.conn.Flush())
		}
	}
	if err != nil {
		c.address = ""
	}
}

type dialer func(network, address string) (net.Conn, error)

func (d dialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

// end names the connection. The address alone does not: Linux gives two
// connections the same port when they lead to different ones.
func (c *part) end() string {
	return map[string]string{"tcp": "STANDARD", "ws": "WEBSOCKET", "mqtt": "MQTT"}[c.via] + " from " + c.address
}

// alive asks the server, unless the connection is known to be gone.
func (c *part) alive() bool {
	if c.via == "mqtt" {
		return c.mqtt.IsConnectionOpen()
	}
	return !c.conn.IsClosed() && c.conn.FlushTimeout(patience) == nil
}

// foretell tries the change dry and then really, and answers how many connections it closed.
func (p *play) foretell(c change) int {
	p.t.Helper()
	what := fmt.Sprintf("change %d: %s %s %v", p.tried, c.method, c.path, c.body)
	before := p.claims()
	dry := c
	dry.path += "?dry_run=true"
	var says api.DryRun
	p.must(dry.method, dry.path, dry.body, &says)
	if diff := cmp.Diff(before, p.claims()); diff != "" {
		p.t.Fatalf("%s: the dry run changed the claims: %s", what, diff)
	}
	if len(says.Changes) > 0 && says.Affected.BrokersAnswered != 1 {
		p.t.Fatalf("%s: %d of %d brokers answered", what, says.Affected.BrokersAnswered, says.Affected.BrokersAsked)
	}
	p.must(c.method, c.path, c.body, nil)
	p.inForce()
	want := before
	if len(says.Claims) > 0 {
		want = says.Claims[0].After
	}
	if diff := cmp.Diff(p.settled(want, before), p.settled(p.claims(), before)); diff != "" {
		p.t.Errorf("%s: claims other than foretold (-foretold +happened):\n%s", what, diff)
	}
	return p.wantClosed(what, says)
}

// wantClosed fails unless exactly those connections close that the dry run named.
func (p *play) wantClosed(what string, says api.DryRun) int {
	p.t.Helper()
	foretold := map[string]bool{}
	for _, c := range says.Affected.Closing {
		foretold[c.ConnectionType+" from "+c.Address] = true
	}
	if n := int(says.Affected.ConnectionsClosed); n != len(foretold) {
		p.t.Errorf("%s: %d connections closed, and %d named", what, n, len(foretold))
	}
	closed := 0
	for _, c := range p.creds {
		if c.address == "" {
			continue
		}
		if end := c.end(); foretold[end] {
			eventually(p.t, what+": the connection of "+c.id+", "+end+", to close", func() error {
				if c.alive() {
					return errors.New("it is open")
				}
				return nil
			})
			delete(foretold, end)
			c.address = ""
			closed++
		}
	}
	for end := range foretold {
		p.t.Errorf("%s: %s was to be closed and is nobody's", what, end)
	}
	for _, c := range p.creds {
		if c.address != "" && !c.alive() {
			p.t.Errorf("%s: the connection of %s over %s was closed, which was not foretold", what, c.id, c.via)
			c.address = ""
		}
	}
	return closed
}

// claims are the account's, as brokers have them.
func (p *play) claims() map[string]any {
	p.t.Helper()
	var of struct {
		PublicKey  claims.AccountKey  `json:"public_key"`
		OperatorID tenants.OperatorID `json:"operator_id"`
	}
	p.must("GET", "/v1/accounts/"+p.account, nil, &of)
	stored, err := p.domain.AccountJWTByKey(p.t.Context(), of.OperatorID, of.PublicKey)
	if err != nil {
		p.t.Fatal(err)
	}
	payload, err := claims.Payload(stored.JWT)
	if err != nil {
		p.t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal(payload, &said); err != nil {
		p.t.Fatal(err)
	}
	return said
}

// settled are claims without what differs each time they are made: when and under
// which id, the key of a role that was not there before, and the second of a new revocation.
func (p *play) settled(said, before map[string]any) map[string]any {
	text, err := json.Marshal(said)
	if err != nil {
		p.t.Fatal(err)
	}
	var copied map[string]any
	if err := json.Unmarshal(text, &copied); err != nil {
		p.t.Fatal(err)
	}
	delete(copied, "iat")
	delete(copied, "jti")
	known, err := json.Marshal(before)
	if err != nil {
		p.t.Fatal(err)
	}
	nats := copied["nats"].(map[string]any)
	for _, scope := range list(nats["signing_keys"]) {
		if key, ok := scope.(map[string]any); ok && !strings.Contains(string(known), key["key"].(string)) {
			key["key"] = "new"
		}
	}
	slices.SortFunc(list(nats["signing_keys"]), func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	was, _ := before["nats"].(map[string]any)["revocations"].(map[string]any)
	now, _ := nats["revocations"].(map[string]any)
	for key := range now {
		if _, ok := was[key]; !ok {
			now[key] = "now"
		}
	}
	return copied
}

func list(v any) []any {
	all, _ := v.([]any)
	return all
}

func draw[T any](p *play, values ...T) T { return values[p.r.IntN(len(values))] }

// newChange draws one that is not refused.
func (p *play) newChange() change {
	account := "/v1/accounts/" + p.account
	if p.suspended {
		p.suspended = false
		return change{"POST", account + "/resume", map[string]any{}}
	}
	name := fmt.Sprint("new-", p.tried)
	switch p.r.IntN(16) {
	case 0:
		return change{"POST", account + "/roles", map[string]any{"name": name, "permissions": p.permissions()}}
	case 1:
		return change{"DELETE", "/v1/roles/" + p.role("gone-"+name).ID, nil}
	case 2, 3, 4:
		return change{"PATCH", "/v1/roles/" + draw(p, p.roles...).ID, map[string]any{"permissions": p.permissions()}}
	case 5:
		types := draw(p, []string{}, []string{"STANDARD", "MQTT"}, []string{"WEBSOCKET", "MQTT", "STANDARD"})
		return change{"PATCH", "/v1/roles/" + draw(p, p.roles...).ID, map[string]any{"connection_types": types, "description": name}}
	case 6:
		return change{"PATCH", account, map[string]any{"limits": map[string]any{"connections": draw(p, 90, cast-3, cast-1, cast)}, "description": name}}
	case 7:
		return change{"PATCH", account, map[string]any{"limits": map[string]any{"payload_bytes": 1000 + p.r.IntN(1000), "subscriptions": draw(p, 1000, 100)}}}
	case 8:
		return change{"PATCH", account, map[string]any{"default_permissions": draw(p, p.permissions(), nil), "tags": []string{"try:" + fmt.Sprint(p.tried)}}}
	case 9:
		types := draw(p, []string{}, []string{}, []string{"STANDARD", "MQTT", "WEBSOCKET"}, []string{"STANDARD", "WEBSOCKET"})
		return change{"PATCH", account, map[string]any{"connection_types": types, "description": name, "connections_per_type": map[string]any{"MQTT": nil}}}
	case 10:
		return change{"PATCH", account, map[string]any{"connections_per_type": map[string]any{"STANDARD": draw[any](p, nil, cast/2, cast/2-2)}, "connection_types": []string{}}}
	case 11:
		return p.revoke()
	case 12:
		user := p.r.IntN(len(p.users))
		gone := p.users[user]
		p.users[user] = p.user(name, draw(p, p.roles...).ID)
		p.hire(p.users[user].ID, draw(p, "tcp", "ws", "mqtt"))
		p.inForce()
		p.fill()
		return change{"DELETE", "/v1/users/" + gone.ID, nil}
	case 13:
		return change{"POST", account + "/users", map[string]any{"name": name, "role_id": draw(p, p.roles...).ID}}
	case 14:
		return change{"PATCH", "/v1/users/" + draw(p, p.users...).ID, draw(p,
			map[string]any{"role_id": draw(p, p.roles...).ID}, map[string]any{"tags": []string{"of:" + name}}, map[string]any{"connections": draw[any](p, nil, 50)})}
	}
	p.suspended = p.r.IntN(2) == 0
	if !p.suspended {
		return p.revoke()
	}
	return change{"POST", account + "/suspend", map[string]any{"reason": name}}
}

func (p *play) permissions() map[string]any {
	side := func() map[string]any {
		return map[string]any{
			"allow": draw(p, []string{}, []string{">"}, []string{"orders.>", "plain", "$MQTT.>"}),
			"deny":  draw(p, []string{}, []string{fmt.Sprint("never.", p.tried)}),
		}
	}
	return map[string]any{"publish": side(), "subscribe": side()}
}

// revoke revokes a credential that is connected, and hires another client for its user.
func (p *play) revoke() change {
	i := p.r.IntN(len(p.creds))
	for p.creds[i].address == "" && i+1 < len(p.creds) {
		i++
	}
	gone := p.creds[i]
	if slices.ContainsFunc(p.users, func(u resource) bool { return u.ID == gone.user }) {
		p.hire(gone.user, gone.via)
		p.fill()
	}
	return change{"POST", "/v1/credentials/" + gone.id + "/revoke", map[string]any{"reason": http.StatusText(http.StatusGone)}}
}
