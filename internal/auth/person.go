package auth

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// Person is somebody who can log in.
type Person struct {
	ID        tenants.PersonID
	Email     string
	IsStaff   bool
	CreatedAt time.Time
}

// Membership is a tenant that a person belongs to.
type Membership struct {
	TenantID   tenants.TenantID
	TenantName string
	Role       tenants.MemberRole
}

// Me is a person with the tenants they belong to, oldest first.
type Me struct {
	Person
	Memberships []Membership
}

// Actor is the person as the domain sees them.
func (m Me) Actor() tenants.Actor {
	grants := make(map[tenants.TenantID]tenants.MemberRole, len(m.Memberships))
	for _, ms := range m.Memberships {
		grants[ms.TenantID] = ms.Role
	}
	return tenants.Actor{ID: string(m.ID), Grants: grants, Staff: m.IsStaff}
}

// SignUp is what a newcomer tells us.
type SignUp struct {
	Email      string // at most 254 characters
	Password   string // see checkPassword
	TenantName string
}

// SignUp makes the person, a tenant that they own with its first account, and
// a session, all or nothing. It answers the session's token, this once.
func (s *Service) SignUp(ctx context.Context, p SignUp) (Me, string, error) {
	email := normalEmail(p.Email)
	if err := errors.Join(checkEmail(email), checkPassword(p.Password, email, p.TenantName)); err != nil {
		return Me{}, "", err
	}
	hash, err := s.hashPassword(ctx, p.Password)
	if err != nil {
		return Me{}, "", err
	}
	person := Person{ID: tenants.NewID[tenants.PersonID]("per"), Email: email}
	var me Me
	var token string
	err = postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		now := s.now().UTC()
		person.CreatedAt = now
		if err := insertPerson(ctx, tx, person, hash); err != nil {
			return err
		}
		if _, err := s.tenants.Found(ctx, tx, person.ID, p.TenantName); err != nil {
			return atTenantName(err)
		}
		if token, err = insertSession(ctx, tx, person.ID, now); err != nil {
			return err
		}
		me, err = meByPerson(ctx, tx, person.ID)
		return err
	})
	if err != nil {
		return Me{}, "", fmt.Errorf("sign up: %w", err)
	}
	return me, token, nil
}

// LogIn answers a new session's token for a right e-mail and password, and
// Unauthenticated for anything else, after the same time.
func (s *Service) LogIn(ctx context.Context, email, password string) (Me, string, error) {
	id, hash, err := passwordByEmail(ctx, s.pool, normalEmail(email))
	unknown := errors.Is(err, pgx.ErrNoRows)
	if unknown {
		hash = nobody
	} else if err != nil {
		return Me{}, "", fmt.Errorf("log in: %w", postgres.Fault(err, nil))
	}
	ok, err := s.passwordMatches(ctx, password, hash)
	if err != nil {
		return Me{}, "", fmt.Errorf("log in: %w", err)
	}
	if unknown || !ok {
		return Me{}, "", fault.New(fault.Unauthenticated, "the e-mail or the password is wrong")
	}
	var me Me
	var token string
	err = postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		now := s.now().UTC()
		if err := deleteExpiredSessions(ctx, tx, id, now); err != nil {
			return err
		}
		if token, err = insertSession(ctx, tx, id, now); err != nil {
			return err
		}
		me, err = meByPerson(ctx, tx, id)
		return err
	})
	if err != nil {
		return Me{}, "", fmt.Errorf("log in: %w", err)
	}
	return me, token, nil
}

// LogOut ends the session, and what browsers have connected with it; ending one that is gone is fine.
func (s *Service) LogOut(ctx context.Context, token string) error {
	hash := hashSecret(token)
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		session, err := lockSession(ctx, tx, hash, s.now().UTC())
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err == nil {
			if err := s.tenants.EndConsoles(ctx, tx, hash, session.Person); err != nil {
				return err
			}
		}
		return deleteSession(ctx, tx, hash)
	})
	if err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// StartConsole lets the browser of whoever holds the session token connect to
// the account, and EndConsole ends that; see [tenants.Service.StartConsole].
func (s *Service) StartConsole(ctx context.Context, actor tenants.Actor, token string, account tenants.AccountID) (tenants.ConsoleSession, error) {
	var console tenants.ConsoleSession
	err := s.inSession(ctx, token, func(tx pgx.Tx, session tenants.WebSession) (err error) {
		console, err = s.tenants.StartConsole(ctx, tx, actor, account, session)
		return err
	})
	return console, err
}

// EndConsole is for who goes, and stays signed in.
func (s *Service) EndConsole(ctx context.Context, actor tenants.Actor, token string, account tenants.AccountID) error {
	return s.inSession(ctx, token, func(tx pgx.Tx, session tenants.WebSession) error {
		return s.tenants.EndConsole(ctx, tx, actor, account, session)
	})
}

// inSession keeps the session from ending until fn has.
func (s *Service) inSession(ctx context.Context, token string, fn func(pgx.Tx, tenants.WebSession) error) error {
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		session, err := lockSession(ctx, tx, hashSecret(token), s.now().UTC())
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.Unauthenticated, "the session has ended; log in again")
		}
		if err != nil {
			return err
		}
		return fn(tx, session)
	})
}

// Session answers who holds the session token, or Unauthenticated.
func (s *Service) Session(ctx context.Context, token string) (Me, error) {
	me, err := meBySession(ctx, s.pool, hashSecret(token), s.now().UTC())
	if errors.Is(err, pgx.ErrNoRows) {
		return Me{}, fault.New(fault.Unauthenticated, "the session has ended; log in again")
	}
	if err != nil {
		return Me{}, fmt.Errorf("read session: %w", postgres.Fault(err, nil))
	}
	return me, nil
}

// MakeStaff makes the person with that e-mail staff of the installation. It is
// for the command line only: no API operation reaches it.
func (s *Service) MakeStaff(ctx context.Context, email string) error {
	found, err := setStaff(ctx, s.pool, normalEmail(email), s.now().UTC())
	if err != nil {
		return fmt.Errorf("make staff: %w", postgres.Fault(err, nil))
	}
	if !found {
		return fault.New(fault.NotFound, "nobody has signed up as %s", normalEmail(email))
	}
	return nil
}

// atTenantName moves what is wrong with a tenant's name to where signing up has it.
func atTenantName(err error) error {
	for _, f := range fault.All(err) {
		if f.Pointer == "/name" {
			return fault.Field("/tenant_name", "%s", f.Message)
		}
	}
	return err
}

func checkEmail(email string) error {
	const hint = "must be an e-mail address, such as ada@example.com"
	addr, err := mail.ParseAddress(email)
	if err != nil || addr.Address != email || len(email) > 254 {
		return fault.Field("/email", hint)
	}
	_, domain, _ := strings.Cut(email, "@")
	if !strings.Contains(domain, ".") || strings.HasSuffix(domain, ".") || strings.ContainsAny(email, " \t\"<>") {
		return fault.Field("/email", hint)
	}
	return nil
}
