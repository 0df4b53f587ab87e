// Package admission judges every login on a broker: clients, WebSocket, MQTT,
// leaf nodes and connections within the process. It takes the place of all of
// nats-server's own order of checks in operator mode
// (auth.go, processClientOrLeafAuthentication) and keeps to it, so that what is
// refused there is refused here.
//
// It adds what nats-server cannot do. Nobody gets in before the broker is up to
// date ([Gate]). Each refusal has a [Reason], for whoever runs the account; the
// client hears what NATS always says. And a login and a change of the account
// cannot miss each other: once [Admission.Publish] has returned, no connection
// stays that the new claims refuse, one that was being judged meanwhile included.
// It finds those to end in an index from credential to connections, so that
// costs what it ends, however large the account and however long its history.
//
// nats-server is given the account's claims as well, so its own checks on
// changes stand behind these. What an account's claims are, and that the
// operator signed them, is for the caller to say; no JWT, secret, signature or nonce
// leaves the package. package broker wires it.
package admission

import (
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/lease"
)

// Config says what to judge by. Server, Account and SystemAccount are needed.
type Config struct {
	Server        func() *server.Server
	SystemAccount string // its logins pass the gate: control and the broker itself come in by it
	// OwnKeySigns lets an account's own key sign users, as it does where the
	// operator does not insist on signing keys.
	OwnKeySigns bool
	// Account returns an account's claims as they are now, signed by the operator,
	// and all pages that they name.
	// It may ask others, but must be bounded in time. fault.NotFound says
	// that there is no such account. The claims are not changed.
	Account func(key string) (*jwt.AccountClaims, claims.Pages, error)
	// Release says that claims which Account returned are not held any more. Nil does nothing.
	Release  func(key string)
	Refused  func(Refusal) // is told of each login that is not let in, and must not wait; nil is fine
	Admitted func(Login)   // is told of each login that is let in, and must not wait; nil is fine
	Gate     func() error  // nil when tenants may come in, else why not; nil itself is an open gate
	// Shares are the places for connections that are counted; nil: there are none.
	Shares *lease.Holder
	Logger *slog.Logger
}

// Admission is nats-server's Options.CustomClientAuthentication.
type Admission struct {
	cfg      Config
	log      *slog.Logger
	private  private
	accounts registry
	counts   counts
	callout  *callout
}

// New makes the judge of one server.
func New(cfg Config) (*Admission, error) {
	p, err := findPrivate()
	if err != nil {
		return nil, err
	}
	a := &Admission{cfg: cfg, log: cfg.Logger, private: p}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.counts.init()
	if a.callout, err = newCallout(cfg.Server, p); err != nil {
		return nil, err
	}
	a.accounts = registry{load: a.load, release: cfg.Release, alive: a.alive, byKey: map[string]*account{}}
	if a.accounts.release == nil {
		a.accounts.release = func(string) {}
	}
	return a, nil
}

// client is what nats-server hands to Check: besides what it promises, its own
// type has these.
type client interface {
	server.ClientAuthentication
	RegisterNkeyUser(*server.NkeyUser) error
	Account() *server.Account
	String() string
}

// Check lets a connection in, and registers it with its account, or refuses it.
// It may come again for the same connection, after a second CONNECT.
func (a *Admission) Check(c server.ClientAuthentication) bool {
	l := login{at: time.Now()}
	err := a.admit(c, &l)
	if err == nil {
		if !l.own {
			a.admitted(&l)
		}
		return true
	}
	a.refuse(l.refusal, err)
	return false
}

// login is one attempt, as far as it has been understood.
type login struct {
	client  client
	said    server.ClientOpts // in CONNECT; being registered takes the secrets out of the server's own
	source  source
	user    *jwt.UserClaims
	shown   *shown // by what the account knows the user; nil: by its JWT
	ground  ground // likewise
	at      time.Time
	refusal Refusal // who and from where, should it come to that
	own     bool    // the broker's own, to ask an authorization service
}

func (l *login) facts(now time.Time) facts {
	return facts{signed: l.user, source: l.source, at: now, proven: l.ground != nil, proves: func(key string) error {
		return checkSignature(key, l.client.GetNonce(), l.said.Sig)
	}}
}

func (a *Admission) admit(c server.ClientAuthentication, l *login) error {
	var ok bool
	if l.client, ok = c.(client); !ok || reflect.TypeOf(c) != a.private.connection {
		return refused(ConnectionUnknown, "not a connection of nats-server's")
	}
	a.leave(l.client)
	l.said = *l.client.GetOpts()
	var err error
	if l.source, err = sourceOf(l.client); err != nil {
		return err
	}
	l.refusal.Kind, l.refusal.Host = string(l.source.kind), l.source.host
	if a.callout.owns(l) {
		l.own = true
		return a.callout.admit(l)
	}
	key, err := l.identify()
	l.refusal.Account = key
	if err != nil {
		return err
	}
	if err := a.checkGate(key); err != nil {
		return err
	}
	for {
		settled, err := a.enter(key, l)
		if err != nil || settled {
			return err
		}
		// The account's claims changed meanwhile: judge again, by those.
	}
}

// meansAnother refuses a browser whose cookie is of another account than the one
// that the page names: there is one cookie for all of them, the last.
func (w *law) meansAnother(l *login) error {
	name := l.said.Username
	if l.shown != nil || name == "" || name == w.key || l.source.kind != jwt.ConnectionTypeWebsocket || claims.SessionEnd(l.user.Tags).IsZero() ||
		!slices.Contains(w.counts.ConsoleRoles, claims.AccountKey(l.user.Issuer)) {
		return nil
	}
	return refused(CookieAccount, "the browser's cookie is for another account than the page names")
}

func (a *Admission) checkGate(account string) error {
	if account == a.cfg.SystemAccount || a.cfg.Gate == nil {
		return nil
	}
	if err := a.cfg.Gate(); err != nil {
		return refused(NotCaughtUp, "%v", err)
	}
	return nil
}

// enter judges a login by the account's claims of now and registers it. It is
// not settled when the claims have changed by the time that is done.
func (a *Admission) enter(key string, l *login) (settled bool, err error) {
	acc, law, err := a.accounts.get(key)
	if err != nil {
		return false, err
	}
	if err := law.identify(l); err != nil {
		return false, err
	}
	if err := law.meansAnother(l); err != nil {
		return false, err
	}
	if law.delegates(l.user.Subject) {
		return a.delegate(acc, law, l)
	}
	v, err := law.judge(l.facts(time.Now()))
	if err != nil {
		return false, err
	}
	return a.settle(acc, law, l, v, v.session(l, l.user.Tags))
}

// settle registers a login that the account's law lets in. It is not settled when
// the law has changed by the time that is done.
func (a *Admission) settle(acc *account, law *law, l *login, v verdict, s *session) (settled bool, err error) {
	key := acc.key
	places := law.places(key, s)
	if err := a.reserve(s, places); err != nil {
		return false, err
	}
	if err := a.register(key, l, v); err != nil {
		a.release(s, places)
		return false, err
	}
	if !acc.settle(law, s, a.alive) {
		a.release(s, places)
		return false, nil
	}
	if !a.keepsPlaces(s, places) {
		return false, refused(ShareUnavailable, "there are fewer places by now")
	}
	a.limit(s) // after settling: else an Updated between the two would undo it
	return true, nil
}

// register makes the connection one of the account's, in the server.
func (a *Admission) register(key string, l *login, v verdict) error {
	loaded, err := a.cfg.Server().LookupAccount(key)
	if loaded == nil {
		return refused(AccountUnavailable, "the server could not load it: %v", err)
	}
	a.private.setUser(l.client, v.user)
	if !v.deadline.IsZero() {
		l.client.RegisterUser(&server.User{Permissions: v.permissions, ConnectionDeadline: v.deadline})
	}
	if err := l.client.RegisterNkeyUser(a.private.nkeyUser(loaded, v)); err != nil {
		return refused(ServerLimit, "%v", err)
	}
	return nil
}

// load is how the registry gets at an account's claims.
func (a *Admission) load(key string) (*law, error) {
	c, pages, err := a.cfg.Account(key)
	switch {
	case err == nil:
		return newLaw(c, pages, a.cfg.OwnKeySigns), nil
	case errors.Is(err, fault.NotFound):
		return nil, refused(AccountUnknown, "there is no such account")
	case errors.Is(err, fault.Unavailable):
		return nil, refused(AccountUnavailable, "it is not stored here and control cannot be asked")
	}
	a.log.Warn("an account's claims cannot be used", "account", key, "error", err)
	return nil, refused(AccountInvalid, "its claims cannot be used")
}

// Updated holds the account's connections to their users' limits again: the
// server, having been given new claims, has reset them to the account's.
func (a *Admission) Updated(account string) {
	if acc := a.accounts.find(account); acc != nil {
		for _, s := range acc.limited() {
			a.limit(s)
		}
	}
}

func (a *Admission) limit(s *session) {
	if s.limited {
		a.private.limit(s.client, s.limits)
	}
}

// Knows says whether Publish would do anything.
func (a *Admission) Knows(account string) bool { return a.accounts.find(account) != nil }

// Publish makes an account's new claims, with the pages that they
// name, those that logins are judged by, and
// ends the connections that they refuse. When it returns, none of those is left.
// Claims must be published in their order, before the server is given them.
func (a *Admission) Publish(c *jwt.AccountClaims, pages claims.Pages) (closed int) {
	acc := a.accounts.find(c.Subject)
	if acc == nil {
		return 0
	}
	was, _ := acc.current()
	now := newLaw(c, pages, a.cfg.OwnKeySigns)
	at := time.Now()
	for _, s := range append(acc.publish(now, at), acc.recall(was, at)...) {
		if a.end(s) {
			closed++
		}
	}
	a.recount(acc, was, now)
	a.counts.ended.Add(int64(closed))
	return closed
}
