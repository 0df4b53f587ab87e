package httpapi

import (
	"cmp"
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// Link is the state of the connection to a broker's cluster.
type Link struct {
	Connected bool
	LastError string // empty when nothing went wrong since it was made
}

func (s *Server) getOperatorDelivery(w http.ResponseWriter, r *http.Request) error {
	operator := pathID[tenants.OperatorID](r, "operator")
	d, err := s.Tenants.OperatorDelivery(r.Context(), actorOf(r), operator)
	if err != nil {
		return err
	}
	links := s.Links(operator)
	return answer(w, http.StatusOK, api.OperatorDelivery{Revision: int64(d.Revision), InForce: d.InForce(),
		Brokers: mapped(d.Brokers, func(b tenants.BrokerReceipt) api.BrokerReceipt {
			link := links[cmp.Or(b.Cluster, string(b.ID))]
			return api.BrokerReceipt{BrokerId: string(b.ID), Broker: b.Name, Cluster: b.Cluster,
				AppliedRevision: int64(b.Applied), Lag: int64(max(0, d.Revision-b.Applied)), HeardAt: utc(b.HeardAt),
				Connected: link.Connected, LastError: orNil(link.LastError),
				Refusals: mapped(b.Refusals, refusalOf)}
		})})
}

func refusalOf(r feed.Refusal) api.DeliveryRefusal {
	return api.DeliveryRefusal{AccountPublicKey: r.AccountKey, Revision: int64(r.Revision), Reason: r.Reason}
}
