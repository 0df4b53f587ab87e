package admission_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/broker/brokertest"
	"github.com/signalbox-io/signalbox/internal/claims"
)

// heardBy is each byte that a client is sent after it has said who it is, up to the end.
func (s *tokens) heardBy(t *testing.T, connect map[string]any, sign nkeys.KeyPair) string {
	t.Helper()
	conn := must(net.Dial("tcp", must(url.Parse(s.node.ClientURL()))(t).Host))(t)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(brokertest.Patience)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	line := must(in.ReadString('\n'))(t)
	var info struct{ Nonce string }
	if err := json.Unmarshal([]byte(line[len("INFO "):]), &info); err != nil {
		t.Fatal(err)
	}
	if sign != nil {
		connect["sig"] = base64.RawURLEncoding.EncodeToString(must(sign.Sign([]byte(info.Nonce)))(t))
	}
	if _, err := fmt.Fprintf(conn, "CONNECT %s\r\nPING\r\n", must(json.Marshal(connect))(t)); err != nil {
		t.Fatal(err)
	}
	return string(must(io.ReadAll(in))(t))
}

// heardOverMQTT is the same of an MQTT client's name and password.
func (s *tokens) heardOverMQTT(t *testing.T, user, password string) string {
	t.Helper()
	conn := must(net.Dial("tcp", must(url.Parse(s.node.Endpoints().MQTT[0]))(t).Host))(t)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(brokertest.Patience)); err != nil {
		t.Fatal(err)
	}
	text := func(b *bytes.Buffer, s string) { b.Write([]byte{byte(len(s) >> 8), byte(len(s))}); b.WriteString(s) }
	var body, packet bytes.Buffer
	text(&body, "MQTT")
	body.Write([]byte{4, 0xc2, 0, 60}) // version 3.1.1; name, password, clean session; keep alive
	text(&body, "device")
	text(&body, user)
	text(&body, password)
	packet.WriteByte(0x10)
	for n := body.Len(); ; n >>= 7 {
		if n < 128 {
			packet.WriteByte(byte(n))
			break
		}
		packet.WriteByte(byte(n&127 | 128))
	}
	if _, err := conn.Write(append(packet.Bytes(), body.Bytes()...)); err != nil {
		t.Fatal(err)
	}
	return string(must(io.ReadAll(conn))(t))
}

// Whatever is wrong with what a client shows, it is sent the same bytes: whether the account
// is there, whether the secret was ever right, and why it is not any more, it cannot tell.
func TestEveryRefusalIsTheSameBytes(t *testing.T) {
	t.Parallel()
	s := setupTokens(t)
	role, key := brokertest.NewAccountSeed(t)
	t.Cleanup(role.Wipe)
	elsewhere := claims.OpenTemplate()
	elsewhere.SourceNetworks = []string{"192.0.2.0/24"}
	s.account.Change(func(a *claims.Account) {
		a.Roles = append(a.Roles, claims.Role{Key: key, Name: "elsewhere", Template: elsewhere})
	})
	var logins []claims.DeviceLogin
	login := func(edit func(*claims.DeviceLogin)) (secret string, user claims.UserKey) {
		l, made := s.account.NewLogin("sensor"), s.account.NewSecret()
		l.Digest, l.Username = made.Digest(), "sensor"
		if edit != nil {
			edit(&l)
		}
		logins = append(logins, l)
		return made.Reveal(), l.User
	}
	right, _ := login(nil)
	revoked, gone := login(nil)
	expired, _ := login(func(l *claims.DeviceLogin) { l.ExpiresAt = time.Now().Add(-time.Minute) })
	far, _ := login(func(l *claims.DeviceLogin) { l.Role = key })
	creds, nobody := s.account.Issue("app"), s.Control.NewAccount("nobody")
	s.account.Revoke(gone)
	s.account.Revoke(creds.Key)
	s.WaitApplied(s.account.SetLogins(logins...))
	stranger := must(nkeys.CreateUser())(t)
	account := string(s.account.Key)

	if heard := s.heardBy(t, map[string]any{"user": "sensor", "pass": s.account.NewSecret().Reveal(), "verbose": false}, nil); heard != "-ERR 'Authorization Violation'\r\n" {
		t.Fatalf("a wrong secret hears %q", heard)
	}
	for name, c := range map[string]struct {
		reason         admission.Reason
		user, password string
	}{
		"wrong secret":              {admission.LoginUnknown, "sensor", s.account.NewSecret().Reveal()},
		"wrong user name":           {admission.LoginUsername, "meter", right},
		"revoked":                   {admission.CredentialRevoked, "sensor", revoked},
		"expired":                   {admission.CredentialExpired, "sensor", expired},
		"from another network":      {admission.WrongNetwork, "sensor", far},
		"damaged":                   {admission.Malformed, "sensor", right[:50]},
		"of no account":             {admission.AccountUnknown, "sensor", nobody.NewSecret().Reveal()},
		"no secret at all":          {admission.NoCredential, "sensor", "hunter2"},
		"no secret, for an account": {admission.LoginUnknown, account, "hunter2"},
		"another issuer's token":    {admission.TokenIssuer, account, s.token(func(c map[string]any) { c["iss"] = "https://evil.example.org" })},
		"token of an unknown key":   {admission.TokenKey, account, s.signed("next", nil)},
		"expired token":             {admission.TokenTime, account, s.token(func(c map[string]any) { c["exp"] = 1 })},
		"token without a rule":      {admission.TokenRule, account, s.token(func(c map[string]any) { c["kind"] = "x" })},
		"token, for no account":     {admission.AccountUnknown, string(nobody.Key), s.token(nil)},
	} {
		before := s.node.Admission().Refused(c.reason)
		for scheme, connect := range map[string]map[string]any{
			"password": {"user": c.user, "pass": c.password}, "verbose": {"user": c.user, "pass": c.password, "verbose": true}, "pedantic": {"user": c.user, "pass": c.password, "pedantic": true},
		} {
			if heard := s.heardBy(t, connect, nil); heard != "-ERR 'Authorization Violation'\r\n" {
				t.Errorf("%s (%s) hears %q", name, scheme, heard)
			}
		}
		if heard := s.heardOverMQTT(t, c.user, c.password); heard != "\x20\x02\x00\x05" {
			t.Errorf("%s over MQTT hears %q", name, heard)
		}
		waitFor(t, name+" to be counted as "+string(c.reason), func() bool { return s.node.Admission().Refused(c.reason) > before })
	}
	for name, c := range map[string]struct {
		connect map[string]any
		sign    nkeys.KeyPair
	}{
		"somebody's nkey":           {map[string]any{"auth_token": account, "nkey": publicOf(t, stranger)}, stranger},
		"somebody's nkey, unsigned": {map[string]any{"auth_token": account, "nkey": publicOf(t, stranger), "sig": "AAAA"}, nil},
		"a secret as a token":       {map[string]any{"auth_token": s.account.NewSecret().Reveal()}, nil},
		"a revoked JWT":             {map[string]any{"jwt": creds.JWT}, must(nkeys.FromSeed(creds.Seed.Reveal()))(t)},
		"a JWT without its seed":    {map[string]any{"jwt": creds.JWT}, stranger},
		"nothing":                   {map[string]any{}, nil},
	} {
		if heard := s.heardBy(t, c.connect, c.sign); heard != "-ERR 'Authorization Violation'\r\n" {
			t.Errorf("%s hears %q", name, heard)
		}
	}
}
