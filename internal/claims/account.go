package claims

import (
	"cmp"
	"errors"
	"fmt"
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
	Tags        []string              // without those that name the pages
}

// Limits bound an account. In each, -1 is [Unlimited] and 0 is none, so the
// zero Limits allow nothing. The JSON is how they are stored.
type Limits struct {
	Connections   int64           `json:"connections"`   // of clients, at one time, across the operator's brokers
	LeafNodes     int64           `json:"leaf_nodes"`    // connections of leaf nodes, likewise
	Subscriptions int64           `json:"subscriptions"` // per connection
	PayloadBytes  int64           `json:"payload_bytes"` // per message, headers included
	DataBytes     int64           `json:"data_bytes"`    // carried in the JWT; no server enforces it
	Exports       int64           `json:"exports"`
	Imports       int64           `json:"imports"`
	JetStream     JetStreamLimits `json:"jetstream"`
}

// JetStreamLimits bound an account's JetStream. With both storages 0 JetStream
// is off. Otherwise streams and consumers must not be 0, which a server would
// read as unlimited.
type JetStreamLimits struct {
	MemoryBytes int64 `json:"memory_bytes"`
	DiskBytes   int64 `json:"disk_bytes"`
	Streams     int64 `json:"streams"`
	Consumers   int64 `json:"consumers"` // per stream
}

// AccountFacts is what a decoded account JWT says, and about itself.
type AccountFacts struct {
	Account
	Issuer      OperatorKey  // the signature is its; whether it is trusted, the caller knows
	SigningKeys []AccountKey // unscoped ones, sorted; roles are in Account.Roles
	IssuedAt    time.Time
	Expires     time.Time // zero: never. May have passed: that is no error here
	ID          string    // jti
	Tombstone   bool      // made by EncodeTombstone: the account is deleted
}

// UnlimitedLimits let an account do everything, JetStream included.
func UnlimitedLimits() Limits {
	return Limits{
		Connections: Unlimited, LeafNodes: Unlimited, Subscriptions: Unlimited,
		PayloadBytes: Unlimited, DataBytes: Unlimited, Exports: Unlimited, Imports: Unlimited,
		JetStream: JetStreamLimits{MemoryBytes: Unlimited, DiskBytes: Unlimited, Streams: Unlimited, Consumers: Unlimited},
	}
}

// Validate reports every limit out of range as a fault.Invalid with a pointer
// relative to the limits, spelled as in the API: /connections, /jetstream/disk_bytes.
func (l Limits) Validate() error {
	return errors.Join(
		validateLimit("/connections", l.Connections),
		validateLimit("/leaf_nodes", l.LeafNodes),
		validateLimit("/subscriptions", l.Subscriptions),
		validateLimit("/payload_bytes", l.PayloadBytes),
		validateLimit("/data_bytes", l.DataBytes),
		validateLimit("/exports", l.Exports),
		validateLimit("/imports", l.Imports),
		l.JetStream.validate("/jetstream"),
	)
}

func (l JetStreamLimits) validate(pointer string) error {
	err := errors.Join(
		validateLimit(pointer+"/memory_bytes", l.MemoryBytes),
		validateLimit(pointer+"/disk_bytes", l.DiskBytes),
		validateLimit(pointer+"/streams", l.Streams),
		validateLimit(pointer+"/consumers", l.Consumers),
	)
	if err != nil || l.MemoryBytes == 0 && l.DiskBytes == 0 {
		return err
	}
	var errs []error
	if l.Streams == 0 {
		errs = append(errs, fault.Field(pointer+"/streams", "0 would be unlimited to a server; to allow no streams, set both storage limits to 0"))
	}
	if l.Consumers == 0 {
		errs = append(errs, fault.Field(pointer+"/consumers", "0 would be unlimited to a server; give at least 1, or -1 for unlimited"))
	}
	return errors.Join(errs...)
}

func validateLimit(pointer string, n int64) error {
	if n < Unlimited {
		return fault.Field(pointer, "a limit is -1 for unlimited, 0 for none, or a positive number")
	}
	return nil
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
	c.Tags = slices.Concat(a.Tags, tagsOf(a.Pages))
	for _, r := range a.Roles {
		c.SigningKeys.AddScopedSigner(r.scope())
	}
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
		validateTags(a.Tags),
		validateRevoked(a.Revoked),
		validatePages(a.Pages),
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

func validateTags(tags []string) error {
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

func validatePages(pages []PageHash) error {
	for i, hash := range pages {
		if _, err := ParsePageHash(string(hash)); err != nil {
			return fault.At(fmt.Sprintf("/pages/%d", i), err)
		}
		if slices.Contains(pages[:i], hash) {
			return fault.Field(fmt.Sprintf("/pages/%d", i), "this page is listed twice")
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

func (l Limits) operatorLimits() jwt.OperatorLimits {
	return jwt.OperatorLimits{
		NatsLimits: jwt.NatsLimits{Subs: l.Subscriptions, Data: l.DataBytes, Payload: l.PayloadBytes},
		AccountLimits: jwt.AccountLimits{
			Imports: l.Imports, Exports: l.Exports, WildcardExports: l.Exports != 0,
			Conn: l.Connections, LeafNodeConn: l.LeafNodes,
		},
		JetStreamLimits: jwt.JetStreamLimits{
			MemoryStorage: l.JetStream.MemoryBytes, DiskStorage: l.JetStream.DiskBytes,
			Streams: l.JetStream.Streams, Consumer: l.JetStream.Consumers,
		},
	}
}

func limitsOf(l jwt.OperatorLimits) Limits {
	return Limits{
		Connections: l.Conn, LeafNodes: l.LeafNodeConn, Subscriptions: l.Subs,
		PayloadBytes: l.Payload, DataBytes: l.Data, Exports: l.Exports, Imports: l.Imports,
		JetStream: JetStreamLimits{
			MemoryBytes: l.MemoryStorage, DiskBytes: l.DiskStorage,
			Streams: l.Streams, Consumers: l.Consumer,
		},
	}
}

// EncodeSystemAccount signs the account that control and brokers talk in, with
// the exports that NATS tools expect of one. Its own key is listed among its
// signing keys: under an operator with strict signing keys a server would else
// refuse the users that [EncodeSystemUser] signs with it.
func EncodeSystemAccount(key AccountKey, name string, signer Seed) (string, error) {
	_, keyErr := ParseAccountKey(string(key))
	if err := errors.Join(fault.At("/public_key", keyErr), fault.At("/name", ValidateName(name))); err != nil {
		return "", wrap("encode system account claims", err)
	}
	const docs = "https://docs.nats.io/nats-server/configuration/sys_accounts"
	c := jwt.NewAccountClaims(string(key))
	c.Name = name
	c.SigningKeys.Add(string(key))
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

// EncodeTombstone signs a deleted account's last JWT. It has no roles, all its
// limits are 0, and every user is revoked, whenever issued: a server it is
// pushed to drops the account's clients at once, and one that finds it in its
// store lets none in. It carries no expiry: servers refuse an update that has
// expired and keep the account as it was, clients and all.
func EncodeTombstone(key AccountKey, name string, signer Seed) (string, error) {
	return EncodeAccount(Account{Key: key, Name: name, Revoked: map[UserKey]time.Time{AllUsers: endOfTime}}, signer)
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
	facts := AccountFacts{
		Account: Account{
			Key: key, Name: c.Name, Description: c.Description,
			Limits: limitsOf(c.Limits), Revoked: revokedOf(c.Revocations), Pages: pages, Tags: tags,
		},
		Issuer: issuer, IssuedAt: timeOf(c.IssuedAt), Expires: timeOf(c.Expires), ID: c.ID,
	}
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
