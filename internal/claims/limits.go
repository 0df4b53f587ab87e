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

// HasDisk says whether there may be a stream on disk, without which MQTT does not work.
func (l Limits) HasDisk() bool {
	return l.JetStream.DiskBytes != 0 || l.Tiers.R1.DiskBytes != 0 || l.Tiers.R3.DiskBytes != 0
}

// Validate reports every limit out of range as a fault.Invalid with a pointer
// relative to the limits, spelled as in the API: /connections, /jetstream/disk_bytes,
// /jetstream/tiers/r3/streams.
func (l Limits) Validate() error {
	var errs []error
	for _, c := range l.counts() {
		errs = append(errs, validateLimit(c.pointer, *c.n))
	}
	errs = append(errs, l.JetStream.validate("/jetstream"))
	if l.Tiers == (JetStreamTiers{}) {
		return errors.Join(errs...)
	}
	if l.JetStream != (JetStreamLimits{}) {
		errs = append(errs, fault.Field("/jetstream/tiers", "JetStream has either limits of its own or those of its tiers, not both"))
	}
	return errors.Join(append(errs, l.Tiers.R1.validate("/jetstream/tiers/r1"), l.Tiers.R3.validate("/jetstream/tiers/r3"))...)
}

func (l JetStreamLimits) validate(pointer string) error {
	var errs []error
	for i, c := range l.counts(pointer) {
		errs = append(errs, validateLimit(c.pointer, *c.n))
		if i > 1 && *c.n == 0 && !l.Off() {
			errs = append(errs, fault.Field(c.pointer, "0 would be unlimited to a server; give at least 1, or -1 for unlimited; for no JetStream at all, set both storage limits to 0"))
		}
	}
	return errors.Join(errs...)
}

// count is one of the limits that are numbers.
type count struct {
	pointer string
	n       *int64
}

// counts are all but JetStream's.
func (l *Limits) counts() []count {
	return []count{
		{"/connections", &l.Connections}, {"/leaf_nodes", &l.LeafNodes}, {"/subscriptions", &l.Subscriptions},
		{"/payload_bytes", &l.PayloadBytes}, {"/data_bytes", &l.DataBytes}, {"/exports", &l.Exports}, {"/imports", &l.Imports},
	}
}

// counts are the two storages, and after them what 0 does not switch off.
func (l *JetStreamLimits) counts(pointer string) []count {
	return []count{
		{pointer + "/memory_bytes", &l.MemoryBytes}, {pointer + "/disk_bytes", &l.DiskBytes},
		{pointer + "/streams", &l.Streams}, {pointer + "/consumers", &l.Consumers}, {pointer + "/ack_pending", &l.AckPending},
		{pointer + "/memory_max_stream_bytes", &l.MemoryMaxStreamBytes}, {pointer + "/disk_max_stream_bytes", &l.DiskMaxStreamBytes},
	}
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

// Within are the limits, each lowered to what most has. Where most has tiers and
// the limits have none, each tier gets what they leave of it; where it is the
// other way round, the tiers share what most has in the proportion they had.
func (l Limits) Within(most Limits) Limits {
	for i, bound := range most.counts() {
		n := l.counts()[i].n
		*n = lesser(*n, *bound.n)
	}
	l.WildcardExports = l.WildcardExports && most.WildcardExports
	l.Bearer = l.Bearer && most.Bearer
	switch tiered, bound := l.Tiers != (JetStreamTiers{}), most.Tiers != (JetStreamTiers{}); {
	case !tiered && !bound:
		l.JetStream = l.JetStream.within(most.JetStream)
	case bound && !tiered:
		l.Tiers = JetStreamTiers{R1: l.JetStream.within(most.Tiers.R1), R3: l.JetStream.within(most.Tiers.R3)}
		l.JetStream = JetStreamLimits{}
	case bound:
		l.Tiers = JetStreamTiers{R1: l.Tiers.R1.within(most.Tiers.R1), R3: l.Tiers.R3.within(most.Tiers.R3)}
	default:
		l.Tiers = JetStreamTiers{R1: l.Tiers.R1.within(most.JetStream), R3: l.Tiers.R3.within(most.JetStream)}
		share(&l.Tiers.R1.MemoryBytes, &l.Tiers.R3.MemoryBytes, most.JetStream.MemoryBytes)
		share(&l.Tiers.R1.DiskBytes, &l.Tiers.R3.DiskBytes, most.JetStream.DiskBytes)
		share(&l.Tiers.R1.Streams, &l.Tiers.R3.Streams, most.JetStream.Streams)
	}
	return l
}

func (l JetStreamLimits) within(most JetStreamLimits) JetStreamLimits {
	for i, bound := range most.counts("") {
		n := l.counts("")[i].n
		*n = lesser(*n, *bound.n)
	}
	l.MaxBytesRequired = l.MaxBytesRequired || most.MaxBytesRequired
	if l.Off() {
		return JetStreamLimits{}
	}
	return l
}

// share lowers both in proportion until they are no more than most together. At
// least 1 is left of what there was, since 0 may stand for unlimited.
func share(a, b *int64, most int64) {
	if most == Unlimited || *a <= most-*b {
		return
	}
	part := max(1, int64(float64(most)*(float64(*a)/(float64(*a)+float64(*b)))))
	*a, *b = part, max(1, most-part)
}

// Beyond reports every limit that is more than most has, each as a fault.Invalid
// with a pointer as [Limits.Validate] has them.
func (l Limits) Beyond(most Limits) error {
	var errs []error
	for i, bound := range most.counts() {
		errs = append(errs, beyond(bound.pointer, *l.counts()[i].n, *bound.n))
	}
	if l.WildcardExports && !most.WildcardExports {
		errs = append(errs, fault.Field("/wildcard_exports", "must be false"))
	}
	if l.Bearer && !most.Bearer {
		errs = append(errs, fault.Field("/bearer", "must be false"))
	}
	return errors.Join(append(errs, l.beyondStorage(most))...)
}

func (l Limits) beyondStorage(most Limits) error {
	tiered, bound := l.Tiers != (JetStreamTiers{}), most.Tiers != (JetStreamTiers{})
	switch {
	case !tiered && !bound:
		return l.JetStream.beyond("/jetstream", most.JetStream)
	case bound && !tiered:
		if l.JetStream.Off() {
			return nil
		}
		return fault.Field("/jetstream", "must be given as tiers")
	case bound:
		return errors.Join(
			l.Tiers.R1.beyond("/jetstream/tiers/r1", most.Tiers.R1),
			l.Tiers.R3.beyond("/jetstream/tiers/r3", most.Tiers.R3),
		)
	}
	err := errors.Join(
		l.Tiers.R1.beyond("/jetstream/tiers/r1", most.JetStream),
		l.Tiers.R3.beyond("/jetstream/tiers/r3", most.JetStream),
	)
	if shared := l.Within(most).Tiers; err == nil && shared != l.Tiers {
		return fault.Field("/jetstream/tiers", "must be %d bytes of memory, %d of disk and %d streams at most, together", most.JetStream.MemoryBytes, most.JetStream.DiskBytes, most.JetStream.Streams)
	}
	return err
}

func (l JetStreamLimits) beyond(pointer string, most JetStreamLimits) error {
	if l.Off() {
		return nil
	}
	var errs []error
	for i, bound := range most.counts(pointer) {
		errs = append(errs, beyond(bound.pointer, *l.counts(pointer)[i].n, *bound.n))
	}
	if most.MaxBytesRequired && !l.MaxBytesRequired {
		errs = append(errs, fault.Field(pointer+"/max_bytes_required", "must be true"))
	}
	return errors.Join(errs...)
}

func beyond(pointer string, n, most int64) error {
	if lesser(n, most) != n {
		return fault.Field(pointer, "must be %d at most", most)
	}
	return nil
}

func lesser(a, b int64) int64 {
	if a == Unlimited || b != Unlimited && b < a {
		return b
	}
	return a
}
