package claims

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

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
	// Bearer lets a user in without proving possession of its seed. It stands
	// here because a server refuses a user with permissions of its own, and
	// counts this one among them. MQTT clients need it.
	Bearer bool `json:"bearer,omitempty"`
}

// Permissions are what a role, or an account for users without a role's, says about subjects.
type Permissions struct {
	Publish   Permission          `json:"publish,omitzero"`
	Subscribe Permission          `json:"subscribe,omitzero"`
	Responses *ResponsePermission `json:"responses,omitempty"`
}

// Permission is a list of subjects allowed and one of subjects denied; deny
// wins. An empty Allow allows everything.
type Permission struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// ResponsePermission lets a client publish to the reply subject of a message it
// received.
type ResponsePermission struct {
	MaxMessages int           `json:"max_messages"` // per request; at least 1, or -1 for unlimited
	Expires     time.Duration `json:"expires"`      // after the request; 0 is never
}

// OpenTemplate permits everything within the account, over every connection type.
func OpenTemplate() Template {
	return Template{Subscriptions: Unlimited, PayloadBytes: Unlimited}
}

// Validate reports every rule that the template breaks, each as a fault.Invalid
// with a pointer relative to the template, spelled as in the API:
// /permissions/publish/allow/0, /connection_types/1, /limits/payload_bytes.
func (t Template) Validate() error {
	return t.validate(ValidateConnectionTypes(t.ConnectionTypes))
}

func (t Template) validate(types error) error {
	return errors.Join(
		t.Publish.validate("/permissions/publish", false),
		t.Subscribe.validate("/permissions/subscribe", true),
		t.Responses.validate("/permissions/responses"),
		types,
		validateNetworks(t.SourceNetworks),
		validateRoleLimit("/limits/subscriptions", t.Subscriptions),
		validateRoleLimit("/limits/payload_bytes", t.PayloadBytes),
	)
}

func (p Permission) validate(pointer string, queues bool) error {
	seen := map[string]string{}
	err := errors.Join(
		validatePatterns(pointer+"/allow", p.Allow, queues, seen),
		validatePatterns(pointer+"/deny", p.Deny, queues, seen),
	)
	if err != nil {
		return err
	}
	return p.validateUse(pointer)
}

// validateUse refuses what is allowed in vain, because all of it is denied.
func (p Permission) validateUse(pointer string) error {
	var errs []error
	for i, allowed := range p.Allow {
		at := slices.IndexFunc(p.Deny, func(denied string) bool { return covers(denied, allowed) })
		if at >= 0 {
			errs = append(errs, fault.Field(fmt.Sprintf("%s/allow/%d", pointer, i), "nothing of this is allowed, since %s/deny/%d denies all of it", pointer, at))
		}
	}
	return errors.Join(errs...)
}

// ValidateDefault reports every rule that an account's default permissions
// break, each as a fault.Invalid at /default_permissions/….
func (p Permissions) ValidateDefault() error {
	const pointer = "/default_permissions"
	return errors.Join(
		p.Publish.validate(pointer+"/publish", false),
		p.Subscribe.validate(pointer+"/subscribe", true),
		p.Responses.validate(pointer+"/responses"),
		refuseVariables(pointer, p.Publish, p.Subscribe),
	)
}

// refuseVariables is for permissions that are no role's.
func refuseVariables(pointer string, permissions ...Permission) error {
	for _, p := range permissions {
		for _, s := range slices.Concat(p.Allow, p.Deny) {
			if strings.Contains(s, "{{") {
				return fault.Field(pointer, "only a role's subjects may contain {{…}}")
			}
		}
	}
	return nil
}

func (p Permissions) permissions() jwt.Permissions {
	out := jwt.Permissions{
		Pub: jwt.Permission{Allow: p.Publish.Allow, Deny: p.Publish.Deny},
		Sub: jwt.Permission{Allow: p.Subscribe.Allow, Deny: p.Subscribe.Deny},
	}
	if p.Responses != nil {
		out.Resp = p.Responses.limits()
	}
	return out
}

func permissionsOf(p jwt.Permissions) Permissions {
	out := Permissions{
		Publish:   Permission{Allow: p.Pub.Allow, Deny: p.Pub.Deny},
		Subscribe: Permission{Allow: p.Sub.Allow, Deny: p.Sub.Deny},
	}
	if p.Resp != nil {
		out.Responses = &ResponsePermission{MaxMessages: p.Resp.MaxMsgs, Expires: max(p.Resp.Expires, 0)}
	}
	return out
}

func validatePatterns(pointer string, patterns []string, queues bool, seen map[string]string) error {
	if len(patterns) > MaxSubjects {
		return fault.Field(pointer, "%d subjects at most", MaxSubjects)
	}
	var errs []error
	for i, s := range patterns {
		at := fmt.Sprintf("%s/%d", pointer, i)
		if err := validatePattern(s, queues); err != nil {
			errs = append(errs, fault.At(at, err))
			continue
		}
		if first, ok := seen[s]; ok {
			errs = append(errs, fault.Field(at, "this subject stands at %s already", first))
			continue
		}
		seen[s] = at
	}
	return errors.Join(errs...)
}

func (r *ResponsePermission) validate(pointer string) error {
	if r == nil {
		return nil
	}
	var errs []error
	if r.MaxMessages < -1 || r.MaxMessages == 0 {
		errs = append(errs, fault.Field(pointer+"/max_messages", "at least 1 message, or -1 for unlimited; to allow no responses, leave the whole field out"))
	}
	if r.Expires < 0 {
		errs = append(errs, fault.Field(pointer+"/expires_in", "a duration must not be negative"))
	}
	return errors.Join(errs...)
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
	l.Src = t.SourceNetworks
	l.BearerToken = t.Bearer
	return l
}

// limits spells "never" as a negative duration: a server replaces 0 by 2 minutes.
func (r ResponsePermission) limits() *jwt.ResponsePermission {
	if r.Expires == 0 {
		r.Expires = -1
	}
	return &jwt.ResponsePermission{MaxMsgs: r.MaxMessages, Expires: r.Expires}
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
		Bearer:         l.BearerToken,
	}
	for _, c := range l.AllowedConnectionTypes {
		t.ConnectionTypes = append(t.ConnectionTypes, ConnectionType(c))
	}
	return t
}
