package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// ledger is control with its truth in memory, and a network that loses messages
// and keeps them for a while.
type ledger struct {
	mu        sync.Mutex
	buckets   map[Key]*Bucket
	limits    map[Key]int64
	heard     map[string]*Heard
	sequences map[string][2]int64
	holders   map[string]*Holder
	cut       map[string]bool // brokers that control does not reach
	apart     map[string]bool // brokers that their peers do not reach
	loss      float64
	stalls    map[string]time.Duration // brokers whose next answer keeps them from running for that long
	asks      int
}

func newLedger() *ledger {
	return &ledger{buckets: map[Key]*Bucket{}, limits: map[Key]int64{}, heard: map[string]*Heard{},
		sequences: map[string][2]int64{}, holders: map[string]*Holder{}, cut: map[string]bool{}, apart: map[string]bool{}, stalls: map[string]time.Duration{}}
}

var errLost = errors.New("lost")

func (l *ledger) ask(ctx context.Context, q Ask) (Answer, error) {
	if l.loses(q.Broker) {
		return l.nothing(ctx)
	}
	time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
	a, recalls := l.answer(q)
	l.mu.Lock()
	stall := l.stalls[q.Broker]
	delete(l.stalls, q.Broker)
	l.mu.Unlock()
	time.Sleep(stall)
	for _, r := range recalls {
		for broker, h := range l.all() {
			if !l.loses(broker) {
				go func() {
					time.Sleep(time.Duration(rand.IntN(2)) * time.Millisecond)
					h.Recalled(r)
				}()
			}
		}
	}
	if l.loses(q.Broker) {
		return l.nothing(ctx)
	}
	return a, nil
}

func (l *ledger) nothing(ctx context.Context) (Answer, error) {
	<-ctx.Done()
	return Answer{}, errLost
}

func (l *ledger) loses(broker string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut[broker] || rand.Float64() < l.loss
}

func (l *ledger) all() map[string]*Holder {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.holders)
}

func (l *ledger) answer(q Ask) (a Answer, recalls []Recall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asks++
	now := time.Now()
	last := l.sequences[q.Broker]
	if q.Incarnation < last[0] || q.Incarnation == last[0] && q.Sequence <= last[1] {
		return Answer{Incarnation: last[0]}, nil
	}
	l.sequences[q.Broker] = [2]int64{q.Incarnation, q.Sequence}
	if q.Incarnation > last[0] {
		for _, b := range l.buckets {
			b.Drop(func(broker string) bool { return broker == q.Broker })
		}
	}
	if l.heard[q.Broker] == nil {
		l.heard[q.Broker] = &Heard{Broker: q.Broker}
	}
	l.heard[q.Broker].Hear(q.Peers, now)
	heard := map[string]Heard{}
	for broker, h := range l.heard {
		heard[broker] = *h
		if broker != q.Broker && h.Steady(now) {
			a.Peers = append(a.Peers, broker)
		}
	}
	for _, w := range q.Wants {
		b := l.buckets[w.Key]
		if b == nil {
			b = &Bucket{}
			l.buckets[w.Key] = b
		}
		b.Drop(func(broker string) bool { return broker != q.Broker && heard[broker].Lost(heard, now) })
		g, recall := b.Take(q.Broker, w, l.limits[w.Key], now)
		a.Grants = append(a.Grants, g)
		if recall {
			recalls = append(recalls, Recall{Key: w.Key, Number: b.Recall})
		}
	}
	return a, recalls
}

func (l *ledger) limit(k Key, n int64) {
	l.mu.Lock()
	l.limits[k] = n
	l.mu.Unlock()
}

func (l *ledger) limitOf(k Key) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limits[k]
}

func (l *ledger) set(of map[string]bool, broker string, v bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of[broker] = v
}

// fakeConn is a connection of which only its life counts.
type fakeConn struct {
	id   uint64
	dead atomic.Bool
}

func (c *fakeConn) ID() uint64  { return c.id }
func (c *fakeConn) Alive() bool { return !c.dead.Load() }
func (c *fakeConn) End()        { c.dead.Store(true) }

// site is one broker with its connections.
type site struct {
	*Holder
	l    *ledger
	name string
	end  context.CancelFunc
	runs sync.WaitGroup

	mu    sync.Mutex
	conns []*fakeConn
	next  uint64
}

func (l *ledger) start(t *testing.T, name string) *site {
	ctx, cancel := context.WithCancel(t.Context())
	s := &site{Holder: NewHolder(name, slog.New(slog.DiscardHandler)), l: l, name: name, end: cancel}
	l.mu.Lock()
	l.holders[name] = s.Holder
	l.mu.Unlock()
	s.runs.Go(func() { s.Run(ctx, l.ask) })
	s.runs.Go(func() {
		for ctx.Err() == nil {
			l.mu.Lock()
			apart := l.apart[name]
			var others []*Holder
			for other, h := range l.holders {
				if other != name && !apart && !l.apart[other] {
					others = append(others, h)
				}
			}
			l.mu.Unlock()
			for _, h := range others {
				h.Heard(name)
			}
			time.Sleep(BeatEvery)
		}
	})
	return s
}

func (s *site) stop() {
	s.end()
	s.runs.Wait()
}

// login tries to get in.
func (s *site) login(k Key, limit int64) (*fakeConn, error) {
	s.mu.Lock()
	s.next++
	c := &fakeConn{id: s.next}
	s.mu.Unlock()
	if err := s.Reserve(c, Claim{Key: k, Limit: limit}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.conns = append(s.conns, c)
	s.mu.Unlock()
	return c, nil
}

func (s *site) live() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = slices.DeleteFunc(s.conns, func(c *fakeConn) bool { return !c.Alive() })
	return int64(len(s.conns))
}

func (s *site) closeSome(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns[:min(n, len(s.conns))] {
		c.End()
	}
	s.conns = s.conns[min(n, len(s.conns)):]
}

func live(sites []*site) (n int64) {
	for _, s := range sites {
		n += s.live()
	}
	return n
}

var mqtt = TypeKey("A", "MQTT")

func startSites(t *testing.T, l *ledger, n int) (sites []*site) {
	for i := range n {
		sites = append(sites, l.start(t, fmt.Sprint("b", i+1)))
	}
	time.Sleep(3 * BeatEvery) // all have heard of each other
	return sites
}

func stopAll(sites []*site) {
	for _, s := range sites {
		s.stop()
	}
	time.Sleep(time.Second) // what is on its way arrives
}

func TestExactlyTheLimitGetsInAtOnce(t *testing.T) {
	for _, brokers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger()
			l.limit(mqtt, 10)
			sites := startSites(t, l, brokers)
			var in, full atomic.Int64
			var all sync.WaitGroup
			for i := range 60 {
				all.Go(func() {
					switch _, err := sites[i%brokers].login(mqtt, 10); {
					case err == nil:
						in.Add(1)
					case errors.Is(err, ErrFull):
						full.Add(1)
					}
				})
			}
			all.Wait()
			if in.Load() != 10 || full.Load() != 50 {
				t.Errorf("%d brokers: %d got in, %d were told that it is full, want 10 and 50", brokers, in.Load(), full.Load())
			}
			stopAll(sites)
		})
	}
}

func TestPlacesMoveToWhereTheyAreNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.limit(mqtt, 10)
		sites := startSites(t, l, 2)
		for range 10 {
			if _, err := sites[0].login(mqtt, 10); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := sites[1].login(mqtt, 10); !errors.Is(err, ErrFull) {
			t.Errorf("the eleventh: %v, want %v", err, ErrFull)
		}
		sites[0].closeSome(5)
		began := time.Now()
		for i := range 5 {
			if _, err := sites[1].login(mqtt, 10); err != nil {
				t.Errorf("login %d at the other broker: %v", i+1, err)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("moving took %v", took)
		}
		if _, err := sites[1].login(mqtt, 10); !errors.Is(err, ErrFull) {
			t.Errorf("the eleventh after moving: %v", err)
		}
		stopAll(sites)
	})
}

func TestLoweredLimitEndsExactlyTheNewestBeyondIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.limit(mqtt, 12)
		sites := startSites(t, l, 3)
		first := map[*site]*fakeConn{}
		for i := range 12 {
			s := sites[i%3]
			c, err := s.login(mqtt, 12)
			if err != nil {
				t.Fatal(err)
			}
			if first[s] == nil {
				first[s] = c
			}
		}
		l.limit(mqtt, 5)
		for _, s := range sites {
			s.Adopt(Claim{Key: mqtt, Limit: 5}, nil)
		}
		time.Sleep(time.Second)
		if got := live(sites); got != 5 {
			t.Errorf("%d are left, want 5", got)
		}
		for _, s := range sites {
			if s.live() > 0 && !first[s].Alive() {
				t.Errorf("%s ended its oldest", s.name)
			}
		}
		stopAll(sites)
	})
}

func TestConnectionsThatWereThereBeforeTheLimitAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.limit(mqtt, 5)
		sites := startSites(t, l, 2)
		for _, s := range sites {
			var conns []Conn
			for range 4 {
				s.next++
				c := &fakeConn{id: s.next}
				s.conns = append(s.conns, c)
				conns = append(conns, c)
			}
			s.Adopt(Claim{Key: mqtt, Limit: 5}, conns)
			if all, settled := s.Adoptions(); all != 1 || settled != 0 {
				t.Errorf("of %d adoptions %d are settled, want none of one", all, settled)
			}
		}
		for _, s := range sites {
			<-s.Settled()
			if all, settled := s.Adoptions(); all != 1 || settled != 1 {
				t.Errorf("then of %d adoptions %d are settled, want the one", all, settled)
			}
		}
		if got := live(sites); got != 5 {
			t.Errorf("%d are left, want 5", got)
		}
		stopAll(sites)
	})
}

// While control is away nothing is settled, and one account that changes all the time does not keep the others'
// adoptions from being.
func TestAdoptionIsSettledWhenControlHasHeardOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		busy := TypeKey("B", "MQTT")
		l.limit(mqtt, 5)
		l.limit(busy, 5)
		s := startSites(t, l, 1)[0]
		l.set(l.cut, s.name, true)
		s.Adopt(Claim{Key: mqtt, Limit: 5}, nil)
		time.Sleep(10 * time.Second)
		if all, settled := s.Adoptions(); all != 1 || settled != 0 {
			t.Errorf("without control of %d adoptions %d are settled, want none of one", all, settled)
		}
		l.set(l.cut, s.name, false)
		for range 1000 {
			s.Adopt(Claim{Key: busy, Limit: 5}, nil)
			time.Sleep(time.Millisecond)
		}
		if all, settled := s.Adoptions(); settled < all-100 {
			t.Errorf("of %d adoptions, one every millisecond, only %d are settled", all, settled)
		}
		time.Sleep(time.Second)
		if all, settled := s.Adoptions(); settled != all {
			t.Errorf("in the end of %d adoptions %d are settled", all, settled)
		}
		stopAll([]*site{s})
	})
}

// What is adopted while an ask is on its way, that ask has not told control of.
func TestAnswerSettlesOnlyWhatWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHolder("b1", slog.New(slog.DiscardHandler))
		asked, answer := make(chan struct{}), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var runs sync.WaitGroup
		runs.Go(func() {
			h.Run(ctx, func(_ context.Context, q Ask) (a Answer, err error) {
				if len(q.Wants) == 0 {
					return a, nil
				}
				asked <- struct{}{}
				<-answer
				for range q.Wants {
					a.Grants = append(a.Grants, Grant{Places: 5, Final: true})
				}
				return a, nil
			})
		})
		want := func(all, settled int64) {
			t.Helper()
			if a, s := h.Adoptions(); a != all || s != settled {
				t.Errorf("of %d adoptions %d are settled, want %d of %d", a, s, settled, all)
			}
		}
		settles := func() {
			answer <- struct{}{}
			<-h.Settled()
		}
		h.Adopt(Claim{Key: mqtt, Limit: 5}, nil)
		<-asked
		h.Adopt(Claim{Key: mqtt, Limit: 5}, nil)
		want(2, 0)
		settles()
		want(2, 1)
		<-asked
		settles()
		want(2, 2)
		h.Adopt(Claim{Key: TypeKey("B", "MQTT"), Limit: 5}, nil) // which was never there before
		want(3, 2)
		<-asked
		settles()
		want(3, 3)
		h.Recalled(Recall{Key: mqtt, Number: 1})
		<-asked
		h.Adopt(Claim{Key: mqtt, Limit: 5}, nil)
		settles()
		want(4, 3)
		<-asked
		settles()
		want(4, 4)
		cancel()
		runs.Wait()
	})
}

func TestBrokerThatIsGoneGivesItsPlacesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.limit(mqtt, 4)
		sites := startSites(t, l, 3)
		for range 4 {
			if _, err := sites[0].login(mqtt, 4); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(LostAfter) // so that the others have been heard for long
		sites[0].stop()       // killed
		l.set(l.apart, "b1", true)
		died := time.Now()
		sites[0].closeSome(4)
		for {
			if _, err := sites[1].login(mqtt, 4); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(died); took < LostAfter-2*BeatEvery || took > LostAfter+2*BeatEvery {
			t.Errorf("its places were free after %v, want %v", took, LostAfter)
		}
		stopAll(sites)
	})
}

// A broker that is cut off from control and peers has ended its connections
// before anybody else gets their places.
func TestPartitionNeverLetsMoreIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.limit(mqtt, 4)
		sites := startSites(t, l, 3)
		for range 4 {
			if _, err := sites[0].login(mqtt, 4); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(LostAfter)
		l.set(l.cut, "b1", true)
		l.set(l.apart, "b1", true)
		began := time.Now()
		for time.Since(began) < 2*LostAfter {
			_, _ = sites[1].login(mqtt, 4)
			if n := live(sites); n > 4 {
				t.Fatalf("%v after the cut there are %d connections, want 4 at most", time.Since(began), n)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := sites[1].live(); n != 4 {
			t.Errorf("the others got %d of the 4 places", n)
		}
		stopAll(sites)
	})
}

// A broker that comes back after a pause does not know who has its places by now,
// whatever was waiting for it.
func TestPausedBrokerEndsItsConnectionsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for pause, want := range map[time.Duration]int64{AloneAfter / 2: 4, AloneAfter + time.Second: 0} {
			l := newLedger()
			l.limit(mqtt, 4)
			sites := startSites(t, l, 2)
			for range 4 {
				if _, err := sites[0].login(mqtt, 4); err != nil {
					t.Fatal(err)
				}
			}
			l.mu.Lock()
			l.stalls["b1"] = pause
			l.mu.Unlock()
			time.Sleep(pause + 2*BeatEvery)
			if got := sites[0].live(); got != want {
				t.Errorf("after a pause of %v it has %d connections, want %d", pause, got, want)
			}
			if _, err := sites[0].login(mqtt, 4); (err == nil) != (want == 0) {
				t.Errorf("a login after a pause of %v: %v", pause, err)
			}
			stopAll(sites)
		}
	})
}

func TestOutageOfControlEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.limit(mqtt, 4)
		sites := startSites(t, l, 3)
		for range 2 {
			if _, err := sites[0].login(mqtt, 4); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range sites {
			l.set(l.cut, s.name, true)
		}
		time.Sleep(10 * time.Minute)
		if n := live(sites); n != 2 {
			t.Errorf("%d connections are left, want 2", n)
		}
		began := time.Now()
		if _, err := sites[1].login(mqtt, 4); !errors.Is(err, ErrUnavailable) || time.Since(began) > time.Second {
			t.Errorf("a login that needs a place: %v after %v, want %v at once", err, time.Since(began), ErrUnavailable)
		}
		stopAll(sites)
	})
}

func TestRestartedBrokerBeginsWithNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.limit(mqtt, 4)
		sites := startSites(t, l, 2)
		for range 4 {
			if _, err := sites[0].login(mqtt, 4); err != nil {
				t.Fatal(err)
			}
		}
		sites[0].stop()
		sites[0].closeSome(4)
		l.set(l.cut, "b1", true) // for a moment, as while it joins its cluster
		again := l.start(t, "b1")
		time.Sleep(BeatEvery / 4)
		l.set(l.cut, "b1", false)
		for range 4 {
			if _, err := sites[1].login(mqtt, 4); err != nil {
				t.Error(err)
			}
		}
		stopAll(append(sites, again))
	})
}

// Limits that come down are in force within a second, and no more is ended than
// must be, whoever holds how many.
func TestLimitsThatComeDownAreExact(t *testing.T) {
	for round := range 30 {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger()
			limit := int64(20 + rand.IntN(20))
			l.limit(mqtt, limit)
			sites := startSites(t, l, 1+rand.IntN(4))
			for range limit {
				if _, err := sites[rand.IntN(len(sites))].login(mqtt, limit); err != nil {
					t.Fatal(err)
				}
			}
			for limit > 0 {
				limit = rand.Int64N(limit)
				l.limit(mqtt, limit)
				for _, s := range sites {
					s.Adopt(Claim{Key: mqtt, Limit: limit}, nil)
				}
				time.Sleep(time.Second)
				if got := live(sites); got != limit {
					t.Fatalf("round %d: a second after the limit became %d there are %d", round, limit, got)
				}
			}
			stopAll(sites)
		})
	}
}

// Whatever gets lost or late, however limits go up and down and brokers come and
// go: never more live than is allowed, once a lowered limit has had its second.
func TestNeverMoreThanTheLimit(t *testing.T) {
	for round := range 30 {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger()
			l.limit(mqtt, int64(1+rand.IntN(40)))
			sites := startSites(t, l, 1+rand.IntN(4))
			l.mu.Lock()
			l.loss = rand.Float64() / 5
			l.mu.Unlock()
			var logins sync.WaitGroup
			for range 300 {
				s, limit := sites[rand.IntN(len(sites))], l.limitOf(mqtt)
				switch n := rand.IntN(20); {
				case n < 14:
					logins.Go(func() { _, _ = s.login(mqtt, limit) })
				case n < 18:
					s.closeSome(1 + rand.IntN(4))
				case n == 18 && len(sites) > 1:
					cut := rand.IntN(2) == 0
					l.set(l.cut, s.name, cut)
					l.set(l.apart, s.name, cut)
				case n == 19 && rand.IntN(6) == 0:
					l.limit(mqtt, limit+int64(rand.IntN(5)))
				}
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
				if n, limit := live(sites), l.limitOf(mqtt); n > limit {
					t.Fatalf("round %d: %d of %d", round, n, limit)
				}
			}
			logins.Wait()
			l.mu.Lock()
			b := l.buckets[mqtt]
			var granted int64
			for _, s := range b.Shares {
				granted += s.Granted
			}
			l.mu.Unlock()
			if granted > b.Limit {
				t.Errorf("round %d: the ledger has given away %d of %d", round, granted, b.Limit)
			}
			stopAll(sites)
		})
	}
}
