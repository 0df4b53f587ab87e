package tenants

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
)

func insertBatch(ctx context.Context, tx pgx.Tx, account Account, id BatchID, now time.Time) error {
	const query = `
		INSERT INTO credential_batches (id, tenant_id, account_id, created_at)
		VALUES (@id, @tenant, @account, @now)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"id": id, "tenant": account.TenantID, "account": account.ID, "now": now})
	if err != nil {
		return fmt.Errorf("insert a batch: %w", err)
	}
	return nil
}

// nextAttempt begins another attempt at the batch, and answers its number.
func nextAttempt(ctx context.Context, tx pgx.Tx, account Account, id BatchID) (int64, error) {
	const query = `
		UPDATE credential_batches
		SET attempt = attempt + 1
		WHERE id = @id
		AND tenant_id = @tenant
		AND account_id = @account
		RETURNING attempt`
	attempt, err := value[int64](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "tenant": account.TenantID, "account": account.ID})
	return attempt, found(err, "batch", string(id))
}

// holdAttempt refuses an attempt after which another has begun, and keeps others
// from beginning until tx ends.
func holdAttempt(ctx context.Context, tx pgx.Tx, account Account, id BatchID, attempt int64) error {
	const query = `
		SELECT attempt
		FROM credential_batches
		WHERE id = @id
		AND tenant_id = @tenant
		FOR UPDATE`
	latest, err := value[int64](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "tenant": account.TenantID})
	if err == nil && latest != attempt {
		err = fault.New(fault.Conflict, "the batch %s was resumed by another request", id)
	}
	return err
}

// countIssued is for how many of the batch's first entries credentials were ever issued.
func countIssued(ctx context.Context, tx pgx.Tx, account Account, id BatchID, first int64) (int64, error) {
	const query = `
		SELECT count(DISTINCT batch_index)
		FROM credentials
		WHERE tenant_id = @tenant
		AND batch_id = @id
		AND batch_index < @first`
	return value[int64](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "id": id, "first": first})
}

// revokeUndelivered revokes what the batch has issued for these entries, and answers the ids.
func revokeUndelivered(ctx context.Context, tx pgx.Tx, account Account, id BatchID, indexes []int64, now time.Time) ([]string, error) {
	const query = `
		UPDATE credentials
		SET revoked_at = greatest(@now, issued_at),
			revoke_reason = 'its batch was resumed before it',
			updated_at = @now
		WHERE tenant_id = @tenant
		AND batch_id = @id
		AND batch_index = ANY(@indexes)
		AND revoked_at IS NULL
		RETURNING id`
	rows, _ := tx.Query(ctx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "id": id, "indexes": indexes, "now": now})
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// batchUser is a user that a batch has an entry for.
type batchUser struct {
	ID UserID
	signable
	OfBatch bool // the batch has issued it a credential before
}

// usersOfBatch are those users of the entries that exist, by name.
func usersOfBatch(ctx context.Context, q querier, account Account, id BatchID, entries []BatchEntry) (map[string]batchUser, error) {
	const query = `
		SELECT users.id, ` + signableColumns + `, EXISTS (
				SELECT
				FROM credentials
				WHERE credentials.user_id = users.id
				AND credentials.batch_id = @id
			) AS of_batch
		FROM users` + joinSignable + `
		WHERE users.tenant_id = @tenant
		AND users.account_id = @account
		AND users.name = ANY(@names)
		AND users.deleted_at IS NULL`
	users, err := all[batchUser](ctx, q, query, pgx.StrictNamedArgs{
		"id": id, "tenant": account.TenantID, "account": account.ID, "names": column(entries, func(e BatchEntry) string { return e.User }),
	})
	if err != nil {
		return nil, fmt.Errorf("read the users of a batch: %w", err)
	}
	byName := make(map[string]batchUser, len(users))
	for _, u := range users {
		byName[u.Name] = u
	}
	return byName, nil
}

// roleToSign is what it takes to sign for a user that is yet to be made in the role.
func roleToSign(ctx context.Context, tx pgx.Tx, account Account, role RoleID) (signable, error) {
	const query = `
		SELECT ` + signableColumns + `
		FROM (SELECT @tenant::text AS tenant_id, @account::text AS account_id, @role::text AS role_id, '{}'::text[] AS tags, '{}'::text[] AS connection_types, '' AS name, '' AS id) AS users` + joinSignable
	u, err := one[signable](ctx, tx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "role": role})
	return u, found(err, "role", string(role))
}

// keysInUse are those of the keys that the account has seen, but in the batch itself.
func keysInUse(ctx context.Context, tx pgx.Tx, account Account, id BatchID, keys []claims.UserKey) (map[claims.UserKey]bool, error) {
	const query = `
		SELECT public_key
		FROM credentials
		WHERE tenant_id = @tenant
		AND account_id = @account
		AND public_key = ANY(@keys)
		AND (batch_id IS DISTINCT FROM @id OR revoked_at IS NOT NULL)`
	rows, _ := tx.Query(ctx, query, pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "id": id, "keys": keys})
	list, err := pgx.CollectRows(rows, pgx.RowTo[claims.UserKey])
	used := make(map[claims.UserKey]bool, len(list))
	for _, key := range list {
		used[key] = true
	}
	return used, err
}

// holdRole refuses a role that is no more. Whoever deletes one has the account's
// lock, which the caller holds.
func holdRole(ctx context.Context, tx pgx.Tx, account Account, role RoleID) error {
	_, err := roleIDInAccount(ctx, tx, account, role)
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.Conflict, "the role was deleted meanwhile")
	}
	return err
}

// shareUsers keeps these credentials' users from being deleted until tx ends. It
// refuses if one is gone, or is not what was signed any more. No tag has a space.
func shareUsers(ctx context.Context, tx pgx.Tx, account Account, of []BatchIssued) error {
	if len(of) == 0 {
		return nil
	}
	const query = `
		SELECT count(*)
		FROM (
			SELECT
			FROM unnest(@ids::text[], @roles::text[], @tags::text[]) AS signed (id, role_id, tags)
			JOIN users ON users.id = signed.id
			WHERE users.tenant_id = @tenant
			AND users.account_id = @account
			AND users.role_id = signed.role_id
			AND array_to_string(users.tags, ' ') = signed.tags
			AND users.deleted_at IS NULL
			FOR SHARE OF users
		) AS shared`
	n, err := value[int](ctx, tx, query, pgx.StrictNamedArgs{
		"tenant": account.TenantID, "account": account.ID, "ids": column(of, func(c BatchIssued) UserID { return c.UserID }),
		"roles": column(of, func(c BatchIssued) RoleID { return c.RoleID }),
		"tags":  column(of, func(c BatchIssued) string { return strings.Join(c.Tags, " ") }),
	})
	if err == nil && n != len(of) {
		err = fault.New(fault.Conflict, "some of the users were deleted, moved or tagged meanwhile")
	}
	return err
}

func insertBatchUsers(ctx context.Context, tx pgx.Tx, account Account, like signable, of []BatchIssued, now time.Time) error {
	const query = `
		INSERT INTO users (id, tenant_id, account_id, role_id, name, tags, created_at, updated_at)
		SELECT made.id, @tenant, @account, @role, made.name, @tags, @now, @now
		FROM unnest(@ids::text[], @names::text[]) AS made (id, name)`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{
		"tenant": account.TenantID, "account": account.ID, "role": like.RoleID, "tags": like.Tags, "now": now,
		"ids":   column(of, func(c BatchIssued) UserID { return c.UserID }),
		"names": column(of, func(c BatchIssued) string { return c.UserName }),
	})
	if err != nil {
		return fmt.Errorf("insert the users of a batch: %w", postgres.Fault(err, userFaults))
	}
	return nil
}

// insertBatchCredentials inserts them, and answers each one's id by its entry. An
// entry that has one already, for a key whose seed the caller keeps, keeps that:
// only its JWT is a new one.
func insertBatchCredentials(ctx context.Context, tx pgx.Tx, account Account, id BatchID, actor Actor, issued []BatchIssued, now time.Time) (map[int64]CredentialID, error) {
	query := `
		INSERT INTO credentials (id, tenant_id, account_id, user_id, role_id, tags, name, public_key, issued_by, issued_at, expires_at, expiring_at, event_at,
			batch_id, batch_index, created_at, updated_at)
		SELECT issued.id, @tenant, @account, users.id, users.role_id, users.tags, issued.name, issued.key, @actor, issued.at, issued.expires, issued.expiring, issued.expiring,
			@batch, issued.index, @now, @now
		FROM unnest(@ids::text[], @users::text[], @names::text[], @keys::text[], @ats::timestamptz[], @expires::timestamptz[], @expirings::timestamptz[], @indexes::bigint[])
			AS issued (id, user_id, name, key, at, expires, expiring, index)
		JOIN users ON users.id = issued.user_id
		ON CONFLICT (batch_id, batch_index) WHERE batch_id IS NOT NULL AND revoked_at IS NULL DO UPDATE
		SET issued_at = greatest(credentials.issued_at, EXCLUDED.issued_at),
			renewals = credentials.renewals + (credentials.stale_since IS NOT NULL)::int,
			renewed_at = CASE WHEN credentials.stale_since IS NOT NULL THEN EXCLUDED.issued_at ELSE credentials.renewed_at END,
			expires_at = ` + laterOf("expires_at") + `,
			expiring_at = ` + laterOf("expiring_at") + `,
			event_at = ` + laterOf("event_at") + `,
			updated_at = EXCLUDED.updated_at
		RETURNING id, batch_index`
	args := pgx.StrictNamedArgs{"tenant": account.TenantID, "account": account.ID, "actor": actor.ID, "batch": id, "now": now}
	args["ids"] = column(issued, func(c BatchIssued) CredentialID { return c.ID })
	args["users"] = column(issued, func(c BatchIssued) UserID { return c.UserID })
	args["names"] = column(issued, func(c BatchIssued) string { return c.Name })
	args["keys"] = column(issued, func(c BatchIssued) claims.UserKey { return c.PublicKey })
	args["ats"] = column(issued, func(c BatchIssued) time.Time { return c.IssuedAt })
	args["expires"] = column(issued, func(c BatchIssued) *time.Time { return c.ExpiresAt })
	args["expirings"] = column(issued, func(c BatchIssued) *time.Time { return expiringFrom(c.IssuedAt, c.ExpiresAt) })
	args["indexes"] = column(issued, func(c BatchIssued) int64 { return c.Index })
	inserted, err := all[struct {
		ID         CredentialID
		BatchIndex int64
	}](ctx, tx, query, args)
	if err != nil {
		return nil, fmt.Errorf("insert the credentials of a batch: %w", postgres.Fault(err, credentialFaults))
	}
	ids := make(map[int64]CredentialID, len(inserted))
	for _, c := range inserted {
		ids[c.BatchIndex] = c.ID
	}
	return ids, nil
}

// laterOf is the later of a column and what would have been inserted there; null is never.
func laterOf(column string) string {
	return "nullif(greatest(coalesce(credentials." + column + ", 'infinity'), coalesce(EXCLUDED." + column + ", 'infinity')), 'infinity')"
}
