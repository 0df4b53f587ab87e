package admission_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/admission"
)

var simulated = flag.Int("simulate.logins", 1000, "how many logins the simulator foretells")

// What the simulator says of generated logins, and of what those that get in
// publish, subscribe to and are delivered, is what a stock server and a broker do.
func TestSimulatorAgreesWithServers(t *testing.T) {
	t.Parallel()
	o := &oracle{t: t, world: newWorld(t, *seed)}
	if *only >= 0 {
		o.hold(*only)
		return
	}
	var next atomic.Int64
	var clients sync.WaitGroup
	for range atOnce {
		clients.Go(func() {
			for n := int(next.Add(1)); n <= *simulated; n = int(next.Add(1)) {
				o.hold(n)
			}
		})
	}
	clients.Wait()
	t.Logf("%d questions answered, %d of them about logins; of those %d yes; of all others %d yes; %d times messages were filtered",
		o.logins.Load()+o.acts.Load(), o.logins.Load(), o.admitted.Load(), o.allowed.Load(), o.filtered.Load())
	if *simulated >= 1000 && (o.admitted.Load() < int64(*simulated)/4 || o.allowed.Load() < o.acts.Load()/4 ||
		o.allowed.Load() > o.acts.Load()*3/4 || o.filtered.Load() < 50) {
		t.Error("too few were allowed or refused for the agreement to say much")
	}
}

type oracle struct {
	t                                         *testing.T
	world                                     *world
	logins, admitted, acts, allowed, filtered atomic.Int64
}

// foretellable are the flaws of an account that its claims show.
var foretellable = []string{
	"account expired", "no connections", "no leaf nodes", "no signing keys", "no bearer tokens",
	"revoked altogether", "main key as signer", "no default anything",
}

// newQuestion draws a login of which all is known beforehand.
func (w *world) newQuestion(number int) *login {
	for attempt := uint64(0); ; attempt++ {
		r := rand.New(rand.NewPCG(*seed+attempt<<32, uint64(number)+1))
		l := w.draw(r, number)
		if chance(r, 2) {
			twist := pick(r, slices.Concat(timeTwists, placeTwists)...)
			l.odd = append(l.odd, twist.name)
			twist.apply(w, r, l)
		}
		l.prove = nil
		l.seal()
		flaw := slices.ContainsFunc(l.odd, func(odd string) bool { return w.flawed[odd] != nil && !slices.Contains(foretellable, odd) })
		if _, err := jwt.DecodeUserClaims(l.token); err == nil && !flaw && l.forwardedFor == "" && !l.brief() && excuse(l) == "" {
			return l
		}
	}
}

func (o *oracle) hold(number int) {
	l := o.world.newQuestion(number)
	says := o.ask(l, admission.Connect, "", "")
	o.logins.Add(1)
	for _, s := range []*site{o.world.stock, o.world.ours} {
		a, err := s.login(l)
		if err != nil {
			o.t.Errorf("%v\n%v", err, l)
			return
		}
		defer a.Close()
		if in := a.admitted && !strings.Contains(strings.Join(a.told, ""), "-ERR"); in != says.Allowed {
			o.t.Errorf("%s admits: %v (%s), but the simulator says %+v\n%v", s.name, in, a.words, says, l)
			return
		}
		if says.Allowed && l.comparable() {
			o.acting(l, s, a)
		}
	}
	if says.Allowed {
		o.admitted.Add(1)
	}
}

// ask puts a question to the simulator, as one that knows only the claims would.
func (o *oracle) ask(l *login, action admission.Action, subject, queue string) admission.Answer {
	account, err := jwt.DecodeAccountClaims(l.account.token)
	if err != nil {
		o.t.Errorf("%v\n%v", err, l)
	}
	user, err := jwt.DecodeUserClaims(l.token)
	if err != nil {
		o.t.Errorf("%v\n%v", err, l)
	}
	host := l.from
	if l.via == overPipe {
		host = ""
	}
	says := admission.Simulate(admission.Question{
		Account: account, User: user, ConnectionType: l.via.kind, Host: host, At: time.Now(),
		Action: action, Subject: subject, Queue: queue,
	})
	if last := says.Steps[len(says.Steps)-1]; says.Allowed != (last.Outcome != admission.Denied) || says.Allowed != (says.Reason == "") {
		o.t.Errorf("the simulator's steps do not lead to its answer: %+v", says)
	}
	return says
}

// acting tries on a site what the simulator foretells.
func (o *oracle) acting(l *login, s *site, a *attempt) {
	l.account.probing.Lock()
	defer l.account.probing.Unlock()
	witness, err := s.witness(l.account)
	if err != nil {
		o.t.Errorf("%v\n%v", err, l)
		return
	}
	p := &prober{attempt: a, witness: witness, mark: fmt.Sprintf("mark.%d", l.number), heard: transcript{}}
	witness.ask("SUB > own\r\n")
	for i, subject := range l.subjects() {
		if subject.queue == "" && server.IsValidLiteralSubject(subject.name) && p.can(l.via, subject.name) {
			says := o.ask(l, admission.Publish, subject.name, "")
			o.compare(l, s, "publish on "+subject.name, p.published(l, i, subject.name), says)
			if l.via.leaf && !says.Allowed {
				break // a hub ends the connection of a leaf node that tries
			}
		}
		if (subject.queue == "" || !l.via.mqtt && !l.via.leaf) && (!l.via.leaf || server.IsValidLiteralSubject(subject.name)) && p.can(l.via, subject.name) {
			says := o.ask(l, admission.Subscribe, subject.name, subject.queue)
			if l.via.leaf && (l.account.mapped(subject.name) != subject.name || l.allowsQueues()) {
				continue // nothing can arrive there, or the hub overlooks what is allowed beside a queue
			}
			got, delivered := p.subscribed(l, i, subject)
			o.compare(l, s, "subscribe to "+subject.name+" "+subject.queue, got, says)
			if l.via.leaf && !says.Allowed {
				break
			}
			if says.Allowed && !l.via.leaf && !l.via.mqtt {
				o.delivered(l, s, subject, delivered, says)
			}
		}
	}
	witness.ask("UNSUB own\r\n")
}

// can is false for subjects that MQTT cannot spell, or that a hub is not told by a leaf node.
func (p *prober) can(via transport, subject string) bool {
	return !strings.HasPrefix(subject, "$") && !(via.mqtt && (strings.ContainsAny(subject, "/+# ") || strings.HasPrefix(subject, "_")))
}

func (o *oracle) compare(l *login, s *site, what string, got bool, says admission.Answer) {
	o.acts.Add(1)
	if got != says.Allowed {
		o.t.Errorf("%s lets it %s over %s: %v, but the simulator says %v: %+v\n%v", s.name, what, l.via.kind, got, says.Allowed, says.Steps[len(says.Steps)-1], l)
	}
	if says.Allowed {
		o.allowed.Add(1)
	}
}

// published publishes on the subject, and says whether the witness heard of it.
func (p *prober) published(l *login, i int, subject string) bool {
	mark := fmt.Sprintf("%s.%d", p.mark, i)
	switch {
	case l.via.mqtt:
		p.packets("publishes", mqttPacket(mqttPublish, mqttText(strings.ReplaceAll(subject, ".", "/"))))
	case l.via.leaf:
		p.ask(fmt.Sprintf("LMSG %s %s 0\r\n\r\n", subject, mark))
	default:
		p.ask(fmt.Sprintf("PUB %s %s 0\r\n\r\n", subject, mark))
	}
	lines, _ := p.witness.ask("")
	return slices.ContainsFunc(lines, func(line string) bool {
		ours := strings.Contains(line, " "+mark+" ") || l.via.mqtt // of which only its session's messages begin otherwise
		return ours && strings.Contains(line, "MSG ") && !strings.Contains(line, "MSG $")
	})
}

// subscribed subscribes and says whether that was allowed, and on which of the
// login's subjects a message was delivered.
func (p *prober) subscribed(l *login, i int, s subject) (ok bool, delivered []string) {
	if l.via.mqtt {
		topic := strings.NewReplacer(".", "/", "*", "+", ">", "#").Replace(s.name)
		p.packets("subscribes", mqttPacket(mqttSubscribe, []byte{0, 1}, mqttText(topic), []byte{0}))
		packets := p.heard["subscribes"]
		ok = slices.ContainsFunc(packets, func(line string) bool {
			return strings.HasPrefix(line, fmt.Sprintf("%x ", mqttSubAck)) && !strings.Contains(line, `\x80`)
		})
		delete(p.heard, "subscribes")
		return ok, nil
	}
	sid := fmt.Sprint("s", i)
	var lines []string
	if l.via.leaf {
		lines, _ = p.ask("LS+ " + s.name + "\r\n")
	} else {
		lines, _ = p.ask(fmt.Sprintf("SUB %s %s %s\r\n", s.name, s.queue, sid))
	}
	ok = !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "-ERR") })
	if !ok {
		return false, nil
	}
	var publish strings.Builder
	for _, other := range l.subjects() {
		if server.IsValidLiteralSubject(other.name) {
			fmt.Fprintf(&publish, "PUB %s %s.own 0\r\n\r\n", other.name, p.mark)
		}
	}
	p.witness.ask(publish.String())
	if l.via.leaf { // which is not told that it may not
		lines, _ = p.ask("LS- " + s.name + "\r\n")
		return slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "LMSG "+s.name+" ") }), nil
	}
	lines, _ = p.ask("UNSUB " + sid + "\r\n")
	for _, line := range lines {
		if words := strings.Fields(line); len(words) > 3 && words[0] == "MSG" && words[2] == sid && !internal.MatchString(words[1]) {
			delivered = append(delivered, words[1])
		}
	}
	slices.Sort(delivered)
	return ok, slices.Compact(delivered)
}

// internal are the subjects of what servers, brokers and control send each other
// and their accounts. A broker's inboxes have its key in them.
var internal = regexp.MustCompile(`^(\$SYS|\$JS|\$MQTT|_R_|signalbox|_INBOX\.U[A-Z2-7]{55})\.`)

// allowsQueues is true when a queue stands in what the login may subscribe to.
func (l *login) allowsQueues() bool {
	return slices.ContainsFunc(l.patterns(), func(pattern string) bool { return strings.Contains(pattern, " ") })
}

// delivered holds what arrived against what the simulator says is held back.
func (o *oracle) delivered(l *login, s *site, sub subject, got []string, says admission.Answer) {
	var want []string
	for _, other := range l.subjects() {
		if !server.IsValidLiteralSubject(other.name) {
			continue
		}
		other.name = l.account.mapped(other.name)
		held := slices.ContainsFunc(says.Filtered, func(d admission.Decision) bool {
			subject, _, _ := strings.Cut(d.Subject, " ")
			return server.SubjectMatchesFilter(other.name, subject)
		})
		if server.SubjectMatchesFilter(other.name, sub.name) && !held {
			want = append(want, other.name)
		}
	}
	if len(says.Filtered) > 0 {
		o.filtered.Add(1)
	}
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(want, got) {
		o.t.Errorf("%s delivers %v of %v, but the simulator says %+v\n%v", s.name, got, want, says, l)
	}
}

// mapped is what the account makes of a subject.
func (a *account) mapped(subject string) string {
	for from, to := range a.claims.Mappings {
		transform, err := server.NewSubjectTransform(string(from), string(to[0].Subject))
		if err == nil && server.SubjectMatchesFilter(subject, string(from)) {
			return transform.TransformSubject(subject)
		}
	}
	return subject
}
