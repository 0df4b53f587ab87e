package tenants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// upsertTrustPage writes nothing when the page is the same.
func upsertTrustPage(ctx context.Context, tx pgx.Tx, account Account, page claims.TrustPage, now time.Time) error {
	const query = `
		INSERT INTO trust_pages (tenant_id, account_id, records, created_at, updated_at)
		VALUES (@tenant, @account, @records, @now, @now)
		ON CONFLICT (tenant_id, account_id) DO UPDATE
		SET records = EXCLUDED.records,
			updated_at = EXCLUDED.updated_at
		WHERE trust_pages.records <> EXCLUDED.records`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "records": page.Bytes(), "now": now})
	return err
}

func deleteTrustPage(ctx context.Context, tx pgx.Tx, account Account) error {
	const query = `
		DELETE FROM trust_pages
		WHERE tenant_id = @tenant
		AND account_id = @account`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
	return err
}

// trustPageOf is the account's page; the zero page if it has none.
func trustPageOf(ctx context.Context, q querier, account Account) (claims.TrustPage, error) {
	const query = `
		SELECT trust_pages.records
		FROM trust_pages
		WHERE tenant_id = @tenant
		AND account_id = @account`
	records, err := value[[]byte](ctx, q, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID})
	if errors.Is(err, pgx.ErrNoRows) {
		return claims.TrustPage{}, nil
	}
	if err != nil {
		return claims.TrustPage{}, fmt.Errorf("read whom account %s trusts: %w", account.ID, err)
	}
	return claims.DecodeTrustPage(records)
}
