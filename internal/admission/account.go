package admission

import (
	"reflect"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
)

// law is what admission keeps of an account's claims: what logins are judged by.
// It is not changed, only replaced.
type law struct {
	name        string
	tags        jwt.TagList
	signers     map[string]*jwt.UserPermissionLimits // by public key; nil: what it signs has permissions of its own
	defaults    jwt.Permissions
	revocations revocations
	expires     int64 // unix seconds; 0: never
	noBearer    bool
	closed      bool
}

func newLaw(c *jwt.AccountClaims, ownKeySigns bool) *law {
	w := &law{
		name: c.Name, tags: c.Tags, defaults: c.DefaultPermissions, expires: c.Expires, noBearer: c.Limits.DisallowBearer,
		revocations: revocations(c.Revocations), signers: make(map[string]*jwt.UserPermissionLimits, len(c.SigningKeys)+1),
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
	_, everybody := c.Revocations[jwt.All]
	w.closed = everybody && c.Limits.Conn == 0 && c.Limits.LeafNodeConn == 0
	return w
}

// open refuses everybody if the account is not there for anybody.
func (w *law) open(now time.Time) error {
	switch {
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
	return w.keeps(s.signer, was) && !(s.bearer && w.noBearer) && !w.revocations.revoked(s.user, s.issued) && w.open(now) == nil
}

// keeps says whether a key signs for the account still, by the same template.
func (w *law) keeps(signer string, was *law) bool {
	before, after := was.signers[signer], w.signers[signer]
	_, known := w.signers[signer]
	return known && (before == after || before != nil && after != nil && reflect.DeepEqual(before, after))
}

func (w *law) keepsAll(was *law) bool {
	for signer := range was.signers {
		if !w.keeps(signer, was) {
			return false
		}
	}
	return true
}

// revocations are a point in time per user's public key, in unix seconds: what was issued
// by then is revoked. jwt.All stands for every key.
type revocations map[string]int64

func (r revocations) revoked(user string, issued int64) bool {
	return r.reaches(user, issued) || r.reaches(jwt.All, issued)
}

func (r revocations) reaches(key string, issued int64) bool {
	at, ok := r[key]
	return ok && at >= issued
}

// since calls take with every key that is revoked further than it was before.
func (r revocations) since(before revocations, take func(key string)) {
	for key, at := range r {
		if was, ok := before[key]; !ok || was < at {
			take(key)
		}
	}
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
	if a.gone || a.law != w {
		return false
	}
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
		if !w.allows(s, was, now) {
			ended = append(ended, s)
		}
	}
	if was.noBearer == w.noBearer && w.open(now) == nil && w.keepsAll(was) {
		w.revocations.since(was.revocations, func(key string) { a.sessions.of(key, end) })
	} else {
		a.sessions.of(jwt.All, end)
	}
	for _, s := range ended {
		a.sessions.remove(s)
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
	a.gone = len(a.sessions.byID) == 0
	return a.gone
}
