package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// papers are what a client shows, of whatever kind they are.
type papers struct {
	kind            string
	file            string // with creds; empty: none
	user, password  string
	publicKey, seed string // an nkey's
	cert, key       string // files
}

// passes says whether somebody with the papers is let in over a type of connection.
func (h *house) passes(p papers, over claims.ConnectionType) error {
	e := h.plain
	if p.cert != "" {
		e = h.secure
	}
	switch over {
	case claims.Standard:
		return h.passesNATS(p, e.url("nats", e.nats))
	case claims.WebSocket:
		return h.passesNATS(p, e.url("ws", e.ws))
	case claims.InProcess:
		return h.passesNATS(p, "")
	case claims.MQTT:
		return h.passesMQTT(p, e)
	case claims.MQTTOverWS:
		return h.passesMQTTOverWS(p, e)
	case claims.LeafNode:
		return h.passesLeaf(p, e.url("nats", e.leaf))
	case claims.LeafNodeWS:
		return h.passesLeaf(p, e.url("ws", e.ws))
	}
	return fmt.Errorf("no way to come over %s", over)
}

func (h *house) passesNATS(p papers, url string) error {
	options := []nats.Option{nats.NoReconnect(), nats.Timeout(patience), h.trust(url)}
	if url == "" {
		options = append(options, nats.InProcessServer(h.inside.Server()))
	}
	switch {
	case p.publicKey != "":
		pair, err := nkeys.FromSeed([]byte(p.seed))
		if err != nil {
			return err
		}
		options = append(options, nats.Nkey(p.publicKey, pair.Sign))
	case p.file != "":
		options = append(options, nats.UserCredentials(p.file))
	case p.cert != "":
		options = append(options, nats.ClientCert(p.cert, p.key), nats.RootCAs(h.authority.ca))
	}
	if p.user == "" && p.password != "" {
		options = append(options, nats.Token(p.password))
	} else if p.user != "" {
		options = append(options, nats.UserInfo(p.user, p.password))
	}
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return refusedOr(err)
	}
	defer nc.Close()
	return nc.Flush()
}

func (h *house) passesMQTT(p papers, e entrance) error {
	args := []string{"-h", "127.0.0.1", "-p", e.mqtt, "-i", h.next(), "-q", "1", "-t", "hello", "-m", "x", "-u", "thing"}
	if p.user != "" {
		args = append(args, "-u", p.user)
	}
	if p.password != "" {
		args = append(args, "-P", p.password)
	}
	if e.tls {
		args = append(args, "--cafile", h.authority.ca)
	}
	if p.cert != "" {
		args = append(args, "--cert", p.cert, "--key", p.key)
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "mosquitto_pub", args...).CombinedOutput(); err != nil {
		return refusedOr(fmt.Errorf("%w: %s", err, out))
	}
	return nil
}

func (h *house) passesMQTTOverWS(p papers, e entrance) error {
	user := p.user
	if user == "" {
		user = "thing"
	}
	f, err := h.driver.connect(h.next(), "mqtt.js", map[string]any{"url": e.url("ws", e.ws) + "/mqtt", "jwt": p.password, "username": user})
	if err != nil {
		return refusedOr(err)
	}
	_, err = f.do("close", nil)
	return err
}

func (h *house) passesLeaf(p papers, url string) error {
	scheme, address, _ := strings.Cut(url, "://")
	var more string
	switch {
	case p.publicKey != "":
		more = fmt.Sprintf(", nkey: %q", p.seed)
	case p.file != "":
		more = fmt.Sprintf(", credentials: %q", p.file)
	}
	switch {
	case p.user != "" && p.password != "":
		address = p.user + ":" + p.password + "@" + address
	case p.user != "" || p.password != "":
		address = p.user + p.password + "@" + address
	}
	if p.cert != "" {
		more += fmt.Sprintf(", tls { ca_file: %q, cert_file: %q, key_file: %q }", h.authority.ca, p.cert, p.key)
	}
	leaf, log := startLeaf(h.t, fmt.Sprintf("server_name: %s\nleafnodes { reconnect: 3600, remotes [{ url: %q%s }] }", h.next(), scheme+"://"+address, more))
	defer leaf.Shutdown()
	nc, err := nats.Connect(leaf.ClientURL())
	if err != nil {
		return err
	}
	defer nc.Close()
	// A leaf node counts its connection before the other side has let it in: only an answer from there says so.
	_, err = exchangeOver(nc, func() error {
		if said := log.said(); said != "" {
			return errors.New(said)
		}
		return nil
	})(fmt.Sprint("question-", h.count.Add(1)), "x")
	return refusedOr(err)
}

// Whatever is issued lets somebody in over each type of connection that its role
// allows and its kind can be shown over, and what could be shown over none of them is
// refused when it is asked for, with the reason: bearer and scoped roles over MQTT,
// clients without a nonce, certificates where there is no TLS.
func TestWhatIsIssuedCanBeUsed(t *testing.T) {
	t.Parallel()
	h, devices := startHouse(t), newIssuer(t)
	c := h.signUp("issuer")
	c.must("PATCH", "/v1/accounts/"+c.account, map[string]any{"certificate_authorities": []string{devices.pem}}, nil)
	account, answerers := c.publicKey(), c.badge(c.account, c.role("answerers", map[string]any{"bearer": true}).ID)
	c.inForce()
	h.answerers(answerers)

	// issue makes papers for the user, or says why there are none.
	issue := func(kind, user, name string) (p papers, warning, refusal string) {
		path, body, dir := "/v1/users/"+user+"/device-logins", map[string]any{"kind": kind}, t.TempDir()
		p.kind = kind
		switch kind {
		case "creds":
			path, body = "/v1/users/"+user+"/credentials", map[string]any{}
		case "nkey":
			pair, err := nkeys.CreateUser()
			check(t, err)
			seed, err := pair.Seed()
			check(t, err)
			p.publicKey, err = pair.PublicKey()
			check(t, err)
			p.seed, p.user, body["public_key"] = string(seed), account, p.publicKey
		case "certificate":
			id := "spiffe://example.org/" + name
			p.cert, p.key = devices.issue(id)
			p.user, body["match"] = account, map[string]any{"kind": "uri", "value": id}
		}
		status, answer, err := c.call("POST", path, body)
		check(t, err)
		if status == http.StatusConflict {
			return p, "", string(answer)
		}
		var out struct {
			JWT, Creds, Secret, Warning string
			DeviceLogin                 struct{ Username string } `json:"device_login"`
		}
		if status != http.StatusCreated || json.Unmarshal(answer, &out) != nil {
			t.Fatalf("%s for %s: %d %s", kind, name, status, answer)
		}
		switch kind {
		case "creds":
			p.file, p.password = filepath.Join(dir, "user.creds"), out.JWT // MQTT shows it so
			check(t, os.WriteFile(p.file, []byte(out.Creds), 0o600))
		case "password":
			p.user, p.password = out.DeviceLogin.Username, out.Secret
		case "token":
			p.password = out.Secret
		}
		return p, out.Warning, ""
	}

	overMQTT := func(over claims.ConnectionType) bool { return over == claims.MQTT || over == claims.MQTTOverWS }
	overWS := func(over claims.ConnectionType) bool {
		return strings.HasSuffix(string(over), "_WS") || over == claims.WebSocket
	}
	// can says what a kind of papers can do by NATS' and MQTT's own rules.
	can := func(kind string, bearer bool, over claims.ConnectionType) bool {
		switch kind {
		case "creds":
			return bearer || !overMQTT(over)
		case "nkey":
			return !overMQTT(over)
		case "certificate":
			return over != claims.InProcess && !overWS(over)
		}
		return true
	}

	type trial struct {
		papers
		role string
		over claims.ConnectionType
	}
	var trials []trial
	refused := 0
	for _, bearer := range []bool{false, true} {
		roles := map[string][]claims.ConnectionType{"all": {}, "mqtt-both": {claims.MQTT, claims.MQTTOverWS}}
		for _, kind := range claims.ConnectionTypes {
			roles[strings.ToLower(string(kind))] = []claims.ConnectionType{kind}
		}
		for name, types := range roles {
			name = fmt.Sprintf("%s-%t", strings.ReplaceAll(name, "_", "-"), bearer)
			role := c.role(name, map[string]any{"bearer": bearer, "connection_types": types})
			user := c.user(name, role.ID)
			for _, kind := range []string{"creds", "password", "token", "nkey", "certificate"} {
				allowed := types
				if len(allowed) == 0 {
					allowed = claims.ConnectionTypes
				}
				usable := slices.DeleteFunc(slices.Clone(allowed), func(over claims.ConnectionType) bool { return !can(kind, bearer, over) })
				p, warning, refusal := issue(kind, user.ID, name)
				switch {
				case refusal != "":
					refused++
					if len(usable) > 0 || !strings.Contains(refusal, "nobody could log in with it over connections of the type") || !strings.Contains(refusal, "which is what the role "+name+" allows: ") {
						t.Errorf("%s in the role %s: %s", kind, name, refusal)
					}
				case len(usable) == 0 && (kind != "certificate" || !strings.Contains(warning, "verify: true")):
					t.Errorf("%s in the role %s is issued, and nobody can use it (warning %q)", kind, name, warning)
				case len(usable) > 0 && warning != "":
					t.Errorf("%s in the role %s: warning %q", kind, name, warning)
				}
				for _, over := range usable {
					trials = append(trials, trial{p, name, over})
				}
			}
		}
	}
	c.inForce()
	// An account has few places for leaf nodes, so they come one by one.
	leafNodes := func(x trial) bool { return strings.HasPrefix(string(x.over), "LEAF") }
	enter := func(x trial) {
		p := x.papers
		if p.kind == "creds" && !overMQTT(x.over) {
			p.password = ""
		}
		if err := h.passes(p, x.over); err != nil {
			t.Errorf("%s in the role %s, over %s: %v", x.kind, x.role, x.over, err)
		}
	}
	for _, x := range trials {
		if leafNodes(x) {
			enter(x)
		}
	}
	atOnce(slices.DeleteFunc(slices.Clone(trials), leafNodes), enter)
	if got := c.refusals(); len(got) > 0 {
		t.Errorf("there were refusals: %+v", got)
	}
	t.Logf("%d ways in work, and %d were refused when they were asked for", len(trials), refused)
}
