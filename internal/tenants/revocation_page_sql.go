package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const revocationColumns = `id, revocation_page AS page, expires_at, public_key, revoked_at`

// inlineRevocations are those in no page that still matter, the oldest first.
func inlineRevocations(ctx context.Context, q querier, account Account, expired time.Time) ([]revocation, error) {
	const query = `
		SELECT ` + revocationColumns + `
		FROM credentials
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND revoked_at IS NOT NULL
		AND revocation_page IS NULL
		AND coalesce(expires_at, 'infinity') > @expired
		ORDER BY revoked_at, id`
	list, err := all[revocation](ctx, q, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "expired": expired})
	if err != nil {
		return nil, fmt.Errorf("read the revocations of account %s: %w", account.ID, err)
	}
	return list, nil
}

// revocationsInPages are all in those pages, expired ones included, page by page.
func revocationsInPages(ctx context.Context, tx pgx.Tx, account Account, numbers []int64) ([]revocation, error) {
	const query = `
		SELECT ` + revocationColumns + `
		FROM credentials
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND revocation_page = ANY(@numbers)
		ORDER BY array_position(@numbers::bigint[], revocation_page), id`
	return all[revocation](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "numbers": numbers})
}
