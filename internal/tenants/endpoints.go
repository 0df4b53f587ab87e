package tenants

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Endpoints are URLs for tenants' clients, by protocol, whether encrypted or not.
type Endpoints struct {
	NATS      []string `json:"nats"`
	WebSocket []string `json:"websocket"`
	MQTT      []string `json:"mqtt"`
	LeafNode  []string `json:"leafnode"`

	MQTTWebSocket     []string `json:"mqtt_websocket,omitempty"`
	LeafNodeWebSocket []string `json:"leafnode_websocket,omitempty"`

	TLSFirst     []string `json:"tls_first,omitempty"`      // where a client may begin with the TLS handshake
	TLSFirstOnly []string `json:"tls_first_only,omitempty"` // of those, where it must

	CA string `json:"ca_pem,omitempty"` // authorities that clients must trust; empty: none that they do not know anyway
}

// maxCA bounds the authorities of one broker, and those that a tenant is told.
const maxCA = 64 << 10

func (e Endpoints) validate() error {
	return errors.Join(
		validateURLs("/endpoints/nats", e.NATS, "", "nats", "tls"),
		validateURLs("/endpoints/websocket", e.WebSocket, "", "ws", "wss"),
		validateURLs("/endpoints/mqtt", e.MQTT, "", "mqtt", "mqtts"),
		validateURLs("/endpoints/leafnode", e.LeafNode, "", "nats-leaf", "nats", "tls", "ws", "wss"),
		validateURLs("/endpoints/mqtt_websocket", e.MQTTWebSocket, "/mqtt", "ws", "wss"),
		validateURLs("/endpoints/leafnode_websocket", e.LeafNodeWebSocket, "/leafnode", "ws", "wss"),
		validateURLs("/endpoints/tls_first", e.TLSFirst, "", "tls"),
		validateURLs("/endpoints/tls_first_only", e.TLSFirstOnly, "", "tls"),
		validateCA("/endpoints/ca_pem", e.CA),
	)
}

// validateCA wants certificates and nothing else: everybody may read them.
func validateCA(pointer, text string) error {
	if len(text) > maxCA {
		return fault.Field(pointer, "certificate authorities have %d bytes at most", maxCA)
	}
	rest := []byte(strings.TrimSpace(text))
	for len(rest) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return fault.Field(pointer, "this must be certificates as PEM, and nothing else")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fault.Field(pointer, "this holds a certificate that cannot be read")
		}
		rest = bytes.TrimSpace(rest)
	}
	return nil
}

// stored has no list that is nil, which would be kept as null.
func (e Endpoints) stored() Endpoints {
	return endpointsOf([]Broker{{BrokerSpec: BrokerSpec{BrokerPlace: BrokerPlace{Endpoints: e}}}})
}

// endpointsOf is the union of the brokers' endpoints, sorted, each once: those of
// the first group before those that only the next has.
func endpointsOf(groups ...[]Broker) Endpoints {
	union := func(of func(Endpoints) []string) []string {
		all := []string{}
		for _, brokers := range groups {
			var urls []string
			for _, b := range brokers {
				urls = append(urls, of(b.Endpoints)...)
			}
			slices.Sort(urls)
			for _, u := range slices.Compact(urls) {
				if !slices.Contains(all, u) {
					all = append(all, u)
				}
			}
		}
		return all
	}
	return Endpoints{
		NATS:              union(func(e Endpoints) []string { return e.NATS }),
		WebSocket:         union(func(e Endpoints) []string { return e.WebSocket }),
		MQTT:              union(func(e Endpoints) []string { return e.MQTT }),
		LeafNode:          union(func(e Endpoints) []string { return e.LeafNode }),
		MQTTWebSocket:     union(func(e Endpoints) []string { return e.MQTTWebSocket }),
		LeafNodeWebSocket: union(func(e Endpoints) []string { return e.LeafNodeWebSocket }),
		TLSFirst:          union(func(e Endpoints) []string { return e.TLSFirst }),
		TLSFirstOnly:      union(func(e Endpoints) []string { return e.TLSFirstOnly }),
		CA:                authoritiesOf(groups...),
	}
}

// authoritiesOf are the certificates of all brokers, each once, as long as there is room.
func authoritiesOf(groups ...[]Broker) string {
	var all strings.Builder
	seen := map[string]bool{}
	for _, brokers := range groups {
		for _, b := range slices.SortedFunc(slices.Values(brokers), func(a, b Broker) int { return cmp.Compare(a.Name, b.Name) }) {
			for rest := []byte(b.Endpoints.CA); ; {
				var block *pem.Block
				if block, rest = pem.Decode(rest); block == nil {
					break
				}
				text := pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
				if !seen[string(block.Bytes)] && all.Len()+len(text) <= maxCA {
					seen[string(block.Bytes)] = true
					all.Write(text)
				}
			}
		}
	}
	return all.String()
}

// WantsTLSFirst reports whether who connects to the URL must begin with the TLS
// handshake. One that tenants are not told is taken to be like those that they are.
func (e Endpoints) WantsTLSFirst(at string) bool {
	if !strings.HasPrefix(at, "tls://") || slices.Contains(e.NATS, at) {
		return slices.Contains(e.TLSFirstOnly, at)
	}
	return slices.ContainsFunc(e.NATS, func(u string) bool { return slices.Contains(e.TLSFirstOnly, u) })
}

// Only is those of the URLs that begin with the scheme.
func Only(urls []string, scheme string) []string {
	only := []string{}
	for _, u := range urls {
		if strings.HasPrefix(u, scheme+"://") {
			only = append(only, u)
		}
	}
	return only
}
