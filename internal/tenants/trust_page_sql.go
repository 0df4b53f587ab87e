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
		INSERT INTO trust_pages (tenant_id, account_id, content, created_at, updated_at)
		VALUES (@tenant, @account, @content, @now, @now)
		ON CONFLICT (tenant_id, account_id) DO UPDATE
		SET content = EXCLUDED.content,
			updated_at = EXCLUDED.updated_at
		WHERE trust_pages.content <> EXCLUDED.content`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "content": page.Bytes(), "now": now})
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

func trustPageByHash(ctx context.Context, q querier, operator OperatorID, hash claims.PageHash) ([]byte, error) {
	const query = `
		SELECT trust_pages.content
		FROM trust_pages
		JOIN accounts ON accounts.tenant_id = trust_pages.tenant_id AND accounts.id = trust_pages.account_id
		WHERE trust_pages.hash = @hash
		AND accounts.operator_id = @operator
		AND accounts.deleted_at IS NULL
		LIMIT 1`
	content, err := value[[]byte](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "hash": hash})
	return content, found(err, "trust page", string(hash))
}
