// Package feed keeps each operator's revision: the count of changes that its
// brokers must hear of. It owns the tables feeds, feed_changes and receipts.
//
// [Bump] counts a change inside the caller's transaction, and holds the
// operator's row in feeds until that ends. So revisions become visible in their
// order: a reader who sees revision n sees every one before it that was
// committed, and one that was rolled back is given out again. [Changes]
// therefore never skips a committed change and never shows an uncommitted one.
// The log is compacted, one row per account at its latest revision, which is
// why revisions in it have gaps; reading it costs what changed, not what was.
//
// [Relay] tells whoever publishes about changes as they are committed, at least
// once, in order, from one of any number of replicas. A [Receipt] is what a
// broker says it has in force.
//
// The package knows operators, accounts and brokers only by their id or key.
package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Revision is an operator's count of changes that brokers must hear of. An
// operator without any is at 0.
type Revision int64

// Change says that an account changed last at a revision.
type Change struct {
	AccountKey string
	Revision   Revision
}

// channel is what NOTIFY wakes relays on.
const channel = "signalbox_feed"

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Every query goes to a Querier of these kinds.
var (
	_ Querier = (*pgxpool.Pool)(nil)
	_ Querier = (*pgx.Conn)(nil)
	_ Querier = (pgx.Tx)(nil)
)

// Open gives an operator its feed, at revision 0, unless it has one.
func Open(ctx context.Context, tx pgx.Tx, operatorID string) error {
	const query = `
		INSERT INTO feeds (operator_id, revision)
		VALUES (@operator, 0)
		ON CONFLICT (operator_id) DO NOTHING`
	if _, err := tx.Exec(ctx, query, pgx.StrictNamedArgs{"operator": operatorID}); err != nil {
		return fmt.Errorf("open the feed of %s: %w", operatorID, err)
	}
	return nil
}

// Bump gives the operator its next revision and notes that the account changed
// at it; relays wake when tx commits. Every other Bump for the operator waits
// until tx ends, so it comes as late in tx as it can. An operator without a
// feed is an error.
func Bump(ctx context.Context, tx pgx.Tx, operatorID, accountKey string) (Revision, error) {
	const query = `
		WITH bumped AS (
			UPDATE feeds
			SET revision = revision + 1
			WHERE operator_id = @operator
			RETURNING revision
		), changed AS (
			INSERT INTO feed_changes (operator_id, account_key, revision)
			SELECT @operator, @account, revision
			FROM bumped
			ON CONFLICT (operator_id, account_key) DO UPDATE
			SET revision = EXCLUDED.revision
			RETURNING revision
		)
		SELECT revision
		FROM changed, pg_notify(@channel, '')`
	rows, err := tx.Query(ctx, query, pgx.StrictNamedArgs{"operator": operatorID, "account": accountKey, "channel": channel})
	if err == nil {
		var revision Revision
		if revision, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[Revision]); err == nil {
			return revision, nil
		}
	}
	return 0, fmt.Errorf("bump the revision of %s: %w", operatorID, err)
}

// maxAdvance bounds how far one [Advance] goes: it believes brokers.
const maxAdvance = 1 << 32

// Advance lets the operator's revision be at least past, in the caller's
// transaction, which goes on to [Bump]: brokers that know a later revision than
// the database, since that was restored from an older copy, take everything up
// to theirs for a repeat.
func Advance(ctx context.Context, tx pgx.Tx, operatorID string, past Revision) error {
	const query = `
		UPDATE feeds
		SET revision = GREATEST(revision, LEAST(@past, revision + @most))
		WHERE operator_id = @operator`
	if _, err := tx.Exec(ctx, query, pgx.StrictNamedArgs{"operator": operatorID, "past": past, "most": int64(maxAdvance)}); err != nil {
		return fmt.Errorf("advance the revision of %s: %w", operatorID, err)
	}
	return nil
}

// Head is the operator's latest committed revision; 0 if it has no feed.
func Head(ctx context.Context, q Querier, operatorID string) (Revision, error) {
	const query = `
		SELECT revision
		FROM feeds
		WHERE operator_id = @operator`
	rows, err := q.Query(ctx, query, pgx.StrictNamedArgs{"operator": operatorID})
	if err != nil {
		return 0, fmt.Errorf("read the head of %s: %w", operatorID, err)
	}
	head, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[Revision])
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("read the head of %s: %w", operatorID, err)
	}
	return head, nil
}

// Heads are the latest committed revisions of all operators, by their id.
func Heads(ctx context.Context, q Querier) (map[string]Revision, error) {
	const query = `
		SELECT operator_id, revision
		FROM feeds`
	rows, err := q.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read the heads: %w", err)
	}
	heads := map[string]Revision{}
	var operator string
	var revision Revision
	_, err = pgx.ForEachRow(rows, []any{&operator, &revision}, func() error {
		heads[operator] = revision
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the heads: %w", err)
	}
	return heads, nil
}

// Changes are the operator's accounts that changed after the revision since,
// in revision order, at most limit of them, and the head at the same moment.
// Fewer than limit means that these are all up to head. An account shows up
// once, at its latest revision: one that changes while a reader pages through
// moves ahead of it.
func Changes(ctx context.Context, q Querier, operatorID string, since Revision, limit int) (changes []Change, head Revision, err error) {
	// One statement sees one snapshot. The head comes on every row, and alone when nothing changed.
	const query = `
		SELECT feeds.revision, change.account_key, change.revision
		FROM feeds
		LEFT JOIN LATERAL (
			SELECT account_key, revision
			FROM feed_changes
			WHERE operator_id = @operator
			AND revision > @since
			ORDER BY revision
			LIMIT @limit
		) AS change ON true
		WHERE feeds.operator_id = @operator
		ORDER BY change.revision`
	rows, err := q.Query(ctx, query, pgx.StrictNamedArgs{"operator": operatorID, "since": since, "limit": limit})
	if err != nil {
		return nil, 0, fmt.Errorf("read the changes of %s since %d: %w", operatorID, since, err)
	}
	var account *string
	var revision *Revision
	_, err = pgx.ForEachRow(rows, []any{&head, &account, &revision}, func() error {
		if account != nil {
			changes = append(changes, Change{AccountKey: *account, Revision: *revision})
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the changes of %s since %d: %w", operatorID, since, err)
	}
	return changes, head, nil
}
