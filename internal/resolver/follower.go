package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/lease"
)

// Login is how one end gets into the system account.
type Login struct {
	JWT  string
	Sign func(nonce []byte) ([]byte, error)
}

// NewLogin is a login with a user JWT and the seed that it is for.
func NewLogin(userJWT string, seed claims.Seed) (Login, error) {
	text := seed.Reveal()
	defer clear(text)
	pair, err := nkeys.FromSeed(text)
	if err != nil {
		return Login{}, fmt.Errorf("read the user's seed: %w", err)
	}
	return Login{JWT: userJWT, Sign: pair.Sign}, nil
}

// Follower is a broker's end of the protocol: a client of its own nats-server
// that takes pushes, asks for what was missed, and reports what is in force.
// One goroutine does all applying, in order.
type Follower struct {
	resolver *Resolver
	store    *Store
	broker   string // the public key of the broker's system-account user
	log      *slog.Logger

	// Known to Run's goroutine only.
	conn      *nats.Conn
	server    *server.Server
	cursor    Revision // pushes and answers follow on this; not below what is applied
	asking    bool     // a catch-up is on its way
	askAgain  bool     // something happened since it was sent
	question  question // the last in doubt
	replica   string   // that announced a head last; empty: none has since it was last in vain that we asked it
	failures  int      // catch-ups in a row without an answer
	ahead     bool     // control was behind us, and we have said so
	stuck     bool     // receipts say less than is in force, and we have said so
	transient []Refusal
	answers   chan catchUpResult
	refused   *refused
	seen      *seen
	graves    *graves
	disk      Disk                       // the zero one: nobody looks after it
	holder    *lease.Holder              // nil: nothing is counted across brokers
	usage     func(account string) Usage // nil: control is not told
	peers     map[string]Revision        // how far each peer has told us, while control is away

	login        atomic.Pointer[Login]
	loginChanged chan struct{} // holds one

	operatorChanged chan struct{} // holds one

	mu       sync.Mutex
	progress Progress
	doubtful bool          // what control says may be old
	unproven []unproven    // oldest first
	awaited  Revision      // the head that will be a confirmation once it is applied; 0: none
	spokenAt time.Time     // when control spoke of it
	changed  chan struct{} // closed and replaced whenever progress changes
}

// Progress is how far a broker has come.
type Progress struct {
	Applied  Revision  // stored and in force
	Proven   Revision  // Applied, as far as the connections that a limit found have their places, or are gone
	Head     Revision  // the newest that control spoke of; 0 when it has not yet
	HeardAt  time.Time // when control last said something; zero: never
	CaughtUp bool      // has had everything at least once since it started
	// ConfirmedAt is when control last said something by which the broker is up to
	// date: what control knew then is in force. Zero: never since it started.
	ConfirmedAt time.Time
	LastError   string // why the last catch-up failed; empty when it did not
}

// unproven is what is applied, and what must be settled before a receipt may say so
// (see [lease.Holder.Adoptions]).
type unproven struct {
	applied  Revision
	adoption int64
	since    time.Time
}

// question is one to the replica that announced a head: what it is now.
type question struct {
	inbox  string // answers arrive on inbox.<number>
	number int
	asked  time.Time

	answered time.Time // when the last that was answered had been asked; zero: no answer waits to be believed
	head     Revision  // the answer
}

type catchUpResult struct {
	since    Revision
	applied  Revision // when it was asked
	subject  string   // on which it was
	asked    time.Time
	nothing  bool // asked as a cache that holds nothing
	answer   catchUpAnswer
	err      error // why control did not answer
	peer     string
	fromPeer catchUpAnswer // when control did not, and a peer did
	lacking  []Entry       // accounts that were refused for want of their pages, as control has them now
}

const (
	pushBuffer    = 8192 // pushes waiting to be applied; what does not fit is dropped, noticed as a gap and asked for
	maxReported   = 100  // refusals in one receipt
	retryFirst    = 100 * time.Millisecond
	retryAtMost   = 5 * time.Second
	reconnectWait = 100 * time.Millisecond
	unprovenLong  = 10 * time.Second
	doubtAfter    = 2*headEvery + headEvery/2 // without a word of control's; it announces heads
	worrying      = 10                        // failed catch-ups in a row, some ten seconds of them
)

// NewFollower makes the follower of the broker whose system-account user has
// that public key.
func NewFollower(r *Resolver, broker string, log *slog.Logger) *Follower {
	return &Follower{
		resolver: r, store: r.store, broker: broker, log: log,
		answers: make(chan catchUpResult, 1), changed: make(chan struct{}), peers: map[string]Revision{}, refused: newRefused(), seen: newSeen(), graves: newGraves(),
		loginChanged: make(chan struct{}, 1), operatorChanged: make(chan struct{}, 1),
		cursor:   r.store.Applied(),
		progress: Progress{Applied: r.store.Applied(), Proven: r.store.Applied()},
	}
}

// Count makes the follower ask for what the holder needs, and tell control what
// accounts use. It is called before Run.
func (f *Follower) Count(holder *lease.Holder, usage func(account string) Usage) {
	f.holder, f.usage = holder, usage
}

// Progress returns how far the broker has come, and a channel that is closed
// when that changes.
func (f *Follower) Progress() (Progress, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.progress, f.changed
}

func (f *Follower) update(change func(*Progress)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	heard := f.progress.HeardAt
	change(&f.progress)
	f.prove()
	f.doubtful = f.doubtful || !heard.IsZero() && elapsed(heard, f.progress.HeardAt) > doubtAfter
	f.confirm(f.progress.HeardAt.After(heard))
	close(f.changed)
	f.changed = make(chan struct{})
}

// prove keeps Proven. Changes that come after one that waits wait with it, but only to be
// told: they are in force meanwhile. Needs mu.
func (f *Follower) prove() {
	p := &f.progress
	var adoption, settled int64
	if f.holder != nil {
		adoption, settled = f.holder.Adoptions()
	}
	if last := len(f.unproven) - 1; last >= 0 && f.unproven[last].adoption == adoption {
		f.unproven[last].applied = p.Applied
	} else {
		f.unproven = append(f.unproven, unproven{p.Applied, adoption, time.Now()})
	}
	for len(f.unproven) > 0 && f.unproven[0].adoption <= settled {
		p.Proven, f.unproven = f.unproven[0].applied, f.unproven[1:]
	}
	p.Proven = min(p.Proven, p.Applied) // the store may have lost something
}

// noteUnproven says, once, that receipts have waited for long.
func (f *Follower) noteUnproven() {
	f.mu.Lock()
	p, stuck := f.progress, len(f.unproven) > 0 && time.Since(f.unproven[0].since) > unprovenLong
	f.mu.Unlock()
	if stuck && !f.stuck {
		f.log.Warn("receipts say less than is in force here, since control has not answered for the connections that a new limit found",
			"applied", p.Applied, "proven", p.Proven)
	}
	f.stuck = stuck
}

// provable is sent to when there may be more to prove.
func (f *Follower) provable() <-chan struct{} {
	if f.holder == nil {
		return nil
	}
	return f.holder.Settled()
}

// elapsed is the time between two readings, by the wall's clock or by the one
// that nobody sets but that stands still while a machine sleeps; whichever says more.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// doubts says whether control must be asked before what it says confirms anything.
// When it was not heard for a while, because the process was paused or the
// network cut, then what comes first has been waiting on the way.
func (f *Follower) doubts() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.doubtful
}

// believe ends doubts, by an answer to what was asked then: one that did not
// wait on the way itself.
func (f *Follower) believe(asked time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.doubtful && elapsed(asked, time.Now()) <= doubtAfter {
		f.doubtful = false
		f.confirm(true)
	}
}

// confirm keeps ConfirmedAt. Needs mu.
func (f *Follower) confirm(heard bool) {
	p := &f.progress
	if !p.CaughtUp {
		f.awaited, p.ConfirmedAt = 0, time.Time{}
		return
	}
	if f.awaited > 0 && p.Applied >= f.awaited {
		f.awaited, p.ConfirmedAt = 0, f.spokenAt
	}
	switch {
	case !heard, f.doubtful:
	case p.Applied >= p.Head:
		f.awaited, p.ConfirmedAt = 0, p.HeardAt
	case f.awaited == 0:
		f.awaited, f.spokenAt = p.Head, p.HeardAt
	}
}

func (f *Follower) applied() Revision {
	progress, _ := f.Progress()
	return progress.Applied
}

func (f *Follower) proven() Revision {
	progress, _ := f.Progress()
	return progress.Proven
}

// Run follows control until ctx ends. The server must be accepting connections.
func (f *Follower) Run(ctx context.Context, s *server.Server, login Login) error {
	f.login.CompareAndSwap(nil, &login)
	pushes := make(chan *nats.Msg, pushBuffer)
	heads := make(chan *nats.Msg, 64)
	reconnected := make(chan struct{}, 1)
	nc, err := f.connect(s, reconnected)
	if err != nil {
		return fmt.Errorf("connect to the broker's own server: %w", err)
	}
	defer nc.Close()
	f.conn, f.server = nc, s
	f.question.inbox = nc.NewInbox()
	answers := make(chan *nats.Msg, 64)
	// Listening comes before asking, so that nothing falls between the answer
	// and the first push.
	for subject, ch := range map[string]chan *nats.Msg{SubjectUpdate: pushes, SubjectHead: heads, f.question.inbox + ".*": answers} {
		if _, err := nc.ChanSubscribe(subject, ch); err != nil {
			return fmt.Errorf("listen on %s: %w", subject, err)
		}
	}
	if err := f.helpPeers(); err != nil {
		return err
	}
	if _, err := nc.Subscribe(subjectDigest+f.broker, f.answerDigest); err != nil {
		return fmt.Errorf("listen on %s: %w", subjectDigest, err)
	}
	if _, err := nc.Subscribe(subjectForesee, f.answerForesee); err != nil {
		return fmt.Errorf("listen on %s: %w", subjectForesee, err)
	}
	lookup := lookupFunc(f.lookUp)
	f.resolver.lookup.Store(&lookup)
	defer f.resolver.lookup.Store(nil)
	fetch := fetchFunc(f.fetchPage)
	f.resolver.pages.fetch.Store(&fetch)
	defer f.resolver.pages.fetch.Store(nil)
	if _, err := nc.Subscribe(SubjectUsage, f.answerUsage); err != nil {
		return fmt.Errorf("listen on %s: %w", SubjectUsage, err)
	}
	var beside sync.WaitGroup
	beside.Go(func() { f.tellRefused(ctx) })
	beside.Go(func() { f.tellSeen(ctx) })
	beside.Go(func() { f.tellDisk(ctx) })
	beside.Go(func() { f.shareCounts(ctx) })
	f.loop(ctx, pushes, heads, answers, reconnected)
	beside.Wait()
	return nil
}

func (f *Follower) connect(s *server.Server, reconnected chan<- struct{}) (*nats.Conn, error) {
	return nats.Connect("", nats.InProcessServer(s), nats.Name("signalbox follower"), nats.CustomInboxPrefix(inboxOf(f.broker)),
		nats.UserJWT(func() (string, error) { return f.login.Load().JWT, nil }, func(nonce []byte) ([]byte, error) { return f.login.Load().Sign(nonce) }),
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort(),
		nats.ConnectHandler(func(*nats.Conn) { signal(reconnected) }),
		nats.ReconnectHandler(func(*nats.Conn) { signal(reconnected) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			f.log.Warn("the follower's connection has a problem", "error", err)
		}))
}

// LogIn makes the follower come in to the system account by another login, from now on.
func (f *Follower) LogIn(login Login) {
	f.login.Store(&login)
	signal(f.loginChanged)
}

// OperatorChanged is sent to when control goes by another operator JWT than this broker.
func (f *Follower) OperatorChanged() <-chan struct{} { return f.operatorChanged }

func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (f *Follower) loop(ctx context.Context, pushes, heads, answers <-chan *nats.Msg, reconnected <-chan struct{}) {
	retry := time.NewTimer(0) // the first catch-up is due at once
	defer retry.Stop()
	f.report()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-pushes:
			f.takePushes(ctx, gather(m, pushes))
		case m := <-heads:
			f.takeHead(ctx, m)
		case m := <-answers:
			f.takeHeadAnswer(ctx, m)
		case <-reconnected:
			f.ask(ctx)
			f.report()
		case <-f.provable():
			f.update(func(*Progress) {})
			f.report()
		case <-f.loginChanged:
			if err := f.conn.ForceReconnect(); err != nil {
				f.log.Warn("cannot log in to the system account anew", "error", err)
			}
		case <-retry.C:
			f.ask(ctx)
		case result := <-f.answers:
			if !f.takeAnswer(ctx, result) {
				retry.Reset(f.backoff())
			}
		}
		f.noteLoss(ctx)
		f.noteAnswer()
	}
}

// noteLoss starts again from what the store has, when that has become less than
// it was: it was damaged, or did not take what was meant to be in it.
func (f *Follower) noteLoss(ctx context.Context) {
	stored := f.store.Applied()
	if stored >= f.applied() {
		return
	}
	f.cursor = stored
	f.update(func(p *Progress) { p.Applied, p.CaughtUp = stored, false })
	f.report()
	f.ask(ctx)
}

// gather takes what else has come, so that one fsync serves all of it.
func gather(first *nats.Msg, more <-chan *nats.Msg) []*nats.Msg {
	batch := []*nats.Msg{first}
	for len(batch) < maxPushBatch {
		select {
		case m := <-more:
			batch = append(batch, m)
		default:
			return batch
		}
	}
	return batch
}

// takePushes applies those pushes that follow on what is applied, with one
// commit, and then answers each.
//
// A refused push does not move the applied revision on: what came over the wire
// may not be what control meant. It makes the broker ask, and the answer, which
// comes from control for certain, decides whether the entry is to be skipped.
func (f *Follower) takePushes(ctx context.Context, messages []*nats.Msg) {
	at, whole := f.cursor, f.applied()
	var good []judged
	var taken []push
	for _, m := range messages {
		p, j, err := f.readPush(m)
		switch {
		case err != nil:
			f.refuse(m, p, err)
			f.ask(ctx)
		case p.Revision <= at:
			taken = append(taken, p) // a repeat
			if p.whole {
				whole = max(whole, p.Revision)
			}
		case p.previous > at:
			f.answer(m, pushAnswer{Data: &answerStatus{Account: p.Account, Code: 202, Message: "missed earlier changes: catching up"}})
			f.ask(ctx)
		case f.resolver.havePages(j) != nil: // to be asked for, which must not hold up others
			f.answer(m, pushAnswer{Data: &answerStatus{Account: p.Account, Code: 202, Message: "asking for its pages"}})
			f.ask(ctx)
		default:
			good, taken, at = append(good, j), append(taken, p), p.Revision
			if p.whole {
				whole = at
			}
		}
	}
	f.commitPushes(ctx, good, taken, at, whole)
}

// readPush returns what it could make out even when there is an error.
func (f *Follower) readPush(m *nats.Msg) (push, judged, error) {
	p, err := decodePush(m)
	if err != nil {
		return push{message: m}, judged{}, err
	}
	j, err := f.resolver.judge(p.Entry)
	switch {
	case err == nil:
		p.Account = j.Account
	case p.Account == "":
		p.Account = claimed(p.JWT)
	}
	return p, j, err
}

func (f *Follower) commitPushes(ctx context.Context, good []judged, taken []push, at, whole Revision) {
	if len(taken) == 0 {
		return
	}
	refused := map[string]Refusal{}
	if since := f.applied(); len(good) > 0 || whole > since {
		refusals, err := f.resolver.commit(good, nil, since, whole)
		if err != nil {
			f.log.Error("cannot apply pushed claims; asking for them again", "error", err)
			for _, p := range taken {
				f.answerError(p.message, p.Account, errors.New("the broker could not store the claims"))
				f.remember(Refusal{Account: p.Account, Revision: p.Revision, Reason: "not stored: " + err.Error()})
			}
			f.report()
			f.ask(ctx)
			return
		}
		for _, r := range refusals {
			refused[r.Account] = r
		}
		f.update(func(p *Progress) {
			p.Applied, p.Head, p.HeardAt = whole, max(p.Head, at), time.Now()
		})
		f.cursor = at
	}
	for _, p := range taken {
		if r, ok := refused[p.Account]; ok {
			f.answerError(p.message, p.Account, errors.New(r.Reason))
			continue
		}
		f.answer(p.message, pushAnswer{Data: &answerStatus{Account: p.Account, Code: 200, Message: "jwt updated"}})
	}
	f.report()
}

func (f *Follower) refuse(m *nats.Msg, p push, err error) {
	account := p.Account
	if account == "" {
		account = "n/a" // as stock servers say
	}
	f.resolver.counts.Refusals.Add(1)
	f.log.Error("refused pushed claims", "account", account, "revision", p.Revision, "reason", err)
	f.remember(Refusal{Account: p.Account, Revision: p.Revision, Reason: err.Error()})
	f.answerError(m, account, err)
	f.report()
}

// remember keeps a refusal for the next receipt only.
func (f *Follower) remember(r Refusal) {
	if len(f.transient) < maxReported {
		f.transient = append(f.transient, r)
	}
}

func (f *Follower) answerError(m *nats.Msg, account string, err error) {
	f.answer(m, pushAnswer{Error: &answerError{Account: account, Code: 500, Description: "jwt update resulted in error - " + err.Error()}})
}

func (f *Follower) answer(m *nats.Msg, a pushAnswer) {
	if m.Reply == "" {
		return
	}
	a.Server = answerServer{Name: f.server.Name(), ID: f.server.ID()}
	reply := nats.NewMsg(m.Reply)
	reply.Header.Set(HeaderApplied, strconv.FormatInt(f.proven(), 10))
	reply.Header.Set(HeaderBroker, f.broker)
	reply.Data = mustJSON(a)
	f.publish(reply)
}

func (f *Follower) publish(m *nats.Msg) {
	if err := f.conn.PublishMsg(m); err != nil {
		f.log.Warn("cannot send on the broker's own connection", "subject", m.Subject, "error", err)
	}
}

// report sends the receipt to any of the replicas.
func (f *Follower) report() { f.publish(f.receipt(SubjectApplied)) }

func (f *Follower) receipt(subject string) *nats.Msg {
	standing, err := f.store.Refusals(maxReported)
	if err != nil {
		f.log.Error("cannot report refusals", "error", err)
	}
	m := nats.NewMsg(subject)
	progress, _ := f.Progress()
	m.Data = mustJSON(Receipt{
		Broker: f.broker, Applied: progress.Proven, Settled: progress.CaughtUp, Stored: f.store.Stored(), Refusals: append(f.transient, standing...),
		Effects:  f.resolver.effects.report(time.Now()),
		ServerID: f.server.ID(), Version: server.VERSION,
	})
	f.transient = nil
	return m
}

func (f *Follower) takeHead(ctx context.Context, m *nats.Msg) {
	var head headMessage
	if err := json.Unmarshal(m.Data, &head); err != nil || head.Revision < 0 {
		f.log.Warn("ignored an unreadable head", "error", errors.Join(err, fmt.Errorf("revision %d", head.Revision)))
		return
	}
	f.replica = head.Replica
	if head.Operator != "" && head.Operator != f.resolver.trust.ID() {
		signal(f.operatorChanged)
	}
	f.heed(ctx, head.Revision)
	f.noteUnproven()
	if m.Reply == "" {
		f.report()
		return
	}
	receipt := f.receipt(m.Reply)
	if f.doubts() {
		f.question.number, f.question.asked = f.question.number+1, time.Now()
		receipt.Reply = f.question.inbox + "." + strconv.Itoa(f.question.number)
	}
	f.publish(receipt)
}

// takeHeadAnswer takes what the head was when the last question was asked, or later.
func (f *Follower) takeHeadAnswer(ctx context.Context, m *nats.Msg) {
	var head headMessage
	if m.Subject != f.question.inbox+"."+strconv.Itoa(f.question.number) || json.Unmarshal(m.Data, &head) != nil || head.Revision < 0 {
		return
	}
	f.question.answered, f.question.head = f.question.asked, head.Revision
	f.heed(ctx, head.Revision)
}

// noteAnswer ends doubts once what control answered is in force. Not before:
// older heads may still be waiting on the way.
func (f *Follower) noteAnswer() {
	if q := &f.question; !q.answered.IsZero() && f.applied() >= q.head {
		f.believe(q.answered)
		q.answered = time.Time{}
	}
}

func (f *Follower) heed(ctx context.Context, head Revision) {
	f.update(func(p *Progress) { p.Head, p.HeardAt = head, time.Now() })
	progress, _ := f.Progress()
	if head > progress.Applied || !progress.CaughtUp || len(f.lacking()) > 0 {
		f.ask(ctx)
	}
	f.noteAhead(head < progress.Applied, head)
}

// noteAhead says, once, that control knows less than this broker has applied.
func (f *Follower) noteAhead(ahead bool, head Revision) {
	if ahead && !f.ahead {
		f.log.Error("control's revision is behind what this broker has applied: was its database restored from an older copy? "+
			"Changes up to the applied revision are taken for repeats", "control", head, "applied", f.applied())
	}
	f.ahead = ahead
}

// ask sends for what was missed, unless that is on its way; then it does so
// again afterwards.
func (f *Follower) ask(ctx context.Context) {
	if f.asking {
		f.askAgain = true
		return
	}
	f.asking, f.askAgain = true, false
	go f.catchUp(ctx, catchUpResult{asked: time.Now(), subject: f.catchUpSubject(), since: f.cursor, applied: f.applied(), nothing: f.store.empty()}, f.lacking(), maps.Clone(f.peers))
}

// catchUpSubject leads to the replica that announced a head last, if any. Of the
// others some may only seem to be there, behind a peer that is paused or cut off.
func (f *Follower) catchUpSubject() string {
	if f.replica == "" {
		return SubjectCatchUp
	}
	return SubjectCatchUp + "." + f.replica
}

// lacking are the accounts that were refused for want of their pages.
func (f *Follower) lacking() (accounts []string) {
	standing, err := f.store.Refusals(maxReported)
	if err != nil {
		return nil // the store is closed
	}
	for _, r := range standing {
		if strings.HasPrefix(r.Reason, lacksPages) && f.store.wants(r.Account) {
			accounts = append(accounts, r.Account)
		}
	}
	return accounts
}

// catchUp runs beside the loop, which meanwhile goes on applying pushes. What
// the answer's accounts need is here when it comes.
func (f *Follower) catchUp(ctx context.Context, result catchUpResult, lacking []string, peers map[string]Revision) {
	since := result.since
	if result.nothing {
		since = math.MaxInt64 // only where control is
	}
	result.answer, result.err = f.requestCatchUp(ctx, result.subject, since)
	if result.err != nil && ctx.Err() == nil {
		result.peer, result.fromPeer = f.askPeers(ctx, result.since, peers)
	}
	if result.err == nil {
		result.lacking = f.lookUpAll(ctx, lacking)
	}
	if err := f.resolver.getPages(ctx, slices.Concat(result.answer.Entries, result.fromPeer.Entries)); err != nil {
		f.log.Warn("cannot have an account's change without its pages", "error", err)
	}
	_ = f.resolver.getPages(ctx, result.lacking) // has been said
	f.answers <- result                          // holds one, and one is under way at a time
}

// lookUpAll leaves out what control does not answer.
func (f *Follower) lookUpAll(ctx context.Context, accounts []string) (entries []Entry) {
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	for _, account := range accounts {
		if e, err := f.lookUp(ctx, account); err == nil {
			entries = append(entries, e)
		}
	}
	return entries
}

func (f *Follower) requestCatchUp(ctx context.Context, subject string, since Revision) (catchUpAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	m, err := f.conn.RequestWithContext(ctx, subject, mustJSON(catchUpRequest{Since: since}))
	if errors.Is(err, nats.ErrNoResponders) {
		return catchUpAnswer{}, errors.New("control is not connected")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		f.dropDeaf()
	}
	if err != nil {
		return catchUpAnswer{}, fmt.Errorf("ask control for changes: %w", err)
	}
	if reason := m.Header.Get(headerLookupErr); reason != "" {
		return catchUpAnswer{}, fmt.Errorf("control cannot answer: %s", reason)
	}
	var a catchUpAnswer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return catchUpAnswer{}, fmt.Errorf("read control's answer: %w", err)
	}
	return a, a.validate(since)
}

// dropDeaf ends the connections that control has to this very server, when they
// do not answer. The server prefers them to those at its peers, and would take
// minutes to notice that the network behind them is cut. One that is merely slow
// is made anew.
func (f *Follower) dropDeaf() {
	connections, err := f.server.Connz(&server.ConnzOptions{Account: f.resolver.system, Limit: 1000})
	if err != nil {
		f.log.Warn("cannot look for connections of control's", "error", err)
		return
	}
	for _, c := range connections.Conns {
		if c.Name == controlName && f.server.DisconnectClientByID(c.Cid) == nil {
			f.log.Info("control does not answer: ended its connection to this broker, others may lead to it", "connection", c.Cid)
		}
	}
}

// validate refuses an answer that would lead the broker astray.
func (a catchUpAnswer) validate(since Revision) error {
	last := since
	for _, e := range a.Entries {
		if e.Account == "" || e.Revision <= last || e.Revision > a.AppliedTo {
			return fmt.Errorf("the answer after %d and up to %d holds an entry of account %q at %d", last, a.AppliedTo, e.Account, e.Revision)
		}
		last = e.Revision
	}
	if a.AppliedTo < 0 || a.More && (a.AppliedTo <= since || a.AppliedTo != last) {
		return fmt.Errorf("the answer goes on from %d, after entries up to %d", a.AppliedTo, last)
	}
	return nil
}

// takeAnswer returns false when asking should be tried again later.
func (f *Follower) takeAnswer(ctx context.Context, result catchUpResult) bool {
	f.asking = false
	if result.since > f.cursor { // what it follows on could not be stored
		f.ask(ctx)
		return true
	}
	err := result.err
	if err == nil {
		before := f.cursor
		if result.answer.More && !result.nothing { // what comes next is on its way while this is stored
			f.cursor = max(f.cursor, result.answer.AppliedTo)
			f.ask(ctx)
		}
		if err = f.applyAnswer(result); err != nil {
			f.cursor = before
		}
	}
	if ctx.Err() != nil {
		return true
	}
	if err != nil {
		f.replica = ""
		f.noteFailure(err)
		if more := f.takeFromPeer(result); more {
			f.ask(ctx)
			return true
		}
		return false
	}
	if f.failures > 0 {
		f.log.Info("control answers", "applied", f.applied())
	}
	f.failures = 0
	clear(f.peers)
	if !f.asking && (result.answer.More || f.askAgain) {
		f.ask(ctx)
	}
	return true
}

func (f *Follower) applyAnswer(result catchUpResult) error {
	a := result.answer
	if result.nothing && !f.store.empty() {
		f.askAgain = true // an account came while the answer did, and what changed of it may be left out
		return nil
	}
	if result.nothing {
		f.graves.addAll() // what changed meanwhile was not told
	}
	appliedTo := a.AppliedTo
	if a.More {
		appliedTo = 0 // what was changed below may come with the rest
	}
	refusals, err := f.resolver.accept(a.Entries, result.applied, appliedTo)
	if err != nil {
		return err
	}
	if _, err := f.resolver.Accept(result.lacking, 0); err != nil { // what is refused again has been said
		return err
	}
	for _, r := range refusals {
		f.log.Error("refused claims", "account", r.Account, "revision", r.Revision, "reason", r.Reason)
	}
	f.cursor = max(f.cursor, a.AppliedTo)
	f.update(func(p *Progress) {
		p.Applied, p.Head, p.HeardAt, p.LastError = max(p.Applied, appliedTo), max(p.Head, a.AppliedTo), time.Now(), ""
		p.CaughtUp = p.CaughtUp || !a.More
	})
	if !a.More {
		f.believe(result.asked)
	}
	f.noteAhead(!a.More && a.AppliedTo < f.applied(), a.AppliedTo)
	f.report()
	return nil
}

func (f *Follower) noteFailure(err error) {
	f.failures++
	switch f.failures {
	case 1: // usual when both have just started
		f.log.Info("control cannot be asked yet; serving what is stored", "applied", f.applied(), "error", err)
	case worrying:
		f.log.Warn("still cannot catch up; serving what is stored and trying again", "applied", f.applied(), "error", err)
	}
	f.update(func(p *Progress) { p.LastError = err.Error() })
}

// backoff is how long to wait after the last failure. A head ends the wait.
func (f *Follower) backoff() time.Duration {
	wait := min(retryFirst<<min(f.failures, 10), retryAtMost)
	return wait/2 + rand.N(wait/2)
}

// lookUp asks control for one account.
func (f *Follower) lookUp(ctx context.Context, account string) (Entry, error) {
	request := nats.NewMsg(lookupSubject(account))
	request.Header.Set(HeaderBroker, f.broker)
	m, err := f.conn.RequestMsgWithContext(ctx, request)
	if errors.Is(err, nats.ErrNoResponders) {
		return Entry{}, fault.New(fault.Unavailable, "control is not connected")
	}
	if err != nil {
		return Entry{}, err
	}
	if reason := m.Header.Get(headerLookupErr); reason != "" {
		return Entry{}, fault.New(fault.Unavailable, "control cannot answer: %s", reason)
	}
	if len(m.Data) == 0 {
		return Entry{}, fault.New(fault.NotFound, "control knows no such account")
	}
	// Without the header the answer is a stock server's: kept as older than anything.
	revision, _ := strconv.ParseInt(m.Header.Get(HeaderRevision), 10, 64)
	return Entry{Account: account, Revision: max(revision, 0), JWT: string(m.Data)}, nil
}
