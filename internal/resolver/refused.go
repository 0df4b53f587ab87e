package resolver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Somebody was not let in. The client hears what NATS always says, which is
// next to nothing; the account's owner should hear why. So a broker counts, for each way in
// which that happens, and tells control at most every two seconds:
//
//	{"broker":"U…","logins":[{"account":"A…","user":"U…","reason":"credential_revoked","count":3,"last_ago_ms":120,…}]}
//
// An empty answer says that control has it. Otherwise the broker tells again,
// with what came meanwhile. It says how long ago, not when: the two clocks may
// differ. What does not fit into the broker's list is not told; a client that nobody knows can
// make up accounts and users, but only crowd out others of that account.
const SubjectRefused = "signalbox.refused"

// RefusedLogin is one way in which somebody was not let in.
type RefusedLogin struct {
	Account        string `json:"account"`        // the public key that the client's JWT names; checked to be one, not to exist
	User           string `json:"user,omitempty"` // likewise
	Reason         string `json:"reason"`
	ConnectionType string `json:"connection_type,omitempty"`
	Address        string `json:"address,omitempty"` // without port
}

// RefusedLogins is how often that happened.
type RefusedLogins struct {
	RefusedLogin
	Detail   string `json:"detail,omitempty"` // what of the reason depends on the login: the last one's
	Count    int64  `json:"count"`
	FirstAgo int64  `json:"first_ago_ms"`
	LastAgo  int64  `json:"last_ago_ms"`
}

type refusedMessage struct {
	Broker string          `json:"broker"`
	Logins []RefusedLogins `json:"logins"`
}

const (
	refusedFirst   = 200 * time.Millisecond // somebody may be looking at the page
	refusedEvery   = 2 * time.Second
	refusedAtOnce  = 500  // in one message
	maxRefused     = 4096 // ways that wait to be told
	maxRefusedEach = 64   // of one account
)

// refused is what a broker has not told control yet.
type refused struct {
	news chan struct{} // holds one: there is something to tell

	mu      sync.Mutex
	ways    map[RefusedLogin]*tally
	account map[string]int // how many of ways are the account's
}

type tally struct {
	detail      string // of the last
	count       int64
	first, last time.Time
}

func newRefused() *refused {
	return &refused{news: make(chan struct{}, 1), ways: map[RefusedLogin]*tally{}, account: map[string]int{}}
}

// note counts a login that was refused at a time. It never waits.
func (r *refused) note(l RefusedLogin, detail string, at time.Time) {
	r.add(l, tally{detail: detail, count: 1, first: at, last: at})
}

func (r *refused) add(l RefusedLogin, more tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.ways[l]
	if t == nil {
		if len(r.ways) >= maxRefused || r.account[l.Account] >= maxRefusedEach {
			return
		}
		t = &tally{first: more.first}
		r.ways[l] = t
		r.account[l.Account]++
	}
	t.count += more.count
	if more.first.Before(t.first) {
		t.first = more.first
	}
	if more.last.After(t.last) {
		t.last, t.detail = more.last, more.detail
	}
	signal(r.news)
}

// take removes what there is to tell, those that waited longest first, as much as one message holds.
func (r *refused) take() map[RefusedLogin]tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	ways := make([]RefusedLogin, 0, len(r.ways))
	for l := range r.ways {
		ways = append(ways, l)
	}
	slices.SortFunc(ways, func(a, b RefusedLogin) int { return r.ways[a].first.Compare(r.ways[b].first) })
	taken := map[RefusedLogin]tally{}
	for _, l := range ways[:min(refusedAtOnce, len(ways))] {
		taken[l] = *r.ways[l]
		delete(r.ways, l)
		if r.account[l.Account]--; r.account[l.Account] == 0 {
			delete(r.account, l.Account)
		}
	}
	if len(r.ways) > 0 {
		signal(r.news)
	}
	return taken
}

// Refused counts a login that was not let in, for control to hear of. It never
// waits, and may be called from any goroutine.
func (f *Follower) Refused(l RefusedLogin, detail string) { f.refused.note(l, detail, time.Now()) }

// tellRefused runs beside the follower's loop until ctx ends.
func (f *Follower) tellRefused(ctx context.Context) {
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.refused.news:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(refusedFirst, refusedEvery-time.Since(told))):
		}
		told = time.Now()
		taken := f.refused.take()
		if err := f.tell(ctx, taken); err != nil {
			f.log.Debug("control has not heard of refused logins yet", "error", err)
			for l, t := range taken {
				f.refused.add(l, t)
			}
		}
	}
}

func (f *Follower) tell(ctx context.Context, taken map[RefusedLogin]tally) error {
	message, now := refusedMessage{Broker: f.broker}, time.Now()
	for l, t := range taken {
		message.Logins = append(message.Logins, RefusedLogins{RefusedLogin: l, Detail: t.detail, Count: t.count,
			FirstAgo: now.Sub(t.first).Milliseconds(), LastAgo: now.Sub(t.last).Milliseconds()})
	}
	slices.SortFunc(message.Logins, func(a, b RefusedLogins) int { return cmp.Compare(b.FirstAgo, a.FirstAgo) })
	return f.deliver(ctx, SubjectRefused, message)
}

// deliver sends control a message, and waits until it is stored there.
func (f *Follower) deliver(ctx context.Context, subject string, message any) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	answer, err := f.conn.RequestWithContext(ctx, subject, mustJSON(message))
	if err != nil {
		return err
	}
	if reason := answer.Header.Get(headerLookupErr); reason != "" {
		return errors.New(reason)
	}
	return nil
}

// takeRefused is control's end. Reports are kept one at a time, so that however
// many there are they leave the database to what matters more: whoever comes
// meanwhile tells again later.
func (l *link) takeRefused(ctx context.Context, m *nats.Msg) {
	if !l.hub.recording.TryLock() {
		l.cannot(m, "another broker's report is being stored")
		return
	}
	defer l.hub.recording.Unlock()
	var message refusedMessage
	if err := json.Unmarshal(m.Data, &message); err != nil || message.Broker == "" {
		l.fail("read a report of refused logins", errors.Join(err, errors.New("not a report")))
		return
	}
	if err := l.hub.source.Refused(ctx, l.OperatorID, message.Broker, message.Logins); err != nil {
		l.fail("keep a report of refused logins", err)
		l.cannot(m, "it cannot be stored right now")
		return
	}
	l.respond(m, "", nil)
}
