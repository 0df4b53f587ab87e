package tenants

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// things are the ids that a method can be called with.
type things struct {
	tenant     TenantID
	account    AccountID
	role       RoleID
	user       UserID
	credential CredentialID
	login      CredentialID
	issuer     OIDCIssuerID
}

func (t things) ids() []string {
	return []string{string(t.tenant), string(t.account), string(t.role), string(t.user), string(t.credential), string(t.login), string(t.issuer)}
}

func unknownThings() things {
	return things{NewID[TenantID]("ten"), NewID[AccountID]("acc"), NewID[RoleID]("rol"), NewID[UserID]("usr"), NewID[CredentialID]("crd"), NewID[CredentialID]("dlg"), NewID[OIDCIssuerID]("oid")}
}

// method is one method of the service about a tenant's things. The names in
// calls that create must be new each time.
type method struct {
	least MemberRole
	call  func(w *world, a Actor, of things) error
}

var fresh = func() func() string {
	n := 0
	return func() string { n++; return fmt.Sprint("fresh", n) }
}

// methods are all of them: TestEveryMethodIsChecked sees to that. What deletes comes last.
func methods(name func() string) []struct {
	name string
	method
} {
	type named = struct {
		name string
		method
	}
	open := func() RoleSpec { return RoleSpec{Name: name(), Template: claims.OpenTemplate()} }
	return []named{
		{"Tenant", method{Viewer, func(w *world, a Actor, of things) error { return second(w.Tenant(w.t.Context(), a, of.tenant)) }}},
		{"PlanUse", method{Viewer, func(w *world, a Actor, of things) error { return second(w.PlanUse(w.t.Context(), a, of.tenant)) }}},
		{"Members", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.Members(w.t.Context(), a, of.tenant, PageQuery{}))
		}}},
		{"AuditEvents", method{Admin, func(w *world, a Actor, of things) error {
			return second(w.AuditEvents(w.t.Context(), a, of.tenant, PageQuery{}))
		}}},
		{"Events", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.Events(w.t.Context(), a, of.tenant, PageQuery{}))
		}}},
		{"UpdateTenant", method{Admin, func(w *world, a Actor, of things) error {
			return second(w.UpdateTenant(w.t.Context(), a, of.tenant, "", func(s *TenantSpec) error { s.Name = name(); return nil }))
		}}},
		{"CreateAccount", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.CreateAccount(w.t.Context(), a, of.tenant, Once{Key: name()}, AccountCreate{Name: name()}))
		}}},
		{"Accounts", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.Accounts(w.t.Context(), a, of.tenant, PageQuery{}))
		}}},
		{"Account", method{Viewer, func(w *world, a Actor, of things) error { return second(w.Account(w.t.Context(), a, of.account)) }}},
		{"UpdateAccount", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.UpdateAccount(w.t.Context(), a, of.account, "", func(s *AccountSpec) error { s.Name = name(); return nil }))
		}}},
		{"UpdateMappings", method{Developer, func(w *world, a Actor, of things) error {
			mappings := []claims.Mapping{{Subject: name(), Destinations: []claims.Destination{{Subject: "elsewhere", Weight: 100}}}}
			return second(w.UpdateMappings(w.t.Context(), a, of.account, "", mappings))
		}}},
		{"CloneAccount", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.CloneAccount(w.t.Context(), a, of.account, Once{Key: name()}, name()))
		}}},
		{"SuspendAccount", method{Admin, func(w *world, a Actor, of things) error {
			return second(w.SuspendAccount(w.t.Context(), a, of.account, name()))
		}}},
		{"ResumeAccount", method{Admin, func(w *world, a Actor, of things) error {
			return second(w.ResumeAccount(w.t.Context(), a, of.account))
		}}},
		{"AccountDelivery", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.AccountDelivery(w.t.Context(), a, of.account))
		}}},
		{"Endpoints", method{Viewer, func(w *world, a Actor, of things) error { return second(w.Endpoints(w.t.Context(), a, of.account)) }}},
		{"RefusedLogins", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.RefusedLogins(w.t.Context(), a, of.account, PageQuery{}))
		}}},
		{"CreateRole", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.CreateRole(w.t.Context(), a, of.account, Once{Key: name()}, open()))
		}}},
		{"Roles", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.Roles(w.t.Context(), a, of.account, PageQuery{}))
		}}},
		{"Role", method{Viewer, func(w *world, a Actor, of things) error { return second(w.Role(w.t.Context(), a, of.role)) }}},
		{"UpdateRole", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.UpdateRole(w.t.Context(), a, of.role, "", func(s *RoleSpec) error { s.Name = name(); return nil }))
		}}},
		{"CreateUser", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.CreateUser(w.t.Context(), a, of.account, Once{Key: name()}, UserSpec{Name: name()}))
		}}},
		{"Users", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.Users(w.t.Context(), a, of.account, PageQuery{}))
		}}},
		{"User", method{Viewer, func(w *world, a Actor, of things) error { return second(w.User(w.t.Context(), a, of.user)) }}},
		{"IssueCredential", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.IssueCredential(w.t.Context(), a, of.user, Once{}, CredentialSpec{}))
		}}},
		{"Credentials", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.Credentials(w.t.Context(), a, of.user, PageQuery{}))
		}}},
		{"Credential", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.Credential(w.t.Context(), a, of.credential))
		}}},
		{"AccountCredentials", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.AccountCredentials(w.t.Context(), a, of.account, CredentialFilter{}, PageQuery{}))
		}}},
		{"CredentialHistory", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.CredentialHistory(w.t.Context(), a, of.credential, PageQuery{}))
		}}},
		{"IssueBatch", method{Developer, func(w *world, a Actor, of things) error {
			spec := BatchSpec{Field: "names", Entries: []BatchEntry{{User: name()}}, CreateUsers: true}
			return second(w.IssueBatch(w.t.Context(), a, of.account, Once{}, nil, spec, func([]BatchIssued) error { return nil }))
		}}},
		{"ExtendCredential", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.ExtendCredential(w.t.Context(), a, of.credential, CredentialLife{}))
		}}},
		{"CreateDeviceLogin", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.CreateDeviceLogin(w.t.Context(), a, of.user, Once{Key: name()}, DeviceLoginSpec{Kind: PasswordLogin}))
		}}},
		{"DeviceLogins", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.DeviceLogins(w.t.Context(), a, of.user, PageQuery{}))
		}}},
		{"AccountDeviceLogins", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.AccountDeviceLogins(w.t.Context(), a, of.account, DeviceLoginFilter{}, PageQuery{}))
		}}},
		{"DeviceLoginHistory", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.DeviceLoginHistory(w.t.Context(), a, of.login, PageQuery{}))
		}}},
		{"DeviceLogin", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.DeviceLogin(w.t.Context(), a, of.login))
		}}},
		{"LoginFacts", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.LoginFacts(w.t.Context(), a, of.account, Subject{Role: of.role}))
		}}},
		{"RevokeCredential", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.RevokeCredential(w.t.Context(), a, of.credential, ""))
		}}},
		{"RevokeDeviceLogin", method{Developer, func(w *world, a Actor, of things) error {
			_, _, err := w.RevokeDeviceLogin(w.t.Context(), a, of.login, "")
			return err
		}}},
		{"UpdateUser", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.UpdateUser(w.t.Context(), a, of.user, "", func(s *UserSpec) error { s.Tags = append(s.Tags, name()); return nil }))
		}}},
		{"DeleteUser", method{Developer, func(w *world, a Actor, of things) error { return second(w.DeleteUser(w.t.Context(), a, of.user, "")) }}},
		{"CreateOIDCIssuer", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.CreateOIDCIssuer(w.t.Context(), a, of.account, Once{Key: name()}, issuerSpec("https://"+name()+".example.org", of.role)))
		}}},
		{"OIDCIssuers", method{Viewer, func(w *world, a Actor, of things) error {
			return second(w.OIDCIssuers(w.t.Context(), a, of.account, PageQuery{}))
		}}},
		{"OIDCIssuer", method{Viewer, func(w *world, a Actor, of things) error { return second(w.OIDCIssuer(w.t.Context(), a, of.issuer)) }}},
		{"UpdateOIDCIssuer", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.UpdateOIDCIssuer(w.t.Context(), a, of.issuer, "", func(s *OIDCIssuerSpec) error { s.Description = name(); return nil }))
		}}},
		{"RevokeOIDCSubject", method{Developer, func(w *world, a Actor, of things) error {
			return second(w.RevokeOIDCSubject(w.t.Context(), a, of.issuer, name(), ""))
		}}},
		{"DeleteOIDCIssuer", method{Developer, func(w *world, a Actor, of things) error { return w.DeleteOIDCIssuer(w.t.Context(), a, of.issuer, "") }}},
		{"DeleteRole", method{Developer, func(w *world, a Actor, of things) error { return second(w.DeleteRole(w.t.Context(), a, of.role, "")) }}},
		{"Retirement", method{Viewer, func(w *world, a Actor, of things) error { return second(w.Retirement(w.t.Context(), a, of.account)) }}},
		{"RestoreAccount", method{Admin, func(w *world, a Actor, of things) error {
			return second(w.RestoreAccount(w.t.Context(), a, of.account, ""))
		}}},
		{"DeleteAccount", method{Admin, func(w *world, a Actor, of things) error {
			return second(w.DeleteAccount(w.t.Context(), a, of.account, "", nil))
		}}},
		{"PurgeAccount", method{Admin, func(w *world, a Actor, of things) error {
			account, _ := w.Account(w.t.Context(), w.owner, of.account) // the others have renamed it
			return second(w.PurgeAccount(w.t.Context(), a, of.account, account.Name))
		}}},
	}
}

// staffMethods are about no tenant's things, or for staff as well: see plan_test.go.
var staffMethods = map[string]bool{"Operators": true, "Brokers": true, "CreateEnrollment": true, "OperatorDelivery": true, "RepairDrift": true,
	"ServerConfig": true, "AttachServer": true, "Servers": true, "Server": true, "UpdateServer": true, "DetachServer": true, "RemoveBroker": true,
	"CreatePlan": true, "Plans": true, "PlanVersions": true, "PlanVersion": true, "UpdatePlan": true, "MakeDefaultPlan": true,
	"SetTenantPlan": true, "MoveTenants": true, "Operation": true, "Tenants": true,
	"CreateOperator": true, "Operator": true, "UpdateOperator": true, "MakeDefaultOperator": true,
	"SigningKeys": true, "AddSigningKey": true, "RotateSigningKey": true, "RotateSystemAccount": true}

// alsoStaffs are methods about a tenant's things that staff may call, too.
var alsoStaffs = map[string]bool{"SuspendAccount": true, "ResumeAccount": true}

func TestEveryMethodIsChecked(t *testing.T) {
	t.Parallel()
	checked := map[string]bool{}
	for _, m := range methods(fresh()) {
		checked[m.name] = true
	}
	service := reflect.TypeFor[*Service]()
	for i := range service.NumMethod() {
		m := service.Method(i)
		takesActor := m.Type.NumIn() > 2 && m.Type.In(2) == reflect.TypeFor[Actor]()
		if takesActor && !checked[m.Name] && !staffMethods[m.Name] {
			t.Errorf("%s has an actor and is not among the methods whose isolation is tested", m.Name)
		}
	}
}

// everything is one of each in the world's tenant.
func (w *world) everything() things {
	w.t.Helper()
	role := w.role("reader")
	user := must(w.CreateUser(w.t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: role.ID}))(w.t)
	return things{w.tenant.ID, w.account.ID, role.ID, user.ID, w.credential(user).ID, w.password(user).ID, w.issuer(role).ID}
}

func TestForeignThingsAreAsUnknownOnes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	mine := w.everything()
	stranger, _, _ := w.found("Strangers")
	before, events := w.head(), w.events()
	nobody := Actor{ID: "per_nobody", Grants: map[TenantID]MemberRole{w.tenant.ID: "janitor"}}
	unknown := unknownThings()
	for _, m := range methods(fresh()) {
		absent := m.call(w, stranger, unknown)
		for who, actor := range map[string]Actor{"a stranger": stranger, "staff": staff, "one with an unknown role": nobody, "the zero actor": {}} {
			if who == "staff" && alsoStaffs[m.name] {
				continue
			}
			foreign := m.call(w, actor, mine)
			if !errors.Is(foreign, fault.NotFound) {
				t.Errorf("%s by %s: err = %v, want NotFound", m.name, who, foreign)
				continue
			}
			if got, want := wording(foreign, mine), wording(absent, unknown); got != want {
				t.Errorf("%s by %s tells foreign from unknown: %q, %q", m.name, who, got, want)
			}
		}
	}
	if w.head() != before || w.events() != events {
		t.Errorf("strangers changed something: head %d → %d, audit %d → %d", before, w.head(), events, w.events())
	}
}

// wording is the error without the ids.
func wording(err error, of things) string {
	text := err.Error()
	for _, id := range of.ids() {
		text = strings.ReplaceAll(text, id, "ID")
	}
	return text
}

// events counts the installation's audit events and idempotency keys.
func (w *world) events() (n int) {
	w.t.Helper()
	if err := w.pool.QueryRow(w.t.Context(), `SELECT (SELECT count(*) FROM audit_events) + (SELECT count(*) FROM idempotency_keys)`).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestRoleOfTheMemberDecides(t *testing.T) {
	t.Parallel()
	w := setup(t)
	mine := w.everything()
	ranks := []MemberRole{Viewer, Developer, Admin, Owner}
	name := fresh()
	for _, m := range methods(name) {
		for _, role := range ranks {
			err := m.call(w, w.as(role), mine)
			switch allowed := role.Includes(m.least); {
			case !allowed && !errors.Is(err, fault.Forbidden):
				t.Errorf("%s as %s: err = %v, want Forbidden", m.name, role, err)
			case allowed && err != nil:
				t.Errorf("%s as %s: %v", m.name, role, err)
			}
			if role.Includes(m.least) && strings.HasPrefix(m.name, "Delete") {
				break // there is but one
			}
		}
	}
}

func TestRoleOfAnotherAccountIsNoneForAUser(t *testing.T) {
	t.Parallel()
	w := setup(t)
	other := must(w.CreateAccount(t.Context(), w.owner, w.tenant.ID, Once{}, AccountCreate{Name: "other"}))(t)
	elsewhere := must(w.Roles(t.Context(), w.owner, other.ID, PageQuery{}))(t).Items[0]
	_, foreign := w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: elsewhere.ID})
	_, unknown := w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: NewID[RoleID]("rol")})
	refused(t, foreign, fault.Invalid, "/role_id")
	if foreign.Error() != unknown.Error() {
		t.Errorf("%q and %q tell them apart", foreign, unknown)
	}
}
