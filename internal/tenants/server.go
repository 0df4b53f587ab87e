package tenants

import (
	"errors"
	"slices"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/feed"
)

// Server is an unmodified nats-server, or a cluster of them, attached to an
// operator: control pushes changes there and reads back what came of them.
type Server struct {
	ID         ServerID
	OperatorID OperatorID
	ServerSpec
	Ledger    []LedgerEntry
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ServerSpec is what staff says about a server.
type ServerSpec struct {
	Name string   // unique under the operator
	URLs []string // where control reaches its system account: of one server, or of some of one cluster
}

// LedgerEntry is one nats-server that was found at a Server's URLs.
type LedgerEntry struct {
	Name     string         `json:"name"`
	ID       string         `json:"id"` // another one each time it starts
	Version  string         `json:"version"`
	Away     bool           `json:"away"`
	Applied  feed.Revision  `json:"applied"` // it has confirmed everything up to here, except what it refuses
	Refusals []feed.Refusal `json:"refusals"`
}

// ServerReport is how far a server has come: all of its nats-servers.
type ServerReport struct {
	Ledger   []LedgerEntry
	Applied  feed.Revision // the least of theirs
	Refusals []feed.Refusal
	Heard    bool // one of them is there
}

const maxServerURLs = 16

func (s ServerSpec) validate() error {
	errs := []error{fault.At("/name", claims.ValidateName(s.Name))}
	if len(s.URLs) == 0 {
		errs = append(errs, fault.Field("/urls", "at least one URL is needed"))
	}
	if len(s.URLs) > maxServerURLs {
		return errors.Join(append(errs, fault.Field("/urls", "%d URLs at most", maxServerURLs))...)
	}
	return errors.Join(append(errs, validateURLs("/urls", s.URLs, "", "nats", "tls", "ws", "wss"))...)
}

func (s ServerSpec) equal(other ServerSpec) bool {
	return s.Name == other.Name && slices.Equal(s.URLs, other.URLs)
}
