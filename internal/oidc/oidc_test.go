package oidc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// careful believes it likewise, and goes to public addresses only.
func (p *provider) careful() *oidc.Fetcher {
	fetcher := p.fetcher()
	fetcher.Anywhere = false
	return fetcher
}

// private is what is said of an address that is not public.
const private = "an address that is not public"

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

// lingering is a connection that takes a while to close, so that what the other end says when it sees us leave is still heard.
type lingering struct{ net.Conn }

func (c lingering) Close() error {
	time.Sleep(300 * time.Millisecond)
	return c.Conn.Close()
}

// A server that sees the client leave may end its answer properly, and has not said all by then.
func TestKeysThatComeTooSlowlyAreNotTakenForNone(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	p.keys = func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	fetcher := p.fetcher()
	believe := fetcher.Transport
	fetcher.Transport = func(transport *http.Transport) {
		believe(transport)
		dial := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return lingering{conn}, err
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := fetcher.Keys(ctx, p.URL); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v, want that time ran out", err)
	}
}

func TestStrangersCannotHaveControlLookAroundItsNetwork(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	p.document = func(http.ResponseWriter, *http.Request) { t.Error("a private address was read") }
	port := p.URL[strings.LastIndexByte(p.URL, ':'):]
	const insecure, noURL = "over https only", "an issuer is a URL"
	for url, want := range map[string]string{
		p.URL: private, "https://localhost" + port: private, "https://[::1]" + port: private, "https://[::ffff:127.0.0.1]" + port: private,
		"https://0.0.0.0" + port: private, "https://127.1.2.3" + port: private, "https://10.0.0.1": private, "https://172.16.0.1": private,
		"https://192.168.0.1": private, "https://169.254.169.254": private, "https://[fe80::1%25lo]": private, "https://100.64.0.1": private,
		"https://[64:ff9b::7f00:1]": private, "http://idp.example.org": insecure, "file://localhost/etc/passwd": insecure,
		"https://user:secret@idp.example.org": noURL, "https://idp.example.org?x=y": noURL, "idp.example.org": noURL, "": noURL,
	} {
		set, err := p.careful().Keys(t.Context(), url)
		var said *oidc.Error
		if !errors.As(err, &said) || !strings.Contains(said.Error(), want) || set != nil {
			t.Errorf("%s: %s, %v; want words with %q", url, set, err, want)
		}
	}
}

// What a name resolves to is judged, at each connection. The provider's certificate has
// the name, so nothing else keeps it from being read.
func TestPublicNameOfAPrivateAddressIsNotRead(t *testing.T) {
	resolveTo := fakeNames(t)
	p := startProvider(t)
	named := "https://example.com" + p.URL[strings.LastIndexByte(p.URL, ':'):]
	p.document = func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, named, named+"/keys")
	}
	resolveTo("127.0.0.1")
	if _, err := p.fetcher().Keys(t.Context(), named); err != nil {
		t.Fatalf("the name does not lead to the provider, so this shows nothing: %v", err)
	}
	p.document = func(http.ResponseWriter, *http.Request) { t.Error("a private address was read") }
	for _, addresses := range [][]string{{"127.0.0.1"}, {"::1"}, {"::ffff:127.0.0.1"}, {"169.254.169.254"}, {"fd00::1"}, {"10.0.0.1", "127.0.0.1"}} {
		resolveTo(addresses...)
		if _, err := p.careful().Keys(t.Context(), named); err == nil || !strings.Contains(err.Error(), private) {
			t.Errorf("with the addresses %s: err = %v", addresses, err)
		}
	}
}

// An issuer that is public can name keys, and redirect, wherever it likes.
func TestPublicIssuerCannotSendControlToItsNeighbours(t *testing.T) {
	t.Parallel()
	neighbour := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a neighbour was read") }))
	t.Cleanup(neighbour.Close)
	const public = "https://example.com"
	document := func(keys string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, public, keys)
		}
	}
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	for name, c := range map[string]struct {
		document, keys http.HandlerFunc
		want           string // empty: the keys are read
	}{
		"as it should be":          {document(public + "/keys"), nil, ""},
		"keys at an address":       {document(neighbour.URL + "/keys"), nil, private},
		"keys at a name":           {document("https://localhost" + neighbour.URL[strings.LastIndexByte(neighbour.URL, ':'):] + "/keys"), nil, private},
		"keys over http":           {document("http://example.com/keys"), nil, "no https URL"},
		"redirect of the document": {redirect(neighbour.URL), nil, "another host"},
		"redirect of the keys":     {document(public + "/keys"), redirect(neighbour.URL), "another host"},
		"redirect to http":         {document(public + "/keys"), redirect("http://example.com/keys"), "another host"},
		"redirect to a port":       {document(public + "/keys"), redirect("https://example.com:8443/keys"), "another host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProvider(t)
			p.document = c.document
			if c.keys != nil {
				p.keys = c.keys
			}
			fetcher := p.careful()
			trust := fetcher.Transport
			fetcher.Transport = func(transport *http.Transport) { // the public host, which is not on this machine
				trust(transport)
				dial := transport.DialContext
				transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					if strings.HasPrefix(address, "example.com:") {
						return new(net.Dialer).DialContext(ctx, network, p.Listener.Addr().String())
					}
					return dial(ctx, network, address)
				}
			}
			_, err := fetcher.Keys(t.Context(), public)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("err = %v, want words with %q", err, c.want)
			}
		})
	}
}

// fakeNames has every name resolve to what the test says, for as long as the test runs;
// which must not be parallel, therefore.
func fakeNames(t *testing.T) (resolveTo func(addresses ...string)) {
	t.Helper()
	var answer []netip.Addr
	real := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = real })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, names := net.Pipe() // no packets, so messages have their length before them (RFC 1035, 4.2.2)
		go func() {
			defer names.Close()
			head := make([]byte, 2)
			if _, err := io.ReadFull(names, head); err != nil {
				return
			}
			query := make([]byte, binary.BigEndian.Uint16(head))
			if _, err := io.ReadFull(names, query); err != nil {
				return
			}
			message := resolved(query, answer)
			_, _ = names.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
		}()
		return client, nil
	}}
	return func(addresses ...string) {
		answer = nil
		for _, a := range addresses {
			answer = append(answer, netip.MustParseAddr(a))
		}
	}
}

// resolved answers a query with those of the addresses that are of the type it asks for.
func resolved(query []byte, addresses []netip.Addr) []byte {
	const header, ipv4, ipv6 = 12, 1, 28
	end := header + bytes.IndexByte(query[header:], 0) + 1 // of the name
	asked := binary.BigEndian.Uint16(query[end:])
	var records []byte
	n := byte(0)
	for _, a := range addresses {
		if a.Is4() && asked == ipv4 || a.Is6() && asked == ipv6 {
			n++
			records = append(records, 0xc0, header, 0, byte(asked), 0, 1, 0, 0, 0, 0, 0, byte(len(a.AsSlice())))
			records = append(records, a.AsSlice()...)
		}
	}
	message := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, n, 0, 0, 0, 0}, query[header:end+4]...)
	return append(message, records...)
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
		"100.127.255.255": false, "::ffff:100.64.0.1": false, "192.0.0.170": false, "192.88.99.1": false, "198.19.0.1": false, "203.0.113.7": false, "224.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::7f00:1": false, "::a9fe:a9fe": false, "64:ff9b::a00:1": false,
		"64:ff9b:1::a00:1": false, "2002:a00:1::": false, "2001:0:1::": false, "fe80::1": false, "fec0::1": false, "fec0::1%eth0": false, "fd00::1": false, "ff02::1": false, "2001:db8::1": false,
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
