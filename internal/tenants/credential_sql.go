package tenants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

const credentialColumns = `id, tenant_id, account_id, user_id, coalesce(role_id, '') AS role_id, tags, stale_since, name, public_key, issued_at, expires_at, revoked_at, revoke_reason, created_at, updated_at`

var credentialFaults = map[string]*fault.Error{
	"credentials_public_key_key": {Kind: fault.Conflict, Pointer: "/public_key", Message: "the account has a credential with this key already, perhaps a revoked one; make a new key pair"},
}

// signable is what it takes to sign for a user.
type signable struct {
	TenantID    TenantID
	Name        string
	AccountName string
	AccountKey  claims.AccountKey
	RoleID      RoleID
	Tags        []string
	RoleKey     claims.AccountKey
	SealedSeed  []byte // the role's
}

func userToSign(ctx context.Context, q querier, actor Actor, id UserID) (signable, error) {
	const query = `
		SELECT users.tenant_id, users.name, accounts.name AS account_name, accounts.public_key AS account_key,
			users.role_id, users.tags, roles.public_key AS role_key, roles.sealed_seed
		FROM users
		JOIN accounts ON accounts.id = users.account_id
		JOIN roles ON roles.id = users.role_id
		WHERE users.id = @id
		AND users.tenant_id = ANY(@tenants)
		AND users.deleted_at IS NULL
		AND accounts.deleted_at IS NULL`
	u, err := one[signable](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return u, found(err, "user", string(id))
}

// errUserChanged says that what was signed is not what the user is by now.
var errUserChanged = errors.New("the user was moved or deleted while a credential was signed for it")

// insertCredential inserts and audits in one statement, if the user still
// exists and is what it was when it was signed for. It shares the user's row until the transaction ends: one who deletes
// the user waits, and then sees this credential; or was first, and then there is none.
func insertCredential(ctx context.Context, q querier, actor Actor, user UserID, u signable, id CredentialID, key claims.UserKey, p CredentialSpec, now time.Time) (Credential, error) {
	const query = `
		WITH existing AS (
			SELECT id, tenant_id, account_id
			FROM users
			WHERE id = @user
			AND tenant_id = ANY(@tenants)
			AND deleted_at IS NULL
			AND role_id = @role
			AND tags = @tags
			FOR SHARE
		), issued AS (
			INSERT INTO credentials (id, tenant_id, account_id, user_id, role_id, tags, name, public_key, issued_at, expires_at, created_at, updated_at)
			SELECT @id, tenant_id, account_id, id, @role, @tags, @name, @key, @now, @expires, @now, @now
			FROM existing
			RETURNING ` + credentialColumns + `
		), audited AS (
			INSERT INTO audit_events (id, tenant_id, actor, action, target, created_at)
			SELECT @audit, tenant_id, @actor, 'issueCredential', id, @now
			FROM issued
		)
		SELECT ` + credentialColumns + `
		FROM issued`
	credential, err := one[Credential](ctx, q, query, pgx.StrictNamedArgs{
		"id": id, "user": user, "role": u.RoleID, "tags": u.Tags, "tenants": actor.Tenants(), "name": p.Name, "key": key, "expires": p.ExpiresAt,
		"now": now, "audit": NewID[AuditEventID]("aud"), "actor": actor.ID,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Credential{}, errUserChanged
	}
	if err != nil {
		return Credential{}, fmt.Errorf("insert a credential: %w", postgres.Fault(err, credentialFaults))
	}
	return credential, nil
}

func credentialByID(ctx context.Context, q querier, actor Actor, id CredentialID) (Credential, error) {
	const query = `
		SELECT ` + credentialColumns + `
		FROM credentials
		WHERE id = @id
		AND tenant_id = ANY(@tenants)
		AND EXISTS (
			SELECT
			FROM users
			JOIN accounts ON accounts.id = users.account_id
			WHERE users.id = credentials.user_id
			AND users.deleted_at IS NULL
			AND accounts.deleted_at IS NULL
		)`
	credential, err := one[Credential](ctx, q, query, pgx.StrictNamedArgs{"id": id, "tenants": actor.Tenants()})
	return credential, found(err, "credential", string(id))
}

// credentialsByUser lists a user's credentials; the caller may see the user.
func credentialsByUser(ctx context.Context, q querier, user User, k Keyset) ([]Credential, error) {
	args := pgx.StrictNamedArgs{"tenant": user.TenantID, "user": user.ID}
	query := `
		SELECT ` + credentialColumns + `
		FROM credentials
		WHERE tenant_id = @tenant
		AND user_id = @user` + k.SQL("id", "", args)
	return all[Credential](ctx, q, query, args)
}

// revokeCredential never sets a time before the credential was issued, which a
// slow clock might: brokers would take the revocation for one of earlier JWTs.
func revokeCredential(ctx context.Context, tx pgx.Tx, credential Credential, reason string, now time.Time) (Credential, error) {
	const query = `
		UPDATE credentials
		SET revoked_at = greatest(@now, issued_at),
			revoke_reason = @reason,
			updated_at = @now
		WHERE id = @id
		AND tenant_id = @tenant
		RETURNING ` + credentialColumns
	return one[Credential](ctx, tx, query, pgx.StrictNamedArgs{
		"id": credential.ID, "tenant": credential.TenantID, "reason": reason, "now": now,
	})
}

func revokeCredentialsOfUser(ctx context.Context, tx pgx.Tx, account Account, user UserID, reason string, now time.Time) (int64, error) {
	const query = `
		UPDATE credentials
		SET revoked_at = greatest(@now, issued_at),
			revoke_reason = @reason,
			updated_at = @now
		WHERE user_id = @user
		AND tenant_id = @tenant
		AND revoked_at IS NULL`
	return exec(ctx, tx, query, pgx.StrictNamedArgs{"user": user, "tenant": account.TenantID, "reason": reason, "now": now})
}
