package tenants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	Effective
	SuspendedAt   *time.Time // nil: it is not
	SuspendedBy   *Side
	SuspendReason string
	DeletingAt    *time.Time    // when it was frozen to be deleted; nil: it was not
	PurgeAt       *time.Time    // until when that can be undone
	Revision      feed.Revision // the operator's revision at which brokers last had to hear of it
	Version       int64         // counts edits
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Effective is what of an account's settings is in force: what is in its JWT,
// which keeps within the plan.
type Effective struct {
	EffectiveLimits          claims.Limits
	EffectiveConnectionTypes []claims.ConnectionType // empty: all
}

// Side is who suspended an account: its own tenant, or the installation's staff.
type Side string

// The two sides.
const (
	SideTenant Side = "tenant"
	SideStaff  Side = "staff"
)

// within is what of the account's settings the plan leaves, and the tenant's older accounts. A role's connection
// types are narrowed by it in turn, so here is where the three meet.
func (a Account) within(p Plan, left TenantLimits) Effective {
	return Effective{
		EffectiveLimits:          p.gives(a.Limits, left),
		EffectiveConnectionTypes: notNull(claims.CommonTypes(a.Settings.ConnectionTypes, p.ConnectionTypes)),
	}
}

// allowsTypes refuses connection types of a role that the account does not
// allow: no client would ever come over them.
func (a Account) allowsTypes(types []claims.ConnectionType) error {
	return typesWithin(types, a.Settings.ConnectionTypes, "the account")
}

// typesWithin refuses those of the types that are not allowed, if that says anything.
func typesWithin(types, allowed []claims.ConnectionType, by string) error {
	if len(allowed) == 0 {
		return nil
	}
	var errs []error
	for i, t := range types {
		if !slices.Contains(allowed, t) {
			errs = append(errs, fault.Field(fmt.Sprintf("/connection_types/%d", i), "%s does not allow connections of the type %s", by, t))
		}
	}
	return errors.Join(errs...)
}

// AccountSpec is what people choose about an account.
type AccountSpec struct {
	Name        string // unique among the tenant's accounts
	Description string // at most 512 characters
	Tags        []string
	Limits      claims.Limits
	Settings    AccountSettings
}

// AccountSettings are what most accounts leave as it is. The JSON is how they
// are stored.
type AccountSettings struct {
	DefaultPermissions claims.Permissions              `json:"default_permissions,omitzero"` // of users whose role says nothing about subjects
	Mappings           []claims.Mapping                `json:"mappings,omitempty"`
	Trace              *claims.Trace                   `json:"trace,omitempty"`
	ClusterTraffic     claims.ClusterTraffic           `json:"cluster_traffic,omitempty"`
	ConnectionTypes    []claims.ConnectionType         `json:"connection_types,omitempty"` // empty: all
	ConnectionsPerType map[claims.ConnectionType]int64 `json:"connections_per_type,omitempty"`
	AuthCallout        *AuthCallout                    `json:"auth_callout,omitempty"` // nil: brokers judge every login by themselves
	SigningKeys        []AccountSigningKey             `json:"signing_keys,omitempty"`

	CertificateAuthorities []string `json:"certificate_authorities,omitempty"` // in PEM; they issue the certificates of device logins
}

func (s AccountSpec) validate() error {
	errs := []error{
		fault.At("/name", claims.ValidateName(s.Name)),
		fault.At("/description", claims.ValidateDescription(s.Description)),
		claims.ValidateTags(s.Tags),
	}
	for _, e := range fault.All(s.Limits.Validate()) {
		errs = append(errs, fault.Field("/limits"+e.Pointer, "%s", e.Message))
	}
	return errors.Join(append(errs, s.Settings.validate())...)
}

func (s AccountSettings) validate() error {
	return errors.Join(
		s.DefaultPermissions.ValidateDefault(),
		claims.ValidateMappings(s.Mappings),
		s.Trace.Validate(),
		s.ClusterTraffic.Validate(),
		claims.ValidateConnectionTypes(s.ConnectionTypes),
		claims.ValidateTypeConnections(s.ConnectionTypes, s.ConnectionsPerType),
		s.AuthCallout.validate(),
		validateSigningKeys(s.SigningKeys),
		validateAuthorities(s.CertificateAuthorities),
	)
}

// equal compares settings as they are stored, where a missing list and an empty
// one are the same.
func (s AccountSpec) equal(other AccountSpec) bool {
	return s.Name == other.Name && s.Description == other.Description && s.Limits == other.Limits &&
		slices.Equal(s.Tags, other.Tags) && bytes.Equal(s.Settings.stored(), other.Settings.stored())
}

func (s AccountSettings) stored() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}

// clone copies what an edit could change in place.
func (s AccountSpec) clone() AccountSpec {
	var settings AccountSettings
	if err := json.Unmarshal(s.Settings.stored(), &settings); err != nil {
		panic(err) // it was stored so
	}
	s.Tags, s.Settings = slices.Clone(s.Tags), settings
	return s
}

// AccountCreate is what people choose about a new account.
type AccountCreate struct {
	OperatorID  OperatorID // empty: the default one
	Name        string
	Description string
	Tags        []string
	Limits      LimitsPatch // absent ones are the plan's
	Settings    AccountSettings
}

// AccountJWT is an account's JWT as brokers must hold it: a deleted account's
// is its tombstone.
type AccountJWT struct {
	Key      claims.AccountKey
	Revision feed.Revision // at which the JWT last changed; 0 for a system account
	JWT      string
	LeftOut  int64 `db:"-"` // revocations that a stock server's JWT has no room for
}
