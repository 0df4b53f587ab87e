package broker

import (
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/lease"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// usage is what an account uses here.
func (b *Broker) usage(account string) resolver.Usage {
	u := resolver.Usage{Types: map[string]resolver.TypeUsage{}, JetStream: b.stored(account)}
	for kind, n := range b.admission.Kinds(account) {
		u.Types[kind] = resolver.TypeUsage{Used: n}
		if kind == jwt.ConnectionTypeLeafnode || kind == jwt.ConnectionTypeLeafnodeWS {
			u.LeafNodes += n
			continue
		}
		u.Connections += n
	}
	for _, c := range b.shares.Claims(account) {
		if kind, ok := c.Type(); ok {
			t := u.Types[kind]
			t.Places = b.shares.Places(lease.TypeKey(account, kind))
			u.Types[kind] = t
		}
	}
	return u
}

// stored is what JetStream holds for an account; nil: it has never heard of it.
func (b *Broker) stored(account string) *resolver.JetStreamUsage {
	if _, err := b.server.JszAccount(&server.JSzOptions{Account: account}); err != nil {
		return nil // to look for it would load it
	}
	loaded, err := b.server.LookupAccount(account)
	if err != nil {
		return nil
	}
	stats := loaded.JetStreamUsage()
	u := &resolver.JetStreamUsage{MemoryBytes: int64(stats.Memory), DiskBytes: int64(stats.Store),
		Streams: int64(stats.Streams), Consumers: int64(stats.Consumers), Tiers: map[string]resolver.JetStreamUsage{}}
	for name, t := range stats.Tiers {
		u.Tiers[name] = resolver.JetStreamUsage{MemoryBytes: int64(t.Memory), DiskBytes: int64(t.Store), Streams: int64(t.Streams), Consumers: int64(t.Consumers)}
	}
	return u
}
