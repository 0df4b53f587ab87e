package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// An account may leave its logins to an authorization service of its own (NATS
// calls it auth callout). The broker then asks it, in the account, who somebody
// is, as nats-server does (auth_callout.go): the same subject, request, key and
// encryption, so that a service cannot tell one from the other. What it answers is a
// user JWT, which is judged by the law of the account that the user is put in
// as any other is; only proof is not asked for again.
//
// Unlike nats-server, a broker asks only for those whose own user JWT a key of
// the account has signed, and who are not revoked.

const (
	// calloutTimeout is below nats-server's own for a login, two seconds, so that
	// there is an answer before it gives up.
	calloutTimeout = 1900 * time.Millisecond
	calloutsAtOnce = 128              // for an account
	calloutIdle    = 30 * time.Second // and the connection to the service's account goes
	calloutWords   = 200              // bytes of what a service says that are passed on
	jwtPrefix      = "eyJ"
)

// callout asks accounts' services. It has a connection within the process to
// each account that was asked lately, which proves itself by a key of this process.
type callout struct {
	server  func() *server.Server
	private private
	pair    nkeys.KeyPair
	key     string // its public half
	inbox   string

	mu    sync.Mutex
	lines map[string]*line // by account
}

// line is a connection to an account.
type line struct {
	ready chan struct{}
	nc    *nats.Conn // set, or err, before ready is closed
	err   error
	slots chan struct{}

	users int         // asking now; needs callout.mu
	idle  *time.Timer // likewise
}

func newCallout(s func() *server.Server, p private) (*callout, error) {
	pair, key, err := newUserKey()
	if err != nil {
		return nil, fmt.Errorf("make a key to ask authorization services with: %w", err)
	}
	return &callout{server: s, private: p, pair: pair, key: key, inbox: server.InboxPrefix + key, lines: map[string]*line{}}, nil
}

func newUserKey() (pair nkeys.KeyPair, key string, err error) {
	if pair, err = nkeys.CreateUser(); err == nil {
		key, err = pair.PublicKey()
	}
	return pair, key, err
}

// owns says whether the connection is one of ours, which is for an account to ask
// its service. Nobody else has the key.
func (c *callout) owns(l *login) bool {
	o := &l.said
	return l.source.kind == jwt.ConnectionTypeInProcess && o.Nkey == c.key && checkSignature(c.key, l.client.GetNonce(), o.Sig) == nil
}

// admit lets a connection of ours into the account that it names, to ask and
// hear answers, and for nothing else.
func (c *callout) admit(l *login) error {
	account, err := c.server().LookupAccount(l.said.Username)
	if account == nil {
		return refused(AccountUnavailable, "the server could not load it: %v", err)
	}
	c.private.setUser(l.client, &jwt.UserClaims{ClaimsData: jwt.ClaimsData{Subject: c.key, Name: "signalbox"}})
	err = l.client.RegisterNkeyUser(&server.NkeyUser{Nkey: c.key, Account: account, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{server.AuthCalloutSubject}},
		Subscribe: &server.SubjectPermission{Allow: []string{c.inbox + ".>"}},
	}})
	if err != nil {
		return refused(ServerLimit, "%v", err)
	}
	return nil
}

// lease returns the account's connection, made if need be, and done is to be
// called after use.
func (c *callout) lease(ctx context.Context, account string) (l *line, done func(), err error) {
	c.mu.Lock()
	l, first := c.lines[account], false
	if l == nil {
		l, first = &line{ready: make(chan struct{}), slots: make(chan struct{}, calloutsAtOnce)}, true
		c.lines[account] = l
	}
	l.users++
	if l.idle != nil {
		l.idle.Stop()
	}
	c.mu.Unlock()
	if first {
		go c.dial(account, l) // whoever waits for it may give up sooner
	}
	select {
	case <-l.ready:
		return l, func() { c.release(account, l) }, l.err
	case <-ctx.Done():
		return l, func() { c.release(account, l) }, ctx.Err()
	}
}

func (c *callout) dial(account string, l *line) {
	defer close(l.ready)
	l.nc, l.err = nats.Connect("", nats.InProcessServer(c.server()), nats.Name("signalbox auth callout"),
		nats.Nkey(c.key, c.pair.Sign), nats.UserInfo(account, ""), nats.CustomInboxPrefix(c.inbox),
		nats.NoReconnect(), nats.Timeout(calloutTimeout), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
		nats.ClosedHandler(func(*nats.Conn) { c.forget(account, l) }))
	if l.err != nil {
		c.forget(account, l)
	}
}

// forget has the next one who asks make another connection.
func (c *callout) forget(account string, l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines[account] == l {
		delete(c.lines, account)
	}
}

func (c *callout) release(account string, l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.users--; l.users > 0 {
		return
	}
	l.idle = time.AfterFunc(calloutIdle, func() {
		c.mu.Lock()
		unused := l.users == 0 && c.lines[account] == l
		if unused {
			delete(c.lines, account)
		}
		c.mu.Unlock()
		if unused {
			<-l.ready
			if l.nc != nil {
				l.nc.Close()
			}
		}
	})
}

// ask has the account's service say who a login is. Its answer is signed by
// whoever it says; what that may do is for the law to judge.
func (c *callout) ask(account string, w *law, l *login) (*jwt.UserClaims, error) {
	ctx, cancel := context.WithDeadline(context.Background(), l.at.Add(calloutTimeout))
	defer cancel()
	_, user, err := newUserKey() // this request's own, so that no answer can be used twice
	if err != nil {
		return nil, refused(CalloutTimeout, "no key could be made to ask with")
	}
	request, err := c.request(account, user, w.xkey, l)
	if err != nil {
		return nil, err
	}
	answer, err := c.send(ctx, account, request)
	if err != nil {
		return nil, err
	}
	return c.read(account, user, w, answer)
}

func (c *callout) send(ctx context.Context, account string, request *nats.Msg) ([]byte, error) {
	to, done, err := c.lease(ctx, account)
	defer done()
	if err != nil {
		return nil, refused(CalloutTimeout, "the broker could not connect to the account to ask its service: %v", err)
	}
	select {
	case to.slots <- struct{}{}:
		defer func() { <-to.slots }()
	case <-ctx.Done():
		return nil, refused(CalloutTimeout, "too many logins were waiting for the account's service")
	}
	answer, err := to.nc.RequestMsgWithContext(ctx, request)
	switch {
	case err == nil:
		return answer.Data, nil
	case errors.Is(err, nats.ErrNoResponders):
		return nil, refused(CalloutTimeout, "nobody in the account is subscribed to %s", server.AuthCalloutSubject)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, refused(CalloutTimeout, "the account's service did not answer in time")
	}
	return nil, refused(CalloutTimeout, "the account's service could not be asked: %v", err)
}

// read takes an answer apart, and believes only what is meant for this server
// and this request, and comes from somebody who may say it.
func (c *callout) read(account, user string, w *law, answer []byte) (*jwt.UserClaims, error) {
	if len(answer) == 0 {
		return nil, refused(CalloutRefused, "the account's service gave no reason")
	}
	sealed := w.xkey != "" && !bytes.HasPrefix(answer, []byte(jwtPrefix))
	if sealed {
		var err error
		if answer, err = c.private.serverXKey(c.server()).Open(answer, w.xkey); err != nil {
			return nil, refused(CalloutInvalid, "the answer cannot be decrypted")
		}
	}
	said, err := jwt.DecodeAuthorizationResponseClaims(string(answer))
	if err != nil {
		return nil, refused(CalloutInvalid, "the answer is no authorization response: %s", cut(err.Error()))
	}
	problems := jwt.CreateValidationResults()
	said.Validate(problems)
	_, known := w.signers[said.Issuer]
	switch {
	case len(problems.Issues) > 0:
		return nil, refused(CalloutInvalid, "the answer is not valid: %s", cut(problems.Issues[0].Description))
	case said.Subject != user:
		return nil, refused(CalloutInvalid, "the answer's subject is not the user nkey of the request")
	case said.Audience != c.server().ID():
		return nil, refused(CalloutInvalid, "the answer's audience is not the server's id of the request")
	case !sealed && said.IssuerAccount != "" && said.IssuerAccount != account:
		return nil, refused(CalloutInvalid, "the answer's issuer account is another one")
	case !sealed && said.Issuer != account && !known:
		return nil, refused(CalloutInvalid, "the answer is signed by a key that the account does not know")
	case said.Error != "":
		return nil, refused(CalloutRefused, "the account's service says: %s", cut(said.Error))
	}
	return c.readUser(account, user, w, said.Jwt)
}

func (c *callout) readUser(account, user string, w *law, token string) (*jwt.UserClaims, error) {
	found, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return nil, refused(CalloutInvalid, "the user JWT in the answer cannot be read, or its signature is not right")
	}
	if err := valid(found, time.Now().Unix()); err != nil {
		why := refusalOf(err)
		return nil, refused(CalloutInvalid, "the user JWT in the answer: %s", why.detail)
	}
	switch target := accountOf(found); {
	case found.Subject != user:
		return nil, refused(CalloutInvalid, "the user JWT's subject is not the user nkey of the request")
	case target != account && !slices.Contains(w.sendsTo, target):
		return nil, refused(CalloutInvalid, "the user JWT puts the user in an account that is not one of the allowed accounts")
	}
	return found, nil
}

// cut keeps of a text what fits in a refusal.
func cut(text string) string {
	if len(text) > calloutWords {
		text = text[:calloutWords]
	}
	return strings.ToValidUTF8(text, "")
}
