package tenants

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func newXKey(t *testing.T) string {
	t.Helper()
	pair := must(nkeys.CreateCurveKeys())(t)
	return must(pair.PublicKey())(t)
}

func newAccountKey(t *testing.T) claims.AccountKey {
	t.Helper()
	return must(must(claims.NewAccountSeed())(t).AccountKey())(t)
}

func TestAuthCalloutIsSignedWithTheCredentialsOfItsUsers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan(`max_accounts = -1`)
	other := must(w.CreateAccount(t.Context(), w.owner, w.account.TenantID, Once{}, AccountCreate{Name: "other"}))(t)
	service := w.user("service")
	key, xkey := must(must(claims.NewUserSeed())(t).UserKey())(t), newXKey(t)
	must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error {
		s.Settings.AuthCallout = &AuthCallout{AuthUsers: []string{string(service.ID), string(key)}, AllowedAccounts: []AccountID{other.ID}, XKey: xkey}
		return nil
	}))(t)
	signed := func() *claims.Callout { return w.facts(w.account.PublicKey).Callout }
	if diff := cmp.Diff(&claims.Callout{Users: []claims.UserKey{key}, Accounts: []claims.AccountKey{other.PublicKey}, XKey: xkey}, signed()); diff != "" {
		t.Fatalf("before the service has a credential (-want +signed):\n%s", diff)
	}
	first := must(w.IssueCredential(t.Context(), w.owner, service.ID, Once{}, CredentialSpec{}))(t)
	second := must(w.IssueCredential(t.Context(), w.owner, service.ID, Once{Key: "k"}, CredentialSpec{}))(t)
	want := []claims.UserKey{key, first.PublicKey, second.PublicKey}
	slices.Sort(want)
	if diff := cmp.Diff(want, signed().Users); diff != "" {
		t.Errorf("with two credentials (-want +signed):\n%s", diff)
	}
	must(w.RevokeCredential(t.Context(), w.owner, first.ID, ""))(t)
	if slices.Contains(signed().Users, first.PublicKey) {
		t.Error("a revoked credential is still spared")
	}
	before := w.head()
	must(w.IssueCredential(t.Context(), w.owner, w.user("somebody").ID, Once{}, CredentialSpec{}))(t)
	if w.head() != before {
		t.Error("a credential of another user bumped the revision")
	}
}

// Were the list of users empty in the JWT, every login would be judged as without a service.
func TestAuthCalloutWithoutACredentialLeavesNobodyOut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	service := w.user("service")
	must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error {
		s.Settings.AuthCallout = &AuthCallout{AuthUsers: []string{string(service.ID)}}
		return nil
	}))(t)
	if got, want := w.facts(w.account.PublicKey).Callout.Users, []claims.UserKey{claims.Nobody(w.account.PublicKey)}; !slices.Equal(got, want) {
		t.Errorf("spared are %v, want nobody", got)
	}
}

func TestSigningKeysOfTheTenantAreSigned(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan(`max_accounts = -1`)
	role := w.role("devices")
	most := int64(3)
	must(w.UpdateRole(t.Context(), w.owner, role.ID, "", func(s *RoleSpec) error {
		s.Template.Publish.Allow, s.ConnectionsPerUser = []string{"devices.>"}, &most
		return nil
	}))(t)
	open, scoped := newAccountKey(t), newAccountKey(t)
	must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error {
		s.Settings.SigningKeys = []AccountSigningKey{{PublicKey: open, Description: "ours"}, {PublicKey: scoped, RoleID: role.ID}}
		return nil
	}))(t)
	facts := w.facts(w.account.PublicKey)
	if !slices.Equal(facts.SigningKeys, []claims.AccountKey{open}) {
		t.Errorf("unscoped are %v", facts.SigningKeys)
	}
	at := slices.IndexFunc(facts.Roles, func(r claims.Role) bool { return r.Key == scoped })
	if at < 0 || facts.Roles[at].Name != "devices" || !slices.Equal(facts.Roles[at].Template.Publish.Allow, []string{"devices.>"}) || facts.RoleConnections[scoped] != 3 {
		t.Errorf("the role's key is not signed as the role: %+v", facts)
	}
	if _, err := w.DeleteRole(t.Context(), w.owner, role.ID, ""); err != nil {
		t.Fatal(err)
	}
	if facts := w.facts(w.account.PublicKey); slices.ContainsFunc(facts.Roles, func(r claims.Role) bool { return r.Key == scoped }) {
		t.Error("the key of a role that was deleted still signs")
	}
	clone := must(w.CloneAccount(t.Context(), w.owner, w.account.ID, Once{}, "clone"))(t)
	if len(clone.Settings.SigningKeys) > 0 {
		t.Error("another account got the keys, too")
	}
}

func TestBadAuthCalloutsAreRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	_, _, stranger := w.found("Strangers")
	key := string(must(must(claims.NewUserSeed())(t).UserKey())(t))
	other := must(w.CreateOperator(t.Context(), staff, Once{}, OperatorSpec{Name: "Other"}))(t)
	distant := must(w.CreateAccount(t.Context(), staff, w.tenant.ID, Once{}, AccountCreate{Name: "distant", OperatorID: other.ID}))(t)
	sibling := w.newAccount("sibling", 1)
	signer := newAccountKey(t)
	callout := func(c AuthCallout) func(*AccountSettings) { return func(s *AccountSettings) { s.AuthCallout = &c } }
	head := w.head()
	for pointer, edits := range map[string][]func(*AccountSettings){
		"/auth_callout/auth_users":   {callout(AuthCallout{})},
		"/auth_callout/auth_users/0": {callout(AuthCallout{AuthUsers: []string{"usr_nobody"}}), callout(AuthCallout{AuthUsers: []string{"UNOBODY"}})},
		"/auth_callout/auth_users/1": {callout(AuthCallout{AuthUsers: []string{key, key}})},
		"/auth_callout/allowed_accounts/0": {
			callout(AuthCallout{AuthUsers: []string{key}, AllowedAccounts: []AccountID{"*"}}),
			callout(AuthCallout{AuthUsers: []string{key}, AllowedAccounts: []AccountID{stranger.ID}}),
			callout(AuthCallout{AuthUsers: []string{key}, AllowedAccounts: []AccountID{w.account.ID}}),
			callout(AuthCallout{AuthUsers: []string{key}, AllowedAccounts: []AccountID{distant.ID}}),
		},
		"/auth_callout/allowed_accounts/1": {callout(AuthCallout{AuthUsers: []string{key}, AllowedAccounts: []AccountID{sibling.ID, stranger.ID}})},
		"/auth_callout/xkey":               {callout(AuthCallout{AuthUsers: []string{key}, XKey: key})},
		"/signing_keys/0/public_key": {
			func(s *AccountSettings) { s.SigningKeys = []AccountSigningKey{{PublicKey: claims.AccountKey(key)}} },
			func(s *AccountSettings) { s.SigningKeys = []AccountSigningKey{{PublicKey: w.account.PublicKey}} },
		},
		"/signing_keys/0/role_id": {func(s *AccountSettings) { s.SigningKeys = []AccountSigningKey{{PublicKey: signer, RoleID: "rol_none"}} }},
		"/signing_keys/1/public_key": {func(s *AccountSettings) {
			s.SigningKeys = []AccountSigningKey{{PublicKey: signer}, {PublicKey: signer}}
		}},
	} {
		for _, edit := range edits {
			_, err := w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { edit(&s.Settings); return nil })
			refused(t, err, fault.Invalid, pointer)
		}
	}
	if w.head() != head {
		t.Error("a refused setting bumped the revision")
	}
}
