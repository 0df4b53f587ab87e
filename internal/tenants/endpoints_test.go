package tenants

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
)

// newCA is a certificate, as PEM.
func newCA(t *testing.T) string {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func (w *world) brokerWith(name string, e Endpoints) Broker {
	w.t.Helper()
	spec := brokerSpec(name)
	spec.Endpoints = e
	return must(w.EnrollBroker(w.t.Context(), w.enrollmentToken(1), newUserKey(w.t), spec))(w.t).Broker
}

func TestEndpointsOfSilentBrokersComeLast(t *testing.T) {
	t.Parallel()
	w := setup(t)
	shared, own := newCA(t), newCA(t)
	a := w.brokerWith("a", Endpoints{NATS: []string{"nats://a:4222", "tls://a:4222"}, TLSFirst: []string{"tls://a:4222"}, CA: shared})
	b := w.brokerWith("b", Endpoints{NATS: []string{"tls://b:4222", "nats://b:4222", "nats://a:4222"}, CA: own + shared,
		WebSocket: []string{"wss://b"}, MQTTWebSocket: []string{"wss://b/mqtt"}, LeafNodeWebSocket: []string{"wss://b/leafnode"}})
	for _, heard := range []Broker{a, b} {
		if err := feed.RecordReceipt(t.Context(), w.pool, string(w.operator.ID), feed.Receipt{BrokerKey: string(heard.PublicKey), Applied: 1}); err != nil {
			t.Fatal(err)
		}
	}
	got := func() Endpoints { return must(w.Endpoints(t.Context(), w.owner, w.account.ID))(t) }
	want := Endpoints{
		NATS: []string{"nats://a:4222", "nats://b:4222", "tls://a:4222", "tls://b:4222"}, TLSFirst: []string{"tls://a:4222"}, CA: shared + own,
		WebSocket: []string{"wss://b"}, MQTTWebSocket: []string{"wss://b/mqtt"}, LeafNodeWebSocket: []string{"wss://b/leafnode"},
	}.stored()
	if diff := cmp.Diff(want, got()); diff != "" {
		t.Errorf("both are heard (-want +got):\n%s", diff)
	}
	w.silence(a)
	want.NATS, want.CA = []string{"nats://a:4222", "nats://b:4222", "tls://b:4222", "tls://a:4222"}, own+shared
	if diff := cmp.Diff(want, got()); diff != "" {
		t.Errorf("a is silent (-want +got):\n%s", diff)
	}
}

func TestBrokerAnnouncesOnlyWhatEverybodyMayRead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	key := must(x509.MarshalPKCS8PrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)))(t)
	for name, e := range map[string]Endpoints{
		"/endpoints/ca_pem":               {CA: newCA(t) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))},
		"/endpoints/mqtt_websocket/0":     {MQTTWebSocket: []string{"wss://b/leafnode"}},
		"/endpoints/leafnode_websocket/0": {LeafNodeWebSocket: []string{"wss://b"}},
		"/endpoints/tls_first/0":          {TLSFirst: []string{"nats://b:4222"}},
		"/endpoints/tls_first_only/0":     {TLSFirstOnly: []string{"tls://u:p@b:4222"}},
	} {
		spec := brokerSpec("b")
		spec.Endpoints = e
		_, err := w.EnrollBroker(t.Context(), w.enrollmentToken(1), newUserKey(t), spec)
		refused(t, err, fault.Invalid, name)
	}
	spec := brokerSpec("b")
	spec.Endpoints.CA = "no certificate"
	_, err := w.EnrollBroker(t.Context(), w.enrollmentToken(1), newUserKey(t), spec)
	refused(t, err, fault.Invalid, "/endpoints/ca_pem")
}
