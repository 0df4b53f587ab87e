package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/postgres"
	"github.com/signalbox-io/signalbox/internal/postgres/pgtest"
)

// call is one call of Publish.
type call struct {
	relay, operator string
	previous        feed.Revision
	changes         []feed.Change
}

// calls collects what relays publish.
type calls struct {
	t    testing.TB
	next chan call
}

func collect(t testing.TB) *calls { return &calls{t: t, next: make(chan call, 10_000)} }

func (c *calls) publish(relay string) feed.Publish {
	return func(_ context.Context, operator string, previous feed.Revision, changes []feed.Change) error {
		c.next <- call{relay, operator, previous, changes}
		return nil
	}
}

// await returns the next call that is as wanted; others before it are dropped.
func (c *calls) await(want string, is func(call) bool) call {
	c.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case got := <-c.next:
			if is(got) {
				return got
			}
		case <-limit:
			c.t.Fatalf("nobody published %s", want)
		}
	}
}

func announcement(c call) bool { return len(c.changes) == 0 }

func changeAt(revision feed.Revision) func(call) bool {
	return func(c call) bool { return len(c.changes) > 0 && c.changes[len(c.changes)-1].Revision == revision }
}

// logged is a log to look at.
type logged struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(part string) int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return strings.Count(l.text.String(), part)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// run has a relay run until stop is called or the test ends.
func run(t testing.TB, pool *pgxpool.Pool, publish feed.Publish, log *slog.Logger) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- feed.NewRelay(pool, publish, log).Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the relay ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestRelayAnnouncesTheHeadAndPublishesWhatComesAfter(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o")
	bump(t, pool, "o", "A")
	bump(t, pool, "o", "B")
	published := collect(t)
	run(t, pool, published.publish("r"), slog.New(slog.DiscardHandler))

	if first := <-published.next; !announcement(first) || first.previous != 2 {
		t.Fatalf("first came %+v, want the announcement of 2", first)
	}
	for i, account := range []string{"C", "A"} {
		revision := bump(t, pool, "o", account)
		if got := <-published.next; got.previous != feed.Revision(i+2) || len(got.changes) != 1 || got.changes[0] != (feed.Change{AccountKey: account, Revision: revision}) {
			t.Fatalf("then came %+v, want %s at %d", got, account, revision)
		}
	}
	// An operator that is new needs no announcement: all its changes are.
	openFeeds(t, pool, "new")
	bump(t, pool, "new", "A")
	if got := <-published.next; got.operator != "new" || got.previous != 0 || len(got.changes) != 1 {
		t.Errorf("of a new operator: %+v", got)
	}
}

func TestLongBacklogIsPublishedInAChain(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o")
	published := collect(t)
	run(t, pool, published.publish("r"), slog.New(slog.DiscardHandler))
	published.await("an announcement", announcement)
	const n = 1234
	inTx(t, pool, func(tx pgx.Tx) error {
		for i := range n {
			if _, err := feed.Bump(t.Context(), tx, "o", fmt.Sprint("A", i)); err != nil {
				return err
			}
		}
		return nil
	})
	for last := feed.Revision(0); last < n; {
		got := <-published.next
		if got.previous != last {
			t.Fatalf("after %d came changes with %d before them", last, got.previous)
		}
		for _, c := range got.changes {
			if c.Revision != last+1 {
				t.Fatalf("after %d came %d", last, c.Revision)
			}
			last = c.Revision
		}
	}
}

func TestOnlyOneRelayLeadsAndAnotherTakesOver(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o")
	published := collect(t)
	stops := map[string]func(){}
	for _, name := range []string{"a", "b", "c"} {
		stops[name] = run(t, pool, published.publish(name), slog.New(slog.DiscardHandler))
	}
	leader := published.await("an announcement", announcement).relay
	for range 20 {
		revision := bump(t, pool, "o", "A")
		if got := published.await("the change", changeAt(revision)); got.relay != leader {
			t.Fatalf("%s publishes while %s leads", got.relay, leader)
		}
	}

	stops[leader]()
	revision := bump(t, pool, "o", "B") // while nobody leads
	start := time.Now()
	next := published.await("what was committed while nobody led", func(c call) bool {
		return c.relay != leader && (announcement(c) && c.previous == revision || changeAt(revision)(c))
	})
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("%s took over after %s, want less than 2 s", next.relay, took)
	}
}

// Work that may be done by one replica only is done by the one that leads: it
// begins with the lead, and has ended before another's begins.
func TestWorkBesideTheRelayIsDoneByTheLeaderAlone(t *testing.T) {
	t.Parallel()
	pool := setup(t, "o")
	var busy atomic.Int32
	began, ended := make(chan string, 10), make(chan string, 10)
	work := func(relay string) func(context.Context) {
		return func(ctx context.Context) {
			if busy.Add(1) != 1 {
				t.Errorf("%s began while another was still at work", relay)
			}
			began <- relay
			<-ctx.Done()
			busy.Add(-1)
			ended <- relay
		}
	}
	start := func(relay string) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		r := feed.NewRelay(pool, collect(t).publish(relay), slog.New(slog.DiscardHandler))
		r.WhileLeading(work(relay))
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the relay ended with %v", err)
			}
		}
	}
	stopFirst := start("first")
	if got := <-began; got != "first" {
		t.Fatalf("%s began, want the first", got)
	}
	stopSecond := start("second")
	stopFirst()
	if got := <-ended; got != "first" {
		t.Fatalf("%s ended, want the first", got)
	}
	if got := <-began; got != "second" {
		t.Fatalf("%s began, want the second", got)
	}

	// The second loses the lead with its connection, and wins it again.
	if _, err := pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'signalbox relay' AND datname = current_database()`); err != nil {
		t.Fatal(err)
	}
	if a, b := <-ended, <-began; a != "second" || b != "second" {
		t.Errorf("%s ended and %s began, want the second both times", a, b)
	}
	stopSecond()
}

func TestPublishingThatFailsIsRepeatedAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	pool := setup(t, "bad", "good")
	published := collect(t)
	var log logged
	var mutex sync.Mutex
	broken, failures := true, 0
	ok := published.publish("r")
	run(t, pool, func(ctx context.Context, operator string, previous feed.Revision, changes []feed.Change) error {
		mutex.Lock()
		defer mutex.Unlock()
		if operator == "bad" && broken {
			failures++
			return errors.New("no broker there")
		}
		return ok(ctx, operator, previous, changes)
	}, log.logger())
	published.await("an announcement", announcement)

	bump(t, pool, "bad", "A")
	for i := range 3 {
		revision := bump(t, pool, "good", fmt.Sprint("A", i))
		if got := published.await("the good operator's change", changeAt(revision)); got.operator != "good" {
			t.Fatalf("got %+v", got)
		}
	}
	mutex.Lock()
	broken = false
	if failures == 0 {
		t.Error("publishing never failed")
	}
	mutex.Unlock()
	got := published.await("the bad operator's change, at last", func(c call) bool { return c.operator == "bad" && len(c.changes) > 0 })
	if got.previous != 0 || got.changes[0].Revision != 1 {
		t.Errorf("got %+v", got)
	}
	if n := log.count("cannot be published"); n != 1 {
		t.Errorf("the failure was logged %d times, want once", n)
	}
}

func TestRelaySurvivesPostgresGoingAway(t *testing.T) {
	t.Parallel()
	server := pgtest.Private(t)
	// The tests' servers are fast by forgetting what they committed last when they are killed.
	pool, err := postgres.Open(t.Context(), server.URLFor(pgtest.Migrated)+"&synchronous_commit=on")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	openFeeds(t, pool, "o")
	published := collect(t)
	var log logged
	run(t, pool, published.publish("r"), log.logger())
	published.await("an announcement", announcement)
	for outage := 1; outage <= 2; outage++ {
		bump(t, pool, "o", "A")
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		published.await("an announcement after the outage", announcement)
		pool.Reset() // its connections are dead
		revision := bump(t, pool, "o", "B")
		published.await("a change after the outage", changeAt(revision))
		if lost, found := log.count("lost the database"), log.count("connected again"); lost != outage || found != outage {
			t.Errorf("after %d outages the log tells of %d, and of %d ends", outage, lost, found)
		}
	}
}

// broker follows the protocol over a network that loses things.
type broker struct {
	t        testing.TB
	pool     *pgxpool.Pool
	operator string

	mutex   sync.Mutex
	applied feed.Revision
	has     map[string]feed.Revision
	told    chan struct{}
}

func newBroker(t testing.TB, pool *pgxpool.Pool, operator string) *broker {
	return &broker{t: t, pool: pool, operator: operator, has: map[string]feed.Revision{}, told: make(chan struct{}, 1)}
}

func (b *broker) hear(ctx context.Context, previous feed.Revision, changes []feed.Change) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if len(changes) == 0 && b.applied < previous {
		b.catchUp(ctx)
	}
	for _, c := range changes {
		switch {
		case b.applied >= c.Revision: // a repeat
		case b.applied >= previous:
			b.has[c.AccountKey], b.applied = c.Revision, c.Revision
		default:
			b.catchUp(ctx)
		}
		previous = c.Revision
	}
	select {
	case b.told <- struct{}{}:
	default:
	}
}

func (b *broker) catchUp(ctx context.Context) {
	for {
		list, head, err := feed.Changes(ctx, b.pool, b.operator, b.applied, 7)
		if err != nil {
			return // the relay that told us was stopped; we ask when we hear of the head again
		}
		for _, c := range list {
			b.has[c.AccountKey], b.applied = c.Revision, c.Revision
		}
		if b.applied >= head {
			return
		}
	}
}

// awaitAll waits until the broker has applied everything, and compares.
func (b *broker) awaitAll() {
	b.t.Helper()
	want, head := changes(b.t, b.pool, b.operator, 0, 1_000_000)
	limit := time.After(20 * time.Second)
	for {
		b.mutex.Lock()
		applied := b.applied
		b.mutex.Unlock()
		if applied >= head {
			break
		}
		select {
		case <-b.told:
		case <-limit:
			b.t.Fatalf("a broker of %s has applied %d of %d", b.operator, applied, head)
		}
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, c := range want {
		if b.has[c.AccountKey] != c.Revision {
			b.t.Errorf("a broker of %s has %s at %d, want %d", b.operator, c.AccountKey, b.has[c.AccountKey], c.Revision)
		}
	}
}

// chaos is a publisher that checks what one relay says, and loses some of it.
type chaos struct {
	t       testing.TB
	brokers map[string][]*broker

	mutex  sync.Mutex
	random *rand.Rand
	calm   bool
}

func (c *chaos) chance(n int) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return !c.calm && c.random.IntN(n) == 0
}

// publisher is the Publish of one relay. Between two announcements for an
// operator nothing may be published as new twice, or out of order.
func (c *chaos) publisher() feed.Publish {
	published := map[string]feed.Revision{}
	return func(ctx context.Context, operator string, previous feed.Revision, changes []feed.Change) error {
		if c.chance(10) {
			return errors.New("the network is down")
		}
		if last, leads := published[operator]; len(changes) > 0 && leads && previous != last {
			c.t.Errorf("a relay that published %d of %s goes on from %d", last, operator, previous)
		}
		last := previous
		for _, change := range changes {
			if change.Revision <= last {
				c.t.Errorf("%s: %d comes after %d", operator, change.Revision, last)
			}
			last = change.Revision
		}
		published[operator] = last
		for _, b := range c.brokers[operator] {
			if !c.chance(5) {
				b.hear(ctx, previous, changes)
			}
		}
		return nil
	}
}

// Writers commit and roll back, relays come and go, connections are cut, and
// messages are lost; in the end every broker has everything.
func TestEveryCommittedChangeReachesEveryBrokerWhateverHappens(t *testing.T) {
	t.Parallel()
	operators := []string{"o", "p"}
	pool := setup(t, operators...)
	c := &chaos{t: t, random: rand.New(rand.NewPCG(7, 7)), brokers: map[string][]*broker{}}
	for _, operator := range operators {
		c.brokers[operator] = []*broker{newBroker(t, pool, operator), newBroker(t, pool, operator)}
	}
	start := func() func() { return run(t, pool, c.publisher(), slog.New(slog.DiscardHandler)) }
	relays := []func(){start(), start(), start()}

	progress := make(chan struct{})
	var writing sync.WaitGroup
	for writer := range 6 {
		random := rand.New(rand.NewPCG(uint64(writer), 2))
		writing.Go(func() {
			for range 80 {
				operator := operators[random.IntN(len(operators))]
				err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					_, err := feed.Bump(t.Context(), tx, operator, fmt.Sprint("A", random.IntN(30)))
					if err == nil && random.IntN(4) == 0 {
						return errRollback
					}
					return err
				})
				if err != nil && !errors.Is(err, errRollback) {
					t.Error(err)
				}
				progress <- struct{}{}
			}
		})
	}
	go func() { writing.Wait(); close(progress) }()

	random := rand.New(rand.NewPCG(3, 3))
	for range progress {
		switch random.IntN(40) {
		case 0:
			i := random.IntN(len(relays))
			relays[i]()
			relays[i] = start()
		case 1:
			cut(t, pool)
		}
	}
	cut(t, pool) // whoever leads next announces the head
	c.mutex.Lock()
	c.calm = true
	c.mutex.Unlock()
	cut(t, pool)
	for _, operator := range operators {
		bump(t, pool, operator, "last")
		for _, b := range c.brokers[operator] {
			b.awaitAll()
		}
	}
}

// cut ends all relays' connections.
func cut(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `
		SELECT pg_terminate_backend(pid)
		FROM pg_stat_activity
		WHERE datname = current_database()
		AND application_name = 'signalbox relay'`)
	if err != nil {
		t.Error(err)
	}
}
