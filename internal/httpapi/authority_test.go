package httpapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/api"
)

// authority is a certificate in PEM of an authority that is called so, and its fingerprint.
func authority(t *testing.T, name string, until time.Time) (text, fingerprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"Example"}},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(der)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), hex.EncodeToString(digest[:])
}

func TestCertificateAuthoritiesSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	s := setup(t)
	me := s.signUp("Trusts")
	me.furnish("trusting")
	path := "/v1/accounts/" + me.ids["account"]
	var got api.CertificateAuthorityList
	me.owner.do("GET", path+"/certificate-authorities", nil).want(200, &got)
	if len(got.Items) != 0 {
		t.Errorf("an account that trusts nobody has %+v", got.Items)
	}
	until := time.Now().UTC().Truncate(time.Second).Add(time.Hour)
	var want []api.CertificateAuthority
	var list []string
	for _, name := range []string{"Pumps", "Meters"} {
		text, fingerprint := authority(t, name, until)
		list = append(list, text)
		want = append(want, api.CertificateAuthority{Pem: text, Subject: "CN=" + name + ",O=Example", Fingerprint: fingerprint, NotBefore: until.Add(-24 * time.Hour), NotAfter: until})
	}
	me.owner.do("PATCH", path, map[string]any{"certificate_authorities": list}).want(200)
	me.owner.do("GET", path+"/certificate-authorities", nil).want(200, &got)
	if diff := cmp.Diff(want, got.Items); diff != "" {
		t.Errorf("authorities (-want +got):\n%s", diff)
	}
}
