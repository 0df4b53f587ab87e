package admission

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// request is what nats-server would ask about the login.
func (c *callout) request(account, user, xkey string, l *login) (*nats.Msg, error) {
	srv := c.server()
	said := jwt.NewAuthorizationRequestClaims(account)
	said.Audience, said.UserNkey = server.AuthRequestSubject, user
	said.Expires = time.Now().Add(2 * time.Second).Unix()
	said.Server = jwt.ServerID{Name: srv.Name(), ID: srv.ID(), Version: server.VERSION, Cluster: srv.ClusterName()}
	if v, err := srv.Varz(nil); err == nil {
		said.Server.Host, said.Server.Tags = v.Host, v.Tags
	}
	c.describe(said, l)
	msg := nats.NewMsg(server.AuthCalloutSubject)
	var box nkeys.KeyPair
	if xkey != "" {
		box = c.private.serverXKey(srv)
		public, err := box.PublicKey()
		if err != nil {
			return nil, refused(CalloutTimeout, "the server has no encryption key")
		}
		said.Server.XKey = public
		msg.Header = nats.Header{server.AuthRequestXKeyHeader: {public}}
	}
	token, err := said.Encode(c.private.serverKey(srv))
	if err != nil {
		return nil, refused(CalloutTimeout, "the request could not be signed")
	}
	msg.Data = []byte(token)
	if box != nil {
		if msg.Data, err = box.Seal(msg.Data, xkey); err != nil {
			return nil, refused(CalloutInvalid, "the request could not be encrypted for the account's xkey")
		}
	}
	return msg, nil
}

// describe tells of the client what nats-server would.
func (c *callout) describe(said *jwt.AuthorizationRequestClaims, l *login) {
	o := &l.said
	user := l.user.Subject
	if o.Nkey != "" {
		user = o.Nkey
	} else if o.Username != "" {
		user = o.Username
	}
	said.ClientInformation = jwt.ClientInformation{
		Host: l.source.host, ID: l.client.GetID(), User: user, Name: o.Name, Tags: l.user.Tags, NameTag: l.user.Name,
		Kind: "Client", Type: l.source.kind.transport(), MQTT: c.private.mqttClient(l.client),
	}
	if l.client.Kind() == server.LEAF {
		said.ClientInformation.Kind = "Leafnode"
	}
	said.ConnectOptions = jwt.ConnectOptions{
		JWT: l.source.token(o), Nkey: o.Nkey, SignedNonce: o.Sig, Token: o.Token, Username: o.Username, Password: o.Password,
		Name: o.Name, Lang: o.Lang, Version: o.Version, Protocol: o.Protocol,
	}
	if o.Sig != "" {
		said.ClientInformation.Nonce = string(l.client.GetNonce())
	}
	said.TLS = describeTLS(l.client.GetTLSConnectionState())
}

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
