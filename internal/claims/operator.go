package claims

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Operator is a root of trust. Accounts are signed with its signing keys only:
// its own key signs nothing but the operator JWT, and servers are told so.
type Operator struct {
	Key           OperatorKey
	Name          string
	Tags          []string
	SigningKeys   []OperatorKey
	SystemAccount AccountKey // empty: none
	// SystemJWTID names the system account's JWT that goes with this one, by
	// [OperatorJWTID]: brokers hear of operators' JWTs only. Empty: it is not said.
	SystemJWTID string
}

// OperatorFacts is what a decoded operator JWT says, and about itself.
type OperatorFacts struct {
	Operator
	Issuer   OperatorKey // the operator itself
	Strict   bool        // accounts must be signed by signing keys; always, in ours
	IssuedAt time.Time
	Expires  time.Time // zero: never
	ID       string    // jti
}

// tagSystemJWT is before the id of the system account's JWT, in a tag of the operator's.
const tagSystemJWT = ReservedTags + "system-"

// OperatorJWTID names an operator's JWT, or its system account's. Its jti does
// not: two that are signed in the same second have the same.
func OperatorJWTID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}

// EncodeOperator signs an operator JWT with the operator's own seed.
func EncodeOperator(o Operator, seed Seed) (string, error) {
	if err := o.validate(); err != nil {
		return "", wrap("encode operator claims", err)
	}
	key, err := seed.OperatorKey()
	if err != nil {
		return "", wrap("sign operator claims", err)
	}
	if key != o.Key {
		return "", errors.New("sign operator claims: the seed is another operator's, or a signing key's")
	}
	c := jwt.NewOperatorClaims(string(o.Key))
	c.Name, c.Tags = o.Name, slices.Clone(o.Tags)
	if o.SystemJWTID != "" {
		c.Tags = append(c.Tags, tagSystemJWT+o.SystemJWTID)
	}
	c.SystemAccount = string(o.SystemAccount)
	c.StrictSigningKeyUsage = true
	for _, k := range o.SigningKeys {
		c.SigningKeys.Add(string(k))
	}
	token, err := sign(c, seed)
	return token, wrap("sign operator claims", err)
}

func (o Operator) validate() error {
	_, err := ParseOperatorKey(string(o.Key))
	errs := []error{fault.At("/public_key", err), fault.At("/name", ValidateName(o.Name)), ValidateTags(o.Tags)}
	for i, k := range o.SigningKeys {
		if _, err := ParseOperatorKey(string(k)); err != nil {
			errs = append(errs, fault.At(fmt.Sprintf("/signing_keys/%d", i), err))
		}
	}
	if len(o.SigningKeys) == 0 {
		errs = append(errs, fault.Field("/signing_keys", "an operator needs a signing key: its own key signs no accounts"))
	}
	if o.SystemAccount != "" {
		_, err := ParseAccountKey(string(o.SystemAccount))
		errs = append(errs, fault.At("/system_account", err))
	}
	return errors.Join(errs...)
}

// DecodeOperator verifies an operator JWT's structure and signature; anything
// else than one that the operator signed for itself is fault.Invalid.
func DecodeOperator(token string) (OperatorFacts, error) {
	c, err := decode[*jwt.OperatorClaims](token, "an operator's")
	if err != nil {
		return OperatorFacts{}, err
	}
	key, err := ParseOperatorKey(c.Subject)
	if err != nil {
		return OperatorFacts{}, wrap("read the operator JWT's subject", err)
	}
	if !c.IsSelfSigned() {
		return OperatorFacts{}, fault.New(fault.Invalid, "this operator JWT was not signed by the operator itself")
	}
	facts := OperatorFacts{
		Operator: Operator{Key: key, Name: c.Name, SystemAccount: AccountKey(c.SystemAccount)},
		Issuer:   key, Strict: c.StrictSigningKeyUsage,
		IssuedAt: timeOf(c.IssuedAt), Expires: timeOf(c.Expires), ID: c.ID,
	}
	for _, tag := range c.Tags {
		if id, ok := strings.CutPrefix(tag, tagSystemJWT); ok {
			facts.SystemJWTID = id
		} else {
			facts.Tags = append(facts.Tags, tag)
		}
	}
	for _, k := range c.SigningKeys {
		facts.SigningKeys = append(facts.SigningKeys, OperatorKey(k))
	}
	return facts, nil
}
