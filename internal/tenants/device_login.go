package tenants

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// DeviceLogin is a credential of another kind, for clients that cannot do JWT:
// what brokers know of it is in a page, and what the client shows leads them to
// it. Its public key is the client's own for an nkey; otherwise nobody has the
// seed, and the key is what revocations, connections and refusals name it by. It
// is not among its user's credentials.
type DeviceLogin struct {
	Credential
	Kind          DeviceLoginKind
	LoginUsername string            // what the client sends as that; empty for a token, where it does not matter
	MatchKind     CertificateField  // of a certificate; empty: it is none
	MatchValue    string            // likewise
	AccountKey    claims.AccountKey // whose it is
}

// CertificateField is the part of a certificate that is compared.
type CertificateField = claims.CertificateField

// DeviceLoginKind is what a client shows.
type DeviceLoginKind string

// The kinds there are.
const (
	PasswordLogin    DeviceLoginKind = "password"
	TokenLogin       DeviceLoginKind = "token"
	NkeyLogin        DeviceLoginKind = "nkey"
	CertificateLogin DeviceLoginKind = "certificate"
)

// DeviceLoginFilter narrows a list of device logins. The zero one lists all.
type DeviceLoginFilter struct {
	CredentialFilter
	Kind DeviceLoginKind
}

// MaxDeviceLogins is how many an account may have that are neither revoked nor expired.
const MaxDeviceLogins = 10_000

// DeviceLoginSpec is what people choose about a device login. Lifetimes are as in
// a [CredentialSpec].
type DeviceLoginSpec struct {
	Kind        DeviceLoginKind
	Description string                  // at most 64 characters; what it is for
	Username    string                  // of a password; empty: the user's name
	PublicKey   claims.UserKey          // of an nkey, whose seed the caller keeps
	Match       claims.CertificateMatch // of a certificate
	ExpiresAt   *time.Time
	ExpiresIn   *time.Duration
}

// CreatedDeviceLogin is a device login with what is shown only once.
type CreatedDeviceLogin struct {
	DeviceLogin
	Secret    claims.LoginSecret // of a password or a token
	Suspended bool               // the account is, so it works only when that has been resumed
	Untrusted bool               // it is a certificate's, and the account trusts no authority yet
	Unasked   bool               // it is a certificate's, and works only where brokers do not ask for one by themselves
}

// username is what the client sends, when nobody said what.
func (s DeviceLoginSpec) username(user string) string { return cmp.Or(s.Username, user) }

// normal is the spec in the spelling that is kept, if it says what its kind needs
// and nothing else.
func (s DeviceLoginSpec) normal() (DeviceLoginSpec, error) {
	var errs []error
	if s.Description != "" {
		errs = append(errs, fault.At("/description", claims.ValidateName(s.Description)))
	}
	if !slices.Contains([]DeviceLoginKind{PasswordLogin, TokenLogin, NkeyLogin, CertificateLogin}, s.Kind) {
		errs = append(errs, fault.Field("/kind", "one of password, token, nkey and certificate"))
	}
	switch {
	case s.Username != "" && s.Kind != PasswordLogin:
		errs = append(errs, fault.Field("/username", "only a password goes with a user name of its own"))
	case s.Username != "":
		errs = append(errs, fault.At("/username", claims.ValidateLoginName(s.Username)))
	}
	switch {
	case s.PublicKey != "" && s.Kind != NkeyLogin:
		errs = append(errs, fault.Field("/public_key", "only an nkey login has a key of the client's"))
	case s.PublicKey != "":
		_, err := claims.ParseUserKey(string(s.PublicKey))
		errs = append(errs, fault.At("/public_key", err))
	case s.Kind == NkeyLogin:
		errs = append(errs, fault.Field("/public_key", "say whose key it is that logs in: a user nkey, U…, of which the client has the seed"))
	}
	switch {
	case s.Match != (claims.CertificateMatch{}) && s.Kind != CertificateLogin:
		errs = append(errs, fault.Field("/match", "only a certificate is matched"))
	case s.Match != (claims.CertificateMatch{}):
		match, err := s.Match.Normal()
		for _, e := range fault.All(err) {
			errs = append(errs, fault.Field("/match"+e.Pointer, "%s", e.Message))
		}
		s.Match = match
	case s.Kind == CertificateLogin:
		errs = append(errs, fault.Field("/match", "say which certificate it is: its subject, one of its names, or its fingerprint"))
	}
	return s, errors.Join(errs...)
}

// loginRecord is a device login as its page has it, and what decides where it lies.
type loginRecord struct {
	claims.DeviceLogin
	paged
	RevokedAt *time.Time
}

// matters is false when brokers need not know it any more: it was revoked, or had expired, by then.
func (r loginRecord) matters(since time.Time) bool {
	return (r.RevokedAt == nil || r.RevokedAt.After(since)) && (r.Expires == nil || r.Expires.After(since))
}
