package admission_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
)

// What a service hears of TLS is what a stock server with the same settings
// tells: version, cipher, and the client's certificates, which stand in other
// places when the server has verified them.
func TestServiceHearsOfTLSAsFromAStockServer(t *testing.T) {
	t.Parallel()
	devices := brokertest.NewAuthority(t, "devices")
	between := newAuthority(t, "of nobody's")
	trusted := devices.Issue(brokertest.ClientCertificate("pump"))
	stranger := between.client(func(c *x509.Certificate) { c.Subject.CommonName = "stranger" }, between)
	for _, verify := range []bool{false, true} {
		t.Run(fmt.Sprintf("verify=%t", verify), func(t *testing.T) {
			t.Parallel()
			site := brokertest.NewAuthority(t, "site")
			certificate, key := site.Server()
			secure := fmt.Sprintf("cert_file: %q, key_file: %q, timeout: 20", certificate, key)
			demands := ""
			if verify { // elsewhere than over NATS, where control connects, too
				demands = fmt.Sprintf(", verify: true, ca_file: %q", devices.File)
			}
			c := calloutOn(t, brokertest.StartConfigured(t, 1, func(_ int, node *brokertest.Node) {
				node.CAFile = site.File
				node.Configuration = fmt.Sprintf(`listen: "127.0.0.1:-1", tls { %[1]s }, websocket { listen: "127.0.0.1:-1", tls { %[1]s%[2]s } }`, secure, demands)
			}), nil)
			node, stock := c.Nodes[0], c.stockServer(t, func(o *server.Options) {
				pair := must(tls.LoadX509KeyPair(certificate, key))(t)
				config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
				overWebSocket := config.Clone()
				overWebSocket.ClientAuth = tls.NoClientCert // browsers would not connect
				if verify {
					overWebSocket.ClientAuth, overWebSocket.ClientCAs = tls.RequireAndVerifyClientCert, devices.Pool
				}
				o.TLS, o.TLSConfig, o.TLSTimeout = true, config, 20
				o.Websocket.NoTLS, o.Websocket.TLSConfig = false, overWebSocket
			})
			shown := map[string][]tls.Certificate{"no certificate": nil, "a stranger's": {*stranger}, "a device's": {trusted}}
			config := func(certificates []tls.Certificate, version uint16) nats.Option {
				return nats.Secure(&tls.Config{RootCAs: site.Pool, ServerName: "127.0.0.1", Certificates: certificates, MinVersion: version, MaxVersion: version})
			}
			own := config([]tls.Certificate{trusted}, tls.VersionTLS13)
			listen := func(url string) func() []*jwt.AuthorizationRequestClaims {
				return c.serve(t, url, func(*jwt.AuthorizationRequestClaims, *answer) {}, own)
			}
			ours, theirs := listen(node.ClientURL()), listen(stock.ClientURL())
			urls := map[string][2]string{
				"nats": {node.ClientURL(), stock.ClientURL()},
				"ws":   {node.Endpoints().WebSocket[0], stock.WebsocketURL()},
			}
			certified := 0
			for transport, urls := range urls {
				for name, certificates := range shown {
					if verify && transport == "ws" && name != "a device's" {
						continue // it would not come as far as the service
					}
					for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
						name := fmt.Sprintf("%s over %s and %s", name, transport, tls.VersionName(version))
						for _, url := range urls {
							c.sentinel.Connect(t, url, config(certificates, version), nats.Name(name)).Close()
						}
						got, want := ours(), theirs()
						said := got[len(got)-1]
						if diff := cmp.Diff(tell(want[len(want)-1:]), tell(got[len(got)-1:]), cmpopts.EquateEmpty()); diff != "" {
							t.Errorf("%s (-stock +broker):\n%s", name, diff)
						}
						if said.ClientInformation.Name != name || said.TLS == nil || said.TLS.Version == "" || said.TLS.Cipher == "" {
							t.Fatalf("%s: the service hears of %q, and of TLS %+v", name, said.ClientInformation.Name, said.TLS)
						}
						certified += len(said.TLS.Certs) + len(said.TLS.VerifiedChains)
					}
				}
			}
			// Of each version over NATS: the stranger's, with the one that it sends along, and the device's. Over WebSocket none, or a verified chain.
			want := 2 * (2 + 1)
			if verify {
				want += 2
			}
			if certified != want {
				t.Errorf("the service heard of %d certificates and chains in all, want %d", certified, want)
			}
		})
	}
}
