package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// APIToken lets a program call the API with a role in one tenant.
type APIToken struct {
	ID        tenants.APITokenID
	TenantID  tenants.TenantID
	Name      string
	Role      tenants.MemberRole
	CreatedBy string // the actor's id
	CreatedAt time.Time
	ExpiresAt *time.Time // nil: never
}

// APITokenSpec is what people choose about an API token.
type APITokenSpec struct {
	Name      string             // 1 to 64 characters
	Role      tenants.MemberRole // admin, developer or viewer, and no more than the maker's own
	ExpiresAt *time.Time         // nil: never; otherwise in the future
}

// CreateAPIToken makes a token for the tenant and answers its secret, this
// once. A repeated Once is a Conflict, since a secret cannot be shown again.
func (s *Service) CreateAPIToken(ctx context.Context, actor tenants.Actor, tenant tenants.TenantID, once tenants.Once, p APITokenSpec) (APIToken, string, error) {
	if err := actor.Require(tenant, tenants.Admin); err != nil {
		return APIToken{}, "", err
	}
	now := s.now().UTC()
	if err := p.validate(now); err != nil {
		return APIToken{}, "", err
	}
	secret, hash := newSecret(tokenPrefix)
	token := APIToken{ID: tenants.NewID[tenants.APITokenID]("tok"), TenantID: tenant, Name: p.Name, Role: p.Role,
		CreatedBy: actor.ID, CreatedAt: now, ExpiresAt: p.ExpiresAt}
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		earlier, err := s.tenants.ClaimOnce(ctx, tx, actor, once, string(token.ID))
		if err != nil {
			return err
		}
		if earlier != "" {
			return fault.New(fault.Conflict, "this Idempotency-Key has made the API token %s; its secret cannot be shown again", earlier)
		}
		if err := insertAPIToken(ctx, tx, token, hash); err != nil {
			return err
		}
		return s.tenants.Audit(ctx, tx, tenant, actor, "createApiToken", string(token.ID))
	})
	if err != nil {
		return APIToken{}, "", fmt.Errorf("create API token: %w", err)
	}
	return token, secret, nil
}

// APITokens lists the tenant's tokens, oldest first.
func (s *Service) APITokens(ctx context.Context, actor tenants.Actor, tenant tenants.TenantID, q tenants.PageQuery) (tenants.Page[APIToken], error) {
	var none tenants.Page[APIToken]
	if err := actor.Require(tenant, tenants.Admin); err != nil {
		return none, err
	}
	keyset, err := q.Keyset()
	if err != nil {
		return none, err
	}
	rows, err := apiTokensByTenant(ctx, s.pool, tenant, keyset)
	if err != nil {
		return none, fmt.Errorf("list API tokens: %w", postgres.Fault(err, nil))
	}
	return tenants.PageOf(keyset, rows, func(t APIToken) (string, string) { return string(t.ID), t.Name }), nil
}

// DeleteAPIToken ends a token at once.
func (s *Service) DeleteAPIToken(ctx context.Context, actor tenants.Actor, id tenants.APITokenID) error {
	err := postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		tenant, err := lockAPIToken(ctx, tx, actor.Tenants(), id)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.NotFound, "there is no API token %s", id)
		}
		if err != nil {
			return err
		}
		if err := actor.Require(tenant, tenants.Admin); err != nil {
			return err
		}
		if err := deleteAPIToken(ctx, tx, tenant, id); err != nil {
			return err
		}
		return s.tenants.Audit(ctx, tx, tenant, actor, "deleteApiToken", string(id))
	})
	if err != nil {
		return fmt.Errorf("delete API token: %w", err)
	}
	return nil
}

// APIToken answers who the secret stands for, or Unauthenticated.
func (s *Service) APIToken(ctx context.Context, secret string) (tenants.Actor, error) {
	unknown := fault.New(fault.Unauthenticated, "the API token is unknown, deleted or expired")
	if !strings.HasPrefix(secret, tokenPrefix) {
		return tenants.Actor{}, unknown
	}
	token, err := apiTokenByHash(ctx, s.pool, hashSecret(secret), s.now().UTC())
	if errors.Is(err, pgx.ErrNoRows) {
		return tenants.Actor{}, unknown
	}
	if err != nil {
		return tenants.Actor{}, fmt.Errorf("read API token: %w", postgres.Fault(err, nil))
	}
	return tenants.Actor{ID: string(token.ID), Grants: map[tenants.TenantID]tenants.MemberRole{token.TenantID: token.Role}}, nil
}

func (p APITokenSpec) validate(now time.Time) error {
	var errs []error
	if err := claims.ValidateName(p.Name); err != nil {
		errs = append(errs, fault.At("/name", err))
	}
	if p.Role == tenants.Owner || !p.Role.Includes(tenants.Viewer) {
		errs = append(errs, fault.Field("/role", "must be admin, developer or viewer"))
	}
	if p.ExpiresAt != nil && !p.ExpiresAt.After(now) {
		errs = append(errs, fault.Field("/expires_at", "must be in the future"))
	}
	return errors.Join(errs...)
}
