package tenants

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

const serverColumns = `id, operator_id, name, urls, ledger, version, created_at, updated_at`

var serverFaults = map[string]*fault.Error{
	"servers_name_key": {Kind: fault.Conflict, Pointer: "/name", Message: "another server of this operator has this name"},
}

func insertServer(ctx context.Context, tx pgx.Tx, operator OperatorID, id ServerID, spec ServerSpec, now time.Time) (Server, error) {
	const query = `
		INSERT INTO servers (id, operator_id, name, urls, created_at, updated_at)
		VALUES (@id, @operator, @name, @urls, @now, @now)
		RETURNING ` + serverColumns
	server, err := one[Server](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "operator": operator, "name": spec.Name, "urls": spec.URLs, "now": now})
	if err != nil {
		return Server{}, fmt.Errorf("insert a server: %w", postgres.Fault(err, serverFaults))
	}
	return server, nil
}

const selectServer = `
	SELECT ` + serverColumns + `
	FROM servers
	WHERE id = @id`

func serverByID(ctx context.Context, q querier, id ServerID) (Server, error) {
	server, err := one[Server](ctx, q, selectServer, pgx.StrictNamedArgs{"id": id})
	return server, found(err, "server", string(id))
}

func lockServer(ctx context.Context, tx pgx.Tx, id ServerID) (Server, error) {
	const query = selectServer + `
		FOR NO KEY UPDATE`
	server, err := one[Server](ctx, tx, query, pgx.StrictNamedArgs{"id": id})
	return server, found(err, "server", string(id))
}

func serversByOperator(ctx context.Context, q querier, operator OperatorID, k Keyset) ([]Server, error) {
	args := pgx.StrictNamedArgs{"operator": operator}
	query := `
		SELECT ` + serverColumns + `
		FROM servers
		WHERE operator_id = @operator` + k.SQL("id", "name", args)
	return all[Server](ctx, q, query, args)
}

func allServers(ctx context.Context, q querier) ([]Server, error) {
	const query = `
		SELECT ` + serverColumns + `
		FROM servers
		ORDER BY id`
	return all[Server](ctx, q, query, pgx.StrictNamedArgs{})
}

func updateServer(ctx context.Context, tx pgx.Tx, id ServerID, spec ServerSpec, ledger []LedgerEntry, now time.Time) (Server, error) {
	const query = `
		UPDATE servers
		SET name = @name,
			urls = @urls,
			ledger = @ledger,
			version = version + 1,
			updated_at = @now
		WHERE id = @id
		RETURNING ` + serverColumns
	server, err := one[Server](ctx, tx, query, pgx.StrictNamedArgs{"id": id, "name": spec.Name, "urls": spec.URLs, "ledger": ledger, "now": now})
	if err != nil {
		return Server{}, fmt.Errorf("update a server: %w", postgres.Fault(err, serverFaults))
	}
	return server, nil
}

// setLedger keeps what was found at the server's URLs, unless it has others by
// now, or is gone: then it says false.
func setLedger(ctx context.Context, tx pgx.Tx, id ServerID, urls []string, ledger []LedgerEntry) (bool, error) {
	const query = `
		UPDATE servers
		SET ledger = @ledger
		WHERE id = @id
		AND urls = @urls`
	updated, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"id": id, "urls": urls, "ledger": ledger})
	return updated > 0, err
}

func deleteServer(ctx context.Context, tx pgx.Tx, id ServerID) error {
	_, err := exec(ctx, tx, `
		DELETE FROM servers
		WHERE id = @id`, pgx.StrictNamedArgs{"id": id})
	return err
}
