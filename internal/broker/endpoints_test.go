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
	w := &tenant{t: t, node: node, user: account.Issue("app"), authority: a, cert: certificate, key: key}
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
	w := configured(t, fmt.Sprintf(`
		listen: "127.0.0.1:-1"
		websocket { listen: "127.0.0.1:-1", tls { CERTIFICATE, verify: true, ca_file: %q } }`, clients.File))
	u := w.node.Endpoints().WebSocket[0]
	if w.reach(t, u, false) == nil {
		t.Error("let in without a certificate")
	}
	secure := &tls.Config{RootCAs: w.authority.Pool, Certificates: []tls.Certificate{clients.Issue(brokertest.ClientCertificate("thing"))}}
	w.user.Connect(t, u, nats.Secure(secure))
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
			n.Announce = "websocket=, websocket=wss://nats.example.com/,leafnode=tls://leaf.example.com:7423,mqtt="
			n.CAFile = brokertest.NewAuthority(t, "the proxy's").File
		})
	got := w.node.Endpoints()
	want := broker.Endpoints{WebSocket: []string{"wss://nats.example.com"}, MQTT: []string{}, MQTTWebSocket: []string{"wss://nats.example.com/mqtt"},
		LeafNodeWebSocket: []string{"wss://nats.example.com/leafnode"}}
	want.NATS, want.LeafNode, want.CA = got.NATS, append(slices.Clone(got.LeafNode[:1]), "tls://leaf.example.com:7423"), got.CA
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

// Clients of a cluster hear where its other brokers are, each over what it came by.
func TestClusterAdvertisesEachListenerToItsOwnClients(t *testing.T) {
	t.Parallel()
	routes := []int{brokertest.FreePort(t), brokertest.FreePort(t)}
	ports := []int{brokertest.FreePort(t), brokertest.FreePort(t)}
	configuration := func(i int) string {
		return fmt.Sprintf(`
			listen: "127.0.0.1:%[4]d", client_advertise: "nats-%[1]d.example.com:4222"
			websocket { listen: "127.0.0.1:-1", no_tls: true, advertise: "ws-%[1]d.example.com:443" }
			leafnodes { listen: "127.0.0.1:-1", advertise: "leaf-%[1]d.example.com:7422" }
			cluster { name: east, listen: "127.0.0.1:%[2]d", routes: ["nats://127.0.0.1:%[3]d"] }`, i, routes[i], routes[1-i], ports[i])
	}
	cluster := brokertest.StartConfigured(t, 2, func(i int, node *brokertest.Node) {
		node.Configuration, node.ControlAddress = configuration(i), fmt.Sprintf("nats://127.0.0.1:%d", ports[i])
	})
	account := cluster.Control.NewAccount("acme")
	cluster.WaitApplied(account.Change(nil))
	user := account.Issue("app")
	node := cluster.Nodes[0]
	for what, test := range map[string]struct{ at, want string }{
		"nats":      {node.ClientURL(), "nats-%d.example.com:4222"},
		"websocket": {fmt.Sprintf("ws://127.0.0.1:%d", websocketPort(t, node)), "ws-%d.example.com:443"},
	} {
		nc := user.Connect(t, test.at)
		deadline := time.Now().Add(brokertest.Patience)
		for {
			told := nc.DiscoveredServers()
			slices.Sort(told)
			if len(told) == 2 {
				for i, u := range told {
					if want := fmt.Sprintf(test.want, i); !strings.HasSuffix(u, want) {
						t.Errorf("%s clients are told of %s, want %s", what, u, want)
					}
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s clients are told of %v only", what, told)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if got := node.Endpoints(); got.WebSocket[0] != "ws://ws-0.example.com:443" || got.LeafNodeWebSocket[0] != "ws://ws-0.example.com:443/leafnode" ||
		got.LeafNode[0] != "nats-leaf://leaf-0.example.com:7422" {
		t.Errorf("endpoints = %+v, want what the file advertises", got)
	}
}

func websocketPort(t *testing.T, node *brokertest.Node) int {
	t.Helper()
	v, err := node.Server().Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	return v.Websocket.Port
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
