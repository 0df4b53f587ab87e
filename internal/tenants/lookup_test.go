package tenants

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// TestWhatComesAllTheTimeReadsLittle has thousands of accounts and credentials that were
// made a moment ago, as when a platform moves in: Postgres knows nothing of
// them yet, and would rather read all of them for each line of a report.
func TestWhatComesAllTheTimeReadsLittle(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec("ALTER TABLE accounts SET (autovacuum_enabled = off)")
	w.exec("ALTER TABLE credentials SET (autovacuum_enabled = off)")
	w.issuer(w.role("r"))
	w.fill(w.user("u"))
	broker, now := w.broker("b1").PublicKey, time.Now()
	var seen []SightingReport
	var refused []RefusalReport
	var erased []DiskFind
	for n := range 250 {
		account, user := claims.AccountKey(fmt.Sprint("A", 1+n)), claims.UserKey(fmt.Sprint("U", 1+n))
		seen = append(seen, SightingReport{AccountKey: w.account.PublicKey, UserKey: user}, SightingReport{AccountKey: account, UserKey: user})
		refused = append(refused, RefusalReport{AccountKey: account, UserKey: string(user), Count: 1})
		erased = append(erased, DiskFind{Account: account, Gone: true})
	}
	for name, c := range map[string]struct {
		most int64 // rows of both tables, those that foreign keys look at included
		do   func(tx pgx.Tx) error
	}{
		"sightings": {most: 4 * 500, do: func(tx pgx.Tx) error { return upsertSightings(t.Context(), tx, w.operator.ID, broker, seen, now) }},
		"refusals": {most: 4 * 250, do: func(tx pgx.Tx) error {
			return second(upsertRefusals(t.Context(), tx, w.operator.ID, broker, refused, now))
		}},
		"erasures": {most: 4 * 250, do: func(tx pgx.Tx) error {
			return second(upsertErasures(t.Context(), tx, w.operator.ID, DiskReport{Broker: broker, Found: erased}, now))
		}},
		"due keys of issuers": {most: 2, do: func(tx pgx.Tx) error {
			return second(dueOIDCIssuer(t.Context(), tx, "", nil, now.Add(time.Hour), now))
		}},
		"stale consoles":        {do: func(tx pgx.Tx) error { return second(accountsWithStaleConsoles(t.Context(), tx, now)) }},
		"accounts to purge":     {do: func(tx pgx.Tx) error { return second(accountsToPurge(t.Context(), tx, dueAtOnce)) }},
		"credentials to expire": {do: func(tx pgx.Tx) error { return second(insertExpiryEvents(t.Context(), tx, now, eventsAtOnce)) }},
	} {
		for _, plan := range []string{"force_custom_plan", "force_generic_plan"} { // the latter is how a statement that was prepared long ago runs
			err := postgres.InTx(t.Context(), w.pool, func(tx pgx.Tx) error {
				must(tx.Exec(t.Context(), "SET LOCAL plan_cache_mode = "+plan))(t)
				before := rowsRead(t, tx)
				if err := c.do(tx); err != nil {
					return err
				}
				read := rowsRead(t, tx) - before
				t.Logf("%s, %s: %d rows", name, plan, read)
				if read > c.most {
					t.Errorf("%s, %s: %d rows of accounts and credentials are read, at most %d will do", name, plan, read, c.most)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// rowsRead is how many rows of accounts and credentials the connection has read.
func rowsRead(t *testing.T, tx pgx.Tx) int64 {
	return must(value[int64](t.Context(), tx, `
		SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint
		FROM pg_stat_xact_user_tables
		WHERE relname IN ('accounts', 'credentials')`, pgx.StrictNamedArgs{}))(t)
}
