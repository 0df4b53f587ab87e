package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// Resolver is nats-server's AccountResolver over a [Store]. A miss is asked of
// control, if there is a connection to ask over.
//
// It says of itself that it tracks updates, so that nats-server does not apply
// what anybody on the system account publishes, in whatever order: an older JWT
// coming from a slower peer would overwrite a newer one. Claims come into force
// through [Resolver.Accept] alone.
//
// For that to hold, the server must never apply by itself what it fetched. It
// does so in two places, both only if the JWT differs from the one it loaded
// the account from: when several clients load an account at once, for all that
// come second, and when a login meets an expired account. So Fetch pins: of a
// loaded account it always returns the very JWT that the account was loaded
// from, and whatever came later is in force already. And of several clients
// that load an account at once, only the first gets an answer before the account
// is ready; the others would otherwise be judged by one half made.
type Resolver struct {
	store     *Store
	pages     *pages
	trust     *Trust
	system    string // the system account's public key
	systemJWT atomic.Pointer[string]
	handover  *handover // nil: the server judges logins
	log       *slog.Logger

	server atomic.Pointer[server.Server]
	lookup atomic.Pointer[lookupFunc]
	closed chan struct{}
	close  sync.Once

	mu       sync.Mutex
	loads    map[string]*load     // accounts that the server has asked for
	negative map[string]time.Time // accounts that control does not know -> until when we believe that

	publishing sync.Mutex // held while claims are published, so that they are in order
	watcher    Watcher
	buried     func(account string, revision Revision) // told of each tombstone that is stored and in force; nil: nobody
	counts     Counts
	effects    effects
}

// Watcher is told of changes before the server is: it judges logins by the same
// claims, and must not do so by older ones than those that have been acknowledged.
type Watcher struct {
	Knows func(account string) bool // whether changes of the account matter to it
	// Publish is given an account's new claims, verified, which it does not change,
	// and the pages that they name; how many connections that ended.
	Publish func(claims *jwt.AccountClaims, pages claims.Pages) (ended int)
	Foresee func(said *jwt.AccountClaims, trust claims.TrustPage) Outlook // what Publish would do, and the server after it; nil: not known
	Updated func(account string)                                          // the server has taken claims, and done to the account's connections what it does then
}

// lookupFunc asks control for an account: fault.NotFound when control says there
// is none, any other error when it could not say.
type lookupFunc func(ctx context.Context, account string) (Entry, error)

// load is one account's way into the server.
type load struct {
	fetched chan struct{}                  // closed when token and err are set
	token   string                         // what the server was given first: what it believes the account to be made from
	source  string                         // the operator's JWT that this was made of
	err     error                          // why it was given nothing; the load is over then
	imports bool                           // loading it may load others, which may load this one again
	expires time.Time                      // zero: never
	account atomic.Pointer[server.Account] // the server's, once it is known

	applying sync.Mutex            // held while claims are brought into force, so that they are in order
	shape    atomic.Pointer[shape] // of the claims in force
	behind   atomic.Bool           // the server is to be told of revocations later
	rest     atomic.Int64          // and not within this time.Duration
}

// Counts are what the resolver has done since it was made.
type Counts struct {
	Hits     atomic.Int64 // answered from the store
	Lookups  atomic.Int64 // asked of control
	Unknown  atomic.Int64 // refused: there is no such account
	Applied  atomic.Int64 // claims brought into force in the live server
	Refusals atomic.Int64 // entries refused
	Peers    atomic.Int64 // entries taken from peer brokers
	Pages    atomic.Int64 // pages of accounts fetched, from control or a peer
}

const maxNegative = 10_000

// NewResolver serves store to one nats-server. systemJWT is the system account's
// own JWT, which comes with the broker's identity and not with the feed.
func NewResolver(store *Store, trust *Trust, systemAccount, systemJWT string, log *slog.Logger) (*Resolver, error) {
	if _, err := trust.Check(systemJWT, systemAccount); err != nil {
		return nil, fmt.Errorf("check the system account: %w", err)
	}
	pages, err := openPages(filepath.Join(filepath.Dir(store.path), pagesFolder), log)
	if err != nil {
		return nil, err
	}
	r := &Resolver{
		store: store, pages: pages, trust: trust, system: systemAccount, log: log,
		watcher: Watcher{Knows: func(string) bool { return false }, Updated: func(string) {}},
		closed:  make(chan struct{}), loads: map[string]*load{}, negative: map[string]time.Time{},
	}
	r.systemJWT.Store(&systemJWT)
	r.sweepPages()
	return r, nil
}

// Renew goes by another JWT of the same operator from now on, and by the system
// account's as one of its keys has signed it, once keep has kept both. The
// server needs not hear of it: it trusts the [handover], and its system account is there.
// An empty systemJWT stands for the one there is. An operator JWT from before the one gone by, or another operator's, is refused.
func (r *Resolver) Renew(operatorJWT, systemJWT string, keep func() error) error {
	keys, err := readOperator(operatorJWT)
	if err != nil {
		return err
	}
	now := r.trust.Claims()
	if keys.operator.Subject != now.Subject || keys.operator.IssuedAt < now.IssuedAt {
		return fmt.Errorf("this JWT of operator %s, of %d, does not follow that of %s, of %d",
			keys.operator.Subject, keys.operator.IssuedAt, now.Subject, now.IssuedAt)
	}
	next := &Trust{}
	next.keys.Store(keys)
	systemJWT = cmp.Or(systemJWT, *r.systemJWT.Load())
	system, err := next.Check(systemJWT, r.system)
	if err != nil {
		return fmt.Errorf("check the system account: %w", err)
	}
	if err := keep(); err != nil {
		return err
	}
	r.systemJWT.Store(&systemJWT)
	r.trust.keys.Store(keys)
	if r.watcher.Publish != nil {
		r.watcher.Publish(system, claims.Pages{}) // it may have lost users
	}
	return nil
}

// Trust is what the resolver goes by.
func (r *Resolver) Trust() *Trust { return r.trust }

// Watch sets who judges logins, in place of the server, and is told of changes.
// It must come before the server is made.
func (r *Resolver) Watch(w Watcher) (err error) {
	r.watcher = w
	r.handover, err = newHandover()
	return err
}

// Operators are those that the server has to trust.
func (r *Resolver) Operators() []*jwt.OperatorClaims {
	if r.handover == nil {
		return []*jwt.OperatorClaims{r.trust.Claims()}
	}
	return []*jwt.OperatorClaims{r.trust.Claims(), r.handover.operator}
}

// Counts returns the running counters.
func (r *Resolver) Counts() *Counts { return &r.counts }

// Start is called by the server when its system account is up.
func (r *Resolver) Start(s *server.Server) error {
	r.server.Store(s)
	return nil
}

// Store refuses: claims come from control.
func (r *Resolver) Store(string, string) error {
	return errors.New("account claims are stored by Signalbox's control only")
}

// IsReadOnly is true: nats-server may not store.
func (r *Resolver) IsReadOnly() bool { return true }

// IsTrackingUpdate is true: see [Resolver].
func (r *Resolver) IsTrackingUpdate() bool { return true }

// Reload does nothing: there is nothing that the server's configuration could change.
func (r *Resolver) Reload() error { return nil }

// Close ends all waiting. The store stays open: it is its opener's.
func (r *Resolver) Close() { r.close.Do(func() { close(r.closed) }) }

// Fetch returns the JWT of an account for the server to load. It answers from
// the store at once; a miss takes up to a second if control does not answer.
func (r *Resolver) Fetch(account string) (string, error) {
	if account == r.system {
		return *r.systemJWT.Load(), nil
	}
	if _, err := claims.ParseAccountKey(account); err != nil {
		return "", err
	}
	for {
		l, first := r.begin(account)
		if first {
			return r.firstFetch(account, l)
		}
		<-l.fetched // within lookupTimeout
		if l.err != nil {
			return "", l.err
		}
		if l.imports || r.server.Load() == nil {
			return l.token, nil
		}
		if r.waitLoaded(account, l, loadWait) != nil {
			return r.fetchLoaded(account, l)
		}
		if l.expires.IsZero() || time.Now().Before(l.expires) {
			return l.token, nil
		}
		r.forget(account, l) // it expired before the server made an account of it
	}
}

// fetchLoaded answers for an account that the server has. While its claims in
// force are expired there is nothing to give: the follower brings what revives it.
func (r *Resolver) fetchLoaded(account string, l *load) (string, error) {
	e, ok, err := r.store.Get(account)
	if err != nil {
		return "", err
	}
	if ok && e.JWT != l.source {
		ac, err := r.trust.Check(e.JWT, account)
		if err != nil {
			return "", err
		}
		if expired(ac.Expires) {
			return "", errExpired(account)
		}
	}
	return l.token, nil
}

// firstFetch decides what the server makes the account from. The load is known
// before the store is read, so that a change stored meanwhile sees it and waits
// for the account to be ready: nothing falls between the two.
func (r *Resolver) firstFetch(account string, l *load) (string, error) {
	token, err := r.current(account, l)
	if err != nil {
		l.err = err
		r.forget(account, l)
	}
	l.token = token
	close(l.fetched)
	return token, err
}

// Claims are an account's as they are now, from the store or from control, and the
// pages that they name, without which there is no answer. They
// may have expired. For how long it takes, see Fetch. From then on a cache holds
// the account and what is delivered for it, until Release.
func (r *Resolver) Claims(account string) (*jwt.AccountClaims, claims.Pages, error) {
	if account == r.system {
		ac, err := r.trust.Check(*r.systemJWT.Load(), account)
		return ac, claims.Pages{}, err
	}
	if _, err := claims.ParseAccountKey(account); err != nil {
		return nil, claims.Pages{}, err
	}
	r.store.pin(account)
	j, pages, err := r.verified(account)
	if err != nil {
		r.store.unpin(account)
	}
	return j.claims, pages, err
}

// Release says that an account whose Claims were returned is no longer of interest.
func (r *Resolver) Release(account string) {
	if account != r.system {
		r.store.unpin(account)
	}
}

// verified is an account's entry with its signature checked, and its pages. It
// looks twice: a change may come between the two, and take the pages away.
func (r *Resolver) verified(account string) (j judged, pages claims.Pages, err error) {
	for range 2 {
		if j, err = r.verifiedEntry(account); err != nil {
			return judged{}, claims.Pages{}, err
		}
		if pages, err = r.getAndLoad(j); err == nil {
			return j, pages, nil
		}
	}
	return judged{}, claims.Pages{}, err
}

func (r *Resolver) verifiedEntry(account string) (judged, error) {
	e, err := r.entry(account)
	if err != nil {
		return judged{}, err
	}
	j, err := r.judge(e)
	if err != nil {
		return r.replace(e, err)
	}
	return j, nil
}

func (r *Resolver) getAndLoad(j judged) (claims.Pages, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	if err := r.pages.get(ctx, j.Account, j.pages); err != nil {
		return claims.Pages{}, err
	}
	return r.pages.load(j.Account, j.pages)
}

func (r *Resolver) current(account string, l *load) (string, error) {
	j, _, err := r.verified(account)
	if err != nil {
		return "", err
	}
	ac := j.claims
	if expired(ac.Expires) {
		return "", errExpired(account)
	}
	shape := shapeOf(ac)
	l.shape.Store(&shape)
	l.imports = len(ac.Imports) > 0
	if ac.Expires != 0 {
		l.expires = time.Unix(ac.Expires, 0)
	}
	l.source = j.JWT
	if r.handover == nil {
		return j.JWT, nil
	}
	return r.handover.token(ac)
}

// replace treats an entry that does not verify, now that it is used, as missing:
// it is reported as refused, and control is asked. What control answers ends the
// refusal.
func (r *Resolver) replace(bad Entry, why error) (judged, error) {
	r.counts.Refusals.Add(1)
	r.log.Error("a stored account cannot be used: asking control for it", "account", bad.Account, "revision", bad.Revision, "error", why)
	refusal := Refusal{Account: bad.Account, Revision: bad.Revision, Reason: why.Error()}
	if err := errors.Join(r.store.discard(bad.Account, bad.Revision), r.store.Apply(Batch{Refusals: []Refusal{refusal}})); err != nil {
		return judged{}, err
	}
	e, err := r.ask(bad.Account)
	if err != nil {
		return judged{}, err
	}
	return r.judge(e)
}

func expired(unix int64) bool { return unix != 0 && unix <= time.Now().Unix() }

func errExpired(account string) error {
	return fault.New(fault.NotFound, "account %s was deleted or has expired", account)
}

// entry is what the store has, or what control says and the store then has.
func (r *Resolver) entry(account string) (Entry, error) {
	e, ok, err := r.store.Get(account)
	if err != nil {
		return Entry{}, err
	}
	if ok {
		r.counts.Hits.Add(1)
		return e, nil
	}
	return r.ask(account)
}

// ask looks an account up at control. Callers are few at a time for one account:
// a load is asked for once, and those that come meanwhile wait for it.
func (r *Resolver) ask(account string) (Entry, error) {
	if r.isNegative(account) {
		r.counts.Unknown.Add(1)
		return Entry{}, errUnknown(account)
	}
	lookup := r.lookup.Load()
	if lookup == nil {
		r.counts.Unknown.Add(1)
		return Entry{}, fault.New(fault.Unavailable, "account %s is not stored here and control cannot be asked yet", account)
	}
	r.counts.Lookups.Add(1)
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	e, err := (*lookup)(ctx, account)
	if errors.Is(err, fault.NotFound) || errors.Is(err, context.DeadlineExceeded) {
		r.setNegative(account)
	}
	if err != nil {
		if stored, ok, storeErr := r.store.Get(account); storeErr == nil && ok {
			return stored, nil // it was delivered meanwhile
		}
		r.counts.Unknown.Add(1)
		return Entry{}, fmt.Errorf("look up account %s: %w", account, err)
	}
	j, err := r.judge(e)
	if err != nil {
		r.counts.Refusals.Add(1)
		r.log.Error("control answered a lookup with claims that are not acceptable", "account", account, "error", err)
		return Entry{}, err
	}
	if err := r.pages.get(ctx, account, j.pages); err != nil {
		return Entry{}, err
	}
	if err := r.store.Apply(Batch{Entries: []Entry{e}, Asked: true}); err != nil {
		return Entry{}, err
	}
	if len(j.pages) > 0 {
		r.sweepPages() // others may have left a cache to make room
	}
	stored, ok, err := r.store.Get(account) // a push may have been quicker, and newer
	if err == nil && !ok {
		err = errUnknown(account)
	}
	if err != nil {
		return Entry{}, err
	}
	_, err = r.publish(judged{Entry: stored})
	return stored, err
}

func errUnknown(account string) error {
	return fault.New(fault.NotFound, "there is no account %s", account)
}

// A negative answer never outlives the account's arrival: the store is asked
// first, and a cache, which may not store what arrives, forgets the answer.
func (r *Resolver) isNegative(account string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.negative[account]
	if ok && time.Now().After(until) {
		delete(r.negative, account)
		return false
	}
	return ok
}

func (r *Resolver) setNegative(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.negative) >= maxNegative { // anyone can invent accounts
		clear(r.negative)
	}
	r.negative[account] = time.Now().Add(negativeFor)
}

func (r *Resolver) notNegative(arrived map[string]judged) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for account := range arrived {
		delete(r.negative, account)
	}
}

// begin returns the account's load, and whether the caller is the one to fetch.
func (r *Resolver) begin(account string) (l *load, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.loads[account]; ok {
		return l, false
	}
	l = &load{fetched: make(chan struct{})}
	r.loads[account] = l
	r.store.pin(account)
	return l, true
}

func (r *Resolver) forget(account string, l *load) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loads[account] == l {
		delete(r.loads, account)
		r.store.unpin(account)
	}
}
