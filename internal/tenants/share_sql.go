package tenants

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/lease"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

// leaseBroker is what is known of a broker that asks for places.
type leaseBroker struct {
	Incarnation int64
	Sequence    int64
}

// lockLeaseBroker reads a broker's row, made if need be: no other ask of the
// broker's is answered until tx ends.
func lockLeaseBroker(ctx context.Context, tx pgx.Tx, operator OperatorID, key claims.UserKey) (leaseBroker, error) {
	const lock = `
		SELECT incarnation, sequence
		FROM lease_brokers
		JOIN brokers ON brokers.public_key = lease_brokers.broker_key
		WHERE broker_key = @broker
		AND operator_id = @operator
		FOR UPDATE OF lease_brokers`
	const insert = `
		INSERT INTO lease_brokers (broker_key, incarnation, sequence, heard_at, steady_since, peers)
		SELECT public_key, 0, 0, clock_timestamp(), clock_timestamp(), '{}'
		FROM brokers
		WHERE public_key = @broker
		AND operator_id = @operator
		ON CONFLICT DO NOTHING`
	args := pgx.StrictNamedArgs{"broker": key, "operator": operator}
	b, err := one[leaseBroker](ctx, tx, lock, args)
	if !errors.Is(err, pgx.ErrNoRows) {
		return b, err
	}
	if _, err := exec(ctx, tx, insert, args); err != nil {
		return leaseBroker{}, err
	}
	b, err = one[leaseBroker](ctx, tx, lock, args)
	return b, found(err, "broker", string(key))
}

// heardBroker is when one was heard, and where it is.
type heardBroker struct {
	lease.Heard
	Cluster string
}

// leaseBrokers are all of the operator's that have been heard, and the time.
func leaseBrokers(ctx context.Context, tx pgx.Tx, operator OperatorID) ([]heardBroker, time.Time, error) {
	type row struct {
		BrokerKey   string
		HeardAt     time.Time
		SteadySince time.Time
		Peers       []string
		Cluster     string
		Now         time.Time
	}
	const query = `
		SELECT broker_key, heard_at, steady_since, peers, cluster, clock_timestamp() AS now
		FROM lease_brokers
		JOIN brokers ON brokers.public_key = lease_brokers.broker_key
		WHERE operator_id = @operator`
	rows, err := all[row](ctx, tx, query, pgx.StrictNamedArgs{"operator": operator})
	var list []heardBroker
	var now time.Time
	for _, r := range rows {
		now = r.Now
		list = append(list, heardBroker{Heard: lease.Heard{Broker: r.BrokerKey, At: r.HeardAt, SteadySince: r.SteadySince, Peers: r.Peers}, Cluster: r.Cluster})
	}
	return list, now, err
}

func updateLeaseBroker(ctx context.Context, tx pgx.Tx, q lease.Ask, h lease.Heard) error {
	const query = `
		UPDATE lease_brokers
		SET incarnation = @incarnation,
			sequence = @sequence,
			heard_at = @heard_at,
			steady_since = @steady_since,
			peers = COALESCE(@peers::text[], '{}')
		WHERE broker_key = @broker`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"broker": q.Broker, "incarnation": q.Incarnation, "sequence": q.Sequence,
		"heard_at": h.At, "steady_since": h.SteadySince, "peers": h.Peers})
	return err
}

// deleteShares frees all that a broker holds.
func deleteShares(ctx context.Context, tx pgx.Tx, broker string) error {
	const query = `
		DELETE FROM connection_shares
		WHERE broker_key = @broker`
	_, err := exec(ctx, tx, query, pgx.StrictNamedArgs{"broker": broker})
	return err
}

// signedAccount is an account as brokers know it.
type signedAccount struct {
	ID        AccountID
	TenantID  TenantID
	PublicKey claims.AccountKey
	JWT       string
}

// accountsByKey knows deleted ones too: brokers are to give back what they hold of those.
func accountsByKey(ctx context.Context, q querier, operator OperatorID, keys []string) ([]signedAccount, error) {
	const query = `
		SELECT id, tenant_id, public_key, jwt
		FROM accounts
		WHERE operator_id = @operator
		AND public_key = ANY(@keys)`
	return all[signedAccount](ctx, q, query, pgx.StrictNamedArgs{"operator": operator, "keys": keys})
}

// ledger is the part of the ledger that an ask is about, locked.
type ledger struct {
	keys    []lease.Key // in the order in which they are locked
	buckets map[lease.Key]*lease.Bucket
	read    map[lease.Key][]lease.Share // as they were
}

// lockLedger reads the buckets that are wanted, of accounts that there are.
func lockLedger(ctx context.Context, tx pgx.Tx, accounts map[string]accountCounts, wants []lease.Want) (*ledger, time.Time, error) {
	l := &ledger{buckets: map[lease.Key]*lease.Bucket{}, read: map[lease.Key][]lease.Share{}}
	for _, w := range wants {
		if _, ok := accounts[w.Account]; ok && l.buckets[w.Key] == nil {
			l.keys = append(l.keys, w.Key)
			l.buckets[w.Key] = &lease.Bucket{}
		}
	}
	if len(l.keys) == 0 {
		return l, time.Time{}, nil
	}
	type bucketRow struct {
		PublicKey  string
		Bucket     string
		Limit      int64
		Recall     int64
		RecalledAt time.Time
		Fruitless  int64
		Now        time.Time
	}
	const lock = `
		WITH locked AS (
			INSERT INTO connection_buckets (tenant_id, account_id, bucket, "limit", recall, recalled_at, fruitless)
			SELECT tenant_id, account_id, bucket, 0, 0, 'epoch', 0
			FROM unnest(@tenants::text[], @accounts::text[], @buckets::text[]) AS wanted (tenant_id, account_id, bucket)
			ORDER BY account_id, bucket
			ON CONFLICT (account_id, bucket) DO UPDATE
			SET bucket = EXCLUDED.bucket
			RETURNING account_id, bucket, "limit", recall, recalled_at, fruitless
		)
		SELECT public_key, bucket, "limit", recall, recalled_at, fruitless, clock_timestamp() AS now
		FROM locked
		JOIN accounts ON accounts.id = locked.account_id`
	rows, err := all[bucketRow](ctx, tx, lock, l.args(accounts, "tenants", "accounts", "buckets"))
	if err != nil {
		return nil, time.Time{}, err
	}
	var now time.Time
	for _, r := range rows {
		now = r.Now
		*l.buckets[lease.Key{Account: r.PublicKey, Name: r.Bucket}] = lease.Bucket{Limit: r.Limit, Recall: r.Recall, RecalledAt: r.RecalledAt, Fruitless: r.Fruitless}
	}
	return l, now, l.readShares(ctx, tx, accounts)
}

func (l *ledger) readShares(ctx context.Context, tx pgx.Tx, accounts map[string]accountCounts) error {
	type shareRow struct {
		PublicKey string
		Bucket    string
		BrokerKey string
		Granted   int64
		Target    int64
		Seen      int64
	}
	const query = `
		SELECT public_key, connection_shares.bucket, broker_key, granted, target, seen
		FROM unnest(@accounts::text[], @buckets::text[]) AS wanted (account_id, bucket)
		JOIN connection_shares ON connection_shares.account_id = wanted.account_id
			AND connection_shares.bucket = wanted.bucket
		JOIN accounts ON accounts.id = connection_shares.account_id`
	rows, err := all[shareRow](ctx, tx, query, l.args(accounts, "accounts", "buckets"))
	for _, r := range rows {
		k := lease.Key{Account: r.PublicKey, Name: r.Bucket}
		l.read[k] = append(l.read[k], lease.Share{Broker: r.BrokerKey, Granted: r.Granted, Target: r.Target, Seen: r.Seen})
	}
	for k, shares := range l.read {
		l.buckets[k].Shares = slices.Clone(shares)
	}
	return err
}

// args are the columns of the buckets' keys.
func (l *ledger) args(accounts map[string]accountCounts, names ...string) pgx.StrictNamedArgs {
	return pick(map[string]any{
		"tenants":  column(l.keys, func(k lease.Key) TenantID { return accounts[k.Account].TenantID }),
		"accounts": column(l.keys, func(k lease.Key) AccountID { return accounts[k.Account].ID }),
		"buckets":  column(l.keys, func(k lease.Key) string { return k.Name }),
	}, names)
}

// store writes the buckets back, in one round trip. One of which nobody holds
// anything is forgotten.
//
// A share is made in the name of its own broker only. A broker that starts again frees what it
// held without the buckets' locks, so what was read of others may be gone by now and must not come back.
func (l *ledger) store(ctx context.Context, tx pgx.Tx, accounts map[string]accountCounts, asker string, lost []string) error {
	if len(l.keys) == 0 {
		return nil
	}
	const clear = `
		DELETE FROM connection_shares
		USING unnest(@accounts::text[], @buckets::text[]) AS wanted (account_id, bucket)
		WHERE connection_shares.account_id = wanted.account_id
		AND connection_shares.bucket = wanted.bucket
		AND broker_key = ANY(@brokers)`
	const insert = `
		INSERT INTO connection_shares (account_id, bucket, broker_key, granted, target, seen)
		SELECT account_id, bucket, broker_key, granted, target, seen
		FROM unnest(@accounts::text[], @buckets::text[], @brokers::text[], @granted::bigint[], @targets::bigint[], @seen::bigint[])
			AS now (account_id, bucket, broker_key, granted, target, seen)`
	const retarget = `
		UPDATE connection_shares
		SET target = now.target
		FROM unnest(@accounts::text[], @buckets::text[], @brokers::text[], @targets::bigint[]) AS now (account_id, bucket, broker_key, target)
		WHERE connection_shares.account_id = now.account_id
		AND connection_shares.bucket = now.bucket
		AND connection_shares.broker_key = now.broker_key`
	const update = `
		UPDATE connection_buckets
		SET "limit" = now."limit",
			recall = now.recall,
			recalled_at = now.recalled_at,
			fruitless = now.fruitless
		FROM unnest(@accounts::text[], @buckets::text[], @limits::bigint[], @recalls::bigint[], @recalled::timestamptz[], @fruitless::bigint[])
			AS now (account_id, bucket, "limit", recall, recalled_at, fruitless)
		WHERE connection_buckets.account_id = now.account_id
		AND connection_buckets.bucket = now.bucket`
	const forget = `
		DELETE FROM connection_buckets
		USING unnest(@accounts::text[], @buckets::text[]) AS wanted (account_id, bucket)
		WHERE connection_buckets.account_id = wanted.account_id
		AND connection_buckets.bucket = wanted.bucket
		AND NOT EXISTS (
			SELECT 1
			FROM connection_shares
			WHERE connection_shares.account_id = wanted.account_id
			AND connection_shares.bucket = wanted.bucket
		)`
	rewritten := l.args(accounts, "accounts", "buckets")
	rewritten["brokers"] = append([]string{asker}, lost...)
	own := l.shares(func(s heldShare) bool { return s.Broker == asker && s.Granted > 0 })
	others := l.shares(func(s heldShare) bool { return s.Broker != asker && !slices.Contains(l.read[s.Key], s.Share) })
	changed := l.args(accounts, "accounts", "buckets")
	changed["limits"] = column(l.keys, func(k lease.Key) int64 { return l.buckets[k].Limit })
	changed["recalls"] = column(l.keys, func(k lease.Key) int64 { return l.buckets[k].Recall })
	changed["recalled"] = column(l.keys, func(k lease.Key) time.Time { return l.buckets[k].RecalledAt })
	changed["fruitless"] = column(l.keys, func(k lease.Key) int64 { return l.buckets[k].Fruitless })
	batch := &pgx.Batch{}
	batch.Queue(clear, rewritten)
	batch.Queue(insert, shareArgs(accounts, own, "accounts", "buckets", "brokers", "granted", "targets", "seen"))
	if len(others) > 0 { // the limit is another
		batch.Queue(retarget, shareArgs(accounts, others, "accounts", "buckets", "brokers", "targets"))
	}
	batch.Queue(update, changed)
	batch.Queue(forget, l.args(accounts, "accounts", "buckets"))
	return postgres.Fault(tx.SendBatch(ctx, batch).Close(), nil)
}

// heldShare is one with the bucket that it is of.
type heldShare struct {
	lease.Key
	lease.Share
}

func (l *ledger) shares(which func(heldShare) bool) (list []heldShare) {
	for _, k := range l.keys {
		for _, s := range l.buckets[k].Shares {
			if s := (heldShare{k, s}); which(s) {
				list = append(list, s)
			}
		}
	}
	return list
}

func shareArgs(accounts map[string]accountCounts, rows []heldShare, names ...string) pgx.StrictNamedArgs {
	return pick(map[string]any{
		"accounts": column(rows, func(r heldShare) AccountID { return accounts[r.Account].ID }),
		"buckets":  column(rows, func(r heldShare) string { return r.Name }),
		"brokers":  column(rows, func(r heldShare) string { return r.Broker }),
		"granted":  column(rows, func(r heldShare) int64 { return r.Granted }),
		"targets":  column(rows, func(r heldShare) int64 { return r.Target }),
		"seen":     column(rows, func(r heldShare) int64 { return r.Seen }),
	}, names)
}

func pick(columns map[string]any, names []string) pgx.StrictNamedArgs {
	args := pgx.StrictNamedArgs{}
	for _, name := range names {
		args[name] = columns[name]
	}
	return args
}
