// Package resolver carries account JWTs from control to the brokers: both ends
// of the protocol that they speak on an operator's system account, told as a
// story in protocol.go.
//
// It owns the subjects under signalbox.>, the headers of a push, and a broker's
// store with the pages of accounts beside it. [Hub] is control's end; on a broker, [Store] keeps what was
// delivered, [Resolver] hands it to nats-server and brings it into force, and
// [Follower] keeps both up to date.
//
// Its promises: what the operator did not sign is never stored or served; an
// older revision never overwrites a newer, on disk or in the live server; an
// acknowledged revision is on disk and in force; a push that was refused is
// reported with its reason and never counted as delivered; a broker that missed
// something notices and asks. Once a broker has loaded an account, only the
// follower's goroutine changes it.
//
// The two ends are wired by cmd through function values: the package knows
// neither the database nor what an account is for. Control may be away at any
// time: a broker then serves what it has.
package resolver

import (
	"fmt"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// Revision is an operator's count of changes that brokers must hear of.
type Revision = int64

// Entry is one account's current JWT and the revision that made it current.
type Entry struct {
	Account  string   `json:"account"` // the account's public key
	Revision Revision `json:"revision"`
	JWT      string   `json:"jwt"`
}

// Refusal says that a broker holds an entry not to be acceptable, or could not
// bring it into force, and why. It stands until a newer entry of the account is
// accepted.
type Refusal struct {
	Account  string   `json:"account"` // empty when the JWT could not even be read
	Revision Revision `json:"revision"`
	Reason   string   `json:"reason"` // safe to show: names no secret and holds no JWT
}

// Receipt is what a broker says about itself: everything up to Applied is on its
// disk and in force, except what Refusals names. Of a new count of connections that means
// that control has heard of all those found, and whoever was too many is gone.
type Receipt struct {
	Broker   string    `json:"broker"` // the public key of the broker's system-account user
	Applied  Revision  `json:"applied"`
	Stored   int64     `json:"stored,omitempty"` // accounts in its store
	Refusals []Refusal `json:"refusals,omitempty"`
	Effects  []Effect  `json:"effects,omitempty"` // of what was applied in the last seconds, at most 100; they repeat
	// Settled says that Applied does not go back: receipts may overtake each other. A broker that
	// has not caught up since it started, or since its store lost something, may have less than it said before.
	Settled  bool   `json:"settled,omitempty"`
	ServerID string `json:"server_id,omitempty"`
	Version  string `json:"version,omitempty"` // nats-server's
	// Partial receipts are answers to one push: that Refusals does not name an
	// account says nothing about it. Others name all refusals that stand, at most 100.
	Partial bool `json:"-"`
}

// Effect is what bringing an account's claims into force did.
type Effect struct {
	Account  string   `json:"account"`
	Revision Revision `json:"revision"`
	Closed   int64    `json:"closed"` // connections that the claims no longer allow
	Micros   int64    `json:"microseconds"`
}

// BrokerPermissions is what the system-account user of the broker with that
// public key needs, and no more. It publishes nothing that control publishes, and
// answers only what it was sent.
func BrokerPermissions(broker claims.UserKey) claims.Template {
	t := permit(
		[]string{SubjectCatchUp, SubjectCatchUp + ".*", SubjectApplied, SubjectRefused, SubjectSeen, SubjectDisk, SubjectLease, SubjectHere, SubjectPeers, SubjectPeers + ".*", lookupWildcard, subjectPage + "*", subjectPeerPage + "*"},
		[]string{SubjectUpdate, SubjectHead, SubjectPeers, SubjectPeers + "." + string(broker), subjectPeerPage + "*", subjectDigest + string(broker), subjectForesee, SubjectRecall, SubjectHere, SubjectUsage, inboxOf(string(broker)) + ".>"},
	)
	t.Responses = &claims.ResponsePermission{MaxMessages: 1, Expires: 2 * time.Minute}
	return t
}

// ControlPermissions is what control's system-account user needs, and no more.
func ControlPermissions() claims.Template {
	return permit([]string{SubjectUpdate, fmt.Sprintf(subjectAccountUpdate, "*"), SubjectHead, SubjectRecall, SubjectUsage, subjectDigest + "*", subjectForesee, fmt.Sprintf(subjectConnz, "*"), fmt.Sprintf(subjectJsz, "*"), subjectPurge + "*", "_INBOX.>", stockInbox},
		[]string{SubjectCatchUp, SubjectCatchUp + ".*", SubjectApplied, SubjectRefused, SubjectSeen, SubjectDisk, SubjectLease, lookupWildcard, subjectPage + "*", subjectPack, subjectList, "_INBOX.>"})
}

func permit(publish, subscribe []string) claims.Template {
	t := claims.OpenTemplate()
	t.Publish.Allow, t.Subscribe.Allow = publish, subscribe
	return t
}

// How long the two ends wait for each other. Variables of the types that use
// them, not settings: nothing outside this package needs another value.
const (
	lookupTimeout   = time.Second
	negativeFor     = 2 * time.Second
	peersFor        = 200 * time.Millisecond // how long peers have to say that they are ahead
	catchUpTimeout  = 2 * time.Second        // an answer may get lost with the connection it was to come over
	headEvery       = 2 * time.Second
	refreshEvery    = 5 * time.Second
	loadWait        = 2 * time.Second
	maxCatchUpBytes = 480 << 10 // of entries in one answer, which stays below 512 KiB with its frame
	maxCatchUpRows  = 500
	maxPushBatch    = 256
)
