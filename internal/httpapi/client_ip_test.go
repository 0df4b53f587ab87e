package httpapi

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientIPBelievesOnlyItsOwnProxies(t *testing.T) {
	t.Parallel()
	s := &Server{Config: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for name, c := range map[string]struct{ peer, forwarded, want string }{
		"no proxy":                         {"192.0.2.1:999", "", "192.0.2.1"},
		"a header that nobody vouches for": {"192.0.2.1:999", "198.51.100.7", "192.0.2.1"},
		"one proxy":                        {"10.0.0.2:999", "198.51.100.7", "198.51.100.7"},
		"two proxies":                      {"10.0.0.2:999", "198.51.100.7, 10.0.0.3", "198.51.100.7"},
		"a client that makes one up":       {"10.0.0.2:999", "203.0.113.9, 198.51.100.7", "198.51.100.7"},
		"a proxy that says nothing":        {"10.0.0.2:999", "", "10.0.0.2"},
		"nonsense":                         {"10.0.0.2:999", "nonsense", "10.0.0.2"},
		"IPv6 counts by its network":       {"[2001:db8:1:2:3:4:5:6]:999", "", "2001:db8:1:2::"},
	} {
		r := httptest.NewRequest("POST", "/v1/sessions", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got, _ := s.clientIP(r); got != c.want {
			t.Errorf("%s: clientIP = %s, want %s", name, got, c.want)
		}
	}
}
