package admission_test

import (
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
)

// soon is how long those have who are let in for a while: long enough to log in.
const soon = 15 * time.Second

// waitForEnds lets clients in whose time will be up, and waits until it is: on
// both servers, over every transport, for both reasons.
func (c *contest) waitForEnds() {
	r := rand.New(rand.NewPCG(*seed, 0))
	end := time.Now().Truncate(time.Second).Add(soon)
	ways := map[string]func(*jwt.UserClaims){
		"its JWT expires": func(u *jwt.UserClaims) { u.Expires = end.Unix() },
		"its JWT expires, whatever session it names": func(u *jwt.UserClaims) {
			u.Expires = end.Unix()
			u.Tags = append(u.Tags, sessionTag(end.Add(time.Hour)))
		},
		"its hours end": func(u *jwt.UserClaims) {
			u.Times = []jwt.TimeRange{{Start: end.Add(-time.Hour).Format(time.TimeOnly), End: end.Format(time.TimeOnly)}}
		},
		"its hours end before its JWT expires": func(u *jwt.UserClaims) {
			u.Expires = end.Add(time.Hour).Unix()
			u.Times = []jwt.TimeRange{{Start: end.Add(-time.Hour).Format(time.TimeOnly), End: end.Format(time.TimeOnly)}}
		},
	}
	var clients sync.WaitGroup
	for i, via := range []transport{overTCP, overPipe, overWebSocket, overLeafNode, overLeafNodeWS, overMQTT, overMQTTWS} {
		for j, way := range names(ways) {
			l := c.world.draw(r, -1-len(ways)*i-j)
			l.via, l.account, l.odd, l.prove = via, c.world.sound[0], []string{way}, nil
			l.user.IssuerAccount, l.user.IssuedAt, l.user.Expires = l.account.key.public, time.Now().Unix(), 0
			l.user.Subject = l.key.public
			l.own(r)
			ways[way](l.user)
			l.seal()
			for _, s := range []*site{c.world.stock, c.world.ours} {
				clients.Go(func() { c.waitForEnd(s, l, end) })
			}
		}
	}
	clients.Wait()
}

// sessionTag names the end of a web page's session. It makes connections of roles
// that an account's claims name for it outlive their JWTs, which is the one thing
// in which Signalbox is wider than a stock server, and not tried here.
func sessionTag(end time.Time) string {
	return "signalbox-session:" + strconv.FormatInt(end.Unix(), 10)
}

func (c *contest) waitForEnd(s *site, l *login, end time.Time) {
	a, err := s.login(l)
	if err != nil {
		c.t.Errorf("%v\n%v", err, l)
		return
	}
	defer a.Close()
	said, err := io.ReadAll(a.in)
	at := time.Now()
	switch {
	case !a.admitted:
		c.t.Errorf("%s does not let it in: %s\n%v", s.name, a.words, l)
	case err != nil && !strings.Contains(err.Error(), "closed"):
		c.t.Errorf("%s does not end it: %v\n%v", s.name, err, l)
	case at.Before(end.Add(-time.Second)): // stock counts whole seconds
		c.t.Errorf("%s ends it %s too early, saying %q\n%v", s.name, end.Sub(at), said, l)
	case !l.via.mqtt && !strings.Contains(string(said), "User Authentication Expired"):
		c.t.Errorf("%s ends it with %q\n%v", s.name, said, l)
	}
}
