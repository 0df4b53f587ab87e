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

// IssueCredential makes a user JWT under the user's role, and unless the caller
// keeps the seed, a key pair and the creds file with it. Brokers need not hear
// of it: they know the role; unless the account leaves logins to a service of its own, but not this user's. It takes a Developer.
//
// It is made to be fast: two statements, and no lock but a shared one on the
// user, which only the user's deletion waits for. Creds are shown only by the
// call that made them, so repeating once is a Conflict that names the
// credential. A public key that the account has seen before is a Conflict at
// /public_key; an expiry that has passed, or is beyond what role and plan allow,
// is Invalid at /expires_at or /expires_in; a bearer role where the account or the
// plan allows none is a Conflict.
func (s *Service) IssueCredential(ctx context.Context, actor Actor, user UserID, once Once, p CredentialSpec) (IssuedCredential, error) {
	for range issueTries {
		issued, err := s.issueCredential(ctx, actor, user, once, p)
		if !errors.Is(err, errUserChanged) {
			return issued, err
		}
	}
	return IssuedCredential{}, fault.New(fault.Unavailable, "the user is being changed all the time; try again later")
}

// issueTries is how often a credential is signed anew since its user was moved,
// or deleted, between its signature and its row.
const issueTries = 10

func (s *Service) issueCredential(ctx context.Context, actor Actor, user UserID, once Once, p CredentialSpec) (IssuedCredential, error) {
	u, err := userToSign(ctx, s.pool, actor, user)
	if err != nil {
		return IssuedCredential{}, err
	}
	if err := actor.mayChange(u.account(), Developer); err != nil {
		return IssuedCredential{}, err
	}
	expires, err := u.lifetimes().expiry(s.clock(), p.ExpiresAt, p.ExpiresIn)
	if err := errors.Join(p.validate(), err); err != nil {
		return IssuedCredential{}, err
	}
	if err := u.admissible(); err != nil {
		return IssuedCredential{}, err
	}
	p.ExpiresAt = expires
	issued, err := s.mint(u, p)
	if err != nil {
		return IssuedCredential{}, fmt.Errorf("issue a credential to user %s: %w", user, err)
	}
	id := NewID[CredentialID]("crd")
	if once.Key == "" && !u.Spared {
		issued.Credential, err = insertCredential(ctx, s.pool, actor, user, u, id, issued.PublicKey, p, issued.IssuedAt)
		return onlyIfIssued(issued, err)
	}
	err = postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		earlier, err := s.ClaimOnce(ctx, tx, actor, once, string(id))
		if err != nil {
			return err
		}
		var account Account
		if u.Spared {
			if account, err = lockAccount(ctx, tx, actor, u.AccountID, Developer); err != nil {
				return err
			}
		}
		if earlier != "" {
			return fault.New(fault.Conflict, "this Idempotency-Key has issued the credential %s already, and creds are shown only once; revoke it and issue another with a new key", earlier)
		}
		issued.Credential, err = insertCredential(ctx, tx, actor, user, u, id, issued.PublicKey, p, issued.IssuedAt)
		if err != nil || !u.Spared {
			return err
		}
		_, err = s.announce(ctx, tx, account, issued.IssuedAt)
		return err
	})
	return onlyIfIssued(issued, err)
}

// onlyIfIssued keeps a signed JWT that was not recorded from getting out: it
// could not be revoked.
func onlyIfIssued(issued IssuedCredential, err error) (IssuedCredential, error) {
	if err != nil {
		return IssuedCredential{}, err
	}
	return issued, nil
}

// mint makes the key, unless the caller has one, and signs. IssuedAt is read
// after signing, so that the JWT's own time of issue is not later: a
// revocation must not fall short of it.
func (s *Service) mint(u signable, p CredentialSpec) (IssuedCredential, error) {
	issued := IssuedCredential{Credential: Credential{PublicKey: p.PublicKey}, JWTExpires: p.ExpiresAt, Suspended: u.SuspendedAt != nil}
	said := claims.User{Key: p.PublicKey, Expires: orNever(p.ExpiresAt)}
	var err error
	if said.Key != "" {
		issued.JWT, err = s.signUser(u, said)
	} else {
		issued.FileName = credsFileName(u.AccountName, u.Name)
		issued.PublicKey, issued.JWT, issued.Creds, err = s.signCreds(u, said)
	}
	issued.IssuedAt = s.clock()
	return onlyIfIssued(issued, err)
}

// signCreds signs what is said of the user for a key made for it, whose seed is in the creds only.
func (s *Service) signCreds(u signable, said claims.User) (key claims.UserKey, token string, creds []byte, err error) {
	seed, err := claims.NewUserSeed()
	if err != nil {
		return "", "", nil, err
	}
	defer seed.Wipe()
	if said.Key, err = seed.UserKey(); err != nil {
		return "", "", nil, err
	}
	if token, err = s.signUser(u, said); err != nil {
		return "", "", nil, err
	}
	return said.Key, token, claims.FormatCreds(token, seed), nil
}

// signUser signs under the user's role what is said of it beside its name and tags.
func (s *Service) signUser(u signable, said claims.User) (string, error) {
	said.Name, said.Account, said.Tags = u.Name, u.AccountKey, u.Tags
	token, err := s.sign(u.SealedSeed, string(u.RoleKey), func(role claims.Seed) (string, error) { return claims.EncodeUser(said, role) })
	s.rehearsal.issued(token)
	return token, err
}

// orNever is a time in the claims' spelling, where that of never is zero.
func orNever(expires *time.Time) time.Time {
	if expires == nil {
		return time.Time{}
	}
	return *expires
}

// Credentials lists the user's credentials, revoked and expired ones included.
func (s *Service) Credentials(ctx context.Context, actor Actor, user UserID, q PageQuery) (Page[Credential], error) {
	k, err := q.Keyset()
	if err != nil {
		return Page[Credential]{}, err
	}
	of, err := userByID(ctx, s.pool, actor, user, s.clock())
	if err != nil {
		return Page[Credential]{}, err
	}
	credentials, err := credentialsByUser(ctx, s.pool, of, k)
	return PageOf(k, credentials, func(c Credential) (string, string) { return string(c.ID), "" }), err
}

// AccountCredentials lists the credentials of all of the account's users, revoked
// and expired ones included: oldest first, newest first, or by when they expire.
func (s *Service) AccountCredentials(ctx context.Context, actor Actor, account AccountID, filter CredentialFilter, q PageQuery) (Page[Credential], error) {
	k, err := q.keyset(oldestFirst, newestFirst, byExpiry, byExpiryDown)
	if err != nil {
		return Page[Credential]{}, err
	}
	in, err := accountByID(ctx, s.pool, actor, account)
	if err != nil {
		return Page[Credential]{}, err
	}
	credentials, err := credentialsByAccount(ctx, s.pool, in, filter, k, s.clock())
	return PageOf(k, credentials, func(c Credential) (string, string) { return string(c.ID), expiryKey(c) }), err
}

// CredentialHistory lists what was done to the credential, and by whom, oldest first.
func (s *Service) CredentialHistory(ctx context.Context, actor Actor, id CredentialID, q PageQuery) (Page[AuditEvent], error) {
	return s.history(ctx, id, q, func() (Credential, error) { return credentialByID(ctx, s.pool, actor, id) })
}

// history is CredentialHistory for whatever of the credentials find finds.
func (s *Service) history(ctx context.Context, id CredentialID, q PageQuery, find func() (Credential, error)) (Page[AuditEvent], error) {
	k, err := q.Keyset()
	if err != nil {
		return Page[AuditEvent]{}, err
	}
	of, err := find()
	if err != nil {
		return Page[AuditEvent]{}, err
	}
	events, err := auditByTarget(ctx, s.pool, of.TenantID, string(id), k)
	return PageOf(k, events, func(e AuditEvent) (string, string) { return string(e.ID), "" }), err
}

// ExpiringCredentials is how many of the account's credentials will expire soon.
// The caller may see the account.
func (s *Service) ExpiringCredentials(ctx context.Context, account Account) (int64, error) {
	return countExpiring(ctx, s.pool, account, s.clock())
}

// Credential is one credential in the actor's tenants.
func (s *Service) Credential(ctx context.Context, actor Actor, id CredentialID) (Credential, error) {
	return credentialByID(ctx, s.pool, actor, id)
}

// RevokeCredential refuses the credential from now on, and ends its
// connections; the user's others go on. One that is revoked already stays as it
// is, reason included. It takes a Developer.
func (s *Service) RevokeCredential(ctx context.Context, actor Actor, id CredentialID, reason string) (Revocation, error) {
	var r Revocation
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) (err error) {
		find := func() (Credential, error) { return credentialByID(ctx, tx, actor, id) }
		r.Credential, r.Change, err = s.revoke(ctx, tx, actor, "credential", id, "revokeCredential", reason, find)
		return err
	})
	return r, err
}

// revoke is RevokeCredential for whatever of the credentials find finds.
func (s *Service) revoke(ctx context.Context, tx pgx.Tx, actor Actor, noun string, id CredentialID, action, reason string, find func() (Credential, error)) (Credential, Change, error) {
	account, err := lockAccountOf(ctx, tx, actor, "credentials", noun, string(id), Developer)
	if err != nil {
		return Credential{}, Change{}, err
	}
	if err := validateReason(reason); err != nil {
		return Credential{}, Change{}, err
	}
	change := account.Change() // what the first revocation was delivered with, or something later
	c, err := find()
	if err != nil || c.RevokedAt != nil {
		return c, change, err
	}
	now := s.clock()
	if c, err = revokeCredential(ctx, tx, c, reason, now); err != nil {
		return Credential{}, Change{}, err
	}
	if err := insertAudit(ctx, tx, &account.TenantID, actor.ID, action, string(id), now); err != nil {
		return Credential{}, Change{}, err
	}
	change.Revision, err = s.announce(ctx, tx, account, now)
	return c, change, err
}
