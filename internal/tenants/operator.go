package tenants

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
)

// Operator is a NATS root of trust. Its own key signs only the operator JWT;
// its signing key signs accounts; its system account is where control and
// brokers talk.
type Operator struct {
	ID OperatorID
	OperatorSpec
	PublicKey        claims.OperatorKey
	SigningPublicKey claims.OperatorKey
	JWT              string
	SystemPublicKey  claims.AccountKey
	SystemJWT        string
	IsDefault        bool // new accounts go here unless they name another
	Revision         feed.Revision
	Version          int64
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// removedBrokers are those that were in the operator's system account and are not to come back.
func (o Operator) removedBrokers() ([]claims.UserKey, error) {
	system, err := claims.DecodeAccount(o.SystemJWT)
	if err != nil {
		return nil, fmt.Errorf("read the system account: %w", err)
	}
	return slices.Collect(maps.Keys(system.Revoked)), nil
}

// OperatorSpec is what staff chooses about an operator.
type OperatorSpec struct {
	Name         string // unique
	Description  string // at most 512 characters
	Tags         []string
	FirstAccount bool // who signs up gets an account under it while it is the default
}

func (s OperatorSpec) validate() error {
	return errors.Join(
		fault.At("/name", claims.ValidateName(s.Name)),
		fault.At("/description", claims.ValidateDescription(s.Description)),
		claims.ValidateTags(s.Tags),
	)
}

func (s OperatorSpec) equal(other OperatorSpec) bool {
	return s.Name == other.Name && s.Description == other.Description && s.FirstAccount == other.FirstAccount && slices.Equal(s.Tags, other.Tags)
}

// SigningKey is one of an operator's, which signs its accounts, has done so, or will.
type SigningKey struct {
	PublicKey claims.OperatorKey
	Status    SigningKeyStatus
	CreatedAt time.Time
	RetiredAt *time.Time
}

// SigningKeyStatus is where in its life a signing key is.
type SigningKeyStatus string

// The lives of signing keys: one is active, and at most one is next.
const (
	KeyNext    SigningKeyStatus = "next"    // brokers learn to trust it
	KeyActive  SigningKeyStatus = "active"  // signs
	KeyLeaving SigningKeyStatus = "leaving" // trusted until nothing is signed with it any more
	KeyRetired SigningKeyStatus = "retired" // its seed is forgotten
)

// Broker is a node enrolled under an operator. Where it is told who has heard of
// a change, it may also stand for an attached [Server]: its id is that one's then,
// and its public key the id again.
type Broker struct {
	ID         BrokerID
	OperatorID OperatorID
	Kind       RecipientKind
	PublicKey  claims.UserKey
	BrokerSpec
	OperatorJWTID string            // of the operator JWT that it confirmed to go by; empty: none yet
	System        claims.AccountKey // the system account that its server is in; empty: the operator's
	Applied       feed.Revision
	HeardAt       *time.Time // when it last reported; nil: never
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// RecipientKind tells who must hear of changes.
type RecipientKind string

const (
	BrokerRecipient RecipientKind = "broker"
	ServerRecipient RecipientKind = "server"
)

// BrokerSpec is what a broker says of itself.
type BrokerSpec struct {
	Name string // unique under the operator
	BrokerPlace
}

// BrokerPlace is where a broker can be reached.
type BrokerPlace struct {
	Cluster    string // the NATS cluster it is in; empty: it stands alone
	ControlURL string // where control reaches its system account
	Endpoints  Endpoints
}

// GoesBy is what a broker says it goes by. The zero value says nothing, as
// brokers of earlier versions do.
type GoesBy struct {
	OperatorJWTID string
	System        claims.AccountKey // that its server has been in since it started
}

// SystemAccount is one of an operator's: its present one, or one that some
// brokers are in until they restart.
type SystemAccount struct {
	Key claims.AccountKey
	JWT string
}

// Enrollment lets brokers enrol under an operator, a number of times until it expires.
type Enrollment struct {
	ID         EnrollmentID
	OperatorID OperatorID
	Uses       int64
	ExpiresAt  time.Time
	CreatedAt  time.Time
}

// Seat is what an enrolled broker needs to take part.
type Seat struct {
	Broker    Broker
	Token     string // authenticates its later announcements; shown this once
	Operator  Operator
	System    SystemAccount
	BrokerJWT string // a user of the system account, for the broker's key
}

// Change is a committed change that brokers must hear of: each should apply at
// least the revision.
type Change struct {
	OperatorID OperatorID
	AccountKey claims.AccountKey
	Revision   feed.Revision
}

// Delivery tells whether an account's last change is in force, and where not yet.
type Delivery struct {
	Revision feed.Revision // every broker should have applied at least this
	Brokers  []BrokerDelivery
}

// InForce reports whether every broker and attached server has it. With none
// nothing is in force.
func (d Delivery) InForce() bool {
	for _, b := range d.Brokers {
		if !b.InForce {
			return false
		}
	}
	return len(d.Brokers) > 0
}

// OperatorDelivery tells how far each of an operator's brokers has come.
type OperatorDelivery struct {
	Revision feed.Revision // the operator's latest
	Brokers  []BrokerReceipt
}

// BrokerReceipt is a broker, or an attached server, with what it last reported.
type BrokerReceipt struct {
	Broker
	Refusals []feed.Refusal
}

// InForce reports whether every broker and attached server has applied the
// latest revision and refuses nothing. With none nothing is in force.
func (d OperatorDelivery) InForce() bool {
	for _, b := range d.Brokers {
		if b.Applied < d.Revision || len(b.Refusals) > 0 {
			return false
		}
	}
	return len(d.Brokers) > 0
}

// BrokerDelivery is one broker's part, or an attached server's, of a Delivery.
type BrokerDelivery struct {
	ID      BrokerID
	Kind    RecipientKind
	Broker  string
	Applied feed.Revision
	InForce bool
	HeardAt *time.Time // nil: never
	Refusal string     // why the broker refused this account's claims; empty when it did not
	Closed  *int64     // connections that the broker closed for it; nil: it did not say, or no longer does
}

// OperatorBrokers is an operator with the brokers enrolled under it.
type OperatorBrokers struct {
	Operator Operator
	Brokers  []Broker
}

// Bounds of what a broker says of itself.
const (
	maxURLLength = 512
	maxURLs      = 32 // per protocol
)

func (s BrokerSpec) validate() error {
	return errors.Join(fault.At("/name", claims.ValidateName(s.Name)), s.BrokerPlace.validate())
}

func (p BrokerPlace) validate() error {
	errs := []error{validateURL("/control_url", p.ControlURL, "nats", "tls")}
	if p.Cluster != "" {
		errs = append(errs, fault.At("/cluster", claims.ValidateName(p.Cluster)))
	}
	return errors.Join(append(errs, p.Endpoints.validate())...)
}

func validateURLs(pointer string, urls []string, path string, schemes ...string) error {
	if len(urls) > maxURLs {
		return fault.Field(pointer, "%d URLs at most", maxURLs)
	}
	var errs []error
	for i, u := range urls {
		errs = append(errs, validateURLBelow(fmt.Sprintf("%s/%d", pointer, i), u, path, schemes...))
	}
	return errors.Join(errs...)
}

// validateURL wants scheme://host or scheme://host:port. It does not repeat
// what it refuses: there may be a password in it.
func validateURL(pointer, text string, schemes ...string) error {
	return validateURLBelow(pointer, text, "", schemes...)
}

// validateURLBelow wants the path after that.
func validateURLBelow(pointer, text, path string, schemes ...string) error {
	if len(text) > maxURLLength {
		return fault.Field(pointer, "a URL has %d characters at most", maxURLLength)
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme) || !validPort(u) {
		return fault.Field(pointer, "a URL like %s://host:port%s is needed; its scheme may be %s", schemes[0], path, strings.Join(schemes, ", "))
	}
	if u.User != nil {
		return fault.Field(pointer, "this URL holds a user or a password; everybody may read it, so leave them out")
	}
	if strings.Trim(u.Path, "/") != strings.Trim(path, "/") || u.RawQuery != "" || u.Fragment != "" {
		return fault.Field(pointer, "this URL must end after host and port%s", map[bool]string{true: ", with " + path}[path != ""])
	}
	return nil
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

// brokerTemplate is what the broker with that key may do in the system account:
// hear pushes, heads and drift checks, ask control and its peers for what it missed, and answer
// what it was sent.
func brokerTemplate(broker claims.UserKey) claims.Template {
	t := claims.OpenTemplate()
	t.Subscribe.Allow = []string{"$SYS.REQ.CLAIMS.UPDATE", "signalbox.head", "signalbox.peers", "signalbox.peers." + string(broker), "signalbox.peers.revocations.*", "signalbox.digest." + string(broker), "signalbox.foresee", "signalbox.recall", "signalbox.here", "signalbox.usage", "_INBOX." + string(broker) + ".>"}
	t.Publish.Allow = []string{"signalbox.catchup", "signalbox.catchup.*", "signalbox.applied", "signalbox.refused", "signalbox.seen", "signalbox.disk", "signalbox.lease", "signalbox.here", "signalbox.peers", "signalbox.peers.*", "$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP", "signalbox.revocations.*", "signalbox.peers.revocations.*"}
	t.Responses = &claims.ResponsePermission{MaxMessages: 1, Expires: 2 * time.Minute}
	return t
}
