package claims

import (
	"encoding/json"
	"errors"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Limits bound an account. In each, -1 is [Unlimited] and 0 is none, so the
// zero Limits allow nothing. Two are the same if they are ==. The JSON is how
// they are stored.
type Limits struct {
	Connections     int64           `json:"connections"`   // of clients, at one time, across the operator's brokers
	LeafNodes       int64           `json:"leaf_nodes"`    // connections of leaf nodes, likewise
	Subscriptions   int64           `json:"subscriptions"` // per connection
	PayloadBytes    int64           `json:"payload_bytes"` // per message, headers included
	DataBytes       int64           `json:"data_bytes"`    // carried in the JWT; no server enforces it
	Exports         int64           `json:"exports"`
	Imports         int64           `json:"imports"`
	WildcardExports bool            `json:"wildcard_exports"` // exported subjects may have wildcards
	Bearer          bool            `json:"bearer"`           // users may come without proof that they have their seed, if their role lets them
	JetStream       JetStreamLimits `json:"jetstream"`        // zero if there are tiers
	Tiers           JetStreamTiers  `json:"tiers,omitzero"`   // instead of JetStream
}

// JetStreamLimits bound an account's JetStream. With both storages 0 JetStream
// is off. Otherwise what counts something must not be 0, which a server would
// read as unlimited.
type JetStreamLimits struct {
	MemoryBytes          int64 `json:"memory_bytes"`
	DiskBytes            int64 `json:"disk_bytes"`
	Streams              int64 `json:"streams"`
	Consumers            int64 `json:"consumers"`               // per stream
	AckPending           int64 `json:"ack_pending"`             // per consumer: messages sent and not acknowledged
	MemoryMaxStreamBytes int64 `json:"memory_max_stream_bytes"` // of one stream
	DiskMaxStreamBytes   int64 `json:"disk_max_stream_bytes"`   // of one stream
	MaxBytesRequired     bool  `json:"max_bytes_required"`      // a stream must say how large it may become
}

// JetStreamTiers bound an account's JetStream apart for streams with one replica
// and with three. In a tier that is zero there are no streams.
type JetStreamTiers struct {
	R1 JetStreamLimits `json:"r1,omitzero"`
	R3 JetStreamLimits `json:"r3,omitzero"`
}

// UnmarshalJSON reads limits that were stored before there was a choice about
// bearers and wildcards: both were allowed.
func (l *Limits) UnmarshalJSON(b []byte) error {
	type stored Limits
	s := stored{WildcardExports: true, Bearer: true}
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*l = Limits(s)
	return nil
}

// UnmarshalJSON reads limits that were stored when there were less: what was not
// there did not limit.
func (l *JetStreamLimits) UnmarshalJSON(b []byte) error {
	type stored JetStreamLimits
	s := stored{AckPending: Unlimited, MemoryMaxStreamBytes: Unlimited, DiskMaxStreamBytes: Unlimited}
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*l = JetStreamLimits(s)
	return nil
}

// UnlimitedLimits let an account do everything, JetStream included.
func UnlimitedLimits() Limits {
	return Limits{
		Connections: Unlimited, LeafNodes: Unlimited, Subscriptions: Unlimited,
		PayloadBytes: Unlimited, DataBytes: Unlimited, Exports: Unlimited, Imports: Unlimited,
		WildcardExports: true, Bearer: true, JetStream: UnlimitedJetStream(),
	}
}

// UnlimitedJetStream is JetStream without limits.
func UnlimitedJetStream() JetStreamLimits {
	return JetStreamLimits{
		MemoryBytes: Unlimited, DiskBytes: Unlimited, Streams: Unlimited, Consumers: Unlimited,
		AckPending: Unlimited, MemoryMaxStreamBytes: Unlimited, DiskMaxStreamBytes: Unlimited,
	}
}

// Off says whether the limits leave no room for a stream.
func (l JetStreamLimits) Off() bool { return l.MemoryBytes == 0 && l.DiskBytes == 0 }

// Validate reports every limit out of range as a fault.Invalid with a pointer
// relative to the limits, spelled as in the API: /connections, /jetstream/disk_bytes,
// /jetstream/tiers/r3/streams.
func (l Limits) Validate() error {
	errs := []error{
		validateLimit("/connections", l.Connections),
		validateLimit("/leaf_nodes", l.LeafNodes),
		validateLimit("/subscriptions", l.Subscriptions),
		validateLimit("/payload_bytes", l.PayloadBytes),
		validateLimit("/data_bytes", l.DataBytes),
		validateLimit("/exports", l.Exports),
		validateLimit("/imports", l.Imports),
		l.JetStream.validate("/jetstream"),
	}
	if l.Tiers == (JetStreamTiers{}) {
		return errors.Join(errs...)
	}
	if l.JetStream != (JetStreamLimits{}) {
		errs = append(errs, fault.Field("/jetstream/tiers", "JetStream has either limits of its own or those of its tiers, not both"))
	}
	return errors.Join(append(errs, l.Tiers.R1.validate("/jetstream/tiers/r1"), l.Tiers.R3.validate("/jetstream/tiers/r3"))...)
}

func (l JetStreamLimits) validate(pointer string) error {
	counts := []struct {
		name string
		n    int64
	}{
		{"/streams", l.Streams}, {"/consumers", l.Consumers}, {"/ack_pending", l.AckPending},
		{"/memory_max_stream_bytes", l.MemoryMaxStreamBytes}, {"/disk_max_stream_bytes", l.DiskMaxStreamBytes},
	}
	errs := []error{
		validateLimit(pointer+"/memory_bytes", l.MemoryBytes),
		validateLimit(pointer+"/disk_bytes", l.DiskBytes),
	}
	for _, c := range counts {
		errs = append(errs, validateLimit(pointer+c.name, c.n))
		if c.n == 0 && !l.Off() {
			errs = append(errs, fault.Field(pointer+c.name, "0 would be unlimited to a server; give at least 1, or -1 for unlimited; for no JetStream at all, set both storage limits to 0"))
		}
	}
	return errors.Join(errs...)
}

func validateLimit(pointer string, n int64) error {
	if n < Unlimited {
		return fault.Field(pointer, "a limit is -1 for unlimited, 0 for none, or a positive number")
	}
	return nil
}

func (l Limits) operatorLimits() jwt.OperatorLimits {
	limits := jwt.OperatorLimits{
		NatsLimits: jwt.NatsLimits{Subs: l.Subscriptions, Data: l.DataBytes, Payload: l.PayloadBytes},
		AccountLimits: jwt.AccountLimits{
			Imports: l.Imports, Exports: l.Exports, WildcardExports: l.WildcardExports, DisallowBearer: !l.Bearer,
			Conn: l.Connections, LeafNodeConn: l.LeafNodes,
		},
		JetStreamLimits: l.JetStream.claims(),
	}
	for name, tier := range map[string]JetStreamLimits{"R1": l.Tiers.R1, "R3": l.Tiers.R3} {
		if tier == (JetStreamLimits{}) {
			continue
		}
		if limits.JetStreamTieredLimits == nil {
			limits.JetStreamTieredLimits = jwt.JetStreamTieredLimits{}
		}
		limits.JetStreamTieredLimits[name] = tier.claims()
	}
	return limits
}

func limitsOf(l jwt.OperatorLimits) Limits {
	return Limits{
		Connections: l.Conn, LeafNodes: l.LeafNodeConn, Subscriptions: l.Subs,
		PayloadBytes: l.Payload, DataBytes: l.Data, Exports: l.Exports, Imports: l.Imports,
		WildcardExports: l.WildcardExports, Bearer: !l.DisallowBearer,
		JetStream: jetStreamOf(l.JetStreamLimits),
		Tiers:     JetStreamTiers{R1: jetStreamOf(l.JetStreamTieredLimits["R1"]), R3: jetStreamOf(l.JetStreamTieredLimits["R3"])},
	}
}

func (l JetStreamLimits) claims() jwt.JetStreamLimits {
	return jwt.JetStreamLimits{
		MemoryStorage: l.MemoryBytes, DiskStorage: l.DiskBytes, Streams: l.Streams, Consumer: l.Consumers, MaxAckPending: l.AckPending,
		MemoryMaxStreamBytes: l.MemoryMaxStreamBytes, DiskMaxStreamBytes: l.DiskMaxStreamBytes, MaxBytesRequired: l.MaxBytesRequired,
	}
}

func jetStreamOf(l jwt.JetStreamLimits) JetStreamLimits {
	return JetStreamLimits{
		MemoryBytes: l.MemoryStorage, DiskBytes: l.DiskStorage, Streams: l.Streams, Consumers: l.Consumer, AckPending: l.MaxAckPending,
		MemoryMaxStreamBytes: l.MemoryMaxStreamBytes, DiskMaxStreamBytes: l.DiskMaxStreamBytes, MaxBytesRequired: l.MaxBytesRequired,
	}
}
