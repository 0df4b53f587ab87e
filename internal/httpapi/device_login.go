package httpapi

import (
	"cmp"
	"net/http"
	"time"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) createDeviceLogin(w http.ResponseWriter, r *http.Request) error {
	var in api.DeviceLoginCreate
	if err := decode(r, &in); err != nil {
		return err
	}
	life, err := lifeOf(in.ExpiresIn)
	if err != nil {
		return err
	}
	spec := tenants.DeviceLoginSpec{
		Kind: tenants.DeviceLoginKind(in.Kind), Description: orZero(in.Description), Username: orZero(in.Username),
		PublicKey: claims.UserKey(orZero(in.PublicKey)), ExpiresAt: utc(in.ExpiresAt), ExpiresIn: life,
	}
	if in.Match != nil {
		spec.Match = claims.CertificateMatch{Field: claims.CertificateField(in.Match.Kind), Value: in.Match.Value}
	}
	made, err := s.Tenants.CreateDeviceLogin(r.Context(), actorOf(r), pathID[tenants.UserID](r, "user"), once(r), spec)
	if err != nil {
		return err
	}
	out := api.DeviceLoginCreated{DeviceLogin: deviceLoginOf(made.DeviceLogin), Secret: orNil(made.Secret.Reveal())}
	switch {
	case made.Suspended:
		out.Warning = orNil("The account is suspended. Nobody gets in with this login until it is resumed.")
	case made.Untrusted:
		out.Warning = orNil("The account names no certificate authorities. Nobody gets in with this login until it does.")
	case made.Unasked:
		out.Warning = orNil("Its clients may come over WebSocket only, where brokers do not ask for certificates unless their configuration says verify: true.")
	}
	w.Header().Set("Cache-Control", "no-store")
	return created(w, "/v1/device-logins/"+out.DeviceLogin.Id, out)
}

func (s *Server) listDeviceLogins(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.DeviceLogins(r.Context(), actorOf(r), pathID[tenants.UserID](r, "user"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.DeviceLoginPage{Items: mapped(page.Items, deviceLoginOf), NextCursor: orNil(page.Next)})
}

func (s *Server) listAccountDeviceLogins(w http.ResponseWriter, r *http.Request) error {
	credentials, err := credentialFilter(r)
	if err != nil {
		return err
	}
	filter := tenants.DeviceLoginFilter{CredentialFilter: credentials, Kind: tenants.DeviceLoginKind(r.URL.Query().Get("kind"))}
	page, err := s.Tenants.AccountDeviceLogins(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), filter, pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.DeviceLoginPage{Items: mapped(page.Items, deviceLoginOf), NextCursor: orNil(page.Next)})
}

func (s *Server) listDeviceLoginHistory(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.DeviceLoginHistory(r.Context(), actorOf(r), pathID[tenants.CredentialID](r, "device_login"), pageQuery(r))
	if err != nil {
		return err
	}
	return answerHistory(w, page)
}

func (s *Server) getDeviceLogin(w http.ResponseWriter, r *http.Request) error {
	l, err := s.Tenants.DeviceLogin(r.Context(), actorOf(r), pathID[tenants.CredentialID](r, "device_login"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, deviceLoginOf(l))
}

func (s *Server) revokeDeviceLogin(w http.ResponseWriter, r *http.Request) error {
	var in api.CredentialRevoke
	if err := decode(r, &in); err != nil {
		return err
	}
	wait, asked, err := waiting(r)
	if err != nil {
		return err
	}
	revoked, change, err := s.Tenants.RevokeDeviceLogin(r.Context(), actorOf(r), pathID[tenants.CredentialID](r, "device_login"), orZero(in.Reason))
	if err != nil {
		return err
	}
	out := deviceLoginOf(revoked)
	if asked {
		proof := s.prove(r.Context(), change, wait)
		out.Proof = &proof
	}
	return answer(w, http.StatusOK, out)
}

func deviceLoginOf(l tenants.DeviceLogin) api.DeviceLogin {
	out := api.DeviceLogin{
		Id:           string(l.ID),
		AccountId:    string(l.AccountID),
		UserId:       string(l.UserID),
		User:         l.UserName,
		RoleId:       orNil(string(l.RoleID)),
		Tags:         mapped(l.Tags, func(t string) string { return t }),
		MovedAt:      utc(l.StaleSince),
		Kind:         api.DeviceLoginKind(l.Kind),
		Description:  l.Name,
		PublicKey:    string(l.PublicKey),
		Status:       api.CredentialStatus(l.Status(time.Now())),
		CreatedBy:    l.IssuedBy,
		CreatedAt:    l.CreatedAt.UTC(),
		ExpiresAt:    utc(l.ExpiresAt),
		RevokedAt:    utc(l.RevokedAt),
		RevokeReason: l.RevokeReason,
		LastSeen:     sightingOf(l.LastSeen),
	}
	if l.Kind != tenants.TokenLogin {
		out.Username = orNil(cmp.Or(l.LoginUsername, string(l.AccountKey)))
	}
	if l.MatchKind != "" {
		out.Match = &api.CertificateMatch{Kind: api.CertificateMatchKind(l.MatchKind), Value: l.MatchValue}
	}
	return out
}
