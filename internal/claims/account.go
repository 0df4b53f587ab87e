package claims

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/signalbox-io/signalbox/internal/fault"
)

// Account is what an account JWT says. Users are not in it: whoever holds a JWT
// signed with one of its roles, and not revoked, is one.
type Account struct {
	Key         AccountKey
	Name        string
	Description string
	Limits      Limits
	Roles       []Role                // order does not matter; decoding sorts them by key
	Revoked     map[UserKey]time.Time // JWTs issued in that second or before are refused; AllUsers stands for every key
	Pages       []PageHash            // of further revocations, which count like those in Revoked
	Logins      []PageHash            // pages of device logins
	Trust       PageHash              // page of the authorities and issuers that the account trusts; empty: none
	Tags        []string              // people's, without Signalbox's own

	DefaultPermissions Permissions // of users who have none: not in a role, or in one that says nothing about subjects
	Mappings           []Mapping   // decoding sorts them by subject
	Trace              *Trace      // nil: messages are traced only where their sender asks for it
	ClusterTraffic     ClusterTraffic

	ConnectionTypes []ConnectionType         // empty: all
	TypeConnections map[ConnectionType]int64 // the most at one time; absent: as many as the account may have
	RoleConnections map[AccountKey]int64     // the most that each user in the role may have at one time; absent: as many as the account
	Overrides       []UserOverride           // sorted by name
	ConsoleRoles    []AccountKey             // what they sign may name the end of a session, see User; sorted

	Callout     *Callout     // nil: brokers judge every login by themselves
	SigningKeys []AccountKey // unscoped ones, sorted: what they sign has permissions of its own; roles are in Roles
}

// Trace has a share of the messages that carry a traceparent header traced.
type Trace struct {
	Destination string `json:"destination"` // the subject that hears where a message went
	Sampling    int    `json:"sampling"`    // in percent, 1 to 100
}

// ClusterTraffic says in which account the replicas of the account's streams
// talk to each other. The zero value is the system account.
type ClusterTraffic string

// Where replicas talk.
const (
	SystemTraffic ClusterTraffic = jwt.ClusterTrafficSystem
	OwnerTraffic  ClusterTraffic = jwt.ClusterTrafficOwner // in the account itself
)

// AccountFacts is what a decoded account JWT says, and about itself.
type AccountFacts struct {
	Account
	Issuer    OperatorKey // the signature is its; whether it is trusted, the caller knows
	IssuedAt  time.Time
	Expires   time.Time // zero: never. May have passed: that is no error here
	ID        string    // jti
	Tombstone bool      // made by EncodeTombstone: the account is deleted
	Suspended bool      // made by EncodeSuspended. Limits.Connections and LeafNodes are 0 then, and Revoked has AllUsers
}

// EncodeAccount signs an account with an operator's signing key. A rule broken
// by the account is a fault.Invalid with a pointer into it: /limits/connections,
// /roles/0/permissions/publish/allow/1. Claims over [MaxTokenBytes] are fault.OverLimit.
func EncodeAccount(a Account, signer Seed) (string, error) {
	if err := a.validate(); err != nil {
		return "", wrap("encode account claims", err)
	}
	c := jwt.NewAccountClaims(string(a.Key))
	c.Name, c.Description = a.Name, a.Description
	c.Limits = a.Limits.operatorLimits()
	said, err := a.Extension().tags()
	if err != nil {
		return "", err
	}
	c.Tags = slices.Concat(a.Tags, said, pageTags(a.PageNames()))
	c.DefaultPermissions = a.DefaultPermissions.permissions()
	c.Mappings = mappingClaims(a.Mappings)
	c.ClusterTraffic = jwt.ClusterTraffic(a.ClusterTraffic)
	if a.Trace != nil {
		c.Trace = &jwt.MsgTrace{Destination: jwt.Subject(a.Trace.Destination), Sampling: a.Trace.Sampling}
	}
	for _, r := range a.Roles {
		c.SigningKeys.AddScopedSigner(r.scope())
	}
	for _, key := range a.SigningKeys {
		c.SigningKeys.Add(string(key))
	}
	c.Authorization = a.Callout.authorization()
	for key, at := range a.Revoked {
		c.RevokeAt(string(key), at)
	}
	return signAccount(c, signer)
}

func signAccount(c *jwt.AccountClaims, signer Seed) (string, error) {
	if _, err := signer.OperatorKey(); err != nil {
		return "", wrap("sign account claims", err)
	}
	if err := check(c); err != nil {
		return "", wrap("check account claims", err)
	}
	token, err := sign(c, signer)
	return token, wrap("sign account claims", err)
}

func (a Account) validate() error {
	_, err := ParseAccountKey(string(a.Key))
	errs := []error{
		fault.At("/public_key", err),
		fault.At("/name", ValidateName(a.Name)),
		fault.At("/description", ValidateDescription(a.Description)),
		below("/limits", a.Limits.Validate()),
		ValidateTags(a.Tags),
		a.DefaultPermissions.ValidateDefault(),
		ValidateMappings(a.Mappings),
		a.Trace.Validate(),
		a.ClusterTraffic.Validate(),
		a.Extension().validate(),
		validateRevoked(a.Revoked),
		a.validatePages(),
		a.Callout.validate(),
		a.validateSigningKeys(),
	}
	seen := map[AccountKey]bool{}
	for i, r := range a.Roles {
		pointer := fmt.Sprintf("/roles/%d", i)
		errs = append(errs, below(pointer, r.validate()))
		if _, err := ParseAccountKey(string(r.Key)); err != nil {
			errs = append(errs, fault.At(pointer+"/public_key", err))
		}
		if seen[r.Key] {
			errs = append(errs, fault.Field(pointer+"/public_key", "two roles have this key"))
		}
		seen[r.Key] = true
	}
	return errors.Join(errs...)
}

// Validate reports a bad trace at /trace/….
func (t *Trace) Validate() error {
	if t == nil {
		return nil
	}
	var errs []error
	if err := ValidateSubject(t.Destination); err != nil {
		errs = append(errs, fault.At("/trace/destination", err))
	} else if hasWildcards(t.Destination) {
		errs = append(errs, fault.Field("/trace/destination", "messages are published to this subject, so it must not have wildcards"))
	}
	if t.Sampling < 1 || t.Sampling > 100 {
		errs = append(errs, fault.Field("/trace/sampling", "a share in percent, from 1 to 100; to trace nothing, leave trace out"))
	}
	return errors.Join(errs...)
}

// Validate reports what is none at /cluster_traffic.
func (t ClusterTraffic) Validate() error {
	if t == "" || t == SystemTraffic || t == OwnerTraffic {
		return nil
	}
	return fault.Field("/cluster_traffic", "must be system or owner")
}

// ValidateTags reports bad tags, and ones listed twice, at /tags/….
func ValidateTags(tags []string) error {
	if len(tags) > MaxTags {
		return fault.Field("/tags", "%d tags at most", MaxTags)
	}
	var errs []error
	for i, tag := range tags {
		pointer := fmt.Sprintf("/tags/%d", i)
		if err := ValidateTag(tag); err != nil {
			errs = append(errs, fault.At(pointer, err))
		}
		if slices.Contains(tags[:i], tag) {
			errs = append(errs, fault.Field(pointer, "this tag is listed twice"))
		}
	}
	return errors.Join(errs...)
}

func validateRevoked(revoked map[UserKey]time.Time) error {
	for key, at := range revoked {
		if _, err := ParseUserKey(string(key)); err != nil && key != AllUsers {
			return fault.At("/revoked", err)
		}
		if at.Unix() <= 0 || at.After(endOfTime) {
			return fault.Field("/revoked", "a revocation needs the time up to which it reaches, from 1970 to the year 9999")
		}
	}
	return nil
}

// below puts a pointer in front of the relative ones of every fault in err.
func below(pointer string, err error) error {
	var errs []error
	for _, e := range fault.All(err) {
		at := *e
		at.Pointer = pointer + e.Pointer
		errs = append(errs, &at)
	}
	return errors.Join(errs...)
}

// EncodeSystemAccount signs the account that control and brokers talk in, with
// the exports that NATS tools expect of one. Its own key is listed among its
// signing keys: under an operator with strict signing keys a server would else
// refuse the users that [EncodeSystemUser] signs with it. Those who are gone may
// not come in again, whenever their JWTs were signed.
func EncodeSystemAccount(key AccountKey, name string, signer Seed, gone ...UserKey) (string, error) {
	_, keyErr := ParseAccountKey(string(key))
	if err := errors.Join(fault.At("/public_key", keyErr), fault.At("/name", ValidateName(name))); err != nil {
		return "", wrap("encode system account claims", err)
	}
	const docs = "https://docs.nats.io/nats-server/configuration/sys_accounts"
	c := jwt.NewAccountClaims(string(key))
	c.Name = name
	c.SigningKeys.Add(string(key))
	for _, user := range gone {
		c.RevokeAt(string(user), endOfTime)
	}
	c.Exports.Add(&jwt.Export{
		Name:                 "account-monitoring-streams",
		Subject:              "$SYS.ACCOUNT.*.>",
		Type:                 jwt.Stream,
		AccountTokenPosition: 3,
		Info:                 jwt.Info{Description: "Account specific monitoring stream", InfoURL: docs},
	}, &jwt.Export{
		Name:                 "account-monitoring-services",
		Subject:              "$SYS.REQ.ACCOUNT.*.*",
		Type:                 jwt.Service,
		ResponseType:         jwt.ResponseTypeStream,
		AccountTokenPosition: 4,
		Info:                 jwt.Info{Description: "Request account specific monitoring services for: SUBSZ, CONNZ, LEAFZ, JSZ and INFO", InfoURL: docs},
	})
	return signAccount(c, signer)
}

// endOfTime is the last second that RFC 3339 can write, and when a tombstone's
// revocation of everybody ends.
var endOfTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// suspendedUntil is when a suspension's revocation of everybody ends, unless the
// account is resumed before: what tells it from a tombstone.
var suspendedUntil = endOfTime.Add(-time.Second)

// EncodeSuspended signs the account so that nobody gets in and who is connected
// goes at once, as with a tombstone. All else stays, JetStream's limits above
// all: a server drops the streams of an account that may have none.
func EncodeSuspended(a Account, signer Seed) (string, error) {
	a.Limits.Connections, a.Limits.LeafNodes = 0, 0
	revoked := make(map[UserKey]time.Time, len(a.Revoked)+1)
	maps.Copy(revoked, a.Revoked)
	revoked[AllUsers] = suspendedUntil
	a.Revoked = revoked
	return EncodeAccount(a, signer)
}

// EncodeTombstone signs a deleted account's last JWT. It has no roles, all its
// limits are 0, and every user is revoked, whenever issued: a server it is
// pushed to drops the account's clients at once, and one that finds it in its
// store lets none in. It carries no expiry: servers refuse an update that has
// expired and keep the account as it was, clients and all.
func EncodeTombstone(key AccountKey, name string, signer Seed) (string, error) {
	return EncodeAccount(Account{Key: key, Name: name, Revoked: map[UserKey]time.Time{AllUsers: endOfTime}}, signer)
}

// IsTombstone reports whether EncodeTombstone made these claims, whoever signed
// them. Nothing but a tombstone has an account's streams erased, so it wants all
// of what a tombstone is.
func IsTombstone(c *jwt.AccountClaims) bool {
	return c.Revocations[string(AllUsers)] == endOfTime.Unix() && len(c.SigningKeys) == 0 &&
		c.Limits.Conn == 0 && c.Limits.LeafNodeConn == 0 && c.Limits.JetStreamLimits == (jwt.JetStreamLimits{}) && len(c.Limits.JetStreamTieredLimits) == 0
}

// AccountClaims verifies an account JWT's structure and signature, and returns
// what it says in the form that nats-server has.
func AccountClaims(token string) (*jwt.AccountClaims, error) {
	return decode[*jwt.AccountClaims](token, "an account's")
}

// DecodeAccount verifies an account JWT's structure and signature. One that is
// expired, or signed by an operator nobody trusts, is no error: see the facts.
// Anything else, an account that signed for itself included, is fault.Invalid.
func DecodeAccount(token string) (AccountFacts, error) {
	c, err := decode[*jwt.AccountClaims](token, "an account's")
	if err != nil {
		return AccountFacts{}, err
	}
	key, err := ParseAccountKey(c.Subject)
	if err != nil {
		return AccountFacts{}, wrap("read the account JWT's subject", err)
	}
	issuer, err := ParseOperatorKey(c.Issuer)
	if err != nil {
		return AccountFacts{}, wrap("read the account JWT's issuer", err)
	}
	tags, pages, err := SplitTags(c.Tags)
	if err != nil {
		return AccountFacts{}, err
	}
	extension, err := ReadExtension(c.Tags)
	if err != nil {
		return AccountFacts{}, err
	}
	facts := AccountFacts{
		Account: Account{
			Key: key, Name: c.Name, Description: c.Description,
			Limits: limitsOf(c.Limits), Revoked: revokedOf(c.Revocations), Tags: tags,
			DefaultPermissions: permissionsOf(c.DefaultPermissions), Mappings: mappingsOf(c.Mappings),
			ClusterTraffic:  ClusterTraffic(c.ClusterTraffic),
			ConnectionTypes: extension.ConnectionTypes, TypeConnections: extension.TypeConnections,
			RoleConnections: extension.RoleConnections, Overrides: extension.Overrides, ConsoleRoles: extension.ConsoleRoles,
			Callout: calloutOf(c.Authorization),
		},
		Issuer: issuer, IssuedAt: timeOf(c.IssuedAt), Expires: timeOf(c.Expires), ID: c.ID,
	}
	facts.setPages(pages)
	if c.Trace != nil {
		facts.Trace = &Trace{Destination: string(c.Trace.Destination), Sampling: c.Trace.Sampling}
	}
	facts.Suspended = facts.Revoked[AllUsers].Equal(suspendedUntil)
	facts.Tombstone = facts.Revoked[AllUsers].Equal(endOfTime)
	facts.addSigningKeys(c.SigningKeys)
	return facts, nil
}

func (f *AccountFacts) addSigningKeys(keys jwt.SigningKeys) {
	for key, scope := range keys {
		s, ok := scope.(*jwt.UserScope)
		if !ok {
			f.SigningKeys = append(f.SigningKeys, AccountKey(key))
			continue
		}
		f.Roles = append(f.Roles, Role{
			Key: AccountKey(key), Name: s.Role, Description: s.Description, Template: templateOf(s.Template),
		})
	}
	slices.Sort(f.SigningKeys)
	slices.SortFunc(f.Roles, func(a, b Role) int { return cmp.Compare(a.Key, b.Key) })
}

func revokedOf(list jwt.RevocationList) map[UserKey]time.Time {
	if len(list) == 0 {
		return nil
	}
	revoked := make(map[UserKey]time.Time, len(list))
	for key, at := range list {
		revoked[UserKey(key)] = timeOf(at)
	}
	return revoked
}

// timeOf is a JWT's time, in UTC; 0 is the zero time.
func timeOf(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
