package tenants

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// LimitsInForce are those that brokers hold an account to.
type LimitsInForce struct {
	claims.Limits
	claims.Extension
}

// LimitsInForce reads them where brokers do: in the account's JWT. The caller may see the account.
func (s *Service) LimitsInForce(ctx context.Context, account Account) (LimitsInForce, error) {
	const query = `
		SELECT jwt
		FROM accounts
		WHERE tenant_id = @tenant
		AND id = @account`
	token, err := value[string](ctx, s.pool, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
	if err != nil {
		return LimitsInForce{}, fmt.Errorf("read the limits of account %s: %w", account.ID, found(err, "account", string(account.ID)))
	}
	facts, err := claims.DecodeAccount(token)
	if err != nil {
		return LimitsInForce{}, fmt.Errorf("read the limits of account %s: %w", account.ID, err)
	}
	return LimitsInForce{Limits: facts.Limits, Extension: facts.Extension()}, nil
}
