package tenants

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// Exchanged is what somebody gets for the token of an issuer that the account trusts.
type Exchanged struct {
	Creds    []byte
	FileName string
	Name     string // the user's
	Expires  time.Time
}

// ExchangeLifetime is how long exchanged creds are good for at most.
const ExchangeLifetime = 15 * time.Minute

// errNotExchanged is what everybody hears whose token is not taken, whatever is wrong.
var errNotExchanged = fault.New(fault.Unauthenticated, "this account gives nobody creds for this token; its people see why in the account's refusals")

// ExchangeToken makes creds of an issuer's token, as the account's rules say:
// good for as long as the token is, a quarter of an hour at most, and less if the
// rule, the role or the plan say so. The token is all the proof there is. Creds end with the
// rule, and with the token when its subject is revoked, like connections that came by the token itself.
func (s *Service) ExchangeToken(ctx context.Context, id AccountID, token, from string) (Exchanged, error) {
	account, err := accountAnywhere(ctx, s.pool, id)
	if errors.Is(err, fault.NotFound) || err == nil && account.frozen() {
		return Exchanged{}, errNotExchanged
	}
	if err != nil {
		return Exchanged{}, err
	}
	var out Exchanged
	said, err := s.readToken(ctx, account, token)
	if err == nil {
		out, err = s.exchange(ctx, account, said)
	}
	var bad *claims.TokenError
	var useless *uselessCreds
	switch {
	case errors.As(err, &bad):
		err = s.recordExchangeRefusal(ctx, account, bad.Reason, bad.Error(), from)
	case errors.As(err, &useless):
		err = s.recordExchangeRefusal(ctx, account, useless.reason, useless.detail, from)
	default:
		return out, err
	}
	return Exchanged{}, cmp.Or(err, error(errNotExchanged))
}

// uselessCreds is that a token is right, and that no broker would let in the creds for it.
type uselessCreds struct{ reason, detail string }

func (u *uselessCreds) Error() string { return u.detail }

// readToken reads an issuer's keys again, now and then, when a token names one that nobody knows.
func (s *Service) readToken(ctx context.Context, account Account, token string) (claims.IdentityToken, error) {
	for first := true; ; first = false {
		issuers, err := oidcIssuersToSign(ctx, s.pool, account)
		if err != nil {
			return claims.IdentityToken{}, err
		}
		list, err := trusted(ctx, s.pool, account, issuers)
		if err != nil {
			return claims.IdentityToken{}, err
		}
		if len(list) == 0 {
			return claims.IdentityToken{}, claims.ErrTokenIssuer
		}
		page, err := claims.EncodeTrustPage(claims.Trust{Issuers: list})
		if err != nil {
			return claims.IdentityToken{}, err
		}
		now := s.clock()
		said, err := page.Issuers().Read(account.PublicKey, token, now)
		if at, revoked := revokedSubjects(account.PublicKey, issuers)[said.User]; err == nil && revoked && at.Unix() >= said.IssuedAt.Unix() {
			return claims.IdentityToken{}, claims.ErrTokenRevoked
		}
		if !errors.Is(err, claims.ErrTokenKey) || !first {
			return said, err
		}
		if err := hurryOIDCIssuers(ctx, s.pool, []claims.AccountKey{account.PublicKey}, now.Add(-hurryAfter), now); err != nil {
			return claims.IdentityToken{}, err
		}
		if err := s.readKeysOf(ctx, account); err != nil {
			return claims.IdentityToken{}, err
		}
	}
}

func (s *Service) exchange(ctx context.Context, account Account, said claims.IdentityToken) (Exchanged, error) {
	var out Exchanged
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		roles, err := rolesForKeys(ctx, tx, account)
		if err != nil {
			return err
		}
		role, _ := roles.byKey(said.Role)
		u, err := roleToSign(ctx, tx, account, role.ID)
		if errors.Is(err, fault.NotFound) {
			return &uselessCreds{"unknown_signing_key", "the role that the rule names is not there any more"}
		}
		if err != nil {
			return err
		}
		if why := u.admissible(); why != nil {
			reason := "connection_type"
			if u.RoleBearer && !u.EffectiveLimits.Bearer {
				reason = "bearer_not_allowed"
			}
			return &uselessCreds{reason, why.Error()}
		}
		now := s.clock()
		u.Name, u.Tags = said.Name, said.Tags
		out.Expires = said.Expires
		for _, most := range []time.Duration{ExchangeLifetime, u.RoleMaximum, u.PlanMaximum} {
			if most > 0 && out.Expires.After(now.Add(most)) {
				out.Expires = now.Add(most)
			}
		}
		out.Name, out.FileName = u.Name, credsFileName(account.Name, u.Name)
		by := claims.User{Expires: out.Expires, Rule: said.Rule, Origin: claims.TokenOrigin{User: said.User, IssuedAt: said.IssuedAt}}
		if _, _, out.Creds, err = s.signCreds(u, by); err != nil {
			return fmt.Errorf("exchange a token: %w", err)
		}
		return insertReasonedAudit(ctx, tx, &account.TenantID, cut(said.Issuer+" "+said.Subject), "exchangeOidcToken", string(account.ID), "as "+said.Name, now)
	})
	if err != nil {
		return Exchanged{}, err
	}
	return out, nil
}

// accountAnywhere is the account with that id, whoever's it is.
func accountAnywhere(ctx context.Context, q querier, id AccountID) (Account, error) {
	const query = `
		SELECT ` + accountColumns + `
		FROM accounts
		WHERE accounts.id = @id
		AND accounts.deleted_at IS NULL`
	account, err := one[Account](ctx, q, query, pgx.StrictNamedArgs{"id": id})
	return account, found(err, "account", string(id))
}

// recordExchangeRefusal tells the account's people why a token was not taken.
func (s *Service) recordExchangeRefusal(ctx context.Context, account Account, reason, detail, from string) error {
	const query = `
		INSERT INTO refused_logins (id, tenant_id, account_id, broker, user_public_key, reason, connection_type, address, detail, count, first_at, last_at)
		VALUES (@id, @tenant, @account, 'control', '', @reason, '', @address, @detail, 1, @now, @now)
		ON CONFLICT ON CONSTRAINT refused_logins_key DO UPDATE
		SET id = EXCLUDED.id,
			detail = EXCLUDED.detail,
			count = refused_logins.count + 1,
			last_at = EXCLUDED.last_at`
	now := s.clock()
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
			"id": NewID[RefusalID]("ref"), "tenant": account.TenantID, "account": account.ID, "reason": reason, "address": cut(from), "detail": detail, "now": now,
		})
		if err != nil {
			return fmt.Errorf("record that a token was not exchanged: %w", err)
		}
		return pruneRefusals(ctx, tx, []AccountID{account.ID}, now.Add(-refusalsFor))
	})
}
