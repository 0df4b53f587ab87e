package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// helpPeers answers brokers that are behind, if this one is a mirror, and those
// that have lost a page of an account.
func (f *Follower) helpPeers() error {
	answers := map[string]nats.MsgHandler{subjectPeerPage + "*": f.answerPeerPage}
	if f.store.cache == nil {
		answers[SubjectPeers], answers[SubjectPeers+"."+f.broker] = f.sayAhead, f.answerPeer
	}
	for subject, answer := range answers {
		if _, err := f.conn.Subscribe(subject, answer); err != nil {
			return fmt.Errorf("listen on %s: %w", subject, err)
		}
	}
	return nil
}

func (f *Follower) sayAhead(m *nats.Msg) {
	request, err := readRequest(m)
	if err != nil || f.store.Applied() <= request.Since {
		return // our own question comes here, too
	}
	f.respond(m, peerAnswer{Broker: f.broker, Applied: f.store.Applied()})
}

// answerPeer leaves out what this broker itself has from a peer only.
func (f *Follower) answerPeer(m *nats.Msg) {
	request, err := readRequest(m)
	if err != nil {
		return
	}
	applied := f.store.Applied() // before the entries are read: what comes meanwhile is beyond
	entries, more, err := f.store.Since(request.Since, maxCatchUpRows)
	if err != nil {
		f.log.Error("cannot answer a peer", "error", err)
		return
	}
	f.respond(m, fitAnswer(entries, applied, more))
}

func (f *Follower) respond(m *nats.Msg, answer any) {
	if err := m.Respond(mustJSON(answer)); err != nil {
		f.log.Warn("cannot answer a peer", "error", err)
	}
}

func readRequest(m *nats.Msg) (catchUpRequest, error) {
	var request catchUpRequest
	if err := json.Unmarshal(m.Data, &request); err != nil {
		return request, err
	}
	if request.Since < 0 || m.Reply == "" {
		return request, errors.New("not a request")
	}
	return request, nil
}

// askPeers returns what one of the peers that are ahead says, and who it was;
// nobody when none is. heard is how far each has told us already: a peer that
// claims too much spoils nobody's answers but its own.
func (f *Follower) askPeers(ctx context.Context, since Revision, heard map[string]Revision) (string, catchUpAnswer) {
	ahead, err := f.findAhead(ctx, since, heard)
	if err != nil || len(ahead) == 0 {
		return "", catchUpAnswer{}
	}
	peer := ahead[rand.N(len(ahead))]
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	m, err := f.conn.RequestWithContext(ctx, SubjectPeers+"."+peer, mustJSON(catchUpRequest{Since: max(since, heard[peer])}))
	if err != nil {
		return "", catchUpAnswer{}
	}
	var a catchUpAnswer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		f.log.Warn("ignored a peer's answer", "peer", peer, "error", err)
		return "", catchUpAnswer{}
	}
	return peer, a
}

// findAhead asks all peers, and takes their word for it.
func (f *Follower) findAhead(ctx context.Context, since Revision, heard map[string]Revision) (ahead []string, err error) {
	answers, done, err := f.askAll(SubjectPeers, mustJSON(catchUpRequest{Since: since}))
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, peersFor)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return ahead, nil
		case m := <-answers:
			var a peerAnswer
			if err := json.Unmarshal(m.Data, &a); err != nil {
				continue
			}
			if _, err := claims.ParseUserKey(a.Broker); err == nil && a.Applied > max(since, heard[a.Broker]) && a.Broker != f.broker {
				ahead = append(ahead, a.Broker)
			}
		}
	}
}

// askAll publishes a request that many may answer, until done is called.
func (f *Follower) askAll(subject string, request []byte) (answers <-chan *nats.Msg, done func(), err error) {
	ch, inbox := make(chan *nats.Msg, 64), f.conn.NewInbox()
	sub, err := f.conn.ChanSubscribe(inbox, ch)
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = sub.Unsubscribe() } // fails only when the connection is gone, and all its subscriptions
	if err := f.conn.PublishRequest(subject, inbox, request); err != nil {
		done()
		return nil, nil, err
	}
	return ch, done, nil
}

// takeFromPeer returns true when the peer has more to say.
func (f *Follower) takeFromPeer(result catchUpResult) (more bool) {
	if result.peer == "" {
		return false
	}
	a := result.fromPeer
	since := max(result.since, f.peers[result.peer])
	if err := a.validate(since); err != nil {
		f.log.Warn("ignored a peer's answer", "peer", result.peer, "error", err)
		f.peers[result.peer] = max(since, a.AppliedTo) // not again
		return false
	}
	taken, err := f.resolver.AcceptFromPeer(a.Entries)
	f.resolver.counts.Peers.Add(int64(taken))
	if err != nil {
		f.log.Error("cannot take all that a peer says", "peer", result.peer, "error", err)
		return false
	}
	f.peers[result.peer] = max(since, a.AppliedTo)
	if taken > 0 {
		f.log.Info("control is away: took changes from a peer", "peer", result.peer, "accounts", taken, "up_to", a.AppliedTo)
	}
	f.report()
	return a.More
}
