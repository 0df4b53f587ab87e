package tenants

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// keyToRenew is asked for somebody who has yet to prove that they hold it; all
// that is read after that is read as the tenant's.
func keyToRenew(ctx context.Context, q querier, id CredentialID) (claims.UserKey, TenantID, error) {
	const query = `
		SELECT credentials.public_key, credentials.tenant_id
		FROM credentials
		JOIN users ON users.id = credentials.user_id
		JOIN accounts ON accounts.id = credentials.account_id
		WHERE credentials.id = @id
		AND credentials.kind = 'creds'
		AND users.deleted_at IS NULL
		AND NOT users.console
		AND accounts.deleted_at IS NULL`
	found, err := one[struct {
		PublicKey claims.UserKey
		TenantID  TenantID
	}](ctx, q, query, pgx.StrictNamedArgs{"id": id})
	return found.PublicKey, found.TenantID, err
}

// insertUsedNonce reports whether the nonce had not been used.
func insertUsedNonce(ctx context.Context, tx pgx.Tx, hash []byte, expires time.Time) (bool, error) {
	const query = `
		INSERT INTO used_nonces (hash, expires_at)
		VALUES (@hash, @expires)
		ON CONFLICT DO NOTHING`
	n, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"hash": hash, "expires": expires})
	return n == 1, err
}

func deleteUsedNoncesBefore(ctx context.Context, q querier, before time.Time) error {
	const query = `
		DELETE FROM used_nonces
		WHERE expires_at <= @before`
	_, err := exec(ctx, q, query, pgx.StrictNamedArgs{"before": before})
	return err
}

// renewCredential keeps that another JWT was signed for the credential, unless
// it is gone by now, or its user is not what was signed any more. Its expiry never moves back: an earlier JWT
// may live longer, and a revocation is kept for as long as the last of them. As
// insertCredential does, it shares the user's row.
func renewCredential(ctx context.Context, tx pgx.Tx, c Credential, u signable, expires *time.Time, now time.Time) (Credential, error) {
	const query = `
		WITH existing AS (
			SELECT id
			FROM users
			WHERE id = @user
			AND tenant_id = @tenant
			AND deleted_at IS NULL
			AND role_id = @role
			AND tags = @tags
			FOR SHARE
		)
		UPDATE credentials
		SET issued_at = greatest(issued_at, @now),
			expires_at = nullif(greatest(coalesce(expires_at, 'infinity'), coalesce(@expires::timestamptz, 'infinity')), 'infinity'),
			expiring_at = nullif(greatest(coalesce(expiring_at, 'infinity'), coalesce(@expiring::timestamptz, 'infinity')), 'infinity'),
			event_at = nullif(greatest(coalesce(expiring_at, 'infinity'), coalesce(@expiring::timestamptz, 'infinity')), 'infinity'),
			renewals = renewals + 1,
			renewed_at = @now,
			updated_at = @now
		FROM existing
		WHERE credentials.id = @id
		AND credentials.tenant_id = @tenant
		AND credentials.user_id = existing.id
		AND credentials.revoked_at IS NULL
		RETURNING ` + credentialColumns
	return one[Credential](ctx, tx, query, pgx.StrictNamedArgs{
		"id": c.ID, "tenant": c.TenantID, "user": c.UserID, "role": u.RoleID, "tags": u.Tags, "expires": expires, "expiring": expiringFrom(now, expires), "now": now,
	})
}
