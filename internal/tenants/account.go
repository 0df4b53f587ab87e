package tenants

import (
	"errors"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
)

// Account is the isolation boundary of NATS: subjects, streams and queue
// groups of one account are its own. It belongs to a tenant and is signed by
// an operator.
type Account struct {
	ID         AccountID
	TenantID   TenantID
	OperatorID OperatorID
	PublicKey  claims.AccountKey
	AccountSpec
	DeletingAt *time.Time    // when it was frozen to be deleted; nil: it was not
	PurgeAt    *time.Time    // until when that can be undone
	Revision   feed.Revision // the operator's revision at which brokers last had to hear of it
	Version    int64         // counts edits
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// AccountSpec is what people choose about an account.
type AccountSpec struct {
	Name        string // unique among the tenant's accounts
	Description string // at most 512 characters
	Limits      claims.Limits
}

func (s AccountSpec) validate() error {
	errs := []error{
		fault.At("/name", claims.ValidateName(s.Name)),
		fault.At("/description", claims.ValidateDescription(s.Description)),
	}
	for _, e := range fault.All(s.Limits.Validate()) {
		errs = append(errs, fault.Field("/limits"+e.Pointer, "%s", e.Message))
	}
	return errors.Join(errs...)
}

// AccountCreate is what people choose about a new account.
type AccountCreate struct {
	Name        string
	Description string
	Limits      LimitsPatch // absent ones are the plan's
}

// LimitsPatch is a change of some limits; nil leaves one as it is.
type LimitsPatch struct {
	Connections   *int64
	LeafNodes     *int64
	Subscriptions *int64
	PayloadBytes  *int64
	DataBytes     *int64
	Exports       *int64
	Imports       *int64
	JetStream     JetStreamLimitsPatch
}

// JetStreamLimitsPatch is a change of some JetStream limits.
type JetStreamLimitsPatch struct {
	MemoryBytes *int64
	DiskBytes   *int64
	Streams     *int64
	Consumers   *int64
}

// Apply returns the limits with the patch's values in them.
func (p LimitsPatch) Apply(to claims.Limits) claims.Limits {
	for _, f := range []struct {
		from *int64
		to   *int64
	}{
		{p.Connections, &to.Connections},
		{p.LeafNodes, &to.LeafNodes},
		{p.Subscriptions, &to.Subscriptions},
		{p.PayloadBytes, &to.PayloadBytes},
		{p.DataBytes, &to.DataBytes},
		{p.Exports, &to.Exports},
		{p.Imports, &to.Imports},
		{p.JetStream.MemoryBytes, &to.JetStream.MemoryBytes},
		{p.JetStream.DiskBytes, &to.JetStream.DiskBytes},
		{p.JetStream.Streams, &to.JetStream.Streams},
		{p.JetStream.Consumers, &to.JetStream.Consumers},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	return to
}

// AccountJWT is an account's JWT as brokers must hold it: a deleted account's
// is its tombstone.
type AccountJWT struct {
	Key      claims.AccountKey
	Revision feed.Revision // at which the JWT last changed; 0 for a system account
	JWT      string
	LeftOut  int64 `db:"-"` // revocations that a stock server's JWT has no room for
}
