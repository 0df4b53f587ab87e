package tenants

import (
	"fmt"
	"slices"
	"strings"
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
	DeletingAt      *time.Time              // the account's
	SuspendedAt     *time.Time              // likewise
	AccountBearer   bool                    // the account allows bearer credentials
	EffectiveLimits claims.Limits           // the account's within the plan
	AllowedTypes    []claims.ConnectionType // by account and plan; empty: all
	Tags            []string                // the user's
	UserTypes       []claims.ConnectionType // of connections, within its role's; empty: all of those
	RoleID          RoleID
	RoleName        string
	RoleKey         claims.AccountKey
	SealedSeed      []byte                  // the role's
	RoleBearer      bool                    // its credentials are bearer credentials
	RoleTypes       []claims.ConnectionType // of connections; empty: all
	RoleDefault     time.Duration           // of credentials' lifetimes; 0: none
	RoleMaximum     time.Duration           // likewise
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

// admissible refuses to issue creds that no broker would let in.
func (u signable) admissible() error {
	switch {
	case u.RoleBearer && !u.AccountBearer:
		return fault.New(fault.Conflict, "credentials of the role %s are bearer credentials, and the account %s allows none", u.RoleName, u.AccountName)
	case u.RoleBearer && !u.EffectiveLimits.Bearer:
		return fault.New(fault.Conflict, "credentials of the role %s are bearer credentials, and the plan %s allows none", u.RoleName, u.PlanName)
	}
	return u.usableBy(creds)
}

// creds is the kind of credentials that are no device logins.
const creds = "creds"

// usableBy refuses a credential of a kind that cannot be used over any of the
// connections that the user, its role, account and plan allow, and says why not.
func (u signable) usableBy(kind string) error {
	types := claims.CommonTypes(u.UserTypes, u.RoleTypes, u.AllowedTypes)
	if len(types) == 1 && types[0] == claims.NoConnectionType {
		return fault.New(fault.Conflict, "nobody could log in with it: %s, and the account or the plan allows %s only", u.ownTypes(), spellTypes(u.AllowedTypes))
	}
	var reasons []string
	for _, t := range types {
		reason := u.unusable(kind, t)
		if reason == "" {
			return nil
		}
		if !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return fault.New(fault.Conflict, "nobody could log in with it over %s, which is what the %s allows: %s", spellTypes(types), u.allower(), strings.Join(reasons, "; "))
}

// ownTypes says what user and role allow.
func (u signable) ownTypes() string {
	role := fmt.Sprintf("the role %s allows %s", u.RoleName, spellTypes(u.RoleTypes))
	if len(u.UserTypes) == 0 {
		return role
	}
	return fmt.Sprintf("the user %s is for %s, %s", u.Name, spellTypes(u.UserTypes), role)
}

// allower is what narrows the types last.
func (u signable) allower() string {
	if len(u.UserTypes) > 0 {
		return "user " + u.Name
	}
	return "role " + u.RoleName
}

// overWebSocketOnly says whether all connections that are allowed begin as WebSockets.
func (u signable) overWebSocketOnly() bool {
	over := []claims.ConnectionType{claims.WebSocket, claims.MQTTOverWS, claims.LeafNodeWS}
	types := claims.CommonTypes(u.UserTypes, u.RoleTypes, u.AllowedTypes)
	return len(types) > 0 && !slices.ContainsFunc(types, func(t claims.ConnectionType) bool { return !slices.Contains(over, t) })
}

// unusable says why a credential of the kind can never be used over a
// connection of the type; empty: it can.
func (u signable) unusable(kind string, over claims.ConnectionType) string {
	mqtt := over == claims.MQTT || over == claims.MQTTOverWS
	switch {
	case mqtt && !u.EffectiveLimits.HasDisk():
		return "MQTT keeps its sessions in JetStream, and the account has no room for streams on disk"
	case mqtt && kind == creds && !u.RoleBearer:
		return "MQTT clients cannot prove that they hold a seed (create a device login of the kind password, or make the role's credentials bearer credentials)"
	case mqtt && kind == string(NkeyLogin):
		return "MQTT clients cannot sign what a broker asks them to (take the kind password or certificate)"
	case over == claims.InProcess && kind == string(CertificateLogin):
		return "connections within the broker's process have no TLS, and show no certificate"
	}
	return ""
}

func spellTypes(types []claims.ConnectionType) string {
	if len(types) == 0 {
		return "all types of connections"
	}
	return "connections of the type " + strings.Join(column(types, func(t claims.ConnectionType) string { return string(t) }), ", ")
}

// renewable refuses to renew anything in an account that is suspended.
func (u signable) renewable() error {
	if u.SuspendedAt != nil {
		return fault.New(fault.Conflict, "the account %s is suspended", u.AccountName)
	}
	return u.admissible()
}
