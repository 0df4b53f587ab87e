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

// consoleSession is a row of console_sessions, with what of the credential matters.
type consoleSession struct {
	CredentialID CredentialID
	AccountID    AccountID
	Console      ConsoleRole
	PublicKey    claims.UserKey
}

const selectConsoles = `
	SELECT console_sessions.credential_id, console_sessions.account_id, console_sessions.console, credentials.public_key
	FROM console_sessions
	JOIN credentials ON credentials.id = console_sessions.credential_id`

var consoleFaults = map[string]*fault.Error{
	"console_sessions_session_hash_fkey": {Kind: fault.Unauthenticated, Message: "the session has ended; log in again"},
}

// memberRole is what the person is in the tenant by now.
func memberRole(ctx context.Context, q querier, tenant TenantID, person PersonID) (MemberRole, error) {
	const query = `
		SELECT role
		FROM members
		WHERE tenant_id = @tenant
		AND person_id = @person
		FOR KEY SHARE`
	role, err := value[MemberRole](ctx, q, query, pgx.StrictNamedArgs{"tenant": tenant, "person": person})
	return role, found(err, "tenant", string(tenant))
}

// consoleBySession is the one that the web session has in the account, if it can still be renewed.
func consoleBySession(ctx context.Context, tx pgx.Tx, account Account, session []byte) (c consoleSession, ok bool, err error) {
	const query = selectConsoles + `
		WHERE console_sessions.session_hash = @session
		AND console_sessions.tenant_id = @tenant
		AND console_sessions.account_id = @account
		AND credentials.revoked_at IS NULL`
	c, err = one[consoleSession](ctx, tx, query, pgx.StrictNamedArgs{"session": session, "tenant": account.TenantID, "account": account.ID})
	if errors.Is(err, pgx.ErrNoRows) {
		return c, false, nil
	}
	return c, err == nil, err
}

// accountsOfSession are where the web session has a console, in the order in which accounts are locked.
func accountsOfSession(ctx context.Context, tx pgx.Tx, session []byte) ([]AccountID, error) {
	const query = `
		SELECT account_id
		FROM console_sessions
		WHERE session_hash = @session
		ORDER BY account_id`
	rows, _ := tx.Query(ctx, query, pgx.StrictNamedArgs{"session": session})
	return pgx.CollectRows(rows, pgx.RowTo[AccountID])
}

// staleConsole is true of sessions that are no more what they were made for. The
// rows of those who are gone stay until this finds them, whoever took them away and how.
const staleConsole = `(
		console_sessions.session_hash IS NULL
		OR NOT EXISTS (
			SELECT
			FROM members
			WHERE members.tenant_id = console_sessions.tenant_id
			AND members.person_id = console_sessions.person_id
			AND console_sessions.console = CASE WHEN members.role = 'viewer' THEN 'listen' ELSE 'full' END
		)
	)`

func accountsWithStaleConsoles(ctx context.Context, q querier, now time.Time) ([]AccountID, error) {
	const query = `
		SELECT DISTINCT console_sessions.account_id
		FROM console_sessions
		JOIN credentials ON credentials.id = console_sessions.credential_id
		WHERE credentials.expires_at > @now
		AND ` + staleConsole + `
		ORDER BY console_sessions.account_id`
	rows, _ := q.Query(ctx, query, pgx.StrictNamedArgs{"now": now})
	return pgx.CollectRows(rows, pgx.RowTo[AccountID])
}

func staleConsoles(ctx context.Context, tx pgx.Tx, account AccountID) ([]consoleSession, error) {
	return all[consoleSession](ctx, tx, selectConsoles+`
		WHERE console_sessions.account_id = @account
		AND `+staleConsole, pgx.StrictNamedArgs{"account": account})
}

// deleteExpiredConsoles forgets those whose connections have all ended by themselves.
func deleteExpiredConsoles(ctx context.Context, q querier, now time.Time) error {
	const query = `
		DELETE FROM console_sessions
		USING credentials, accounts
		WHERE credentials.id = console_sessions.credential_id
		AND accounts.id = console_sessions.account_id
		AND (credentials.expires_at <= @now OR accounts.deleted_at IS NOT NULL)`
	_, err := exec(ctx, q, query, pgx.StrictNamedArgs{"now": now})
	return err
}

func consoleRoleIn(ctx context.Context, tx pgx.Tx, account Account, console ConsoleRole) (id RoleID, key claims.AccountKey, sealed []byte, err error) {
	const query = `
		SELECT id, public_key, sealed_seed
		FROM roles
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND console = @console
		AND deleted_at IS NULL`
	r, err := one[struct {
		ID         RoleID
		PublicKey  claims.AccountKey
		SealedSeed []byte
	}](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "console": console})
	return r.ID, r.PublicKey, r.SealedSeed, err
}

func insertConsoleRole(ctx context.Context, tx pgx.Tx, account Account, id RoleID, console ConsoleRole, key claims.AccountKey, sealed []byte, now time.Time) error {
	const query = `
		INSERT INTO roles (id, tenant_id, account_id, console, public_key, sealed_seed, name, description, template, created_at, updated_at)
		VALUES (@id, @tenant, @account, @console, @key, @sealed, @name, @description, @template, @now, @now)`
	spec := console.spec()
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "tenant": account.TenantID, "account": account.ID, "console": console, "key": key, "sealed": sealed,
		"name": spec.Name, "description": spec.Description, "template": spec.Template, "now": now,
	})
	if err != nil {
		return fmt.Errorf("insert a console role: %w", err)
	}
	return nil
}

// upsertConsoleUser is the user that stands for a person in the account: a name
// with an @ is no other user's.
func upsertConsoleUser(ctx context.Context, tx pgx.Tx, account Account, id UserID, email string, role RoleID, now time.Time) (UserID, error) {
	const query = `
		INSERT INTO users (id, tenant_id, account_id, role_id, name, console, created_at, updated_at)
		VALUES (@id, @tenant, @account, @role, @name, true, @now, @now)
		ON CONFLICT (account_id, name) WHERE deleted_at IS NULL DO UPDATE
		SET role_id = EXCLUDED.role_id,
			updated_at = EXCLUDED.updated_at
		RETURNING id`
	id, err := value[UserID](ctx, tx, query, pgx.StrictNamedArgs{
		"id": id, "tenant": account.TenantID, "account": account.ID, "role": role, "name": email, "now": now,
	})
	if err != nil {
		return "", fmt.Errorf("insert a console user: %w", err)
	}
	return id, nil
}

type consoleCredential struct {
	ID      CredentialID
	User    UserID
	Role    RoleID
	Key     claims.UserKey
	Issued  time.Time
	Expires time.Time // when the last connection does that it opened
}

func insertConsole(ctx context.Context, tx pgx.Tx, account Account, session WebSession, console ConsoleRole, c consoleCredential) error {
	const credential = `
		INSERT INTO credentials (id, tenant_id, account_id, user_id, role_id, name, public_key, issued_by, issued_at, expires_at, created_at, updated_at)
		VALUES (@id, @tenant, @account, @user, @role, 'console', @key, @person, @now, @expires, @now, @now)`
	_, err := exec(ctx, tx, credential, pgx.StrictNamedArgs{
		"id": c.ID, "tenant": account.TenantID, "account": account.ID, "user": c.User, "role": c.Role, "key": c.Key,
		"person": session.Person, "now": c.Issued, "expires": c.Expires,
	})
	if err != nil {
		return fmt.Errorf("insert a console credential: %w", err)
	}
	const row = `
		INSERT INTO console_sessions (credential_id, tenant_id, account_id, person_id, console, session_hash)
		VALUES (@id, @tenant, @account, @person, @console, @session)`
	_, err = exec(ctx, tx, row, pgx.StrictNamedArgs{
		"id": c.ID, "tenant": account.TenantID, "account": account.ID, "person": session.Person, "console": console, "session": session.Hash,
	})
	if err != nil {
		return fmt.Errorf("insert a console session: %w", postgres.Fault(err, consoleFaults))
	}
	return nil
}

// renewConsole keeps that another JWT was signed for the credential.
func renewConsole(ctx context.Context, tx pgx.Tx, account Account, id CredentialID, issued, expires time.Time) error {
	const query = `
		UPDATE credentials
		SET issued_at = greatest(issued_at, @issued),
			expires_at = greatest(expires_at, @expires),
			renewals = renewals + 1,
			renewed_at = @issued,
			updated_at = @issued
		WHERE id = @id
		AND tenant_id = @tenant`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"id": id, "tenant": account.TenantID, "issued": issued, "expires": expires})
	return err
}

// revokeConsoles revokes the credentials and forgets that they are in use.
func revokeConsoles(ctx context.Context, tx pgx.Tx, account Account, consoles []consoleSession, reason string, now time.Time) error {
	ids := column(consoles, func(c consoleSession) CredentialID { return c.CredentialID })
	const revoke = `
		UPDATE credentials
		SET revoked_at = greatest(@now, issued_at),
			revoke_reason = @reason,
			updated_at = @now
		WHERE id = ANY(@ids)
		AND tenant_id = @tenant
		AND revoked_at IS NULL`
	if _, err := exec(ctx, tx, revoke, pgx.StrictNamedArgs{"ids": ids, "tenant": account.TenantID, "reason": reason, "now": now}); err != nil {
		return err
	}
	const forget = `
		DELETE FROM console_sessions
		WHERE credential_id = ANY(@ids)
		AND tenant_id = @tenant`
	_, err := exec(ctx, tx, forget, pgx.StrictNamedArgs{"ids": ids, "tenant": account.TenantID})
	return err
}
