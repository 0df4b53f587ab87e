package tenants

import (
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// signable is what it takes to sign for a user.
type signable struct {
	TenantID        TenantID
	AccountID       AccountID
	Spared          bool // the account judges the user's logins by itself, and leaves others to a service of its own
	Name            string
	AccountName     string
	AccountKey      claims.AccountKey
	DeletingAt      *time.Time // the account's
	SuspendedAt     *time.Time // likewise
	AccountBearer   bool       // the account allows bearer credentials
	EffectiveBearer bool       // so does the plan
	Tags            []string   // the user's
	RoleID          RoleID
	RoleName        string
	RoleKey         claims.AccountKey
	SealedSeed      []byte        // the role's
	RoleBearer      bool          // its credentials are bearer credentials
	RoleDefault     time.Duration // of credentials' lifetimes; 0: none
	RoleMaximum     time.Duration // likewise
	PlanName        string
	PlanDefault     time.Duration // of credentials' lifetimes; 0: none
	PlanMaximum     time.Duration // likewise
}

// account is the user's, as far as it matters to who may change something in it.
func (u signable) account() Account {
	return Account{TenantID: u.TenantID, AccountSpec: AccountSpec{Name: u.AccountName}, DeletingAt: u.DeletingAt}
}

// lifetimes are what the user's role and the tenant's plan say of them.
func (u signable) lifetimes() lifetimes {
	return lifetimes{Role: u.RoleName, Plan: u.PlanName, RoleDefault: u.RoleDefault, RoleMaximum: u.RoleMaximum, PlanDefault: u.PlanDefault, PlanMaximum: u.PlanMaximum}
}

// admissible refuses to issue what no broker would let in.
func (u signable) admissible() error {
	switch {
	case !u.RoleBearer || u.EffectiveBearer:
		return nil
	case !u.AccountBearer:
		return fault.New(fault.Conflict, "credentials of the role %s are bearer credentials, and the account %s allows none", u.RoleName, u.AccountName)
	}
	return fault.New(fault.Conflict, "credentials of the role %s are bearer credentials, and the plan %s allows none", u.RoleName, u.PlanName)
}

// renewable refuses to renew anything in an account that is suspended.
func (u signable) renewable() error {
	if u.SuspendedAt != nil {
		return fault.New(fault.Conflict, "the account %s is suspended", u.AccountName)
	}
	return u.admissible()
}
