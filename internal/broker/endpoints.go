package broker

import (
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// Endpoints are the URLs at which tenants reach a broker.
type Endpoints struct {
	NATS      []string `json:"nats"`
	WebSocket []string `json:"websocket"`
	MQTT      []string `json:"mqtt"`
	LeafNode  []string `json:"leafnode"`
}

// announcement is what control is told. Before the server runs, it leaves out
// what listens on a port that is still to be chosen.
func (b *Broker) announcement() announcement {
	e := endpoints(b.options, b.ports())
	control := b.cfg.ControlAddress
	if control == "" && len(e.NATS) > 0 {
		control = e.NATS[0]
	}
	return announcement{Cluster: b.options.Cluster.Name, ControlURL: control, Endpoints: e}
}

// Endpoints are the running broker's.
func (b *Broker) Endpoints() Endpoints { return endpoints(b.options, b.ports()) }

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

func endpoints(o *server.Options, p ports) Endpoints {
	host, _, err := net.SplitHostPort(o.ClientAdvertise)
	if err != nil {
		host = o.ClientAdvertise // a host alone, or nothing
	}
	return Endpoints{
		NATS:      endpoint(scheme("nats", "tls", o.TLSConfig != nil), o.ClientAdvertise, reachable(o.Host, host), p.nats),
		WebSocket: endpoint(scheme("ws", "wss", !o.Websocket.NoTLS), o.Websocket.Advertise, reachable(o.Websocket.Host, host), p.websocket),
		MQTT:      endpoint(scheme("mqtt", "mqtts", o.MQTT.TLSConfig != nil), "", reachable(o.MQTT.Host, host), p.mqtt),
		LeafNode:  endpoint("nats-leaf", o.LeafNode.Advertise, reachable(o.LeafNode.Host, host), p.leafnode),
	}
}

func scheme(plain, secure string, isSecure bool) string {
	if isSecure {
		return secure
	}
	return plain
}

// endpoint prefers what the configuration advertises, whose port may be missing.
func endpoint(scheme, advertise, host string, port int) []string {
	if port <= 0 {
		return []string{}
	}
	if advertise != "" {
		if _, _, err := net.SplitHostPort(advertise); err == nil {
			return []string{scheme + "://" + advertise}
		}
		host = strings.Trim(advertise, "[]")
	}
	return []string{scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port))}
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
