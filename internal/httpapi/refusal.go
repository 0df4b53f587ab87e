package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) listRefusals(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.RefusedLogins(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.RefusedLoginPage{NextCursor: orNil(page.Next), Items: mapped(page.Items, refusedLoginOf)})
}

func refusedLoginOf(l tenants.RefusedLogin) api.RefusedLogin {
	return api.RefusedLogin{
		Id: string(l.ID), Reason: l.Reason, Explanation: tenants.Explain(l.Reason), Detail: l.Detail,
		ConnectionType: l.ConnectionType, Address: l.Address, Broker: l.Broker,
		UserPublicKey: string(l.UserPublicKey), UserId: (*string)(l.UserID), User: l.UserName,
		CredentialId: (*string)(l.CredentialID), Credential: l.CredentialName, DeviceLoginId: (*string)(l.DeviceLoginID),
		Count: l.Count, FirstAt: l.FirstAt.UTC(), LastAt: l.LastAt.UTC(),
	}
}
