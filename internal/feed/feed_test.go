package feed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

// setup is a database with the feeds of these operators.
func setup(t testing.TB, operators ...string) *pgxpool.Pool {
	t.Helper()
	pool := pgtest.New(t)
	openFeeds(t, pool, operators...)
	return pool
}

func openFeeds(t testing.TB, pool *pgxpool.Pool, operators ...string) {
	t.Helper()
	for _, operator := range operators {
		inTx(t, pool, func(tx pgx.Tx) error { return feed.Open(t.Context(), tx, operator) })
	}
}

func inTx(t testing.TB, pool *pgxpool.Pool, fn func(pgx.Tx) error) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), pool, fn); err != nil {
		t.Fatal(err)
	}
}

// bump changes the account in a transaction of its own.
func bump(t testing.TB, pool *pgxpool.Pool, operator, account string) (revision feed.Revision) {
	t.Helper()
	inTx(t, pool, func(tx pgx.Tx) (err error) {
		revision, err = feed.Bump(t.Context(), tx, operator, account)
		return err
	})
	return revision
}

func changes(t testing.TB, q feed.Querier, operator string, since feed.Revision, limit int) ([]feed.Change, feed.Revision) {
	t.Helper()
	list, head, err := feed.Changes(t.Context(), q, operator, since, limit)
	if err != nil {
		t.Fatal(err)
	}
	return list, head
}

func TestChangesAreInOrderAndCompacted(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o", "other")
	for i, account := range []string{"A", "B", "A", "C", "B"} {
		if got := bump(t, pool, "o", account); got != feed.Revision(i+1) {
			t.Fatalf("change %d got revision %d", i+1, got)
		}
	}
	bump(t, pool, "other", "A")
	for _, c := range []struct {
		since feed.Revision
		limit int
		want  []feed.Change
	}{
		{0, 10, []feed.Change{{"A", 3}, {"C", 4}, {"B", 5}}},
		{0, 2, []feed.Change{{"A", 3}, {"C", 4}}},
		{4, 10, []feed.Change{{"B", 5}}},
		{5, 10, nil},
	} {
		got, head := changes(t, pool, "o", c.since, c.limit)
		if diff := cmp.Diff(c.want, got); diff != "" || head != 5 {
			t.Errorf("since %d, limit %d: head %d (-want +got):\n%s", c.since, c.limit, head, diff)
		}
	}
	if list, head := changes(t, pool, "nobody", 0, 10); list != nil || head != 0 {
		t.Errorf("of an operator without a feed: %v, %d", list, head)
	}
}

func TestRolledBackChangeIsNotSeenAndItsRevisionGivenAgain(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o")
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := feed.Bump(t.Context(), tx, "o", "A"); err != nil {
			t.Fatal(err)
		}
		if list, head := changes(t, pool, "o", 0, 10); list != nil || head != 0 {
			t.Errorf("others see what is not committed: %v, head %d", list, head)
		}
		return errors.New("changed my mind")
	})
	if err == nil {
		t.Fatal("the transaction was committed")
	}
	if got := bump(t, pool, "o", "B"); got != 1 {
		t.Errorf("the next revision is %d, want 1", got)
	}
}

func TestBumpNeedsAFeed(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := feed.Bump(t.Context(), tx, "o", "A")
		return err
	})
	if err == nil {
		t.Error("an operator without a feed got a revision")
	}
}

func TestOpeningAFeedAgainKeepsItsRevision(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o")
	bump(t, pool, "o", "A")
	openFeeds(t, pool, "o")
	if head, err := feed.Head(t.Context(), pool, "o"); head != 1 || err != nil {
		t.Errorf("head = %d, %v", head, err)
	}
}

// A reader who follows the feed while many write must see every committed
// change, in order, and nothing else; whatever is committed, rolled back or
// takes its time.
func TestReaderMissesNothingUnderAnyInterleaving(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o")
	const writers, transactions, accounts = 8, 60, 12

	committed := map[feed.Revision]string{} // by revision, the account that changed
	var mutex sync.Mutex
	var writing sync.WaitGroup
	for writer := range writers {
		random := rand.New(rand.NewPCG(uint64(writer), 1))
		writing.Go(func() {
			for range transactions {
				made := map[feed.Revision]string{}
				err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					return write(t.Context(), tx, random, made, fmt.Sprint("A", random.IntN(accounts)))
				})
				if err != nil {
					if !errors.Is(err, errRollback) {
						t.Error(err)
					}
					continue
				}
				mutex.Lock()
				for revision, account := range made {
					committed[revision] = account
				}
				mutex.Unlock()
			}
		})
	}

	seen := map[feed.Revision]string{}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	var last feed.Revision
	for finished := false; ; {
		list, head := changes(t, pool, "o", last, 5)
		for _, c := range list {
			if c.Revision <= last || c.Revision > head {
				t.Fatalf("after %d, with head %d: %+v", last, head, c)
			}
			last = c.Revision
			seen[last] = c.AccountKey
		}
		if len(list) < 5 && last != head {
			t.Fatalf("the last change is %d, the head %d", last, head)
		}
		if finished && len(list) == 0 {
			break
		}
		select {
		case <-done:
			finished = true
		default:
		}
	}

	latest := map[string]feed.Revision{}
	for revision, account := range committed {
		latest[account] = max(latest[account], revision)
	}
	for revision, account := range seen {
		if committed[revision] != account {
			t.Errorf("saw %s at %d, which was never committed", account, revision)
		}
	}
	for account, revision := range latest {
		if seen[revision] != account {
			t.Errorf("missed the last change of %s, at %d", account, revision)
		}
	}
	if len(committed) != int(last) {
		t.Errorf("%d revisions were committed, the head is %d", len(committed), last)
	}
}

var errRollback = errors.New("rolled back on purpose")

// write bumps once or twice somewhere in a transaction of some length.
func write(ctx context.Context, tx pgx.Tx, random *rand.Rand, made map[feed.Revision]string, account string) error {
	dawdle := func() error {
		for range random.IntN(4) {
			if _, err := tx.Exec(ctx, "SELECT 1"); err != nil {
				return err
			}
		}
		return nil
	}
	if err := dawdle(); err != nil {
		return err
	}
	for i := range 1 + random.IntN(2) {
		name := account + strings.Repeat("'", i)
		revision, err := feed.Bump(ctx, tx, "o", name)
		if err != nil {
			return err
		}
		made[revision] = name
	}
	if err := dawdle(); err != nil {
		return err
	}
	if random.IntN(3) == 0 {
		return errRollback
	}
	return nil
}

func TestReceiptIsWhatTheBrokerSaidLast(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o", "other")
	for _, r := range []feed.Receipt{
		{BrokerKey: "U1", Applied: 7, Refusals: []feed.Refusal{{AccountKey: "A", Revision: 6, Reason: "too \"big\""}}},
		{BrokerKey: "U2", Applied: 9},
		{BrokerKey: "U2", Applied: 2}, // it lost its store
		{BrokerKey: "U3", Applied: 8, Settled: true, Refusals: []feed.Refusal{{AccountKey: "A", Revision: 8, Reason: "new"}}},
		{BrokerKey: "U3", Applied: 7, Settled: true}, // said earlier, and late
		{BrokerKey: "U4", Applied: 5},
		{BrokerKey: "U4", Applied: 6, Settled: true},
	} {
		if err := feed.RecordReceipt(t.Context(), pool, "o", r); err != nil {
			t.Fatal(err)
		}
	}
	if err := feed.RecordReceipt(t.Context(), pool, "nobody", feed.Receipt{BrokerKey: "U1"}); err == nil {
		t.Error("a receipt was kept for an operator without a feed")
	}
	got, err := feed.Receipts(t.Context(), pool, "o")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]feed.Receipt{
		"U1": {BrokerKey: "U1", Applied: 7, Refusals: []feed.Refusal{{AccountKey: "A", Revision: 6, Reason: "too \"big\""}}, Effects: []feed.Effect{}},
		"U2": {BrokerKey: "U2", Applied: 2, Refusals: []feed.Refusal{}, Effects: []feed.Effect{}},
		"U3": {BrokerKey: "U3", Applied: 8, Refusals: []feed.Refusal{{AccountKey: "A", Revision: 8, Reason: "new"}}, Effects: []feed.Effect{}},
		"U4": {BrokerKey: "U4", Applied: 6, Refusals: []feed.Refusal{}, Effects: []feed.Effect{}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(feed.Receipt{}, "HeardAt")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got["U1"].HeardAt.IsZero() {
		t.Error("when it was heard of is not kept")
	}
}

// Whoever waits for an effect finds it even if later receipts came before they looked.
func TestEffectThatIsReportedAgainIsKeptOnce(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o")
	first, second := feed.Effect{AccountKey: "A", Revision: 7, Closed: 2}, feed.Effect{AccountKey: "A", Revision: 8}
	for _, effects := range [][]feed.Effect{{first}, {first, second}, {{AccountKey: "A", Revision: 7}}} {
		if err := feed.RecordReceipt(t.Context(), pool, "o", feed.Receipt{BrokerKey: "U", Applied: 8, Effects: effects}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := feed.Receipts(t.Context(), pool, "o")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]feed.Effect{first, second}, got["U"].Effects); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

func TestEffectsStayUntilManyLaterOnes(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o")
	record := func(effects ...feed.Effect) []feed.Effect {
		t.Helper()
		if err := feed.RecordReceipt(t.Context(), pool, "o", feed.Receipt{BrokerKey: "U", Applied: 1, Effects: effects}); err != nil {
			t.Fatal(err)
		}
		got, err := feed.Receipts(t.Context(), pool, "o")
		if err != nil {
			t.Fatal(err)
		}
		return got["U"].Effects
	}
	first := feed.Effect{AccountKey: "A", Revision: 1, Closed: 3, Micros: 250}
	record(first)
	if got := record(); len(got) != 1 || got[0] != first {
		t.Errorf("after a receipt without effects: %+v, want %+v", got, first)
	}
	for n := range 50 {
		later := make([]feed.Effect, 10)
		for i := range later {
			later[i] = feed.Effect{AccountKey: "B", Revision: feed.Revision(2 + 10*n + i)}
		}
		got := record(later...)
		if n == 0 && (len(got) != 11 || got[0] != first) {
			t.Fatalf("after ten later effects: %+v, want the first before them", got)
		}
		if newest := got[len(got)-1]; newest != later[9] || len(got) > 200 {
			t.Fatalf("%d effects are kept, up to %+v; want at most 200, up to %+v", len(got), newest, later[9])
		}
	}
}

// Reading what changed must not cost what there is.
func TestReadingChangesUsesTheIndex(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o")
	inTx(t, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			INSERT INTO feed_changes (operator_id, account_key, revision)
			SELECT 'o', 'A' || n, n
			FROM generate_series(1, 50000) AS n`)
		return err
	})
	if _, err := pool.Exec(t.Context(), `ANALYZE feed_changes`); err != nil {
		t.Fatal(err)
	}
	rows, err := pool.Query(t.Context(), `
		EXPLAIN SELECT account_key, revision
		FROM feed_changes
		WHERE operator_id = 'o'
		AND revision > 49000
		ORDER BY revision
		LIMIT 500`)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(plan, "\n"); !strings.Contains(text, "feed_changes_revision_key") || strings.Contains(text, "Sort") {
		t.Errorf("the plan sorts or walks the table:\n%s", text)
	}
}

func BenchmarkBump(b *testing.B) {
	pool := setup(b, "o")
	for i := 0; b.Loop(); i++ {
		bump(b, pool, "o", fmt.Sprint("A", i%1000))
	}
}
