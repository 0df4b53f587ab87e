package tenants

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/feed"
)

// announce signs what the rows of the account, its roles and its revocations
// say now, and gives it the operator's next revision. The caller holds the
// account's lock, or has just made it, and does nothing after this: other
// changes under the operator wait for the end of tx. It is the only way for
// a live account's JWT to change.
func (s *Service) announce(ctx context.Context, tx pgx.Tx, account Account, now time.Time) (feed.Revision, error) {
	announced, err := s.announced(ctx, tx, account, now)
	return announced.Revision, err
}

// announced is announce for who goes on with the account: it is returned with
// its revision, and with what of its settings is in force.
func (s *Service) announced(ctx context.Context, tx pgx.Tx, account Account, now time.Time) (Account, error) {
	plan, err := planByTenant(ctx, tx, account.TenantID)
	if err != nil {
		return Account{}, err
	}
	left, err := plan.leftBy(ctx, tx, account.TenantID, account.ID)
	if err != nil {
		return Account{}, err
	}
	return s.announceWithin(ctx, tx, account, plan, left, now)
}

// announceWithin is announced for who knows the plan, and what the tenant's older accounts leave of it.
func (s *Service) announceWithin(ctx context.Context, tx pgx.Tx, account Account, plan Plan, left TenantLimits, now time.Time) (Account, error) {
	account.Effective = account.within(plan, left)
	said, err := accountToSign(ctx, tx, account, now)
	if err != nil {
		return Account{}, err
	}
	encode := claims.EncodeAccount
	if account.frozen() {
		encode = claims.EncodeSuspended
	}
	token, err := s.signForOperator(ctx, tx, account.OperatorID, func(signer claims.Seed) (string, error) {
		return encode(said, signer)
	})
	if err != nil {
		return Account{}, fmt.Errorf("sign account %s: %w", account.ID, err)
	}
	account.Revision, err = s.bump(ctx, tx, account, token)
	return account, err
}

// accountToSign is what the account's JWT has to say by now.
func accountToSign(ctx context.Context, tx pgx.Tx, account Account, now time.Time) (claims.Account, error) {
	roles, console, err := rolesToSign(ctx, tx, account)
	if err != nil {
		return claims.Account{}, err
	}
	types := account.EffectiveConnectionTypes
	for i := range roles {
		t := &roles[i].Template
		t.ConnectionTypes = claims.CommonTypes(t.ConnectionTypes, types)
	}
	revoked, pages, err := revocationsToSign(ctx, tx, account, now)
	if err != nil {
		return claims.Account{}, err
	}
	logins, err := loginPages.toSign(ctx, tx, account, now.Add(-loginsKeptFor))
	if err != nil {
		return claims.Account{}, err
	}
	issuers, err := oidcIssuersToSign(ctx, tx, account)
	if err != nil {
		return claims.Account{}, err
	}
	maps.Copy(revoked, revokedSubjects(account.PublicKey, issuers))
	trust, err := trustToSign(ctx, tx, account, issuers, now)
	if err != nil {
		return claims.Account{}, err
	}
	perUser, err := roleConnectionsToSign(ctx, tx, account)
	if err != nil {
		return claims.Account{}, err
	}
	overrides, err := overridesToSign(ctx, tx, account, now)
	if err != nil {
		return claims.Account{}, err
	}
	callout, err := calloutToSign(ctx, tx, account, now)
	if err != nil {
		return claims.Account{}, err
	}
	counts := maps.Clone(account.Settings.ConnectionsPerType)
	maps.DeleteFunc(counts, func(t claims.ConnectionType, _ int64) bool { return len(types) > 0 && !slices.Contains(types, t) })
	said := claims.Account{
		Key: account.PublicKey, Name: account.Name, Description: account.Description, Tags: account.Tags,
		Limits: account.EffectiveLimits, Roles: roles, Revoked: revoked, Pages: pages, Logins: logins, Trust: trust,
		DefaultPermissions: account.Settings.DefaultPermissions, Mappings: account.Settings.Mappings,
		Trace: account.Settings.Trace, ClusterTraffic: account.Settings.ClusterTraffic,
		ConnectionTypes: types, TypeConnections: counts, RoleConnections: perUser, Overrides: overrides, ConsoleRoles: console, Callout: callout,
	}
	return said, signingKeysToSign(ctx, tx, account, &said)
}

// tombstone signs the deleted account's last JWT.
func (s *Service) tombstone(ctx context.Context, tx pgx.Tx, account Account) (string, error) {
	token, err := s.signForOperator(ctx, tx, account.OperatorID, func(signer claims.Seed) (string, error) {
		return claims.EncodeTombstone(account.PublicKey, account.Name, signer)
	})
	if err != nil {
		return "", fmt.Errorf("sign the tombstone of account %s: %w", account.ID, err)
	}
	return token, nil
}

// signForOperator opens the operator's signing key for one signature.
func (s *Service) signForOperator(ctx context.Context, q querier, operator OperatorID, sign func(claims.Seed) (string, error)) (string, error) {
	if err := shareSigningKey(ctx, q, operator); err != nil {
		return "", err
	}
	key, sealed, err := signingSeed(ctx, q, operator)
	if err != nil {
		return "", err
	}
	return s.sign(sealed, string(key), sign)
}

// bump keeps the account's JWT at the operator's next revision.
func (s *Service) bump(ctx context.Context, tx pgx.Tx, account Account, token string) (feed.Revision, error) {
	if err := s.rehearsal.note(ctx, tx, account, token); err != nil {
		return 0, err
	}
	revision, err := feed.Bump(ctx, tx, string(account.OperatorID), string(account.PublicKey))
	if err != nil {
		return 0, err
	}
	return revision, updateAccountJWT(ctx, tx, account, token, revision)
}
