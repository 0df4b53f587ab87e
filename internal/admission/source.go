package admission

import (
	"net"
	"regexp"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// kind is a way to connect, spelled as jwt.ConnectionType… is.
type kind string

// source is where a connection comes from.
type source struct {
	kind kind
	host string // an IP address; "pipe" within the process
}

// nats-server tells MQTT from WebSocket, and either from a plain client, only in
// what it calls a connection: "192.0.2.1:4711 - mid_ws:12", and after a login
// also what the client says of itself. What stands before that is the server's.
var marker = regexp.MustCompile(`^[^ ]* - (cid|wid|mid|mid_ws|lid|lid_ws):[0-9]+(?: - |$)`)

var kinds = map[string]kind{
	"cid": jwt.ConnectionTypeStandard, "wid": jwt.ConnectionTypeWebsocket,
	"mid": jwt.ConnectionTypeMqtt, "mid_ws": jwt.ConnectionTypeMqttWS,
	"lid": jwt.ConnectionTypeLeafnode, "lid_ws": jwt.ConnectionTypeLeafnodeWS,
}

func sourceOf(c client) (source, error) {
	address := c.RemoteAddress()
	if address == nil {
		return source{}, refused(ConnectionUnknown, "it is closed already")
	}
	k, ok := kindOf(c.String())
	if !ok {
		return source{}, refused(ConnectionUnknown, "not a kind of connection that is known")
	}
	if k == jwt.ConnectionTypeStandard && address.Network() == "pipe" {
		k = jwt.ConnectionTypeInProcess
	}
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		host = address.String() // "pipe"
	}
	return source{kind: k, host: host}, nil
}

func kindOf(name string) (kind, bool) {
	m := marker.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	return kinds[m[1]], true
}

// token is the user JWT that the client sent. MQTT has no place for it but the
// password, unless that is something else which is known.
func (s source) token(o *server.ClientOpts) string {
	if o.JWT == "" && s.mqtt() && !claims.IsLoginSecret(o.Password) && !isForeignToken(o.Password) {
		return o.Password
	}
	return o.JWT
}

func (s source) mqtt() bool {
	return s.kind == jwt.ConnectionTypeMqtt || s.kind == jwt.ConnectionTypeMqttWS
}

// within says whether a host lies in one of the networks; none is everywhere.
func within(networks []string, host string) bool {
	if len(networks) == 0 {
		return true
	}
	ip := net.ParseIP(host)
	if ip == nil {
		return false
	}
	for _, cidr := range networks {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			return false
		}
		if network.Contains(ip) {
			return true
		}
	}
	return false
}
