package tenants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// CreateDeviceLogin makes a way in for clients of the user that cannot use creds.
// Brokers hear of it. It takes a Developer.
//
// A secret is shown only by the call that made it, so repeating once is a
// Conflict that names the login. What another login of the account is found by, or
// a public key that it has seen before, is a Conflict that does not say whose; one
// login more than [MaxDeviceLogins] is OverLimit; a kind that cannot be used over
// anything the role allows is a Conflict at /kind.
func (s *Service) CreateDeviceLogin(ctx context.Context, actor Actor, user UserID, once Once, p DeviceLoginSpec) (CreatedDeviceLogin, error) {
	id := NewID[CredentialID]("dlg")
	fresh := func(tx pgx.Tx) (CreatedDeviceLogin, error) { return s.createDeviceLogin(ctx, tx, actor, user, id, p) }
	again := func(_ pgx.Tx, earlier CredentialID) (CreatedDeviceLogin, error) {
		return CreatedDeviceLogin{}, fault.New(fault.Conflict, "this Idempotency-Key has created the device login %s already, and secrets are shown only once; revoke it and create another with a new key", earlier)
	}
	created, err := create(ctx, s, actor, once, id, fresh, again)
	if err != nil {
		return CreatedDeviceLogin{}, err
	}
	return created, nil
}

func (s *Service) createDeviceLogin(ctx context.Context, tx pgx.Tx, actor Actor, user UserID, id CredentialID, p DeviceLoginSpec) (CreatedDeviceLogin, error) {
	account, err := lockAccountOf(ctx, tx, actor, "users", "user", string(user), Developer)
	if err != nil {
		return CreatedDeviceLogin{}, err
	}
	u, err := userToSign(ctx, tx, actor, user)
	if err != nil {
		return CreatedDeviceLogin{}, err
	}
	now := s.clock()
	p, err = p.normal()
	expires, expiryErr := u.lifetimes().expiry(now, p.ExpiresAt, p.ExpiresIn)
	if err := errors.Join(err, expiryErr); err != nil {
		return CreatedDeviceLogin{}, err
	}
	if err := u.usableBy(string(p.Kind)); err != nil {
		return CreatedDeviceLogin{}, fault.At("/kind", err)
	}
	p.ExpiresAt = expires
	record, secret, err := newLogin(u, id, p, now)
	if err != nil {
		return CreatedDeviceLogin{}, fmt.Errorf("make a device login of user %s: %w", user, err)
	}
	replaced, err := earlierLogin(ctx, tx, account, p, record.Digest, now)
	if err != nil {
		return CreatedDeviceLogin{}, err
	}
	crowded, err := roomForLogin(ctx, tx, account, now)
	if err != nil {
		return CreatedDeviceLogin{}, err
	}
	if err := joinPages(ctx, tx, account, record, replaced, crowded, now); err != nil {
		return CreatedDeviceLogin{}, err
	}
	if err := insertDeviceLogin(ctx, tx, actor, account, user, u, p, record, now); err != nil {
		return CreatedDeviceLogin{}, err
	}
	if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, "createDeviceLogin", string(id), now); err != nil {
		return CreatedDeviceLogin{}, err
	}
	created := CreatedDeviceLogin{Secret: secret, Suspended: u.SuspendedAt != nil, Untrusted: p.Kind == CertificateLogin && len(account.Settings.CertificateAuthorities) == 0,
		Unasked: p.Kind == CertificateLogin && u.overWebSocketOnly()}
	if created.DeviceLogin, err = deviceLoginByID(ctx, tx, actor, id); err != nil {
		return CreatedDeviceLogin{}, err
	}
	_, err = s.announce(ctx, tx, account, now)
	return created, err
}

// roomForLogin counts one by one only when the pages have enough for it to matter:
// they are crowded then.
func roomForLogin(ctx context.Context, tx pgx.Tx, account Account, now time.Time) (crowded bool, err error) {
	count, err := countLogins(ctx, tx, account)
	if err != nil || count < MaxDeviceLogins {
		return false, err
	}
	if count, err = countActiveLogins(ctx, tx, account, now, MaxDeviceLogins); err != nil || count < MaxDeviceLogins {
		return true, err
	}
	return true, fault.New(fault.OverLimit, "an account has %d device logins at most; revoke some, or give clients creds", MaxDeviceLogins)
}

// newLogin is the login as brokers are to know it, with the secret if it has one.
func newLogin(u signable, id CredentialID, p DeviceLoginSpec, now time.Time) (loginRecord, claims.LoginSecret, error) {
	login := claims.DeviceLogin{User: p.PublicKey, Name: u.Name, Role: u.RoleKey, Tags: u.Tags, IssuedAt: now, ExpiresAt: orNever(p.ExpiresAt)}
	var secret claims.LoginSecret
	var err error
	switch p.Kind {
	case NkeyLogin:
		login.Digest = claims.NkeyDigest(p.PublicKey)
	case CertificateLogin:
		login.Digest = p.Match.Digest()
	default:
		if secret, err = claims.NewLoginSecret(u.AccountKey); err != nil {
			return loginRecord{}, claims.LoginSecret{}, err
		}
		login.Digest = secret.Digest()
	}
	if p.Kind == PasswordLogin {
		login.Username = p.username(u.Name)
	}
	if login.User == "" {
		login.User, err = seedlessKey()
	}
	number := int64(openLoginPage)
	return loginRecord{DeviceLogin: login, paged: paged{ID: id, Page: &number, Expires: p.ExpiresAt}}, secret, err
}

// earlierLogin is one that a page still has under the digest, and that nobody can
// use any more: nil if there is none. One in use is a Conflict.
func earlierLogin(ctx context.Context, tx pgx.Tx, account Account, p DeviceLoginSpec, digest claims.LoginDigest, now time.Time) (*loginRecord, error) {
	earlier, err := loginByDigest(ctx, tx, account, digest)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for a device login with the same digest: %w", err)
	case earlier.matters(now):
		pointer, message := "/match", "a device login of this account answers to the same certificates already; revoke that first"
		if p.Kind == NkeyLogin {
			pointer, message = "/public_key", deviceLoginFaults["credentials_public_key_key"].Message
		}
		return nil, &fault.Error{Kind: fault.Conflict, Pointer: pointer, Message: message}
	}
	return &earlier, nil
}

// DeviceLogins lists the user's device logins, revoked and expired ones included.
func (s *Service) DeviceLogins(ctx context.Context, actor Actor, user UserID, q PageQuery) (Page[DeviceLogin], error) {
	k, err := q.Keyset()
	if err != nil {
		return Page[DeviceLogin]{}, err
	}
	of, err := userByID(ctx, s.pool, actor, user, s.clock())
	if err != nil {
		return Page[DeviceLogin]{}, err
	}
	logins, err := deviceLoginsByUser(ctx, s.pool, of, k)
	return PageOf(k, logins, func(l DeviceLogin) (string, string) { return string(l.ID), "" }), err
}

// AccountDeviceLogins is AccountCredentials for device logins, which can be searched, too.
func (s *Service) AccountDeviceLogins(ctx context.Context, actor Actor, account AccountID, filter DeviceLoginFilter, q PageQuery) (Page[DeviceLogin], error) {
	k, err := q.keyset(oldestFirst, newestFirst, byExpiry, byExpiryDown)
	if err != nil {
		return Page[DeviceLogin]{}, err
	}
	in, err := accountByID(ctx, s.pool, actor, account)
	if err != nil {
		return Page[DeviceLogin]{}, err
	}
	logins, err := deviceLoginsByAccount(ctx, s.pool, in, filter, k, s.clock())
	return PageOf(k, logins, func(l DeviceLogin) (string, string) { return string(l.ID), expiryKey(l.Credential) }), err
}

// DeviceLoginHistory is CredentialHistory for a device login.
func (s *Service) DeviceLoginHistory(ctx context.Context, actor Actor, id CredentialID, q PageQuery) (Page[AuditEvent], error) {
	return s.history(ctx, id, q, func() (Credential, error) {
		login, err := deviceLoginByID(ctx, s.pool, actor, id)
		return login.Credential, err
	})
}

// DeviceLogin is one device login in the actor's tenants.
func (s *Service) DeviceLogin(ctx context.Context, actor Actor, id CredentialID) (DeviceLogin, error) {
	return deviceLoginByID(ctx, s.pool, actor, id)
}

// RevokeDeviceLogin is RevokeCredential for a device login.
func (s *Service) RevokeDeviceLogin(ctx context.Context, actor Actor, id CredentialID, reason string) (DeviceLogin, Change, error) {
	var login DeviceLogin
	var change Change
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		find := func() (Credential, error) {
			login, err := deviceLoginByID(ctx, tx, actor, id)
			return login.Credential, err
		}
		if _, change, err = s.revoke(ctx, tx, actor, "device login", id, "revokeDeviceLogin", reason, find); err != nil {
			return err
		}
		login, err = deviceLoginByID(ctx, tx, actor, id)
		return err
	})
	return login, change, err
}
