package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/api"
)

// development is what make run starts.
type development struct {
	process *process
	ports   map[string]string // by the middle of their variables' names
}

func startDev(t *testing.T) *development {
	t.Helper()
	names := []string{"HTTP", "NATS", "NATS_TLS", "WS", "WSS", "MQTT", "LEAFNODE", "LEAFNODE_TLS", "CONTROL_METRICS", "BROKER_METRICS"}
	ports := map[string]string{}
	env := []string{"SIGNALBOX_DATA=" + t.TempDir(), "SIGNALBOX_BROKER_BINARY=" + filepath.Join(binaries, "broker")}
	for i, port := range freePorts(t, len(names)) {
		ports[names[i]] = port
		env = append(env, "SIGNALBOX_"+names[i]+"_PORT="+port)
	}
	dev := startProcess(t, env, "control", "dev")
	eventually(t, "all of it to run", func() error {
		if out := dev.output(); !strings.Contains(out, "Signalbox is running.") {
			return fmt.Errorf("it said: %s", out)
		}
		return nil
	})
	return &development{dev, ports}
}

// What make run offers is what the API says, and each of its URLs works for a
// client that trusts the authority that the API hands out.
func TestDevServesTLSBesidePlain(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	dev, ports := d.process, d.ports
	s := &stack{t: t, url: "http://127.0.0.1:" + ports["HTTP"]}
	c := s.signUp("engines")
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "any", "bearer": true}, &role)
	p := c.badge(c.account, role.ID)
	var e api.Endpoints
	eventually(t, "the broker to say where it is", func() error {
		c.must("GET", "/v1/accounts/"+c.account+"/endpoints", nil, &e)
		if len(e.Wss) == 0 {
			return fmt.Errorf("no wss yet: %+v", e)
		}
		return nil
	})
	at := func(scheme, name, path string) string { return scheme + "://127.0.0.1:" + ports[name] + path }
	want := api.Endpoints{
		Nats: []string{at("nats", "NATS", ""), at("tls", "NATS_TLS", "")}, Tls: []string{at("tls", "NATS_TLS", "")},
		TlsFirst: slices.Sorted(slices.Values([]string{at("tls", "NATS_TLS", ""), at("tls", "LEAFNODE_TLS", "")})), TlsFirstOnly: []string{},
		Websocket: []string{at("ws", "WS", ""), at("wss", "WSS", "")}, Ws: []string{at("ws", "WS", "")}, Wss: []string{at("wss", "WSS", "")},
		Mqtt: []string{at("mqtt", "MQTT", ""), at("mqtts", "MQTT", "")}, Mqtts: []string{at("mqtts", "MQTT", "")},
		MqttWs: []string{at("ws", "WS", "/mqtt")}, MqttWss: []string{at("wss", "WSS", "/mqtt")},
		Leafnode: []string{at("nats-leaf", "LEAFNODE", ""), at("tls", "LEAFNODE_TLS", "")}, LeafnodeTls: []string{at("tls", "LEAFNODE_TLS", "")},
		LeafnodeWs: []string{at("ws", "WS", "/leafnode")}, LeafnodeWss: []string{at("wss", "WSS", "/leafnode")}, CaPem: e.CaPem,
	}
	if diff := cmp.Diff(want, e); diff != "" || e.CaPem == nil {
		t.Fatalf("endpoints (-want +got):\n%s", diff)
	}
	for _, u := range append(e.Nats, e.Ws[0], e.Wss[0], e.Mqtts[0], e.LeafnodeTls[0]) {
		if !strings.Contains(dev.output(), u) {
			t.Errorf("the banner does not tell of %s", u)
		}
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	check(t, os.WriteFile(ca, []byte(*e.CaPem), 0o600))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(*e.CaPem))

	hub, err := nats.Connect(e.Nats[0], nats.UserCredentials(p.file))
	check(t, err)
	t.Cleanup(hub.Close)
	here, err := hub.SubscribeSync("here")
	check(t, err)
	check(t, hub.Flush())
	arrived := func(t *testing.T, from string) {
		t.Helper()
		if m, err := here.NextMsg(patience); err != nil || string(m.Data) != from {
			t.Errorf("heard %+v, %v; want it from %s", m, err, from)
		}
	}
	for _, u := range append(e.Nats, e.Websocket...) {
		options := []nats.Option{nats.UserCredentials(p.file), nats.Timeout(patience)}
		if u == e.Tls[0] || u == e.Wss[0] {
			options = append(options, nats.RootCAs(ca))
		}
		nc, err := nats.Connect(u, options...)
		if err != nil {
			t.Errorf("%s: %v", u, err)
			continue
		}
		check(t, nc.Publish("here", []byte(u)))
		arrived(t, u)
		nc.Close()
	}
	// Clients that take any offer of TLS find none where it is plain.
	for at, want := range map[string]bool{e.Nats[0]: false, e.Tls[0]: true, e.Leafnode[0]: false, e.LeafnodeTls[0]: true} {
		_, address, _ := strings.Cut(at, "://")
		conn, err := net.Dial("tcp", address)
		check(t, err)
		line, err := bufio.NewReader(conn).ReadString('\n')
		check(t, errors.Join(err, conn.Close()))
		if strings.Contains(line, "tls_") != want {
			t.Errorf("%s begins with %s; want talk of TLS: %t", at, line, want)
		}
		if want && strings.Contains(line, "_urls") {
			t.Errorf("%s begins with %s, which names other addresses: they are plain", at, line)
		}
	}
	nc, err := nats.Connect(e.Tls[0], nats.UserCredentials(p.file), nats.RootCAs(ca), nats.TLSHandshakeFirst())
	check(t, err)
	nc.Close()
	for u, paho := range map[string]string{e.Mqtt[0]: strings.Replace(e.Mqtt[0], "mqtt:", "tcp:", 1), e.Mqtts[0]: strings.Replace(e.Mqtts[0], "mqtts:", "ssl:", 1),
		e.MqttWs[0]: e.MqttWs[0], e.MqttWss[0]: e.MqttWss[0]} {
		client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(paho).SetClientID("dev").SetUsername("jwt").SetPassword(p.jwt).
			SetTLSConfig(&tls.Config{RootCAs: roots}).SetConnectTimeout(patience))
		if token := client.Connect(); !token.WaitTimeout(patience) || token.Error() != nil {
			t.Errorf("%s: %v", u, token.Error())
			continue
		}
		if token := client.Publish("here", 1, false, u); !token.WaitTimeout(patience) || token.Error() != nil {
			t.Errorf("%s: publish: %v", u, token.Error())
		}
		arrived(t, u)
		client.Disconnect(0)
	}
	for i, leafNode := range []struct{ url, secure string }{
		{e.Leafnode[0], ""}, {e.LeafnodeTls[0], fmt.Sprintf(", tls { ca_file: %q }", ca)},
		{e.LeafnodeTls[0], fmt.Sprintf(", tls { ca_file: %q, handshake_first: true }", ca)},
		{e.LeafnodeWs[0], ""}, {e.LeafnodeWss[0], fmt.Sprintf(", tls { ca_file: %q }", ca)},
	} {
		leaf, log := startLeaf(t, fmt.Sprintf("server_name: leaf-%d\nleafnodes { remotes [{ url: %q, credentials: %q%s }] }", i, leafNode.url, p.file, leafNode.secure))
		behind, err := nats.Connect(leaf.ClientURL())
		check(t, err)
		eventually(t, "a message through a leaf node at "+leafNode.url+leafNode.secure, func() error {
			check(t, behind.Publish("here", []byte(leafNode.url)))
			if _, err := here.NextMsg(100 * time.Millisecond); err != nil {
				return fmt.Errorf("%w; the leaf node said: %s", err, log.said())
			}
			return nil
		})
		behind.Close()
		leaf.Shutdown()
		leaf.WaitForShutdown()
		for err = error(nil); err == nil; _, err = here.NextMsg(50 * time.Millisecond) { // what was sent more than once
		}
	}
}

// The commands of the pages that go on where the README's first message ends, as they stand there.
func TestCommandsOfTheWaysInWork(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	var script strings.Builder
	for i, b := range blocks(t) {
		if i > firstMessage {
			break // what comes then revokes the credential
		}
		if b.tested {
			script.WriteString(b.text + "\n")
		}
	}
	for _, page := range []string{"docs/tls.md", "docs/websocket.md", "docs/leaf-nodes.md", "docs/mqtt.md"} {
		script.WriteString(commands(t, page))
	}
	tools := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(tools, "nats-server"), "github.com/nats-io/nats-server/v2")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build nats-server: %v\n%s", err, out)
	}
	typed(t, script.String(), t.TempDir(), tools, append(d.addresses(), "127.0.0.1:4333", "127.0.0.1:"+freePorts(t, 1)[0]), []string{
		`Published 9 bytes to "orders.new"`, `Published 29 bytes to "orders.new"`, `Published 24 bytes to "orders.new"`, // docs/tls.md
		`Published 14 bytes to "orders.new"`, // docs/websocket.md
		"20 kWh\n21 kWh\n",
	})
}

// addresses are those in the documents, each followed by the one here.
func (d *development) addresses() []string {
	all := []string{"-p 1883", "-p " + d.ports["MQTT"]}
	for port, name := range map[string]string{"8080": "HTTP", "4222": "NATS", "4223": "NATS_TLS", "9222": "WS", "9223": "WSS", "7422": "LEAFNODE", "7423": "LEAFNODE_TLS"} {
		all = append(all, "127.0.0.1:"+port, "127.0.0.1:"+d.ports[name])
	}
	return all
}

// firstMessage is the index of the README's block that sends it.
const firstMessage = 2

func TestDevAuthorityStaysAndItsCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	data, now := t.TempDir(), time.Now()
	files, err := prepareTLS(data, now)
	check(t, err)
	read := func(path string) string {
		text, err := os.ReadFile(path)
		check(t, err)
		return string(text)
	}
	ca, server := read(files.ca), read(files.server)
	for _, test := range []struct {
		after   time.Duration
		renewed bool
	}{{0, false}, {serverLife - renewIn - time.Hour, false}, {serverLife - renewIn + time.Hour, true}, {serverLife + time.Hour, true}} {
		again, err := prepareTLS(data, now.Add(test.after))
		check(t, err)
		if again != files || read(files.ca) != ca {
			t.Errorf("after %s there is another authority", test.after)
		}
		if renewed := read(files.server) != server; renewed != test.renewed {
			t.Errorf("after %s the certificate is another: %t, want %t", test.after, renewed, test.renewed)
		}
		check(t, os.WriteFile(files.server, []byte(server), 0o600))
	}
	check(t, os.WriteFile(files.server, []byte("damaged"), 0o600))
	_, err = prepareTLS(data, now)
	check(t, err)
	if !serves(files.server, parsed(t, ca), []string{"localhost"}, now) {
		t.Error("a damaged certificate stays")
	}
	for _, name := range []string{"ca.key", "ca.pem", "server.pem"} {
		info, err := os.Stat(filepath.Join(data, "tls", name))
		check(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the mode of %s is %o, want 600", name, info.Mode().Perm())
		}
	}
}

func parsed(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	c, err := x509.ParseCertificate(block.Bytes)
	check(t, err)
	return c
}

// Who trusts the authority of somebody's make run trusts it for that machine alone.
func TestDevAuthorityCannotSpeakForOthers(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	files, err := prepareTLS(data, time.Now())
	check(t, err)
	text, err := os.ReadFile(files.ca)
	check(t, err)
	ca := parsed(t, string(text))
	key, err := keepKey(filepath.Join(data, "tls", "ca.key"))
	check(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for name, want := range map[string]bool{"localhost": true, "example.com": false} {
		signed, err := newServer(ca, key, []string{name}, time.Now())
		check(t, err)
		_, err = parsed(t, string(signed)).Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
		if (err == nil) != want {
			t.Errorf("a certificate for %s: %v, want it to be trusted: %t", name, err, want)
		}
	}
	if !ca.PermittedDNSDomainsCritical || !ca.MaxPathLenZero {
		t.Error("programs that do not know such bounds trust it all the same, or there can be an authority below it")
	}
	if ca.PermittedIPRanges[0].Contains(net.IPv4(10, 0, 0, 1)) {
		t.Error("it may sign for other machines' addresses")
	}
}

// A broker may be encrypted whole: control trusts the authority that the broker
// tells it of, and begins with TLS where the broker wants it, and not where only a
// proxy in front does.
func TestControlReachesBrokersThatSpeakOnlyTLS(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.startControl()
	a := newAuthority(t)
	c := s.signUp("engines")
	creds := c.issue(c.user("app", "").ID)
	ports := freePorts(t, 6)
	// In front of the broker, as tenants are told: it takes nothing but TLS.
	const proxy = "tls://nats.example.com:4222"
	for i, test := range []struct{ secure, announce string }{
		{a.tls(""), ""}, {a.tls(", handshake_first: true"), ""}, {"", "nats=,nats=" + proxy + "?handshake_first=true"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "nats.conf")
		check(t, os.WriteFile(file, fmt.Appendf(nil, "listen: 127.0.0.1:%s\n%s\njetstream { store_dir: %q }\n", ports[2*i], test.secure, dir), 0o600))
		startProcess(t, []string{"SIGNALBOX_TOKEN=" + enrolment}, "broker", "--control", s.url, "--data", filepath.Join(dir, "broker"), "-c", file,
			"--name", fmt.Sprint("secure-", i), "--ca", a.ca, "--announce", test.announce, "--metrics", "127.0.0.1:"+ports[2*i+1])
		eventually(t, "the broker to be ready", func() error { return ready("http://127.0.0.1:"+ports[2*i+1], 200) })
		if test.secure == "" {
			continue
		}
		options := []nats.Option{nats.UserCredentials(creds.file), nats.RootCAs(a.ca)}
		if i == 1 {
			options = append(options, nats.TLSHandshakeFirst())
		}
		nc, err := nats.Connect("tls://127.0.0.1:"+ports[2*i], options...)
		check(t, err)
		nc.Close()
	}
	var e api.Endpoints
	c.must("GET", "/v1/accounts/"+c.account+"/endpoints", nil, &e)
	here := func(i int) string { return "tls://127.0.0.1:" + ports[2*i] }
	want := api.Endpoints{Tls: []string{here(0), here(1), proxy}, TlsFirstOnly: []string{here(1), proxy}}
	slices.Sort(want.Tls)
	if !slices.Equal(e.Tls, want.Tls) || !slices.Equal(e.TlsFirstOnly, want.TlsFirstOnly) || e.CaPem == nil {
		t.Errorf("endpoints = %+v", e)
	}
}
