package resolver

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// Trust judges whether claims are the operator's, whose keys may change while it
// is in use. It reads JWTs with nats-io/jwt
// itself, where the rest of Signalbox leaves that to package claims, because
// nats-server takes its claims in that library's types.
type Trust struct{ keys atomic.Pointer[trusted] }

// trusted is what one operator JWT says.
type trusted struct {
	id       string
	operator *jwt.OperatorClaims
	issuers  map[string]bool
}

// NewTrust trusts the operator of operatorJWT: its signing keys, and its main
// key only if the operator does not insist on signing keys.
func NewTrust(operatorJWT string) (*Trust, error) {
	keys, err := readOperator(operatorJWT)
	if err != nil {
		return nil, err
	}
	t := &Trust{}
	t.keys.Store(keys)
	return t, nil
}

func readOperator(operatorJWT string) (*trusted, error) {
	operator, err := jwt.DecodeOperatorClaims(operatorJWT)
	if err != nil {
		return nil, fmt.Errorf("read the operator's JWT: %w", err)
	}
	if !operator.DidSign(operator) {
		return nil, fmt.Errorf("read the operator's JWT: it is not signed by the operator itself")
	}
	t := &trusted{id: claims.OperatorJWTID(operatorJWT), operator: operator, issuers: map[string]bool{}}
	for _, key := range operator.SigningKeys {
		t.issuers[key] = true
	}
	if !operator.StrictSigningKeyUsage {
		t.issuers[operator.Subject] = true
	}
	return t, nil
}

// Operator is the operator's public key.
func (t *Trust) Operator() string { return t.Claims().Subject }

// ID names the operator JWT that is gone by.
func (t *Trust) ID() string { return t.keys.Load().id }

// Claims are the operator's, as nats-server wants them. Do not change them.
func (t *Trust) Claims() *jwt.OperatorClaims { return t.keys.Load().operator }

// Check reads an account's JWT and returns its claims if the operator signed
// them for that account and nats-server will accept them. Claims that have
// expired pass: they are to be in force as well. An empty account takes
// the name from the JWT.
func (t *Trust) Check(token, account string) (*jwt.AccountClaims, error) {
	ac, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		return nil, fmt.Errorf("read account JWT: %w", err)
	}
	if !nkeys.IsValidPublicAccountKey(ac.Subject) {
		return nil, fmt.Errorf("the JWT's subject is not an account's public key")
	}
	if account != "" && ac.Subject != account {
		return nil, fmt.Errorf("the JWT is for account %s, not for %s", ac.Subject, account)
	}
	if !t.keys.Load().issuers[ac.Issuer] {
		return nil, fmt.Errorf("the JWT was not signed by operator %s", t.Operator())
	}
	problems := jwt.CreateValidationResults()
	ac.Validate(problems)
	if problems.IsBlocking(false) {
		return nil, fmt.Errorf("the claims are not valid: %w", problems.Errors()[0])
	}
	return ac, nil
}

// maxToken is more than nats-server takes from the wire by default (1 MiB).
const maxToken = 1 << 20

// glimpse is what a JWT says of itself, whoever signed it.
type glimpse struct {
	Subject  string `json:"sub"`
	Issuer   string `json:"iss"`
	IssuedAt int64  `json:"iat"`
	Claims   struct {
		Type        string   `json:"type"`
		Tags        []string `json:"tags"`
		Revocations struct {
			AllUsers int64 `json:"*"` // see claims.AllUsers
		} `json:"revocations"`
	} `json:"nats"`
}

// Glance is the part of [Trust.Check] that costs a few microseconds, for entries
// that are stored and may never be used: the size, the structure, that the JWT
// says it is that account's and from one of the operator's keys. That catches
// confusion (another account's, another operator's, half a JWT) where it can
// still be reported as a refused delivery. It is no proof: the signature is, and
// whoever uses the account checks it first.
func (t *Trust) Glance(token, account string) error {
	_, err := t.glance(token, account)
	return err
}

func (t *Trust) glance(token, account string) (glimpse, error) {
	g, err := look(token)
	if err != nil {
		return glimpse{}, fmt.Errorf("read account JWT: %w", err)
	}
	if g.Claims.Type != string(jwt.AccountClaim) || !nkeys.IsValidPublicAccountKey(g.Subject) {
		return glimpse{}, fmt.Errorf("the JWT's subject is not an account's public key")
	}
	if g.Subject != account {
		return glimpse{}, fmt.Errorf("the JWT is for account %s, not for %s", g.Subject, account)
	}
	if !t.keys.Load().issuers[g.Issuer] {
		return glimpse{}, fmt.Errorf("the JWT was not signed by operator %s", t.Operator())
	}
	return g, nil
}

func look(token string) (glimpse, error) {
	if len(token) > maxToken {
		return glimpse{}, fmt.Errorf("%d bytes are too much", len(token))
	}
	_, rest, _ := strings.Cut(token, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok || signature == "" || strings.Contains(signature, ".") {
		return glimpse{}, fmt.Errorf("it does not have three parts")
	}
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return glimpse{}, fmt.Errorf("its claims are not base64")
	}
	var g glimpse
	if err := json.Unmarshal(text, &g); err != nil {
		return glimpse{}, fmt.Errorf("its claims are not JSON")
	}
	return g, nil
}

// claimed is the account that a JWT names, whoever signed it; empty when it is
// unreadable. For reports only.
func claimed(token string) string {
	g, err := look(token)
	if err != nil || !nkeys.IsValidPublicAccountKey(g.Subject) {
		return ""
	}
	return g.Subject
}
