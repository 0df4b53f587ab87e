package admission

import (
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// private knows where nats-server keeps what its own login notes of a user and a
// custom one has no way to tell it: the user's key, name and tags, which
// monitoring shows and filters by; an MQTT client's JWT, by which the limits of
// its connection are applied; and that permissions are the account's default
// ones, so that it changes them with the account. All of it may be read by others at the
// same time, so it is written under the connection's own lock.
//
// This is the one place that reaches into nats-server. [New] fails when another
// version has moved things.
type private struct {
	connection                  reflect.Type // a pointer
	lock, publicKey, tags, name uintptr      // of a connection
	byDefault                   uintptr      // of an NkeyUser
}

func findPrivate() (private, error) {
	p := private{connection: reflect.TypeOf((*server.Server).GetClient).Out(0)}
	connection := p.connection.Elem()
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
		{reflect.TypeFor[server.NkeyUser](), "defaultPerms", reflect.TypeFor[bool](), &p.byDefault},
	} {
		field, ok := f.in.FieldByName(f.name)
		if !ok || field.Type != f.is || len(field.Index) != 1 {
			return private{}, fmt.Errorf("nats-server %s keeps no %s called %s in %s: admission was not written for it", server.VERSION, f.is, f.name, f.in)
		}
		*f.at = field.Offset
	}
	return p, nil
}

// setUser notes on a connection whose it is.
func (p private) setUser(c client, token string, user *jwt.UserClaims) {
	at := reflect.ValueOf(c).UnsafePointer()
	lock := (*sync.RWMutex)(unsafe.Add(at, p.lock))
	lock.Lock()
	defer lock.Unlock()
	*(*string)(unsafe.Add(at, p.publicKey)) = user.Subject
	*(*jwt.TagList)(unsafe.Add(at, p.tags)) = user.Tags
	*(*string)(unsafe.Add(at, p.name)) = user.Name
	c.GetOpts().JWT = token
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
