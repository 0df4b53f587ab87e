package tenants

import (
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// A person who is signed in connects to an account from the browser by a bearer
// JWT that lives for minutes, in a cookie that no script can read. Behind it is
// an ordinary credential, so it is revoked like one, of a user that stands for
// the person, in a role that control keeps for this. None of the three is in any list.
//
// The credential is the web session's: it is renewed for as long as that lasts, under the
// same key, and connections that it has opened stay meanwhile. It ends with the
// session, with the membership, and when the person becomes something else in the tenant.

// DefaultConsoleLife is how long the JWT in a browser's cookie lives.
const DefaultConsoleLife = 5 * time.Minute

// MaxConsoleLife keeps a cookie that was stolen from being good for long.
const MaxConsoleLife = time.Hour

// ConsoleRole is what a person may do in an account from the browser.
type ConsoleRole string

const (
	ConsoleFull   ConsoleRole = "full"   // everything in the account
	ConsoleListen ConsoleRole = "listen" // subscribe, and never publish
)

// consoleRole is a developer's, who could issue themselves creds for as much, or a viewer's.
func consoleRole(r MemberRole) ConsoleRole {
	if r.Includes(Developer) {
		return ConsoleFull
	}
	return ConsoleListen
}

// spec is the role as it is made. Who may only listen hears no answers to others'
// requests, and nothing of what clients say to JetStream.
func (c ConsoleRole) spec() RoleSpec {
	t := claims.OpenTemplate()
	t.Bearer, t.ConnectionTypes = true, []claims.ConnectionType{claims.WebSocket}
	if c == ConsoleFull {
		return RoleSpec{Name: "console", Description: "Developers who are signed in to the web UI.", Template: t}
	}
	t.Publish.Deny = []string{">"}
	t.Subscribe.Deny = []string{"_INBOX.>", "_R_.>", "$JS.>"}
	return RoleSpec{Name: "console viewer", Description: "Viewers who are signed in to the web UI.", Template: t}
}

// WebSession is the session in which somebody is signed in.
type WebSession struct {
	Hash   []byte // by which it is known
	Person PersonID
	Email  string
	Ends   time.Time
}

// ConsoleSession is what a browser connects to an account with.
type ConsoleSession struct {
	Account   Account
	JWT       string // for the cookie, and nothing else
	ExpiresAt time.Time
	Ends      time.Time // connections do, at the latest: with the web session
	User      string
	Role      ConsoleRole
	// Change is what brokers must have applied before they let it in; nil: nothing new.
	Change *Change
}

// admitsConsole refuses what no broker would let in.
func (a Account) admitsConsole() error {
	types := a.EffectiveConnectionTypes
	switch {
	case a.SuspendedAt != nil:
		return fault.New(fault.Conflict, "the account %s is suspended", a.Name)
	case !a.EffectiveLimits.Bearer:
		return fault.New(fault.Conflict, "a browser connects with a bearer credential, and the account %s, or its plan, allows none", a.Name)
	case len(types) > 0 && !slices.Contains(types, claims.WebSocket):
		return fault.New(fault.Conflict, "a browser connects over WebSocket, and the account %s, or its plan, does not allow connections of the type WEBSOCKET", a.Name)
	}
	return nil
}

// lastEnd is when the last connection ends that what is signed now can open.
func (w WebSession) lastEnd(now time.Time, life time.Duration) time.Time {
	return soonest(w.Ends, now.Add(life+claims.MaxConsoleConnection))
}

func soonest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
