package admission

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// accounts is a registry over claims that the test sets.
type accounts struct {
	registry
	alive    map[uint64]bool
	released map[string]int
}

func newAccounts(load func(key string) (*law, error)) *accounts {
	a := &accounts{alive: map[uint64]bool{}, released: map[string]int{}}
	a.registry = registry{
		load: load, byKey: map[string]*account{}, alive: a.isAlive,
		release: func(key string) { a.released[key]++ },
	}
	return a
}

func (a *accounts) isAlive(s *session) bool { return a.alive[s.id] }

func lawOf(edit func(*jwt.AccountClaims)) *law {
	c := jwt.NewAccountClaims("ACME")
	c.SigningKeys.Add("AROLE")
	if edit != nil {
		edit(c)
	}
	return newLaw(c, claims.Pages{}, false)
}

// Whoever logs in first makes the claims be loaded. A change that comes just then
// is newer, however long the loading takes.
func TestClaimsPublishedWhileTheyAreLoadedStay(t *testing.T) {
	t.Parallel()
	older, newer := lawOf(nil), lawOf(func(c *jwt.AccountClaims) { c.Name = "newer" })
	var r *accounts
	r = newAccounts(func(key string) (*law, error) {
		r.find(key).publish(newer, time.Now())
		return older, nil
	})
	_, got, err := r.get("ACME")
	if err != nil {
		t.Fatal(err)
	}
	if got != newer {
		t.Error("the claims that were loaded took the place of those that were published")
	}
}

func TestAccountIsLoadedOnceForAllThatWait(t *testing.T) {
	t.Parallel()
	var loads int
	begun, proceed := make(chan struct{}), make(chan struct{})
	r := newAccounts(func(string) (*law, error) {
		loads++ // by one goroutine, or the race detector says so
		close(begun)
		<-proceed
		return lawOf(nil), nil
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, _, err := r.get("ACME"); err != nil {
				t.Error(err)
			}
		})
	}
	<-begun
	close(proceed)
	all.Wait()
	if loads != 1 {
		t.Errorf("loaded %d times, want once", loads)
	}
}

func TestAccountThatCannotBeLoadedIsTriedAgain(t *testing.T) {
	t.Parallel()
	failure := errors.New("not now")
	r := newAccounts(func(string) (*law, error) {
		if failure != nil {
			return nil, failure
		}
		return lawOf(nil), nil
	})
	if _, _, err := r.get("ACME"); !errors.Is(err, failure) {
		t.Errorf("error = %v, want %v", err, failure)
	}
	failure = nil
	if _, _, err := r.get("ACME"); err != nil {
		t.Error(err)
	}
	if len(r.released) != 0 {
		t.Errorf("released %v, which is still in use", r.released)
	}
}

// Anyone who knows an account's key can make a broker look at it.
func TestAccountsThatNobodyUsesAreGivenUp(t *testing.T) {
	t.Parallel()
	r := newAccounts(func(string) (*law, error) { return lawOf(nil), nil })
	used, w, err := r.get("used")
	if err != nil {
		t.Fatal(err)
	}
	r.alive[1] = true
	used.settle(w, &session{id: 1, user: "U1", signer: "AROLE"}, r.isAlive)
	left, w, err := r.get("left")
	if err != nil {
		t.Fatal(err)
	}
	left.settle(w, &session{id: 2, user: "U1", signer: "AROLE"}, r.isAlive)
	for i := range 3 * sweepAtLeast {
		if _, _, err := r.get(fmt.Sprint("idle", i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.byKey) > 2*sweepAtLeast {
		t.Errorf("%d accounts are held", len(r.byKey))
	}
	if r.find("used") != used || r.released["used"] != 0 {
		t.Error("an account with a connection was given up")
	}
	if r.find("left") != nil || r.released["left"] != 1 {
		t.Error("an account whose connections are dead was held")
	}
	if left.settle(w, &session{id: 3, user: "U1", signer: "AROLE"}, r.isAlive) {
		t.Error("a login settled in an account that was given up, where no change finds it")
	}
}

func TestSessionsThatAreDeadDoNotPileUp(t *testing.T) {
	t.Parallel()
	var x sessions
	alive := func(s *session) bool { return s.id%10 == 0 }
	for id := range uint64(10_000) {
		x.add(&session{id: id, user: fmt.Sprint("U", id%7)}, alive)
	}
	if len(x.byID) > 2*1_000+pruneAtLeast {
		t.Errorf("%d sessions are held, of which 1000 are alive", len(x.byID))
	}
	byUser := 0
	for _, list := range x.byUser {
		byUser += len(list)
	}
	if byUser != len(x.byID) {
		t.Errorf("%d sessions by user, %d by id", byUser, len(x.byID))
	}
}

func TestPublishEndsWhatTheNewClaimsRefuse(t *testing.T) {
	t.Parallel()
	role := func(c *jwt.AccountClaims, key, subject string) {
		scope := jwt.NewUserScope()
		scope.Key = key
		scope.Template.Pub.Allow.Add(subject)
		c.SigningKeys.AddScopedSigner(scope)
	}
	base := func(c *jwt.AccountClaims) {
		role(c, "AREADER", "read.>")
		role(c, "AWRITER", "write.>")
	}
	for name, c := range map[string]struct {
		change func(*jwt.AccountClaims)
		want   []uint64
	}{
		"nothing":              {func(*jwt.AccountClaims) {}, nil},
		"a name":               {func(c *jwt.AccountClaims) { c.Name = "other" }, nil},
		"a revocation":         {func(c *jwt.AccountClaims) { c.Revocations["U1"] = 10 }, []uint64{1, 2}},
		"an older one":         {func(c *jwt.AccountClaims) { c.Revocations["U1"] = 9 }, []uint64{2}},
		"everybody's":          {func(c *jwt.AccountClaims) { c.Revocations[jwt.All] = 10 }, []uint64{1, 2, 3, 4}},
		"bearer":               {func(c *jwt.AccountClaims) { c.Limits.DisallowBearer = true }, []uint64{4}},
		"a role that goes":     {func(c *jwt.AccountClaims) { c.SigningKeys.Remove("AREADER") }, []uint64{3}},
		"a role that comes":    {func(c *jwt.AccountClaims) { role(c, "ANEW", "new.>") }, nil},
		"a role that changes":  {func(c *jwt.AccountClaims) { role(c, "AWRITER", "other.>") }, []uint64{4}},
		"a service that joins": {func(c *jwt.AccountClaims) { c.Authorization.AuthUsers.Add("U1") }, []uint64{3, 4}},
		"the end":              {func(c *jwt.AccountClaims) { c.Expires = 1 }, []uint64{1, 2, 3, 4}},
	} {
		r := newAccounts(func(string) (*law, error) { return lawOf(base), nil })
		a, w, err := r.get("ACME")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*session{
			{id: 1, user: "U1", issued: 10, signer: "AROLE"},
			{id: 2, user: "U1", issued: 9, signer: "AROLE"},
			{id: 3, user: "U2", issued: 10, signer: "AREADER"},
			{id: 4, user: "U3", issued: 10, signer: "AWRITER", bearer: true},
		} {
			if !a.settle(w, s, r.isAlive) {
				t.Fatal("not settled")
			}
		}
		change := c.change
		next := lawOf(func(c *jwt.AccountClaims) {
			base(c)
			c.Revocations = jwt.RevocationList{}
			change(c)
		})
		got := map[uint64]bool{}
		for _, s := range a.publish(next, time.Now()) {
			got[s.id] = true
		}
		want := map[uint64]bool{}
		for _, id := range c.want {
			want[id] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: ended -want +got\n%s", name, diff)
		}
		if a.settle(w, &session{id: 9, user: "U9", signer: "AROLE"}, r.isAlive) {
			t.Errorf("%s: a login that was judged by the claims before settled", name)
		}
	}
}
