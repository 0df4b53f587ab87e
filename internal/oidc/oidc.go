// Package oidc reads the public keys of issuers of OpenID Connect: their
// discovery document, and the key set that it names. Verifying tokens with the
// keys is package claims' business, the same on control and on brokers.
//
// Issuers are named by tenants, so whatever is fetched is fetched for a stranger:
// over https only, from public addresses only, whatever a name resolves to at the
// moment of connecting, without another host's redirects and without a proxy of the
// environment, and no more and for no longer than is needed. What went wrong is
// said in words that tell nothing of the network that control stands in.
package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	coreos "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/signalbox-io/signalbox/internal/claims"
)

const (
	fetchWithin = 10 * time.Second
	maxDocument = 256 << 10
	maxKeys     = 32
	maxKeyBytes = 12 << 10 // of all keys together, as they are kept
)

// Fetcher reads issuers' keys. Its zero value is careful.
type Fetcher struct {
	// Anywhere lets issuers be at http URLs and at addresses that are not public,
	// as they are while developing.
	Anywhere bool
	// Transport changes how a connection is made, for tests; nil does nothing.
	Transport func(*http.Transport)
}

// Error is why an issuer's keys cannot be had, in words for its tenant.
type Error struct {
	words string
	cause error
}

func (e *Error) Error() string { return e.words }
func (e *Error) Unwrap() error { return e.cause }

func failed(cause error, format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...), cause}
}

var errNotPublic = errors.New("the address is not public")

// CheckURL refuses what can be no issuer's URL.
func (f *Fetcher) CheckURL(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(issuer) > 512:
		return failed(err, "an issuer is a URL such as https://idp.example.org/realms/acme, exactly as tokens have it in iss")
	case u.Scheme != "https" && !(f.Anywhere && u.Scheme == "http"):
		return failed(nil, "an issuer is read over https only")
	}
	return nil
}

// Keys reads an issuer's public keys, as a JWK set of those that verify signatures.
func (f *Fetcher) Keys(ctx context.Context, issuer string) (json.RawMessage, error) {
	if err := f.CheckURL(issuer); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	client := f.client()
	defer client.CloseIdleConnections()
	provider, err := coreos.NewProvider(coreos.ClientContext(ctx, client), issuer)
	if err != nil {
		return nil, explain(err, "the issuer's discovery document")
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil || f.CheckURL(withoutQuery(document.Keys)) != nil {
		return nil, failed(err, "the issuer's discovery document names no https URL of its keys")
	}
	set, err := get(ctx, client, document.Keys)
	if err != nil {
		return nil, explain(err, "the issuer's keys")
	}
	return keep(set)
}

func withoutQuery(text string) string {
	text, _, _ = strings.Cut(text, "?")
	return text
}

func get(ctx context.Context, client *http.Client, from string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, failed(nil, "the issuer answers %d when asked for its keys", response.StatusCode)
	}
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = ctx.Err() // a server that sees us leave may still end its answer properly
	}
	return body, err
}

// keep writes the keys that can be used in one form, so that the same are the same.
func keep(set []byte) (json.RawMessage, error) {
	keys := claims.ReadKeySet(set)
	if len(keys) == 0 {
		return nil, failed(nil, "the issuer has no public key that verifies signatures")
	}
	if len(keys) > maxKeys {
		return nil, failed(nil, "the issuer has %d keys; %d at most", len(keys), maxKeys)
	}
	for i := range keys { // chains of certificates are long, and nobody looks at them
		keys[i] = jose.JSONWebKey{Key: keys[i].Key, KeyID: keys[i].KeyID, Algorithm: keys[i].Algorithm, Use: keys[i].Use}
	}
	kept, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err == nil && len(kept) > maxKeyBytes {
		err = failed(nil, "the issuer's keys are too long: %d bytes, %d at most", len(kept), maxKeyBytes)
	}
	return kept, err
}

// client connects to public addresses only, whatever they are called.
func (f *Fetcher) client() *http.Client {
	dialer := &net.Dialer{Timeout: fetchWithin / 2, Control: func(_, address string, _ syscall.RawConn) error {
		if at, err := netip.ParseAddrPort(address); err != nil || !f.Anywhere && !isPublic(at.Addr()) {
			return errNotPublic
		}
		return nil
	}}
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: fetchWithin / 2, ResponseHeaderTimeout: fetchWithin / 2,
		MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
	}
	if f.Transport != nil {
		f.Transport(transport)
	}
	return &http.Client{Timeout: fetchWithin, Transport: bounded{transport}, CheckRedirect: func(next *http.Request, before []*http.Request) error {
		if len(before) > 3 || next.URL.Host != before[0].URL.Host || next.URL.Scheme != before[0].URL.Scheme {
			return failed(nil, "the issuer sends to another host")
		}
		return nil
	}}
}

// bounded cuts off what is too long to be meant.
type bounded struct{ *http.Transport }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.Transport.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxDocument)
	}
	return response, err
}

// notPublic are the networks in which control's own neighbours are, or nobody is.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fec0::/10"),
}

func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() { // loopback and link-local addresses are not global
		return false
	}
	for _, network := range notPublic {
		if network.Contains(a) {
			return false
		}
	}
	return true
}

// explain says what went wrong, and of control's network nothing.
func explain(err error, what string) error {
	var said *Error
	var tooLong *http.MaxBytesError
	var unknown *net.DNSError
	switch {
	case errors.As(err, &said):
		return said
	case errors.Is(err, errNotPublic):
		return failed(err, "%s cannot be read: it is at an address that is not public", what)
	case errors.As(err, &tooLong), strings.Contains(err.Error(), "body too large"): // which the library keeps as words only
		return failed(err, "%s has more than %d bytes", what, maxDocument)
	case errors.As(err, &unknown):
		return failed(err, "%s cannot be read: its host is not known", what)
	case errors.Is(err, context.DeadlineExceeded):
		return failed(err, "%s could not be read in %s", what, fetchWithin)
	case strings.Contains(err.Error(), "did not match the issuer"), strings.Contains(err.Error(), "issuer URL provided"):
		return failed(err, "%s is another issuer's: the URL has to be exactly what the issuer calls itself", what)
	}
	return failed(err, "%s cannot be read", what)
}
