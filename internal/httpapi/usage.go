package httpapi

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// Usage is what an operator's brokers say of what an account uses, each.
type Usage struct {
	Brokers []BrokerUsage
	Asked   int // brokers enrolled
}

// BrokerUsage is what an account uses on one broker.
type BrokerUsage struct {
	Broker      string // its name
	Connections int64
	LeafNodes   int64
	Types       map[claims.ConnectionType]TypeUsage
	JetStream   JetStreamUsage // no broker's twice, where several of a cluster know of it
}

// TypeUsage is how many connections of a type there are, and places that the
// broker holds for them.
type TypeUsage struct{ Used, Places int64 }

// JetStreamUsage is what JetStream stores.
type JetStreamUsage struct {
	MemoryBytes, DiskBytes, Streams, Consumers int64
	Tiers                                      map[string]JetStreamUsage // by name, such as R1
}

func (s *Server) getAccountUsage(w http.ResponseWriter, r *http.Request) error {
	account, err := s.Tenants.Account(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"))
	if err != nil {
		return err
	}
	limits, err := s.Tenants.LimitsInForce(r.Context(), account)
	if err != nil {
		return err
	}
	found, err := s.Usage(r.Context(), account)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, found.beside(limits))
}

func (u Usage) beside(limits tenants.LimitsInForce) api.AccountUsage {
	out := api.AccountUsage{
		Connections: api.UsageCount{Limit: limits.Connections}, LeafNodes: api.UsageCount{Limit: limits.LeafNodes},
		ConnectionTypes: u.types(limits), BrokersAsked: u.Asked, BrokersAnswered: len(u.Brokers),
	}
	var stored JetStreamUsage
	for _, b := range u.Brokers {
		out.Connections.Used += b.Connections
		out.LeafNodes.Used += b.LeafNodes
		stored = stored.plus(b.JetStream)
	}
	out.Jetstream.Tiers = map[string]api.JetStreamUsage{}
	if limits.Tiers == (claims.JetStreamTiers{}) {
		total := stored.beside(limits.JetStream)
		out.Jetstream.Total = &total
		return out
	}
	out.Jetstream.Tiers["r1"] = stored.Tiers["R1"].beside(limits.Tiers.R1)
	out.Jetstream.Tiers["r3"] = stored.Tiers["R3"].beside(limits.Tiers.R3)
	return out
}

func (u Usage) types(limits tenants.LimitsInForce) []api.ConnectionTypeUsage {
	types := []api.ConnectionTypeUsage{}
	for _, t := range claims.ConnectionTypes {
		of := api.ConnectionTypeUsage{ConnectionType: api.ConnectionType(t), Limit: limits.ConnectionsOf(t), Shares: []api.ConnectionTypeShare{}}
		for _, b := range u.Brokers {
			if share, ok := b.Types[t]; ok {
				of.Used += share.Used
				of.Shares = append(of.Shares, api.ConnectionTypeShare{Broker: b.Broker, Used: share.Used, Places: share.Places})
			}
		}
		slices.SortFunc(of.Shares, func(a, b api.ConnectionTypeShare) int { return cmp.Compare(a.Broker, b.Broker) })
		if of.Limit != claims.Unlimited || len(of.Shares) > 0 {
			types = append(types, of)
		}
	}
	return types
}

func (j JetStreamUsage) plus(other JetStreamUsage) JetStreamUsage {
	sum := JetStreamUsage{MemoryBytes: j.MemoryBytes + other.MemoryBytes, DiskBytes: j.DiskBytes + other.DiskBytes,
		Streams: j.Streams + other.Streams, Consumers: j.Consumers + other.Consumers, Tiers: map[string]JetStreamUsage{}}
	for _, tiers := range []map[string]JetStreamUsage{j.Tiers, other.Tiers} {
		for name, tier := range tiers {
			sum.Tiers[name] = sum.Tiers[name].plus(tier)
		}
	}
	return sum
}

func (j JetStreamUsage) beside(limits claims.JetStreamLimits) api.JetStreamUsage {
	return api.JetStreamUsage{
		MemoryBytes: api.UsageCount{Used: j.MemoryBytes, Limit: limits.MemoryBytes},
		DiskBytes:   api.UsageCount{Used: j.DiskBytes, Limit: limits.DiskBytes},
		Streams:     api.UsageCount{Used: j.Streams, Limit: limits.Streams}, Consumers: j.Consumers,
	}
}
