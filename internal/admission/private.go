package admission

import (
	"fmt"
	"math"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// private knows where nats-server keeps what its own login notes of a user and a
// custom one has no way to tell it: the user's key, name and tags, which
// monitoring shows and filters by; what the connection is limited to; and that permissions are the account's default
// ones, so that it changes them with the account. All of it may be read by others at the
// same time, so it is written under the connection's own lock.
//
// This is the one place that reaches into nats-server. [New] fails when another
// version has moved things.
type private struct {
	connection                  reflect.Type // a pointer
	lock, publicKey, tags, name uintptr      // of a connection
	payload, subscriptions      uintptr      // of a connection: what it is limited to, -1 is unlimited
	byDefault                   uintptr      // of an NkeyUser
	mqtt, mqttID                uintptr      // of a connection, a pointer, and of what that leads to: an MQTT client's own id
	key, xkey                   uintptr      // of a server: with which it signs and encrypts requests to authorization services
}

func findPrivate() (private, error) {
	p := private{connection: reflect.TypeOf((*server.Server).GetClient).Out(0)}
	connection := p.connection.Elem()
	session, ok := connection.FieldByName("mqtt")
	if !ok || session.Type.Kind() != reflect.Pointer {
		return private{}, fmt.Errorf("nats-server %s keeps nothing of MQTT in %s: admission was not written for it", server.VERSION, connection)
	}
	p.mqtt = session.Offset
	for _, f := range []struct {
		in   reflect.Type
		name string
		is   reflect.Type
		at   *uintptr
	}{
		{connection, "mu", reflect.TypeFor[sync.RWMutex](), &p.lock},
		{connection, "pubKey", reflect.TypeFor[string](), &p.publicKey},
		{connection, "tags", reflect.TypeFor[jwt.TagList](), &p.tags},
		{connection, "nameTag", reflect.TypeFor[string](), &p.name},
		{connection, "mpay", reflect.TypeFor[int32](), &p.payload},
		{connection, "msubs", reflect.TypeFor[int32](), &p.subscriptions},
		{reflect.TypeFor[server.NkeyUser](), "defaultPerms", reflect.TypeFor[bool](), &p.byDefault},
		{session.Type.Elem(), "cid", reflect.TypeFor[string](), &p.mqttID},
		{reflect.TypeFor[server.Server](), "kp", reflect.TypeFor[nkeys.KeyPair](), &p.key},
		{reflect.TypeFor[server.Server](), "xkp", reflect.TypeFor[nkeys.KeyPair](), &p.xkey},
	} {
		field, ok := f.in.FieldByName(f.name)
		if !ok || field.Type != f.is || len(field.Index) != 1 {
			return private{}, fmt.Errorf("nats-server %s keeps no %s called %s in %s: admission was not written for it", server.VERSION, f.is, f.name, f.in)
		}
		*f.at = field.Offset
	}
	return p, nil
}

// setUser notes on a connection whose it is. What the client sent for a JWT goes:
// by it the server would judge the user again, which costs two verified signatures
// whenever the account changes, for each connection. Without it the server goes by the NkeyUser.
func (p private) setUser(c client, user *jwt.UserClaims) {
	at := reflect.ValueOf(c).UnsafePointer()
	lock := (*sync.RWMutex)(unsafe.Add(at, p.lock))
	lock.Lock()
	defer lock.Unlock()
	*(*string)(unsafe.Add(at, p.publicKey)) = user.Subject
	*(*jwt.TagList)(unsafe.Add(at, p.tags)) = user.Tags
	*(*string)(unsafe.Add(at, p.name)) = user.Name
	o := c.GetOpts()
	o.Nkey, o.JWT, o.Password, o.Token, o.Sig = user.Subject, "", "", "", "" // the password may be an MQTT client's JWT, or a secret
}

// limit holds a connection to its user's limits, where they are tighter than
// what the account allows.
func (p private) limit(c client, l jwt.NatsLimits) {
	at := reflect.ValueOf(c).UnsafePointer()
	lock := (*sync.RWMutex)(unsafe.Add(at, p.lock))
	lock.Lock()
	defer lock.Unlock()
	payload := (*int32)(unsafe.Add(at, p.payload)) // read without the lock, too
	atomic.StoreInt32(payload, tighter(atomic.LoadInt32(payload), l.Payload))
	subscriptions := (*int32)(unsafe.Add(at, p.subscriptions))
	*subscriptions = tighter(*subscriptions, l.Subs)
}

func tighter(now int32, limit int64) int32 {
	if limit == jwt.NoLimit || now != jwt.NoLimit && int64(now) <= limit {
		return now
	}
	return int32(max(math.MinInt32, min(limit, math.MaxInt32)))
}

// nkeyUser is what nats-server keeps of a user whose JWT it has verified.
// Issued and SigningKey are what its own checks on a change of claims go by.
func (p private) nkeyUser(account *server.Account, v verdict) *server.NkeyUser {
	u := &server.NkeyUser{
		Nkey: v.user.Subject, Issued: v.user.IssuedAt, Account: account,
		Permissions: v.permissions, AllowedConnectionTypes: v.types,
	}
	if v.user.IssuerAccount != "" {
		u.SigningKey = v.user.Issuer
	}
	*(*bool)(unsafe.Add(unsafe.Pointer(u), p.byDefault)) = v.byDefault
	return u
}

// serverKey signs what the server says; serverXKey encrypts it. Both are made when it is, and stay.
func (p private) serverKey(s *server.Server) nkeys.KeyPair {
	return *(*nkeys.KeyPair)(unsafe.Add(unsafe.Pointer(s), p.key))
}

func (p private) serverXKey(s *server.Server) nkeys.KeyPair {
	return *(*nkeys.KeyPair)(unsafe.Add(unsafe.Pointer(s), p.xkey))
}

// mqttClient is the id that an MQTT client goes by; empty for others. It must be
// asked for on the connection's own goroutine, as a login is.
func (p private) mqttClient(c client) string {
	session := *(*unsafe.Pointer)(unsafe.Add(reflect.ValueOf(c).UnsafePointer(), p.mqtt))
	if session == nil {
		return ""
	}
	return *(*string)(unsafe.Add(session, p.mqttID))
}
