package resolver

import (
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// handover is how an account's claims are given to nats-server: without its
// roles. Loading an account that has signing keys, and each change of them, makes the
// server walk all accounts that it has loaded, with its lock held (accounts.go,
// updateAccountClaimsWithRefresh): 16 ms for a first login with 10,000 accounts
// loaded, 191 ms with 100,000, in which nobody else gets in. What signing keys
// are for is logins, and package admission judges those.
//
// The operator did not sign the rest alone. So the server trusts, beside the
// operator, a key that is made with this process, signs only claims that the
// operator's signature was checked on, and is never written down.
type handover struct {
	operator *jwt.OperatorClaims
	signer   nkeys.KeyPair
}

func newHandover() (*handover, error) {
	self, err := nkeys.CreateOperator()
	if err != nil {
		return nil, err
	}
	defer self.Wipe()
	signer, err := nkeys.CreateOperator()
	if err != nil {
		return nil, err
	}
	subject, err := self.PublicKey()
	if err != nil {
		return nil, err
	}
	key, err := signer.PublicKey()
	if err != nil {
		return nil, err
	}
	// Strict: else the server would count each account's own key among its signing keys.
	operator := jwt.NewOperatorClaims(subject)
	operator.Name, operator.StrictSigningKeyUsage = "Signalbox broker", true
	operator.SigningKeys.Add(key)
	token, err := operator.Encode(self)
	if err != nil {
		return nil, err
	}
	if operator, err = jwt.DecodeOperatorClaims(token); err != nil {
		return nil, err
	}
	return &handover{operator: operator, signer: signer}, nil
}

// claims are what the server is given of c, which stays as it is.
func (h *handover) claims(c *jwt.AccountClaims) *jwt.AccountClaims {
	bare := *c
	if !asksForActivation(c) {
		bare.SigningKeys = nil
	}
	return &bare
}

// asksForActivation says whether importers need a token, which one of the
// account's signing keys has signed: the server checks that, so it needs them.
func asksForActivation(c *jwt.AccountClaims) bool {
	for _, e := range c.Exports {
		if e.TokenReq {
			return true
		}
	}
	return false
}

// token is the JWT of what the server is given of c.
func (h *handover) token(c *jwt.AccountClaims) (string, error) {
	token, err := h.claims(c).Encode(h.signer)
	if err != nil {
		return "", fmt.Errorf("hand account %s over to the server: %w", c.Subject, err)
	}
	return token, nil
}
