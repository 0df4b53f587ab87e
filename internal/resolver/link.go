package resolver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// link is control's connection to one cluster of brokers.
type link struct {
	Membership // its URLs change under mu
	hub        *Hub
	ctx        context.Context // ends with the hub's Run: bounds what is done for brokers' requests
	inbox      string          // answers to pushes arrive on inbox.<revision>
	rollCall   string          // answers to heads arrive here
	changed    chan struct{}   // wakes an attachment's courier
	busy       chan struct{}   // a place for each request that is being answered
	stock      atomic.Bool     // an unmodified nats-server has been heard of

	mu      sync.Mutex
	conn    *nats.Conn // nil until start has returned
	failed  bool       // start has, and it will never work
	closed  bool
	state   LinkStatus
	login   Login                // made for the attempt to connect that is under way
	heard   map[string]bool      // refusals already logged
	reached map[string]time.Time // by broker, when it last answered a head
}

const (
	controlName = "signalbox control" // by which brokers know control's connections

	linkWait    = 50 * time.Millisecond // between attempts on a cluster's list of servers, plus up to linkJitter
	linkJitter  = 150 * time.Millisecond
	linkTimeout = 2 * time.Second // for one attempt
	linkPing    = time.Second     // a broker that is silent for about three of these is taken for dead
	atOnce      = 16              // requests answered at the same time
	answerLimit = 10 * time.Second
	maxHeard    = 1000 // refusals remembered as logged
)

func newLink(ctx context.Context, h *Hub, m Membership) *link {
	l := &link{Membership: m, hub: h, ctx: ctx, inbox: nats.NewInbox(), rollCall: nats.NewInbox(), changed: make(chan struct{}, 1), busy: make(chan struct{}, atOnce)}
	l.setState(false, nil)
	return l
}

// start connects and listens. It may take as long as an attempt on every one of
// the brokers; when those fail, nats.go goes on by itself. What fails here can
// never work, like an unreadable URL.
func (l *link) start() {
	nc, err := nats.Connect(strings.Join(l.URLs, ","), l.options()...)
	if err == nil {
		err = l.listen(nc)
	}
	l.mu.Lock()
	l.failed = err != nil
	if err == nil {
		l.conn = nc
	}
	closed := l.closed
	l.mu.Unlock()
	if err != nil {
		l.setState(false, err)
		l.fail("connect to brokers", err)
		return
	}
	if closed {
		nc.Close()
		return
	}
	signal(l.hub.moved)
	if nc.IsConnected() { // the handler announced before anybody could be answered
		l.announceHead()
	}
}

// secure says whom to trust where a server wants TLS, and leaves it to servers
// to want it.
func (l *link) secure(o *nats.Options) error {
	if l.Roots != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			return fmt.Errorf("read the system's certificate authorities: %w", err)
		}
		roots.AppendCertsFromPEM([]byte(l.Roots))
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	if l.TLSFirst {
		return nats.TLSHandshakeFirst()(o)
	}
	return nil
}

func (l *link) listen(nc *nats.Conn) error {
	handlers := map[string]nats.MsgHandler{
		lookupWildcard: l.beside(l.answerLookup),
		subjectPack:    l.beside(l.answerPack),
		subjectList:    l.beside(l.answerList),
	}
	ours := map[string]nats.MsgHandler{l.inbox + ".*": l.takePushAnswer} // meant for this replica
	if !l.Attached {
		ours[l.rollCall] = l.beside(l.takeRollCall)
		ours[SubjectCatchUp+"."+l.hub.id] = l.beside(l.answerCatchUp)
		handlers[SubjectCatchUp] = l.beside(l.answerCatchUp)
		handlers[SubjectApplied] = l.beside(l.takeReceipt)
		handlers[SubjectRefused] = l.beside(l.takeRefused)
		handlers[SubjectSeen] = l.beside(l.takeSeen)
		handlers[SubjectDisk] = l.beside(l.takeDisk)
		if l.hub.source.Lease != nil {
			handlers[SubjectLease] = l.beside(l.takeLease)
		}
		handlers[subjectPage+"*"] = l.beside(l.answerPage)
	}
	for subject, handle := range handlers {
		if _, err := nc.QueueSubscribe(subject, queueControl, handle); err != nil {
			nc.Close()
			return fmt.Errorf("listen on %s: %w", subject, err)
		}
	}
	for subject, handle := range ours {
		if _, err := nc.Subscribe(subject, handle); err != nil {
			nc.Close()
			return fmt.Errorf("listen on %s: %w", subject, err)
		}
	}
	return nil
}

func (l *link) options() []nats.Option {
	return []nats.Option{
		l.secure,
		nats.Name(controlName),
		nats.UserJWT(l.userJWT, l.sign),
		nats.Timeout(linkTimeout), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(linkWait), nats.ReconnectJitter(linkJitter, linkJitter), nats.PingInterval(linkPing),
		nats.IgnoreDiscoveredServers(), // those addresses are the tenants'; ours come with the membership
		nats.ReconnectBufSize(-1),      // what cannot be sent now is asked for later
		nats.ConnectHandler(func(*nats.Conn) { l.nowConnected() }),
		nats.ReconnectHandler(func(*nats.Conn) { l.nowConnected() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { l.nowDisconnected(err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { l.setState(false, err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			l.hub.log.Error("the connection to brokers has a problem", "operator", l.OperatorID, "cluster", l.Cluster, "error", err)
		}),
	}
}

// userJWT and sign are called one after the other for each attempt to connect.
func (l *link) userJWT() (string, error) {
	login, err := l.Login()
	if err != nil {
		return "", fmt.Errorf("make a user for control: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.login = login
	return login.JWT, nil
}

func (l *link) sign(nonce []byte) ([]byte, error) {
	l.mu.Lock()
	sign := l.login.Sign
	l.mu.Unlock()
	return sign(nonce)
}

func (l *link) nowConnected() {
	l.setState(true, nil)
	l.hub.log.Info("connected to brokers", "operator", l.OperatorID, "cluster", l.Cluster)
	l.announceHead()
}

func (l *link) nowDisconnected(err error) {
	l.setState(false, err)
	if l.ctx.Err() == nil && err != nil {
		l.hub.log.Warn("lost the connection to brokers", "operator", l.OperatorID, "cluster", l.Cluster, "error", err)
	}
}

func (l *link) setState(connected bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Connected != connected || l.state.Since.IsZero() {
		l.state.Since = time.Now()
	}
	l.state.Connected = connected
	if connected {
		l.state.LastError = ""
	}
	if err != nil {
		l.state.LastError = err.Error()
	}
}

func (l *link) status() LinkStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	s.OperatorID, s.Cluster, s.URLs = l.OperatorID, l.Cluster, l.URLs
	return s
}

func (l *link) connected() bool { return l.status().Connected }

// move makes the link use other addresses from its next attempt to connect on;
// a connection that stands is left alone. False: the link is of no use.
func (l *link) move(m Membership) bool {
	urls := m.URLs
	l.mu.Lock()
	l.admit(m.Brokers)
	nc, failed, same := l.conn, l.failed, slices.Equal(l.URLs, urls)
	l.mu.Unlock()
	if failed || nc == nil || same {
		return !failed // without a connection it is still starting: next time
	}
	if err := nc.SetServerPool(urls); err != nil {
		l.fail("move to the brokers' new addresses", err)
		return true
	}
	l.mu.Lock()
	l.URLs = urls
	l.mu.Unlock()
	return true
}

func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	nc := l.conn
	l.mu.Unlock()
	if nc != nil {
		nc.Close()
	}
}

// connection is nil until the link has started.
func (l *link) connection() *nats.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

// beside runs a handler beside the connection's own goroutine, at most atOnce at
// a time, so that one slow answer does not hold up the others.
func (l *link) beside(handle func(context.Context, *nats.Msg)) nats.MsgHandler {
	return func(m *nats.Msg) {
		select {
		case l.busy <- struct{}{}:
		case <-l.ctx.Done():
			return
		}
		go func() {
			defer func() { <-l.busy }()
			ctx, cancel := context.WithTimeout(l.ctx, answerLimit)
			defer cancel()
			handle(ctx, m)
		}()
	}
}

func (l *link) announceHead() {
	if l.Attached {
		return // its servers know no revisions
	}
	ctx, cancel := context.WithTimeout(l.ctx, answerLimit)
	defer cancel()
	head, err := l.hub.source.Head(ctx, l.OperatorID)
	if err != nil {
		l.fail("read the operator's revision", err)
		return
	}
	l.announce(head)
}

func (l *link) announce(head Revision) {
	nc := l.connection()
	if nc == nil {
		return
	}
	if err := nc.PublishRequest(SubjectHead, l.rollCall, mustJSON(headMessage{Replica: l.hub.id, Revision: head, Operator: l.operatorJWT()})); err != nil {
		l.fail("announce the head", err)
	}
}

// operatorJWT is the id of the operator's JWT; empty when it cannot be read.
func (l *link) operatorJWT() string {
	if l.hub.source.Operator == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(l.ctx, answerLimit)
	defer cancel()
	id, err := l.hub.source.Operator(ctx, l.OperatorID)
	if err != nil {
		l.fail("read the operator's JWT", err)
	}
	return id
}

func (l *link) push(previous Revision, e Entry, whole bool) error {
	nc := l.connection()
	if nc == nil || !nc.IsConnected() {
		return errors.New("not connected to cluster " + l.Cluster)
	}
	m := encodePush(previous, e, whole)
	m.Reply = l.inbox + "." + strconv.FormatInt(e.Revision, 10)
	if err := nc.PublishMsg(m); err != nil {
		return fmt.Errorf("push to cluster %s: %w", l.Cluster, err)
	}
	if l.stock.Load() {
		var err error
		if e, err = l.hub.forStock(l.ctx, l.OperatorID, e); err != nil {
			return fmt.Errorf("push to servers in cluster %s: %w", l.Cluster, err)
		}
	}
	if err := nc.Publish(fmt.Sprintf(subjectAccountUpdate, e.Account), []byte(e.JWT)); err != nil {
		return fmt.Errorf("push to servers in cluster %s: %w", l.Cluster, err)
	}
	return nil
}

// takePushAnswer turns what one broker said of one push into a receipt.
func (l *link) takePushAnswer(m *nats.Msg) {
	var a pushAnswer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		if len(m.Data) > 0 { // an empty one says that nobody listens: no broker is up yet
			l.fail("read a broker's answer", err)
		}
		return
	}
	revision, _ := strconv.ParseInt(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], 10, 64) // we wrote it
	if m.Header.Get(HeaderBroker) == "" {
		l.takeStockAnswer(m, revision)
		return
	}
	r, err := a.receipt(m.Header, revision)
	if err != nil {
		l.fail("read a broker's answer", err)
		return
	}
	ctx, cancel := context.WithTimeout(l.ctx, answerLimit)
	defer cancel()
	l.keep(ctx, r)
}

// news is true the first time a refusal is heard of; brokers repeat those that stand.
func (l *link) news(broker string, r Refusal) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := broker + strconv.FormatInt(r.Revision, 10) + r.Account
	if l.heard[key] {
		return false
	}
	if l.heard == nil || len(l.heard) > maxHeard {
		l.heard = map[string]bool{}
	}
	l.heard[key] = true
	return true
}

func (a pushAnswer) receipt(header nats.Header, revision Revision) (Receipt, error) {
	r := Receipt{Broker: header.Get(HeaderBroker), ServerID: a.Server.ID, Partial: true}
	if r.Broker == "" {
		return Receipt{}, fmt.Errorf("server %q does not say which broker it is", a.Server.Name)
	}
	applied, err := strconv.ParseInt(header.Get(HeaderApplied), 10, 64)
	if err != nil {
		return Receipt{}, fmt.Errorf("broker %s does not say what it has applied", r.Broker)
	}
	r.Applied = applied
	if a.Error != nil {
		r.Refusals = []Refusal{{Account: a.Error.Account, Revision: revision, Reason: a.Error.Description}}
	}
	return r, nil
}

func (l *link) takeReceipt(ctx context.Context, m *nats.Msg) {
	var r Receipt
	if err := json.Unmarshal(m.Data, &r); err != nil || r.Broker == "" {
		l.fail("read a receipt", errors.Join(err, errors.New("not a receipt")))
		return
	}
	l.keep(ctx, r)
}

// keep hands a receipt on; refusals are failures that somebody must see.
func (l *link) keep(ctx context.Context, r Receipt) {
	for _, refusal := range r.Refusals {
		if !l.news(r.Broker, refusal) {
			continue
		}
		l.hub.log.Error("a broker refused an account's claims", "operator", l.OperatorID, "cluster", l.Cluster, "broker", r.Broker,
			"account", refusal.Account, "revision", refusal.Revision, "reason", refusal.Reason)
	}
	if err := l.hub.source.Applied(ctx, l.OperatorID, r); err != nil {
		l.fail("keep a receipt", err)
	}
}

func (l *link) answerCatchUp(ctx context.Context, m *nats.Msg) {
	var request catchUpRequest
	if err := json.Unmarshal(m.Data, &request); err != nil || request.Since < 0 {
		l.cannot(m, "the request is unreadable")
		return
	}
	entries, head, err := l.hub.source.Changes(ctx, l.OperatorID, request.Since, maxCatchUpRows)
	if err != nil {
		l.fail("read changes for a broker", err)
		l.cannot(m, "changes cannot be read right now")
		return
	}
	l.respond(m, "", mustJSON(fitAnswer(entries, head, len(entries) == maxCatchUpRows)))
}

// fitAnswer cuts entries to what one message may hold, at least one.
func fitAnswer(entries []Entry, head Revision, more bool) catchUpAnswer {
	size := 0
	for i, e := range entries {
		size += len(e.JWT) + len(e.Account) + 64 // the frame around them
		if size > maxCatchUpBytes && i > 0 {
			entries, more = entries[:i], true
			break
		}
	}
	if !more {
		return catchUpAnswer{Entries: entries, AppliedTo: head}
	}
	return catchUpAnswer{Entries: entries, AppliedTo: entries[len(entries)-1].Revision, More: true}
}

func (l *link) answerLookup(ctx context.Context, m *nats.Msg) {
	account, err := lookupAccount(m.Subject)
	if err != nil {
		l.respond(m, "", nil)
		return
	}
	lookup := l.hub.source.Lookup
	if m.Header.Get(HeaderBroker) == "" {
		lookup = l.hub.source.LookupForStock
	}
	if fromStock(m) {
		l.stock.Store(true)
	}
	e, err := lookup(ctx, l.OperatorID, account)
	if errors.Is(err, fault.NotFound) {
		l.respond(m, "", nil)
		return
	}
	if err != nil {
		l.fail("look up an account for a broker", err)
		l.cannot(m, "accounts cannot be read right now")
		return
	}
	if fromStock(m) {
		l.respond(m, "", []byte(e.JWT))
		return
	}
	answer := nats.NewMsg(m.Reply)
	answer.Header.Set(HeaderRevision, strconv.FormatInt(e.Revision, 10))
	answer.Data = []byte(e.JWT)
	if err := m.RespondMsg(answer); err != nil {
		l.fail("answer a broker", err)
	}
}

// fromStock says that a nats-server itself asks, which takes headers in an
// answer for a part of the JWT.
func fromStock(m *nats.Msg) bool { return strings.HasPrefix(m.Reply, stockInboxPrefix) }

// cannot answers that there is no answer: with the reason, so that brokers do
// not take it for "no such account". Stock servers would, so they get none.
func (l *link) cannot(m *nats.Msg, reason string) {
	if !fromStock(m) {
		l.respond(m, reason, nil)
	}
}

func (l *link) respond(m *nats.Msg, reason string, data []byte) {
	answer := nats.NewMsg(m.Reply)
	answer.Data = data
	if reason != "" {
		answer.Header.Set(headerLookupErr, reason)
	}
	if err := m.RespondMsg(answer); err != nil {
		l.fail("answer a broker", err)
	}
}

func (l *link) fail(doing string, err error) {
	if l.ctx.Err() != nil {
		return
	}
	l.hub.log.Error("cannot "+doing, "operator", l.OperatorID, "cluster", l.Cluster, "error", err)
}
