package admission

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// lawWith is a law with the roles AREAD, AWRITE and ATAG, and AALIKE that is as AREAD,
// as is ALEAF but for leaf nodes only.
func lawWith(overrides []claims.UserOverride, edit func(*law)) *law {
	w := lawOf(func(c *jwt.AccountClaims) {
		for key, subject := range map[string]string{"AREAD": "read.>", "AALIKE": "read.>", "ALEAF": "read.>", "AWRITE": "write.>", "ATAG": "{{tag(team)}}.>", "AACCOUNT": "{{account-tag(team)}}.>"} {
			scope := jwt.NewUserScope()
			scope.Key = key
			scope.Template.Pub.Allow.Add(subject)
			if key == "ALEAF" {
				scope.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeLeafnode)
			}
			c.SigningKeys.AddScopedSigner(scope)
		}
	})
	w.counts.Overrides = overrides
	if edit != nil {
		edit(w)
	}
	return w
}

func TestOverrideEndsOnlyConnectionsOfWhomItChanges(t *testing.T) {
	t.Parallel()
	in := func(role claims.AccountKey, tags ...string) claims.UserOverride {
		return claims.UserOverride{Name: "bob", Role: role, Tags: tags, Connections: claims.Unlimited}
	}
	over := func(role claims.AccountKey, types ...claims.ConnectionType) claims.UserOverride {
		return claims.UserOverride{Name: "bob", Role: role, Connections: claims.Unlimited, ConnectionTypes: types}
	}
	just := func(list ...claims.UserOverride) *law { return lawWith(list, nil) }
	for name, c := range map[string]struct {
		before, after *law
		want          []uint64
	}{
		"a move":                              {just(), just(in("AWRITE")), []uint64{1, 2}},
		"a move to a role that says the same": {just(), just(in("AALIKE")), nil},
		"a move back":                         {just(in("AWRITE")), just(), []uint64{1, 2}},
		"a move on":                           {just(in("AALIKE")), just(in("AWRITE")), []uint64{1, 2}},
		"a number of connections":             {just(in("AREAD")), just(claims.UserOverride{Name: "bob", Role: "AREAD", Connections: 5}), nil},
		"types that keep some out":            {just(), just(over("AREAD", claims.Standard)), []uint64{2}},
		"types that keep others out":          {just(over("AREAD", claims.Standard)), just(over("AREAD", claims.WebSocket)), []uint64{1}},
		"types that keep nobody out":          {just(in("AREAD")), just(over("AREAD", claims.Standard, claims.WebSocket)), nil},
		"types that come back":                {just(over("AREAD", claims.Standard)), just(), nil},
		"types that its role does not allow":  {just(), just(over("ALEAF", claims.Standard, claims.WebSocket)), []uint64{1, 2}},
		"tags that its role does not name":    {just(in("AREAD", "team:blue")), just(in("AREAD", "team:red")), nil},
		"tags that its role names":            {just(in("ATAG", "team:blue")), just(in("ATAG", "team:red")), []uint64{1, 2}},
		"tags of its JWTs that change":        {just(), just(in("ATAG", "team:red")), []uint64{1, 2}},
		"the end of the role it is in":        {just(in("AWRITE")), lawWith([]claims.UserOverride{in("AWRITE")}, func(w *law) { delete(w.signers, "AWRITE") }), []uint64{1, 2}},
		"the end of the role that signed":     {just(in("AWRITE")), lawWith([]claims.UserOverride{in("AWRITE")}, func(w *law) { delete(w.signers, "AREAD") }), []uint64{1, 2, 3}},
		"another role's edit":                 {just(in("AALIKE")), lawWith([]claims.UserOverride{in("AALIKE")}, func(w *law) { w.signers["AREAD"].Pub.Deny.Add("x") }), []uint64{3}},
		"its role's edit":                     {just(in("AALIKE")), lawWith([]claims.UserOverride{in("AALIKE")}, func(w *law) { w.signers["AALIKE"].Pub.Deny.Add("x") }), []uint64{1, 2}},
		"the account's tags":                  {just(), lawWith(nil, func(w *law) { w.tags = jwt.TagList{"team:red"} }), []uint64{5}},
		"somebody else's":                     {just(), just(claims.UserOverride{Name: "carl", Role: "AWRITE", Connections: claims.Unlimited}), nil},
		"one of the name that no role signed": {just(), just(claims.UserOverride{Name: "dora", Role: "AWRITE", Connections: claims.Unlimited}), nil},
	} {
		r := newAccounts(func(string) (*law, error) { return c.before, nil })
		a, w, err := r.get("ACME")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*session{
			{id: 1, user: "U1", name: "bob", signer: "AREAD", kind: jwt.ConnectionTypeStandard},
			{id: 2, user: "U2", name: "bob", signer: "AREAD", kind: jwt.ConnectionTypeWebsocket, tags: []string{"team:old"}},
			{id: 3, user: "U3", name: "ann", signer: "AREAD"},
			{id: 4, user: "U4", name: "dora", signer: "AROLE"},
			{id: 5, user: "U5", name: "eve", signer: "AACCOUNT"},
		} {
			if !a.settle(w, s, r.isAlive) {
				t.Fatal("not settled")
			}
		}
		var got []uint64
		for _, s := range a.publish(c.after, time.Now()) {
			got = append(got, s.id)
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: ended -want +got\n%s", name, diff)
		}
		for id, s := range a.sessions.byID {
			if in := c.after.standingOf(s).key; s.role != in || a.sessions.byRole[in] == nil {
				t.Errorf("%s: connection %d is kept as one of role %s, but is in %s", name, id, s.role, in)
			}
		}
	}
}

func TestOverrideReplacesRoleAndTags(t *testing.T) {
	t.Parallel()
	user := jwt.NewUserClaims("U1")
	user.Name, user.Issuer, user.IssuerAccount = "bob", "AREAD", "ACME"
	user.Tags = jwt.TagList{"team:old"}
	user.SetScoped(true)
	moved := func(role claims.AccountKey) *law {
		return lawWith([]claims.UserOverride{{Name: "bob", Role: role, Tags: []string{"team:blue"}, Connections: claims.Unlimited}}, nil)
	}
	got, err := moved("ATAG").scoped(user)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(jwt.StringList{"blue.>"}, got.Pub.Allow); diff != "" {
		t.Errorf("may publish -want +got\n%s", diff)
	}
	if !slices.Equal(got.Tags, []string{"team:blue"}) || user.Tags[0] != "team:old" {
		t.Errorf("tags = %q, want those of the override; the JWT's are %q", got.Tags, user.Tags)
	}
	if _, err := moved("AGONE").scoped(user); err == nil {
		t.Error("a role that the account does not have: no error")
	}
	user.Issuer = "AROLE" // unscoped
	if got, err := moved("ATAG").scoped(user); err != nil || len(got.Pub.Allow) != 0 {
		t.Errorf("signed by no role: %v, %v, want the user as its JWT says", got, err)
	}
}

// A change of one user or role among many costs the same however many others
// there are.
func BenchmarkMoveAmongOthers(b *testing.B) {
	for _, others := range []int{0, 5_000, 50_000} {
		b.Run(fmt.Sprint(others, " others"), func(b *testing.B) {
			laws := []*law{lawWith(nil, nil), lawWith([]claims.UserOverride{{Name: "bob", Role: "AWRITE", Connections: claims.Unlimited}}, nil)}
			a := &account{law: laws[0]}
			alive := func(*session) bool { return true }
			for i := range others {
				a.settle(laws[0], &session{id: uint64(i), user: fmt.Sprint("U", i), name: fmt.Sprint("u", i), signer: "AREAD"}, alive)
			}
			for i := 0; b.Loop(); i++ {
				s := &session{id: uint64(others), user: "UB", name: "bob", signer: "AREAD"}
				a.settle(laws[i%2], s, alive)
				if ended := a.publish(laws[(i+1)%2], time.Time{}); len(ended) != 1 {
					b.Fatalf("%d ended", len(ended))
				}
			}
		})
	}
}
