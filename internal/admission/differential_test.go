package admission_test

import (
	"flag"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"
)

var (
	logins = flag.Int("differential.logins", 20_000, "how many logins are tried on both servers")
	seed   = flag.Uint64("differential.seed", 1, "draws other accounts and logins")
	only   = flag.Int("differential.only", -1, "tries the login of this number alone")
)

const (
	atOnce     = 48 // logins; those that stock delegates wait for two seconds
	triedEvery = 2  // of those whom both let in, one in so many tries what it may do
)

// stricter are the reasons for which Signalbox refuses whom stock lets in.
var stricter = []struct {
	why    string
	covers func(*login) bool
}{
	{"over MQTT a user's limits hold as over anything else, and one may be to have no subscription; stock forgets them",
		func(l *login) bool { return l.via.mqtt && l.role == nil && l.user.Subs == 0 }},
}

// idle are the parts of an account's claims that no login looks at, or that only
// say how much it may use.
var idle = map[string]string{
	"AccountClaims.Account.Imports":                      "routes messages",
	"AccountClaims.Account.Exports":                      "routes messages",
	"AccountClaims.Account.Mappings":                     "routes messages",
	"AccountClaims.Account.Trace":                        "watches messages",
	"AccountClaims.Account.ClusterTraffic":               "routes messages",
	"AccountClaims.Account.Info.Description":             "is text",
	"AccountClaims.Account.Limits.AccountLimits.Imports": "limits imports",
	"AccountClaims.Account.Limits.AccountLimits.Exports": "limits exports",
	"AccountClaims.Account.Limits.AccountLimits.Wild":    "limits exports",
	"AccountClaims.Account.Limits.JetStream":             "limits storage",
	"AccountClaims.Account.Authorization.AllowedAcc":     "is for who judges instead of the server",
	"AccountClaims.Account.Authorization.XKey":           "is for who judges instead of the server",
}

// Generated logins, over every transport and with every field of their claims
// drawn, are tried on a stock server in operator mode and on a broker. Whom
// stock refuses, the broker refuses; whom stock lets in, it lets in, unless
// for a reason that is written down in stricter. Of those whom both let in,
// many then try what they may do, and must fare alike.
//
// A failure names the login's number; -differential.only tries it again.
func TestLoginsFareAsOnAStockServer(t *testing.T) {
	t.Parallel()
	c := &contest{t: t, world: newWorld(t, *seed), users: newCoverage(), tallies: map[string]*tally{}}
	if *only >= 0 {
		c.hold(*only)
		return
	}
	var next atomic.Int64
	var clients sync.WaitGroup
	for range atOnce {
		clients.Go(func() {
			for n := int(next.Add(1)); n <= *logins; n = int(next.Add(1)) {
				c.hold(n)
			}
		})
	}
	clients.Go(c.waitForEnds)
	clients.Wait()
	c.report()
}

// contest is the two servers' record.
type contest struct {
	t     *testing.T
	world *world
	users *coverage

	mu      sync.Mutex
	tallies map[string]*tally // by what is odd; "" is all
}

// tally counts logins.
type tally struct{ in, out, stricter, tried int }

// hold has both servers judge the login of that number.
func (c *contest) hold(number int) {
	l := c.world.newLogin(*seed, number)
	c.users.note(l.user)
	stock, err := c.world.stock.login(l.stock())
	if err != nil {
		c.t.Errorf("%v\n%v", err, l)
		return
	}
	defer stock.Close()
	ours, err := c.world.ours.login(l)
	if err != nil {
		c.t.Errorf("%v\n%v", err, l)
		return
	}
	defer ours.Close()
	c.judge(l, stock, ours)
}

func (c *contest) judge(l *login, stock, ours *attempt) {
	var sum tally
	switch {
	case stock.admitted && ours.admitted:
		sum.in = 1
		if l.number%triedEvery == 0 && l.stock().comparable() {
			sum.tried = 1
			c.compare(l, stock, ours)
		}
	case !stock.admitted && !ours.admitted:
		sum.out = 1
	case ours.admitted:
		c.t.Errorf("Signalbox lets in whom stock refuses (%s)\n%v", stock.words, l)
	case excuse(l) != "":
		sum.stricter = 1
	default:
		c.t.Errorf("Signalbox refuses whom stock lets in (%s), and no written reason covers it\n%v", ours.words, l)
	}
	c.add("", sum)
	for _, odd := range l.odd {
		c.add(odd, sum)
	}
	if len(l.odd) == 0 {
		c.add("nothing odd", sum)
	}
	c.add("over "+l.via.kind, sum)
}

func excuse(l *login) string {
	for _, reason := range stricter {
		if reason.covers(l) {
			return reason.why
		}
	}
	return ""
}

// compare has the client try the same on both: what may concern it by now.
func (c *contest) compare(l *login, stock, ours *attempt) {
	last := l.stock().last()
	last.account.probing.Lock()
	defer last.account.probing.Unlock()
	want, err := c.world.stock.probe(last, stock)
	if err != nil {
		c.t.Errorf("%v\n%v", err, l)
		return
	}
	got, err := c.world.ours.probe(last, ours)
	if err != nil {
		c.t.Errorf("%v\n%v", err, l)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("it may do other things than on stock (-stock +signalbox):\n%s\n%v", diff, l)
	}
}

func (c *contest) add(name string, t tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := c.tallies[name]
	if sum == nil {
		sum = &tally{}
		c.tallies[name] = sum
	}
	sum.in, sum.out, sum.stricter, sum.tried = sum.in+t.in, sum.out+t.out, sum.stricter+t.stricter, sum.tried+t.tried
}

// report tells how it went, and fails if too little was tried to mean anything:
// it is about the generator, not about the servers.
func (c *contest) report() {
	all := c.tallies[""]
	c.t.Logf("%d logins with seed %d: %d in by both, %d of them tried what they may do, %d out by both, %d refused by Signalbox alone for a written reason",
		*logins, *seed, all.in, all.tried, all.out, all.stricter)
	for _, name := range names(c.tallies) {
		if !testing.Verbose() {
			break
		}
		c.t.Logf("%-50s %5d in %5d out %5d stricter", name, c.tallies[name].in, c.tallies[name].out, c.tallies[name].stricter)
	}
	if *logins < 10_000 {
		return
	}
	if all.in < *logins/4 || all.out < *logins/4 || all.tried < *logins/10 {
		c.t.Error("too few logins are let in, refused or tried for the comparison to say much")
	}
	for _, twist := range twists {
		if sum := c.tallies[twist.name]; sum == nil || !twist.tame && sum.out == 0 {
			c.t.Errorf("%q was never refused: it tests nothing", twist.name)
		}
	}
	c.users.check(c.t, reflect.TypeFor[jwt.UserClaims](), nil)
	accounts := newCoverage()
	for _, a := range c.world.accounts() {
		accounts.note(a.claims)
	}
	accounts.check(c.t, reflect.TypeFor[jwt.AccountClaims](), idle)
}

func (l *login) String() string {
	text := fmt.Sprintf("login %d of seed %d (%s) over %s, account %s:\n%s\nrole: %s", l.number, *seed, strings.Join(l.odd, "; "), l.via.kind,
		l.account.key.public, mustJSON(l.user), mustJSON(l.role.template()))
	if l.second != nil {
		text += "\nand then " + l.second.String()
	}
	return text
}

func (r *role) template() any {
	if r == nil {
		return nil
	}
	return r.scope.Template
}
