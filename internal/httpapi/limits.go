package httpapi

import (
	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func limitsOf(l claims.Limits) api.Limits {
	out := api.Limits{
		Connections:     l.Connections,
		LeafNodes:       l.LeafNodes,
		Subscriptions:   l.Subscriptions,
		PayloadBytes:    l.PayloadBytes,
		DataBytes:       l.DataBytes,
		Exports:         l.Exports,
		Imports:         l.Imports,
		WildcardExports: l.WildcardExports,
		Bearer:          l.Bearer,
		Jetstream: api.JetStreamLimits{
			MemoryBytes:          l.JetStream.MemoryBytes,
			DiskBytes:            l.JetStream.DiskBytes,
			Streams:              l.JetStream.Streams,
			Consumers:            l.JetStream.Consumers,
			AckPending:           l.JetStream.AckPending,
			MemoryMaxStreamBytes: l.JetStream.MemoryMaxStreamBytes,
			DiskMaxStreamBytes:   l.JetStream.DiskMaxStreamBytes,
			MaxBytesRequired:     l.JetStream.MaxBytesRequired,
		},
	}
	if l.Tiers != (claims.JetStreamTiers{}) {
		out.Jetstream.Tiers = &api.JetStreamTiers{R1: tierOf(l.Tiers.R1), R3: tierOf(l.Tiers.R3)}
	}
	return out
}

func tierOf(l claims.JetStreamLimits) *api.JetStreamTier {
	if l == (claims.JetStreamLimits{}) {
		return nil
	}
	return &api.JetStreamTier{
		MemoryBytes: l.MemoryBytes, DiskBytes: l.DiskBytes, Streams: l.Streams, Consumers: l.Consumers, AckPending: l.AckPending,
		MemoryMaxStreamBytes: l.MemoryMaxStreamBytes, DiskMaxStreamBytes: l.DiskMaxStreamBytes, MaxBytesRequired: l.MaxBytesRequired,
	}
}

func limitsPatch(in *api.LimitsInput) tenants.LimitsPatch {
	if in == nil {
		return tenants.LimitsPatch{}
	}
	p := tenants.LimitsPatch{
		Connections:     in.Connections,
		LeafNodes:       in.LeafNodes,
		Subscriptions:   in.Subscriptions,
		PayloadBytes:    in.PayloadBytes,
		DataBytes:       in.DataBytes,
		Exports:         in.Exports,
		Imports:         in.Imports,
		WildcardExports: in.WildcardExports,
		Bearer:          in.Bearer,
	}
	js := in.Jetstream
	if js == nil {
		return p
	}
	p.JetStream = tenants.JetStreamLimitsPatch{
		MemoryBytes: js.MemoryBytes, DiskBytes: js.DiskBytes, Streams: js.Streams, Consumers: js.Consumers, AckPending: js.AckPending,
		MemoryMaxStreamBytes: js.MemoryMaxStreamBytes, DiskMaxStreamBytes: js.DiskMaxStreamBytes, MaxBytesRequired: js.MaxBytesRequired,
	}
	if js.Tiers != nil {
		p.Tiers = &tenants.TiersPatch{R1: tierPatch(js.Tiers.R1), R3: tierPatch(js.Tiers.R3)}
	}
	return p
}

func tierPatch(in *api.JetStreamTierInput) tenants.JetStreamLimitsPatch {
	if in == nil {
		return tenants.JetStreamLimitsPatch{}
	}
	return tenants.JetStreamLimitsPatch{
		MemoryBytes: in.MemoryBytes, DiskBytes: in.DiskBytes, Streams: in.Streams, Consumers: in.Consumers, AckPending: in.AckPending,
		MemoryMaxStreamBytes: in.MemoryMaxStreamBytes, DiskMaxStreamBytes: in.DiskMaxStreamBytes, MaxBytesRequired: in.MaxBytesRequired,
	}
}
