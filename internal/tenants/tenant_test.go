package tenants

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

func TestReplicasBootstrapOneInstallation(t *testing.T) {
	t.Parallel()
	w := bare(t)
	ids := make([]OperatorID, 6)
	won, lost := race(len(ids), func(i int) error {
		operator, err := w.Bootstrap(t.Context())
		ids[i] = operator.ID
		return err
	})
	if won != len(ids) {
		t.Fatal(errors.Join(lost...))
	}
	operator := must(w.Bootstrap(t.Context()))(t)
	for _, id := range ids {
		if id != operator.ID {
			t.Errorf("one replica has operator %s, another %s", id, operator.ID)
		}
	}
	facts := must(claims.DecodeOperator(operator.JWT))(t)
	if !facts.Strict || facts.Key != operator.PublicKey || facts.SystemAccount != operator.SystemPublicKey ||
		len(facts.SigningKeys) != 1 || facts.SigningKeys[0] != operator.SigningPublicKey {
		t.Errorf("the operator's JWT says %+v", facts)
	}
	system := must(claims.DecodeAccount(operator.SystemJWT))(t)
	if system.Key != operator.SystemPublicKey || system.Issuer != operator.SigningPublicKey {
		t.Errorf("the system account's JWT says %+v", system)
	}
	served := must(w.AccountJWTByKey(t.Context(), operator.ID, operator.SystemPublicKey))(t)
	if served.JWT != operator.SystemJWT || served.Revision != 0 {
		t.Errorf("the system account is served as %+v", served)
	}
	if !operator.IsDefault {
		t.Error("it is not the default operator")
	}
}

func TestSeedsRestSealed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.credential(w.user("u"))
	w.broker("b1")
	must(w.RotateSystemAccount(t.Context(), staff, Once{}, w.operator.ID))(t)
	for _, column := range []string{"operators.sealed_seed", "operators.sealed_signing_seed", "operator_signing_keys.sealed_seed", "operators.system_sealed_seed", "former_system_accounts.sealed_seed", "accounts.sealed_seed", "roles.sealed_seed"} {
		table, _, _ := strings.Cut(column, ".")
		rows, _ := w.pool.Query(t.Context(), "SELECT "+column+" FROM "+table)
		sealed := must(pgx.CollectRows(rows, pgx.RowTo[[]byte]))(t)
		if len(sealed) == 0 {
			t.Errorf("there is no %s", column)
		}
		for _, b := range sealed {
			if _, err := claims.ParseSeed(b); err == nil || len(b) < 60 {
				t.Errorf("%s is not sealed", column)
			}
		}
	}
}

func TestFoundingATenantIsAllOrNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	if use := must(w.PlanUse(t.Context(), w.owner, w.tenant.ID))(t); use.Name != "Free" || use.Accounts != 1 || use.MaxUsers != 1000 {
		t.Errorf("plan = %+v", use)
	}
	members := must(w.Members(t.Context(), w.owner, w.tenant.ID, PageQuery{}))(t)
	if len(members.Items) != 1 || string(members.Items[0].PersonID) != w.owner.ID || members.Items[0].Role != Owner || !contains(members.Items[0].Email, "@example.com") {
		t.Errorf("members = %+v", members.Items)
	}
	if w.account.Name != w.tenant.Name || w.account.Revision != w.head() {
		t.Errorf("the first account is %+v", w.account)
	}
	before, events := w.head(), w.events()
	err := postgres.InTx(t.Context(), w.pool, func(tx pgx.Tx) error {
		return second(w.Found(t.Context(), tx, NewID[PersonID]("per"), "Nobody's"))
	})
	if err == nil || w.head() != before || w.events() != events {
		t.Errorf("a tenant without a person: err = %v, head %d → %d", err, before, w.head())
	}
	err = postgres.InTx(t.Context(), w.pool, func(tx pgx.Tx) error {
		return second(w.Found(t.Context(), tx, PersonID(w.owner.ID), ""))
	})
	refused(t, err, fault.Invalid, "/name")
}

func TestTenantIsRenamedByItsAdmins(t *testing.T) {
	t.Parallel()
	w := setup(t)
	rename := func(to string) func(*TenantSpec) error { return func(s *TenantSpec) error { s.Name = to; return nil } }
	renamed := must(w.UpdateTenant(t.Context(), w.as(Admin), w.tenant.ID, ETag(1), rename("New")))(t)
	if renamed.Name != "New" || renamed.Version != 2 {
		t.Errorf("renamed = %+v", renamed)
	}
	_, err := w.UpdateTenant(t.Context(), w.owner, w.tenant.ID, ETag(1), rename("Newer"))
	refused(t, err, fault.Stale)
	_, err = w.UpdateTenant(t.Context(), w.owner, w.tenant.ID, "", rename("\n"))
	refused(t, err, fault.Invalid, "/name")
}

func TestAuditTellsNewestFirst(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.role("r")
	w.user("u")
	var actions []string
	for q := (PageQuery{Limit: 2}); ; {
		page := must(w.AuditEvents(t.Context(), w.owner, w.tenant.ID, q))(t)
		for _, e := range page.Items {
			actions = append(actions, e.Action)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if got, want := fmt.Sprint(actions), "[createUser createRole createAccount signUp]"; got != want {
		t.Errorf("actions = %s, want %s", got, want)
	}
}

func TestRenewedKeyringIsNeededToSign(t *testing.T) {
	t.Parallel()
	w, other := setup(t), bare(t)
	if err := w.CheckKeys(t.Context(), w.operator.ID); err != nil {
		t.Error(err)
	}
	stranger := New(w.pool, other.keys)
	if err := stranger.CheckKeys(t.Context(), w.operator.ID); err == nil {
		t.Error("another master opens the seeds")
	}
}
