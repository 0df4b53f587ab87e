package httpapi

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/go-chi/httprate"
)

// clientIP is the address that a request comes from, for counting tries: the
// peer's, or, when that is one of our proxies, the last one in X-Forwarded-For
// that is not. What a client writes there itself stands further left, so it
// cannot choose its address. IPv6 counts by /64, since that is what one customer gets.
func (s *Server) clientIP(r *http.Request) (string, error) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr, nil
	}
	ip := peer.Addr().Unmap()
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(forwarded) - 1; i >= 0 && s.isProxy(ip); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(forwarded[i]))
		if err != nil {
			break
		}
		ip = hop.Unmap()
	}
	return httprate.CanonicalizeIP(ip.String()), nil
}

func (s *Server) isProxy(ip netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
