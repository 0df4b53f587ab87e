package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/auth"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) listTenants(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.Tenants(r.Context(), actorOf(r), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.TenantPage{Items: mapped(page.Items, tenantOf), NextCursor: orNil(page.Next)})
}

func (s *Server) getTenant(w http.ResponseWriter, r *http.Request) error {
	t, err := s.Tenants.Tenant(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"))
	if err != nil {
		return err
	}
	return answerTenant(w, t)
}

func (s *Server) updateTenant(w http.ResponseWriter, r *http.Request) error {
	edit := func(spec *tenants.TenantSpec) error {
		in := api.TenantUpdate{Name: &spec.Name}
		if err := mergePatch(r, &in); err != nil {
			return err
		}
		*spec = tenants.TenantSpec{Name: *in.Name}
		return nil
	}
	t, err := s.Tenants.UpdateTenant(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"), ifMatch(r), edit)
	if err != nil {
		return err
	}
	return answerTenant(w, t)
}

func answerTenant(w http.ResponseWriter, t tenants.Tenant) error {
	w.Header().Set("ETag", tenants.ETag(t.Version))
	return answer(w, http.StatusOK, tenantOf(t))
}

func tenantOf(t tenants.Tenant) api.Tenant {
	return api.Tenant{Id: string(t.ID), Name: t.Name, PlanId: string(t.PlanID), PlanName: t.PlanName, PlanVersion: t.PlanVersion,
		CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(), Etag: tenants.ETag(t.Version)}
}

func (s *Server) listMembers(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.Members(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.MemberPage{NextCursor: orNil(page.Next),
		Items: mapped(page.Items, func(m tenants.Member) api.Member {
			return api.Member{PersonId: string(m.PersonID), Email: m.Email, Role: api.MemberRole(m.Role), CreatedAt: m.CreatedAt.UTC()}
		})})
}

func (s *Server) listAuditEvents(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.AuditEvents(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.AuditEventPage{NextCursor: orNil(page.Next),
		Items: mapped(page.Items, func(e tenants.AuditEvent) api.AuditEvent {
			return api.AuditEvent{Id: string(e.ID), Actor: e.Actor, Action: e.Action, Target: e.Target, Reason: e.Reason, CreatedAt: e.CreatedAt.UTC()}
		})})
}

func (s *Server) createAPIToken(w http.ResponseWriter, r *http.Request) error {
	var in api.ApiTokenCreate
	if err := decode(r, &in); err != nil {
		return err
	}
	token, secret, err := s.Auth.CreateAPIToken(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"), once(r),
		auth.APITokenSpec{Name: in.Name, Role: tenants.MemberRole(in.Role), ExpiresAt: utc(in.ExpiresAt)})
	if err != nil {
		return err
	}
	return created(w, "/v1/api-tokens/"+string(token.ID), api.ApiTokenCreated{ApiToken: apiTokenOf(token), Token: secret})
}

func (s *Server) listAPITokens(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Auth.APITokens(r.Context(), actorOf(r), pathID[tenants.TenantID](r, "tenant"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.ApiTokenPage{Items: mapped(page.Items, apiTokenOf), NextCursor: orNil(page.Next)})
}

func (s *Server) deleteAPIToken(w http.ResponseWriter, r *http.Request) error {
	if err := s.Auth.DeleteAPIToken(r.Context(), actorOf(r), pathID[tenants.APITokenID](r, "api_token")); err != nil {
		return err
	}
	return noContent(w)
}

func apiTokenOf(t auth.APIToken) api.ApiToken {
	return api.ApiToken{Id: string(t.ID), Name: t.Name, Role: api.TokenRole(t.Role), CreatedBy: t.CreatedBy,
		CreatedAt: t.CreatedAt.UTC(), ExpiresAt: utc(t.ExpiresAt)}
}
