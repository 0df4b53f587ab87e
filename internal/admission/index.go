package admission

import (
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// session is a connection that was let in, and what it was let in for.
type session struct {
	id     uint64
	user   string // the credential's public key
	name   string // the user's
	kind   kind
	issued int64
	signer string
	tags   []string // as the JWT says
	role   string   // the key of the role it is in now; what signed it, if that is none
	bearer bool
	since  time.Time
	ended  bool // by a change

	origin   claims.TokenOrigin // of exchanged creds; zero: it has none
	ground   ground             // what stands for a user JWT, or behind it; nil: it had one
	answered bool               // an authorization service has let it in
	in       *account           // where that has put it; nil: in the account that the client named

	leaf    bool
	limited bool // by its user, beyond what the account is
	limits  jwt.NatsLimits
	client  client // of a leaf node, and of one that is limited
}

// session is what is kept of a login, with the tags that its JWT says.
func (v verdict) session(l *login, tags []string) *session {
	s := &session{
		id: l.client.GetID(), user: v.user.Subject, name: v.user.Name, kind: l.source.kind, issued: v.user.IssuedAt, signer: v.user.Issuer, tags: tags, bearer: v.user.BearerToken,
		since: l.at, ground: l.ground, leaf: l.client.Kind() == server.LEAF, limits: v.user.NatsLimits,
	}
	if rule, ok := claims.RuleOf(tags); ok && s.ground == nil {
		s.ground = issuerRule(rule)
	}
	s.origin, _ = claims.OriginOf(tags)
	s.limited = s.limits.Payload != jwt.NoLimit || s.limits.Subs != jwt.NoLimit
	if s.leaf || s.limited {
		s.client = l.client
	}
	return s
}

// sessions are an account's connections. nats-server does not say when one
// ends: those that are dead are found now and then, and there are never more of
// them than of the living, and a few.
type sessions struct {
	byID    map[uint64]*session
	byUser  map[string][]*session // and by whom the token stood for that creds were given for
	byName  map[string][]*session // the users'
	byRole  index[string]
	byLogin index[claims.LoginDigest] // those by a device login
	trusted map[*session]struct{}     // those by what the account trusts beside its roles
	pruneAt int
}

const pruneAtLeast = 16

// index finds sessions of which very many may have one key.
type index[K comparable] map[K]map[*session]struct{}

func (x index[K]) add(key K, s *session) {
	if x[key] == nil {
		x[key] = map[*session]struct{}{}
	}
	x[key][s] = struct{}{}
}

func (x index[K]) remove(key K, s *session) {
	delete(x[key], s)
	if len(x[key]) == 0 {
		delete(x, key)
	}
}

func (x *sessions) add(s *session, alive func(*session) bool) {
	if x.byID == nil {
		x.byID, x.byUser, x.byName = map[uint64]*session{}, map[string][]*session{}, map[string][]*session{}
		x.byRole, x.byLogin, x.trusted = index[string]{}, index[claims.LoginDigest]{}, map[*session]struct{}{}
	}
	if len(x.byID) >= max(x.pruneAt, pruneAtLeast) {
		x.prune(alive)
		x.pruneAt = 2 * len(x.byID)
	}
	if was := x.byID[s.id]; was != nil {
		x.remove(was)
	}
	x.byID[s.id] = s
	x.byUser[s.user] = append(x.byUser[s.user], s)
	if key := string(s.origin.User); key != "" {
		x.byUser[key] = append(x.byUser[key], s)
	}
	x.byName[s.name] = append(x.byName[s.name], s)
	x.byRole.add(s.role, s)
	x.addGround(s)
}

func (x *sessions) remove(s *session) {
	if x.byID[s.id] == s {
		delete(x.byID, s.id)
	}
	without(x.byUser, s.user, s)
	without(x.byUser, string(s.origin.User), s)
	without(x.byName, s.name, s)
	x.byRole.remove(s.role, s)
	x.removeGround(s)
}

func (x *sessions) addGround(s *session) {
	if s.ground == nil {
		return
	}
	d, ok := s.ground.(deviceLogin)
	if !ok || d.authority != "" {
		x.trusted[s] = struct{}{}
	}
	if ok {
		x.byLogin.add(d.Digest, s)
	}
}

func (x *sessions) removeGround(s *session) {
	delete(x.trusted, s)
	if d, ok := s.ground.(deviceLogin); ok {
		x.byLogin.remove(d.Digest, s)
	}
}

// withdrawn calls take with the sessions whose ground may have gone with the
// earlier law: those by a login of a page that is not there any more, most of which
// have only moved to another, and those by what the account trusts, if that is something else.
func (x *sessions) withdrawn(w, was *law, take func(*session)) {
	for _, page := range was.logins {
		if slices.ContainsFunc(w.logins, func(p claims.LoginPage) bool { return p.Hash() == page.Hash() }) {
			continue
		}
		x.byLoginsOf(page, take)
	}
	if w.trust.Hash() != was.trust.Hash() {
		for s := range x.trusted {
			take(s)
		}
	}
}

func (x *sessions) byLoginsOf(page claims.LoginPage, take func(*session)) {
	if len(x.byLogin) < page.Len() {
		for digest, list := range x.byLogin {
			if page.Has(digest) {
				for s := range list {
					take(s)
				}
			}
		}
		return
	}
	for i := range page.Len() {
		for s := range x.byLogin[page.Digest(i)] {
			take(s)
		}
	}
}

// without takes a session off one of the lists of an index.
func without(index map[string][]*session, key string, s *session) {
	others := slices.DeleteFunc(index[key], func(other *session) bool { return other == s })
	if len(others) == 0 {
		delete(index, key)
		return
	}
	index[key] = others
}

// move notes that a session stays, in another role.
func (x *sessions) move(s *session, role string) {
	x.byRole.remove(s.role, s)
	s.role = role
	x.byRole.add(role, s)
}

func (x *sessions) prune(alive func(*session) bool) {
	for _, s := range x.byID {
		if !alive(s) {
			x.remove(s)
		}
	}
}

// of calls take with the sessions of a user's key, or of everybody.
func (x *sessions) of(key string, take func(*session)) {
	if key != jwt.All {
		for _, s := range x.byUser[key] {
			take(s)
		}
		return
	}
	for _, s := range x.byID {
		take(s)
	}
}

// named calls take with the sessions of a user.
func (x *sessions) named(name string, take func(*session)) {
	for _, s := range x.byName[name] {
		take(s)
	}
}

// inRole calls take with the sessions of a role's users, or of what another key signed.
func (x *sessions) inRole(role string, take func(*session)) {
	for s := range x.byRole[role] {
		take(s)
	}
}

// leafGrace is how long a leaf node that was let in may not be on the server's
// list yet. It takes far less.
const leafGrace = time.Minute

// alive says whether the server still has the connection.
func (a *Admission) alive(s *session) bool {
	srv := a.cfg.Server()
	if !s.leaf {
		return srv.GetClient(s.id) != nil
	}
	return srv.GetLeafNode(s.id) != nil || time.Since(s.since) < leafGrace && s.client.RemoteAddress() != nil
}

// noPermissions let nobody do anything.
var noPermissions = &server.Permissions{
	Publish:   &server.SubjectPermission{Deny: []string{">"}},
	Subscribe: &server.SubjectPermission{Deny: []string{">"}},
}

// end closes a connection, and says whether it was still open.
func (a *Admission) end(s *session) bool {
	if a.cfg.Server().DisconnectClientByID(s.id) == nil {
		return true
	}
	if !s.leaf || s.client.RemoteAddress() == nil {
		return false
	}
	// A leaf node that has just been let in, and is not on the server's list yet.
	s.client.RegisterUser(&server.User{Permissions: noPermissions, ConnectionDeadline: s.since})
	return true
}

// leave forgets what an earlier login of the same connection was let in for.
func (a *Admission) leave(c client) {
	was := c.Account()
	if was == nil {
		return
	}
	if acc := a.accounts.find(was.GetName()); acc != nil {
		acc.leave(c.GetID())
	}
}

func (a *account) leave(id uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.sessions.byID[id]; s != nil {
		a.sessions.remove(s)
	}
}
