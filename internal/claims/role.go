package claims

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Role is a scoped signing key of an account: whoever holds a JWT signed with
// it may do what the template says, as the template stands at the moment.
type Role struct {
	Key         AccountKey // of the role itself
	Name        string
	Description string
	Template    Template
}

// Template is what a role permits. Limits have to be said: their zero value is
// refused, because a server reads it as "unlimited"; start from [OpenTemplate].
// Its JSON is the form it is stored in: fields may be added, never renamed.
// The JSON is how templates are stored.
type Template struct {
	Publish         Permission          `json:"publish"`
	Subscribe       Permission          `json:"subscribe"`                  // entries may be "subject queue"
	Responses       *ResponsePermission `json:"responses,omitempty"`        // nil: replies need publish permission like anything else. Set: an empty Publish.Allow allows nothing but replies
	ConnectionTypes []ConnectionType    `json:"connection_types,omitempty"` // empty: all
	Subscriptions   int64               `json:"subscriptions"`              // per connection; Unlimited, or at least 1
	PayloadBytes    int64               `json:"payload_bytes"`              // per message; Unlimited, or at least 1
	SourceNetworks  []string            `json:"source_networks,omitempty"`  // CIDR; empty: from anywhere
	Times           []TimeRange         `json:"times,omitempty"`            // of each day, in TimeZone; empty: always
	TimeZone        string              `json:"time_zone,omitempty"`        // of the tz database, such as Europe/Berlin; needed with Times
	// Bearer lets a user in without proving possession of its seed. It stands
	// here because a server refuses a user with permissions of its own, and
	// counts this one among them. MQTT clients need it.
	Bearer bool `json:"bearer,omitempty"`
}

// OpenTemplate permits everything within the account, over every connection type.
func OpenTemplate() Template {
	return Template{Subscriptions: Unlimited, PayloadBytes: Unlimited}
}

// Validate reports every rule that the template breaks, each as a fault.Invalid
// with a pointer relative to the template, spelled as in the API:
// /permissions/publish/allow/0, /connection_types/1, /limits/payload_bytes.
func (t Template) Validate() error {
	return errors.Join(
		t.validate(ValidateConnectionTypes(t.ConnectionTypes)),
		t.Publish.contradictions("/permissions/publish"),
		t.Subscribe.contradictions("/permissions/subscribe"),
	)
}

// validate leaves out what contradicts itself: a server takes it, and one role
// that was stored before it was refused must not keep the account from being signed.
func (t Template) validate(types error) error {
	return errors.Join(
		t.Publish.validate("/permissions/publish", false),
		t.Subscribe.validate("/permissions/subscribe", true),
		t.Responses.validate("/permissions/responses"),
		types,
		validateNetworks(t.SourceNetworks),
		validateTimes(t.Times, t.TimeZone),
		validateRoleLimit("/limits/subscriptions", t.Subscriptions),
		validateRoleLimit("/limits/payload_bytes", t.PayloadBytes),
	)
}

func validateNetworks(networks []string) error {
	if len(networks) > MaxNetworks {
		return fault.Field("/source_networks", "%d networks at most", MaxNetworks)
	}
	var errs []error
	for i, n := range networks {
		at := fmt.Sprintf("/source_networks/%d", i)
		if _, _, err := net.ParseCIDR(n); err != nil {
			errs = append(errs, fault.Field(at, "a network is written as an address and a prefix length, such as 192.0.2.0/24 or 2001:db8::/32"))
			continue
		}
		if slices.Contains(networks[:i], n) {
			errs = append(errs, fault.Field(at, "this network is listed twice"))
		}
	}
	return errors.Join(errs...)
}

// validateRoleLimit refuses 0, for the JWT library leaves it out of a role when
// encoding and fills in "unlimited" when decoding, in every server.
func validateRoleLimit(pointer string, n int64) error {
	if n == 0 {
		return fault.Field(pointer, "a role's limit is at least 1, or -1 for unlimited; to allow none, deny the subject >")
	}
	return validateLimit(pointer, n)
}

func (r Role) validate() error {
	return errors.Join(
		fault.At("/name", ValidateName(r.Name)),
		fault.At("/description", ValidateDescription(r.Description)),
		r.Template.validate(validateCompiledTypes(r.Template.ConnectionTypes)),
	)
}

func (r Role) scope() *jwt.UserScope {
	s := jwt.NewUserScope()
	s.Key = string(r.Key)
	s.Role = r.Name
	s.Description = r.Description
	s.Template = r.Template.limits()
	return s
}

func (t Template) limits() jwt.UserPermissionLimits {
	var l jwt.UserPermissionLimits
	l.Permissions = Permissions{Publish: t.Publish, Subscribe: t.Subscribe, Responses: t.Responses}.permissions()
	for _, c := range t.ConnectionTypes {
		l.AllowedConnectionTypes = append(l.AllowedConnectionTypes, string(c))
	}
	l.Subs, l.Payload, l.Data = t.Subscriptions, t.PayloadBytes, jwt.NoLimit
	l.Src, l.Locale = t.SourceNetworks, t.TimeZone
	for _, r := range t.Times {
		l.Times = append(l.Times, jwt.TimeRange{Start: r.Start, End: r.End})
	}
	l.BearerToken = t.Bearer
	return l
}

func templateOf(l jwt.UserPermissionLimits) Template {
	p := permissionsOf(l.Permissions)
	t := Template{
		Publish:        p.Publish,
		Subscribe:      p.Subscribe,
		Responses:      p.Responses,
		Subscriptions:  l.Subs,
		PayloadBytes:   l.Payload,
		SourceNetworks: l.Src,
		TimeZone:       l.Locale,
		Bearer:         l.BearerToken,
	}
	for _, c := range l.AllowedConnectionTypes {
		t.ConnectionTypes = append(t.ConnectionTypes, ConnectionType(c))
	}
	for _, r := range l.Times {
		t.Times = append(t.Times, TimeRange{Start: r.Start, End: r.End})
	}
	return t
}
