package broker

import (
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

// natsOptions are the configuration file's, or the defaults, without what makes
// the server a member.
func natsOptions(cfg Config) (*server.Options, error) {
	o := &server.Options{Port: defaultPort, JetStream: true}
	if cfg.NATSConfigFile != "" {
		var err error
		if o, err = server.ProcessConfigFile(cfg.NATSConfigFile); err != nil {
			return nil, fmt.Errorf("read the NATS configuration: %w", err)
		}
		if err := refuseOwnAuth(o); err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.NATSConfigFile, err)
		}
	}
	if o.Port == 0 {
		o.Port = defaultPort
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
	return o, nil
}

// refuseOwnAuth refuses a file that says who may log in: that is what Signalbox
// is for, and two answers to one question are a hole.
func refuseOwnAuth(o *server.Options) error {
	set := map[string]bool{
		"operator":                 len(o.TrustedOperators) > 0,
		"trusted_keys":             len(o.TrustedKeys) > 0,
		"resolver":                 o.AccountResolver != nil,
		"system_account":           o.SystemAccount != "",
		"accounts":                 len(o.Accounts) > 0,
		"resolver_pinned_accounts": reflect.ValueOf(o).Elem().FieldByName("resolverPinnedAccounts").Len() > 0, // nats-server keeps it to itself
		"default_sentinel":         o.DefaultSentinel != "",
		"proxies":                  o.Proxies != nil || o.ProxyRequired,
		"websocket authorization":  o.Websocket.Username != "" || o.Websocket.Password != "" || o.Websocket.Token != "" || o.Websocket.NoAuthUser != "",
		"mqtt authorization":       o.MQTT.Username != "" || o.MQTT.Password != "" || o.MQTT.Token != "" || o.MQTT.NoAuthUser != "",
		"leafnodes authorization": o.LeafNode.Username != "" || o.LeafNode.Password != "" || o.LeafNode.Nkey != "" || o.LeafNode.Account != "" ||
			len(o.LeafNode.Users) > 0 || o.LeafNode.ProxyRequired,
		"authorization": o.Username != "" || o.Password != "" || o.Authorization != "" || len(o.Users) > 0 || len(o.Nkeys) > 0 ||
			o.AuthCallout != nil || o.NoAuthUser != "",
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if set[name] {
			return fmt.Errorf("it sets %q, which Signalbox sets itself: take it out, accounts and users come from control", name)
		}
	}
	return nil
}

// joinOperator makes the server a member.
func joinOperator(o *server.Options, systemAccount string, r *resolver.Resolver) {
	o.TrustedOperators = r.Operators()
	o.SystemAccount = systemAccount
	o.AccountResolver = r
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
