package claims

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// IdentityToken is a verified token of an issuer that an account trusts (OpenID
// Connect), and the rule by which it stands for a user.
type IdentityToken struct {
	Issuer   string
	Subject  string
	Rule     RuleID
	User     UserKey // of issuer and subject in the account: the same for each of their tokens, so that it can be revoked
	Name     string
	Tags     []string // people's
	Role     AccountKey
	IssuedAt time.Time // 1970 when the token does not say
	Expires  time.Time // the token's end, or what the rule allows
}

// MaxIdentityTokenBytes is the longest token of an issuer that is looked at.
const MaxIdentityTokenBytes = 16 << 10

// What tenants and their issuers can have a broker do for one token is bounded: it
// is done before anybody is known, by a process that other tenants share.
const (
	minRSABits     = 2048
	maxRSABits     = 4096
	maxRSAExponent = 1<<16 + 1 // the one that everybody has
	maxKeysTried   = 8         // that a token without the name of a key may be signed with
	maxTokenSteps  = 64 << 10  // claims looked at, and values compared
	stepBytes      = 64        // of a value that are compared in a step
)

// tokenLeeway is by how much an issuer's clock may differ.
const tokenLeeway = 30 * time.Second

// tokenAlgorithms are those whose keys nobody but the issuer has: none and the
// symmetric ones are not among them.
var tokenAlgorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.EdDSA,
}

// TokenError is why a token is not taken. Its Reason is for programs, and stays.
type TokenError struct{ Reason, words string }

func (e *TokenError) Error() string { return e.words }

// Why a token is not taken: what [Issuers.Read] returns is one of them.
var (
	ErrTokenMalformed = &TokenError{"token_malformed", "it is no token that is signed as it should be, or a claim that it needs is missing"}
	ErrTokenIssuer    = &TokenError{"token_issuer", "the account does not trust the token's issuer"}
	ErrTokenKey       = &TokenError{"token_key", "the issuer is not known to have the key that the token names; its keys are being read again"}
	ErrTokenSignature = &TokenError{"token_signature", "the token's signature is not the issuer's"}
	ErrTokenAudience  = &TokenError{"token_audience", "the token is for somebody else: none of its audiences is one that the account takes"}
	ErrTokenTime      = &TokenError{"token_time", "the token has expired, or is not valid yet"}
	ErrTokenRevoked   = &TokenError{"credential_revoked", "tokens of this subject that were issued until then were revoked"}
	ErrTokenRule      = &TokenError{"token_rule", "no rule of the account says whom the token stands for"}
	errTokenSteps     = &TokenError{"token_rule", "the rules of the account take too long for a token with so much in it"}
)

// TokenIssuer is what a token says of its issuer, before anything of it is verified.
func TokenIssuer(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > MaxIdentityTokenBytes {
		return ""
	}
	payload, err := Payload(token)
	if err != nil {
		return ""
	}
	var said struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &said) != nil {
		return ""
	}
	return said.Issuer
}

// Issuers are those that an account trusts, ready to verify their tokens.
type Issuers []issuer

type issuer struct {
	TrustedIssuer
	keys  []jose.JSONWebKey
	rules []RuleID
}

// newIssuers prepares what an account's trust page says. A key that cannot be
// read, or is not for signatures, verifies nothing; its issuer's others do.
func newIssuers(list []TrustedIssuer) (out Issuers) {
	for _, t := range list {
		i := issuer{TrustedIssuer: t, keys: ReadKeySet(t.Keys)}
		for _, r := range t.Rules {
			i.rules = append(i.rules, t.ruleID(r))
		}
		out = append(out, i)
	}
	return out
}

// ReadKeySet returns the public keys of a JWK set that signatures can be verified
// with: RSA keys have at least 2048 bits, for shorter ones are broken, and at most 4096.
func ReadKeySet(set json.RawMessage) (keys []jose.JSONWebKey) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(set, &raw) != nil {
		return nil
	}
	for _, text := range raw.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(text) == nil && key.IsPublic() && key.Valid() && (key.Use == "" || key.Use == "sig") && isSound(key.Key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func isSound(key any) bool {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return true // a curve's size is the curve's
	}
	bits := public.N.BitLen()
	return bits >= minRSABits && bits <= maxRSABits && public.E <= maxRSAExponent
}

// RuleID names a rule of an issuer by all that it says; the issuer's keys do not count.
type RuleID string

func (t TrustedIssuer) ruleID(r TrustRule) RuleID {
	text, err := json.Marshal(struct {
		URL       string
		Audiences []string
		Rule      TrustRule
	}{t.URL, t.Audiences, r})
	if err != nil {
		panic(err) // strings and a number
	}
	sum := sha256.Sum256(text)
	return RuleID(hex.EncodeToString(sum[:16]))
}

// ruleTag marks a user whom an issuer's rule has made, on whatever servers judge it.
const ruleTag = ReservedTags + "rule:"

// RuleOf is the rule that made a user with these tags; false: a credential did.
func RuleOf(tags []string) (RuleID, bool) {
	for _, tag := range tags {
		if id, ok := strings.CutPrefix(tag, ruleTag); ok {
			return RuleID(id), true
		}
	}
	return "", false
}

// Tag is what the rule's users carry.
func (id RuleID) Tag() string { return ruleTag + string(id) }

// TokenOrigin is what revokes the token that creds were given for, and them with it.
type TokenOrigin struct {
	User     UserKey   // whom the token stood for
	IssuedAt time.Time // the token, to the second
}

const originTag = ReservedTags + "token:" // the user's key, a colon, unix seconds

func (o TokenOrigin) tag() string {
	return originTag + string(o.User) + ":" + strconv.FormatInt(o.IssuedAt.Unix(), 10)
}

// OriginOf is the token that a user with these tags was given creds for; false: there was none.
func OriginOf(tags []string) (TokenOrigin, bool) {
	for _, tag := range tags {
		text, ok := strings.CutPrefix(tag, originTag)
		if !ok {
			continue
		}
		key, at, _ := strings.Cut(text, ":")
		if seconds, err := strconv.ParseInt(at, 10, 64); err == nil {
			return TokenOrigin{UserKey(key), time.Unix(seconds, 0)}, true
		}
	}
	return TokenOrigin{}, false
}

// Has says whether a rule is still one of the account's.
func (s Issuers) Has(id RuleID) bool {
	return slices.ContainsFunc(s, func(i issuer) bool { return slices.Contains(i.rules, id) })
}

// Read verifies a token, and finds the rule that says whom it stands for in the account. Its
// error is a [TokenError]; with ErrTokenKey the issuer's keys may have changed.
func (s Issuers) Read(account AccountKey, token string, now time.Time) (IdentityToken, error) {
	if len(token) > MaxIdentityTokenBytes || strings.ContainsAny(token, "\r\n") { // which base64 passes over
		return IdentityToken{}, ErrTokenMalformed
	}
	signed, err := jose.ParseSignedCompact(token, tokenAlgorithms)
	if err != nil {
		return IdentityToken{}, ErrTokenMalformed
	}
	claimed := TokenIssuer(token)
	at := slices.IndexFunc(s, func(i issuer) bool { return i.URL == claimed })
	if at < 0 || claimed == "" {
		return IdentityToken{}, ErrTokenIssuer
	}
	from := s[at]
	payload, err := from.verify(signed)
	if err != nil {
		return IdentityToken{}, err
	}
	said, err := readToken(payload)
	if err != nil || said.text("iss") != from.URL || said.text("sub") == "" {
		return IdentityToken{}, ErrTokenMalformed
	}
	if !slices.ContainsFunc(said.texts("aud"), func(aud string) bool { return slices.Contains(from.Audiences, aud) }) {
		return IdentityToken{}, ErrTokenAudience
	}
	expires, err := said.times(now)
	if err != nil {
		return IdentityToken{}, err
	}
	for n, r := range from.Rules {
		if !said.meets(r.Conditions) {
			continue
		}
		out, err := said.become(r)
		if said.spent() {
			break
		}
		if err != nil {
			continue // a claim that the name is made of is missing
		}
		out.Issuer, out.Rule, out.User, out.Expires = from.URL, from.rules[n], TokenUser(account, from.URL, out.Subject), expires
		if most := time.Duration(r.LifetimeSeconds) * time.Second; most > 0 && expires.After(now.Add(most)) {
			out.Expires = now.Add(most)
		}
		out.IssuedAt = said.issuedAt(now)
		return out, nil
	}
	if said.spent() {
		return IdentityToken{}, errTokenSteps
	}
	return IdentityToken{}, ErrTokenRule
}

func (i issuer) verify(signed *jose.JSONWebSignature) ([]byte, error) {
	header := signed.Signatures[0].Protected
	tried := 0
	for _, key := range i.keys {
		if header.KeyID != "" && key.KeyID != header.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if tried++; tried > maxKeysTried {
			break
		}
		if payload, err := signed.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	if tried == 0 {
		return nil, ErrTokenKey
	}
	return nil, ErrTokenSignature
}

// TokenUser is the key of whom an issuer calls that in an account. Nobody has a seed to it.
func TokenUser(account AccountKey, url, subject string) UserKey {
	sum := digestOf("oidc", string(account), url, subject)
	return UserKey(encodeKey(nkeys.PrefixByteUser, sum[:]))
}

// tokenClaims are what a token says.
type tokenClaims struct {
	all   map[string]any
	steps int // that were taken so far
}

func readToken(payload []byte) (*tokenClaims, error) {
	said := &tokenClaims{}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&said.all); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, ErrTokenMalformed
	}
	return said, nil
}

// spent says whether the token has been looked at for long enough. What is found from then on
// means nothing.
func (c *tokenClaims) spent() bool { return c.steps > maxTokenSteps }

// find is a claim: by its name, or where dots lead into objects.
func (c *tokenClaims) find(name string) (any, bool) { return c.within(c.all, name) }

func (c *tokenClaims) within(object map[string]any, name string) (any, bool) {
	if c.steps++; c.spent() {
		return nil, false
	}
	if v, ok := object[name]; ok {
		return v, true
	}
	for at := range len(name) {
		if name[at] != '.' {
			continue
		}
		c.steps++
		if inner, ok := object[name[:at]].(map[string]any); ok {
			if v, ok := c.within(inner, name[at+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// texts are a claim's values, of which a list has several.
func (c *tokenClaims) texts(name string) (all []string) {
	v, _ := c.find(name)
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	c.steps += len(list)
	if c.spent() {
		return nil
	}
	for _, entry := range list {
		switch entry := entry.(type) {
		case string:
			all = append(all, entry)
		case json.Number:
			all = append(all, entry.String())
		case bool:
			all = append(all, strconv.FormatBool(entry))
		}
	}
	return all
}

// text is a claim that is one text.
func (c *tokenClaims) text(name string) string {
	v, _ := c.find(name)
	s, _ := v.(string)
	return s
}

// seconds is a claim that is a time.
func (c *tokenClaims) seconds(name string) (at time.Time, there, ok bool) {
	v, there := c.all[name]
	if !there {
		return time.Time{}, false, true
	}
	number, _ := v.(json.Number)
	f, err := number.Float64()
	if err != nil || math.IsNaN(f) || f < 0 || f > 253402300799 { // the end of the year 9999
		return time.Time{}, true, false
	}
	return time.Unix(int64(f), 0), true, true
}

func (c *tokenClaims) times(now time.Time) (expires time.Time, err error) {
	expires, there, ok := c.seconds("exp")
	if !there || !ok {
		return expires, ErrTokenMalformed
	}
	begins, _, beginsOK := c.seconds("nbf")
	issued, _, issuedOK := c.seconds("iat")
	switch {
	case !beginsOK || !issuedOK:
		return expires, ErrTokenMalformed
	case !expires.After(now), begins.After(now.Add(tokenLeeway)), issued.After(now.Add(tokenLeeway)):
		return expires, ErrTokenTime
	}
	return expires, nil
}

// issuedAt counts for revocations. A token that does not say may be as old as can be: else
// whoever had one that was revoked could come back with it.
func (c *tokenClaims) issuedAt(now time.Time) time.Time {
	at, there, ok := c.seconds("iat")
	if !there || !ok || at.Unix() < 1 {
		return time.Unix(1, 0)
	}
	if at.After(now) {
		return now
	}
	return at
}

func (c *tokenClaims) meets(conditions []TrustCondition) bool {
	for _, want := range conditions {
		if !slices.ContainsFunc(c.texts(want.Claim), func(value string) bool {
			c.steps += len(value) / stepBytes
			return want.holds(value)
		}) {
			return false
		}
	}
	return true
}

func (c TrustCondition) holds(value string) bool {
	switch c.Match {
	case "exact":
		return value == c.Value
	case "prefix":
		return strings.HasPrefix(value, c.Value)
	case "glob":
		return matchGlob(c.Value, value)
	}
	return false
}

// matchGlob knows * for any run of characters, and nothing else.
func matchGlob(pattern, value string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	value, ok := strings.CutPrefix(value, first)
	if !wild {
		return ok && value == ""
	}
	if !ok {
		return false
	}
	for {
		part, more, another := strings.Cut(rest, "*")
		if !another {
			return strings.HasSuffix(value, part)
		}
		at := strings.Index(value, part)
		if at < 0 {
			return false
		}
		value, rest = value[at+len(part):], more
	}
}

// become fills in the rule's templates. It fails when a claim is missing that the name is made of.
func (c *tokenClaims) become(r TrustRule) (IdentityToken, error) {
	name, err := c.fill(r.Name)
	if err != nil {
		return IdentityToken{}, err
	}
	out := IdentityToken{Subject: c.text("sub"), Name: userName(name), Role: r.Role}
	for _, template := range r.Tags {
		if tag, err := c.fill(template); err == nil {
			if tag = tagText(tag); ValidateTag(tag) == nil && !slices.Contains(out.Tags, tag) {
				out.Tags = append(out.Tags, tag)
			}
		}
	}
	return out, nil
}

// fill replaces each {{claim}} by what the token says.
func (c *tokenClaims) fill(template string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}}")
		values := c.texts(strings.TrimSpace(name))
		if !closed || len(values) != 1 || values[0] == "" {
			return "", fmt.Errorf("the token has no %q", name)
		}
		b.WriteString(values[0])
		template = after
	}
}

// ValidateTokenTemplate is the rule for what names and tags are made of.
func ValidateTokenTemplate(s string) error {
	if err := validateText(s, MaxTagLength); err != nil {
		return err
	}
	rest := s
	for {
		_, after, found := strings.Cut(rest, "{{")
		if !found {
			break
		}
		name, left, closed := strings.Cut(after, "}}")
		if !closed || strings.TrimSpace(name) == "" || strings.ContainsAny(name, "{}") {
			return fault.New(fault.Invalid, "a claim stands between two pairs of braces, as in ci-{{sub}}")
		}
		rest = left
	}
	if s == "" {
		return fault.New(fault.Invalid, "a template is needed, such as ci-{{sub}}")
	}
	return nil
}

// Of a text that cannot be a name, or a tag, as it is, there is a hash at the end of
// what is made of it, so that no two texts make the same; and of one that looks as if.
const hashedDigits = 16

var looksHashed = regexp.MustCompile(`-[0-9a-f]{16}$`)

func unlike(text, clean string, most int) string {
	if clean == text && utf8.RuneCountInString(clean) <= most && !looksHashed.MatchString(text) {
		return clean
	}
	runes := []rune(clean)
	sum := sha256.Sum256([]byte(text))
	return string(runes[:min(len(runes), most-hashedDigits-1)]) + "-" + hex.EncodeToString(sum[:hashedDigits/2])
}

// userName makes a user's name of a text.
func userName(text string) string {
	return unlike(text, strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, text), MaxNameLength)
}

// tagText makes one lower-case token of a text.
func tagText(text string) string {
	return unlike(text, strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" *>{}.", r) || !unicode.IsPrint(r) {
			return '-'
		}
		return r
	}, text)), MaxTagLength)
}
