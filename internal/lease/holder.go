package lease

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Conn is a connection that takes a place, or wants one.
type Conn interface {
	ID() uint64
	Alive() bool
	End() // closes it; when it returns, the connection is not Alive
}

// Claim is a place that a login needs.
type Claim struct {
	Key
	Role  string // of a user's bucket: see [Want]
	Limit int64  // not Unlimited
}

// Why a login gets no place. ErrFull: all are taken. ErrUnavailable: the broker
// has none free, and could not find out in time whether others have.
var (
	ErrFull        = errors.New("all places are taken")
	ErrUnavailable = errors.New("no place is free on this broker, and control could not be asked for more")
)

// Holder is a broker's end: the places that it holds, and who has them.
type Holder struct {
	broker  string
	log     *slog.Logger
	wake    chan struct{} // holds one
	settled chan struct{} // likewise

	startedAt time.Time

	mu        sync.Mutex
	buckets   map[Key]*bucket
	due       map[Key]*bucket // those that Run is to look at
	heardAt   time.Time       // when the last ask was sent that control answered; zero: none was
	checkedAt time.Time       // when Run was last seen to run
	peers     map[string]time.Time
	known     []string // peers that control named in its last answer
	said      []string // peers that the last ask named
	placed    int64    // connections so far
	adopted   int64    // calls of Adopt so far
	adopting  map[*bucket]struct{}

	// Known to Run's goroutine only.
	incarnation, sequence int64
}

// bucket is one of which the broker holds places, or wants some.
type bucket struct {
	Claim
	holds   int64
	conns   map[uint64]*placed
	waiters []*waiter

	news, told int       // what control is to know, whatever is needed; what it knows
	adopted    int64     // the last call of Adopt for it,
	settled    int64     // and up to which of all calls none waits for it
	after      int64     // what control said to say when asking again; 0: it did not
	asked      int       // of the waiters, those that the first of these asks was for
	retries    int       // asks in a row that were not final, or were in vain
	nextAsk    time.Time // not before
	seen       int64     // the last recall heard of
	usedAt     time.Time // when a connection last came
	pruneAt    time.Time // not before
}

type placed struct {
	Conn
	number int64 // who came later has a higher one
}

type waiter struct {
	conn   Conn
	result chan error // holds one
}

const (
	maxWaiters  = 1024 // logins that wait for one bucket
	askTimeout  = 700 * time.Millisecond
	retryFirst  = 3 * time.Millisecond
	retryAtMost = 50 * time.Millisecond
	retryFull   = 200 * time.Millisecond // at most, after logins were refused again and again
	retryFailed = 100 * time.Millisecond // after an ask that control did not answer
	silentAfter = 3 * BeatEvery
	pruneEvery  = 2 * time.Millisecond // at most
	pruneShare  = 10                   // and not for more than one part in so many of the time
	idleAfter   = time.Minute          // unused places go back by themselves
	chunks      = 16                   // places for logins to come: one in so many of the limit,
	maxChunk    = 64                   // and at most so many
	maxWants    = 500                  // in one ask
	maxStall    = 5 * time.Second      // by which Run may be late until places are not given out any more
)

// NewHolder makes the holder of the broker with that public key.
func NewHolder(broker string, log *slog.Logger) *Holder {
	now := time.Now()
	return &Holder{
		broker: broker, log: log, wake: make(chan struct{}, 1), incarnation: now.UnixNano(), startedAt: now, checkedAt: now,
		buckets: map[Key]*bucket{}, due: map[Key]*bucket{}, peers: map[string]time.Time{},
		adopting: map[*bucket]struct{}{}, settled: make(chan struct{}, 1),
	}
}

// Reserve gets a connection a place of each claim, and waits for that if need be,
// for Patience at most. The places go back by themselves when the connection
// ends, or with [Holder.Release].
func (h *Holder) Reserve(conn Conn, claims ...Claim) error {
	deadline := time.Now().Add(Patience)
	for _, c := range claims {
		if err := h.reserve(conn, c, deadline); err != nil {
			h.Release(conn.ID(), claims...)
			return &Refusal{Claim: c, Err: err}
		}
	}
	return nil
}

// Refusal says of which bucket a login got no place, and why.
type Refusal struct {
	Claim
	Err error // ErrFull or ErrUnavailable
}

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

func (h *Holder) reserve(conn Conn, c Claim, deadline time.Time) error {
	now := time.Now()
	w, err := h.enter(conn, c, now)
	if w == nil {
		return err
	}
	signal(h.wake)
	patience := time.NewTimer(deadline.Sub(now))
	defer patience.Stop()
	select {
	case err := <-w.result:
		return err
	case <-patience.C:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case err := <-w.result: // just now
		return err
	default:
	}
	if b := h.buckets[c.Key]; b != nil {
		b.leave(w)
	}
	return ErrUnavailable
}

// enter takes a place at once, or returns a waiter for one, or an error.
func (h *Holder) enter(conn Conn, c Claim, now time.Time) (*waiter, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.bucket(c)
	switch {
	case b.conns[conn.ID()] != nil:
		return nil, nil
	case c.Limit == 0:
		return nil, ErrFull
	case len(b.waiters) == 0 && b.room() > 0 && elapsed(h.checkedAt, now) <= maxStall:
		h.place(b, conn, now)
		return nil, nil
	case len(b.waiters) >= maxWaiters, h.silent(now):
		return nil, ErrUnavailable
	}
	w := &waiter{conn: conn, result: make(chan error, 1)}
	b.waiters = append(b.waiters, w)
	h.due[b.Key] = b
	return w, nil
}

func (h *Holder) bucket(c Claim) *bucket {
	b := h.buckets[c.Key]
	if b == nil {
		b = &bucket{conns: map[uint64]*placed{}, usedAt: time.Now()}
		h.buckets[c.Key] = b
	}
	b.Claim = c
	return b
}

// Release gives back the places of a connection that was not let in after all.
func (h *Holder) Release(id uint64, claims ...Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range claims {
		if b := h.buckets[c.Key]; b != nil {
			delete(b.conns, id)
			if len(b.waiters) > 0 {
				h.due[b.Key] = b
				signal(h.wake)
			}
		}
	}
}

// Holds says whether a connection still has its places: it may have been one of those
// to be ended before it could be.
func (h *Holder) Holds(id uint64, claims ...Claim) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !slices.ContainsFunc(claims, func(c Claim) bool { return h.buckets[c.Key] == nil || h.buckets[c.Key].conns[id] == nil })
}

// Adopt counts connections that are there already, now that there is a limit or
// another one. What of them has no place is ended once control says that there are no more;
// until that is [Holder.Settled], newcomers elsewhere may get the places of those found.
func (h *Holder) Adopt(c Claim, conns []Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.bucket(c)
	now := time.Now()
	for _, conn := range conns {
		if b.conns[conn.ID()] == nil {
			h.place(b, conn, now)
		}
	}
	b.after, b.retries = 0, 0
	if _, ok := h.adopting[b]; !ok {
		b.settled = h.adopted // of those before, none was this bucket's, or all are
		h.adopting[b] = struct{}{}
	}
	h.adopted++
	b.adopted = h.adopted
	h.tell(b)
}

// Adoptions is how many times there was something to adopt, and up to which of them control
// has heard of all those found, and whoever has no place is gone.
func (h *Holder) Adoptions() (all, settled int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	settled = h.adopted
	for b := range h.adopting {
		settled = min(settled, b.settled)
	}
	return h.adopted, settled
}

// Settled is sent to when more adoptions are settled than before.
func (h *Holder) Settled() <-chan struct{} { return h.settled }

// settle notes which adoptions an answer was the last word on.
func (h *Holder) settle(list []asking) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range list {
		b := a.bucket
		if _, ok := h.adopting[b]; !ok || b.used() > b.holds {
			continue
		}
		if b.settled = max(b.settled, a.adopted); b.settled == b.adopted {
			delete(h.adopting, b)
		}
		signal(h.settled)
	}
}

// Forget lets a bucket go that has no limit any more: its places go back.
func (h *Holder) Forget(k Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.buckets[k]
	if b == nil {
		return
	}
	b.Limit = Unlimited
	clear(b.conns)
	h.tell(b)
}

// tell makes Run tell control how things are. Needs mu.
func (h *Holder) tell(b *bucket) {
	b.news++
	b.nextAsk = time.Time{}
	h.due[b.Key] = b
	signal(h.wake)
}

// Claims are the account's buckets, as they were claimed last.
func (h *Holder) Claims(account string) (list []Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, b := range h.buckets {
		if k.Account == account {
			list = append(list, b.Claim)
		}
	}
	return list
}

// Places is how many places of a bucket the broker holds.
func (h *Holder) Places(k Key) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b := h.buckets[k]; b != nil {
		return b.holds
	}
	return 0
}

// Recalled is called with each recall of control's. It never waits.
func (h *Holder) Recalled(r Recall) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.buckets[r.Key]
	if b == nil || r.Number <= b.seen {
		return
	}
	b.seen = r.Number
	h.tell(b)
}

// Heard notes that a peer lives.
func (h *Holder) Heard(peer string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.peers[peer] = time.Now()
}

// Run asks control, by ask, whenever logins need that, until ctx ends. ask must come back soon
// after its ctx ends.
func (h *Holder) Run(ctx context.Context, ask func(context.Context, Ask) (Answer, error)) {
	beat := time.NewTicker(BeatEvery / 2)
	defer beat.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	var askedAt time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		case <-next.C:
		case <-beat.C:
			h.retireIdle(time.Now())
		}
		now := time.Now()
		h.check(now)
		asking, wait := h.asking(now)
		rest := h.rest(now) - now.Sub(askedAt)
		if len(asking) > 0 || rest <= 0 {
			askedAt = now
			h.ask(ctx, asking, ask)
			rest, wait = 0, 0 // what is due by now
		}
		next.Reset(soonest(wait, rest))
	}
}

// rest is how long after an ask there is another one, even if nothing is wanted. The first that
// control answers frees what the broker held before it started, so others wait for that.
func (h *Holder) rest(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.heardAt.IsZero() && !h.silent(now) {
		return retryFailed
	}
	return BeatEvery
}

// check ends all connections that need a place, when control may be giving their
// places to others. That comes before anything else after a pause.
func (h *Holder) check(now time.Time) {
	h.mu.Lock()
	paused := elapsed(h.checkedAt, now) > AloneAfter
	h.checkedAt = now
	var lost []*placed
	if elapsed(h.heardAt, now) > AloneAfter && (paused && len(h.expected()) > 0 || h.missesPeer(now)) {
		for _, b := range h.buckets {
			if b.holds == 0 && len(b.conns) == 0 {
				continue
			}
			lost = slices.AppendSeq(lost, maps.Values(b.conns))
			clear(b.conns)
			b.holds = 0
			h.tell(b)
		}
	}
	h.mu.Unlock()
	if len(lost) == 0 {
		return
	}
	for _, c := range lost {
		c.End()
	}
	h.log.Warn("ended the connections that are counted across brokers: neither control nor all peers are heard, so their places may be given away", "connections", len(lost))
}

// expected are the peers without which this broker may be cut off. Needs mu.
func (h *Holder) expected() []string { return slices.Concat(h.known, h.said) }

// missesPeer needs mu.
func (h *Holder) missesPeer(now time.Time) bool {
	return slices.ContainsFunc(h.expected(), func(peer string) bool { return elapsed(h.peers[peer], now) > AloneAfter })
}

// retireIdle gives back the places that nobody has used for a while.
func (h *Holder) retireIdle(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.buckets {
		if now.Sub(b.usedAt) < idleAfter {
			continue
		}
		b.usedAt = now // look again in a while
		if b.prune(); b.empty() {
			h.tell(b)
		}
	}
}

// asking is a bucket that control is asked about, and what was known when that began.
type asking struct {
	bucket  *bucket
	want    Want
	news    int
	adopted int64
}

// asking returns what to ask for now, and when to look again: a negative wait is
// when something happens. What waits and can have a place here gets it.
func (h *Holder) asking(now time.Time) (list []asking, wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wait = -1
	for k, b := range h.due {
		if pause := b.pruneAt.Sub(now); pause > 0 {
			wait = soonest(wait, pause)
			continue
		}
		b.prune()
		h.serve(b, now)
		pause := b.nextAsk.Sub(now)
		switch {
		case b.news == b.told && b.after == 0 && len(b.waiters) == 0 && b.used() <= b.holds:
			delete(h.due, k)
		case pause > 0:
			wait = soonest(wait, pause)
		case len(list) < maxWants:
			list = append(list, asking{bucket: b, want: b.want(), news: b.news, adopted: b.adopted})
		}
	}
	return list, wait
}

func soonest(wait, other time.Duration) time.Duration {
	if wait < 0 {
		return other
	}
	return min(wait, other)
}

// want is what to say of the bucket. When there is news for control, what is not
// needed is given back.
func (b *bucket) want() Want {
	need := b.used() + int64(len(b.waiters))
	if b.news > b.told {
		b.holds = min(b.holds, need)
	}
	if b.after == 0 {
		b.asked = len(b.waiters)
	}
	w := Want{Key: b.Key, Role: b.Role, Holds: b.holds, Need: need, Want: need, After: b.after, Seen: b.seen}
	if len(b.waiters) > 0 {
		w.Want += max(0, min(b.Limit/chunks, maxChunk))
	}
	return w
}

func (h *Holder) ask(ctx context.Context, list []asking, ask func(context.Context, Ask) (Answer, error)) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	h.sequence++
	h.mu.Lock()
	h.said = h.known
	q := Ask{Broker: h.broker, Incarnation: h.incarnation, Sequence: h.sequence, Peers: h.known}
	h.mu.Unlock()
	for _, a := range list {
		q.Wants = append(q.Wants, a.want)
	}
	sent := time.Now()
	a, err := ask(ctx, q)
	switch {
	case err != nil:
	case a.Incarnation != 0:
		h.incarnation, h.sequence = a.Incarnation+1, 0
		err = errors.New("control has heard of a later start of this broker, or of a later ask")
	case elapsed(sent, time.Now()) > AloneAfter:
		err = errors.New("control's answer was waiting while this broker was paused")
	case len(a.Grants) != len(list):
		err = errors.New("control's answer does not fit")
	}
	if err != nil {
		h.failed(list, err)
		return
	}
	h.take(list, a, sent)
}

// failed makes the same be asked again. If control was away before, nobody waits for that.
func (h *Holder) failed(list []asking, err error) {
	h.log.Debug("cannot ask control for places of connections", "error", err)
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range list {
		b := a.bucket
		b.nextAsk = now.Add(retryFailed)
		if h.silent(now) { // then what is asked without a bucket finds out when control is back
			b.nextAsk = now.Add(BeatEvery)
			b.refuse(len(b.waiters), ErrUnavailable)
		}
	}
}

// silent says whether control is away, so that nobody needs to wait for it. Needs mu.
func (h *Holder) silent(now time.Time) bool {
	return elapsed(h.heardAt, now) > silentAfter && elapsed(h.startedAt, now) > silentAfter
}

// take makes control's answer what the broker holds, and ends connections that
// have no place any more.
func (h *Holder) take(list []asking, a Answer, sent time.Time) {
	now := time.Now()
	var over []*placed
	h.mu.Lock()
	if h.silent(now) { // control is back
		for _, b := range h.due {
			b.nextAsk = time.Time{}
		}
	}
	h.heardAt, h.known = sent, a.Peers
	for i, g := range a.Grants {
		b := list[i].bucket
		b.told = list[i].news
		if g.Places < list[i].want.Holds { // to confirm that it came down
			b.news++
		}
		b.holds = max(0, g.Places)
		b.prune()
		h.serve(b, now)
		over = append(over, b.heed(g, now)...)
		if b.holds == 0 && b.empty() && b.news == b.told {
			delete(h.buckets, b.Key)
			delete(h.due, b.Key)
		}
	}
	h.mu.Unlock()
	for _, c := range over {
		c.End()
	}
	h.settle(list)
}

// heed does what an answer asks for, beyond places: to ask again, or to take it
// for the last word. Then those who wait are refused, and connections that have no
// place are to be ended, those first that came last.
func (b *bucket) heed(g Grant, now time.Time) (over []*placed) {
	if !g.Final {
		b.after = g.After
		b.nextAsk = now.Add(min(retryFirst<<min(b.retries, 10), retryAtMost))
		b.retries++
		return nil
	}
	if b.after != 0 || b.asked == 0 {
		b.after, b.retries = 0, 0
	}
	if b.asked > 0 {
		b.refuse(b.asked, ErrFull)
		b.nextAsk = now.Add(min(retryFirst<<min(b.retries, 10), retryFull))
		b.retries++
	}
	excess := b.used() - b.holds
	if excess <= 0 {
		return nil
	}
	over = slices.SortedFunc(maps.Values(b.conns), func(x, y *placed) int { return cmp.Compare(y.number, x.number) })[:excess]
	for _, c := range over {
		delete(b.conns, c.ID())
	}
	return over
}

func (b *bucket) used() int64 { return int64(len(b.conns)) }
func (b *bucket) room() int64 { return b.holds - b.used() }
func (b *bucket) empty() bool { return len(b.conns) == 0 && len(b.waiters) == 0 }

func (h *Holder) place(b *bucket, conn Conn, now time.Time) {
	h.placed++
	b.conns[conn.ID()] = &placed{Conn: conn, number: h.placed}
	b.usedAt = now
}

// serve gives places to those who wait, in their order.
func (h *Holder) serve(b *bucket, now time.Time) {
	for len(b.waiters) > 0 && b.room() > 0 {
		w := b.waiters[0]
		b.leave(w)
		if w.conn.Alive() {
			h.place(b, w.conn, now)
		}
		w.result <- nil
	}
}

// refuse refuses the first n of those who wait.
func (b *bucket) refuse(n int, why error) {
	for _, w := range b.waiters[:n] {
		w.result <- why
	}
	b.waiters = slices.Delete(b.waiters, 0, n)
	b.asked = max(0, b.asked-n)
}

func (b *bucket) leave(w *waiter) {
	i := slices.Index(b.waiters, w)
	if i < 0 {
		return
	}
	b.waiters = slices.Delete(b.waiters, i, i+1)
	if i < b.asked {
		b.asked--
	}
}

// prune frees the places of connections that have ended. A large bucket it looks
// through less often, so that it never takes more than a part of the time.
func (b *bucket) prune() {
	began := time.Now()
	maps.DeleteFunc(b.conns, func(_ uint64, c *placed) bool { return !c.Alive() })
	b.pruneAt = began.Add(max(pruneEvery, pruneShare*time.Since(began)))
}

// elapsed is the time between two readings, by the wall clock or by the one that
// nobody sets, whichever says more.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
