package tenants

import (
	"context"
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
