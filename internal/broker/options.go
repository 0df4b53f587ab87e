package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/resolver"
)

const defaultPort = 4222

// controlLine is four times nats-server's own limit: tokens of issuers with many
// claims have to fit in a CONNECT.
const controlLine = 16 << 10

// natsOptions are the configuration file's, or the defaults, without what makes
// the server a member.
func natsOptions(cfg Config) (*server.Options, error) {
	o := &server.Options{Port: defaultPort, JetStream: true}
	if cfg.NATSConfigFile != "" {
		var err error
		if o, err = server.ProcessConfigFile(cfg.NATSConfigFile); err != nil {
			return nil, fmt.Errorf("read the NATS configuration: %w", err)
		}
		for _, refuse := range []func(*server.Options) error{refuseOwnAuth, refuseWhatRides, refuseBrokenTLS} {
			if err := refuse(o); err != nil {
				return nil, fmt.Errorf("%s: %w", cfg.NATSConfigFile, err)
			}
		}
	}
	if o.Port == 0 {
		o.Port = defaultPort
	}
	if o.MaxControlLine == 0 {
		o.MaxControlLine = controlLine
	}
	if o.ServerName == "" {
		o.ServerName = cfg.Name
	}
	if o.JetStream && o.StoreDir == "" {
		o.StoreDir = filepath.Join(cfg.DataDir, "jetstream") // nats-server's default is a temporary directory
	}
	o.NoSigs = true // signals are cmd/broker's to handle
	if cfg.Adjust != nil {
		cfg.Adjust(o)
	}
	askForCertificates(o)
	return o, nil
}

// askForCertificates lets clients show a certificate, by which admission may let
// them in, where the file says nothing about it. None has to have one. WebSocket
// is left out: browsers give up on one whose server asks.
func askForCertificates(o *server.Options) {
	for _, c := range []*tls.Config{o.TLSConfig, o.MQTT.TLSConfig, o.LeafNode.TLSConfig} {
		if c != nil && c.ClientAuth == tls.NoClientCert {
			c.ClientAuth = tls.RequestClientCert
		}
	}
}

// refuseOwnAuth refuses a file that says who may log in: that is what Signalbox
// is for, and two answers to one question are a hole.
func refuseOwnAuth(o *server.Options) error {
	const (
		fromControl = "which Signalbox sets itself: take it out, accounts and users come from control"
		anonymous   = "which lets in whoever says nothing, and that somebody would have to be a user of one tenant: take it out, " +
			"each client of a broker for many tenants says whose it is"
		shared = "which is one login for all clients of a listener, and that would have to be a user of one tenant: take it out, " +
			"tenants make device logins instead"
		mapped = "by which a certificate is a user of the configuration, and there are none: take it out (verify may stay, unless it is for NATS clients), " +
			"tenants say in a device login which certificate is whose"
		certified = "and control, which connects there as clients do, has no certificate: take it out there (other listeners may have it); " +
			"clients are asked for one anyway"
	)
	set := map[string]struct {
		is  bool
		why string
	}{
		"operator":                 {len(o.TrustedOperators) > 0, fromControl},
		"trusted_keys":             {len(o.TrustedKeys) > 0, fromControl},
		"resolver":                 {o.AccountResolver != nil, fromControl},
		"system_account":           {o.SystemAccount != "", fromControl},
		"accounts":                 {len(o.Accounts) > 0, fromControl},
		"resolver_pinned_accounts": {reflect.ValueOf(o).Elem().FieldByName("resolverPinnedAccounts").Len() > 0, fromControl}, // nats-server keeps it to itself
		"default_sentinel":         {o.DefaultSentinel != "", fromControl},
		"proxies":                  {o.Proxies != nil || o.ProxyRequired, fromControl},
		"authorization": {o.Username != "" || o.Password != "" || o.Authorization != "" || len(o.Users) > 0 || len(o.Nkeys) > 0 ||
			o.AuthCallout != nil, fromControl},
		"leafnodes authorization": {o.LeafNode.Username != "" || o.LeafNode.Password != "" || o.LeafNode.Nkey != "" || o.LeafNode.Account != "" ||
			len(o.LeafNode.Users) > 0 || o.LeafNode.ProxyRequired, shared},
		"websocket authorization": {o.Websocket.Username != "" || o.Websocket.Password != "" || o.Websocket.Token != "", shared},
		"mqtt authorization":      {o.MQTT.Username != "" || o.MQTT.Password != "" || o.MQTT.Token != "", shared},
		"no_auth_user":            {o.NoAuthUser != "", anonymous},
		"websocket no_auth_user":  {o.Websocket.NoAuthUser != "", anonymous},
		"mqtt no_auth_user":       {o.MQTT.NoAuthUser != "", anonymous},
		"tls verify":              {!o.TLSMap && o.TLSConfig != nil && o.TLSConfig.ClientAuth == tls.RequireAndVerifyClientCert, certified},
		"tls verify_and_map":      {o.TLSMap || o.Websocket.TLSMap || o.MQTT.TLSMap || o.LeafNode.TLSMap, mapped},
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if set[name].is {
			return fmt.Errorf("it sets %q, %s", name, set[name].why)
		}
	}
	return nil
}

// refuseWhatRides refuses to take logins from cookies that browsers send along
// for any page at all.
func refuseWhatRides(o *server.Options) error {
	w := o.Websocket
	if w.SameOrigin || len(w.AllowedOrigins) > 0 {
		return nil
	}
	for name, cookie := range map[string]string{"jwt_cookie": w.JWTCookie, "user_cookie": w.UsernameCookie, "pass_cookie": w.PasswordCookie, "token_cookie": w.TokenCookie} {
		if cookie != "" {
			return fmt.Errorf("it sets %q of the websocket without same_origin or allowed_origins: browsers send a cookie along whichever page connects, "+
				"so any site could connect as the person who visits it; say which origins may", name)
		}
	}
	return nil
}

// refuseBrokenTLS refuses listeners that nobody could get through, or only in the
// clear without anybody's having said so.
func refuseBrokenTLS(o *server.Options) error {
	if w := o.Websocket; w.Port != 0 && w.TLSConfig == nil && !w.NoTLS {
		return errors.New("it sets a websocket without tls: what clients log in with could be read on the way; " +
			"add a tls block, or no_tls: true if a proxy in front has the certificate")
	}
	for name, c := range map[string]*tls.Config{"tls": o.TLSConfig, "websocket tls": o.Websocket.TLSConfig, "mqtt tls": o.MQTT.TLSConfig, "leafnodes tls": o.LeafNode.TLSConfig} {
		if c != nil && len(c.Certificates) == 0 && c.GetCertificate == nil {
			return fmt.Errorf("it sets %q without a certificate, so nobody could connect: add cert_file and key_file", name)
		}
	}
	return nil
}

// joinOperator makes the server a member.
func joinOperator(o *server.Options, systemAccount string, r *resolver.Resolver) {
	o.TrustedOperators = r.Operators()
	o.SystemAccount = systemAccount
	o.AccountResolver = r
	o.Metadata = resolver.MarkBroker(o.Metadata)
}

// checkPorts finds out before the server does whether a port is taken, because
// nats-server's own words for it are hard to read.
func checkPorts(o *server.Options) error {
	listeners := []struct {
		what, host string
		port       int
	}{
		{"NATS clients", o.Host, o.Port},
		{"cluster routes", o.Cluster.Host, o.Cluster.Port},
		{"gateways", o.Gateway.Host, o.Gateway.Port},
		{"leaf nodes", o.LeafNode.Host, o.LeafNode.Port},
		{"WebSocket clients", o.Websocket.Host, o.Websocket.Port},
		{"MQTT clients", o.MQTT.Host, o.MQTT.Port},
		{"NATS monitoring", o.HTTPHost, o.HTTPPort},
		{"NATS monitoring over HTTPS", o.HTTPHost, o.HTTPSPort},
	}
	for _, l := range listeners {
		if l.port <= 0 {
			continue // not listening, or on whatever port is free
		}
		if err := checkPort(l.what, net.JoinHostPort(l.host, strconv.Itoa(l.port))); err != nil {
			return err
		}
	}
	return nil
}

func checkPort(what, address string) error {
	listener, err := net.Listen("tcp", address)
	if err == nil {
		return listener.Close()
	}
	return portError(what, address, err)
}

func portError(what, address string, err error) error {
	address = strings.TrimPrefix(address, ":")
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %s for %s is taken by another program: stop it or choose another port", address, what)
	}
	return fmt.Errorf("cannot listen on %s for %s: %w", address, what, err)
}
