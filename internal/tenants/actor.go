package tenants

import (
	"github.com/signalbox-io/signalbox/internal/fault"
)

// MemberRole is what a member, or an API token, may do in a tenant. Each may do what the lesser ones may.
type MemberRole string

const (
	Viewer    MemberRole = "viewer"    // sees everything but secrets
	Developer MemberRole = "developer" // runs accounts, roles, users and creds
	Admin     MemberRole = "admin"     // deletes accounts, keeps API tokens, reads the audit
	Owner     MemberRole = "owner"     // the tenant is theirs
)

var memberRank = map[MemberRole]int{Viewer: 1, Developer: 2, Admin: 3, Owner: 4}

// Includes reports whether a holder of r may do what least allows. An unknown role includes nothing.
func (r MemberRole) Includes(least MemberRole) bool {
	return memberRank[r] >= memberRank[least] && memberRank[r] > 0 && memberRank[least] > 0
}

// Actor is whoever is calling, as far as it matters here: which tenants are
// theirs and what they may do in each. The zero Actor may do nothing. It is
// passed as an argument; nothing digs it out of a context.
type Actor struct {
	ID     string // a person's or an API token's id, for the audit; "system" for the installation itself
	Grants map[TenantID]MemberRole
	Staff  bool
}

// Tenants lists the tenants whose things the actor can see: every query about
// a tenant's things filters by it in SQL. It is never nil.
func (a Actor) Tenants() []TenantID {
	ids := make([]TenantID, 0, len(a.Grants))
	for id, role := range a.Grants {
		if role.Includes(Viewer) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Require refuses an actor who holds less than the role in the tenant. A tenant
// that is not theirs is NotFound: they must not learn that it exists.
func (a Actor) Require(tenant TenantID, least MemberRole) error {
	held := a.Grants[tenant]
	if !held.Includes(Viewer) {
		return notFound("tenant", string(tenant))
	}
	if !held.Includes(least) {
		return fault.New(fault.Forbidden, "this needs the role %s or more; you are %s here", least, held)
	}
	return nil
}

func (a Actor) requireStaff() error {
	if !a.Staff {
		return fault.New(fault.Forbidden, "this is for the staff of this installation")
	}
	return nil
}
