package tenants

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// ChallengeRenewal answers a nonce for whoever says that they hold the
// credential, whether or not there is such a one.
func (s *Service) ChallengeRenewal(id CredentialID) (Challenge, error) {
	expires := s.clock().Add(challengeFor).Truncate(time.Second)
	nonce, err := s.newNonce(id, expires)
	if err != nil {
		return Challenge{}, fmt.Errorf("make a nonce: %w", err)
	}
	return Challenge{Nonce: nonce, ExpiresAt: expires}, nil
}

// RenewCredential renews the credential for whoever has its seed, without a
// member's doing: the same key, a new JWT, which lives as long as the one before
// did unless role or plan allow less today. A proof is good for one renewal.
//
// What is not proven is Unauthenticated in the same words whatever is wrong, a
// credential that does not exist included; the holder of the seed then hears a
// Conflict of one that was revoked or has expired, or whose account is suspended.
func (s *Service) RenewCredential(ctx context.Context, id CredentialID, proof RenewalProof) (IssuedCredential, error) {
	sealed, expires, err := s.openNonce(id, proof.Nonce)
	if err != nil {
		return IssuedCredential{}, err
	}
	key, tenant, err := keyToRenew(ctx, s.pool, id)
	missing := errors.Is(err, pgx.ErrNoRows)
	if err != nil && !missing {
		return IssuedCredential{}, fmt.Errorf("read the key of credential %s: %w", id, err)
	}
	if missing {
		key = nobodysKey // so that it takes as long
	}
	if !proof.proves(key) || missing {
		return IssuedCredential{}, errNotProven
	}
	itself := Actor{ID: string(id), Grants: map[TenantID]MemberRole{tenant: Developer}}
	use := func(tx pgx.Tx) error {
		hash := sha256.Sum256(sealed)
		fresh, err := insertUsedNonce(ctx, tx, hash[:], expires)
		if err == nil && !fresh {
			err = errNotProven
		}
		return err
	}
	return s.renew(ctx, itself, id, CredentialLife{}, "renewCredential", use)
}

// nobodysKey is a user's key of which the seed was thrown away.
const nobodysKey claims.UserKey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

// ExtendCredential is RenewCredential by a member, who may choose how long it is
// to live. The JWT is for whoever holds the seed. It takes a Developer.
func (s *Service) ExtendCredential(ctx context.Context, actor Actor, id CredentialID, life CredentialLife) (IssuedCredential, error) {
	return s.renew(ctx, actor, id, life, "extendCredential", func(pgx.Tx) error { return nil })
}

// renew signs the credential's key again, under its user's role of now. What use
// does is undone if that comes to nothing.
func (s *Service) renew(ctx context.Context, actor Actor, id CredentialID, life CredentialLife, action string, use func(pgx.Tx) error) (IssuedCredential, error) {
	c, err := credentialByID(ctx, s.pool, actor, id)
	if err != nil {
		return IssuedCredential{}, err
	}
	u, err := userToSign(ctx, s.pool, actor, c.UserID)
	if err != nil {
		return IssuedCredential{}, err
	}
	if err := errors.Join(actor.mayChange(u.account(), Developer), u.renewable()); err != nil {
		return IssuedCredential{}, err
	}
	now := s.clock()
	if err := c.renewable(now); err != nil {
		return IssuedCredential{}, err
	}
	expires, err := c.renewed(now, u.lifetimes(), life)
	if err != nil {
		return IssuedCredential{}, err
	}
	token, err := s.signUser(u, claims.User{Key: c.PublicKey, Expires: orNever(expires)})
	if err != nil {
		return IssuedCredential{}, fmt.Errorf("renew credential %s: %w", id, err)
	}
	issued := IssuedCredential{JWT: token, JWTExpires: expires}
	err = postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		now := s.clock()
		if err := use(tx); err != nil {
			return err
		}
		renewed, err := renewCredential(ctx, tx, c, u, expires, now)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.Conflict, "the credential, or its user, was changed at the same moment; try again")
		}
		if err != nil {
			return err
		}
		issued.Credential = renewed
		return insertAudit(ctx, tx, &c.TenantID, actor.ID, action, string(id), now)
	})
	return onlyIfIssued(issued, err)
}
