package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/nats-io/nats.go"
)

// Somebody was let in. The account's owner should see which credentials are in
// use, and where. So a broker notes each credential's last login, and tells control of
// those that are new, as it does of refused logins:
//
//	{"broker":"U…","logins":[{"account":"A…","user":"U…","connection_type":"MQTT","address":"192.0.2.7","client":"go 1.55.0","ago_ms":120}]}
//
// An empty answer says that control has it. What does not fit into the broker's
// list is not told: it will be when the credential logs in again.
const SubjectSeen = "signalbox.seen"

// SeenLogin is the last login with a credential.
type SeenLogin struct {
	Account        string `json:"account"`
	User           string `json:"user"`
	ConnectionType string `json:"connection_type"`
	Address        string `json:"address"`          // without port
	Client         string `json:"client,omitempty"` // what it says of itself
	Ago            int64  `json:"ago_ms"`
}

type seenMessage struct {
	Broker string      `json:"broker"`
	Logins []SeenLogin `json:"logins"`
}

const (
	seenAtOnce   = 500 // in one message
	maxSeen      = 16384
	maxSeenEach  = 4096 // of one account
	maxSeenWords = 64   // bytes of a client's name, of its language and of its version
)

// Sighting is a login that was let in.
type Sighting struct {
	Account, User, ConnectionType, Address string
	Name, Language, Version                string // what the client says of itself
	At                                     time.Time
}

// identity is a credential in an account.
type identity struct{ account, user string }

// seen is what a broker has not told control yet: of each credential its last login.
type seen struct {
	news chan struct{} // holds one: there is something to tell

	mu      sync.Mutex
	last    map[identity]Sighting
	account map[string]int // how many of last are the account's
}

func newSeen() *seen {
	return &seen{news: make(chan struct{}, 1), last: map[identity]Sighting{}, account: map[string]int{}}
}

// note keeps a login, unless a later one of the credential is there. It never waits.
func (s *seen) note(l Sighting) {
	l.Name, l.Language, l.Version = bounded(l.Name), bounded(l.Language), bounded(l.Version)
	id := identity{l.Account, l.User}
	s.mu.Lock()
	defer s.mu.Unlock()
	was, known := s.last[id]
	if !known {
		if len(s.last) >= maxSeen || s.account[l.Account] >= maxSeenEach {
			return
		}
		s.account[l.Account]++
	}
	if was.At.After(l.At) {
		return
	}
	s.last[id] = l
	signal(s.news)
}

// bounded cuts a text without holding on to the rest of it.
func bounded(text string) string {
	if len(text) <= maxSeenWords {
		return text
	}
	return strings.Clone(text[:maxSeenWords])
}

// take removes some of what there is to tell, as much as one message holds.
func (s *seen) take() []Sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := make([]Sighting, 0, min(seenAtOnce, len(s.last)))
	for id, l := range s.last {
		if len(taken) == seenAtOnce {
			break
		}
		taken = append(taken, l)
		delete(s.last, id)
		if s.account[id.account]--; s.account[id.account] == 0 {
			delete(s.account, id.account)
		}
	}
	return taken
}

// client is what the client says of itself, fit to be shown on a line.
func (l Sighting) client() string {
	words := strings.Join([]string{l.Language, l.Version, l.Name}, " ")
	words = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, words)
	return strings.Join(strings.Fields(words), " ")
}

// Seen notes a login that was let in, for control to hear of. It never waits, and
// may be called from any goroutine.
func (f *Follower) Seen(l Sighting) { f.seen.note(l) }

// tellSeen runs beside the follower's loop until ctx ends.
func (f *Follower) tellSeen(ctx context.Context) {
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.seen.news:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(refusedFirst, refusedEvery-time.Since(told))):
		}
		told = time.Now()
		f.tellAllSeen(ctx)
	}
}

// tellAllSeen tells what there is, message by message, until control has it or
// does not answer.
func (f *Follower) tellAllSeen(ctx context.Context) {
	for {
		taken := f.seen.take()
		if len(taken) == 0 {
			return
		}
		message, now := seenMessage{Broker: f.broker}, time.Now()
		for _, l := range taken {
			message.Logins = append(message.Logins, SeenLogin{Account: l.Account, User: l.User, ConnectionType: l.ConnectionType,
				Address: l.Address, Client: l.client(), Ago: now.Sub(l.At).Milliseconds()})
		}
		if err := f.deliver(ctx, SubjectSeen, message); err != nil {
			f.log.Debug("control has not heard of logins yet", "error", err)
			for _, l := range taken {
				f.seen.note(l)
			}
			return
		}
	}
}

// takeSeen is control's end. As with refused logins, reports are kept one at a time.
func (l *link) takeSeen(ctx context.Context, m *nats.Msg) {
	if !l.hub.recording.TryLock() {
		l.cannot(m, "another broker's report is being stored")
		return
	}
	defer l.hub.recording.Unlock()
	var message seenMessage
	if err := json.Unmarshal(m.Data, &message); err != nil || message.Broker == "" {
		l.fail("read a report of logins", errors.Join(err, errors.New("not a report")))
		return
	}
	if err := l.hub.source.Seen(ctx, l.OperatorID, message.Broker, message.Logins); err != nil {
		l.fail("keep a report of logins", err)
		l.cannot(m, "it cannot be stored right now")
		return
	}
	l.respond(m, "", nil)
}
