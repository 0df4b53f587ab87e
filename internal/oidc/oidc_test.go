package oidc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/oidc"
)

// provider is an issuer over TLS, whose two answers a test writes.
type provider struct {
	*httptest.Server
	document, keys http.HandlerFunc
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) { p.document(w, r) })
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) { p.keys(w, r) })
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	p.document = func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, p.URL, p.URL+"/keys")
	}
	set := keySet(t)
	p.keys = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }
	return p
}

// keySet has a key for signatures, one for encryption, a private one and rubbish.
func keySet(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(map[string]any{"keys": []any{
		jose.JSONWebKey{Key: key.Public(), KeyID: "signs", Use: "sig", Algorithm: "ES256"},
		jose.JSONWebKey{Key: key.Public(), KeyID: "encrypts", Use: "enc"},
		jose.JSONWebKey{Key: key, KeyID: "private"},
		map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
		map[string]any{"kty": "odd"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// fetcher believes the provider's certificate, and goes wherever it is sent.
func (p *provider) fetcher() *oidc.Fetcher {
	return &oidc.Fetcher{Anywhere: true, Transport: func(transport *http.Transport) {
		transport.TLSClientConfig = p.Client().Transport.(*http.Transport).TLSClientConfig
	}}
}

func TestKeysThatVerifySignaturesAreKept(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	set, err := p.fetcher().Keys(t.Context(), p.URL)
	if err != nil {
		t.Fatal(err)
	}
	keys := claims.ReadKeySet(set)
	if len(keys) != 1 || keys[0].KeyID != "signs" || strings.Contains(string(set), `"d"`) {
		t.Errorf("kept %s", set)
	}
}

func TestIssuersThatMisbehaveAreRefusedInWords(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { t.Error("it followed to another host") }))
	t.Cleanup(elsewhere.Close)
	for name, c := range map[string]struct {
		edit func(*provider)
		want string
	}{
		"another's document": {func(p *provider) {
			p.document = func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"issuer": "https://other.example.org", "jwks_uri": %q}`, p.URL+"/keys")
			}
		}, "another issuer's"},
		"keys over http": {func(p *provider) {
			p.document = func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": "ftp://x/keys"}`, p.URL)
			}
		}, "no https URL"},
		"redirect elsewhere": {func(p *provider) {
			p.keys = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, elsewhere.URL+"/keys", http.StatusFound)
			}
		}, "another host"},
		"endless document": {func(p *provider) {
			p.document = func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"x": "` + strings.Repeat("x", 1<<20)))
			}
		}, "more than"},
		"endless keys": {func(p *provider) {
			p.keys = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat(" ", 1<<20))) }
		}, "more than"},
		"a little that unpacks to much": {func(p *provider) {
			p.keys = func(w http.ResponseWriter, r *http.Request) {
				if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
					t.Error("it takes no gzip, so this shows nothing")
				}
				w.Header().Set("Content-Encoding", "gzip")
				packed := gzip.NewWriter(w)
				for range 64 {
					if _, err := packed.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
						return // it has heard enough
					}
				}
				_ = packed.Close()
			}
		}, "more than"},
		"no end of waiting": {func(p *provider) {
			p.keys = func(w http.ResponseWriter, r *http.Request) {
				drip := time.NewTicker(100 * time.Millisecond)
				defer drip.Stop()
				for {
					select {
					case <-r.Context().Done():
						return
					case <-drip.C:
						_, _ = w.Write([]byte(" "))
						_ = http.NewResponseController(w).Flush()
					}
				}
			}
		}, "could not be read in 10s"},
		"a redirect that leads to itself": {func(p *provider) {
			p.keys = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) }
		}, "another host"},
		"more keys than anybody needs": {func(p *provider) {
			p.keys = func(w http.ResponseWriter, _ *http.Request) {
				key := strings.TrimSuffix(strings.TrimPrefix(string(oneKey(t)), `{"keys":[`), "]}")
				fmt.Fprintf(w, `{"keys": [%s]}`, strings.Join(slices.Repeat([]string{key}, 33), ","))
			}
		}, "33 keys"},
		"no keys": {func(p *provider) {
			p.keys = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys": []}`)) }
		}, "no public key"},
		"an error": {func(p *provider) {
			p.keys = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
		}, "418"},
		"no document": {func(p *provider) { p.document = http.NotFound }, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProvider(t)
			c.edit(p)
			_, err := p.fetcher().Keys(t.Context(), p.URL)
			var said *oidc.Error
			if !errors.As(err, &said) || !strings.Contains(said.Error(), c.want) || strings.Contains(said.Error(), "127.0.0.1") {
				t.Errorf("err = %v, want words with %q and nothing of the network", err, c.want)
			}
		})
	}
}

func TestStrangersCannotHaveControlLookAroundItsNetwork(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	p.document = func(http.ResponseWriter, *http.Request) { t.Error("a private address was read") }
	careful := p.fetcher()
	careful.Anywhere = false
	port := p.URL[strings.LastIndexByte(p.URL, ':'):]
	for _, url := range []string{
		p.URL, "https://localhost" + port, "https://[::1]" + port, "https://[::ffff:127.0.0.1]" + port, "https://0.0.0.0" + port, "https://127.1.2.3" + port,
		"https://10.0.0.1", "https://172.16.0.1", "https://192.168.0.1", "https://169.254.169.254", "https://[fe80::1]", "https://[fc00::1]", "https://100.64.0.1",
		"https://[64:ff9b::7f00:1]", "http://idp.example.org", "file:///etc/passwd", "https://user:secret@idp.example.org", "https://idp.example.org?x=y", "idp.example.org", "",
	} {
		start := time.Now()
		set, err := careful.Keys(t.Context(), url)
		var said *oidc.Error
		if !errors.As(err, &said) || set != nil {
			t.Errorf("%s: %s, %v", url, set, err)
		}
		if time.Since(start) > 5*time.Second {
			t.Errorf("%s: it tried for %s", url, time.Since(start))
		}
	}
}

func oneKey(t *testing.T) []byte {
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: claims.ReadKeySet(keySet(t))})
	if err != nil {
		t.Error(err)
	}
	return set
}

// A proxy that is meant for control's own traffic would connect to where control may not.
func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://proxy.example.org:3128")
	}
	var dialled []string
	fetcher := &oidc.Fetcher{Transport: func(transport *http.Transport) {
		transport.DialContext = func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return nil, errors.New("nobody is there")
		}
	}}
	if _, err := fetcher.Keys(t.Context(), "https://idp.example.org"); err == nil {
		t.Error("it was read")
	}
	if !slices.Equal(dialled, []string{"idp.example.org:443"}) {
		t.Errorf("it connects to %s", dialled)
	}
}

func TestAddressesOfNobodyOrOfNeighboursAreNotPublic(t *testing.T) {
	t.Parallel()
	for text, public := range map[string]bool{
		"8.8.8.8": true, "2001:4860:4860::8888": true, "::ffff:8.8.8.8": true,
		"0.0.0.0": false, "0.1.2.3": false, "127.255.255.254": false, "10.1.2.3": false, "172.31.255.255": false, "192.168.255.255": false, "169.254.169.254": false,
		"100.127.255.255": false, "192.0.0.170": false, "192.88.99.1": false, "198.19.0.1": false, "203.0.113.7": false, "224.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::7f00:1": false, "::a9fe:a9fe": false, "64:ff9b::a00:1": false,
		"64:ff9b:1::a00:1": false, "2002:a00:1::": false, "2001:0:1::": false, "fe80::1": false, "fec0::1": false, "fd00::1": false, "ff02::1": false, "2001:db8::1": false,
	} {
		if got := oidc.IsPublic(netip.MustParseAddr(text)); got != public {
			t.Errorf("%s: public is %t", text, got)
		}
	}
}

func FuzzPublicAddressesAreNoneOfOurs(f *testing.F) {
	for _, text := range []string{"127.0.0.1", "::1", "8.8.8.8", "::ffff:10.0.0.1", "2001:4860:4860::8888", "fe80::1%eth0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		if b := a.Unmap(); oidc.IsPublic(a) && (b.IsPrivate() || b.IsLoopback() || b.IsLinkLocalUnicast() || b.IsMulticast() || b.IsUnspecified()) {
			t.Errorf("%s is public", a)
		}
	})
}

func TestCertificateOfAnUnknownAuthorityIsRefused(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	fetcher := &oidc.Fetcher{Anywhere: true, Transport: func(transport *http.Transport) { transport.TLSClientConfig = nil }}
	_, err := fetcher.Keys(t.Context(), p.URL)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("err = %v", err)
	}
}
