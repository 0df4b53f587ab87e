package admission

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/nats-io/jwt/v2"
)

var tlsVersions = map[uint16]string{tls.VersionTLS10: "1.0", tls.VersionTLS11: "1.1", tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"}

// describeTLS is what a request to an authorization service says of TLS; nil: the client has none.
func describeTLS(state *tls.ConnectionState) *jwt.ClientTLS {
	if state == nil {
		return nil
	}
	said := &jwt.ClientTLS{Version: tlsVersions[state.Version], Cipher: tls.CipherSuiteName(state.CipherSuite)}
	if said.Version == "" {
		said.Version = fmt.Sprintf("Unknown [0x%x]", state.Version)
	}
	for _, chain := range state.VerifiedChains {
		said.VerifiedChains = append(said.VerifiedChains, inPEM(chain))
	}
	if len(said.VerifiedChains) == 0 {
		said.Certs = inPEM(state.PeerCertificates)
	}
	return said
}

func inPEM(chain []*x509.Certificate) (list jwt.StringList) {
	for _, c := range chain {
		list = append(list, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	}
	return list
}
