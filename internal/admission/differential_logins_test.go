package admission_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// login is somebody who wants in: claims, who signed them, and what is said over
// which connection.
type login struct {
	number       int
	via          transport
	from         string // the client's address
	forwardedFor string // what a WebSocket's request says instead
	account      *account
	role         *role // nil: the user has permissions of its own
	user         *jwt.UserClaims
	signer       key
	key          key      // proves that the client is the user
	odd          []string // what is wrong with it, or looks so

	header  string
	v1      bool                // the JWT is of the first version
	rewrite func(string) string // the claims' JSON; nil leaves it
	mangle  func(string) string // the signed JWT; nil leaves it
	prove   prover              // nil signs the nonce
	connect map[string]any      // goes over what CONNECT says otherwise
	level   byte                // of MQTT
	named   string              // the user name of MQTT
	second  *login              // on the same connection
	token   string
	anew    *login // the same user with a JWT that says what holds for it by now; nil: that is this one
}

// stock is the login as a stock server has to be shown it, to judge it by the same.
func (l *login) stock() *login {
	if l.anew != nil {
		return l.anew
	}
	return l
}

// prover answers a nonce, as the client of a site's connection.
type prover func(s *site, l *login, nonce string) (signature string)

// newLogin draws the login of that number: about half are as they should be,
// most others have one thing wrong.
func (w *world) newLogin(seed uint64, number int) *login {
	r := rand.New(rand.NewPCG(seed, uint64(number)+1))
	l := w.draw(r, number)
	for range pick(r, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2) {
		t := pick(r, twists...)
		l.odd = append(l.odd, t.name)
		t.apply(w, r, l)
	}
	if l.brief() { // nothing else is wrong then: stock would hurry to say both
		l.second, l.connect = nil, map[string]any{}
	}
	if l.role != nil && len(l.odd) == 0 && chance(r, 4) {
		l.move(r)
	}
	l.seal()
	return l
}

// move makes the user one that has moved since its JWT was issued.
func (l *login) move(r *rand.Rand) {
	l.user.Name = pick(r, names(l.account.moved)...)
	l.odd = append(l.odd, "user that has moved")
	to, user := l.account.moved[l.user.Name], *l.user
	user.Tags = to.tags
	anew := *l
	anew.user = &user
	anew.scope(to.role)
	anew.seal()
	l.anew = &anew
}

// draw draws a login without a twist of its own.
func (w *world) draw(r *rand.Rand, number int) *login {
	l := &login{
		number: number, header: header, level: 4, named: "somebody",
		via:  pick(r, overTCP, overTCP, overTCP, overTCP, overTCP, overPipe, overPipe, overWebSocket, overWebSocket, overLeafNode, overLeafNodeWS, overMQTT, overMQTTWS),
		from: "127.0.0." + strconv.Itoa(1+r.IntN(6)), key: newKey(r, nkeys.PrefixByteUser), connect: map[string]any{},
	}
	l.account = w.drawAccount(r, l)
	if l.account.claims.Authorization.IsEnabled() && chance(r, 2) {
		l.key = l.account.revoked[0] // whom stock does not delegate
	}
	l.user = w.drawUser(r, l)
	switch {
	case len(l.account.roles) == 0 || chance(r, 2):
		l.own(r)
		w.restrict(r, l)
	case chance(r, 6):
		why := pick(r, names(l.account.closed)...)
		l.odd = append(l.odd, why)
		l.scope(l.account.closed[why])
	case l.via.mqtt:
		l.scope(l.account.roles[0])
	default:
		l.scope(pick(r, l.account.roles...))
	}
	if l.bearer() && chance(r, 2) {
		l.prove = func(*site, *login, string) string { return "" }
	}
	return l
}

func (w *world) drawAccount(r *rand.Rand, l *login) *account {
	if chance(r, 10) {
		flaw := pick(r, names(w.flawed)...)
		l.odd = append(l.odd, flaw)
		return pick(r, w.flawed[flaw]...)
	}
	if l.via.mqtt {
		return w.sound[r.IntN(mqttAccounts)]
	}
	return pick(r, w.sound...)
}

// Tags of users; the tame ones are such as Signalbox lets people choose.
var (
	tameTags = []string{"team:red", "team:blue", "region:eu", "region:us.east", "plain", "many:1", "many:2", "many:3"}
	userTags = append([]string{"odd:two words", "odd:>", "Team:green"}, tameTags...)
)

func (w *world) drawUser(r *rand.Rand, l *login) *jwt.UserClaims {
	c := jwt.NewUserClaims(l.key.public)
	c.Name = pick(r, "app", "app-"+strconv.Itoa(l.number), "x.y", "", "two words", "*", "Ünïcode")
	c.Audience, c.ID = pick(r, "", "anybody"), strconv.Itoa(l.number)
	c.IssuedAt = w.ago(0) - r.Int64N(3000)
	c.Expires, c.NotBefore = pick(r, 0, w.ago(-3600e9), w.ago(-1e18)), pick(r, 0, w.ago(3600e9))
	c.Tags = some(r, 6, userTags...)
	for i := range pick(r, 0, 0, 16, 17) { // three of 16 in a subject are the most that are allowed: 4096
		c.Tags = append(c.Tags, "many:x"+strconv.Itoa(i))
	}
	c.Type, c.Version = jwt.UserClaim, 2
	c.IssuerAccount = l.account.key.public
	return c
}

// own gives the user permissions and limits of its own: all.
func (l *login) own(r *rand.Rand) {
	l.role, l.signer = nil, pick(r, l.account.plain...)
	l.user.SetScoped(true)
	l.user.NatsLimits = jwt.NatsLimits{Subs: jwt.NoLimit, Data: jwt.NoLimit, Payload: jwt.NoLimit}
	l.user.BearerToken = l.via.mqtt
}

func (l *login) scope(to *role) {
	l.role, l.signer = to, to.key
	l.user.SetScoped(true)
}

// restrict limits a user with permissions of its own without shutting it out.
func (w *world) restrict(r *rand.Rand, l *login) {
	u := l.user
	u.Permissions, u.NatsLimits = permissions(r, plainSubjects), natsLimits(r)
	u.BearerToken = l.via.mqtt || chance(r, 5) && !l.account.claims.Limits.DisallowBearer
	if l.via != overPipe && chance(r, 3) {
		u.Src = networksHere(r)
	}
	if chance(r, 3) {
		u.Times, u.Locale = w.timesNow(r)
	}
	if chance(r, 3) {
		u.AllowedConnectionTypes = append(some(r, 3, connectionTypes...), l.via.kind)
	}
}

func (l *login) bearer() bool {
	if l.role != nil {
		return l.role.scope.Template.BearerToken
	}
	return l.user.BearerToken
}

// seal signs the claims.
func (l *login) seal() {
	if l.user.Issuer == "" {
		l.user.Issuer = l.signer.public
	}
	text := string(mustJSON(l.user))
	if l.v1 {
		text = string(mustJSON(firstVersion(l.user)))
	}
	if l.rewrite != nil {
		text = l.rewrite(text)
	}
	l.token = l.signer.token(l.header, []byte(text))
	if l.v1 {
		l.token = l.signer.tokenV1(l.header, []byte(text))
	}
	if l.mangle != nil {
		l.token = l.mangle(l.token)
	}
	if l.second != nil {
		l.second.seal()
	}
}

// firstVersion is how claims were laid out before nats-io/jwt v2.
func firstVersion(c *jwt.UserClaims) any {
	return struct {
		jwt.ClaimsData
		Tags          jwt.TagList              `json:"tags,omitempty"`
		Type          jwt.ClaimType            `json:"type,omitempty"`
		IssuerAccount string                   `json:"issuer_account,omitempty"`
		NATS          jwt.UserPermissionLimits `json:"nats"`
	}{c.ClaimsData, c.Tags, c.Type, c.IssuerAccount, c.UserPermissionLimits}
}

// hello is the text that logs in over everything but MQTT.
func (l *login) hello(s *site, nonce string) string {
	options := map[string]any{
		"jwt": l.token, "sig": l.signature(s, nonce), "verbose": false, "pedantic": false, "echo": true,
		"protocol": 1, "headers": true, "name": fmt.Sprintf("login-%d", l.number),
	}
	if l.via.leaf {
		options["server_id"] = options["name"]
	}
	for name, value := range l.connect {
		options[name] = value
	}
	text, err := json.Marshal(options)
	if err != nil {
		panic(err) // options of our own making
	}
	return "CONNECT " + string(text) + "\r\n"
}

func (l *login) signature(s *site, nonce string) string {
	if l.prove == nil {
		return l.key.sign([]byte(nonce))
	}
	return l.prove(s, l, nonce)
}

// helloMQTT is the packet that logs in over MQTT.
func (l *login) helloMQTT() []byte {
	const clean, user, password = 0x02, 0x80, 0x40
	flags := byte(clean | user | password)
	parts := [][]byte{mqttText("login-" + strconv.Itoa(l.number)), mqttText(l.named), mqttText(l.token)}
	if l.named == "" {
		flags, parts = clean, parts[:1]
	}
	head := append(mqttText("MQTT"), l.level, flags, 0, 0)
	return mqttPacket(mqttConnect, append([][]byte{head}, parts...)...)
}

// last is what the client said last: that counts.
func (l *login) last() *login {
	if l.second != nil {
		return l.second
	}
	return l
}

// comparable is true for who, once in, does the same on both servers.
func (l *login) comparable() bool {
	last := l.last()
	return !last.account.flawed && !last.limitedMQTT() && !last.brief() &&
		!(last.via.leaf && last.account.claims.Authorization.IsEnabled()) // which Signalbox keeps from publishing as the account's service
}

// brief is true for whom stock lets in and throws out a moment later: who may
// have no subscription at all, and whose JWT expires before 1970.
func (l *login) brief() bool {
	return l.user.Expires < 0 || l.role == nil && l.user.Subs == 0 || l.account.claims.Limits.Subs == 0
}

// limitedMQTT is true for who has limits of subscriptions or payload over MQTT.
// Signalbox keeps them; stock looks at them before it has noted whose they are,
// and so keeps the account's only.
func (l *login) limitedMQTT() bool {
	limits := l.user.NatsLimits
	if l.role != nil {
		limits = l.role.scope.Template.NatsLimits
	}
	return l.via.mqtt && (limits.Subs != jwt.NoLimit || limits.Payload != jwt.NoLimit)
}

// attempt is a login as a server saw it. Whoever has one closes it.
type attempt struct {
	*wire
	admitted bool
	words    string   // why not
	told     []string // all that was said
}

// login tries the login, and again when the machine was too busy for the server
// to judge it in the two seconds that it gives a client. Where stock delegates
// logins, that is its refusal.
func (s *site) login(l *login) (*attempt, error) {
	for {
		a, err := s.try(l)
		if err != nil || !strings.Contains(a.words, "Authentication Timeout") || l.last().account.claims.Authorization.IsEnabled() {
			return a, err
		}
		a.Close()
	}
}

func (s *site) try(l *login) (*attempt, error) {
	w, err := s.open(l.via, l.from, l.forwardedFor)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.name, err)
	}
	a := &attempt{wire: w}
	if l.via.mqtt {
		a.loginMQTT(l)
		return a, nil
	}
	a.hear(w.ask(l.hello(s, w.nonce)))
	if a.admitted && l.second != nil {
		a.hear(w.ask(l.second.hello(s, w.nonce)))
	}
	return a, nil
}

// throwsOut is what clients hear who were let in only for a moment.
var throwsOut = regexp.MustCompile("maximum subscriptions exceeded|User Authentication Expired")

// hear takes in what was said.
func (a *attempt) hear(lines []string, closed bool) {
	a.admitted, a.told = !closed, append(a.told, lines...)
	for _, line := range lines {
		if strings.HasPrefix(line, "-ERR") {
			a.words = line
			a.admitted = throwsOut.MatchString(line)
		}
	}
}

func (a *attempt) loginMQTT(l *login) {
	_, _ = a.Write(l.helloMQTT()) // a server that has closed says why, to be read
	kind, body, err := a.packet()
	a.admitted = err == nil && kind == mqttConnAck && len(body) == 2 && body[1] == 0
	if !a.admitted {
		a.words = fmt.Sprintf("CONNACK %v, %v", body, err)
	}
}
