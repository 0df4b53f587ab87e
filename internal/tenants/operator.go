package tenants

import (
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/feed"
)

// Operator is a NATS root of trust. Its own key signs only the operator JWT;
// its signing key signs accounts; its system account is where control and
// brokers talk.
type Operator struct {
	ID               OperatorID
	Name             string
	PublicKey        claims.OperatorKey
	SigningPublicKey claims.OperatorKey
	JWT              string
	SystemPublicKey  claims.AccountKey
	SystemJWT        string
	IsDefault        bool // new accounts go here unless they name another
	Revision         feed.Revision
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// Broker is a node enrolled under an operator.
type Broker struct {
	ID         BrokerID
	OperatorID OperatorID
	PublicKey  claims.UserKey
	BrokerSpec
	Applied   feed.Revision
	HeardAt   *time.Time // when it last reported; nil: never
	CreatedAt time.Time
	UpdatedAt time.Time
}

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

// Endpoints are URLs for tenants' clients, by protocol.
type Endpoints struct {
	NATS      []string `json:"nats"`
	WebSocket []string `json:"websocket"`
	MQTT      []string `json:"mqtt"`
	LeafNode  []string `json:"leafnode"`
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
	BrokerJWT string // a user of the system account, for the broker's key
}

// Delivery tells whether an account's last change is in force, and where not yet.
type Delivery struct {
	Revision feed.Revision // every broker should have applied at least this
	Brokers  []BrokerDelivery
}

// InForce reports whether every broker has it. With no broker nothing is in force.
func (d Delivery) InForce() bool {
	for _, b := range d.Brokers {
		if !b.InForce {
			return false
		}
	}
	return len(d.Brokers) > 0
}

// BrokerDelivery is one broker's part of a Delivery.
type BrokerDelivery struct {
	Broker  string
	Applied feed.Revision
	InForce bool
	HeardAt *time.Time // nil: never
	Refusal string     // why the broker refused this account's claims; empty when it did not
}

// OperatorBrokers is an operator with the brokers enrolled under it.
type OperatorBrokers struct {
	Operator Operator
	Brokers  []Broker
}
