package admission

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// Reason says why a login was refused. The strings are for programs, and stay.
type Reason string

// The reasons, in the order of the checks.
const (
	ConnectionUnknown     Reason = "connection_unknown" // neither a kind that there is, nor open any more
	NoCredential          Reason = "no_credential"
	Malformed             Reason = "malformed" // no user JWT, or one whose signature is not its issuer's
	CredentialExpired     Reason = "credential_expired"
	CredentialNotYetValid Reason = "credential_not_yet_valid"
	LoginUnknown          Reason = "login_unknown"     // a device login that the account does not have, any more
	CookieAccount         Reason = "cookie_account"    // a browser's cookie is for another account than the page names
	LoginUsername         Reason = "login_username"    // its secret is right, and the user name is not
	LoginCertificate      Reason = "login_certificate" // of no authority that the account trusts, or not valid
	TokenMalformed        Reason = "token_malformed"
	TokenIssuer           Reason = "token_issuer"
	TokenKey              Reason = "token_key" // that its issuer is not known to have: control reads them again
	TokenSignature        Reason = "token_signature"
	TokenAudience         Reason = "token_audience"
	TokenTime             Reason = "token_time"
	TokenRule             Reason = "token_rule" // no rule says whom it stands for, any more
	NotCaughtUp           Reason = "not_caught_up"
	AccountUnknown        Reason = "account_unknown"
	AccountUnavailable    Reason = "account_unavailable"
	AccountInvalid        Reason = "account_invalid"
	UnknownSigningKey     Reason = "unknown_signing_key" // not one of the account's, any more: a role that was removed
	RoleMismatch          Reason = "role_mismatch"       // signed by a role, and claims permissions of its own
	RoleTemplate          Reason = "role_template"       // the role's template makes no valid permissions for this user
	ProxyRequired         Reason = "proxy_required"
	AccountExpired        Reason = "account_expired"
	AccountClosed         Reason = "account_closed" // deleted or suspended: it allows no connections and revokes everybody
	Delegated             Reason = "delegated"      // the account leaves logins to a service of its own (auth callout): the simulator's, who cannot ask it
	CalloutTimeout        Reason = "callout_timeout"
	CalloutRefused        Reason = "callout_refused"
	CalloutInvalid        Reason = "callout_invalid" // what the service answered is not what it should be
	BearerNotAllowed      Reason = "bearer_not_allowed"
	TypeNotAllowed        Reason = "type_not_allowed" // by the account, whatever the role says
	ConnectionType        Reason = "connection_type"
	BadSignature          Reason = "bad_signature"
	CredentialRevoked     Reason = "credential_revoked"
	WrongNetwork          Reason = "wrong_network"
	OutsideHours          Reason = "outside_hours"
	TypeLimit             Reason = "type_limit"
	UserLimit             Reason = "user_limit"
	ShareUnavailable      Reason = "share_unavailable" // the broker has no place free, and could not get one in time
	ServerLimit           Reason = "server_limit"      // nats-server would not register it: the account's connections, mostly
)

// Reasons are all of them.
var Reasons = []Reason{
	ConnectionUnknown, NoCredential, Malformed, CredentialExpired, CredentialNotYetValid, CookieAccount, LoginUnknown, LoginUsername, LoginCertificate,
	TokenMalformed, TokenIssuer, TokenKey, TokenSignature, TokenAudience, TokenTime, TokenRule, NotCaughtUp,
	AccountUnknown, AccountUnavailable, AccountInvalid, UnknownSigningKey, RoleMismatch, RoleTemplate, ProxyRequired,
	AccountExpired, AccountClosed, Delegated, CalloutTimeout, CalloutRefused, CalloutInvalid, BearerNotAllowed, TypeNotAllowed, ConnectionType, BadSignature, CredentialRevoked, WrongNetwork,
	OutsideHours, TypeLimit, UserLimit, ShareUnavailable, ServerLimit,
}

// refusal is an error with a reason. The detail is safe to show to the account's people.
type refusal struct {
	reason Reason
	detail string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s", r.reason, r.detail) }

func refused(reason Reason, format string, args ...any) error {
	return &refusal{reason: reason, detail: fmt.Sprintf(format, args...)}
}

func refusalOf(err error) *refusal {
	var why *refusal
	if !errors.As(err, &why) {
		why = &refusal{reason: Malformed, detail: err.Error()}
	}
	return why
}

// Refusal is a login that was refused. Account and User are what the client
// says, or what was found to be true, depending on how far it got.
type Refusal struct {
	Reason  Reason
	Detail  string // what of the reason depends on the login
	Account string // public key; empty when the JWT could not be read
	User    string // public key of the credential
	Kind    string // of the connection, as in jwt.ConnectionType…
	Host    string // where it came from
}

type counts struct {
	admitted atomic.Int64
	ended    atomic.Int64
	refused  map[Reason]*atomic.Int64 // not written to after init
}

func (c *counts) init() {
	c.refused = make(map[Reason]*atomic.Int64, len(Reasons))
	for _, r := range Reasons {
		c.refused[r] = new(atomic.Int64)
	}
}

func (a *Admission) refuse(r Refusal, err error) {
	why := refusalOf(err)
	r.Reason, r.Detail = why.reason, why.detail
	a.counts.refused[r.Reason].Add(1)
	if a.cfg.Refused != nil {
		a.cfg.Refused(r)
	}
	a.log.Debug("refused a login", "reason", r.Reason, "detail", r.Detail, "account", r.Account, "user", r.User, "kind", r.Kind, "host", r.Host)
}

// Admitted is how many logins were let in since the start.
func (a *Admission) Admitted() int64 { return a.counts.admitted.Load() }

// Refused is how many logins were refused for a reason since the start.
func (a *Admission) Refused(r Reason) int64 { return a.counts.refused[r].Load() }

// Ended is how many connections changes of claims have ended since the start.
func (a *Admission) Ended() int64 { return a.counts.ended.Load() }
