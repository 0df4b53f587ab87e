package auth

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

const apiTokenColumns = `id, tenant_id, name, role, created_by, created_at, expires_at`

func insertAPIToken(ctx context.Context, tx pgx.Tx, t APIToken, hash []byte) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO api_tokens (id, tenant_id, name, role, token_hash, created_by, created_at, expires_at)
		VALUES (@id, @tenant, @name, @role, @hash, @created_by, @created_at, @expires_at)`,
		pgx.StrictNamedArgs{"id": t.ID, "tenant": t.TenantID, "name": t.Name, "role": t.Role, "hash": hash,
			"created_by": t.CreatedBy, "created_at": t.CreatedAt, "expires_at": t.ExpiresAt})
	return postgres.Fault(err, nil)
}

func apiTokensByTenant(ctx context.Context, q querier, tenant tenants.TenantID, k tenants.Keyset) ([]APIToken, error) {
	args := pgx.StrictNamedArgs{"tenant": tenant}
	rows, err := q.Query(ctx, `
		SELECT `+apiTokenColumns+`
		FROM api_tokens
		WHERE tenant_id = @tenant`+k.SQL("id", "name", args),
		args)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[APIToken])
}

func apiTokenByHash(ctx context.Context, q querier, hash []byte, now time.Time) (APIToken, error) {
	rows, err := q.Query(ctx, `
		SELECT `+apiTokenColumns+`
		FROM api_tokens
		WHERE token_hash = @hash
		AND (expires_at IS NULL OR expires_at > @now)`,
		pgx.StrictNamedArgs{"hash": hash, "now": now})
	if err != nil {
		return APIToken{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[APIToken])
}

// lockAPIToken finds the tenant of a token among the caller's, and keeps the row until the transaction ends.
func lockAPIToken(ctx context.Context, tx pgx.Tx, among []tenants.TenantID, id tenants.APITokenID) (tenants.TenantID, error) {
	rows, err := tx.Query(ctx, `
		SELECT tenant_id
		FROM api_tokens
		WHERE id = @id
		AND tenant_id = ANY(@tenants)
		FOR UPDATE`,
		pgx.StrictNamedArgs{"id": id, "tenants": among})
	if err != nil {
		return "", err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[tenants.TenantID])
}

func deleteAPIToken(ctx context.Context, tx pgx.Tx, tenant tenants.TenantID, id tenants.APITokenID) error {
	_, err := tx.Exec(ctx, `
		DELETE FROM api_tokens
		WHERE tenant_id = @tenant
		AND id = @id`,
		pgx.StrictNamedArgs{"tenant": tenant, "id": id})
	return err
}
