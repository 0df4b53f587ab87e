package httpapi

import (
	"net/http"
	"time"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) listBrokers(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.Brokers(r.Context(), actorOf(r), pathID[tenants.OperatorID](r, "operator"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.BrokerPage{NextCursor: orNil(page.Next),
		Items: mapped(page.Items, func(b tenants.Broker) api.Broker {
			return api.Broker{Id: string(b.ID), OperatorId: string(b.OperatorID), Name: b.Name, Cluster: b.Cluster,
				ControlUrl: b.ControlURL, Endpoints: brokerEndpointsOf(b.Endpoints), AppliedRevision: int64(b.Applied),
				HeardAt: utc(b.HeardAt), CreatedAt: b.CreatedAt.UTC()}
		})})
}

func (s *Server) createEnrollment(w http.ResponseWriter, r *http.Request) error {
	uses, life := int64(1), "PT1H" // the document's defaults
	in := api.EnrollmentCreate{Uses: &uses, ExpiresIn: &life}
	if err := decode(r, &in); err != nil {
		return err
	}
	ttl, err := parseDuration("/expires_in", *in.ExpiresIn)
	if err != nil {
		return err
	}
	if ttl == 0 || ttl > 30*24*time.Hour {
		return fault.Field("/expires_in", "must be more than PT0S and at most P30D")
	}
	e, token, err := s.Tenants.CreateEnrollment(r.Context(), actorOf(r), tenants.OperatorID(orZero(in.OperatorId)), *in.Uses, ttl)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, api.EnrollmentCreated{Id: string(e.ID), OperatorId: string(e.OperatorID),
		Token: token, Uses: e.Uses, ExpiresAt: e.ExpiresAt.UTC()})
}

func (s *Server) enrollBroker(w http.ResponseWriter, r *http.Request) error {
	var in api.BrokerEnroll
	if err := decode(r, &in); err != nil {
		return err
	}
	key, err := claims.ParseUserKey(in.PublicKey)
	if err != nil {
		return fault.At("/public_key", err)
	}
	spec := tenants.BrokerSpec{Name: in.Name, BrokerPlace: placeOf(in.Cluster, in.ControlUrl, in.Endpoints)}
	seat, err := s.Tenants.EnrollBroker(r.Context(), callOf(r).caller.bearer, key, spec)
	if err != nil {
		return err
	}
	s.BrokersMoved()
	return answer(w, http.StatusCreated, api.BrokerEnrolled{
		Id:                     string(seat.Broker.ID),
		Token:                  seat.Token,
		OperatorId:             string(seat.Operator.ID),
		OperatorJwt:            seat.Operator.JWT,
		SystemAccountPublicKey: string(seat.System.Key),
		SystemAccountJwt:       seat.System.JWT,
		UserJwt:                seat.BrokerJWT,
	})
}

func (s *Server) announceBroker(w http.ResponseWriter, r *http.Request) error {
	var in api.BrokerAnnouncement
	if err := decode(r, &in); err != nil {
		return err
	}
	place := placeOf(in.Cluster, in.ControlUrl, in.Endpoints)
	by := tenants.GoesBy{OperatorJWTID: orZero(in.OperatorJwtId), System: claims.AccountKey(orZero(in.SystemAccountPublicKey))}
	seat, err := s.Tenants.AnnounceBroker(r.Context(), callOf(r).caller.bearer, pathID[tenants.BrokerID](r, "broker"), place, by)
	if err != nil {
		return err
	}
	s.BrokersMoved()
	return answer(w, http.StatusOK, api.BrokerAnnounced{UserJwt: seat.BrokerJWT, OperatorJwt: seat.Operator.JWT,
		SystemAccountPublicKey: string(seat.System.Key), SystemAccountJwt: seat.System.JWT})
}

func placeOf(cluster, controlURL string, e api.BrokerEndpoints) tenants.BrokerPlace {
	return tenants.BrokerPlace{Cluster: cluster, ControlURL: controlURL,
		Endpoints: tenants.Endpoints{NATS: e.Nats, WebSocket: e.Websocket, MQTT: e.Mqtt, LeafNode: e.Leafnode,
			MQTTWebSocket: orZero(e.MqttWebsocket), LeafNodeWebSocket: orZero(e.LeafnodeWebsocket),
			TLSFirst: orZero(e.TlsFirst), TLSFirstOnly: orZero(e.TlsFirstOnly), CA: orZero(e.CaPem)}}
}

func brokerEndpointsOf(e tenants.Endpoints) api.BrokerEndpoints {
	some := func(urls []string) *[]string {
		if len(urls) == 0 {
			return nil
		}
		return &urls
	}
	return api.BrokerEndpoints{Nats: listed(e.NATS), Websocket: listed(e.WebSocket), Mqtt: listed(e.MQTT), Leafnode: listed(e.LeafNode),
		MqttWebsocket: some(e.MQTTWebSocket), LeafnodeWebsocket: some(e.LeafNodeWebSocket),
		TlsFirst: some(e.TLSFirst), TlsFirstOnly: some(e.TLSFirstOnly), CaPem: orNil(e.CA)}
}

func (s *Server) removeBroker(w http.ResponseWriter, r *http.Request) error {
	if err := s.Tenants.RemoveBroker(r.Context(), actorOf(r), pathID[tenants.BrokerID](r, "broker")); err != nil {
		return err
	}
	s.BrokersMoved()
	return noContent(w)
}
