package claims

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/fault"
)

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

func (p Permission) validate(pointer string, queues bool) error {
	seen := map[string]string{}
	return errors.Join(
		validatePatterns(pointer+"/allow", p.Allow, queues, seen),
		validatePatterns(pointer+"/deny", p.Deny, queues, seen),
	)
}

// contradictions are subjects that are allowed in vain, since something denied
// takes all of them: a mistake, or what is to be said as a denial alone. What is
// no subject, or stands there twice, validate reports.
func (p Permission) contradictions(pointer string) error {
	var errs []error
	for i, allowed := range p.Allow {
		if validatePattern(allowed, true) != nil {
			continue
		}
		at := slices.IndexFunc(p.Deny, func(denied string) bool {
			return denied != allowed && validatePattern(denied, true) == nil && covers(denied, allowed)
		})
		if at >= 0 {
			errs = append(errs, fault.Field(fmt.Sprintf("%s/allow/%d", pointer, i),
				"nothing of this is allowed, since %s/deny/%d denies all of it; to allow nothing at all, deny > and allow nothing", pointer, at))
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
		p.Publish.contradictions(pointer+"/publish"),
		p.Subscribe.validate(pointer+"/subscribe", true),
		p.Subscribe.contradictions(pointer+"/subscribe"),
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

// limits spells "never" as a negative duration: a server replaces 0 by 2 minutes.
func (r ResponsePermission) limits() *jwt.ResponsePermission {
	if r.Expires == 0 {
		r.Expires = -1
	}
	return &jwt.ResponsePermission{MaxMsgs: r.MaxMessages, Expires: r.Expires}
}
