package admission

import (
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
)

// asking are the checks that somebody has to pass for whom the account's
// authorization service is asked: the rest is about the user that it answers with.
var asking = []check{
	{"account", func(t *trial) error { return t.open(t.at) }},
	{"role", (*trial).checkRole},
	{"revocation", (*trial).checkRevocation},
}

// delegate has the account's own service say who a login is, judges that by the
// law of the account that it is put in, and registers it there.
func (a *Admission) delegate(acc *account, w *law, l *login) (settled bool, err error) {
	t := trial{law: w, facts: l.facts(time.Now())}
	for _, c := range asking {
		if err := c.hold(&t); err != nil {
			return false, err
		}
	}
	user, err := a.callout.ask(acc.key, w, l)
	if err != nil {
		return false, err
	}
	in, inLaw := acc, w
	if target := accountOf(user); target != acc.key {
		if in, inLaw, err = a.accounts.get(target); err != nil {
			return false, err
		}
	}
	f := l.facts(time.Now())
	f.signed, f.answered = user, true
	f.proves = func(string) error { return nil }
	v, err := inLaw.judge(f)
	if err != nil {
		return false, err
	}
	s := v.session(l, user.Tags)
	s.answered = true
	if in == acc {
		return a.settle(in, inLaw, l, v, s)
	}
	s.in, s.ground = in, nil // that account knows nothing of it
	if !acc.put(w, s, a.alive) {
		return false, nil
	}
	if settled, err = a.settle(in, inLaw, l, v, s); !settled {
		acc.forget(s)
	}
	return settled, err
}

// answers says whether a session that the account's service has let in is still
// one that it may: it is asked no more, or may put nobody there.
func (w *law) answers(s *session, now time.Time) bool {
	if len(w.authUsers) == 0 {
		return false
	}
	return s.in == nil || slices.Contains(w.sendsTo, s.in.key) && w.open(now) == nil
}

// sendsAs says whether the service may do what it could before.
func (w *law) sendsAs(was *law) bool {
	return (len(w.authUsers) == 0) == (len(was.authUsers) == 0) && slices.Equal(w.sendsTo, was.sendsTo)
}

// put notes that the account's service has put a session in another account,
// unless the law by which it was asked has changed.
func (a *account) put(w *law, s *session, alive func(*session) bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone || a.law != w {
		return false
	}
	if len(a.sent) >= max(a.sentPruneAt, pruneAtLeast) {
		a.pruneSent(alive)
		a.sentPruneAt = 2 * len(a.sent)
	}
	if a.sent == nil {
		a.sent = map[*session]struct{}{}
	}
	a.sent[s] = struct{}{}
	return true
}

func (a *account) forget(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sent, s)
}

// pruneSent needs mu.
func (a *account) pruneSent(alive func(*session) bool) {
	for s := range a.sent {
		if !alive(s) {
			delete(a.sent, s)
		}
	}
}

// recall takes those out of other accounts whom the account's service put there
// and may not any more.
func (a *account) recall(was *law, now time.Time) (ended []*session) {
	a.mu.Lock()
	if was != nil && a.law.sendsAs(was) && a.law.open(now) == nil {
		a.mu.Unlock()
		return nil
	}
	var gone []*session
	for s := range a.sent {
		if !a.law.answers(s, now) {
			delete(a.sent, s)
			gone = append(gone, s)
		}
	}
	a.mu.Unlock()
	for _, s := range gone {
		if s.in.take(s) {
			ended = append(ended, s)
		}
	}
	return ended
}

// take removes a session, one that is just being settled included.
func (a *account) take(s *session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.ended {
		return false
	}
	s.ended = true
	a.sessions.remove(s)
	return true
}

// transport is a connection type as nats-server calls it for authorization services.
func (k kind) transport() string {
	switch k {
	case jwt.ConnectionTypeStandard, jwt.ConnectionTypeInProcess:
		return "nats"
	case jwt.ConnectionTypeWebsocket:
		return "websocket"
	case jwt.ConnectionTypeMqtt, jwt.ConnectionTypeMqttWS:
		return "mqtt"
	}
	return "" // leaf nodes
}
