package admission_test

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// twist is one thing out of the ordinary about a login.
type twist struct {
	name  string
	tame  bool // nothing is wrong with it: stock need not refuse it
	apply func(*world, *rand.Rand, *login)
}

var twists = slices.Concat(timeTwists, placeTwists, issuerTwists, tokenTwists, textTwists, proofTwists, connectTwists)

var timeTwists = []twist{
	{"expired", false, func(w *world, r *rand.Rand, l *login) { l.user.Expires = w.ago(0) - 5 - r.Int64N(10000) }},
	{"expired long ago", false, func(_ *world, _ *rand.Rand, l *login) { l.user.Expires = 1 }},
	{"not yet", false, func(w *world, r *rand.Rand, l *login) { l.user.NotBefore = w.ago(0) + 600 + r.Int64N(10000) }},
	{"names a web page's session", true, func(w *world, r *rand.Rand, l *login) {
		l.user.Tags = append(slices.Clone(l.user.Tags), sessionTag(w.now.Add(pick(r, time.Hour, 1000*time.Hour))))
	}},
	{"expired in a web page's session", false, func(w *world, r *rand.Rand, l *login) {
		l.user.Expires = w.ago(0) - 5 - r.Int64N(10000)
		l.user.Tags = append(slices.Clone(l.user.Tags), sessionTag(w.now.Add(time.Hour)))
	}},
	{"expires before time began", true, func(_ *world, _ *rand.Rand, l *login) { l.expireBeforeTime() }},
	{"issued tomorrow", true, func(w *world, _ *rand.Rand, l *login) { l.user.IssuedAt = w.ago(-86400e9) }},
	{"issued never", true, func(_ *world, _ *rand.Rand, l *login) { l.user.IssuedAt = 0 }},
	{"issued before time began", true, func(_ *world, _ *rand.Rand, l *login) { l.user.IssuedAt = -1e9 }},
	{"revoked", false, func(w *world, r *rand.Rand, l *login) { l.revoked(r, w.revokedAt()-pick[int64](r, 0, 1, 1000)) }},
	{"revoked and issued anew", true, func(w *world, r *rand.Rand, l *login) { l.revoked(r, w.revokedAt()+pick[int64](r, 1, 1000)) }},
	{"revoked with everybody", false, func(w *world, r *rand.Rand, l *login) {
		l.user.IssuedAt = w.allRevokedAt() - pick[int64](r, 0, 1, 1000)
	}},
	{"just not revoked with everybody", true, func(w *world, _ *rand.Rand, l *login) { l.user.IssuedAt = w.allRevokedAt() + 1 }},
	{"outside hours", false, func(w *world, r *rand.Rand, l *login) { l.own(r); l.user.Times = w.timesNot("") }},
	{"outside hours elsewhere", false, func(w *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.Locale = pick(r, "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York")
		l.user.Times = w.timesNot(l.user.Locale)
	}},
	{"odd hours", false, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.Times = []jwt.TimeRange{pick(r, jwt.TimeRange{}, jwt.TimeRange{Start: "00:00:00"}, jwt.TimeRange{Start: "25:00:00", End: "26:00:00"})}
	}},
	{"no hours", false, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.Times = []jwt.TimeRange{{Start: "12:00:00", End: "12:00:00"}, {Start: "00:00:00", End: "00:00:00"}}
	}},
	{"odd place", false, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.Locale = pick(r, "Middle/Earth", "../UTC", "utc ")
	}},
}

// expireBeforeTime makes it a login that stock lets in and throws out at once,
// where the client can tell that from a refusal.
func (l *login) expireBeforeTime() {
	if !l.via.mqtt && !l.account.claims.Authorization.IsEnabled() {
		l.user.Expires = -5
	}
}

// noSubscriptions likewise: it is thrown out a little later.
func (l *login) noSubscriptions(r *rand.Rand) {
	if !l.account.claims.Authorization.IsEnabled() {
		l.own(r)
		l.user.Subs = 0
	}
}

// revoked makes the login that of a revoked user, with a JWT issued then.
func (l *login) revoked(r *rand.Rand, issued int64) {
	if len(l.account.revoked) > 0 {
		l.key = pick(r, l.account.revoked...)
	}
	l.user.Subject, l.user.IssuedAt = l.key.public, issued
}

var placeTwists = []twist{
	{"elsewhere", false, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.Src = []string{pick(r, "10.0.0.0/8", "127.0.0.77/32", "::/0", "128.0.0.0/1")}
	}},
	{"elsewhere, forwarded for somebody here", false, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.Src, l.forwardedFor = []string{"10.0.0.0/8"}, pick(r, "10.1.2.3", "10.0.0.1", "::ffff:10.0.0.1")
	}},
	{"here, forwarded for somebody elsewhere", true, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.Src, l.forwardedFor = []string{"127.0.0.0/8"}, pick(r, "10.1.2.3", "::1", "%s%d", "127.0.0.1 - cid:7")
	}},
	{"odd network", false, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.Src = []string{"127.0.0.0/8", pick(r, "", "anywhere", "127.0.0.1", "127.0.0.0/33", "localhost/8")}
	}},
	{"another way in", false, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.AllowedConnectionTypes = slices.DeleteFunc(slices.Clone(connectionTypes), func(kind string) bool {
			return strings.EqualFold(kind, l.via.kind) || chance(r, 3)
		})
	}},
	{"unknown ways in", false, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.AllowedConnectionTypes = []string{"PIGEON", ""}
	}},
	{"this way in, oddly written", true, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.AllowedConnectionTypes = []string{"PIGEON", strings.ToLower(l.via.kind)}
	}},
	{"through a proxy", false, func(_ *world, r *rand.Rand, l *login) { l.own(r); l.user.ProxyRequired = true }},
	{"claims to be a proxy", true, func(_ *world, _ *rand.Rand, l *login) { l.connect["proxy_sig"] = l.key.sign([]byte("a nonce")) }},
	{"odd permissions", false, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		odd := pick(r, "", "a..b", ".a", "a.", "a b c", "a  b", "a q1")
		pick(r, &l.user.Pub.Allow, &l.user.Pub.Deny, &l.user.Sub.Allow, &l.user.Sub.Deny).Add("a", odd)
		if odd == "" {
			l.user.Pub.Allow = []string{""}
		}
	}},
	{"templates of its own", true, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.Pub.Allow, l.user.Sub.Deny = []string{"{{name()}}.>"}, []string{"{{tag(none)}}"}
	}},
	{"no subscriptions", true, func(_ *world, r *rand.Rand, l *login) { l.noSubscriptions(r) }},
}

var issuerTwists = []twist{
	{"issued by a stranger", false, func(_ *world, r *rand.Rand, l *login) { l.signer = newKey(r, nkeys.PrefixByteAccount) }},
	{"issued by another account", false, func(w *world, r *rand.Rand, l *login) { l.signer = pick(r, pick(r, w.sound...).plain...) }},
	{"issued by the account's main key", false, func(_ *world, _ *rand.Rand, l *login) { l.signer = l.account.key }},
	{"issued by the main key, for no account", false, func(_ *world, _ *rand.Rand, l *login) { l.signer, l.user.IssuerAccount = l.account.key, "" }},
	{"issued by itself", false, func(_ *world, _ *rand.Rand, l *login) { l.signer = l.key }},
	{"issued by the operator", false, func(w *world, _ *rand.Rand, l *login) { l.signer = w.signing }},
	{"issued by a server", false, func(_ *world, r *rand.Rand, l *login) { l.signer = newKey(r, nkeys.PrefixByteServer) }},
	{"forged", false, func(_ *world, r *rand.Rand, l *login) {
		l.user.Issuer, l.signer = l.signer.public, newKey(r, nkeys.PrefixByteAccount)
	}},
	{"forged by another account", false, func(w *world, r *rand.Rand, l *login) {
		l.user.Issuer, l.signer = l.signer.public, pick(r, pick(r, w.sound...).plain...)
	}},
	{"issued by nobody", false, func(_ *world, r *rand.Rand, l *login) { l.user.Issuer = pick(r, "nobody", "*", l.user.Subject) }},
	{"for no account", false, func(_ *world, _ *rand.Rand, l *login) { l.user.IssuerAccount = "" }},
	{"for another account", false, func(w *world, r *rand.Rand, l *login) { l.user.IssuerAccount = pick(r, w.sound...).key.public }},
	{"for an unknown account", false, func(_ *world, r *rand.Rand, l *login) {
		l.user.IssuerAccount = newKey(r, nkeys.PrefixByteAccount).public
	}},
	{"for no such account", false, func(_ *world, r *rand.Rand, l *login) {
		l.user.IssuerAccount = pick(r, "nobody", "../../etc/passwd", "*", l.user.Subject, l.signer.public, strings.ToLower(l.account.key.public), "$G", "$SYS")
	}},
	{"a role's, with permissions of its own", false, func(_ *world, r *rand.Rand, l *login) {
		if len(l.account.roles) == 0 {
			return
		}
		l.scope(pick(r, l.account.roles...))
		pick(r,
			func() { l.user.Pub.Allow = []string{">"} }, func() { l.user.Sub.Deny = []string{"a"} }, func() { l.user.BearerToken = true },
			func() { l.user.Src = []string{"0.0.0.0/0"} }, func() { l.user.Subs = -1 }, func() { l.user.NatsLimits.Payload = 10 }, func() { l.user.Locale = "UTC" },
			func() { l.user.Resp = &jwt.ResponsePermission{} }, func() { l.user.AllowedConnectionTypes = []string{l.via.kind} },
		)()
	}},
	{"a role's, with empty permissions written out", true, func(_ *world, r *rand.Rand, l *login) {
		if len(l.account.roles) == 0 {
			return
		}
		l.scope(pick(r, l.account.roles...))
		field := pick[any](r, map[string]any{"pub": map[string]any{"allow": []any{}}}, map[string]any{"src": []any{}}, map[string]any{"times": []any{}},
			map[string]any{"resp": nil}, map[string]any{"allowed_connection_types": []any{}}, map[string]any{"sub": map[string]any{}}, map[string]any{"subs": 0})
		l.rewrite = inClaims(func(c map[string]any) {
			for name, value := range field.(map[string]any) {
				if l.role != nil { // after another twist it may have permissions of its own
					c["nats"] = with(c["nats"], name, value)
				}
			}
		})
	}},
	{"another role's of another account", false, func(w *world, r *rand.Rand, l *login) {
		if other := w.sound[r.IntN(soundAccounts)]; len(l.account.roles) > 0 {
			l.scope(pick(r, other.roles...))
		}
	}},
	{"of no user", false, func(_ *world, r *rand.Rand, l *login) {
		key := l.key.public
		l.user.Subject = pick(r, "", "nobody", strings.ToLower(key), key[:20], l.account.key.public, key+"A")
	}},
	{"of another user", false, func(_ *world, r *rand.Rand, l *login) { l.user.Subject = newKey(r, nkeys.PrefixByteUser).public }},
}

var tokenTwists = []twist{
	{"of another type", false, func(_ *world, r *rand.Rand, l *login) {
		l.user.Type = pick[jwt.ClaimType](r, "", jwt.AccountClaim, jwt.OperatorClaim, jwt.ActivationClaim, jwt.GenericClaim,
			jwt.AuthorizationRequestClaim, jwt.AuthorizationResponseClaim, "cluster", "USER")
	}},
	{"of another version", false, func(_ *world, r *rand.Rand, l *login) { l.user.Version = pick(r, 0, 1, 3, 99, -1) }},
	{"of the first version", true, func(_ *world, _ *rand.Rand, l *login) { l.v1, l.header = true, headerV1 }},
	{"of the first version, signed as the second", false, func(_ *world, _ *rand.Rand, l *login) {
		l.v1 = true
		l.mangle = func(token string) string {
			head, _, _ := strings.Cut(token, ".")
			return strings.Replace(token, head, encoding.EncodeToString([]byte(headerV1)), 1)
		}
	}},
	{"of the second version, signed as the first", false, func(_ *world, _ *rand.Rand, l *login) {
		l.mangle = func(token string) string {
			parts := strings.Split(token, ".")
			return parts[0] + "." + parts[1] + "." + l.signer.sign([]byte(parts[1]))
		}
	}},
	{"odd header", false, func(_ *world, r *rand.Rand, l *login) {
		l.header = pick(r, "", "{}", "null", "JWT", `{"typ":"JWT","alg":"none"}`, `{"typ":"JWT","alg":"HS256"}`, `{"typ":"JOSE","alg":"ed25519-nkey"}`,
			`{"typ":"JWT","alg":"ed25519-nkeys"}`, `{"typ":"JWT"}`, `["JWT","ed25519-nkey"]`, `{"typ":"JWT","alg":"ed25519-nkey"`)
	}},
	{"header written otherwise", true, func(_ *world, r *rand.Rand, l *login) {
		l.header = pick(r, headerV1, `{"alg":"ED25519-NKEY","typ":"jwt"}`, `{"typ":"JWT","alg":"ed25519-nkey","kid":"x"}`, " "+header, `{"TYP":"JWT","Alg":"ed25519-nkey"}`)
	}},
	{"header exchanged", false, func(_ *world, _ *rand.Rand, l *login) {
		l.mangle = func(token string) string {
			_, rest, _ := strings.Cut(token, ".")
			return encoding.EncodeToString([]byte(headerV1)) + "." + rest
		}
	}},
	{"truncated", false, func(_ *world, r *rand.Rand, l *login) {
		cut := r.Float64()
		l.mangle = func(token string) string { return token[:int(cut*float64(len(token)))] }
	}},
	{"a bit flipped", false, func(_ *world, r *rand.Rand, l *login) {
		at, bit := r.Float64(), byte(1)<<r.IntN(7)
		l.mangle = func(token string) string {
			text := []byte(token)
			text[int(at*float64(len(text)))] ^= bit
			return strings.ToValidUTF8(string(text), "?")
		}
	}},
	{"claims changed after signing", false, func(_ *world, r *rand.Rand, l *login) {
		change := pick(r, func(c map[string]any) { c["name"] = "root" }, func(c map[string]any) { c["exp"] = 0 }, func(c map[string]any) { c["iat"] = 4e9 },
			func(c map[string]any) { c["jti"] = "x" })
		l.mangle = func(token string) string {
			parts := strings.Split(token, ".")
			text, _ := encoding.DecodeString(parts[1]) // as just encoded
			return parts[0] + "." + encoding.EncodeToString([]byte(inClaims(change)(string(text)))) + "." + parts[2]
		}
	}},
	{"signature of another", false, func(_ *world, r *rand.Rand, l *login) {
		signature := newKey(r, nkeys.PrefixByteAccount).sign([]byte("something else"))
		l.mangle = func(token string) string { return token[:strings.LastIndexByte(token, '.')+1] + signature }
	}},
	{"signature missing", false, func(_ *world, r *rand.Rand, l *login) {
		end := pick(r, "", ".", ".AAAA")
		l.mangle = func(token string) string { return token[:strings.LastIndexByte(token, '.')] + end }
	}},
	{"a part too many", false, func(_ *world, r *rand.Rand, l *login) {
		l.mangle = pick(r, func(t string) string { return t + ".AAAA" }, func(t string) string { return "." + t }, func(t string) string { return t + "." + t })
	}},
	{"padded", false, func(_ *world, r *rand.Rand, l *login) {
		l.mangle = pick(r, func(t string) string { return t + "==" }, func(t string) string { return " " + t }, func(t string) string { return "Bearer " + t })
	}},
	{"with the ends of lines", true, func(_ *world, r *rand.Rand, l *login) {
		l.mangle = pick(r, func(t string) string { return t + "\n" }, func(t string) string { return strings.Replace(t, ".", "\r\n.", 1) })
	}},
	{"none", false, func(_ *world, r *rand.Rand, l *login) {
		instead := pick(r, "", "x", "..", "e30.e30.e30", "null", strings.Repeat("A", 3000), l.account.token, l.key.public)
		l.mangle = func(string) string { return instead }
	}},
}

// inClaims makes an edit of claims one of their text.
func inClaims(edit func(map[string]any)) func(string) string {
	return func(text string) string {
		var c map[string]any
		if err := json.Unmarshal([]byte(text), &c); err != nil || c == nil {
			return text // another twist was there before
		}
		edit(c)
		return string(mustJSON(c))
	}
}

var textTwists = []twist{
	{"claims of no kind", false, func(_ *world, r *rand.Rand, l *login) {
		instead := pick(r, "", "null", "[]", "{}", "7", `"claims"`, `{"nats":null}`, "\x00", "{"+strings.Repeat(`"a":{`, 300)+strings.Repeat("}", 301))
		l.rewrite = func(string) string { return instead }
	}},
	{"claims with something behind them", false, func(_ *world, r *rand.Rand, l *login) {
		behind := pick(r, "{}", ",", "x", "\x00", "}")
		l.rewrite = func(text string) string { return text + behind }
	}},
	{"claims with space around them", true, func(_ *world, _ *rand.Rand, l *login) {
		l.rewrite = func(text string) string { return "\n " + text + "\t " }
	}},
	{"claims of wrong types", false, func(_ *world, r *rand.Rand, l *login) {
		field, value := pick(r, "exp", "iat", "nbf", "sub", "iss", "name", "jti", "nats"), pick[any](r, "1", 1.5, []any{1}, true, map[string]any{"a": 1}, 1e300)
		l.rewrite = inClaims(func(c map[string]any) { c[field] = value })
	}},
	{"nats claims of wrong types", false, func(_ *world, r *rand.Rand, l *login) {
		field := pick(r, "pub", "sub", "resp", "src", "times", "subs", "bearer_token", "allowed_connection_types", "issuer_account", "tags", "version", "type")
		value := pick[any](r, "1", 1.5, []any{1}, map[string]any{"a": 1}, 1e300)
		l.rewrite = inClaims(func(c map[string]any) { c["nats"] = with(c["nats"], field, value) })
	}},
	{"claims that are null", true, func(_ *world, r *rand.Rand, l *login) {
		field := pick(r, "exp", "iat", "nbf", "aud", "name", "jti", "nats", "iss", "sub")
		l.rewrite = inClaims(func(c map[string]any) { c[field] = nil })
	}},
	{"claims with unknown fields", true, func(_ *world, _ *rand.Rand, l *login) {
		l.rewrite = inClaims(func(c map[string]any) { c["admin"], c["nats"] = true, with(c["nats"], "system", true) })
	}},
	{"claims said twice", true, func(w *world, r *rand.Rand, l *login) {
		twice := pick(r, `"exp":1`, `"EXP":1`, `"iat":9999999999`, `"Iat":1`, `"sub":"x"`, `"nats":{"bearer_token":true}`, `"Nats":{"src":["10.0.0.0/8"]}`,
			`"iss":"`+l.account.plain[0].public+`"`, `"nbf":9999999999`, `"type":"user"`, `"name":"x"`)
		front := chance(r, 2)
		l.rewrite = func(text string) string {
			if front {
				return "{" + twice + "," + text[1:]
			}
			return text[:len(text)-1] + "," + twice + "}"
		}
	}},
	{"claims spelled in capitals", true, func(_ *world, r *rand.Rand, l *login) {
		field := pick(r, `"exp"`, `"sub"`, `"iss"`, `"nats"`, `"bearer_token"`, `"issuer_account"`, `"version"`, `"src"`, `"type"`)
		l.rewrite = func(text string) string { return strings.Replace(text, field, strings.ToUpper(field), 1) }
	}},
	{"claims with escapes", true, func(_ *world, _ *rand.Rand, l *login) {
		l.rewrite = func(text string) string {
			return strings.NewReplacer(`"sub"`, `"s\u0075b"`, `"iss"`, `"\u0069ss"`, `"user"`, `"\u0075ser"`).Replace(text)
		}
	}},
	{"claims that are no UTF-8", true, func(_ *world, _ *rand.Rand, l *login) {
		l.rewrite = func(text string) string { return strings.Replace(text, `"jti":"`, "\"jti\":\"\xff\xfe", 1) }
	}},
}

// with is a JSON object with one more field.
func with(object any, field string, value any) map[string]any {
	fields, _ := object.(map[string]any)
	if fields == nil {
		fields = map[string]any{}
	}
	fields[field] = value
	return fields
}

// proofTwists take bearer tokens away where they can: who bears one proves nothing.
var proofTwists = []twist{
	{"bearer where that is forbidden", false, func(_ *world, r *rand.Rand, l *login) { l.own(r); l.user.BearerToken = true }},
	proofTwist("no signature", false, func(*site, *login, string) string { return "" }),
	proofTwist("signature by another", false, func(s *site, l *login, nonce string) string { return l.signer.sign([]byte(nonce)) }),
	proofTwist("signature of nothing", false, func(_ *site, l *login, _ string) string { return l.key.sign(nil) }),
	proofTwist("signature of an older nonce", false, func(s *site, l *login, _ string) string { return l.key.sign([]byte(s.anotherNonce(l))) }),
	proofTwist("signature of the decoded nonce", false, func(_ *site, l *login, nonce string) string {
		raw, _ := encoding.DecodeString(nonce) // what there is of it
		return l.key.sign(raw)
	}),
	proofTwist("signature cut", false, func(_ *site, l *login, nonce string) string { return l.key.sign([]byte(nonce))[:80] }),
	proofTwist("signature with something behind it", false, func(_ *site, l *login, nonce string) string { return l.key.sign([]byte(nonce)) + "AAAA" }),
	proofTwist("signature in standard base64", true, func(_ *site, l *login, nonce string) string {
		raw, _ := encoding.DecodeString(l.key.sign([]byte(nonce))) // as just encoded
		return base64.StdEncoding.EncodeToString(raw)
	}),
	proofTwist("signature with too much padding", false, func(_ *site, l *login, nonce string) string { return l.key.sign([]byte(nonce)) + "===" }),
	proofTwist("signature with the end of a line", true, func(_ *site, l *login, nonce string) string { return l.key.sign([]byte(nonce)) + "\r\n" }),
	proofTwist("signature in no base64", false, func(*site, *login, string) string { return "signed: me" }),
	{"bearer with a wrong signature", true, func(_ *world, r *rand.Rand, l *login) {
		l.own(r)
		l.user.BearerToken, l.prove = true, func(*site, *login, string) string { return "signed: me" }
	}},
}

func proofTwist(name string, tame bool, prove prover) twist {
	return twist{name, tame, func(_ *world, r *rand.Rand, l *login) {
		if l.via.mqtt {
			l.via = overTCP // where one can sign
		}
		if l.bearer() {
			l.own(r)
		}
		l.prove = prove
	}}
}

// anotherNonce is one that the server gave to another connection.
func (s *site) anotherNonce(l *login) string {
	w, err := s.open(l.via, l.from, "")
	if err != nil {
		return ""
	}
	defer w.Close()
	return w.nonce
}

var connectTwists = []twist{
	said("user and password too", true, "user", "somebody", "pass", "secret"),
	said("a token too", true, "auth_token", "secret"),
	said("another nkey too", true, "nkey", "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"),
	said("an account", false, "account", "acme"),
	said("a new account", false, "new_account", true),
	said("no such protocol", false, "protocol", 2),
	said("no responders without headers", false, "no_responders", true, "headers", false),
	said("a JWT that is none", false, "jwt", 7),
	said("no JWT", false, "jwt", nil),
	said("verbose", true, "verbose", true),
	said("a language", true, "lang", "go"),
	{"the JWT as a password", false, func(_ *world, _ *rand.Rand, l *login) {
		l.connect["jwt"], l.connect["user"], l.named = "", "somebody", ""
		l.mangle = func(token string) string { l.connect["pass"], l.connect["auth_token"] = token, token; return token }
	}},
	{"another protocol level", true, func(_ *world, r *rand.Rand, l *login) { l.level = pick[byte](r, 3, 5, 0) }},
	{"no bearer over MQTT", true, func(_ *world, r *rand.Rand, l *login) { l.own(r); l.user.BearerToken = false }},
	{"a second CONNECT", true, func(w *world, r *rand.Rand, l *login) { w.again(r, l, nil) }},
	{"a second CONNECT, expired", true, func(w *world, r *rand.Rand, l *login) {
		w.again(r, l, func(second *login) { second.user.Expires = w.ago(3600e9) })
	}},
	{"a second CONNECT, unsigned", true, func(w *world, r *rand.Rand, l *login) {
		w.again(r, l, func(second *login) { second.prove = func(*site, *login, string) string { return "" } })
	}},
	{"a second CONNECT, of nobody", true, func(w *world, r *rand.Rand, l *login) {
		w.again(r, l, func(second *login) { second.connect["jwt"] = "" })
	}},
}

func said(name string, tame bool, fields ...any) twist {
	return twist{name, tame, func(_ *world, _ *rand.Rand, l *login) {
		for i := 0; i < len(fields); i += 2 {
			l.connect[fields[i].(string)] = fields[i+1]
		}
	}}
}

// again has the client log in a second time, as somebody else. It is never in a
// role: the server would look for the role's limits in the account of the first
// CONNECT, and throw the client out for having none.
func (w *world) again(r *rand.Rand, l *login, edit func(*login)) {
	if l.via.mqtt || l.via.leaf {
		return // a protocol error there
	}
	second := w.draw(r, l.number)
	second.via, second.from, second.odd = l.via, l.from, nil
	if second.role != nil {
		second.own(r)
	}
	if edit != nil {
		edit(second)
	}
	l.second = second
}
