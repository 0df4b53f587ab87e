package lease

import (
	"math"
	"slices"
	"time"
)

// Bucket is what control's ledger holds of one bucket. Whoever changes it holds
// its lock.
type Bucket struct {
	Limit      int64     // as of the last ask
	Recall     int64     // the number of the last recall
	RecalledAt time.Time // when that was
	Fruitless  int64     // recalls in a row by which nothing came back
	Shares     []Share   // one for each broker that holds something, in any order
}

// Share is what one broker has of a bucket.
type Share struct {
	Broker  string
	Granted int64 // the most that the broker may believe to hold
	Target  int64 // what it was told to come down to, by this limit; untold: nothing
	Seen    int64 // the last recall that it has answered
}

const untold int64 = -1

const (
	// recallFirst and recallAtMost are how long after a recall there is none again,
	// which doubles each time that nothing comes back: a bucket that is full, and
	// at which logins are knocking all the time, must not keep all brokers busy.
	recallFirst  = 10 * time.Millisecond
	recallAtMost = 400 * time.Millisecond
	// answersFor is how long brokers have to answer a recall. Who has not by then
	// uses everything it holds, as far as one can know.
	answersFor = 400 * time.Millisecond
	// generosity is the part of what is free, beyond what is needed, that one
	// broker may get for logins to come: one in so many.
	generosity = 4
)

// Take answers what a broker wants, by a limit that may have changed. recall says
// that all brokers are to be told of recall number b.Recall.
func (b *Bucket) Take(broker string, w Want, limit int64, now time.Time) (g Grant, recall bool) {
	b.limit(limit)
	own := b.share(broker)
	lost := w.Holds > own.Granted // it was taken for lost: others may have what it held
	holds := min(w.Holds, own.Granted)
	if holds < own.Granted {
		b.Fruitless = 0
	}
	own.Granted, own.Seen = holds, max(own.Seen, w.Seen)
	free := b.free(broker)
	switch {
	case w.Need <= free:
		extra := min(max(0, w.Want-w.Need), (free-w.Need)/generosity)
		g.Places, g.Final = min(max(holds, w.Need+extra), free), true
		if holds <= free {
			own.Target = untold
		}
	case lost:
		g.Places, g.Final = free, true
	default:
		g, recall = b.short(own, w.After, holds, free, now)
	}
	own.Granted = max(holds, g.Places)
	return g, recall
}

func (b *Bucket) limit(limit int64) {
	if limit == b.Limit {
		return
	}
	b.Limit, b.Fruitless = limit, 0
	for i := range b.Shares {
		b.Shares[i].Target = untold
	}
}

// short answers who needs more than is free.
func (b *Bucket) short(own *Share, after, holds, free int64, now time.Time) (g Grant, recall bool) {
	g = Grant{Places: max(holds, free), After: after}
	if g.After == 0 {
		g.After = b.Recall + 1
	}
	others := slices.DeleteFunc(slices.Clone(b.Shares), func(s Share) bool { return s.Broker == own.Broker || s.Granted == 0 })
	switch {
	case len(others) == 0:
		g.Final = true
	case b.Recall >= g.After:
		waits := slices.ContainsFunc(others, func(s Share) bool { return s.Seen < b.Recall })
		g.Final = !waits || now.Sub(b.RecalledAt) >= answersFor
	case now.Sub(b.RecalledAt) >= min(recallFirst<<min(b.Fruitless, 10), recallAtMost):
		// Numbers go up even when the bucket was forgotten in between.
		b.Recall, b.RecalledAt, b.Fruitless = max(b.Recall+1, now.UnixMicro()), now, b.Fruitless+1
		recall = true
	}
	if g.Final && free < holds {
		g.Places = b.comeDown(own, others, holds)
	}
	return g, recall
}

// comeDown is what a broker comes down to when all together hold more than the
// limit: of what those hold who have not been told yet, each gives up the same part.
func (b *Bucket) comeDown(own *Share, others []Share, holds int64) int64 {
	if own.Target != untold {
		return min(holds, own.Target)
	}
	sum, yet := holds, holds
	for _, s := range others {
		if s.Target != untold {
			sum += min(s.Granted, s.Target)
			continue
		}
		sum, yet = sum+s.Granted, yet+s.Granted
	}
	own.Target = holds
	if over := sum - b.Limit; over > 0 && yet > 0 {
		own.Target = max(0, holds-(over*holds+yet-1)/yet)
	}
	return own.Target
}

// free is what the broker may hold: what no other does.
func (b *Bucket) free(broker string) int64 {
	if b.Limit == Unlimited {
		return math.MaxInt32
	}
	free := b.Limit
	for _, s := range b.Shares {
		if s.Broker != broker {
			free -= s.Granted
		}
	}
	return max(0, free)
}

// share is the broker's, made if need be.
func (b *Bucket) share(broker string) *Share {
	i := slices.IndexFunc(b.Shares, func(s Share) bool { return s.Broker == broker })
	if i < 0 {
		i = len(b.Shares)
		b.Shares = append(b.Shares, Share{Broker: broker, Target: untold})
	}
	return &b.Shares[i]
}

// Drop forgets what brokers hold that are lost.
func (b *Bucket) Drop(lost func(broker string) bool) {
	b.Shares = slices.DeleteFunc(b.Shares, func(s Share) bool { return lost(s.Broker) })
}

// Heard is what control knows of when it heard a broker.
type Heard struct {
	Broker      string
	At          time.Time // the last time; zero: never
	SteadySince time.Time // since when it has been Steady
	Peers       []string  // that the broker knew of then
}

// Hear notes that the broker was heard now, and which peers it knows.
func (h *Heard) Hear(peers []string, now time.Time) {
	if !h.Steady(now) {
		h.SteadySince = now
	}
	h.At, h.Peers = now, peers
}

// Steady says whether the broker is being heard.
func (h Heard) Steady(now time.Time) bool { return !h.At.IsZero() && now.Sub(h.At) < LostAfter/3 }

// Lost says whether what a broker holds is free: it is not heard any more where a
// peer is that it knows of, and so has ended its connections.
func (h Heard) Lost(heard map[string]Heard, now time.Time) bool {
	if now.Sub(h.At) < LostAfter {
		return false
	}
	return slices.ContainsFunc(h.Peers, func(peer string) bool {
		p := heard[peer]
		return p.Steady(now) && now.Sub(p.SteadySince) >= LostAfter
	})
}
