package resolver

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// Accept checks entries, makes the good ones durable together with the refusal
// of the others, and brings them into force in the live server. When it returns
// without error, everything up to appliedTo is stored and in force, except what
// it returns as refused. An appliedTo of 0 moves nothing on.
//
// The signature of an account that the server has not loaded is not checked now:
// a broker that missed a million changes would spend minutes on it, for accounts
// that nobody may ever use there. [Trust.Glance] says what is checked; Fetch checks the
// rest before the account comes into being. What is loaded is checked here, before
// it is stored, and so are a handful of entries, for which it costs nothing: then
// a bad one is reported at once, and does not take the place of a good one.
//
// Only one goroutine may call it at a time.
func (r *Resolver) Accept(entries []Entry, appliedTo Revision) ([]Refusal, error) {
	return r.accept(entries, r.store.Applied(), appliedTo)
}

func (r *Resolver) accept(entries []Entry, since, appliedTo Revision) ([]Refusal, error) {
	good := make([]judged, 0, len(entries))
	var refusals []Refusal
	for _, e := range entries {
		read := r.glance
		if len(entries) <= checkedAtOnce {
			read = r.judge
		}
		j, err := read(e)
		if err == nil {
			err = r.havePages(j)
		}
		if err != nil {
			refusals = append(refusals, Refusal{Account: e.Account, Revision: e.Revision, Reason: err.Error()})
			continue
		}
		good = append(good, j)
	}
	return r.commit(good, refusals, since, appliedTo)
}

const checkedAtOnce = 16

// judged is an entry that may be stored.
type judged struct {
	Entry
	claims *jwt.AccountClaims // nil: the signature has not been checked
	pages  []claims.PageName  // that it names
	ended  bool               // it may be a tombstone
}

// glance is judge for an account that is in use, and a look at any other.
func (r *Resolver) glance(e Entry) (judged, error) {
	if e.Account == r.system || r.inUse(e.Account) {
		return r.judge(e)
	}
	g, err := r.trust.glance(e.JWT, e.Account)
	if err != nil {
		return judged{}, err
	}
	_, pages, err := claims.SplitTags(g.Claims.Tags)
	return judged{Entry: e, pages: pages, ended: g.Claims.Revocations.AllUsers > 0}, err
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
	_, pages, err := claims.SplitTags(ac.Tags)
	if err != nil {
		return judged{}, err
	}
	e.Account = ac.Subject
	return judged{Entry: e, claims: ac, pages: pages, ended: claims.IsTombstone(ac)}, nil
}

// commit makes what was judged durable and brings it into force. appliedTo
// follows on since.
func (r *Resolver) commit(good []judged, refusals []Refusal, since, appliedTo Revision) ([]Refusal, error) {
	late, err := r.keep(good, Batch{Refusals: refusals, Since: since, AppliedTo: appliedTo})
	if err != nil {
		return nil, err
	}
	r.counts.Refusals.Add(int64(len(refusals) + len(late)))
	return append(refusals, late...), nil
}

// AcceptFromPeer takes a peer broker's word: only what the operator signed, later
// than what is stored, and only until control's word takes its place (see
// protocol.go). It returns how many entries it took.
//
// One whose pages it lacks makes it fail, having taken the others.
func (r *Resolver) AcceptFromPeer(entries []Entry) (int, error) {
	var good []judged
	var lacking error
	for _, e := range entries {
		j, err := r.judge(e)
		if err == nil && r.isNews(j) {
			if err := r.havePages(j); err != nil {
				lacking = fmt.Errorf("account %s: %w", j.Account, err)
				continue
			}
			good = append(good, j)
		}
		if err != nil {
			r.counts.Refusals.Add(1)
			r.log.Error("a peer broker sent claims that are not acceptable", "account", e.Account, "error", err)
		}
	}
	if len(good) == 0 {
		return 0, lacking
	}
	_, err := r.keep(good, Batch{Provisional: true})
	return len(good), errors.Join(err, lacking)
}

// isNews compares the times that the operator signed: a peer's revisions are
// only its word. Within one second it stays with what is there.
func (r *Resolver) isNews(j judged) bool {
	held, ok, err := r.store.Get(j.Account)
	if err != nil || !ok {
		return err == nil
	}
	g, err := look(held.JWT)
	return err == nil && j.claims.IssuedAt > g.IssuedAt
}

// keep stores a batch of judged entries and brings them into force.
func (r *Resolver) keep(good []judged, b Batch) (late []Refusal, err error) {
	newest := make(map[string]judged, len(good))
	for _, j := range good {
		b.Entries = append(b.Entries, j.Entry)
		if j.Revision >= newest[j.Account].Revision {
			newest[j.Account] = j
		}
	}
	if err := r.store.Apply(b); err != nil {
		return nil, err
	}
	r.notNegative(newest)
	defer r.tidyPages(newest)
	for _, j := range newest {
		refusal, err := r.enforce(j)
		if err != nil {
			return nil, err
		}
		if refusal != nil {
			late = append(late, *refusal)
		}
		if j.ended && r.buried != nil {
			r.buried(j.Account, j.Revision)
		}
	}
	if len(late) > 0 {
		err = r.store.Apply(Batch{Refusals: late})
	}
	return late, err
}

// enforce brings claims that are stored into force, if the server has the
// account. One that was never fetched needs nothing: when it is, it comes from
// the store. One that is just being loaded, perhaps from an older JWT, is waited
// for; should that take long (the server may be recovering its streams), the
// feed goes on, and the entry counts as refused until it is in force.
//
// Before the server is told, whoever judges logins is.
func (r *Resolver) enforce(j judged) (*Refusal, error) {
	account := j.Account
	start := time.Now()
	if !r.inUse(account) {
		r.note(j, 0, start)
		return nil, nil
	}
	stored, ok, err := r.store.Get(account)
	if err != nil {
		return nil, err
	}
	if ok && (stored.Revision > j.Revision || stored.JWT != j.JWT) {
		return nil, nil // a lookup brought a newer one, which the server made the account from
	}
	if j.claims == nil { // somebody began to use it after we had looked
		checked, err := r.judge(j.Entry)
		if err != nil {
			return &Refusal{Account: account, Revision: j.Revision, Reason: err.Error()}, r.store.discard(account, j.Revision)
		}
		j = checked
	}
	ended, err := r.publish(j)
	if err != nil {
		return nil, err
	}
	l := r.loading(account)
	if l == nil || r.later(account, l, j.claims) {
		r.note(j, ended, start)
		return nil, nil
	}
	loaded := r.waitLoaded(account, l, loadWait)
	if loaded == nil {
		if r.loading(account) != l {
			return nil, nil // the load failed: nothing of it is left in the server
		}
		go r.enforceLate(account, l)
		return &Refusal{Account: account, Revision: j.Revision, Reason: "stored, but not in force yet: the server is still loading the account"}, nil
	}
	l.applying.Lock()
	defer l.applying.Unlock()
	r.note(j, ended+r.update(loaded, l, j.claims), start)
	return nil, nil
}

// publish tells whoever judges logins of what is stored of an account now, which
// may have become newer than j. That it is read again while nobody else
// publishes is what keeps the order.
func (r *Resolver) publish(j judged) (ended int, err error) {
	if !r.watcher.Knows(j.Account) {
		return 0, nil
	}
	r.publishing.Lock()
	defer r.publishing.Unlock()
	e, ok, err := r.store.Get(j.Account)
	if err != nil || !ok {
		return 0, err
	}
	if j.claims == nil || e.JWT != j.JWT {
		if j, err = r.judge(e); err != nil {
			return 0, nil // whoever delivered it reports it
		}
	}
	pages, err := r.pages.load(j.Account, j.pages)
	if err != nil {
		return 0, err
	}
	return r.watcher.Publish(j.claims, pages), nil
}

// note keeps what bringing an entry into force did for the next receipt.
func (r *Resolver) note(j judged, closed int, start time.Time) {
	r.effects.note(Effect{Account: j.Account, Revision: j.Revision, Closed: int64(closed), Micros: time.Since(start).Microseconds()})
}

// inUse says whether a change of the account is to be brought into force.
func (r *Resolver) inUse(account string) bool {
	return r.loading(account) != nil || r.watcher.Knows(account)
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
	start := time.Now()
	j, closed, ok := r.updateToNewest(account, loaded, l)
	if !ok {
		return // closed meanwhile, or the refusal stands
	}
	r.note(j, closed, start)
	if err := r.store.settle(account, j.Revision); err != nil {
		r.log.Error("cannot withdraw a refusal", "account", account, "error", err)
	}
}

// updateToNewest makes the live server follow what is stored of an account now.
func (r *Resolver) updateToNewest(account string, loaded *server.Account, l *load) (j judged, closed int, ok bool) {
	l.applying.Lock()
	defer l.applying.Unlock()
	e, ok, err := r.store.Get(account)
	if err != nil || !ok {
		return judged{}, 0, false
	}
	if j, err = r.judge(e); err != nil {
		return judged{}, 0, false
	}
	return j, r.update(loaded, l, j.claims), true
}

// update makes the live server follow claims, which it may change: limits, permissions, JetStream,
// and the connections that they no longer allow, all before it returns. Needs
// the load's applying to be held.
//
// UpdateAccountClaims leaves alone the JWT that the server remembers the
// account by. That is what Fetch builds on, and it has a limit: an account with
// an import that could not be resolved is tried again, when the exporter
// changes, from that first JWT. Whoever brings imports must accept such
// importers anew after each change of an exporter.
func (r *Resolver) update(account *server.Account, l *load, c *jwt.AccountClaims) (closed int) {
	shape := shapeOf(c)
	if expired(c.Expires) { // closes clients when it comes, not when it has passed
		c.Limits.Conn, c.Limits.LeafNodeConn = 0, 0
	}
	before := connectionsHere(account)
	if r.handover != nil {
		c = r.handover.claims(c)
	}
	r.server.Load().UpdateAccountClaims(account, c)
	r.watcher.Updated(c.Subject)
	l.shape.Store(&shape)
	r.counts.Applied.Add(1)
	return max(0, before-connectionsHere(account))
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
