package tenants

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// lives issues a credential to the user that lives so long; 0 is for ever.
func (w *world) lives(user User, life time.Duration) IssuedCredential {
	w.t.Helper()
	spec := CredentialSpec{}
	if life != 0 {
		spec.ExpiresIn = &life
	}
	return must(w.IssueCredential(w.t.Context(), w.owner, user.ID, Once{}, spec))(w.t)
}

func TestAccountsCredentialsAreFilteredAndSorted(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC().Truncate(time.Second)
	w.at(now)
	user, other := w.user("u"), w.user("other")
	forever, expired, expiring, later := w.lives(user, 0), w.lives(user, time.Hour), w.lives(other, 10*time.Hour), w.lives(user, 30*day)
	revoked := w.lives(user, 20*day)
	must(w.RevokeCredential(t.Context(), w.owner, revoked.ID, ""))(t)
	gone := w.user("gone")
	w.lives(gone, day)
	if _, err := w.DeleteUser(t.Context(), w.owner, gone.ID, ""); err != nil {
		t.Fatal(err)
	}
	w.at(now.Add(9 * time.Hour))
	before := now.Add(11 * time.Hour)
	for name, c := range map[string]struct {
		filter CredentialFilter
		sort   string
		want   []IssuedCredential
	}{
		"all":            {want: []IssuedCredential{forever, expired, expiring, later, revoked}},
		"newest first":   {sort: "-created_at", want: []IssuedCredential{revoked, later, expiring, expired, forever}},
		"by expiry":      {sort: "expires_at", want: []IssuedCredential{expired, expiring, revoked, later, forever}},
		"by expiry down": {sort: "-expires_at", want: []IssuedCredential{forever, later, revoked, expiring, expired}},
		"active":         {filter: CredentialFilter{Status: CredentialActive}, want: []IssuedCredential{forever, later}},
		"expiring":       {filter: CredentialFilter{Status: CredentialExpiring}, want: []IssuedCredential{expiring}},
		"expired":        {filter: CredentialFilter{Status: CredentialExpired}, want: []IssuedCredential{expired}},
		"revoked":        {filter: CredentialFilter{Status: CredentialRevoked}, want: []IssuedCredential{revoked}},
		"soon to expire": {filter: CredentialFilter{ExpiresBefore: &before}, want: []IssuedCredential{expired, expiring}},
		"of one user":    {filter: CredentialFilter{User: other.ID}, want: []IssuedCredential{expiring}},
	} {
		var got, want []CredentialID
		for _, c := range c.want {
			want = append(want, c.ID)
		}
		for cursor := ""; ; { // page by page, so that each sort's cursor is tried
			page := must(w.AccountCredentials(t.Context(), w.owner, w.account.ID, c.filter, PageQuery{Limit: 1, Sort: c.sort, Cursor: cursor}))(t)
			for _, c := range page.Items {
				got = append(got, c.ID)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if n := must(w.ExpiringCredentials(t.Context(), w.account))(t); n != 1 {
		t.Errorf("%d are expiring, want 1", n)
	}
	forged := position{Sort: "expires_at", ID: "crd_", Name: "yesterday"}.cursor()
	_, err := w.AccountCredentials(t.Context(), w.owner, w.account.ID, CredentialFilter{}, PageQuery{Sort: "expires_at", Cursor: forged})
	refused(t, err, fault.Invalid, "?cursor")
}

func TestCredentialKnowsWhoIssuedItAndItsHistory(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	issued := must(w.IssueCredential(t.Context(), w.as(Developer), user.ID, Once{}, CredentialSpec{}))(t)
	w.credential(user)
	must(w.RevokeCredential(t.Context(), w.owner, issued.ID, ""))(t)
	if got := must(w.Credential(t.Context(), w.owner, issued.ID))(t); got.IssuedBy != "per_developer" {
		t.Errorf("issued by %q", got.IssuedBy)
	}
	var got [][2]string
	for _, e := range must(w.CredentialHistory(t.Context(), w.owner, issued.ID, PageQuery{}))(t).Items {
		got = append(got, [2]string{e.Action, e.Actor})
	}
	if diff := cmp.Diff([][2]string{{"issueCredential", "per_developer"}, {"revokeCredential", w.owner.ID}}, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

type told struct {
	Type    EventType
	Subject string
}

func (w *world) told() []told {
	w.t.Helper()
	var all []told
	for _, e := range must(w.Events(w.t.Context(), w.owner, w.tenant.ID, PageQuery{Limit: 200}))(w.t).Items {
		all = append(all, told{e.Type, e.Subject})
	}
	slices.Reverse(all)
	return all
}

func (w *world) warn() {
	w.t.Helper()
	if err := w.WarnOfExpiry(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestExpiryIsToldOnceBeforeAndOnceAfter(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC().Truncate(time.Second)
	w.at(now)
	user := w.user("u")
	short, long := w.lives(user, 10*time.Hour), w.lives(user, 100*time.Hour)
	w.lives(user, 0)
	revoked := w.lives(user, 10*time.Hour)
	must(w.RevokeCredential(t.Context(), w.owner, revoked.ID, ""))(t)
	gone := w.user("gone")
	w.lives(gone, 10*time.Hour)
	if _, err := w.DeleteUser(t.Context(), w.owner, gone.ID, ""); err != nil {
		t.Fatal(err)
	}
	var want []told
	for _, c := range []struct {
		after time.Duration
		more  []told
	}{
		{0, nil},
		{8 * time.Hour, []told{{CredentialExpiringEvent, string(short.ID)}}},
		{9 * time.Hour, nil},
		{10 * time.Hour, []told{{CredentialExpiredEvent, string(short.ID)}}},
		{200 * time.Hour, []told{{CredentialExpiredEvent, string(long.ID)}}}, // nobody looked while it was expiring
		{300 * time.Hour, nil},
	} {
		w.at(now.Add(c.after))
		race(3, func(int) error { return w.WarnOfExpiry(t.Context()) }) // replicas
		want = append(want, c.more...)
		if diff := cmp.Diff(want, w.told()); diff != "" {
			t.Errorf("%s later (-want +got):\n%s", c.after, diff)
		}
	}
	var data map[string]string
	events := must(w.Events(t.Context(), w.owner, w.tenant.ID, PageQuery{}))(t).Items
	if err := json.Unmarshal(events[len(events)-1].Data, &data); err != nil {
		t.Fatal(err)
	}
	if data["user"] != "u" || data["user_id"] != string(user.ID) || data["account_id"] != string(w.account.ID) {
		t.Errorf("data = %v", data)
	}
	if _, stranger, _ := w.found("Stranger"); len(must(w.Events(t.Context(), Actor{Grants: map[TenantID]MemberRole{stranger.ID: Owner}}, stranger.ID, PageQuery{}))(t).Items) != 0 {
		t.Error("another tenant is told of it")
	}
	w.at(now.Add(100 * day))
	if err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.told(); len(got) != 0 {
		t.Errorf("old events are kept: %v", got)
	}
}

func TestLifetimesComeFromRoleAndPlan(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC().Truncate(time.Second)
	w.at(now)
	role := must(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: "sensor", Template: claims.OpenTemplate(),
		DefaultCredentialLifetime: 30 * day, MaxCredentialLifetime: 90 * day}))(t)
	sensor := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "s", RoleID: role.ID}))(t)
	w.plan("default_credential_lifetime = '7 days', max_credential_lifetime = '60 days'")
	for name, c := range map[string]struct {
		user User
		want time.Duration
	}{"the role's default": {sensor, 30 * day}, "the plan's default": {w.user("u"), 7 * day}} {
		if got := w.lives(c.user, 0); got.ExpiresAt == nil || !got.ExpiresAt.Equal(now.Add(c.want)) {
			t.Errorf("%s: expires at %v, want in %s", name, got.ExpiresAt, c.want)
		}
	}
	_, err := w.IssueCredential(t.Context(), w.owner, sensor.ID, Once{}, CredentialSpec{ExpiresAt: ptr(now.Add(61 * day))})
	refused(t, err, fault.Invalid, "/expires_at")
	spec := numbered(2)
	spec.RoleID, spec.Life = role.ID, CredentialLife{ExpiresIn: ptr(91 * day)}
	_, _, err = w.batch(Once{}, nil, spec, -1)
	refused(t, err, fault.Invalid, "/expires_in")
}

func TestBearerCredentialsAreIssuedWhereAccountAndPlanAllowThem(t *testing.T) {
	t.Parallel()
	w := setup(t)
	template := claims.OpenTemplate()
	template.Bearer = true
	role := must(w.CreateRole(t.Context(), w.owner, w.account.ID, Once{}, RoleSpec{Name: "mqtt", Template: template}))(t)
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: role.ID}))(t)
	issued := w.lives(user, time.Hour)
	for says, allow := range map[string]func(bool){
		"the account Orders allows none": func(bearer bool) {
			must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Limits.Bearer = bearer; return nil }))(t)
		},
		"the plan " + must(w.PlanUse(t.Context(), w.owner, w.tenant.ID))(t).Name + " allows none": func(bearer bool) {
			w.plan("account_limits = account_limits || jsonb_build_object('bearer', " + map[bool]string{true: "true", false: "false"}[bearer] + ")")
			must(w.UpdateAccount(t.Context(), w.owner, w.account.ID, "", func(s *AccountSpec) error { s.Description += "."; return nil }))(t) // it is signed by the plan of now
		},
	} {
		allow(false)
		spec := numbered(1)
		spec.RoleID = role.ID
		for what, err := range map[string]error{
			"issuing":  second(w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{})),
			"renewing": second(w.RenewCredential(t.Context(), issued.ID, w.proof(issued))),
			"a batch":  second(w.IssueBatch(t.Context(), w.owner, w.account.ID, Once{}, nil, spec, nil)),
		} {
			refused(t, err, fault.Conflict)
			if !contains(err.Error(), says) {
				t.Errorf("%s: %v, want it to say that %s", what, err, says)
			}
		}
		w.lives(w.user("o"+says[4:8]), time.Hour) // of a role that is no bearer's
		allow(true)
		w.lives(user, time.Hour)
	}
}
