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
	view := api.AccountUpdate{
		Name: &in.Name, Description: in.Description, Tags: in.Tags, DefaultPermissions: in.DefaultPermissions, ClusterTraffic: in.ClusterTraffic, ConnectionTypes: in.ConnectionTypes, ConnectionsPerType: countsUpdate(orZero(in.ConnectionsPerType)),
		CertificateAuthorities: in.CertificateAuthorities,
	}
	if in.Trace != nil {
		view.Trace = &api.TraceUpdate{Destination: &in.Trace.Destination, Sampling: &in.Trace.Sampling}
	}
	spec, err := accountSpec(view)
	if err != nil {
		return err
	}
	a, err := s.Tenants.CreateAccount(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"), once(r), tenants.AccountCreate{
		OperatorID: tenants.OperatorID(orZero(in.OperatorId)), Name: spec.Name, Description: spec.Description, Tags: spec.Tags, Limits: limitsPatch(in.Limits), Settings: spec.Settings,
	})
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
	edit := func(spec *tenants.AccountSpec) error {
		view := accountView(*spec)
		if err := mergePatch(r, &view); err != nil {
			return err
		}
		edited, err := accountSpec(view)
		if err != nil {
			return err
		}
		edited.Limits = limitsPatch(view.Limits).Apply(spec.Limits)
		edited.Settings.Mappings = spec.Settings.Mappings
		*spec = edited
		return nil
	}
	a, err := s.Tenants.UpdateAccount(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), ifMatch(r), edit)
	if err != nil {
		return err
	}
	return answerAccount(w, a)
}

func (s *Server) cloneAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.AccountClone
	if err := decode(r, &in); err != nil {
		return err
	}
	a, err := s.Tenants.CloneAccount(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), once(r), in.Name)
	if err != nil {
		return err
	}
	out := accountOf(a)
	w.Header().Set("ETag", out.Etag)
	return created(w, "/v1/accounts/"+out.Id, out)
}

func (s *Server) suspendAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.Suspend
	if err := decode(r, &in); err != nil {
		return err
	}
	return s.answerSuspension(w, r, func(id tenants.AccountID) (tenants.Account, error) {
		return s.Tenants.SuspendAccount(r.Context(), actorOf(r), id, orZero(in.Reason))
	})
}

func (s *Server) resumeAccount(w http.ResponseWriter, r *http.Request) error {
	return s.answerSuspension(w, r, func(id tenants.AccountID) (tenants.Account, error) {
		return s.Tenants.ResumeAccount(r.Context(), actorOf(r), id)
	})
}

// answerSuspension answers with the account after a change of whether its clients get in.
func (s *Server) answerSuspension(w http.ResponseWriter, r *http.Request, change func(tenants.AccountID) (tenants.Account, error)) error {
	wait, asked, err := waiting(r)
	if err != nil {
		return err
	}
	a, err := change(pathID[tenants.AccountID](r, "account"))
	if err != nil {
		return err
	}
	out := accountOf(a)
	if asked {
		proof := s.prove(r.Context(), a.Change(), wait)
		out.Proof = &proof
	}
	w.Header().Set("ETag", out.Etag)
	return answer(w, http.StatusOK, out)
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
	return api.Endpoints{
		Nats: listed(e.NATS), Tls: tenants.Only(e.NATS, "tls"), TlsFirst: listed(e.TLSFirst), TlsFirstOnly: listed(e.TLSFirstOnly),
		Websocket: listed(e.WebSocket), Ws: tenants.Only(e.WebSocket, "ws"), Wss: tenants.Only(e.WebSocket, "wss"),
		Mqtt: listed(e.MQTT), Mqtts: tenants.Only(e.MQTT, "mqtts"),
		MqttWs: tenants.Only(e.MQTTWebSocket, "ws"), MqttWss: tenants.Only(e.MQTTWebSocket, "wss"),
		Leafnode: listed(e.LeafNode), LeafnodeTls: tenants.Only(e.LeafNode, "tls"),
		LeafnodeWs: tenants.Only(e.LeafNodeWebSocket, "ws"), LeafnodeWss: tenants.Only(e.LeafNodeWebSocket, "wss"),
		CaPem: orNil(e.CA),
	}
}

func listed(urls []string) []string { return mapped(urls, func(u string) string { return u }) }

func answerAccount(w http.ResponseWriter, a tenants.Account) error {
	out := accountOf(a)
	w.Header().Set("ETag", out.Etag)
	return answer(w, http.StatusOK, out)
}

func accountOf(a tenants.Account) api.Account {
	view := accountView(a.AccountSpec)
	out := api.Account{
		Id:                       string(a.ID),
		TenantId:                 string(a.TenantID),
		OperatorId:               string(a.OperatorID),
		Name:                     a.Name,
		Description:              a.Description,
		Tags:                     *view.Tags,
		PublicKey:                string(a.PublicKey),
		Status:                   api.AccountStatus(a.Status()),
		DeletingAt:               utc(a.DeletingAt),
		PurgeAt:                  utc(a.PurgeAt),
		Limits:                   limitsOf(a.Limits),
		EffectiveLimits:          limitsOf(a.EffectiveLimits),
		DefaultPermissions:       *view.DefaultPermissions,
		ClusterTraffic:           *view.ClusterTraffic,
		ConnectionTypes:          *view.ConnectionTypes,
		EffectiveConnectionTypes: mapped(a.EffectiveConnectionTypes, func(t claims.ConnectionType) string { return string(t) }),
		ConnectionsPerType:       countsOf(a.Settings.ConnectionsPerType),
		AuthCallout:              authCalloutOf(a.Settings.AuthCallout),
		SigningKeys:              accountSigningKeysOf(a.Settings.SigningKeys),
		CertificateAuthorities:   *view.CertificateAuthorities,
		Revision:                 int64(a.Revision),
		CreatedAt:                a.CreatedAt.UTC(),
		UpdatedAt:                a.UpdatedAt.UTC(),
		Etag:                     tenants.ETag(a.Version),
	}
	if trace := a.Settings.Trace; trace != nil {
		out.Trace = &api.Trace{Destination: trace.Destination, Sampling: trace.Sampling}
	}
	if a.SuspendedAt != nil {
		out.Suspension = &api.Suspension{By: api.SuspensionBy(*a.SuspendedBy), Reason: a.SuspendReason, Since: a.SuspendedAt.UTC()}
	}
	return out
}

// accountView is an account's settings as the API takes them, every field
// present but its limits: a merge patch applies to it.
func accountView(spec tenants.AccountSpec) api.AccountUpdate {
	set := spec.Settings
	types := mapped(set.ConnectionTypes, func(t claims.ConnectionType) api.ConnectionType { return api.ConnectionType(t) })
	tags := mapped(spec.Tags, func(tag string) string { return tag })
	authorities := api.CertificateAuthorities(mapped(set.CertificateAuthorities, func(text string) string { return text }))
	permissions := permissionsOf(set.DefaultPermissions)
	keys := accountSigningKeysOf(set.SigningKeys)
	traffic := api.ClusterTrafficSystem
	if set.ClusterTraffic != "" {
		traffic = api.ClusterTraffic(set.ClusterTraffic)
	}
	view := api.AccountUpdate{
		Name: &spec.Name, Description: &spec.Description, Tags: &tags, DefaultPermissions: &permissions, ClusterTraffic: &traffic,
		ConnectionTypes: &types, ConnectionsPerType: countsUpdate(countsOf(set.ConnectionsPerType)),
		AuthCallout: authCalloutView(set.AuthCallout), SigningKeys: &keys, CertificateAuthorities: &authorities,
	}
	if set.Trace != nil {
		view.Trace = &api.TraceUpdate{Destination: &set.Trace.Destination, Sampling: &set.Trace.Sampling}
	}
	return view
}

func accountSpec(in api.AccountUpdate) (tenants.AccountSpec, error) {
	permissions, err := permissionsFrom("/default_permissions", orZero(in.DefaultPermissions))
	if err != nil {
		return tenants.AccountSpec{}, err
	}
	spec := tenants.AccountSpec{
		Name: orZero(in.Name), Description: orZero(in.Description), Tags: orZero(in.Tags),
		Settings: tenants.AccountSettings{
			DefaultPermissions: permissions, AuthCallout: authCalloutFrom(in.AuthCallout), SigningKeys: accountSigningKeysFrom(orZero(in.SigningKeys)),
			CertificateAuthorities: orZero(in.CertificateAuthorities),
		},
	}
	set := &spec.Settings
	if in.Trace != nil {
		set.Trace = &claims.Trace{Destination: orZero(in.Trace.Destination), Sampling: orZero(in.Trace.Sampling)}
	}
	if traffic := orZero(in.ClusterTraffic); traffic != api.ClusterTrafficSystem {
		set.ClusterTraffic = claims.ClusterTraffic(traffic)
	}
	for _, t := range orZero(in.ConnectionTypes) {
		set.ConnectionTypes = append(set.ConnectionTypes, claims.ConnectionType(t))
	}
	for t, n := range orZero(in.ConnectionsPerType) {
		if set.ConnectionsPerType == nil {
			set.ConnectionsPerType = map[claims.ConnectionType]int64{}
		}
		set.ConnectionsPerType[claims.ConnectionType(t)] = orZero(n)
	}
	return spec, nil
}

func countsOf(counts map[claims.ConnectionType]int64) api.ConnectionsPerType {
	out := api.ConnectionsPerType{}
	for t, n := range counts {
		out[string(t)] = n
	}
	return out
}

func countsUpdate(counts api.ConnectionsPerType) *api.ConnectionsPerTypeUpdate {
	out := api.ConnectionsPerTypeUpdate{}
	for t, n := range counts {
		out[t] = &n
	}
	return &out
}
