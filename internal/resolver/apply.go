package resolver

import (
	"errors"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// Accept checks entries, makes the good ones durable together with the refusal
// of the others, and brings them into force in the live server. When it returns
// without error, everything up to appliedTo is stored and in force, except what
// it returns as refused. An appliedTo of 0 moves nothing on.
//
// Only one goroutine may call it at a time.
func (r *Resolver) Accept(entries []Entry, appliedTo Revision) ([]Refusal, error) {
	good := make([]judged, 0, len(entries))
	var refusals []Refusal
	for _, e := range entries {
		j, err := r.judge(e)
		if err != nil {
			refusals = append(refusals, Refusal{Account: e.Account, Revision: e.Revision, Reason: err.Error()})
			continue
		}
		good = append(good, j)
	}
	return r.commit(good, refusals, appliedTo)
}

// judged is an entry that may be stored, and its claims.
type judged struct {
	Entry
	claims *jwt.AccountClaims
}

// judge reads an entry. One without an account gets it from its JWT.
func (r *Resolver) judge(e Entry) (judged, error) {
	ac, err := r.trust.Check(e.JWT, e.Account)
	if err != nil {
		return judged{}, err
	}
	if ac.Subject == r.system {
		return judged{}, errors.New("the system account is fixed when a broker enrols")
	}
	e.Account = ac.Subject
	return judged{Entry: e, claims: ac}, nil
}

func (r *Resolver) commit(good []judged, refusals []Refusal, appliedTo Revision) ([]Refusal, error) {
	entries := make([]Entry, 0, len(good))
	newest := make(map[string]judged, len(good))
	for _, j := range good {
		entries = append(entries, j.Entry)
		if j.Revision >= newest[j.Account].Revision {
			newest[j.Account] = j
		}
	}
	if err := r.store.Apply(Batch{Entries: entries, Refusals: refusals, AppliedTo: appliedTo}); err != nil {
		return nil, err
	}
	var late []Refusal
	for account, j := range newest {
		stored, _, err := r.store.Get(account)
		if err != nil {
			return nil, err
		}
		if stored.Revision > j.Revision {
			continue // a lookup brought a newer one, which the server made the account from
		}
		if refusal := r.enforce(j); refusal != nil {
			late = append(late, *refusal)
		}
	}
	if len(late) > 0 {
		if err := r.store.Apply(Batch{Refusals: late}); err != nil {
			return nil, err
		}
	}
	r.counts.Refusals.Add(int64(len(refusals) + len(late)))
	return append(refusals, late...), nil
}

// enforce brings claims that are stored into force, if the server has the
// account. One that was never fetched needs nothing: when it is, it comes from
// the store. One that is just being loaded, perhaps from an older JWT, is waited
// for; should that take long (the server may be recovering its streams), the
// feed goes on, and the entry counts as refused until it is in force.
func (r *Resolver) enforce(j judged) *Refusal {
	account := j.Account
	l := r.loading(account)
	if l == nil {
		r.effects.note(Effect{Account: account, Revision: j.Revision})
		return nil
	}
	loaded := r.waitLoaded(account, l, loadWait)
	if loaded == nil {
		if r.loading(account) != l {
			return nil // the load failed: nothing of it is left in the server
		}
		go r.enforceLate(account, l)
		return &Refusal{Account: account, Revision: j.Revision, Reason: "stored, but not in force yet: the server is still loading the account"}
	}
	r.applying.Lock()
	defer r.applying.Unlock()
	r.update(loaded, j)
	return nil
}

// enforceLate brings whatever is newest by then into force once the account is
// loaded, and withdraws the refusal.
func (r *Resolver) enforceLate(account string, l *load) {
	loaded := r.waitLoaded(account, l, time.Minute)
	for ; loaded == nil; loaded = r.waitLoaded(account, l, time.Minute) {
		select {
		case <-r.closed:
			return
		default:
		}
		if r.loading(account) != l {
			return
		}
	}
	r.applying.Lock()
	defer r.applying.Unlock()
	e, ok, err := r.store.Get(account)
	if err != nil || !ok {
		return // closed meanwhile
	}
	j, err := r.judge(e)
	if err != nil {
		return // it was good when it was stored, so it still is
	}
	r.update(loaded, j)
	if err := r.store.settle(account, e.Revision); err != nil {
		r.log.Error("cannot withdraw a refusal", "account", account, "error", err)
	}
}

// update makes the live server follow an entry's claims, which it may change: limits, permissions, JetStream,
// and the connections that they no longer allow, all before it returns. Needs
// applying to be held.
//
// UpdateAccountClaims leaves alone the JWT that the server remembers the
// account by. That is what Fetch builds on, and it has a limit: an account with
// an import that could not be resolved is tried again, when the exporter
// changes, from that first JWT. Whoever brings imports must accept such
// importers anew after each change of an exporter.
func (r *Resolver) update(account *server.Account, j judged) {
	c := j.claims
	if expired(c.Expires) { // closes clients when it comes, not when it has passed
		c.Limits.Conn, c.Limits.LeafNodeConn = 0, 0
	}
	before, start := connectionsHere(account), time.Now()
	r.server.Load().UpdateAccountClaims(account, c)
	closed := max(0, before-connectionsHere(account))
	r.effects.note(Effect{Account: j.Account, Revision: j.Revision, Closed: int64(closed), Micros: time.Since(start).Microseconds()})
	r.counts.Applied.Add(1)
}

func (r *Resolver) loading(account string) *load {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loads[account]
}

// waitLoaded waits until the server has made an account of what it fetched, and
// returns it; nil when it has not by then. The server tells nobody when it has,
// so this looks again and again: it happens only when an account is changed, or
// wanted by several, in the very moment of its first use.
func (r *Resolver) waitLoaded(account string, l *load, limit time.Duration) *server.Account {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		if loaded := r.loaded(account, l); loaded != nil {
			return loaded
		}
		if r.loading(account) != l {
			return nil
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
			continue
		case <-r.closed:
		case <-deadline.C:
		}
		again.Stop()
		return nil
	}
}

// loaded is the server's account, once the server has registered it and knows
// the JWT that it came from.
func (r *Resolver) loaded(account string, l *load) *server.Account {
	if known := l.account.Load(); known != nil {
		return known
	}
	s := r.server.Load()
	if s == nil {
		return nil
	}
	select {
	case <-l.fetched:
	default:
		return nil
	}
	// Cheap first: Accountz reads the account's JWT.
	stats, err := s.AccountStatz(&server.AccountStatzOptions{Accounts: []string{account}, IncludeUnused: true})
	if err != nil || len(stats.Accounts) == 0 {
		return nil
	}
	info, err := s.Accountz(&server.AccountzOptions{Account: account})
	if err != nil || info.Account == nil || info.Account.Jwt != l.token {
		return nil
	}
	// It is registered, so this only finds it. LookupAccount would refuse an expired one.
	found, _ := s.LookupOrRegisterAccount(account)
	l.account.Store(found)
	return found
}
