package broker_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// tenant is a user of a broker that stands alone, and what its clients trust.
type tenant struct {
	t         *testing.T
	node      *brokertest.Node
	account   *brokertest.Account
	user      brokertest.Credential
	authority *brokertest.Authority
	cert, key string     // the broker's, as files
	hub       *nats.Conn // in the process, so that it needs no listener
}

// configured starts a broker on the configuration, in which CERTIFICATE stands
// for the settings of one.
func configured(t *testing.T, configuration string, prepare ...func(*brokertest.Node)) *tenant {
	t.Helper()
	a := brokertest.NewAuthority(t, "the operator's")
	certificate, key := a.Server("broker.example.com")
	configuration = strings.ReplaceAll(configuration, "CERTIFICATE", fmt.Sprintf("cert_file: %q, key_file: %q, timeout: 20", certificate, key))
	cluster := brokertest.StartConfigured(t, 1, func(_ int, node *brokertest.Node) {
		node.Configuration, node.CAFile = configuration, a.File // which control needs as much as clients do
		for _, f := range prepare {
			f(node)
		}
	})
	node := cluster.Nodes[0]
	account := cluster.Control.NewAccount("acme")
	node.WaitApplied(account.Change(func(c *claims.Account) { c.Roles[0].Template.Bearer = true }))
	w := &tenant{t: t, node: node, account: account, user: account.Issue("app"), authority: a, cert: certificate, key: key}
	w.hub = w.user.Connect(t, "", nats.InProcessServer(node.Server()))
	return w
}

// reach sends a message over the URL and waits until it is there.
func (w *tenant) reach(t *testing.T, target string, tlsFirst bool) error {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	subject := "from." + nats.NewInbox()
	sub, err := w.hub.SubscribeSync(subject)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	if err := w.hub.Flush(); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(u.Scheme, "mqtt") || u.Path == "/mqtt":
		return w.reachMQTT(u, subject, sub)
	case u.Scheme == "nats-leaf" || u.Path == "/leafnode":
		return w.reachLeafNode(t, target, tlsFirst, subject, sub)
	}
	options := []nats.Option{nats.Timeout(2 * time.Second)}
	if u.Scheme == "tls" || u.Scheme == "wss" {
		options = append(options, nats.RootCAs(w.authority.File))
	}
	if tlsFirst {
		options = append(options, nats.TLSHandshakeFirst())
	}
	nc, err := w.user.Dial(target, options...)
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, secured := nc.TLSConnectionState(); (secured == nil) != (u.Scheme == "tls" || u.Scheme == "wss") {
		t.Errorf("%s: encrypted is %t", target, secured == nil)
	}
	if err := nc.Publish(subject, []byte(target)); err != nil {
		return err
	}
	_, err = sub.NextMsg(brokertest.Patience)
	return err
}

func (w *tenant) reachMQTT(u *url.URL, subject string, sub *nats.Subscription) error {
	scheme := map[string]string{"mqtt": "tcp", "mqtts": "ssl"}[u.Scheme]
	if scheme == "" {
		scheme = u.Scheme
	}
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(scheme + "://" + u.Host + u.Path).SetClientID("thing").SetUsername("app").
		SetPassword(w.user.JWT).SetTLSConfig(&tls.Config{RootCAs: w.authority.Pool}).SetConnectTimeout(2 * time.Second).SetProtocolVersion(4))
	if token := client.Connect(); !token.WaitTimeout(brokertest.Patience) || token.Error() != nil {
		return fmt.Errorf("connect: %w", token.Error())
	}
	defer client.Disconnect(0)
	if token := client.Publish(strings.ReplaceAll(subject, ".", "/"), 1, false, "mqtt"); !token.WaitTimeout(brokertest.Patience) || token.Error() != nil {
		return fmt.Errorf("publish: %w", token.Error())
	}
	_, err := sub.NextMsg(brokertest.Patience)
	return err
}

// reachLeafNode goes through a nats-server that is a leaf node and nothing of ours.
func (w *tenant) reachLeafNode(t *testing.T, target string, tlsFirst bool, subject string, sub *nats.Subscription) error {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "leaf.conf")
	text := fmt.Sprintf("listen: \"127.0.0.1:-1\"\nleafnodes { remotes [{ url: %q, credentials: %q, SECURE }] }", target, w.user.File(t))
	secure := ""
	if strings.HasPrefix(target, "tls") || strings.HasPrefix(target, "wss") {
		secure = fmt.Sprintf("tls { ca_file: %q, handshake_first: %t, timeout: 20 }", w.authority.File, tlsFirst)
	}
	if err := os.WriteFile(conf, []byte(strings.ReplaceAll(text, "SECURE", secure)), 0o600); err != nil {
		return err
	}
	o, err := server.ProcessConfigFile(conf)
	if err != nil {
		return err
	}
	o.NoSigs, o.NoLog = true, true
	leaf, err := server.NewServer(o)
	if err != nil {
		return err
	}
	leaf.Start()
	defer func() { leaf.Shutdown(); leaf.WaitForShutdown() }()
	behind, err := nats.Connect("", nats.InProcessServer(leaf))
	if err != nil {
		return err
	}
	defer behind.Close()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if err := behind.Publish(subject, nil); err != nil {
			return err
		}
		if _, err = sub.NextMsg(50 * time.Millisecond); err == nil {
			return nil
		}
	}
	return err
}

// portless takes the ports, which are the system's choice, out of URLs of this machine.
func portless(urls []string) []string {
	var all []string
	for _, text := range urls {
		u, err := url.Parse(text)
		if err == nil && u.Hostname() == "127.0.0.1" {
			u.Host = u.Hostname()
			text = u.String()
		}
		all = append(all, text)
	}
	return all
}

func TestEveryURLThatIsAnnouncedWorks(t *testing.T) {
	t.Parallel()
	const rest = `
		jetstream {}
		mqtt { listen: "127.0.0.1:-1", MQTT }
		leafnodes { listen: "127.0.0.1:-1", LEAF }
		websocket { listen: "127.0.0.1:-1", WEBSOCKET }
	`
	with := func(main, mqtt, leaf, websocket string) string {
		return main + strings.NewReplacer("MQTT", mqtt, "LEAF", leaf, "WEBSOCKET", websocket).Replace(rest)
	}
	for name, test := range map[string]struct {
		configuration string
		want          broker.Endpoints
	}{
		"plain": {
			with(`listen: "127.0.0.1:-1"`, "", "", "no_tls: true"),
			broker.Endpoints{NATS: []string{"nats://127.0.0.1"}, WebSocket: []string{"ws://127.0.0.1"}, MQTT: []string{"mqtt://127.0.0.1"},
				LeafNode: []string{"nats-leaf://127.0.0.1"}, MQTTWebSocket: []string{"ws://127.0.0.1/mqtt"},
				LeafNodeWebSocket: []string{"ws://127.0.0.1/leafnode"}},
		},
		"TLS, although no_tls is set": {
			with(`listen: "127.0.0.1:-1", tls { CERTIFICATE }`, "tls { CERTIFICATE }", "tls { CERTIFICATE }", "tls { CERTIFICATE }, no_tls: true"),
			broker.Endpoints{NATS: []string{"tls://127.0.0.1"}, WebSocket: []string{"wss://127.0.0.1"}, MQTT: []string{"mqtts://127.0.0.1"},
				LeafNode: []string{"tls://127.0.0.1"}, MQTTWebSocket: []string{"wss://127.0.0.1/mqtt"},
				LeafNodeWebSocket: []string{"wss://127.0.0.1/leafnode"}},
		},
		"both, TLS first where it comes first": {
			with(`listen: "127.0.0.1:-1", tls { CERTIFICATE, handshake_first: "300ms" }, allow_non_tls: true`,
				"tls { CERTIFICATE }", `tls { CERTIFICATE, handshake_first: "300ms" }`, "no_tls: true"),
			broker.Endpoints{NATS: []string{"nats://127.0.0.1", "tls://127.0.0.1"}, WebSocket: []string{"ws://127.0.0.1"},
				MQTT: []string{"mqtt://127.0.0.1", "mqtts://127.0.0.1"}, LeafNode: []string{"tls://127.0.0.1"},
				MQTTWebSocket: []string{"ws://127.0.0.1/mqtt"}, LeafNodeWebSocket: []string{"ws://127.0.0.1/leafnode"},
				TLSFirst: []string{"tls://127.0.0.1", "tls://127.0.0.1"}},
		},
		"TLS first alone, which allow_non_tls does not change": {
			with(`listen: "127.0.0.1:-1", tls { CERTIFICATE, handshake_first: true }, allow_non_tls: true`,
				"tls { CERTIFICATE }", "tls { CERTIFICATE, handshake_first: true }", "no_tls: true"),
			broker.Endpoints{NATS: []string{"tls://127.0.0.1"}, WebSocket: []string{"ws://127.0.0.1"},
				MQTT: []string{"mqtt://127.0.0.1", "mqtts://127.0.0.1"}, LeafNode: []string{"tls://127.0.0.1"},
				MQTTWebSocket: []string{"ws://127.0.0.1/mqtt"}, LeafNodeWebSocket: []string{"ws://127.0.0.1/leafnode"},
				TLSFirst: []string{"tls://127.0.0.1", "tls://127.0.0.1"}, TLSFirstOnly: []string{"tls://127.0.0.1", "tls://127.0.0.1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := configured(t, test.configuration)
			got := w.node.Endpoints()
			bare := broker.Endpoints{NATS: portless(got.NATS), WebSocket: portless(got.WebSocket), MQTT: portless(got.MQTT), LeafNode: portless(got.LeafNode),
				MQTTWebSocket: portless(got.MQTTWebSocket), LeafNodeWebSocket: portless(got.LeafNodeWebSocket),
				TLSFirst: portless(got.TLSFirst), TLSFirstOnly: portless(got.TLSFirstOnly)}
			if diff := cmp.Diff(test.want, bare); diff != "" {
				t.Fatalf("endpoints (-want +got):\n%s", diff)
			}
			for _, u := range slices.Concat(got.NATS, got.WebSocket, got.MQTT, got.MQTTWebSocket, got.LeafNodeWebSocket) {
				if slices.Contains(got.TLSFirstOnly, u) {
					if w.reach(t, u, false) == nil {
						t.Errorf("%s takes who does not begin with TLS", u)
					}
					continue
				}
				if err := w.reach(t, u, false); err != nil {
					t.Errorf("%s: %v", u, err)
				}
			}
			for _, u := range got.TLSFirst {
				if slices.Contains(got.NATS, u) {
					if err := w.reach(t, u, true); err != nil {
						t.Errorf("%s, TLS first: %v", u, err)
					}
				}
			}
			for _, u := range got.LeafNode {
				for _, first := range []bool{false, true} {
					if first && !slices.Contains(got.TLSFirst, u) || !first && slices.Contains(got.TLSFirstOnly, u) {
						continue
					}
					if err := w.reachLeaf(t, u, first); err != nil {
						t.Errorf("leaf node at %s, TLS first %t: %v", u, first, err)
					}
				}
			}
		})
	}
}

func (w *tenant) reachLeaf(t *testing.T, target string, tlsFirst bool) error {
	t.Helper()
	sub, err := w.hub.SubscribeSync("leaf." + nats.NewInbox())
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	return w.reachLeafNode(t, target, tlsFirst, sub.Subject, sub)
}

func TestPlainClientsStayOutWhereOnlyTLSIsAnnounced(t *testing.T) {
	t.Parallel()
	w := configured(t, `
		listen: "127.0.0.1:-1", tls { CERTIFICATE }
		jetstream {}
		mqtt { listen: "127.0.0.1:-1", tls { CERTIFICATE } }
		leafnodes { listen: "127.0.0.1:-1", tls { CERTIFICATE } }
		websocket { listen: "127.0.0.1:-1", tls { CERTIFICATE } }`)
	e := w.node.Endpoints()
	for scheme, u := range map[string]string{"ws": e.WebSocket[0], "mqtt": e.MQTT[0]} {
		_, rest, _ := strings.Cut(u, "://")
		if w.reach(t, scheme+"://"+rest, false) == nil {
			t.Errorf("%s is reached without TLS", u)
		}
	}
	// nats.go would go over to TLS if the server says so, and find that it does not know the authority.
	nc, err := net.Dial("tcp", strings.TrimPrefix(e.NATS[0], "tls://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	line, err := bufio.NewReader(nc).ReadString('\n')
	var info struct {
		TLSRequired bool `json:"tls_required"`
	}
	if err != nil || json.Unmarshal([]byte(strings.TrimPrefix(line, "INFO ")), &info) != nil || !info.TLSRequired {
		t.Errorf("the first line is %q, %v; want it to require TLS", line, err)
	}
}

func TestClientsWithAndWithoutCertificateGetIn(t *testing.T) {
	t.Parallel()
	w := configured(t, `
		listen: "127.0.0.1:-1", tls { CERTIFICATE }
		websocket { listen: "127.0.0.1:-1", tls { CERTIFICATE } }`)
	e := w.node.Endpoints()
	anybody := brokertest.NewAuthority(t, "not the operator's")
	asked := map[string]bool{}
	for _, u := range []string{e.NATS[0], e.WebSocket[0]} {
		for name, certificates := range map[string][]tls.Certificate{"none": nil, "somebody's": {anybody.Issue(brokertest.ClientCertificate("thing"))}} {
			secure := &tls.Config{RootCAs: w.authority.Pool, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked[u] = true
				if len(certificates) == 0 {
					return &tls.Certificate{}, nil
				}
				return &certificates[0], nil
			}}
			nc, err := w.user.Dial(u, nats.Secure(secure))
			if err != nil {
				t.Errorf("%s with certificate %s: %v", u, name, err)
				continue
			}
			nc.Close()
		}
	}
	if want := map[string]bool{e.NATS[0]: true}; !cmp.Equal(want, asked) {
		t.Errorf("asked for a certificate at %v, want %v: browsers give up on a WebSocket that asks", asked, want)
	}
}

func TestCertificateIsRequiredWhereTheFileSaysSo(t *testing.T) {
	t.Parallel()
	clients := brokertest.NewAuthority(t, "the devices'")
	w := configured(t, strings.ReplaceAll(`
		listen: "127.0.0.1:-1"
		jetstream {}
		mqtt { listen: "127.0.0.1:-1", VERIFY }
		leafnodes { listen: "127.0.0.1:-1", VERIFY }
		websocket { listen: "127.0.0.1:-1", VERIFY }`, "VERIFY", fmt.Sprintf("tls { CERTIFICATE, verify: true, ca_file: %q }", clients.File)))
	e := w.node.Endpoints()
	thing, anybody := clients.Issue(brokertest.ClientCertificate("thing")), brokertest.NewAuthority(t, "not theirs").Issue(brokertest.ClientCertificate("thing"))
	for _, u := range []string{e.MQTT[0], e.LeafNode[0], e.WebSocket[0]} {
		u, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		for name, certificates := range map[string][]tls.Certificate{"no certificate": nil, "one of another authority": {anybody}, "one of theirs": {thing}} {
			at := u.Host
			if u.Scheme == "tls" { // a leaf node's server says something before TLS
				leaf, err := net.Dial("tcp", at)
				if err != nil {
					t.Fatal(err)
				}
				defer leaf.Close()
				if _, err := bufio.NewReader(leaf).ReadString('\n'); err != nil {
					t.Fatal(err)
				}
				err = tls.Client(leaf, w.shows(certificates)).Handshake()
				if (err == nil) != (name == "one of theirs") {
					t.Errorf("%s with %s: %v", u, name, err)
				}
				continue
			}
			conn, err := tls.Dial("tcp", at, w.shows(certificates))
			if err == nil {
				conn.Close()
			}
			if (err == nil) != (name == "one of theirs") {
				t.Errorf("%s with %s: %v", u, name, err)
			}
		}
	}
	secure := &tls.Config{RootCAs: w.authority.Pool, Certificates: []tls.Certificate{thing}}
	w.user.Connect(t, e.WebSocket[0], nats.Secure(secure))
}

// shows is a client's end of TLS. It is an older one, in which the handshake itself
// fails; in TLS 1.3 the client hears later what the server thinks of its certificate.
func (w *tenant) shows(certificates []tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: w.authority.Pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, Certificates: certificates}
}

func TestNothingIsSaidOfListenersThatAreWithheld(t *testing.T) {
	t.Parallel()
	w := configured(t, `
		listen: "127.0.0.1:-1", tls { CERTIFICATE, handshake_first: auto }
		leafnodes { listen: "127.0.0.1:-1", tls { CERTIFICATE, handshake_first: auto } }`,
		func(n *brokertest.Node) { n.Announce = "nats=,leafnode=,nats=tls://nats.example.com" })
	got := w.node.Endpoints()
	want := broker.Endpoints{NATS: []string{"tls://nats.example.com"}, WebSocket: []string{}, MQTT: []string{}, LeafNode: []string{},
		TLSFirst: []string{}, CA: got.CA}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBrokerAnnouncesWhatAProxyOffers(t *testing.T) {
	t.Parallel()
	w := configured(t, `
		listen: "127.0.0.1:-1"
		jetstream {}
		mqtt { listen: "127.0.0.1:-1" }
		leafnodes { listen: "127.0.0.1:-1" }
		websocket { listen: "127.0.0.1:-1", no_tls: true }`,
		func(n *brokertest.Node) {
			n.Announce = "websocket=, websocket=wss://nats.example.com/,leafnode=tls://leaf.example.com:7423?handshake_first=auto,mqtt=," +
				"nats=tls://nats.example.com?handshake_first=true"
			n.CAFile = brokertest.NewAuthority(t, "the proxy's").File
		})
	got := w.node.Endpoints()
	want := broker.Endpoints{WebSocket: []string{"wss://nats.example.com"}, MQTT: []string{}, MQTTWebSocket: []string{"wss://nats.example.com/mqtt"},
		LeafNodeWebSocket: []string{"wss://nats.example.com/leafnode"}}
	want.NATS, want.LeafNode = append(slices.Clone(got.NATS[:1]), "tls://nats.example.com"), append(slices.Clone(got.LeafNode[:1]), "tls://leaf.example.com:7423")
	want.TLSFirst, want.TLSFirstOnly, want.CA = []string{"tls://leaf.example.com:7423", "tls://nats.example.com"}, []string{"tls://nats.example.com"}, got.CA
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	file, err := os.ReadFile(w.node.CAFile)
	if err != nil || got.CA != string(file) {
		t.Errorf("authorities = %q, %v, want the file's", got.CA, err)
	}
}

func TestAnnouncingWhatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	_, key := brokertest.NewAuthority(t, "mine").Server()
	for name, cfg := range map[string]broker.Config{
		"PROTOCOL=URL":                         {Announce: "wss://nats.example.com"},
		"a URL like ws://host:port":            {Announce: "websocket=https://nats.example.com"},
		"only handshake_first=auto":            {Announce: "nats=tls://nats.example.com?handshake_first=maybe"},
		"only of tls://":                       {Announce: "nats=nats://nats.example.com?handshake_first=true"},
		"not \"verify=false\"":                 {Announce: "websocket=wss://nats.example.com?verify=false"},
		"a URL like nats-leaf://host:port":     {Announce: "leafnode=tls://user:hunter2@leaf.example.com"},
		"only certificates belong there":       {CAFile: key},
		"read the certificate authorities":     {CAFile: filepath.Join(t.TempDir(), "missing")},
		"must hold certificates as PEM, of 65": {CAFile: os.DevNull},
	} {
		cfg.DataDir = t.TempDir()
		if _, err := broker.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error = %v, want it to say %q", err, name)
		}
	}
}

// Who has connected to one broker of a cluster knows all of them: each client, and
// each leaf node, by addresses of what it came over.
func TestClusterAdvertisesEachListenerToItsOwnClients(t *testing.T) {
	t.Parallel()
	const size = 3
	var routes []string
	var ports [size]int
	for i := range ports {
		ports[i] = brokertest.FreePort(t)
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", brokertest.FreePort(t)))
	}
	a := brokertest.NewAuthority(t, "the operator's")
	certificate, key := a.Server("nats-0.example.com", "nats-1.example.com", "nats-2.example.com")
	// The first takes TLS and WebSocket with TLS, as the others would in earnest.
	secure := fmt.Sprintf("tls { cert_file: %q, key_file: %q, timeout: 20 }", certificate, key)
	cluster := brokertest.StartConfigured(t, size, func(i int, node *brokertest.Node) {
		websocket, nats := "no_tls: true", ""
		if i == 0 {
			websocket, nats = secure, secure+", allow_non_tls: true"
		}
		node.ControlAddress = fmt.Sprintf("nats://127.0.0.1:%d", ports[i])
		node.Configuration = fmt.Sprintf(`
			listen: "127.0.0.1:%[2]d", client_advertise: "nats-%[1]d.example.com:4222", %[4]s
			websocket { listen: "127.0.0.1:-1", advertise: "ws-%[1]d.example.com:443", %[5]s }
			leafnodes { listen: "127.0.0.1:-1", advertise: "leaf-%[1]d.example.com:7422" }
			cluster { name: east, listen: %[3]q, routes: [%[6]s] }`,
			i, ports[i], strings.TrimPrefix(routes[i], "nats://"), nats, websocket, strings.Join(routes, ", "))
	})
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	first, plain := cluster.Nodes[0], cluster.Nodes[1]
	ports0, ports1 := listening(t, first), listening(t, plain)
	all := func(what string, port int) (urls []string) {
		for i := range size {
			urls = append(urls, fmt.Sprintf("%s-%d.example.com:%d", what, i, port))
		}
		return urls
	}
	for at, want := range map[string][]string{
		fmt.Sprintf("nats://127.0.0.1:%d", ports[1]):        all("nats", 4222),
		fmt.Sprintf("tls://127.0.0.1:%d", ports[0]):         all("nats", 4222),
		fmt.Sprintf("ws://127.0.0.1:%d", ports1.ws):         all("ws", 443),
		fmt.Sprintf("wss://127.0.0.1:%d", ports0.ws):        all("ws", 443),
		fmt.Sprintf("leafnode://127.0.0.1:%d", ports1.leaf): all("leaf", 7422),
	} {
		scheme, _, _ := strings.Cut(at, "://")
		told := func() []string { return leafNodesOf(t, at) }
		if scheme != "leafnode" {
			told = user.Connect(t, at, func(o *nats.Options) error {
				o.IgnoreDiscoveredServers = false
				if scheme == "tls" || scheme == "wss" {
					return nats.RootCAs(a.File)(o)
				}
				return nil
			}).DiscoveredServers
		}
		var got []string
		for deadline := time.Now().Add(brokertest.Patience); len(got) < size && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			got = nil
			for _, u := range told() { // which nats.go has given the scheme that it came by
				if over, rest, has := strings.Cut(u, "://"); has {
					if u = rest; over != scheme {
						t.Errorf("who came over %s is told of %s", at, over+"://"+rest)
					}
				}
				got = append(got, u)
			}
			slices.Sort(got)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("who came over %s is told of (-want +got):\n%s", at, diff)
		}
	}
	if got := plain.Endpoints(); got.WebSocket[0] != "ws://ws-1.example.com:443" || got.LeafNodeWebSocket[0] != "ws://ws-1.example.com:443/leafnode" ||
		got.LeafNode[0] != "nats-leaf://leaf-1.example.com:7422" {
		t.Errorf("endpoints = %+v, want what the file advertises", got)
	}
	if got := first.Endpoints(); got.WebSocket[0] != "wss://ws-0.example.com:443" || !slices.Contains(got.NATS, "tls://nats-0.example.com:4222") {
		t.Errorf("endpoints = %+v, want what the file advertises", got)
	}
}

// leafNodesOf is what the listener for leaf nodes says first about the cluster's.
func leafNodesOf(t *testing.T, at string) []string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(at, "leafnode://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	var info struct {
		URLs []string `json:"leafnode_urls"`
	}
	if err != nil || json.Unmarshal([]byte(strings.TrimPrefix(line, "INFO ")), &info) != nil {
		t.Fatalf("it says %q: %v", line, err)
	}
	return info.URLs
}

// listening are the ports of a broker that advertises others.
func listening(t *testing.T, node *brokertest.Node) (ports struct{ ws, leaf int }) {
	t.Helper()
	v, err := node.Server().Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	ports.ws, ports.leaf = v.Websocket.Port, v.LeafNode.Port
	return ports
}

// The configuration in docs/tls.md, but for its ports and certificates.
func TestConfigurationOfTheTLSPageOffersWhatItSays(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/tls.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?ms)^```conf\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(examples) != 1 {
		t.Fatalf("the page has %d configurations, want 1", len(examples))
	}
	here := strings.NewReplacer("0.0.0.0:4222", "127.0.0.1:-1", "0.0.0.0:1883", "127.0.0.1:-1", "0.0.0.0:7422", "127.0.0.1:-1", "0.0.0.0:9222", "127.0.0.1:-1",
		`cert_file: "/etc/signalbox/server.pem"`, "CERTIFICATE", `key_file: "/etc/signalbox/server.key"`, "")
	port := brokertest.FreePort(t)
	configuration := strings.Replace(here.Replace(examples[0][1]), "127.0.0.1:-1", fmt.Sprintf("127.0.0.1:%d", port), 1)
	w := configured(t, configuration, func(n *brokertest.Node) { n.ControlAddress = fmt.Sprintf("tls://127.0.0.1:%d", port) })
	got := w.node.Endpoints()
	want := broker.Endpoints{
		NATS: []string{"nats://nats.example.com:4222", "tls://nats.example.com:4222"}, MQTT: []string{"mqtt://127.0.0.1", "mqtts://127.0.0.1"},
		LeafNode: []string{"tls://leaf.example.com:7422"}, WebSocket: []string{"wss://ws.example.com:9222"},
		MQTTWebSocket: []string{"wss://ws.example.com:9222/mqtt"}, LeafNodeWebSocket: []string{"wss://ws.example.com:9222/leafnode"},
		TLSFirst: []string{"tls://nats.example.com:4222"}, CA: got.CA,
	}
	got.MQTT = portless(got.MQTT)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, first := range []bool{false, true} {
		if err := w.reach(t, fmt.Sprintf("tls://127.0.0.1:%d", port), first); err != nil {
			t.Errorf("TLS first %t: %v", first, err)
		}
	}
}

func TestRenewedCertificateIsShownWithoutARestart(t *testing.T) {
	t.Parallel()
	w := configured(t, `
		listen: "127.0.0.1:-1", tls { CERTIFICATE }
		websocket { listen: "127.0.0.1:-1", tls { CERTIFICATE } }`)
	e := w.node.Endpoints()
	shown := func(u string) string {
		t.Helper()
		nc, err := w.user.Dial(u, nats.RootCAs(w.authority.File))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		state, err := nc.TLSConnectionState()
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.String()
	}
	// With a name and without: clients that connect to an address tell no name.
	urls := []string{e.NATS[0], strings.Replace(e.NATS[0], "127.0.0.1", "localhost", 1), e.WebSocket[0]}
	before := shown(urls[0])
	certificate, key := w.authority.Server()
	replace := func(file, with string) {
		t.Helper()
		text, err := os.ReadFile(with)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace(w.cert, certificate) // and for a while its key is the old one
	for began := time.Now(); time.Since(began) < 1500*time.Millisecond; {
		if got := shown(urls[0]); got != before {
			t.Fatalf("certificate %s is shown without its key", got)
		}
	}
	replace(w.key, key)
	for _, u := range urls {
		for deadline := time.Now().Add(brokertest.Patience); shown(u) == before; {
			if time.Now().After(deadline) {
				t.Fatalf("%s still shows the certificate from before", u)
			}
		}
	}
	metrics, err := http.Get(w.node.MetricsURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer metrics.Body.Close()
	text, err := io.ReadAll(metrics.Body)
	if err != nil || !strings.Contains(string(text), `signalbox_broker_certificate_expires_timestamp_seconds{listener="websocket"}`) {
		t.Errorf("no metric says when the certificate expires: %v", err)
	}
}
