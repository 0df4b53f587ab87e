package admission

import (
	"reflect"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// A user's JWT says which role signed it, and the user's tags. Both may be
// something else by now: then the account's claims have an override for the user,
// by name, and that holds for all its credentials. Only a role's signature makes
// it: what an unscoped key signs has permissions of its own.

// standing is what a user is in an account.
type standing struct {
	key      string                    // that the account knows it by: its role's, or the one that signed it
	template *jwt.UserPermissionLimits // nil: it has permissions of its own, or the role is not there
	tags     []string
	types    []claims.ConnectionType // of those that the template allows; empty: all
}

// allowedTypes are the connection types that the user may use, of which an empty list is all.
func (in standing) allowedTypes() []string {
	if len(in.types) == 0 {
		return in.template.AllowedConnectionTypes
	}
	var role []claims.ConnectionType
	for _, name := range in.template.AllowedConnectionTypes {
		role = append(role, claims.ConnectionType(strings.ToUpper(name)))
	}
	var both []string
	for _, t := range claims.CommonTypes(role, in.types) {
		both = append(both, string(t))
	}
	return both
}

// standing is what the account says of a user, or else the user's JWT does.
func (w *law) standing(signer, name string, tags []string) standing {
	template := w.signers[signer]
	if _, byRule := claims.RuleOf(tags); template != nil && !byRule { // whose name an issuer has chosen
		if o, ok := claims.FindOverride(w.counts.Overrides, name); ok {
			return standing{string(o.Role), w.signers[string(o.Role)], o.Tags, o.ConnectionTypes}
		}
	}
	return standing{signer, template, tags, nil}
}

func (w *law) standingOf(s *session) standing { return w.standing(s.signer, s.name, s.tags) }

// keeps says whether the key that signed for a connection does so still, and the
// user may do what it could before: connection types are another question.
func (w *law) keeps(s *session, was *law) bool {
	if _, known := w.signers[s.signer]; !known {
		return false
	}
	before, after := was.standingOf(s), w.standingOf(s)
	if before.template == nil || after.template == nil {
		return before.template == after.template && before.key == after.key
	}
	return reflect.DeepEqual(anyType(*before.template), anyType(*after.template)) &&
		(!names(after.template, "tag(") || slices.Equal(before.tags, after.tags)) &&
		(!names(after.template, "account-") || w.sameAccount(was))
}

// names says whether a role's subjects have a variable that is spelled so.
func names(role *jwt.UserPermissionLimits, variable string) bool {
	for _, list := range []jwt.StringList{role.Pub.Allow, role.Pub.Deny, role.Sub.Allow, role.Sub.Deny} {
		for _, subject := range list {
			if strings.Contains(subject, "{{") && strings.Contains(strings.ToLower(subject), variable) {
				return true
			}
		}
	}
	return false
}

// sameAccount says whether what roles' subjects may name of the account is the same.
func (w *law) sameAccount(was *law) bool {
	return w.name == was.name && slices.Equal(w.tags, was.tags)
}

// difference is whom a law may treat otherwise than the one before did, apart
// from those it revokes.
type difference struct {
	roles []string // signing keys, whether scoped or not
	users []string // by name
}

// since says in what a law differs, and whether that concerns everybody.
func (w *law) since(was *law) (d difference, everybody bool) {
	everybody = w.noBearer != was.noBearer || !slices.Equal(w.authUsers, was.authUsers) || !slices.Equal(w.counts.ConnectionTypes, was.counts.ConnectionTypes)
	same, removed := w.sameAccount(was), false
	for key, before := range was.signers {
		after, known := w.signers[key]
		removed = removed || !known
		if !known || !reflect.DeepEqual(before, after) || !same && after != nil && names(after, "account-") {
			d.roles = append(d.roles, key)
		}
	}
	d.users = changedUsers(was.counts.Overrides, w.counts.Overrides, removed)
	return d, everybody
}

// changedUsers are those who are something else by the later of two lists that are
// sorted by name; or all in one of them.
func changedUsers(before, after []claims.UserOverride, all bool) (names []string) {
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].Name < after[0].Name:
			names, before = append(names, before[0].Name), before[1:]
		case len(before) == 0 || after[0].Name < before[0].Name:
			names, after = append(names, after[0].Name), after[1:]
		default:
			if all || before[0].Role != after[0].Role || !slices.Equal(before[0].Tags, after[0].Tags) || !slices.Equal(before[0].ConnectionTypes, after[0].ConnectionTypes) {
				names = append(names, after[0].Name)
			}
			before, after = before[1:], after[1:]
		}
	}
	return names
}
