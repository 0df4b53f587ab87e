package tenants

import (
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// proof is that whoever has the creds holds the credential.
func (w *world) proof(c IssuedCredential) RenewalProof {
	w.t.Helper()
	_, seed, err := claims.ParseCreds(c.Creds)
	if err != nil {
		w.t.Fatal(err)
	}
	nonce := must(w.ChallengeRenewal(c.ID))(w.t).Nonce
	return RenewalProof{Nonce: nonce, Signature: base64.StdEncoding.EncodeToString(must(seed.Sign([]byte(nonce)))(w.t))}
}

func TestRenewedCredentialLivesAsLongAgain(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC().Truncate(time.Second)
	w.at(now)
	user := w.user("u")
	issued := w.lives(user, 10*time.Hour)
	before := w.head()
	w.at(now.Add(9 * time.Hour))
	w.warn()

	renewed := must(w.RenewCredential(t.Context(), issued.ID, w.proof(issued)))(t)

	facts := must(claims.DecodeUser(renewed.JWT))(t)
	if want := now.Add(19 * time.Hour); facts.Key != issued.PublicKey || !facts.Expires.Equal(want) || !renewed.ExpiresAt.Equal(want) {
		t.Errorf("the JWT of %s expires at %s, the credential at %s; want %s of %s", facts.Key, facts.Expires, renewed.ExpiresAt, want, issued.PublicKey)
	}
	if renewed.Renewals != 1 || renewed.RenewedAt == nil || renewed.Creds != nil || renewed.Status(w.now()) != CredentialActive {
		t.Errorf("renewed = %+v", renewed)
	}
	if w.head() != before {
		t.Error("renewing bumped the revision; brokers need not hear of it")
	}
	w.at(now.Add(18 * time.Hour))
	w.warn() // of its next expiry
	if got := w.told(); len(got) != 2 {
		t.Errorf("told = %v, want a warning of each expiry", got)
	}

	revoked := must(w.RevokeCredential(t.Context(), w.owner, issued.ID, ""))(t)
	if at := w.facts(w.account.PublicKey).Revoked[issued.PublicKey]; at.Before(facts.IssuedAt) && w.now().After(facts.IssuedAt) {
		t.Errorf("revoked at %s (%s), which does not reach the new JWT of %s", at, revoked.RevokedAt, facts.IssuedAt)
	}
}

func TestRenewalWorksOncePerProofAndOnlyForWhoHoldsALivingCredential(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC().Truncate(time.Second)
	w.at(now)
	user := w.user("u")
	issued := w.lives(user, 10*time.Hour)
	proof := w.proof(issued)
	if won, _ := race(6, func(int) error { return second(w.RenewCredential(t.Context(), issued.ID, proof)) }); won != 1 {
		t.Errorf("one proof renewed %d times", won)
	}
	late := w.proof(issued)
	w.at(now.Add(challengeFor))
	refused(t, second(w.RenewCredential(t.Context(), issued.ID, late)), fault.Unauthenticated)
	other := w.credential(user)
	swapped := w.proof(issued) // a nonce for one credential, signed by another
	_, seed, err := claims.ParseCreds(other.Creds)
	if err != nil {
		t.Fatal(err)
	}
	swapped.Signature = base64.StdEncoding.EncodeToString(must(seed.Sign([]byte(swapped.Nonce)))(t))
	refused(t, second(w.RenewCredential(t.Context(), other.ID, swapped)), fault.Unauthenticated)
	bent := w.proof(issued)
	bent.Nonce = bent.Nonce[:len(bent.Nonce)-1] + "_"
	refused(t, second(w.RenewCredential(t.Context(), issued.ID, bent)), fault.Unauthenticated)

	w.at(now.Add(10*time.Hour + challengeFor)) // the first renewal was at now
	refused(t, second(w.RenewCredential(t.Context(), issued.ID, w.proof(issued))), fault.Conflict)
	refused(t, second(w.ExtendCredential(t.Context(), w.owner, issued.ID, CredentialLife{})), fault.Conflict)

	revoked := w.credential(user)
	must(w.RevokeCredential(t.Context(), w.owner, revoked.ID, ""))(t)
	refused(t, second(w.RenewCredential(t.Context(), revoked.ID, w.proof(revoked))), fault.Conflict)

	orphan := w.credential(w.user("gone"))
	if _, err := w.DeleteUser(t.Context(), w.owner, orphan.UserID, ""); err != nil {
		t.Fatal(err)
	}
	refused(t, second(w.RenewCredential(t.Context(), orphan.ID, w.proof(orphan))), fault.Unauthenticated)
}

// An earlier JWT may live longer than the renewed one: its revocation must last as long.
func TestRenewalNeverShortensALife(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC().Truncate(time.Second)
	w.at(now)
	issued := w.lives(w.user("u"), 100*time.Hour)
	renewed := must(w.ExtendCredential(t.Context(), w.owner, issued.ID, CredentialLife{ExpiresIn: ptr(time.Hour)}))(t)
	if facts := must(claims.DecodeUser(renewed.JWT))(t); !facts.Expires.Equal(now.Add(time.Hour)) || !renewed.JWTExpires.Equal(now.Add(time.Hour)) {
		t.Errorf("the JWT expires at %s", facts.Expires)
	}
	if !renewed.ExpiresAt.Equal(now.Add(100 * time.Hour)) {
		t.Errorf("the credential expires at %s, but its first JWT at %s", renewed.ExpiresAt, now.Add(100*time.Hour))
	}
	forever := w.lives(issuedTo(w, issued), 0)
	if got := must(w.ExtendCredential(t.Context(), w.owner, forever.ID, CredentialLife{ExpiresIn: ptr(time.Hour)}))(t); got.ExpiresAt != nil {
		t.Errorf("what never expires does so at %s", got.ExpiresAt)
	}
}

func issuedTo(w *world, c IssuedCredential) User {
	return must(w.User(w.t.Context(), w.owner, c.UserID))(w.t)
}

// A JWT that is signed while its credential is revoked must not outlive that.
func TestNoRenewalOutlivesARevocation(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	var renewals atomic.Int64
	for range 12 {
		issued := w.credential(user)
		var last atomic.Int64 // time of issue
		proofs := []RenewalProof{w.proof(issued), w.proof(issued), w.proof(issued)}
		race(4, func(i int) error {
			if i == 3 {
				return second(w.RevokeCredential(t.Context(), w.owner, issued.ID, ""))
			}
			renewed, err := w.RenewCredential(t.Context(), issued.ID, proofs[i])
			if err == nil {
				renewals.Add(1)
				last.Store(max(last.Load(), must(claims.DecodeUser(renewed.JWT))(t).IssuedAt.Unix()))
			}
			return nil
		})
		if at := w.facts(w.account.PublicKey).Revoked[issued.PublicKey]; at.Unix() < last.Load() {
			t.Fatalf("revoked at %s, renewed at %s", at, time.Unix(last.Load(), 0))
		}
	}
	t.Logf("%d renewals were faster than the revocation", renewals.Load())
}

func TestNothingIsRenewedInASuspendedAccount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	issued := w.lives(w.user("u"), time.Hour)
	must(w.SuspendAccount(t.Context(), w.owner, w.account.ID, "unpaid"))(t)
	refused(t, second(w.RenewCredential(t.Context(), issued.ID, w.proof(issued))), fault.Conflict)
	refused(t, second(w.ExtendCredential(t.Context(), w.owner, issued.ID, CredentialLife{})), fault.Conflict)
	must(w.ResumeAccount(t.Context(), w.owner, w.account.ID))(t)
	must(w.RenewCredential(t.Context(), issued.ID, w.proof(issued)))(t)
}

// Role and plan of today bound a renewal, whatever they were when it was issued.
func TestRenewalKeepsWithinRoleAndPlan(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC().Truncate(time.Second)
	w.at(now)
	user := w.user("u")
	issued := w.lives(user, 100*day)
	w.plan("max_credential_lifetime = '10 days'")
	w.at(now.Add(95 * day))
	renewed := must(w.RenewCredential(t.Context(), issued.ID, w.proof(issued)))(t)
	if want := now.Add(105 * day); !renewed.JWTExpires.Equal(want) || !renewed.ExpiresAt.Equal(want) {
		t.Errorf("renewed until %s, want %s", renewed.JWTExpires, want)
	}
	refused(t, second(w.ExtendCredential(t.Context(), w.owner, issued.ID, CredentialLife{ExpiresIn: ptr(11 * day)})), fault.Invalid, "/expires_in")
	role := must(w.Role(t.Context(), w.owner, user.RoleID))(t)
	must(w.UpdateRole(t.Context(), w.owner, role.ID, "", func(s *RoleSpec) error { s.MaxCredentialLifetime = 2 * day; return nil }))(t)
	if err := second(w.ExtendCredential(t.Context(), w.owner, issued.ID, CredentialLife{ExpiresIn: ptr(3 * day)})); !contains(err.Error(), "the role default lets credentials live for 2 days at most") {
		t.Errorf("err = %v, want the role's maximum", err)
	}
}

// After a move the credential's next JWT is the new role's.
func TestRenewalSignsUnderTheRoleOfToday(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, role := w.user("u"), w.role("reader")
	issued := w.lives(user, time.Hour)
	must(w.UpdateUser(t.Context(), w.owner, user.ID, "", func(s *UserSpec) error { s.RoleID = role.ID; return nil }))(t)
	renewed := must(w.RenewCredential(t.Context(), issued.ID, w.proof(issued)))(t)
	if facts := must(claims.DecodeUser(renewed.JWT))(t); facts.Issuer != role.PublicKey {
		t.Errorf("signed by %s, want the role that the user is in now", facts.Issuer)
	}
}

// The simulator goes by the JWT that was signed last, which outlives the role of the first.
func TestRenewedCredentialIsSimulatedUnderTheRoleThatSignedItLast(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first, second := w.role("first"), w.role("second")
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "u", RoleID: first.ID}))(t)
	issued := w.lives(user, time.Hour)
	user = w.move(user, second)
	w.change(user, func(s *UserSpec) { s.Tags = []string{"team:red"} })
	simulated := func() string {
		facts := must(w.LoginFacts(t.Context(), w.owner, w.account.ID, Subject{Credential: issued.ID}))(t)
		return fmt.Sprint(facts.Role, facts.User.Key, facts.User.Tags)
	}
	if got, want := simulated(), fmt.Sprint(first.PublicKey, issued.PublicKey, []string{}); got != want {
		t.Errorf("before it is renewed: %s, want %s", got, want)
	}
	must(w.RenewCredential(t.Context(), issued.ID, w.proof(issued)))(t)
	if revoked := must(w.DeleteRole(t.Context(), w.owner, first.ID, ""))(t); revoked != 0 {
		t.Errorf("%d credentials ended with the role of before", revoked)
	}
	if got, want := simulated(), fmt.Sprint(second.PublicKey, issued.PublicKey, []string{"team:red"}); got != want {
		t.Errorf("renewed: %s, want %s", got, want)
	}
}

// What is signed under a role while its user is moved or tagged is thrown away:
// the row would say that the JWT is newer than the move.
func TestRenewalThatIsOvertakenByAMoveComesToNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user, role := w.user("u"), w.role("reader")
	issued := w.lives(user, time.Hour)
	for what, edit := range map[string]func(*UserSpec) error{
		"moved":  func(s *UserSpec) error { s.RoleID = role.ID; return nil },
		"tagged": func(s *UserSpec) error { s.Tags = append(s.Tags, "team:red"); return nil },
	} {
		signed := must(userToSign(t.Context(), w.pool, w.owner, user.ID))(t)
		must(w.UpdateUser(t.Context(), w.owner, user.ID, "", edit))(t)
		err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
			return second(renewCredential(t.Context(), tx, issued.Credential, signed, issued.ExpiresAt, w.clock()))
		})
		if !errors.Is(err, pgx.ErrNoRows) {
			t.Errorf("%s since it was signed: err = %v, want %v", what, err, pgx.ErrNoRows)
		}
	}
}
