package resolver

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// A change is committed: the operator's revision went from 41 to 43 (42 was an
// older change of the same account; the log keeps one row an account). Control
// sends every broker the account's current JWT. That is the stock push, so that
// stock servers understand it; the headers are ours:
const (
	SubjectUpdate  = "$SYS.REQ.CLAIMS.UPDATE"
	HeaderRevision = "Signalbox-Revision" // 43
	HeaderPrevious = "Signalbox-Previous" // 41: the revision of the push before this one
	HeaderAccount  = "Signalbox-Account"  // whose JWT control means it to be; may be left out
	HeaderWhole    = "Signalbox-Whole"    // there when nothing up to the revision is missing once this push is applied
)

// A broker that has applied 43 or more knows the push already and says so. One
// that has applied 41 or 42 stores and applies it. One that has applied less
// than 41 has missed something: it leaves the push alone and asks for what it
// misses. A push without the headers comes from somebody else, and is refused,
// because only control decides what is in force.
//
// An account that was changed at 42 and again at 44 has its row at 44: it comes
// after 43, and whoever has 43 may not have what was changed at 42. So a broker says
// that it has applied a revision only after a push that is whole, or an answer
// without more to come. Each broker answers for
// itself, in the stock form (`data`, or `error` when it refused) with two headers:
const (
	HeaderApplied = "Signalbox-Applied" // the revision up to which everything is on disk and in force
	HeaderBroker  = "Signalbox-Broker"  // the public key of the broker's system-account user
)

// Pushes are lost when a broker or control is away. So control says every two
// seconds, and whenever it gets a connection, how far the operator has come:
//
//	{"revision":43,"replica":"NB2HI4DT","operator":"LQ7X…"}
//
// Whoever hears it asks that replica, which lives, for what it misses. The operator's
// JWT is named as well: a broker that goes by another gets it from control over
// HTTP, where it says which it goes by.
//
// Brokers answer with their receipt: that is how control learns whom it reaches.
// After a silence, when what comes first may have been waiting on the way for
// minutes, they ask with it what the head is now.
const SubjectHead = "signalbox.head"

// A broker that is behind, or has just started, asks for what came after the
// revision it has applied, until the answer says that there is no more. One of
// the control replicas answers:
//
//	{"since":17}  ->  {"entries":[{"account":"A…","revision":18,"jwt":"ey…"}],"applied_to":18,"more":true}
const (
	SubjectCatchUp = "signalbox.catchup" // and, of the replica that announced a head, signalbox.catchup.<replica>
	queueControl   = "signalbox"
)

// After each batch, when it starts, and at each head, a broker says how far it
// has come and what it refused. Control keeps that: it is the receipt. A
// [Receipt] is the payload.
const SubjectApplied = "signalbox.applied"

// Somebody logs in to an account that the broker has never heard of: it asks,
// as stock servers do, and gets the raw JWT, or nothing. Control adds the
// revision, so that the broker can keep the answer without ever letting it
// overwrite something newer, and says when "nothing" means that it could not look.
const (
	lookupPrefix    = "$SYS.REQ.ACCOUNT."
	lookupSuffix    = ".CLAIMS.LOOKUP"
	lookupWildcard  = lookupPrefix + "*" + lookupSuffix
	headerLookupErr = "Signalbox-Error" // control knows neither that the account exists nor that it does not
)

// Control is away, and a broker that was down or cut off is behind. It asks its
// peers, who of them is ahead, and one of those for what it misses; the answer has
// the shape of control's:
//
//	signalbox.peers        {"since":17}  ->  {"broker":"U…","applied":43}, from each that is ahead
//	signalbox.peers.U…     {"since":17}  ->  as of signalbox.catchup
//
// Mirrors answer, caches do not. A peer may be confused, or in somebody else's hands,
// and nothing but the JWTs that it sends is signed: not their revisions, and
// not that it left none out. So what peers say is believed like this:
//
//   - Each JWT is checked in full, and taken only if the operator issued it later
//     than the one that is stored. Within the same second the stored one stays:
//     that is no worse than having no peer.
//   - It never moves the applied revision, so when control is back the broker asks it for
//     everything since, and a change that a peer kept to itself is not hidden.
//   - It is stored as provisional: whatever control says next of the account
//     takes its place, however high a revision the peer wrote beside it.
//
// At worst a peer gives a broker that lacks an account an earlier state of it,
// which the operator signed once, until control is back.
//
// What authenticates control is its place in the system account, not a signature:
// only its user may publish pushes and heads and hear requests ([ControlPermissions]).
// A broker's user may publish none of them, reply only to what it was sent, and
// listen to no inbox but its own ([BrokerPermissions]), so with a broker's creds
// alone nobody can answer for control. A head only ever makes brokers ask. An
// answer that goes too far would hide changes, which is why it has to come to an
// inbox that nobody else can see; should it happen all the same, control's next head is
// behind what the broker says it has applied, which both report. Whoever holds a
// broker's whole machine can forge what he likes within the cluster, as
// in any NATS cluster, except what the operator signs.
const SubjectPeers = "signalbox.peers"

type peerAnswer struct {
	Broker  string   `json:"broker"`
	Applied Revision `json:"applied"`
}

// inboxOf is where answers to a broker arrive, and to no other.
func inboxOf(broker string) string { return "_INBOX." + broker }

type headMessage struct {
	Replica  string   `json:"replica,omitempty"` // who announces it
	Revision Revision `json:"revision"`
	Operator string   `json:"operator,omitempty"` // the id of the operator's JWT; empty: as it was
}

type catchUpRequest struct {
	Since Revision `json:"since"`
}

type catchUpAnswer struct {
	Entries   []Entry  `json:"entries"`
	AppliedTo Revision `json:"applied_to"` // having applied Entries, the broker has applied everything up to here
	More      bool     `json:"more"`       // ask again, from AppliedTo
}

// pushAnswer is nats-server's ServerAPIClaimUpdateResponse, of which tools read
// these fields.
type pushAnswer struct {
	Server answerServer  `json:"server"`
	Data   *answerStatus `json:"data,omitempty"`
	Error  *answerError  `json:"error,omitempty"`
}

type answerServer struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

type answerStatus struct {
	Account string `json:"account,omitempty"`
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

type answerError struct {
	Account     string `json:"account,omitempty"`
	Code        int    `json:"code"`
	Description string `json:"description,omitempty"`
}

// push is a change on its way to a broker.
type push struct {
	Entry
	previous Revision
	whole    bool // with it, nothing up to its revision is missing
	message  *nats.Msg
}

func encodePush(previous Revision, e Entry, whole bool) *nats.Msg {
	m := nats.NewMsg(SubjectUpdate)
	m.Header.Set(HeaderRevision, strconv.FormatInt(e.Revision, 10))
	m.Header.Set(HeaderPrevious, strconv.FormatInt(previous, 10))
	m.Header.Set(HeaderAccount, e.Account)
	if whole {
		m.Header.Set(HeaderWhole, "true")
	}
	m.Data = []byte(e.JWT)
	return m
}

// decodePush reads the headers; the JWT in the body is not looked at yet.
func decodePush(m *nats.Msg) (push, error) {
	revision, err := revisionHeader(m, HeaderRevision)
	if err != nil {
		return push{}, err
	}
	previous, err := revisionHeader(m, HeaderPrevious)
	if err != nil {
		return push{}, err
	}
	if revision < 1 || previous < 0 || previous >= revision {
		return push{}, fmt.Errorf("revision %d cannot follow revision %d", revision, previous)
	}
	account := m.Header.Get(HeaderAccount)
	if account != "" {
		if _, err := claims.ParseAccountKey(account); err != nil {
			return push{}, fmt.Errorf("header %s: %w", HeaderAccount, err)
		}
	}
	e := Entry{Account: account, Revision: revision, JWT: string(m.Data)}
	return push{Entry: e, previous: previous, whole: m.Header.Get(HeaderWhole) != "", message: m}, nil
}

func revisionHeader(m *nats.Msg, name string) (Revision, error) {
	text := m.Header.Get(name)
	if text == "" {
		return 0, fmt.Errorf("no %s header: only Signalbox's control decides what is in force here", name)
	}
	revision, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("header %s is not a number", name)
	}
	return revision, nil
}

func lookupSubject(account string) string { return lookupPrefix + account + lookupSuffix }

// lookupAccount is the account that a lookup's subject names.
func lookupAccount(subject string) (string, error) {
	name, ok := strings.CutPrefix(subject, lookupPrefix)
	if !ok {
		return "", fmt.Errorf("not a lookup: %q", subject)
	}
	key, err := claims.ParseAccountKey(strings.TrimSuffix(name, lookupSuffix))
	return string(key), err
}

// mustJSON encodes our own wire types, whose fields cannot fail to encode.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return b
}
