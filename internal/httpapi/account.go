package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) createAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.AccountCreate
	if err := decode(r, &in); err != nil {
		return err
	}
	a, err := s.Tenants.CreateAccount(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"), once(r),
		tenants.AccountCreate{Name: in.Name, Description: orZero(in.Description), Limits: limitsPatch(in.Limits)})
	if err != nil {
		return err
	}
	out := accountOf(a)
	w.Header().Set("ETag", out.Etag)
	return created(w, "/v1/accounts/"+out.Id, out)
}

func (s *Server) listAccounts(w http.ResponseWriter, r *http.Request) error {
	var only []tenants.AccountStatus
	if status := r.URL.Query().Get("status"); status != "" {
		only = append(only, tenants.AccountStatus(status))
	}
	page, err := s.Tenants.Accounts(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"), pageQuery(r), only...)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.AccountPage{Items: mapped(page.Items, accountOf), NextCursor: orNil(page.Next)})
}

func (s *Server) getAccount(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Tenants.Account(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"))
	if err != nil {
		return err
	}
	expiring, err := s.Tenants.ExpiringCredentials(r.Context(), a)
	if err != nil {
		return err
	}
	out := accountOf(a)
	out.ExpiringCredentials = &expiring
	w.Header().Set("ETag", out.Etag)
	return answer(w, http.StatusOK, out)
}

func (s *Server) updateAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.AccountUpdate
	if err := decode(r, &in); err != nil {
		return err
	}
	edit := func(spec *tenants.AccountSpec) error {
		if in.Name != nil {
			spec.Name = *in.Name
		}
		if in.Description != nil {
			spec.Description = *in.Description
		}
		spec.Limits = limitsPatch(in.Limits).Apply(spec.Limits)
		return nil
	}
	a, err := s.Tenants.UpdateAccount(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), ifMatch(r), edit)
	if err != nil {
		return err
	}
	return answerAccount(w, a)
}

func (s *Server) deleteAccount(w http.ResponseWriter, r *http.Request) error {
	wait, asked, err := waiting(r)
	if err != nil {
		return err
	}
	undo, err := undoWindow(r)
	if err != nil {
		return err
	}
	change, err := s.Tenants.DeleteAccount(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), ifMatch(r), undo)
	if err != nil {
		return err
	}
	return s.answerDeleted(w, r, change, wait, asked)
}

func (s *Server) getAccountDelivery(w http.ResponseWriter, r *http.Request) error {
	d, err := s.Tenants.AccountDelivery(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.AccountDelivery{Revision: int64(d.Revision), InForce: d.InForce(),
		Brokers: mapped(d.Brokers, func(b tenants.BrokerDelivery) api.BrokerDelivery {
			return api.BrokerDelivery{Kind: api.RecipientKind(b.Kind), Broker: b.Broker, AppliedRevision: int64(b.Applied), InForce: b.InForce,
				HeardAt: utc(b.HeardAt), Refusal: orNil(b.Refusal)}
		})})
}

func (s *Server) listEndpoints(w http.ResponseWriter, r *http.Request) error {
	e, err := s.Tenants.Endpoints(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, endpointsOf(e))
}

func endpointsOf(e tenants.Endpoints) api.Endpoints {
	same := func(url string) string { return url }
	return api.Endpoints{Nats: mapped(e.NATS, same), Websocket: mapped(e.WebSocket, same),
		Mqtt: mapped(e.MQTT, same), Leafnode: mapped(e.LeafNode, same)}
}

func answerAccount(w http.ResponseWriter, a tenants.Account) error {
	out := accountOf(a)
	w.Header().Set("ETag", out.Etag)
	return answer(w, http.StatusOK, out)
}

func accountOf(a tenants.Account) api.Account {
	return api.Account{
		Id:          string(a.ID),
		TenantId:    string(a.TenantID),
		OperatorId:  string(a.OperatorID),
		Name:        a.Name,
		Description: a.Description,
		PublicKey:   string(a.PublicKey),
		Status:      api.AccountStatus(a.Status()),
		DeletingAt:  utc(a.DeletingAt),
		PurgeAt:     utc(a.PurgeAt),
		Limits:      limitsOf(a.Limits),
		Revision:    int64(a.Revision),
		CreatedAt:   a.CreatedAt.UTC(),
		UpdatedAt:   a.UpdatedAt.UTC(),
		Etag:        tenants.ETag(a.Version),
	}
}

func limitsOf(l claims.Limits) api.Limits {
	return api.Limits{
		Connections:   l.Connections,
		LeafNodes:     l.LeafNodes,
		Subscriptions: l.Subscriptions,
		PayloadBytes:  l.PayloadBytes,
		DataBytes:     l.DataBytes,
		Exports:       l.Exports,
		Imports:       l.Imports,
		Jetstream: api.JetStreamLimits{
			MemoryBytes: l.JetStream.MemoryBytes,
			DiskBytes:   l.JetStream.DiskBytes,
			Streams:     l.JetStream.Streams,
			Consumers:   l.JetStream.Consumers,
		},
	}
}

func limitsPatch(in *api.LimitsInput) tenants.LimitsPatch {
	if in == nil {
		return tenants.LimitsPatch{}
	}
	p := tenants.LimitsPatch{
		Connections:   in.Connections,
		LeafNodes:     in.LeafNodes,
		Subscriptions: in.Subscriptions,
		PayloadBytes:  in.PayloadBytes,
		DataBytes:     in.DataBytes,
		Exports:       in.Exports,
		Imports:       in.Imports,
	}
	if js := in.Jetstream; js != nil {
		p.JetStream.MemoryBytes = js.MemoryBytes
		p.JetStream.DiskBytes = js.DiskBytes
		p.JetStream.Streams = js.Streams
		p.JetStream.Consumers = js.Consumers
	}
	return p
}
