package resolver

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/nats-io/jwt/v2"
)

// shape stands for all that an account's claims say but whom they revoke.
type shape [sha256.Size]byte

func shapeOf(c *jwt.AccountClaims) shape {
	bare := *c
	bare.Revocations, bare.IssuedAt, bare.ID = nil, 0, ""
	text, err := json.Marshal(&bare)
	if err != nil {
		return shape{} // not what any other claims look like
	}
	return sha256.Sum256(text)
}

const (
	laterBy = time.Second // how long the server may know less revocations than whoever judges logins
	laterOf = 10          // no more than one part in so many of the time goes into telling it
)

// later puts telling the server off, when the claims differ from those in force
// in revocations alone and whoever judges logins has ended what is revoked.
// Then it would do so only for what is in force already, and that costs it time
// for each connection of the account, 0.16 ms or so, and for each earlier
// revocation. However many come meanwhile, it is told once.
func (r *Resolver) later(account string, l *load, c *jwt.AccountClaims) bool {
	inForce := l.shape.Load()
	if r.watcher.Publish == nil || inForce == nil || *inForce != shapeOf(c) {
		return false
	}
	if l.behind.CompareAndSwap(false, true) {
		time.AfterFunc(max(laterBy, time.Duration(l.rest.Load())), func() { r.catchServerUp(account, l) })
	}
	return true
}

func (r *Resolver) catchServerUp(account string, l *load) {
	l.behind.Store(false) // what comes from here on may be read too late
	loaded := r.waitLoaded(account, l, time.Minute)
	if loaded == nil {
		return // then it will be loaded from what is stored
	}
	start := time.Now()
	r.updateToNewest(account, loaded, l)
	l.rest.Store(int64(laterOf * time.Since(start)))
}
