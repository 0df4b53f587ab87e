package admission

import (
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// facts are what a login is judged by, beside its account's claims.
type facts struct {
	signed *jwt.UserClaims // by whoever its issuer is
	source source
	at     time.Time
	// proves verifies that the client has the seed to the key.
	proves func(key string) error
	proven bool // it has proved itself in another way
	// answered is what the account's own authorization service said, which is asked once.
	answered bool
}

// verdict is what a user that is let in may do.
type verdict struct {
	user        *jwt.UserClaims // with the role's permissions and limits, if it has a role
	permissions *server.Permissions
	byDefault   bool // permissions are the account's default ones
	types       map[string]struct{}
	deadline    time.Time // when the connection ends; zero: never
}

// trial is a login on its way through the checks. What one of them finds, those after it use.
type trial struct {
	*law
	facts
	verdict
}

// check is one step of the order. Its name is for people and programs, and stays.
type check struct {
	name string
	hold func(*trial) error
}

// checks are nats-server's order from the account on.
var checks = []check{
	{"account", func(t *trial) error { return t.open(t.at) }}, // first, for its reason is the one to know
	{"role", (*trial).checkRole},
	{"delegation", (*trial).checkDelegation},
	{"bearer", (*trial).checkBearer},
	{"connection_type", (*trial).checkType},
	{"proof", (*trial).checkProof},
	{"revocation", (*trial).checkRevocation},
	{"network", (*trial).checkNetwork},
	{"hours", (*trial).checkHours},
}

// judge holds a login against all checks. The first that it fails is the reason to refuse it.
func (w *law) judge(f facts) (verdict, error) {
	t := trial{law: w, facts: f}
	for _, c := range checks {
		if err := c.hold(&t); err != nil {
			return verdict{}, err
		}
	}
	t.permit()
	return t.verdict, nil
}

func (t *trial) checkRole() (err error) {
	if rule, ok := claims.RuleOf(t.signed.Tags); ok && !t.trust.Issuers().Has(rule) {
		return refused(TokenRule, "the rule is gone that gave these creds for an issuer's token")
	}
	t.user, err = t.scoped(t.signed)
	return err
}

func (t *trial) checkDelegation() error {
	if !t.answered && t.delegates(t.user.Subject) {
		return refused(Delegated, "the account leaves this login to its authorization service, which decides who the client becomes")
	}
	return nil
}

func (t *trial) checkBearer() error {
	if t.user.BearerToken && t.noBearer {
		return refused(BearerNotAllowed, "the account allows no bearer credentials")
	}
	return nil
}

func (t *trial) checkType() (err error) {
	if !t.counts.AllowsType(claims.ConnectionType(t.source.kind)) {
		return refused(TypeNotAllowed, "the account is not for connections of type %s", t.source.kind)
	}
	t.types, err = allowedTypes(t.user.AllowedConnectionTypes, t.source.kind)
	return err
}

func (t *trial) checkProof() error {
	switch kind := t.source.kind; {
	case t.user.BearerToken || t.answered || t.proven:
		return nil
	case kind == jwt.ConnectionTypeMqtt || kind == jwt.ConnectionTypeMqttWS:
		return refused(BadSignature, "MQTT clients cannot sign a nonce: the role has to allow bearer credentials")
	}
	return t.proves(t.user.Subject)
}

func (t *trial) checkRevocation() error {
	if t.revocations.revoked(t.user.Subject, t.user.IssuedAt) {
		return refused(CredentialRevoked, "the credential was revoked")
	}
	if origin, ok := claims.OriginOf(t.signed.Tags); ok && t.revocations.revoked(string(origin.User), origin.IssuedAt.Unix()) {
		return refused(CredentialRevoked, "the token was revoked that these creds were given for")
	}
	return nil
}

func (t *trial) checkNetwork() error {
	if !within(t.user.Src, t.source.host) {
		return refused(WrongNetwork, "the credential is not for use from %s", t.source.host)
	}
	return nil
}

func (t *trial) checkHours() error {
	until, ok := hours(t.user.Times, t.user.Locale, t.at)
	if !ok {
		return refused(OutsideHours, "the credential is not for use at this time of day")
	}
	t.deadline = earlier(t.ends(), until)
	return nil
}

// ends is when the user's time is up: when its JWT expires, or, for who comes from
// a web page, when the session there ends. That its JWT can have renewed there
// while the connection stays is what it is for. Only the roles that control keeps
// for this may say so, whose seeds nobody else has; and a day is the most.
func (t *trial) ends() time.Time {
	end := claims.SessionEnd(t.signed.Tags)
	if end.IsZero() || !slices.Contains(t.counts.ConsoleRoles, claims.AccountKey(t.signed.Issuer)) {
		return expiry(t.user)
	}
	return earlier(end, t.at.Add(claims.MaxConsoleConnection))
}

// permit is what a user that passed the checks may publish and subscribe to.
func (t *trial) permit() {
	t.permissions = permissionsOf(t.user.Permissions)
	if t.permissions == nil {
		t.byDefault, t.permissions = true, permissionsOf(t.defaults)
	}
	if len(t.authUsers) > 0 {
		t.permissions = denyPublish(t.permissions, server.AuthCalloutSubject)
	}
}
