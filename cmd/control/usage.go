package main

import (
	"context"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/httpapi"
	"github.com/signalbox-io/signalbox/internal/lease"
	"github.com/signalbox-io/signalbox/internal/resolver"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// lease answers a broker that asks for places of connections that are counted.
func (d *delivery) lease(ctx context.Context, operatorID string, q lease.Ask) (lease.Answer, []lease.Recall, error) {
	return d.domain.LeaseShares(ctx, tenants.OperatorID(operatorID), q)
}

// usage asks every broker of the account's operator what the account uses there.
func (d *delivery) usage(ctx context.Context, account tenants.Account) (httpapi.Usage, error) {
	brokers, err := d.domain.CountBrokers(ctx, account.OperatorID)
	if err != nil {
		return httpapi.Usage{}, err
	}
	asking, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	answers, err := d.hub.Usage(asking, string(account.OperatorID), string(account.PublicKey), brokers)
	if err != nil {
		return httpapi.Usage{}, err
	}
	found := httpapi.Usage{Asked: brokers}
	clusters := map[string]int{} // which of found.Brokers tells of JetStream in the cluster
	for i, u := range answers {
		b := httpapi.BrokerUsage{Broker: u.Name, Connections: u.Connections, LeafNodes: u.LeafNodes, Types: map[claims.ConnectionType]httpapi.TypeUsage{}}
		for name, t := range u.Types {
			b.Types[claims.ConnectionType(name)] = httpapi.TypeUsage{Used: t.Used, Places: t.Places}
		}
		if u.JetStream != nil {
			stored := storedOf(*u.JetStream)
			of, known := clusters[u.Cluster]
			switch {
			case u.Cluster == "" || !known:
				clusters[u.Cluster], b.JetStream = i, stored
			default: // one that knows less has just come back, or sees less of the cluster
				found.Brokers[of].JetStream = most(found.Brokers[of].JetStream, stored)
			}
		}
		found.Brokers = append(found.Brokers, b)
	}
	return found, nil
}

func storedOf(u resolver.JetStreamUsage) httpapi.JetStreamUsage {
	j := httpapi.JetStreamUsage{MemoryBytes: u.MemoryBytes, DiskBytes: u.DiskBytes, Streams: u.Streams, Consumers: u.Consumers, Tiers: map[string]httpapi.JetStreamUsage{}}
	for name, tier := range u.Tiers {
		j.Tiers[name] = storedOf(tier)
	}
	return j
}

func most(a, b httpapi.JetStreamUsage) httpapi.JetStreamUsage {
	m := httpapi.JetStreamUsage{MemoryBytes: max(a.MemoryBytes, b.MemoryBytes), DiskBytes: max(a.DiskBytes, b.DiskBytes),
		Streams: max(a.Streams, b.Streams), Consumers: max(a.Consumers, b.Consumers), Tiers: map[string]httpapi.JetStreamUsage{}}
	for _, tiers := range []map[string]httpapi.JetStreamUsage{a.Tiers, b.Tiers} {
		for name, tier := range tiers {
			m.Tiers[name] = most(m.Tiers[name], tier)
		}
	}
	return m
}
