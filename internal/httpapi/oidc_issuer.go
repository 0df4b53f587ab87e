package httpapi

import (
	"fmt"
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) createOIDCIssuer(w http.ResponseWriter, r *http.Request) error {
	var in api.OidcIssuerCreate
	if err := decode(r, &in); err != nil {
		return err
	}
	spec, err := oidcIssuerSpec(api.OidcIssuerUpdate{Url: &in.Url, Description: in.Description, Audiences: &in.Audiences, Rules: &in.Rules})
	if err != nil {
		return err
	}
	issuer, err := s.Tenants.CreateOIDCIssuer(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), once(r), spec)
	if err != nil {
		return err
	}
	out := oidcIssuerOf(issuer)
	w.Header().Set("ETag", out.Etag)
	return created(w, "/v1/oidc-issuers/"+out.Id, out)
}

func (s *Server) listOIDCIssuers(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.OIDCIssuers(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.OidcIssuerPage{Items: mapped(page.Items, oidcIssuerOf), NextCursor: orNil(page.Next)})
}

func (s *Server) getOIDCIssuer(w http.ResponseWriter, r *http.Request) error {
	issuer, err := s.Tenants.OIDCIssuer(r.Context(), actorOf(r), pathID[tenants.OIDCIssuerID](r, "oidc_issuer"))
	if err != nil {
		return err
	}
	return answerOIDCIssuer(w, issuer)
}

func (s *Server) updateOIDCIssuer(w http.ResponseWriter, r *http.Request) error {
	edit := func(spec *tenants.OIDCIssuerSpec) error {
		view := oidcIssuerView(*spec)
		if err := mergePatch(r, &view); err != nil {
			return err
		}
		edited, err := oidcIssuerSpec(view)
		if err != nil {
			return err
		}
		*spec = edited
		return nil
	}
	issuer, err := s.Tenants.UpdateOIDCIssuer(r.Context(), actorOf(r), pathID[tenants.OIDCIssuerID](r, "oidc_issuer"), ifMatch(r), edit)
	if err != nil {
		return err
	}
	return answerOIDCIssuer(w, issuer)
}

func (s *Server) deleteOIDCIssuer(w http.ResponseWriter, r *http.Request) error {
	if err := s.Tenants.DeleteOIDCIssuer(r.Context(), actorOf(r), pathID[tenants.OIDCIssuerID](r, "oidc_issuer"), ifMatch(r)); err != nil {
		return err
	}
	return noContent(w)
}

func (s *Server) revokeOIDCSubject(w http.ResponseWriter, r *http.Request) error {
	var in api.OidcRevoke
	if err := decode(r, &in); err != nil {
		return err
	}
	issuer, err := s.Tenants.RevokeOIDCSubject(r.Context(), actorOf(r), pathID[tenants.OIDCIssuerID](r, "oidc_issuer"), in.Subject, orZero(in.Reason))
	if err != nil {
		return err
	}
	return answerOIDCIssuer(w, issuer)
}

func (s *Server) exchangeOIDCToken(w http.ResponseWriter, r *http.Request) error {
	var in api.OidcExchange
	if err := decode(r, &in); err != nil {
		return err
	}
	from, err := s.clientIP(r)
	if err != nil {
		return err
	}
	got, err := s.Tenants.ExchangeToken(r.Context(), pathID[tenants.AccountID](r, "account"), in.Token, from)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	if !wantsFile(r) {
		return answer(w, http.StatusOK, api.OidcExchanged{Creds: string(got.Creds), UserName: got.Name, ExpiresAt: got.Expires.UTC()})
	}
	return answerCreds(w, http.StatusOK, got.FileName, got.Creds)
}

func answerOIDCIssuer(w http.ResponseWriter, issuer tenants.OIDCIssuer) error {
	out := oidcIssuerOf(issuer)
	w.Header().Set("ETag", out.Etag)
	return answer(w, http.StatusOK, out)
}

func oidcIssuerOf(i tenants.OIDCIssuer) api.OidcIssuer {
	view := oidcIssuerView(i.OIDCIssuerSpec)
	out := api.OidcIssuer{
		Id: string(i.ID), AccountId: string(i.AccountID), Url: i.URL, Description: i.Description, Audiences: *view.Audiences, Rules: *view.Rules,
		RevokedSubjects: mapped(i.Revoked, func(r tenants.RevokedSubject) api.OidcRevokedSubject {
			return api.OidcRevokedSubject{Subject: r.Subject, Reason: r.Reason, RevokedAt: r.At.UTC()}
		}),
		KeyIds: []string{}, KeysReadAt: i.FetchedAt.UTC(), KeysError: orNil(i.FetchError),
		CreatedAt: i.CreatedAt.UTC(), UpdatedAt: i.UpdatedAt.UTC(), Etag: tenants.ETag(i.Version),
	}
	for _, key := range claims.ReadKeySet(i.Keys) {
		out.KeyIds = append(out.KeyIds, key.KeyID)
	}
	return out
}

// oidcIssuerView is what people choose as the API takes it, every field present.
func oidcIssuerView(spec tenants.OIDCIssuerSpec) api.OidcIssuerUpdate {
	audiences := mapped(spec.Audiences, func(a string) string { return a })
	rules := mapped(spec.Rules, func(r tenants.OIDCRule) api.OidcRule {
		tags := mapped(r.Tags, func(tag string) string { return tag })
		return api.OidcRule{RoleId: string(r.RoleID), Name: r.Name, Tags: &tags, MaxLifetime: lifetimeOf(r.MaxLifetime),
			Conditions: mapped(r.Conditions, func(c claims.TrustCondition) api.OidcCondition {
				return api.OidcCondition{Claim: c.Claim, Match: api.OidcConditionMatch(c.Match), Value: c.Value}
			})}
	})
	return api.OidcIssuerUpdate{Url: &spec.URL, Description: &spec.Description, Audiences: &audiences, Rules: &rules}
}

func oidcIssuerSpec(in api.OidcIssuerUpdate) (tenants.OIDCIssuerSpec, error) {
	spec := tenants.OIDCIssuerSpec{URL: orZero(in.Url), Description: orZero(in.Description), Audiences: orZero(in.Audiences)}
	for i, r := range orZero(in.Rules) {
		life, err := lifetime(fmt.Sprintf("/rules/%d/max_lifetime", i), r.MaxLifetime)
		if err != nil {
			return tenants.OIDCIssuerSpec{}, err
		}
		rule := tenants.OIDCRule{RoleID: tenants.RoleID(r.RoleId), Name: r.Name, Tags: orZero(r.Tags), MaxLifetime: life}
		for _, c := range r.Conditions {
			rule.Conditions = append(rule.Conditions, claims.TrustCondition{Claim: c.Claim, Match: string(c.Match), Value: c.Value})
		}
		spec.Rules = append(spec.Rules, rule)
	}
	return spec, nil
}
