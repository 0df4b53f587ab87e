package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// DriftCheck is how brokers differ from what they should hold.
type DriftCheck struct {
	Brokers  []BrokerDrift
	Repaired int // accounts sent again
}

// BrokerDrift names, by public key, the accounts in which a broker differs.
type BrokerDrift struct {
	Broker                  string
	Applied                 int64
	Stale, Missing, Foreign []string
	Error                   string // why it could not be checked; empty when it was
}

func (b BrokerDrift) drifted() int { return len(b.Stale) + len(b.Missing) + len(b.Foreign) }

const maxDriftNamed = 1000 // accounts of each kind

func (s *Server) checkDrift(w http.ResponseWriter, r *http.Request) error {
	var in api.DriftCheckCreate
	if err := decode(r, &in); err != nil {
		return err
	}
	check, err := s.CheckDrift(r.Context(), actorOf(r), pathID[tenants.OperatorID](r, "operator"), orZero(in.Repair))
	if err != nil {
		return err
	}
	out := api.DriftCheck{Clean: true, Repaired: int64(check.Repaired)}
	for _, b := range check.Brokers {
		out.Clean = out.Clean && b.Error == "" && b.drifted() == 0
	}
	out.Brokers = mapped(check.Brokers, func(b BrokerDrift) api.BrokerDrift {
		return api.BrokerDrift{Broker: b.Broker, AppliedRevision: b.Applied, Drifted: int64(b.drifted()),
			Stale: named(b.Stale), Missing: named(b.Missing), Foreign: named(b.Foreign), Error: orNil(b.Error)}
	})
	return answer(w, http.StatusOK, out)
}

func named(accounts []string) []string {
	return append([]string{}, accounts[:min(maxDriftNamed, len(accounts))]...)
}
