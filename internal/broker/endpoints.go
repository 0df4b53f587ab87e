package broker

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// Endpoints are the URLs at which tenants reach a broker. Of a listener that
// takes both, the plain one comes first.
type Endpoints struct {
	NATS      []string `json:"nats"`      // nats and tls
	WebSocket []string `json:"websocket"` // ws and wss
	MQTT      []string `json:"mqtt"`      // mqtt and mqtts
	LeafNode  []string `json:"leafnode"`  // nats-leaf and tls

	MQTTWebSocket     []string `json:"mqtt_websocket,omitempty"`     // MQTT over ws and wss
	LeafNodeWebSocket []string `json:"leafnode_websocket,omitempty"` // leaf nodes over ws and wss

	TLSFirst     []string `json:"tls_first,omitempty"`      // of NATS and LeafNode, where a client may begin with the TLS handshake
	TLSFirstOnly []string `json:"tls_first_only,omitempty"` // of those, where it must

	CA string `json:"ca_pem,omitempty"` // whose signature the certificates bear; empty: one that everybody knows, or nobody said
}

// Paths by which a WebSocket says that it is not NATS that it carries.
const (
	pathMQTT     = "/mqtt"
	pathLeafNode = "/leafnode"
)

const maxCASize = 64 << 10

// announcement is what control is told. Before the server runs, it leaves out
// what listens on a port that is still to be chosen.
func (b *Broker) announcement() announcement {
	control := b.cfg.ControlAddress
	if own := listeners(b.options, b.ports()).NATS; control == "" && len(own) > 0 {
		control = own[0]
	}
	return announcement{Cluster: b.options.Cluster.Name, ControlURL: control, Endpoints: b.Endpoints()}
}

// Endpoints are the running broker's.
func (b *Broker) Endpoints() Endpoints {
	e := b.cfg.announce.apply(listeners(b.options, b.ports()))
	e.CA = b.cfg.ca
	return e
}

// ClientURL is where NATS clients on this machine connect.
func (b *Broker) ClientURL() string { return b.server.ClientURL() }

// ports are those listened on; 0 where nothing is, negative where it is still open.
type ports struct{ nats, websocket, mqtt, leafnode int }

func (b *Broker) ports() ports {
	if b.server == nil {
		return ports{b.options.Port, b.options.Websocket.Port, b.options.MQTT.Port, b.options.LeafNode.Port}
	}
	var p ports
	if address, ok := b.server.Addr().(*net.TCPAddr); ok {
		p.nats = address.Port
	}
	if v, err := b.server.Varz(nil); err == nil {
		p.websocket, p.mqtt, p.leafnode = v.Websocket.Port, v.MQTT.Port, v.LeafNode.Port
	}
	return p
}

// listeners are what the server itself offers.
func listeners(o *server.Options, p ports) Endpoints {
	host, _, err := net.SplitHostPort(o.ClientAdvertise)
	if err != nil {
		host = strings.Trim(o.ClientAdvertise, "[]") // a host alone, or nothing
	}
	var e Endpoints
	at := address(o.ClientAdvertise, reachable(o.Host, host), p.nats)
	secure := o.TLSConfig != nil
	// A server that wants TLS first, and does not fall back to its usual first line, never gets to know a plain client.
	firstOnly := secure && o.TLSHandshakeFirst && o.TLSHandshakeFirstFallback <= 0
	e.NATS = offer(at, "nats", !secure || o.AllowNonTLS && !firstOnly, "tls", secure)
	e.tlsFirst("tls", at, secure && o.TLSHandshakeFirst, firstOnly)

	// nats-server has one setting for NATS and MQTT: allow_non_tls.
	at = address("", reachable(o.MQTT.Host, host), p.mqtt)
	secure = o.MQTT.TLSConfig != nil
	e.MQTT = offer(at, "mqtt", !secure || o.AllowNonTLS, "mqtts", secure)

	at = address(o.LeafNode.Advertise, reachable(o.LeafNode.Host, host), p.leafnode)
	secure = o.LeafNode.TLSConfig != nil
	firstOnly = secure && o.LeafNode.TLSHandshakeFirst && o.LeafNode.TLSHandshakeFirstFallback <= 0
	e.LeafNode = offer(at, "nats-leaf", !secure, "tls", secure)
	e.tlsFirst("tls", at, secure && o.LeafNode.TLSHandshakeFirst, firstOnly)

	// A certificate wins over no_tls.
	at = address(o.Websocket.Advertise, reachable(o.Websocket.Host, host), p.websocket)
	secure = o.Websocket.TLSConfig != nil
	e.WebSocket = offer(at, "ws", !secure, "wss", secure)
	if p.mqtt != 0 {
		e.MQTTWebSocket = below(e.WebSocket, pathMQTT)
	}
	if p.leafnode != 0 {
		e.LeafNodeWebSocket = below(e.WebSocket, pathLeafNode)
	}
	return e
}

// offer is empty, not nil, where nothing listens.
func offer(at, plain string, isPlain bool, secure string, isSecure bool) []string {
	urls := []string{}
	if at != "" && isPlain {
		urls = append(urls, plain+"://"+at)
	}
	if at != "" && isSecure {
		urls = append(urls, secure+"://"+at)
	}
	return urls
}

func (e *Endpoints) tlsFirst(scheme, at string, may, must bool) {
	if at != "" && may {
		e.TLSFirst = append(e.TLSFirst, scheme+"://"+at)
	}
	if at != "" && must {
		e.TLSFirstOnly = append(e.TLSFirstOnly, scheme+"://"+at)
	}
}

func below(urls []string, path string) []string {
	var all []string
	for _, u := range urls {
		all = append(all, u+path)
	}
	return all
}

// address is host:port as the configuration advertises it, whose port may be
// missing, or as it is listened on. It is empty if the port is not known.
func address(advertise, host string, port int) string {
	if port <= 0 {
		return ""
	}
	if advertise != "" {
		if _, _, err := net.SplitHostPort(advertise); err == nil {
			return advertise
		}
		host = strings.Trim(advertise, "[]")
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// reachable is a host that others can use: what is listened on, or if that is
// every address, what clients are told, or the machine's name.
func reachable(listen, advertised string) string {
	if ip := net.ParseIP(listen); listen != "" && (ip == nil || !ip.IsUnspecified()) {
		return listen
	}
	if advertised != "" {
		return advertised
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "127.0.0.1"
}

// announced is what is told beside the server's own listeners, or instead of
// them: the URLs of a proxy that ends TLS, say.
type announced struct {
	urls     map[string][]string // by protocol, as Endpoints names them
	withheld map[string]bool     // protocols of which the server's own listener is not told

	tlsFirst, tlsFirstOnly []string // of the URLs, as Endpoints has them
}

// announcedSchemes are the protocols, and what their URLs may begin with.
var announcedSchemes = map[string][]string{
	"nats": {"nats", "tls"}, "websocket": {"ws", "wss"}, "mqtt": {"mqtt", "mqtts"}, "leafnode": {"nats-leaf", "tls"},
}

// parseAnnounced reads websocket=wss://nats.example.com,mqtt= and the like. A tls
// URL may say handshake_first, as a listener's configuration does.
func parseAnnounced(text string) (announced, error) {
	a := announced{urls: map[string][]string{}, withheld: map[string]bool{}}
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		protocol, target, _ := strings.Cut(entry, "=")
		schemes, known := announcedSchemes[protocol]
		if !known {
			return a, fmt.Errorf("what is announced is PROTOCOL=URL with nats, websocket, mqtt or leafnode for the protocol, not %q", entry)
		}
		if target == "" {
			a.withheld[protocol] = true
			continue
		}
		u, err := url.Parse(target)
		if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || !slices.Contains(schemes, u.Scheme) {
			return a, fmt.Errorf("a URL like %s://host:port can be announced for %s, or one that begins with %s", schemes[0], protocol, schemes[1])
		}
		bare := u.Scheme + "://" + u.Host
		a.urls[protocol] = append(a.urls[protocol], bare)
		switch first := u.Query().Get("handshake_first"); {
		case u.RawQuery == "":
		case u.Scheme != "tls" || u.RawQuery != "handshake_first="+first || first != "auto" && first != "true":
			return a, fmt.Errorf("after the ? of a URL that is announced only handshake_first=auto or handshake_first=true can stand, and only of tls://, not %q", u.RawQuery)
		case first == "true":
			a.tlsFirstOnly = append(a.tlsFirstOnly, bare)
			fallthrough
		default:
			a.tlsFirst = append(a.tlsFirst, bare)
		}
	}
	return a, nil
}

// apply changes what the server itself offers. What a WebSocket carries beside
// NATS goes with it: behind the proxy is the same server.
func (a announced) apply(e Endpoints) Endpoints {
	hasMQTT, hasLeafNodes := len(e.MQTTWebSocket) > 0, len(e.LeafNodeWebSocket) > 0
	for protocol, urls := range map[string]*[]string{"nats": &e.NATS, "websocket": &e.WebSocket, "mqtt": &e.MQTT, "leafnode": &e.LeafNode} {
		if a.withheld[protocol] {
			*urls = []string{}
		}
		*urls = append(*urls, a.urls[protocol]...)
	}
	if hasMQTT {
		e.MQTTWebSocket = below(e.WebSocket, pathMQTT)
	}
	if hasLeafNodes {
		e.LeafNodeWebSocket = below(e.WebSocket, pathLeafNode)
	}
	told := func(u string) bool { return slices.Contains(e.NATS, u) || slices.Contains(e.LeafNode, u) }
	e.TLSFirst = slices.DeleteFunc(append(e.TLSFirst, a.tlsFirst...), func(u string) bool { return !told(u) })
	e.TLSFirstOnly = slices.DeleteFunc(append(e.TLSFirstOnly, a.tlsFirstOnly...), func(u string) bool { return !told(u) })
	return e
}

// readCA reads the certificates that clients need, and nothing but certificates.
func readCA(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the certificate authorities: %w", err)
	}
	var certificates []byte
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return "", fmt.Errorf("%s holds a %s; everybody may read what is announced, so only certificates belong there", path, block.Type)
		}
		certificates = append(certificates, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
	}
	if len(certificates) == 0 || len(certificates) > maxCASize {
		return "", fmt.Errorf("%s must hold certificates as PEM, of %d bytes at most", path, maxCASize)
	}
	return string(certificates), nil
}
