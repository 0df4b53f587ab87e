package auth

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// querier is what a pool and a transaction have in common.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

var personConstraints = map[string]*fault.Error{
	"people_email_key": {Kind: fault.Conflict, Pointer: "/email", Message: "somebody has signed up with this e-mail; log in instead"},
}

func insertPerson(ctx context.Context, tx pgx.Tx, p Person, passwordHash string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO people (id, email, password_hash, created_at, updated_at)
		VALUES (@id, @email, @password_hash, @now, @now)`,
		pgx.StrictNamedArgs{"id": p.ID, "email": p.Email, "password_hash": passwordHash, "now": p.CreatedAt})
	return postgres.Fault(err, personConstraints)
}

func passwordByEmail(ctx context.Context, q querier, email string) (id tenants.PersonID, hash string, err error) {
	rows, err := q.Query(ctx, `
		SELECT id, password_hash
		FROM people
		WHERE lower(email) = @email`,
		pgx.StrictNamedArgs{"email": email})
	if err != nil {
		return "", "", err
	}
	type row struct {
		ID           tenants.PersonID
		PasswordHash string
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[row])
	return r.ID, r.PasswordHash, err
}

func setStaff(ctx context.Context, q querier, email string, now time.Time) (bool, error) {
	tag, err := q.Exec(ctx, `
		UPDATE people
		SET is_staff = true, updated_at = @now
		WHERE lower(email) = @email`,
		pgx.StrictNamedArgs{"email": email, "now": now})
	return tag.RowsAffected() == 1, err
}

func insertSession(ctx context.Context, tx pgx.Tx, person tenants.PersonID, now time.Time) (string, error) {
	token, hash := newSecret("")
	_, err := tx.Exec(ctx, `
		INSERT INTO sessions (token_hash, person_id, created_at, expires_at)
		VALUES (@hash, @person, @now, @expires)`,
		pgx.StrictNamedArgs{"hash": hash, "person": person, "now": now, "expires": now.Add(SessionLife)})
	return token, err
}

// lockSession waits for who has it locked already: what is made for a session and
// the session's end do not pass each other by.
func lockSession(ctx context.Context, tx pgx.Tx, hash []byte, now time.Time) (tenants.WebSession, error) {
	rows, err := tx.Query(ctx, `
		SELECT s.token_hash AS hash, p.id AS person, p.email, s.expires_at AS ends
		FROM sessions s
		JOIN people p ON p.id = s.person_id
		WHERE s.token_hash = @hash
		AND s.expires_at > @now
		FOR UPDATE OF s`,
		pgx.StrictNamedArgs{"hash": hash, "now": now})
	if err != nil {
		return tenants.WebSession{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[tenants.WebSession])
}

func deleteSession(ctx context.Context, q querier, hash []byte) error {
	_, err := q.Exec(ctx, `
		DELETE FROM sessions
		WHERE token_hash = @hash`,
		pgx.StrictNamedArgs{"hash": hash})
	return err
}

func deleteExpiredSessions(ctx context.Context, tx pgx.Tx, person tenants.PersonID, now time.Time) error {
	_, err := tx.Exec(ctx, `
		DELETE FROM sessions
		WHERE person_id = @person
		AND expires_at <= @now`,
		pgx.StrictNamedArgs{"person": person, "now": now})
	return err
}

// meSelect answers a row per membership, and one row with nulls for a person without any.
const meSelect = `
	SELECT p.id, p.email, p.is_staff, p.created_at, m.tenant_id, t.name AS tenant_name, m.role
	FROM people p
	LEFT JOIN members m ON m.person_id = p.id
	LEFT JOIN tenants t ON t.id = m.tenant_id`

func meByPerson(ctx context.Context, q querier, id tenants.PersonID) (Me, error) {
	return queryMe(ctx, q, meSelect+`
		WHERE p.id = @id
		ORDER BY m.tenant_id`,
		pgx.StrictNamedArgs{"id": id})
}

func meBySession(ctx context.Context, q querier, hash []byte, now time.Time) (Me, error) {
	return queryMe(ctx, q, meSelect+`
		JOIN sessions s ON s.person_id = p.id
		WHERE s.token_hash = @hash
		AND s.expires_at > @now
		ORDER BY m.tenant_id`,
		pgx.StrictNamedArgs{"hash": hash, "now": now})
}

// queryMe folds meSelect's rows into one Me; none is pgx.ErrNoRows.
func queryMe(ctx context.Context, q querier, sql string, args pgx.StrictNamedArgs) (Me, error) {
	rows, err := q.Query(ctx, sql, args)
	if err != nil {
		return Me{}, err
	}
	type row struct {
		Person
		TenantID   *tenants.TenantID
		TenantName *string
		Role       *tenants.MemberRole
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return Me{}, err
	}
	if len(all) == 0 {
		return Me{}, pgx.ErrNoRows
	}
	me := Me{Person: all[0].Person}
	for _, r := range all {
		if r.TenantID != nil {
			me.Memberships = append(me.Memberships, Membership{*r.TenantID, *r.TenantName, *r.Role})
		}
	}
	return me, nil
}
