package admission

import (
	"cmp"
	"errors"
	"slices"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/lease"
)

// Counts of connections, by type and by user, hold across brokers. A login that
// is good for everything else needs a place in each count that concerns it, of
// those that the broker holds (package lease), before it is registered. Most
// accounts have no such counts, and cost nothing.

// places are what a connection needs: its user's first, so that a user who tries
// too often keeps no others out meanwhile.
func (w *law) places(account string, s *session) []lease.Claim {
	if !w.counting {
		return nil
	}
	var list []lease.Claim
	if n := w.counts.UserConnections(s.countedAs(), claims.AccountKey(s.signer)); n != claims.Unlimited {
		list = append(list, lease.Claim{Key: lease.UserKey(account, s.countedAs()), Role: s.signer, Limit: n})
	}
	if n := w.counts.ConnectionsOf(claims.ConnectionType(s.kind)); n != claims.Unlimited {
		list = append(list, lease.Claim{Key: lease.TypeKey(account, string(s.kind)), Limit: n})
	}
	return list
}

// countedAs is the user's name, or its key when whoever holds the role's key has
// signed something that is no name. The name that an issuer's rule has made may also be a
// user's, who is somebody else: it is counted apart, by what no user can be called.
func (s *session) countedAs() string {
	if claims.ValidateUserName(s.name) != nil {
		return s.user
	}
	if _, byRule := claims.RuleOf(s.tags); byRule {
		return "token:" + s.name
	}
	return s.name
}

// limitOf is by how much a count is limited now.
func (w *law) limitOf(c lease.Claim) int64 {
	if name, ok := c.User(); ok {
		return w.counts.UserConnections(name, claims.AccountKey(c.Role))
	}
	name, _ := c.Type()
	return w.counts.ConnectionsOf(claims.ConnectionType(name))
}

// counted is a connection as package lease sees it.
type counted struct {
	*session
	a *Admission
}

func (c counted) ID() uint64  { return c.id }
func (c counted) Alive() bool { return c.a.alive(c.session) }

func (c counted) End() {
	if c.a.end(c.session) {
		c.a.counts.ended.Add(1)
	}
}

// reserve gets a connection its places.
func (a *Admission) reserve(s *session, places []lease.Claim) error {
	if len(places) == 0 {
		return nil
	}
	if a.cfg.Shares == nil {
		return refused(ShareUnavailable, "this broker holds no places for connections that are counted")
	}
	err := a.cfg.Shares.Reserve(counted{s, a}, places...)
	var no *lease.Refusal
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &no) || errors.Is(err, lease.ErrUnavailable):
		return refused(ShareUnavailable, "%v", err)
	}
	if _, ok := no.User(); ok {
		return refused(UserLimit, "the user has all of its %d connections", no.Limit)
	}
	return refused(TypeLimit, "the account has all of its %d connections of type %s", no.Limit, s.kind)
}

func (a *Admission) release(s *session, places []lease.Claim) {
	if len(places) > 0 {
		a.cfg.Shares.Release(s.id, places...)
	}
}

// keepsPlaces says whether a connection that has been let in still has its
// places: a limit may have come down meanwhile.
func (a *Admission) keepsPlaces(s *session, places []lease.Claim) bool {
	return len(places) == 0 || a.cfg.Shares.Holds(s.id, places...)
}

// recount holds the account's connections to other counts than before.
func (a *Admission) recount(acc *account, was, now *law) {
	if a.cfg.Shares == nil || was == nil || !was.counting && !now.counting || now.counts.SameCounts(was.counts) {
		return
	}
	claimed, conns := map[lease.Key]lease.Claim{}, map[lease.Key][]lease.Conn{}
	for _, s := range acc.bySeniority() {
		for _, c := range now.places(acc.key, s) {
			claimed[c.Key] = c
			conns[c.Key] = append(conns[c.Key], counted{s, a})
		}
	}
	for _, before := range a.cfg.Shares.Claims(acc.key) {
		if limit := now.limitOf(before); limit == claims.Unlimited {
			a.cfg.Shares.Forget(before.Key)
		} else if _, ok := claimed[before.Key]; !ok {
			before.Limit = limit
			claimed[before.Key] = before
		}
	}
	for key, c := range claimed {
		a.cfg.Shares.Adopt(c, conns[key])
	}
}

// bySeniority are the account's connections, those first that came first.
func (a *account) bySeniority() []*session {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*session, 0, len(a.sessions.byID))
	for _, s := range a.sessions.byID {
		list = append(list, s)
	}
	slices.SortFunc(list, func(x, y *session) int { return cmp.Or(x.since.Compare(y.since), cmp.Compare(x.id, y.id)) })
	return list
}

// Kinds is how many connections of each type the account has here, by its name.
func (a *Admission) Kinds(account string) map[string]int64 {
	acc := a.accounts.find(account)
	if acc == nil {
		return nil
	}
	kinds := map[string]int64{}
	for _, s := range acc.bySeniority() {
		if a.alive(s) {
			kinds[string(s.kind)]++
		}
	}
	return kinds
}
