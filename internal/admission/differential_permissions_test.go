package admission_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
)

const (
	mostSubjects = 20
	replies      = 3 // that a client may try to answer, each as often
)

// transcript is what a client was told while it tried what it may do, the lines of
// each attempt sorted: a server keeps no order among the subscriptions that match.
type transcript map[string][]string

func (t transcript) add(what string, lines []string, closed bool) {
	slices.Sort(lines)
	if closed {
		lines = append(lines, "and was disconnected")
	}
	t[what] = append(t[what], lines...)
}

// probe has the client try to subscribe to, hear on and publish on everything that
// its permissions mention, and their neighbours.
func (s *site) probe(l *login, a *attempt) (transcript, error) {
	witness, err := s.witness(l.account)
	if err != nil {
		return nil, err
	}
	p := &prober{attempt: a, witness: witness, subjects: l.subjects(), mark: fmt.Sprintf("mark.%d", l.number), heard: transcript{}}
	switch {
	case l.via.mqtt:
		p.mqtt()
	case l.via.leaf:
		p.leaf()
	default:
		p.client()
	}
	return p.heard, nil
}

// witness is a client of the account that may publish everything.
func (s *site) witness(a *account) (*wire, error) {
	s.mu.Lock()
	w := s.witnesses[a]
	s.mu.Unlock()
	if w != nil {
		return w, w.SetDeadline(time.Now().Add(brokertest.Patience))
	}
	r := rand.New(rand.NewPCG(0, 0))
	l := &login{via: overTCP, from: "127.0.0.1", account: a, key: newKey(r, nkeys.PrefixByteUser), header: header, signer: a.plain[0]}
	if a.claims.Authorization.IsEnabled() {
		l.key = a.revoked[0] // whom stock does not delegate
	}
	l.user = jwt.NewUserClaims(l.key.public)
	l.user.Type, l.user.Version, l.user.IssuedAt, l.user.IssuerAccount = jwt.UserClaim, 2, time.Now().Unix(), a.key.public
	l.user.Pub.Allow = []string{">"}
	l.seal()
	attempt, err := s.login(l)
	if err != nil {
		return nil, err
	}
	if !attempt.admitted {
		return nil, fmt.Errorf("%s does not let the witness in: %s", s.name, attempt.words)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.witnesses[a] = attempt.wire
	return attempt.wire, nil
}

// prober tries what a client may do.
type prober struct {
	*attempt
	witness  *wire
	subjects []subject
	mark     string // begins the reply of every message, to know it by
	heard    transcript
}

// subject is one to try; with a queue, as a subscription only.
type subject struct{ name, queue string }

func (p *prober) client() {
	var subscribe, unsubscribe, publish strings.Builder
	for i, s := range p.subjects {
		fmt.Fprintf(&publish, "PUB %s %s.own 0\r\n\r\n", s.name, p.mark)
		if s.queue != "" {
			p.queue(s)
			continue
		}
		fmt.Fprintf(&subscribe, "SUB %s %d\r\n", s.name, i)
		fmt.Fprintf(&unsubscribe, "UNSUB %d\r\n", i)
	}
	p.try("subscribes", subscribe.String())
	p.testify()
	p.try("hears", "")
	p.try("publishes", publish.String())
	for i := range replies * replies {
		p.try("answers", fmt.Sprintf("PUB %s.%d 0\r\n\r\n", p.mark, i%replies))
	}
	p.try("unsubscribes", unsubscribe.String())
	for _, size := range []int{1, 40, 100, 1000} {
		_, closed := p.ask(fmt.Sprintf("PUB b %d\r\n%*s\r\n", size, size, ""))
		p.heard.add(fmt.Sprintf("publishes %d bytes", size), nil, closed) // why may be lost with the connection
	}
}

// queue tries a queue by itself: of two members a server chooses one at random.
func (p *prober) queue(s subject) {
	p.try("queues", fmt.Sprintf("SUB %s %s queue\r\n", s.name, s.queue))
	p.testify()
	p.try("hears in a queue", "UNSUB queue\r\n")
}

func (p *prober) leaf() {
	p.heard.add("is told", leafPermissions(p.told), false)
	for _, s := range p.subjects {
		p.try("subscribes", fmt.Sprintf("LS+ %s\r\n", s.name))
	}
	p.testify()
	p.try("hears", "")
	for _, s := range p.subjects {
		p.try("publishes", fmt.Sprintf("LMSG %s 0\r\n\r\n", s.name))
	}
}

// leafPermissions are those that a leaf node is to keep to.
func leafPermissions(lines []string) []string {
	var told []string
	for _, line := range lines {
		var info struct {
			Import, Export *server.SubjectPermission
		}
		text, isInfo := strings.CutPrefix(line, "INFO ")
		if isInfo && json.Unmarshal([]byte(text), &info) == nil {
			told = append(told, string(mustJSON(info)))
		}
	}
	return told
}

// testify has the witness publish on all subjects and wait until that is done.
func (p *prober) testify() {
	var publish strings.Builder
	for i, s := range p.subjects {
		fmt.Fprintf(&publish, "PUB %s %s.%d 0\r\n\r\n", s.name, p.mark, i%replies)
	}
	lines, closed := p.witness.ask(publish.String())
	p.note("the witness", lines, closed)
}

func (p *prober) try(what, text string) {
	lines, closed := p.ask(text)
	p.note(what, lines, closed)
}

// note notes the lines that are about this client's doing: errors, and messages
// with its mark.
func (p *prober) note(what string, lines []string, closed bool) {
	p.heard.add(what, slices.DeleteFunc(lines, func(line string) bool {
		return !strings.HasPrefix(line, "-ERR") && !(strings.Contains(line, "MSG ") && strings.Contains(line, " "+p.mark))
	}), closed)
}

func (p *prober) mqtt() {
	var topics []string
	for _, s := range p.subjects {
		if !strings.ContainsAny(s.name, "/+#") && !strings.HasPrefix(s.name, "$") {
			topics = append(topics, strings.NewReplacer(".", "/", "*", "+", ">", "#").Replace(s.name))
		}
	}
	subscribe := [][]byte{{0, 1}}
	for _, topic := range topics {
		subscribe = append(subscribe, mqttText(topic), []byte{0})
	}
	p.packets("subscribes", mqttPacket(mqttSubscribe, subscribe...))
	p.testify()
	p.packets("hears", nil)
	for _, topic := range topics {
		if !strings.ContainsAny(topic, "+#") {
			p.packets("publishes", mqttPacket(mqttPublish, mqttText(topic)))
		}
	}
}

// packets sends the packet and a ping and notes what comes before the answer.
func (p *prober) packets(what string, packet []byte) {
	_, _ = p.Write(append(packet, mqttPing, 0))
	var got []string
	for {
		kind, body, err := p.packet()
		if err != nil || kind == mqttPong {
			p.heard.add(what, got, err != nil)
			return
		}
		got = append(got, fmt.Sprintf("%x %q", kind, body))
	}
}

var variable = regexp.MustCompile(`{{([^}]*)}}`)

// subjects are what the login's permissions mention, made real, and neighbours.
func (l *login) subjects() []subject {
	r := rand.New(rand.NewPCG(*seed, uint64(l.number)))
	all := []subject{{name: "a"}, {name: "a.c"}, {name: "orders.us"}, {name: ">"}, {name: "b", queue: "q1"}, {name: "orders.eu", queue: "other"}}
	for _, pattern := range l.patterns() {
		pattern = variable.ReplaceAllStringFunc(pattern, func(v string) string { return l.value(r, v) })
		name, queue, _ := strings.Cut(pattern, " ")
		literal := strings.NewReplacer("*", "x", ">", "x.y").Replace(name)
		all = append(all, subject{name: name}, subject{name: literal}, subject{name: literal + ".z"},
			subject{name, strings.NewReplacer("*", "x").Replace(queue)})
		if end := strings.LastIndexByte(literal, '.'); end > 0 {
			all = append(all, subject{name: literal[:end]})
		}
	}
	all = slices.DeleteFunc(all, func(s subject) bool {
		return !server.IsValidSubject(s.name) || strings.ContainsAny(s.name+s.queue, " \t\r\n")
	})
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b subject) int { return strings.Compare(a.name+" "+a.queue, b.name+" "+b.queue) })
	all = slices.Compact(all)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(len(all), mostSubjects)]
}

// patterns are the subjects in all permissions that may come to be the login's.
func (l *login) patterns() []string {
	of := []jwt.Permissions{l.user.Permissions, l.account.claims.DefaultPermissions}
	if l.role != nil {
		of[0] = l.role.scope.Template.Permissions
	}
	var all []string
	if l.account.claims.Authorization.IsEnabled() {
		all = append(all, server.AuthCalloutSubject)
	}
	for _, p := range of {
		all = slices.Concat(all, p.Pub.Allow, p.Pub.Deny, p.Sub.Allow, p.Sub.Deny)
	}
	return all
}

// value is one that a template's variable may have.
func (l *login) value(r *rand.Rand, variable string) string {
	variable = strings.ToLower(strings.Trim(variable, "{} "))
	_, tag, isTag := strings.Cut(variable, "tag(")
	switch {
	case isTag:
		tags := slices.Concat(l.user.Tags, l.account.claims.Tags)
		tags = slices.DeleteFunc(tags, func(t string) bool { return !strings.HasPrefix(t, strings.TrimSuffix(tag, ")")+":") })
		_, value, _ := strings.Cut(pick(r, append(tags, "none:none")...), ":")
		return value
	case variable == "account-name()":
		return l.account.claims.Name
	case variable == "account-subject()":
		return l.account.key.public
	case variable == "subject()":
		return l.user.Subject
	}
	return l.user.Name
}
