// Package claims is the only place that makes or reads NATS JWTs, nkeys and
// creds files. It is pure: no I/O, no state, and no clock but the one the JWT
// library stamps the time of issue with.
//
// It promises that what it signs is accepted by nats-server and means there
// what it says here. That is why some values are refused which the JWT format
// would take: a limit that a server reads as "unlimited" when it is 0, a
// subject whose wildcard would be matched literally, an expiry that rounds to
// "never". An [Account] or [User] that was minted and decoded is equal to what
// went in; keys come back typed, so an account's cannot be passed for a user's.
// A [Seed] prints as [seed] wherever it lands.
//
// Decoding judges structure and signature. Whether the issuer is to be trusted,
// and whether the time of expiry has come, is the caller's business: the facts
// say both. tenants signs with this package, resolver and broker read with it;
// it knows neither tenants nor servers.
package claims

import (
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Unlimited is the value of a limit that does not limit. 0 always means none.
const Unlimited int64 = -1

// MaxTokenBytes is the longest JWT that a server, and the decoders here, take.
const MaxTokenBytes = jwt.MaxTokenSize

// sign has the JWT library encode c, with the seed's key derived only once
// instead of at each of the library's questions.
func sign(c jwt.Claims, signer Seed) (string, error) {
	public, err := signer.public()
	if err != nil {
		return "", err
	}
	pair, err := nkeys.FromPublicKey(public)
	if err != nil {
		return "", err
	}
	token, err := c.EncodeWithSigner(pair, func(_ string, data []byte) ([]byte, error) {
		return signer.Sign(data)
	})
	if err != nil {
		return "", err
	}
	return fits(token)
}

func fits(token string) (string, error) {
	if len(token) > MaxTokenBytes {
		return "", fault.New(fault.OverLimit, "the signed claims would be %d bytes, but a server takes %d at most", len(token), MaxTokenBytes)
	}
	return token, nil
}

// check runs the library's own validation over claims about to be signed: a
// blocking issue there is a server that refuses them.
func check(c jwt.Claims) error {
	vr := jwt.CreateValidationResults()
	c.Validate(vr)
	if errs := vr.Errors(); len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// decode verifies a token's structure and signature and returns its claims if
// they are of type C; noun says in words what was wanted.
func decode[C jwt.Claims](token, noun string) (C, error) {
	var none C
	c, err := jwt.Decode(token)
	if err != nil {
		return none, &fault.Error{Kind: fault.Invalid, Message: "this is not " + noun + " JWT, or its signature does not match", Cause: err}
	}
	typed, ok := c.(C)
	if !ok {
		return none, fault.New(fault.Invalid, "this is not %s JWT, but one of type %.32q", noun, string(c.ClaimType()))
	}
	return typed, nil
}

// wrap says what was being done, and leaves nil alone.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
