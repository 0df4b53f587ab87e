package tenants

import "github.com/signalbox-io/signalbox/internal/claims"

// LimitsPatch is a change of some limits; nil leaves one as it is.
type LimitsPatch struct {
	Connections     *int64
	LeafNodes       *int64
	Subscriptions   *int64
	PayloadBytes    *int64
	DataBytes       *int64
	Exports         *int64
	Imports         *int64
	WildcardExports *bool
	Bearer          *bool
	JetStream       JetStreamLimitsPatch
	Tiers           *TiersPatch // instead of JetStream
}

// JetStreamLimitsPatch is a change of some JetStream limits.
type JetStreamLimitsPatch struct {
	MemoryBytes          *int64
	DiskBytes            *int64
	Streams              *int64
	Consumers            *int64
	AckPending           *int64
	MemoryMaxStreamBytes *int64
	DiskMaxStreamBytes   *int64
	MaxBytesRequired     *bool
}

// TiersPatch is a change of JetStream limits by the number of replicas.
type TiersPatch struct {
	R1, R3 JetStreamLimitsPatch
}

// Apply returns the limits with the patch's values in them. Limits of JetStream
// take the place of those of its tiers, and the other way round; a patch with
// both makes limits with both, which are not valid.
func (p LimitsPatch) Apply(to claims.Limits) claims.Limits {
	set(&to.Connections, p.Connections)
	set(&to.LeafNodes, p.LeafNodes)
	set(&to.Subscriptions, p.Subscriptions)
	set(&to.PayloadBytes, p.PayloadBytes)
	set(&to.DataBytes, p.DataBytes)
	set(&to.Exports, p.Exports)
	set(&to.Imports, p.Imports)
	set(&to.WildcardExports, p.WildcardExports)
	set(&to.Bearer, p.Bearer)
	flat := p.JetStream != (JetStreamLimitsPatch{})
	if flat && p.Tiers == nil {
		to.Tiers = claims.JetStreamTiers{}
	}
	if p.Tiers != nil {
		to.JetStream = claims.JetStreamLimits{}
		to.Tiers.R1 = p.Tiers.R1.applyTier(to.Tiers.R1)
		to.Tiers.R3 = p.Tiers.R3.applyTier(to.Tiers.R3)
	}
	if flat {
		to.JetStream = p.JetStream.apply(to.JetStream)
	}
	return to
}

// apply starts where there was nothing from no storage, and no other limits.
func (p JetStreamLimitsPatch) apply(to claims.JetStreamLimits) claims.JetStreamLimits {
	if to == (claims.JetStreamLimits{}) {
		to = claims.UnlimitedJetStream()
		to.MemoryBytes, to.DiskBytes = 0, 0
	}
	set(&to.MemoryBytes, p.MemoryBytes)
	set(&to.DiskBytes, p.DiskBytes)
	set(&to.Streams, p.Streams)
	set(&to.Consumers, p.Consumers)
	set(&to.AckPending, p.AckPending)
	set(&to.MemoryMaxStreamBytes, p.MemoryMaxStreamBytes)
	set(&to.DiskMaxStreamBytes, p.DiskMaxStreamBytes)
	set(&to.MaxBytesRequired, p.MaxBytesRequired)
	return to
}

// applyTier makes a tier without storage none.
func (p JetStreamLimitsPatch) applyTier(to claims.JetStreamLimits) claims.JetStreamLimits {
	to = p.apply(to)
	if to.Off() {
		return claims.JetStreamLimits{}
	}
	return to
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
