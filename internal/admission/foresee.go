package admission

import (
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/lease"
)

// Outlook is what other claims would do to an account's connections.
type Outlook struct {
	Connected     int
	Subscriptions int // of those that are closed
	Closed        []Closing
}

// Closing is a connection that would be closed.
type Closing struct {
	ID            uint64
	User          string // the credential's public key
	Type          string // as jwt.ConnectionType… is spelled
	Address       string
	Name          string // what the client calls itself
	Subscriptions int
}

// Foresee says what [Admission.Publish], and the server after it, would do to
// the account's connections, were those its claims, and that its trust page. It changes nothing.
func (a *Admission) Foresee(c *jwt.AccountClaims, trust claims.TrustPage) Outlook {
	acc := a.accounts.find(c.Subject)
	if acc == nil {
		return Outlook{}
	}
	was, _ := acc.current()
	if was == nil {
		return Outlook{}
	}
	now, would := time.Now(), newLaw(c, was.pagesFor(c, trust), a.cfg.OwnKeySigns)
	var o Outlook
	stay, taken := 0, map[lease.Key]int64{}
	for _, s := range acc.bySeniority() {
		if !a.alive(s) {
			continue
		}
		o.Connected++
		if would.allows(s, was, now) && would.place(c.Subject, s, taken) && fits(c.Limits.Conn, stay) &&
			(c.Limits.Subs == jwt.NoLimit || fits(c.Limits.Subs, a.describe(s).Subscriptions)) {
			stay++
			continue
		}
		closing := a.describe(s)
		o.Subscriptions += closing.Subscriptions
		o.Closed = append(o.Closed, closing)
	}
	return o
}

// pagesFor are the pages that other claims would have, as far as they are here. One
// that they name and nobody has yet holds only what was revoked before, and logins that
// are there already. Another trust has to be given; without it, what would come of that is not known.
func (w *law) pagesFor(c *jwt.AccountClaims, trust claims.TrustPage) claims.Pages {
	all := claims.Pages{Revocations: w.revocations.pages}
	_, names, err := claims.SplitTags(c.Tags)
	if err != nil {
		return all
	}
	for _, name := range names {
		switch name.Kind {
		case claims.LoginKind:
			i := slices.IndexFunc(w.logins, func(p claims.LoginPage) bool { return p.Name() == name })
			if i < 0 {
				all.Logins = w.logins
				continue
			}
			if len(all.Logins) < len(w.logins) {
				all.Logins = append(all.Logins, w.logins[i])
			}
		case claims.TrustKind:
			if all.Trust = w.trust; trust.Name() == name {
				all.Trust = trust
			}
		}
	}
	return all
}

// fits says whether there is room for one more: the server closes what it finds at a limit.
func fits(limit int64, have int) bool { return limit == jwt.NoLimit || int64(have) < limit }

// place takes a connection's places among those that this broker alone would need, if there are any left.
func (w *law) place(account string, s *session, taken map[lease.Key]int64) bool {
	places := w.places(account, s)
	for _, p := range places {
		if taken[p.Key] >= p.Limit {
			return false
		}
	}
	for _, p := range places {
		taken[p.Key]++
	}
	return true
}

// describe asks the server about a connection.
func (a *Admission) describe(s *session) Closing {
	d := Closing{ID: s.id, User: s.user, Type: string(s.kind)}
	srv := a.cfg.Server()
	if s.leaf {
		list, err := srv.Leafz(nil)
		if err != nil {
			return d
		}
		for _, l := range list.Leafs {
			if l.ID == s.id {
				d.Name, d.Address, d.Subscriptions = l.Name, net.JoinHostPort(l.IP, strconv.Itoa(l.Port)), int(l.NumSubs)
			}
		}
		return d
	}
	list, err := srv.Connz(&server.ConnzOptions{CID: s.id})
	if err != nil || len(list.Conns) == 0 {
		return d
	}
	conn := list.Conns[0]
	d.Name, d.Address, d.Subscriptions = conn.Name, net.JoinHostPort(conn.IP, strconv.Itoa(conn.Port)), int(conn.NumSubs)
	return d
}
