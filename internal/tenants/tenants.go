// Package tenants is the domain: tenants, members, plans, accounts, roles,
// users, credentials and revocations, and the operators and brokers that carry
// them. It owns their tables.
//
// Each method of [Service] is one transaction: it checks the actor, locks what
// it counts against, makes and seals keys, signs, writes, audits, and bumps the
// operator's revision when brokers must hear of the change. Nothing touches the
// network while the transaction is open; the feed's relay delivers afterwards.
//
// It promises that every query about a tenant's things filters by tenant in
// SQL, so another tenant's thing is NotFound, and that a stored account JWT
// always says what the rows around it say.
//
// Called by httpapi and auth; it knows nothing of HTTP or NATS connections.
package tenants

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/keyring"
)

// Service does what can be done with the domain's nouns. Make it with New.
type Service struct {
	pool database
	keys *keyring.Keyring
	now  func() time.Time

	// UndoWindow is for how long deleting an account can be undone, unless who
	// deletes it says otherwise. Set it before the first call.
	UndoWindow time.Duration
	// ConsoleLife is how long a JWT lives that a browser's cookie holds. Set it
	// before the first call.
	ConsoleLife time.Duration

	// IssuerKeys reads the keys of issuers of OpenID Connect; nil: nobody can. Set
	// it before the first call.
	IssuerKeys KeySource

	stock   stockJWTs
	work    chan struct{} // wakes RunOperations
	reading *keyReading

	rehearsal *Rehearsal // nil: what is done counts
	counts    countReader
}

// New returns a Service over the pool; seeds are sealed and opened by keys.
func New(pool *pgxpool.Pool, keys *keyring.Keyring) *Service {
	return &Service{pool: pool, keys: keys, now: time.Now, UndoWindow: DefaultUndo, ConsoleLife: DefaultConsoleLife, work: make(chan struct{}, 1), reading: &keyReading{}}
}

// clock is read once for all that one transaction writes, so that its times
// compare equal; to the microsecond, as Postgres keeps it.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }
