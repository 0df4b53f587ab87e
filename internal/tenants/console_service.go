package tenants

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// StartConsole signs a JWT with which the person's browser may connect to the
// account: a new one for the same key when the web session has had one before,
// so that what is connected stays. It takes a Viewer, who may listen; a
// Developer may publish, too. The caller holds the session's row, so that its end waits for this.
func (s *Service) StartConsole(ctx context.Context, tx pgx.Tx, actor Actor, id AccountID, session WebSession) (ConsoleSession, error) {
	account, err := lockAccount(ctx, tx, actor, id, Viewer)
	if err != nil {
		return ConsoleSession{}, err
	}
	if err := account.admitsConsole(); err != nil {
		return ConsoleSession{}, err
	}
	member, err := memberRole(ctx, tx, account.TenantID, session.Person)
	if err != nil {
		return ConsoleSession{}, err
	}
	now := s.clock()
	starting := consoleStart{Service: s, tx: tx, account: account, session: session, role: consoleRole(member), now: now}
	if err := starting.prepare(ctx); err != nil {
		return ConsoleSession{}, fmt.Errorf("start a console in account %s: %w", id, err)
	}
	out, err := starting.issue(ctx)
	if err != nil {
		return ConsoleSession{}, fmt.Errorf("start a console in account %s: %w", id, err)
	}
	if starting.changed {
		if account.Revision, err = s.announce(ctx, tx, account, now); err != nil {
			return ConsoleSession{}, err
		}
	}
	if starting.changed || starting.fresh { // somebody else may have just made the role
		change := account.Change()
		out.Change = &change
	}
	return out, nil
}

// consoleStart is one StartConsole on its way.
type consoleStart struct {
	*Service
	tx      pgx.Tx
	account Account
	session WebSession
	role    ConsoleRole
	now     time.Time

	roleID  RoleID
	roleKey claims.AccountKey
	sealed  []byte
	user    UserID
	was     consoleSession
	fresh   bool // the session has had none here before
	changed bool // brokers must hear of it
}

// prepare finds or makes the role and the user, and ends what the session had under another role.
func (c *consoleStart) prepare(ctx context.Context) (err error) {
	c.roleID, c.roleKey, c.sealed, err = consoleRoleIn(ctx, c.tx, c.account, c.role)
	if errors.Is(err, pgx.ErrNoRows) {
		c.changed, c.roleID = true, NewID[RoleID]("rol")
		if c.roleKey, c.sealed, err = c.newAccountKey(); err != nil {
			return err
		}
		err = insertConsoleRole(ctx, c.tx, c.account, c.roleID, c.role, c.roleKey, c.sealed, c.now)
	}
	if err != nil {
		return err
	}
	was, had, err := consoleBySession(ctx, c.tx, c.account, c.session.Hash)
	if err != nil {
		return err
	}
	if had && was.Console != c.role {
		if err := revokeConsoles(ctx, c.tx, c.account, []consoleSession{was}, "what its member may do has changed", c.now); err != nil {
			return err
		}
		had, c.changed = false, true
	}
	if c.fresh, c.was = !had, was; had {
		return nil
	}
	c.user, err = upsertConsoleUser(ctx, c.tx, c.account, NewID[UserID]("usr"), c.session.Email, c.roleID, c.now)
	return err
}

func (c *consoleStart) issue(ctx context.Context) (_ ConsoleSession, err error) {
	key := c.was.PublicKey
	if c.fresh {
		if key, err = seedlessKey(); err != nil { // the credential is a bearer's
			return ConsoleSession{}, err
		}
	}
	said := claims.User{Key: key, Name: c.session.Email, Account: c.account.PublicKey,
		Expires: soonest(c.session.Ends, c.now.Add(c.ConsoleLife)), Session: c.session.Ends}
	out := ConsoleSession{Account: c.account, ExpiresAt: said.Expires.Truncate(time.Second), Ends: c.session.Ends, User: c.session.Email, Role: c.role}
	out.JWT, err = c.sign(c.sealed, string(c.roleKey), func(role claims.Seed) (string, error) { return claims.EncodeUser(said, role) })
	if err != nil {
		return ConsoleSession{}, err
	}
	issued := c.clock() // after signing: a revocation must not fall short of it
	last := c.session.lastEnd(issued, c.ConsoleLife)
	if !c.fresh {
		return out, renewConsole(ctx, c.tx, c.account, c.was.CredentialID, issued, last)
	}
	id := NewID[CredentialID]("crd")
	err = insertConsole(ctx, c.tx, c.account, c.session, c.role, consoleCredential{ID: id, User: c.user, Role: c.roleID, Key: key, Issued: issued, Expires: last})
	if err != nil {
		return ConsoleSession{}, err
	}
	return out, insertAudit(ctx, c.tx, &c.account.TenantID, string(c.session.Person), "startConsoleSession", string(c.account.ID), c.now)
}

// EndConsole ends what the web session has in the account, if anything, and the
// connections with it. It takes a Viewer.
func (s *Service) EndConsole(ctx context.Context, tx pgx.Tx, actor Actor, id AccountID, session WebSession) error {
	account, err := lockAccountRow(ctx, tx, actor, id, Viewer)
	if err != nil {
		return err
	}
	return s.endConsoleOf(ctx, tx, account, session.Hash, session.Person, "the person left the console", s.clock())
}

// EndConsoles ends all that the web session has, for the session itself is about
// to end in tx. The caller holds the session's row.
func (s *Service) EndConsoles(ctx context.Context, tx pgx.Tx, session []byte, by PersonID) error {
	ids, err := accountsOfSession(ctx, tx, session)
	if err != nil {
		return fmt.Errorf("read where a session has consoles: %w", err)
	}
	var accounts []Account
	for _, id := range ids { // all are locked before the first revision is bumped
		account, err := lockAccountAnywhere(ctx, tx, id)
		if errors.Is(err, fault.NotFound) {
			continue // deleted: nobody is let in any more
		}
		if err != nil {
			return err
		}
		accounts = append(accounts, account)
	}
	now := s.clock()
	slices.SortFunc(accounts, func(a, b Account) int { return cmp.Compare(a.OperatorID, b.OperatorID) })
	for _, account := range accounts {
		if err := s.endConsoleOf(ctx, tx, account, session, by, "the person logged out", now); err != nil {
			return err
		}
	}
	return nil
}

// endConsoleOf ends what a web session has in the account, if anything.
func (s *Service) endConsoleOf(ctx context.Context, tx pgx.Tx, account Account, session []byte, by PersonID, reason string, now time.Time) error {
	console, ok, err := consoleBySession(ctx, tx, account, session)
	if err != nil || !ok {
		return err
	}
	return s.endConsoles(ctx, tx, account, []consoleSession{console}, string(by), reason, now)
}

func (s *Service) endConsoles(ctx context.Context, tx pgx.Tx, account Account, consoles []consoleSession, by, reason string, now time.Time) error {
	if err := revokeConsoles(ctx, tx, account, consoles, reason, now); err != nil {
		return fmt.Errorf("end consoles in account %s: %w", account.ID, err)
	}
	if err := insertReasonedAudit(ctx, tx, &account.TenantID, by, "endConsoleSession", string(account.ID), reason, now); err != nil {
		return err
	}
	_, err := s.announce(ctx, tx, account, now)
	return err
}

// EndStaleConsoles ends what people have who are not members any more, or
// something else than they were, or whose session is gone, by whatever way that
// came about. To be called all the time, by any replica.
func (s *Service) EndStaleConsoles(ctx context.Context) error {
	accounts, err := accountsWithStaleConsoles(ctx, s.pool, s.clock())
	if err != nil {
		return fmt.Errorf("look for consoles that are to end: %w", err)
	}
	var errs []error
	for _, id := range accounts {
		errs = append(errs, s.endStaleConsolesIn(ctx, id))
	}
	return errors.Join(errs...)
}

func (s *Service) endStaleConsolesIn(ctx context.Context, id AccountID) error {
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		account, err := lockAccountAnywhere(ctx, tx, id)
		if errors.Is(err, fault.NotFound) {
			return nil // just deleted
		}
		if err != nil {
			return err
		}
		stale, err := staleConsoles(ctx, tx, id)
		if err != nil || len(stale) == 0 {
			return err
		}
		return s.endConsoles(ctx, tx, account, stale, "system", "the session or the membership ended", s.clock())
	})
}
