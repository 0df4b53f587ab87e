package admission

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// A client without a user JWT may be let in by something else that its account
// knows: a device login's password, token, nkey or certificate
// ([claims.DeviceLogin]), or the token of an issuer that the account trusts. Which
// account that is, it says: a secret has it in it, and whoever shows something else
// gives the account's public key for a user name or an authentication token.
//
// What it shows makes the claims that its role would have signed, and those go through all the checks
// that a JWT goes through, as one whose proof has been given. It is looked for in the
// account's pages by a digest, so how long that takes says nothing of what is in them.

// shown is what a client shows that has no user JWT.
type shown struct {
	account string
	// by is whose it is by that law, and why: not asked for before the account is known.
	by func(w *law, l *login) (*jwt.UserClaims, ground, error)
}

// ground is why somebody without a user JWT was let in: when it is gone, so is the connection.
type ground interface {
	holds(w *law) bool
}

// identify reads what a client says to be: l.user, by its JWT, or l.shown.
func (l *login) identify() (account string, err error) {
	o := &l.said
	// A secret comes first: a browser that shows one adds the cookie that it has.
	if token := l.source.token(o); token != "" && !claims.IsLoginSecret(o.Password) && !claims.IsLoginSecret(o.Token) {
		if l.user, err = readUser(token); l.user == nil {
			return "", err
		}
		if !l.cameAlong() {
			l.refusal.User = l.user.Subject
			return accountOf(l.user), err
		}
		l.user = nil
	}
	if l.shown, err = l.show(o); err != nil {
		return "", err
	}
	return l.shown.account, nil
}

// cameAlong says whether the JWT is only the cookie that a browser adds, and the
// page shows something of its own. Another JWT may well come with a token: for the account's
// authorization service.
func (l *login) cameAlong() bool {
	o := &l.said
	return l.source.kind == jwt.ConnectionTypeWebsocket && !claims.SessionEnd(l.user.Tags).IsZero() &&
		(isForeignToken(o.Password) || isForeignToken(o.Token) || o.Sig != "" && o.Nkey != "" && o.Nkey != l.user.Subject)
}

func (l *login) show(o *server.ClientOpts) (*shown, error) {
	switch {
	case claims.IsLoginSecret(o.Password):
		return showSecret(o.Password, &o.Username)
	case claims.IsLoginSecret(o.Token):
		return showSecret(o.Token, nil)
	}
	account := namedAccount(o)
	switch tls := l.client.GetTLSConnectionState(); {
	case o.Password == "" && o.Token == "" && o.Sig == "" && (tls == nil || len(tls.PeerCertificates) == 0):
		return nil, refused(NoCredential, "the client sent no user JWT")
	case account == "":
		return nil, refused(NoCredential, "the client sent neither a user JWT nor a device login's secret, and no account's public key for a user name")
	case isForeignToken(o.Password):
		return &shown{account, showToken(o.Password)}, nil
	case isForeignToken(o.Token):
		return &shown{account, showToken(o.Token)}, nil
	case o.Sig != "":
		return &shown{account, showNkey(o.Nkey)}, nil
	case tls != nil && len(tls.PeerCertificates) > 0:
		return &shown{account, showCertificate(tls.PeerCertificates)}, nil
	}
	return &shown{account, func(*law, *login) (*jwt.UserClaims, ground, error) {
		return nil, nil, refused(LoginUnknown, "what the client sent is no device login's secret, no issuer's token and no certificate")
	}}, nil
}

// namedAccount is the account whose public key a client gives for a user name or an
// authentication token; empty: none.
func namedAccount(o *server.ClientOpts) string {
	for _, name := range []string{o.Username, o.Token} {
		if _, err := claims.ParseAccountKey(name); err == nil {
			return name
		}
	}
	return ""
}

// identify asks the account's law who a client is that has no user JWT.
func (w *law) identify(l *login) (err error) {
	if l.shown == nil {
		return nil
	}
	l.user, l.ground = nil, nil
	user, why, err := l.shown.by(w, l)
	if user != nil {
		l.refusal.User = user.Subject
	}
	if err != nil {
		return err
	}
	if err := valid(user, l.at.Unix()); err != nil {
		return err
	}
	if w.signers[user.Issuer] == nil { // it has no permissions but a role's
		return refused(UnknownSigningKey, "the login's role is not there any more")
	}
	l.user, l.ground = user, why
	return nil
}

// deviceLogin is the ground that a device login is.
type deviceLogin struct {
	claims.DeviceLogin
	authority claims.PageHash // the hash of the certificate that the client's leads to; empty: it has none
}

func (d deviceLogin) holds(w *law) bool {
	now, ok := w.logins.Find(d.Digest)
	return ok && now.Equal(d.DeviceLogin) && (d.authority == "" || w.trustsAuthority(d.authority))
}

// loginBy is the login with the digest, as what its role would have signed.
func (w *law) loginBy(digest claims.LoginDigest) (*jwt.UserClaims, deviceLogin, bool) {
	found, ok := w.logins.Find(digest)
	if !ok {
		return nil, deviceLogin{}, false
	}
	return found.SignedClaims(claims.AccountKey(w.key)), deviceLogin{DeviceLogin: found}, true
}

// showSecret is a device login's password or token; a user name comes with a password only.
func showSecret(text string, username *string) (*shown, error) {
	secret, err := claims.ParseLoginSecret(text)
	if err != nil {
		return nil, refused(Malformed, "%v", err)
	}
	digest := secret.Digest()
	return &shown{string(secret.Account()), func(w *law, _ *login) (*jwt.UserClaims, ground, error) {
		user, found, ok := w.loginBy(digest)
		switch {
		case !ok:
			return nil, nil, refused(LoginUnknown, "the account has no device login with this secret")
		case username != nil && found.Username != "" && *username != found.Username:
			return user, nil, refused(LoginUsername, "the secret is right, but the user name is not the device login's")
		}
		return user, found, nil
	}}, nil
}

// showNkey is the challenge that clients answer who have a seed, and no JWT.
func showNkey(key string) func(*law, *login) (*jwt.UserClaims, ground, error) {
	return func(w *law, l *login) (*jwt.UserClaims, ground, error) {
		user, found, ok := w.loginBy(claims.NkeyDigest(claims.UserKey(key)))
		if !ok || user.Subject != key {
			return nil, nil, refused(LoginUnknown, "the account has no device login with this nkey")
		}
		if err := checkSignature(key, l.client.GetNonce(), l.said.Sig); err != nil {
			return user, nil, err
		}
		return user, found, nil
	}
}

// isForeignToken says whether a text looks like a signed JWT that is none of NATS'.
func isForeignToken(text string) bool {
	header, rest, _ := strings.Cut(text, ".")
	if !strings.HasPrefix(header, jwtPrefix) || !strings.Contains(rest, ".") {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(header)
	var says struct {
		Algorithm string `json:"alg"`
	}
	return err == nil && json.Unmarshal(raw, &says) == nil && !strings.HasPrefix(strings.ToLower(says.Algorithm), jwt.AlgorithmNkeyOld)
}

// showToken is a token of an issuer that the account may trust.
func showToken(token string) func(*law, *login) (*jwt.UserClaims, ground, error) {
	return func(w *law, l *login) (*jwt.UserClaims, ground, error) { return w.userByToken(token, l.at) }
}
