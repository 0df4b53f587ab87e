package tenants

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func TestIssuedCredsAreSignedByTheUsersRole(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := w.role("sensor")
	user := must(w.CreateUser(t.Context(), w.owner, w.account.ID, Once{}, UserSpec{Name: "probe-1", RoleID: role.ID}))(t)
	before := w.head()
	expires := time.Now().Add(time.Hour).Add(300 * time.Millisecond)

	issued := must(w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{Name: "laptop", ExpiresAt: &expires}))(t)

	if w.head() != before {
		t.Error("issuing bumped the revision; brokers need not hear of it")
	}
	jwt, seed, err := claims.ParseCreds(issued.Creds)
	if err != nil || jwt != issued.JWT {
		t.Fatalf("the creds file does not hold the JWT: %v", err)
	}
	if key := must(seed.UserKey())(t); key != issued.PublicKey {
		t.Errorf("the creds file holds the seed of %s, want %s", key, issued.PublicKey)
	}
	facts := must(claims.DecodeUser(jwt))(t)
	want := claims.User{Key: issued.PublicKey, Name: "probe-1", Account: w.account.PublicKey, Expires: expires.Truncate(time.Second).UTC()}
	if diff := cmp.Diff(want, facts.User); diff != "" {
		t.Errorf("the JWT (-want +got):\n%s", diff)
	}
	if facts.Issuer != role.PublicKey || !facts.Scoped {
		t.Errorf("issuer = %s, scoped = %t; want the role's key %s", facts.Issuer, facts.Scoped, role.PublicKey)
	}
	if facts.IssuedAt.After(issued.IssuedAt) {
		t.Errorf("recorded as issued at %s, before the JWT's own %s", issued.IssuedAt, facts.IssuedAt)
	}
	if issued.FileName != "Orders-probe-1.creds" {
		t.Errorf("file name = %q", issued.FileName)
	}
	stored := must(w.Credential(t.Context(), w.owner, issued.ID))(t)
	if diff := cmp.Diff(issued.Credential, stored); diff != "" {
		t.Errorf("read back (-issued +read):\n%s", diff)
	}
	if n := must(w.User(t.Context(), w.owner, user.ID))(t).ActiveCredentials; n != 1 {
		t.Errorf("the user has %d active credentials, want 1", n)
	}
	w.audited(t, "issueCredential", string(issued.ID))
}

// audited checks that the last thing done in the tenant is this.
func (w *world) audited(t *testing.T, action, target string) {
	t.Helper()
	events := must(w.AuditEvents(t.Context(), w.owner, w.tenant.ID, PageQuery{Limit: 1}))(t)
	if len(events.Items) != 1 || events.Items[0].Action != action || events.Items[0].Target != target || events.Items[0].Actor != w.owner.ID {
		t.Errorf("the audit's last event is %+v, want %s of %s", events.Items, action, target)
	}
}

func TestSeedCanStayWithTheCustomer(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	seed := must(claims.NewUserSeed())(t)
	key := must(seed.UserKey())(t)

	issued := must(w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{PublicKey: key}))(t)
	if issued.Creds != nil || issued.FileName != "" || issued.PublicKey != key {
		t.Errorf("issued = %+v", issued)
	}
	if facts := must(claims.DecodeUser(issued.JWT))(t); facts.Key != key {
		t.Errorf("the JWT is for %s, want %s", facts.Key, key)
	}

	_, err := w.IssueCredential(t.Context(), w.owner, w.user("v").ID, Once{}, CredentialSpec{PublicKey: key})
	refused(t, err, fault.Conflict, "/public_key")
	must(w.RevokeCredential(t.Context(), w.owner, issued.ID, ""))(t)
	_, err = w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{PublicKey: key})
	refused(t, err, fault.Conflict, "/public_key")
}

func TestCredentialWishesThatCannotBe(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	secret := string(must(claims.NewUserSeed())(t).Reveal())
	past := time.Now().Add(-time.Minute)
	_, err := w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{Name: "a\x00b", ExpiresAt: &past, PublicKey: claims.UserKey(secret)})
	refused(t, err, fault.Invalid, "/name", "/public_key", "/expires_at")
	if contains(err.Error(), secret) {
		t.Error("the error repeats the seed")
	}
	w.at(time.Now().Truncate(time.Second))
	for _, soon := range []time.Time{w.now(), w.now().Add(999 * time.Millisecond)} {
		_, err = w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{ExpiresAt: &soon})
		refused(t, err, fault.Invalid, "/expires_at")
	}
	_, err = w.RevokeCredential(t.Context(), w.owner, w.credential(user).ID, strings.Repeat("x", 257))
	refused(t, err, fault.Invalid, "/reason")
}

func TestRevokedCredentialIsInTheJWT(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	first, other := w.credential(user), w.credential(user)
	before := w.head()

	revoked := must(w.RevokeCredential(t.Context(), w.owner, first.ID, "laptop lost"))(t)

	if revoked.RevokedAt == nil || revoked.RevokeReason != "laptop lost" || revoked.Status(time.Now()) != "revoked" {
		t.Fatalf("revoked = %+v", revoked)
	}
	facts := w.facts(w.account.PublicKey)
	if at, ok := facts.Revoked[first.PublicKey]; !ok || at.Before(must(claims.DecodeUser(first.JWT))(t).IssuedAt) {
		t.Errorf("revocations = %v, want one of %s that reaches its time of issue", facts.Revoked, first.PublicKey)
	}
	if _, ok := facts.Revoked[other.PublicKey]; ok {
		t.Error("the user's other credential is revoked, too")
	}
	if w.head() != before+1 {
		t.Errorf("head went from %d to %d", before, w.head())
	}
	w.audited(t, "revokeCredential", string(first.ID))

	again := must(w.RevokeCredential(t.Context(), w.owner, first.ID, "another reason"))(t)
	if diff := cmp.Diff(revoked, again); diff != "" || w.head() != before+1 {
		t.Errorf("revoking twice changed something; head %d:\n%s", w.head(), diff)
	}
}

func TestRevocationReachesTheTimeOfIssueWhateverTheClock(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	one, two := w.credential(user), w.credential(user)
	w.at(one.IssuedAt.Add(-time.Hour)) // another replica's clock is slow
	revoked := must(w.RevokeCredential(t.Context(), w.owner, one.ID, ""))(t)
	if !revoked.RevokedAt.Equal(one.IssuedAt) {
		t.Errorf("revoked at %s, want the time of issue %s", revoked.RevokedAt, one.IssuedAt)
	}
	if _, err := w.DeleteUser(t.Context(), w.owner, user.ID, ""); err != nil {
		t.Fatal(err)
	}
	facts := w.facts(w.account.PublicKey)
	for _, c := range []IssuedCredential{one, two} {
		if iat := must(claims.DecodeUser(c.JWT))(t).IssuedAt; facts.Revoked[c.PublicKey].Before(iat) {
			t.Errorf("the revocation of %s reaches to %s, it was issued at %s", c.PublicKey, facts.Revoked[c.PublicKey], iat)
		}
	}
}

func TestRevocationLeavesTheJWTOnceTheCredentialHasLongExpired(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	start := time.Now()
	expires := start.Add(time.Hour)
	short := must(w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{ExpiresAt: &expires}))(t)
	forever := w.credential(user)
	must(w.RevokeCredential(t.Context(), w.owner, short.ID, ""))(t)
	must(w.RevokeCredential(t.Context(), w.owner, forever.ID, ""))(t)
	for _, c := range []struct {
		after time.Duration
		kept  bool
	}{{time.Hour + time.Minute, true}, {2*time.Hour + time.Minute, false}} {
		w.at(start.Add(c.after))
		w.role(fmt.Sprint("r", c.after.Minutes()))
		revoked := w.facts(w.account.PublicKey).Revoked
		if _, kept := revoked[short.PublicKey]; kept != c.kept {
			t.Errorf("%s later the revocation of the expired credential is kept: %t, want %t", c.after, kept, c.kept)
		}
		if _, kept := revoked[forever.PublicKey]; !kept {
			t.Errorf("%s later the revocation of one that never expires is gone", c.after)
		}
	}
}

func TestDeletedUserIsRevokedWithOneChange(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	one, two := w.credential(user), w.credential(user)
	expires := time.Now().Add(time.Hour)
	third := must(w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{ExpiresAt: &expires}))(t)
	before := w.head()
	refused(t, second(w.DeleteUser(t.Context(), w.owner, user.ID, `"7"`)), fault.Stale)
	if _, err := w.DeleteUser(t.Context(), w.owner, user.ID, ETag(user.Version)); err != nil {
		t.Fatal(err)
	}
	facts := w.facts(w.account.PublicKey)
	for _, c := range []IssuedCredential{one, two, third} {
		if _, ok := facts.Revoked[c.PublicKey]; !ok {
			t.Errorf("%s is not revoked", c.PublicKey)
		}
	}
	if w.head() != before+1 {
		t.Errorf("head went from %d to %d", before, w.head())
	}
	w.audited(t, "deleteUser", string(user.ID))
	refused(t, second(w.User(t.Context(), w.owner, user.ID)), fault.NotFound)
	refused(t, second(w.Credential(t.Context(), w.owner, one.ID)), fault.NotFound)
	refused(t, second(w.RevokeCredential(t.Context(), w.owner, one.ID, "")), fault.NotFound)
	refused(t, second(w.DeleteUser(t.Context(), w.owner, user.ID, "")), fault.NotFound)
	w.user("u") // the name is free again

	fresh := w.user("never-had-creds")
	before = w.head()
	if _, err := w.DeleteUser(t.Context(), w.owner, fresh.ID, ""); err != nil || w.head() != before {
		t.Errorf("deleting a user without creds: %v, head %d → %d; brokers need not hear of it", err, before, w.head())
	}
}

// A credential that slips in while its user is deleted would never be revoked.
func TestNoCredentialOutlivesItsUser(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for round := range 15 {
		user := w.user(fmt.Sprint("u", round))
		var mutex sync.Mutex
		var issued []claims.UserKey
		_, lost := race(6, func(i int) error {
			if i == 3 {
				return second(w.DeleteUser(t.Context(), w.owner, user.ID, ""))
			}
			c, err := w.IssueCredential(t.Context(), w.owner, user.ID, Once{}, CredentialSpec{})
			if err == nil {
				mutex.Lock()
				issued = append(issued, c.PublicKey)
				mutex.Unlock()
			}
			return err
		})
		for _, err := range lost {
			refused(t, err, fault.NotFound)
		}
		revoked := w.facts(w.account.PublicKey).Revoked
		for _, key := range issued {
			if _, ok := revoked[key]; !ok {
				t.Fatalf("round %d: %s was issued to a deleted user and is not revoked", round, key)
			}
		}
	}
}

func TestCredsAreShownOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	user := w.user("u")
	once := Once{Key: "k", Request: [32]byte{1}}
	issued := must(w.IssueCredential(t.Context(), w.owner, user.ID, once, CredentialSpec{}))(t)
	again, err := w.IssueCredential(t.Context(), w.owner, user.ID, once, CredentialSpec{})
	refused(t, err, fault.Conflict)
	if !contains(err.Error(), string(issued.ID)) || again.Creds != nil || again.JWT != "" {
		t.Errorf("err = %v, answer %+v; want the credential named and nothing shown", err, again)
	}
	won, lost := race(6, func(int) error {
		return second(w.IssueCredential(t.Context(), w.owner, user.ID, Once{Key: "race"}, CredentialSpec{}))
	})
	if won != 1 {
		t.Errorf("%d of 6 issued under one key, want 1: %v", won, errors.Join(lost...))
	}
	if page := must(w.Credentials(t.Context(), w.owner, user.ID, PageQuery{}))(t); len(page.Items) != 2 {
		t.Errorf("there are %d credentials, want 2", len(page.Items))
	}
}

func TestCredsFileNamesNeedNoQuoting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ account, user, want string }{
		{"orders", "billing", "orders-billing.creds"},
		{"Größe & Co. KG/../", "ü_1", "Gr--e---Co--KG-_1.creds"},
		{`"; rm -rf`, "x", "rm--rf-x.creds"},
		{"日本", "日本", "account-user.creds"},
	} {
		if got := credsFileName(c.account, c.user); got != c.want {
			t.Errorf("credsFileName(%q, %q) = %q, want %q", c.account, c.user, got, c.want)
		}
	}
}

func TestStatusFollowsTheClock(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for want, c := range map[CredentialStatus]Credential{
		CredentialActive:   {ExpiringAt: ptr(now.Add(1)), ExpiresAt: ptr(now.Add(2))},
		CredentialExpiring: {ExpiringAt: &now, ExpiresAt: ptr(now.Add(1))},
		CredentialExpired:  {ExpiringAt: ptr(now.Add(-1)), ExpiresAt: &now},
		CredentialRevoked:  {ExpiringAt: ptr(now.Add(-1)), ExpiresAt: &now, RevokedAt: &now},
	} {
		if got := c.Status(now); got != want {
			t.Errorf("status = %s, want %s", got, want)
		}
	}
}

// BenchmarkIssueCredential measures creds over 16 connections; see creds/s.
func BenchmarkIssueCredential(b *testing.B) {
	w := setup(b)
	users := make([]User, 50)
	for i := range users {
		users[i] = w.user(fmt.Sprint("u", i))
	}
	b.SetParallelism(8) // 16 goroutines on two cores: as many as the pool has connections
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := w.IssueCredential(b.Context(), w.owner, users[i%len(users)].ID, Once{}, CredentialSpec{}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "creds/s")
}
