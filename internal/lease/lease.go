// Package lease keeps counts of connections that brokers share: at most ten over
// MQTT in an account, at most two of one user, wherever they connect. It owns the
// rules of both ends and what they say to each other; it opens no connection and
// no database.
//
// The story. What is counted together is a bucket: an account and a connection
// type, or an account and a user. A broker lets a connection in only against a
// place of the bucket that it holds, reserved before the connection is
// registered ([Holder.Reserve]). Who holds how many places stands in control's
// ledger ([Bucket]). A broker that needs more asks ([Ask]), for many buckets in
// one message, and gets what no other holds. When that is too little, control
// recalls: every broker gives back what it does not use, first coming down itself
// and then saying so, and the asker asks again. Only when all have answered is a
// bucket full. A login waits for that without holding a lock, some milliseconds
// as a rule, [Patience] at most.
//
// What it promises: what brokers hold of a bucket is never more than its limit.
// The ledger says at least what a broker believes: it is raised before the
// answer leaves, and lowered only by the broker's word, in the order of its
// asks. After a limit came down, those connections that are beyond it are ended,
// each broker's newest first; control shares that out once every broker has given back
// what it does not use.
//
// nats-server does not say when a connection ends. So a broker looks whether its
// connections live whenever that matters: before it asks, and before it answers a
// recall. A dead connection keeps nobody out.
//
// A broker that restarts begins a new incarnation, and its earlier places are
// free. One that falls silent for good gives them back after [LostAfter], by
// these two rules. Control frees a broker's places when it has heard nothing of it for
// LostAfter and one of the peers that the broker knows of steadily all that time. A broker ends
// the connections that it holds places for when it has heard nothing from control
// for [AloneAfter] and nothing from some peer that it knows of for as long, or when it
// was paused for as long. As it counts from when it sent what control answered,
// it is done before control begins. What this asks of the network is that a
// broker that hears all its peers is heard where they are heard. A broker without peers
// keeps its places until it comes back or is removed; and when control is
// away, all keep what they hold, and get nothing new.
package lease

import "time"

// Unlimited is the limit of a bucket that has none.
const Unlimited int64 = -1

const (
	// Patience is how long a login waits for a place. NATS clients have two seconds.
	Patience = 1500 * time.Millisecond
	// BeatEvery is how often a broker is heard, even when it needs nothing.
	BeatEvery = 2 * time.Second
	// AloneAfter is how long a broker that misses a peer may not hear control.
	AloneAfter = 20 * time.Second
	// LostAfter is how long control waits for a broker. It must be well above AloneAfter.
	LostAfter = 30 * time.Second
)

// Key names a bucket.
type Key struct {
	Account string `json:"account"` // its public key
	Name    string `json:"bucket"`
}

// TypeKey is the bucket of an account's connections of one type, such as MQTT.
func TypeKey(account, connectionType string) Key { return Key{account, typePrefix + connectionType} }

// UserKey is the bucket of the connections of an account's user.
func UserKey(account, name string) Key { return Key{account, userPrefix + name} }

const (
	typePrefix = "type:"
	userPrefix = "user:"
)

// Type is the connection type that the bucket counts.
func (k Key) Type() (name string, ok bool) { return cut(k.Name, typePrefix) }

// User is the name of the user whose connections the bucket counts.
func (k Key) User() (name string, ok bool) { return cut(k.Name, userPrefix) }

func cut(name, prefix string) (string, bool) {
	if len(name) <= len(prefix) || name[:len(prefix)] != prefix {
		return "", false
	}
	return name[len(prefix):], true
}

// Ask is what a broker says of its places, and which it wants. It sends one at a
// time, and every [BeatEvery] one, even if it wants nothing.
type Ask struct {
	Broker      string   `json:"broker"`      // the public key of its system-account user
	Incarnation int64    `json:"incarnation"` // higher after each start
	Sequence    int64    `json:"sequence"`    // of this incarnation's asks
	Peers       []string `json:"peers"`       // brokers of its cluster that it knows of
	Wants       []Want   `json:"wants,omitempty"`
}

// Want is what an [Ask] says of one bucket.
type Want struct {
	Key
	Role  string `json:"role,omitempty"`  // of a user's bucket: the public key of the role that the user was let in by
	Holds int64  `json:"holds"`           // places that the broker believes to hold; it holds no more from now on, until it is answered
	Need  int64  `json:"need"`            // connections that live, and logins that wait
	Want  int64  `json:"want"`            // Need, and some for logins to come
	After int64  `json:"after,omitempty"` // the recall that is recent enough to say that the bucket is full; 0: one from now on
	Seen  int64  `json:"seen,omitempty"`  // the last recall that Holds takes account of
}

// Answer is control's answer to an [Ask].
type Answer struct {
	Grants []Grant  `json:"grants,omitempty"` // one for each want, in their order
	Peers  []string `json:"peers"`            // brokers of the asker's cluster that control hears
	// Incarnation is set, and all else empty, when the ask was of an earlier
	// incarnation than this one, or came after a later ask.
	Incarnation int64 `json:"incarnation,omitempty"`
}

// Grant is how many places of a bucket the broker holds from now on. It is less
// than it held only when the limit came down or control took the broker for lost.
type Grant struct {
	Places int64 `json:"places"`
	// Final says that there are no more: every broker has given back what it does
	// not use. Otherwise, when Places is less than was needed, the broker asks again.
	Final bool  `json:"final,omitempty"`
	After int64 `json:"after,omitempty"` // what to say then
}

// Recall tells brokers to give back what they do not use.
type Recall struct {
	Key
	Number int64 `json:"number"` // counts the bucket's recalls
}
