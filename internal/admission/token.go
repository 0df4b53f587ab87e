package admission

import (
	"errors"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// issuerRule is the ground that a rule of an issuer is.
type issuerRule claims.RuleID

func (r issuerRule) holds(w *law) bool { return w.trust.Issuers().Has(claims.RuleID(r)) }

// userByToken is whom an issuer's token stands for, as what the rule's role would have signed.
func (w *law) userByToken(token string, now time.Time) (*jwt.UserClaims, ground, error) {
	said, err := w.trust.Issuers().Read(claims.AccountKey(w.key), token, now)
	var why *claims.TokenError
	if errors.As(err, &why) {
		return nil, nil, refused(Reason(why.Reason), "%s", why)
	}
	if err != nil {
		return nil, nil, refused(TokenMalformed, "the token cannot be read")
	}
	user := claims.User{Key: said.User, Name: said.Name, Account: claims.AccountKey(w.key), Tags: said.Tags, Expires: said.Expires, Rule: said.Rule}
	return user.SignedClaims(said.Role, said.IssuedAt), issuerRule(said.Rule), nil
}
