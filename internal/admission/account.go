package admission

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// law is what admission keeps of an account's claims: what logins are judged by.
// It is not changed, only replaced.
type law struct {
	key         string
	logins      claims.LoginPages
	trust       claims.TrustPage
	name        string
	tags        jwt.TagList
	signers     map[string]*jwt.UserPermissionLimits // by public key; nil: what it signs has permissions of its own
	defaults    jwt.Permissions
	revocations revocations
	expires     int64    // unix seconds; 0: never
	authUsers   []string // not empty: all others are for the account's own service to judge
	sendsTo     []string // other accounts that it may put them in
	xkey        string   // that it is asked under; empty: in the clear
	noBearer    bool
	closed      bool
	counts      claims.Extension // and the connection types that the account allows
	counting    bool             // there are counts of connections among them
	unreadable  bool             // what the claims say of those
}

func newLaw(c *jwt.AccountClaims, pages claims.Pages, ownKeySigns bool) *law {
	own, _, _ := claims.SplitTags(c.Tags) // those that name the pages have done so
	w := &law{
		key: c.Subject, logins: pages.Logins, trust: pages.Trust,
		name: c.Name, tags: own, defaults: c.DefaultPermissions, expires: c.Expires, noBearer: c.Limits.DisallowBearer,
		authUsers: c.Authorization.AuthUsers, sendsTo: c.Authorization.AllowedAccounts, xkey: c.Authorization.XKey, revocations: revocations{inline: c.Revocations, pages: pages.Revocations}, signers: make(map[string]*jwt.UserPermissionLimits, len(c.SigningKeys)+1),
	}
	for key, scope := range c.SigningKeys {
		w.signers[key] = nil
		if role, ok := scope.(*jwt.UserScope); ok {
			w.signers[key] = &role.Template
		}
	}
	if ownKeySigns {
		w.signers[c.Subject] = nil
	}
	var err error
	w.counts, err = claims.ReadExtension(c.Tags)
	w.counting, w.unreadable = w.counts.Counts(), err != nil
	_, everybody := c.Revocations[jwt.All]
	w.closed = everybody && c.Limits.Conn == 0 && c.Limits.LeafNodeConn == 0
	return w
}

// open refuses everybody if the account is not there for anybody.
func (w *law) open(now time.Time) error {
	switch {
	case w.unreadable:
		return refused(AccountInvalid, "its claims do not say what they limit")
	case w.closed:
		return refused(AccountClosed, "the account is deleted or suspended")
	case w.expires != 0 && w.expires <= now.Unix():
		return refused(AccountExpired, "the account expired at %s", time.Unix(w.expires, 0).UTC().Format(time.RFC3339))
	}
	return nil
}

// allows says whether a connection that was let in by earlier claims may stay. If
// its role has changed, it may not: the next one gets the new permissions.
func (w *law) allows(s *session, was *law, now time.Time) bool {
	return w.keeps(s, was) && (s.ground == nil || s.ground.holds(w)) && w.takes(s) && !w.turnsAway(s, now) && !(s.bearer && w.noBearer) && !w.revokes(s) && w.open(now) == nil
}

// revokes says whether what the connection was let in with is revoked, or the token that it was given for.
func (w *law) revokes(s *session) bool {
	return w.revocations.revoked(s.user, s.issued) || s.origin.User != "" && w.revocations.revoked(string(s.origin.User), s.origin.IssuedAt.Unix())
}

func anyType(role jwt.UserPermissionLimits) jwt.UserPermissionLimits {
	role.AllowedConnectionTypes = nil
	return role
}

// takes says whether account, role and user allow the connection's type.
func (w *law) takes(s *session) bool {
	if !w.counts.AllowsType(claims.ConnectionType(s.kind)) {
		return false
	}
	in := w.standingOf(s)
	if in.template == nil {
		return true
	}
	_, err := allowedTypes(in.allowedTypes(), s.kind)
	return err == nil
}

// delegates says whether the account leaves the user to an authorization service
// of its own (auth callout).
func (w *law) delegates(user string) bool {
	return len(w.authUsers) > 0 && !slices.Contains(w.authUsers, user)
}

// turnsAway says whether a connection came in as the account wants it no more: by
// itself or through a service of the account's. Who came through another account's is that one's to take back.
func (w *law) turnsAway(s *session, now time.Time) bool {
	if s.answered {
		return s.in == nil && !w.answers(s, now)
	}
	return w.delegates(s.user)
}

// revocations say up to which second what was issued to a user's key is revoked.
// The newest are in the claims, where jwt.All stands for every key, and the
// others in pages.
type revocations struct {
	inline jwt.RevocationList
	pages  claims.RevocationPages
}

func (r revocations) revoked(user string, issued int64) bool {
	if r.reaches(user, issued) || r.reaches(jwt.All, issued) {
		return true
	}
	at, ok := r.pages.RevokedAt(claims.UserKey(user))
	return ok && at.Unix() >= issued
}

func (r revocations) reaches(key string, issued int64) bool {
	at, ok := r.inline[key]
	return ok && at >= issued
}

// since calls take with every key that may be revoked further than it was
// before: those that the claims say so of, and when there is a page that was not
// there, those of these users who are in one. Most of what is in a new page has
// only moved there.
func (r revocations) since(before revocations, users iter.Seq[string], take func(key string)) {
	for key, at := range r.inline {
		if was, ok := before.inline[key]; !ok || was < at {
			take(key)
		}
	}
	if !r.hasNewPages(before) {
		return
	}
	for user := range users {
		if _, ok := r.pages.RevokedAt(claims.UserKey(user)); ok {
			take(user)
		}
	}
}

func (r revocations) hasNewPages(before revocations) bool {
	return slices.ContainsFunc(r.pages, func(p claims.RevocationPage) bool {
		return !slices.ContainsFunc(before.pages, func(was claims.RevocationPage) bool { return was.Hash() == p.Hash() })
	})
}

// account is one that somebody wants to log in to, or is logged in to.
type account struct {
	key   string
	ready chan struct{} // closed when its claims have been asked for
	err   error         // why there are none; set before ready is closed

	mu       sync.Mutex
	law      *law
	gone     bool // no longer the registry's
	sessions sessions
	sent     map[*session]struct{} // put in other accounts by this one's authorization service

	sentPruneAt int
}

// current returns the claims of now; ok is false when the registry has given the account up.
func (a *account) current() (w *law, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.law, !a.gone
}

// settle makes a connection that was let in by w one that publish knows of,
// unless the law has changed since.
func (a *account) settle(w *law, s *session, alive func(*session) bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone || a.law != w || s.ended {
		return false
	}
	s.role = w.standingOf(s).key
	a.sessions.add(s, alive)
	return true
}

// publish changes the law and takes out the sessions that it refuses.
func (a *account) publish(w *law, now time.Time) (ended []*session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.law
	a.law = w
	if was == nil {
		return nil // nobody has been judged yet
	}
	end := func(s *session) {
		if !s.ended && !w.allows(s, was, now) {
			s.ended = true
			ended = append(ended, s)
		}
	}
	differs, everybody := w.since(was)
	if everybody || w.open(now) != nil {
		a.sessions.of(jwt.All, end)
	} else {
		w.revocations.since(was.revocations, maps.Keys(a.sessions.byUser), func(key string) { a.sessions.of(key, end) })
		a.sessions.withdrawn(w, was, end)
		for _, role := range differs.roles {
			a.sessions.inRole(role, end)
		}
		for _, name := range differs.users {
			a.sessions.named(name, end)
		}
	}
	for _, s := range ended {
		a.sessions.remove(s)
	}
	for _, name := range differs.users {
		a.sessions.named(name, func(s *session) { a.sessions.move(s, w.standingOf(s).key) })
	}
	return ended
}

// limited are the sessions with limits of their own.
func (a *account) limited() (list []*session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions.byID {
		if s.limited {
			list = append(list, s)
		}
	}
	return list
}

// registry holds the accounts in use. An account is in it before its claims are
// asked for: a change that comes meanwhile finds it, and counts.
type registry struct {
	load    func(key string) (*law, error)
	release func(key string) // once for each that was loaded
	alive   func(*session) bool

	mu      sync.RWMutex
	byKey   map[string]*account
	sweepAt int // accounts at which those that nobody uses are given up
}

const sweepAtLeast = 1024

// find returns an account that is in use, else nil.
func (r *registry) find(key string) *account {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byKey[key]
}

// get returns an account and its claims of now.
func (r *registry) get(key string) (*account, *law, error) {
	for {
		a, first := r.begin(key)
		if first {
			r.fill(a)
		}
		<-a.ready
		if a.err != nil {
			return nil, nil, a.err
		}
		if w, ok := a.current(); ok {
			return a, w, nil
		}
	}
}

func (r *registry) begin(key string) (a *account, first bool) {
	if a := r.find(key); a != nil {
		return a, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.byKey[key]; a != nil {
		return a, false
	}
	r.sweep()
	a = &account{key: key, ready: make(chan struct{})}
	r.byKey[key] = a
	return a, true
}

// fill asks for an account's claims. If others were published meanwhile, those are newer.
func (r *registry) fill(a *account) {
	defer close(a.ready)
	w, err := r.load(a.key)
	if err != nil {
		a.err = err
		r.remove(a)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.law == nil {
		a.law = w
	}
}

func (r *registry) remove(a *account) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey[a.key] == a {
		delete(r.byKey, a.key)
	}
}

// sweep gives up accounts without connections, now and then. Needs mu.
func (r *registry) sweep() {
	if len(r.byKey) < max(r.sweepAt, sweepAtLeast) {
		return
	}
	for key, a := range r.byKey {
		if a.giveUp(r.alive) {
			delete(r.byKey, key)
			r.release(key)
		}
	}
	r.sweepAt = 2 * len(r.byKey)
}

func (a *account) giveUp(alive func(*session) bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.law == nil {
		return false // just being loaded
	}
	a.sessions.prune(alive)
	a.pruneSent(alive)
	a.gone = len(a.sessions.byID) == 0 && len(a.sent) == 0
	return a.gone
}
