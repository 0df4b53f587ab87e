package claims

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// User is what a user JWT says. It has no permissions of its own: those are its
// role's, at whatever they stand when it connects.
type User struct {
	Key     UserKey
	Name    string
	Account AccountKey
	Tags    []string
	Expires time.Time   // to the second, rounded down; zero: never
	Rule    RuleID      // of an issuer, that made the user; empty: none did
	Origin  TokenOrigin // the token that it was given for, by such a rule; zero: it has none, or is whom the token itself stands for
	// Session is when the session of a web page ends that the user is for, to the
	// second, rounded down; zero: it is for none. With it the connections of who
	// logs in before Expires last until then, if the account says of the role
	// that it is for this; see [SessionEnd].
	Session time.Time
}

// MaxConsoleConnection is how long a connection lasts at most that may outlive the
// JWT it logged in with.
const MaxConsoleConnection = 24 * time.Hour

const sessionTag = ReservedTags + "session:" // unix seconds

// SessionEnd is when the session ends that a user's tags name; zero: they name none.
func SessionEnd(tags []string) time.Time {
	for _, tag := range tags {
		text, ok := strings.CutPrefix(tag, sessionTag)
		if !ok {
			continue
		}
		if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds > 0 && seconds <= endOfTime.Unix() {
			return time.Unix(seconds, 0).UTC()
		}
	}
	return time.Time{}
}

// UserFacts is what a decoded user JWT says, and about itself.
type UserFacts struct {
	User
	Issuer      AccountKey // the role's key, or the account's own
	Scoped      bool       // the JWT has no permissions of its own, so its issuer must be a role
	Permissions Template   // its own; zero if scoped
	IssuedAt    time.Time
	ID          string // jti
}

// EncodeUser signs a user with its role's seed. A rule broken by the user is a
// fault.Invalid with a pointer into it. An expiry in the past is none: what may
// be issued, the caller decides.
func EncodeUser(u User, role Seed) (string, error) {
	if err := u.validate(); err != nil {
		return "", wrap("encode user claims", err)
	}
	return signUser(u.unsigned(), role)
}

func (u User) unsigned() *jwt.UserClaims {
	c := jwt.NewUserClaims(string(u.Key))
	c.SetScoped(true)
	c.Name = u.Name
	c.IssuerAccount = string(u.Account)
	c.Tags = u.Tags
	if !u.Session.IsZero() {
		c.Tags = append(slices.Clone(c.Tags), sessionTag+strconv.FormatInt(u.Session.Unix(), 10))
	}
	if u.Rule != "" {
		c.Tags = append(slices.Clone(c.Tags), u.Rule.Tag())
	}
	if u.Origin.User != "" {
		c.Tags = append(slices.Clone(c.Tags), u.Origin.tag())
	}
	if !u.Expires.IsZero() {
		c.Expires = u.Expires.Unix()
	}
	return c
}

// SignedClaims are the claims that the user's JWT has when its role signs it at
// that time, without the signature: nobody gets in with them.
func (u User) SignedClaims(role AccountKey, at time.Time) *jwt.UserClaims {
	c := u.unsigned()
	c.Issuer, c.IssuedAt = string(role), at.Unix()
	return c
}

func signUser(c *jwt.UserClaims, signer Seed) (string, error) {
	if _, err := signer.AccountKey(); err != nil {
		return "", wrap("sign user claims", err)
	}
	token, err := sign(c, signer)
	return token, wrap("sign user claims", err)
}

func (u User) validate() error {
	_, userErr := ParseUserKey(string(u.Key))
	_, accountErr := ParseAccountKey(string(u.Account))
	errs := []error{
		fault.At("/public_key", userErr),
		fault.At("/account", accountErr),
		fault.At("/name", u.validateName()),
		ValidateTags(u.Tags),
	}
	if !u.Session.IsZero() && (u.Session.Unix() <= 0 || u.Session.After(endOfTime)) {
		errs = append(errs, fault.Field("/session", "a session ends between 1970 and the year 9999"))
	}
	if !u.Expires.IsZero() && (u.Expires.Unix() <= 0 || u.Expires.After(endOfTime)) {
		errs = append(errs, fault.Field("/expires_at", "a time of expiry lies between 1970, before which it would be read as never, and the year 9999"))
	}
	return errors.Join(errs...)
}

// maxSessionName is that of an e-mail.
const maxSessionName = 254

// validateName lets who comes from a web page be called by an e-mail: no other
// user of the account can have that name.
func (u User) validateName() error {
	if u.Session.IsZero() {
		return ValidateUserName(u.Name)
	}
	if u.Name == "" {
		return fault.New(fault.Invalid, "a name is needed")
	}
	return validateText(u.Name, maxSessionName)
}

// EncodeSystemUser signs a user of the system account: a broker, or control.
// Unlike tenants' users it carries its permissions itself, and the signer is
// the system account's own key. Variables in subjects are refused: servers
// replace them in roles only.
func EncodeSystemUser(key UserKey, name string, system AccountKey, permissions Template, signer Seed) (string, error) {
	if err := validateSystemUser(key, name, system, permissions); err != nil {
		return "", wrap("encode system user claims", err)
	}
	c := jwt.NewUserClaims(string(key))
	c.Name = name
	c.UserPermissionLimits = permissions.limits()
	issuer, err := signer.AccountKey()
	if err != nil {
		return "", wrap("sign user claims", err)
	}
	if issuer != system {
		c.IssuerAccount = string(system)
	}
	if err := check(c); err != nil {
		return "", wrap("check system user claims", err)
	}
	return signUser(c, signer)
}

func validateSystemUser(key UserKey, name string, system AccountKey, permissions Template) error {
	_, userErr := ParseUserKey(string(key))
	_, accountErr := ParseAccountKey(string(system))
	return errors.Join(
		fault.At("/public_key", userErr),
		fault.At("/account", accountErr),
		fault.At("/name", ValidateName(name)),
		permissions.Validate(),
		refuseVariables("/permissions", permissions.Publish, permissions.Subscribe),
	)
}

// DecodeUser verifies a user JWT's structure and signature. One that is expired,
// or whose issuer signs for no such account, is no error: see the facts.
// Anything else is fault.Invalid.
func DecodeUser(token string) (UserFacts, error) {
	c, err := decode[*jwt.UserClaims](token, "a user's")
	if err != nil {
		return UserFacts{}, err
	}
	key, err := ParseUserKey(c.Subject)
	if err != nil {
		return UserFacts{}, wrap("read the user JWT's subject", err)
	}
	issuer, err := ParseAccountKey(c.Issuer)
	if err != nil {
		return UserFacts{}, wrap("read the user JWT's issuer", err)
	}
	account := issuer
	if c.IssuerAccount != "" {
		if account, err = ParseAccountKey(c.IssuerAccount); err != nil {
			return UserFacts{}, wrap("read the user JWT's issuer account", err)
		}
	}
	facts := UserFacts{
		User:   User{Key: key, Name: c.Name, Account: account, Tags: withoutSession(c.Tags), Expires: timeOf(c.Expires), Session: SessionEnd(c.Tags)},
		Issuer: issuer, Scoped: c.HasEmptyPermissions(), IssuedAt: timeOf(c.IssuedAt), ID: c.ID,
	}
	if !facts.Scoped {
		facts.Permissions = templateOf(c.UserPermissionLimits)
	}
	return facts, nil
}

// withoutSession are the tags but the one that [SessionEnd] reads.
func withoutSession(tags []string) []string {
	if SessionEnd(tags).IsZero() {
		return tags
	}
	var rest []string
	for _, tag := range tags {
		if !strings.HasPrefix(tag, sessionTag) {
			rest = append(rest, tag)
		}
	}
	return rest
}
