package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Publish hands changes of one operator on, in revision order; previous is the
// revision of the change handed on before them. Without changes it announces
// the head instead, which is then previous: whoever is behind it should ask.
// An error has the same call made again a moment later, perhaps with more changes.
type Publish func(ctx context.Context, operatorID string, previous Revision, changes []Change) error

// Relay publishes changes as they are committed. Every control replica runs
// one; the one that holds an advisory lock leads, the others stand by.
//
// # What happens when the lead changes
//
// Nobody keeps how far the last leader got. A new one takes the lock, then reads
// the head of every operator, announces it, and publishes what comes after. So a
// change is either up to that head, whether it was committed while a leader was
// dying or while there was none, and a broker that missed it learns from the
// announcement that it is behind and asks for it; or it comes after the head,
// and this leader publishes it. The lock comes before the reading, so
// that the leader before cannot have read further than this one's head and
// still have had the lead. A leader cut off from Postgres may go on publishing
// what it had read; that repeats changes, and repeats do no harm.
type Relay struct {
	pool    *pgxpool.Pool
	publish Publish
	log     *slog.Logger
	beside  func(ctx context.Context) // nil: nothing
}

// NewRelay returns a relay that connects by itself, as the pool would.
func NewRelay(pool *pgxpool.Pool, publish Publish, log *slog.Logger) *Relay {
	return &Relay{pool: pool, publish: publish, log: log}
}

// WhileLeading has work done beside the relay by whichever replica leads: it is
// called when the lead is won, its ctx ends when that is lost, and the lead is
// not given up before it returns. But a leader cut off from Postgres may learn
// late that it leads no more. Call it before Run.
func (r *Relay) WhileLeading(work func(ctx context.Context)) { r.beside = work }

const (
	leadership     = 7_366_452_802 // the advisory lock of the leader; the number means nothing
	candidacy      = 500 * time.Millisecond
	heartbeat      = time.Second     // how long a lost NOTIFY can hold a change up
	queryTimeout   = 5 * time.Second // an answer that takes longer will not come: Postgres vanished without a word
	publishTimeout = 10 * time.Second
	batch          = 500 // changes a call of Publish
	minBackoff     = 100 * time.Millisecond
	maxBackoff     = 2 * time.Second
)

// Run relays until ctx ends, and then returns nil. It survives the loss of
// Postgres: it says so once, and connects again when it can.
func (r *Relay) Run(ctx context.Context) error {
	out := outage{log: r.log}
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		err := r.session(ctx, func() {
			out.over()
			backoff = minBackoff
		})
		if ctx.Err() != nil {
			return nil
		}
		out.began(err)
		if !pause(ctx, backoff) {
			return nil
		}
	}
}

// session connects, waits for the lead, and leads until something fails.
func (r *Relay) session(ctx context.Context, connected func()) error {
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	connected()
	if err := r.stand(ctx, conn); err != nil {
		return err
	}
	r.log.InfoContext(ctx, "this replica leads the feed's relay")
	leading, lost := context.WithCancel(ctx)
	var beside sync.WaitGroup
	if r.beside != nil {
		beside.Go(func() { r.beside(leading) })
	}
	defer beside.Wait()
	defer lost()
	return r.lead(ctx, conn)
}

func (r *Relay) connect(ctx context.Context) (*pgx.Conn, error) {
	config := r.pool.Config().ConnConfig
	// The lock of a leader whose machine vanished without a word is given up
	// once Postgres notices. These make that a matter of seconds; they mean
	// nothing to a unix socket.
	config.RuntimeParams["tcp_keepalives_idle"] = "1"
	config.RuntimeParams["tcp_keepalives_interval"] = "1"
	config.RuntimeParams["tcp_keepalives_count"] = "2"
	config.RuntimeParams["tcp_user_timeout"] = "2000"
	config.RuntimeParams["application_name"] = "signalbox relay"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect the relay: %w", err)
	}
	return conn, nil
}

// hangUp ends the connection, and with it the lock, though ctx may have ended.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is gone either way
}

// stand returns once the lock is held. It asks again and again instead of
// waiting in the database: a waiting statement keeps a snapshot open, and with
// it every dead row.
func (r *Relay) stand(ctx context.Context, conn *pgx.Conn) error {
	for {
		held, err := tryLead(ctx, conn)
		if err != nil {
			return fmt.Errorf("ask for the relay's lead: %w", err)
		}
		if held {
			return nil
		}
		if !pause(ctx, candidacy) {
			return ctx.Err()
		}
	}
}

func tryLead(ctx context.Context, conn *pgx.Conn) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	rows, err := conn.Query(ctx, `SELECT pg_try_advisory_lock(@lock)`, pgx.StrictNamedArgs{"lock": int64(leadership)})
	if err != nil {
		return false, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[bool])
}

// lead publishes until the connection fails or ctx ends.
func (r *Relay) lead(ctx context.Context, conn *pgx.Conn) error {
	l := leader{relay: r, conn: conn, failing: map[string]bool{}}
	if err := l.start(ctx); err != nil {
		return err
	}
	for {
		if err := l.catchUp(ctx); err != nil {
			return err
		}
		if err := awaitChange(ctx, conn); err != nil {
			return err
		}
	}
}

// awaitChange returns when a NOTIFY came, or after a while without one.
func awaitChange(ctx context.Context, conn *pgx.Conn) error {
	waiting, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	_, err := conn.WaitForNotification(waiting)
	if err == nil || pgconn.Timeout(err) && ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("wait for changes: %w", err)
}

// leader is a relay while it leads.
type leader struct {
	relay       *Relay
	conn        *pgx.Conn           // holds the lock; everything is read over it, so what was read was read while leading
	published   map[string]Revision // per operator, up to where this leader has published
	unannounced map[string]Revision // heads at the start of the lead that are still to be announced
	failing     map[string]bool     // operators whose publishing failed, and that was logged
}

// start begins at the heads as they are now. It listens first, so that what is
// committed after the reading wakes it.
func (l *leader) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if _, err := l.conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return fmt.Errorf("listen for changes: %w", err)
	}
	heads, err := Heads(ctx, l.conn)
	l.published, l.unannounced = heads, maps.Clone(heads)
	return err
}

func (l *leader) heads(ctx context.Context) (map[string]Revision, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return Heads(ctx, l.conn)
}

func (l *leader) changes(ctx context.Context, operator string) ([]Change, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	changes, _, err := Changes(ctx, l.conn, operator, l.published[operator], batch)
	return changes, err
}

// catchUp publishes what was committed since the last time. Its error is the
// database's; an operator that cannot be published to is left for the next
// time, and holds no other up.
func (l *leader) catchUp(ctx context.Context) error {
	heads, err := l.heads(ctx)
	if err != nil {
		return err
	}
	for _, operator := range slices.Sorted(maps.Keys(heads)) {
		err := l.catchUpOperator(ctx, operator, heads[operator])
		var failed *publishError
		if err != nil && !errors.As(err, &failed) {
			return err
		}
		l.note(ctx, operator, err)
	}
	return nil
}

func (l *leader) catchUpOperator(ctx context.Context, operator string, head Revision) error {
	if start, ok := l.unannounced[operator]; ok {
		if err := l.send(ctx, operator, start, nil); err != nil {
			return err
		}
		delete(l.unannounced, operator)
	}
	for l.published[operator] < head {
		changes, err := l.changes(ctx, operator)
		if err != nil {
			return err
		}
		if len(changes) == 0 {
			return fmt.Errorf("the feed of %s is at %d and shows no change after %d", operator, head, l.published[operator])
		}
		if err := l.send(ctx, operator, l.published[operator], changes); err != nil {
			return err
		}
		l.published[operator] = changes[len(changes)-1].Revision
	}
	return nil
}

func (l *leader) send(ctx context.Context, operator string, previous Revision, changes []Change) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if err := l.relay.publish(ctx, operator, previous, changes); err != nil {
		return &publishError{err}
	}
	return nil
}

// publishError tells what publishing said from what the database said.
type publishError struct{ cause error }

func (e *publishError) Error() string { return "publish changes: " + e.cause.Error() }
func (e *publishError) Unwrap() error { return e.cause }

// note logs once when publishing to an operator begins to fail, and once when it works again.
func (l *leader) note(ctx context.Context, operator string, err error) {
	switch failed := err != nil; {
	case failed && !l.failing[operator] && ctx.Err() == nil:
		l.failing[operator] = true
		l.relay.log.ErrorContext(ctx, "changes cannot be published; trying on", "operator", operator, "err", err)
	case !failed && l.failing[operator]:
		delete(l.failing, operator)
		l.relay.log.InfoContext(ctx, "changes are being published again", "operator", operator)
	}
}

// outage logs the beginning and the end of the database's absence, once each.
type outage struct {
	log *slog.Logger
	on  bool
}

func (o *outage) began(err error) {
	if !o.on {
		o.on = true
		o.log.Error("the feed's relay lost the database; connecting again", "err", err)
	}
}

func (o *outage) over() {
	if o.on {
		o.on = false
		o.log.Info("the feed's relay is connected again")
	}
}

// pause waits for d and reports whether ctx was still good.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
