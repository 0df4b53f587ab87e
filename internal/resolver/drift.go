package resolver

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go"
)

// Does a broker hold what it should? A receipt only says what it believes. So
// control asks one broker for a digest of its store. Public keys are random, so
// the first four characters spread accounts evenly over 4,096 buckets, and a
// bucket is one stretch of the store. Of each the broker answers the sum of what
// is in it, which is some 100 KiB for any number of accounts:
//
//	{}  ->  {"applied":43,"sums":{"AAQX":-81723,…}}
//
// Control asks for the accounts of those buckets that differ from its own, as
// many at a time as the broker cares to answer. With a million accounts a bucket
// holds 250 of them, in 25 KiB: what is sent follows the drift, while each side
// reads all it has once.
//
//	{"buckets":["AAQX","AB7D"]}  ->  {"applied":43,"covered":1,"held":[{"account":"AAQX…","revision":17,"sum":551},…]}
const subjectDigest = "signalbox.digest." // and the broker's public key

const (
	bucketLength   = 4 // characters of the account's public key
	bucketsAtOnce  = 64
	maxDigestBytes = 480 << 10
	heldBytes      = 128 // of one account in an answer, at most
)

// Held is an account's JWT in short.
type Held struct {
	Account  string   `json:"account"`
	Revision Revision `json:"revision"`
	Sum      int64    `json:"sum"` // [SumOf] the account and its JWT
}

// SumOf is the first eight bytes of the SHA-256 of account and JWT. A bucket's
// sum is the exclusive or of those of its accounts.
func SumOf(account, token string) int64 {
	sum := sha256.Sum256([]byte(account + token))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// Drift is how a broker's store differs from what it should hold. What has
// changed after the revision it has applied is on its way, and no drift.
type Drift struct {
	Applied Revision // by the broker, when it was last asked
	Highest Revision // of those seen in the buckets that differ, and Applied
	Stale   []string // accounts whose JWT is another than it should be
	Missing []string
	Foreign []string // accounts that the operator does not have
}

type digestRequest struct {
	Buckets []string `json:"buckets,omitempty"` // none: the sums of all
}

type digestAnswer struct {
	Applied Revision         `json:"applied"`
	Cache   bool             `json:"cache,omitempty"` // what it does not hold is not missing
	Sums    map[string]int64 `json:"sums,omitempty"`
	Covered int              `json:"covered,omitempty"` // of the buckets asked for, the first so many
	Held    []Held           `json:"held,omitempty"`
}

func bucketOf(account string) string { return account[:min(bucketLength, len(account))] }

// digest is the store's answer. Each bucket is of one moment, none earlier than
// the applied revision: what comes later looks like a change that is on its way.
func (s *Store) digest(request digestRequest) (digestAnswer, error) {
	answer := digestAnswer{Cache: s.cache != nil, Applied: s.Applied(), Sums: map[string]int64{}}
	if len(request.Buckets) == 0 {
		_, err := s.Each("", func(e Entry) error {
			answer.Sums[bucketOf(e.Account)] ^= SumOf(e.Account, e.JWT)
			return nil
		})
		return answer, err
	}
	for _, bucket := range request.Buckets {
		held, err := s.heldIn(bucket)
		if err != nil {
			return digestAnswer{}, err
		}
		if answer.Covered > 0 && (len(answer.Held)+len(held))*heldBytes > maxDigestBytes {
			break
		}
		answer.Held = append(answer.Held, held...)
		answer.Covered++
	}
	return answer, nil
}

func (s *Store) heldIn(bucket string) ([]Held, error) {
	var held []Held
	_, err := s.Each(bucket, func(e Entry) error {
		held = append(held, Held{Account: e.Account, Revision: e.Revision, Sum: SumOf(e.Account, e.JWT)})
		return nil
	})
	return held, err
}

// answerDigest runs beside the follower's loop: it only reads.
func (f *Follower) answerDigest(m *nats.Msg) {
	reply := nats.NewMsg(m.Reply)
	var request digestRequest
	err := json.Unmarshal(m.Data, &request)
	if err == nil && len(request.Buckets) > bucketsAtOnce {
		err = fmt.Errorf("%d buckets are more than %d", len(request.Buckets), bucketsAtOnce)
	}
	var answer digestAnswer
	if err == nil {
		answer, err = f.store.digest(request)
	}
	if err != nil {
		f.log.Warn("cannot answer a drift check", "error", err)
		reply.Header.Set(headerLookupErr, "the store cannot be read")
	} else {
		reply.Data = mustJSON(answer)
	}
	f.publish(reply)
}

// Drift compares what a broker holds with what the source says it should. It
// fails when the broker does not answer before ctx ends.
func (h *Hub) Drift(ctx context.Context, operatorID, broker string) (Drift, error) {
	theirs, err := h.digest(ctx, operatorID, broker, digestRequest{})
	if err != nil {
		return Drift{}, err
	}
	ours, err := h.source.Sums(ctx, operatorID)
	if err != nil {
		return Drift{}, fmt.Errorf("sum up what brokers should hold: %w", err)
	}
	d := Drift{Applied: theirs.Applied, Highest: theirs.Applied}
	if theirs.Cache {
		maps.DeleteFunc(ours, func(bucket string, _ int64) bool { _, holds := theirs.Sums[bucket]; return !holds })
	}
	for differ := differing(ours, theirs.Sums); len(differ) > 0; {
		ask := differ[:min(bucketsAtOnce, len(differ))]
		answer, err := h.digest(ctx, operatorID, broker, digestRequest{Buckets: ask})
		if err != nil {
			return Drift{}, err
		}
		if answer.Covered < 1 || answer.Covered > len(ask) {
			return Drift{}, errors.New("the broker's answer covers other buckets than were asked for")
		}
		// Read after the broker's: what it has applied is among these.
		held, err := h.source.Held(ctx, operatorID, ask[:answer.Covered])
		if err != nil {
			return Drift{}, fmt.Errorf("read what brokers should hold: %w", err)
		}
		d.compare(answer, held)
		differ = differ[answer.Covered:]
	}
	return d, nil
}

// differing are the buckets with different sums, in order.
func differing(ours, theirs map[string]int64) []string {
	differ := map[string]bool{}
	for bucket, sum := range ours {
		if theirs[bucket] != sum {
			differ[bucket] = true
		}
	}
	for bucket, sum := range theirs {
		if ours[bucket] != sum {
			differ[bucket] = true
		}
	}
	return slices.Sorted(maps.Keys(differ))
}

func (d *Drift) compare(theirs digestAnswer, ours []Held) {
	d.Applied, d.Highest = theirs.Applied, max(d.Highest, theirs.Applied)
	left := make(map[string]Held, len(theirs.Held))
	for _, held := range theirs.Held {
		left[held.Account] = held
		d.Highest = max(d.Highest, held.Revision)
	}
	for _, should := range ours {
		held, ok := left[should.Account]
		delete(left, should.Account)
		switch {
		case should.Revision > theirs.Applied: // on its way
		case !ok && theirs.Cache:
		case !ok:
			d.Missing = append(d.Missing, should.Account)
		case held.Sum != should.Sum:
			d.Stale = append(d.Stale, should.Account)
		}
	}
	d.Foreign = append(d.Foreign, slices.Sorted(maps.Keys(left))...)
}

// digest asks one broker, over whichever connection leads to it.
func (h *Hub) digest(ctx context.Context, operatorID, broker string, request digestRequest) (digestAnswer, error) {
	answers, asked := make(chan *nats.Msg, 64), 0
	for _, l := range h.all() {
		if l.OperatorID != operatorID || !l.connected() {
			continue
		}
		sub, err := l.ask(subjectDigest+broker, mustJSON(request), answers)
		if err != nil {
			return digestAnswer{}, err
		}
		defer sub.Unsubscribe()
		asked++
	}
	for range asked {
		select {
		case <-ctx.Done():
			return digestAnswer{}, fmt.Errorf("broker %s does not answer: %w", broker, ctx.Err())
		case m := <-answers:
			if len(m.Data) > 0 || m.Header.Get(headerLookupErr) != "" {
				return readDigest(m)
			} // else nobody listens in that cluster
		}
	}
	return digestAnswer{}, fmt.Errorf("broker %s is not connected", broker)
}

func readDigest(m *nats.Msg) (digestAnswer, error) {
	if reason := m.Header.Get(headerLookupErr); reason != "" {
		return digestAnswer{}, fmt.Errorf("the broker cannot answer: %s", reason)
	}
	var answer digestAnswer
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return digestAnswer{}, fmt.Errorf("read a broker's digest: %w", err)
	}
	return answer, nil
}
