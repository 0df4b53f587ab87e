package admission

import (
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// session is a connection that was let in, and what it was let in for.
type session struct {
	id     uint64
	user   string // the credential's public key
	name   string // the user's
	kind   kind
	issued int64
	signer string
	bearer bool
	since  time.Time

	leaf    bool
	limited bool // by its user, beyond what the account is
	limits  jwt.NatsLimits
	client  client // of a leaf node, and of one that is limited
}

func (v verdict) session(l *login) *session {
	s := &session{
		id: l.client.GetID(), user: v.user.Subject, name: v.user.Name, kind: l.source.kind, issued: v.user.IssuedAt, signer: v.user.Issuer, bearer: v.user.BearerToken,
		since: l.at, leaf: l.client.Kind() == server.LEAF, limits: v.user.NatsLimits,
	}
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
	byUser  map[string][]*session
	pruneAt int
}

const pruneAtLeast = 16

func (x *sessions) add(s *session, alive func(*session) bool) {
	if x.byID == nil {
		x.byID, x.byUser = map[uint64]*session{}, map[string][]*session{}
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
}

func (x *sessions) remove(s *session) {
	if x.byID[s.id] == s {
		delete(x.byID, s.id)
	}
	others := slices.DeleteFunc(x.byUser[s.user], func(other *session) bool { return other == s })
	if len(others) == 0 {
		delete(x.byUser, s.user)
		return
	}
	x.byUser[s.user] = others
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
