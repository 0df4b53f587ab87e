package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/sosodev/duration"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) createRole(w http.ResponseWriter, r *http.Request) error {
	var in api.RoleCreate
	if err := decode(r, &in); err != nil {
		return err
	}
	spec, err := roleSpec(in)
	if err != nil {
		return err
	}
	role, err := s.Tenants.CreateRole(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), once(r), spec)
	if err != nil {
		return err
	}
	out := roleOf(role)
	w.Header().Set("ETag", out.Etag)
	return created(w, "/v1/roles/"+out.Id, out)
}

func (s *Server) listRoles(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.Roles(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.RolePage{Items: mapped(page.Items, roleOf), NextCursor: orNil(page.Next)})
}

func (s *Server) getRole(w http.ResponseWriter, r *http.Request) error {
	role, err := s.Tenants.Role(r.Context(), actorOf(r), pathID[tenants.RoleID](r, "role"))
	if err != nil {
		return err
	}
	return answerRole(w, role)
}

func (s *Server) updateRole(w http.ResponseWriter, r *http.Request) error {
	edit := func(spec *tenants.RoleSpec) error {
		view := roleView(*spec)
		if err := mergePatch(r, &view); err != nil {
			return err
		}
		edited, err := roleSpec(view)
		if err != nil {
			return err
		}
		*spec = edited
		return nil
	}
	role, err := s.Tenants.UpdateRole(r.Context(), actorOf(r), pathID[tenants.RoleID](r, "role"), ifMatch(r), edit)
	if err != nil {
		return err
	}
	return answerRole(w, role)
}

func (s *Server) deleteRole(w http.ResponseWriter, r *http.Request) error {
	revoked, err := s.Tenants.DeleteRole(r.Context(), actorOf(r), pathID[tenants.RoleID](r, "role"), ifMatch(r))
	if err != nil {
		return err
	}
	if revoked > 0 {
		return answer(w, http.StatusOK, api.RoleDeleted{CredentialsRevoked: revoked})
	}
	return noContent(w)
}

func answerRole(w http.ResponseWriter, role tenants.Role) error {
	out := roleOf(role)
	w.Header().Set("ETag", out.Etag)
	return answer(w, http.StatusOK, out)
}

func roleOf(role tenants.Role) api.Role {
	view := roleView(role.RoleSpec)
	return api.Role{
		Id:              string(role.ID),
		AccountId:       string(role.AccountID),
		Name:            view.Name,
		Description:     *view.Description,
		PublicKey:       string(role.PublicKey),
		Private:         role.Private,
		Permissions:     *view.Permissions,
		ConnectionTypes: *view.ConnectionTypes,
		SourceNetworks:  *view.SourceNetworks,
		Times:           *view.Times,
		TimeZone:        *view.TimeZone,
		Bearer:          *view.Bearer,
		Limits:          *view.Limits,

		DefaultCredentialLifetime: view.DefaultCredentialLifetime,
		MaxCredentialLifetime:     view.MaxCredentialLifetime,
		MovedCredentials:          role.MovedCredentials,

		CreatedAt: role.CreatedAt.UTC(),
		UpdatedAt: role.UpdatedAt.UTC(),
		Etag:      tenants.ETag(role.Version),
	}
}

// roleView is a role's settings as the API shows and takes them, every field
// present: a merge patch applies to it.
func roleView(spec tenants.RoleSpec) api.RoleCreate {
	t := spec.Template
	types := mapped(t.ConnectionTypes, func(c claims.ConnectionType) api.ConnectionType { return api.ConnectionType(c) })
	networks := mapped(t.SourceNetworks, func(n string) string { return n })
	times := mapped(t.Times, func(r claims.TimeRange) api.TimeRange { return api.TimeRange{Start: r.Start, End: r.End} })
	permissions := permissionsOf(claims.Permissions{Publish: t.Publish, Subscribe: t.Subscribe, Responses: t.Responses})
	perUser := claims.Unlimited
	if spec.ConnectionsPerUser != nil {
		perUser = *spec.ConnectionsPerUser
	}
	return api.RoleCreate{
		Name:            spec.Name,
		Description:     &spec.Description,
		Permissions:     &permissions,
		ConnectionTypes: &types,
		SourceNetworks:  &networks,
		Times:           &times,
		TimeZone:        &t.TimeZone,
		Bearer:          &t.Bearer,
		Limits:          &api.RoleLimits{Subscriptions: &t.Subscriptions, PayloadBytes: &t.PayloadBytes, ConnectionsPerUser: &perUser},

		DefaultCredentialLifetime: lifetimeOf(spec.DefaultCredentialLifetime),
		MaxCredentialLifetime:     lifetimeOf(spec.MaxCredentialLifetime),
	}
}

func lifetime(pointer string, text *string) (time.Duration, error) {
	if text == nil {
		return 0, nil
	}
	return parseDuration(pointer, *text)
}

func roleSpec(in api.RoleCreate) (tenants.RoleSpec, error) {
	t := claims.OpenTemplate()
	t.Bearer = orZero(in.Bearer)
	t.SourceNetworks = orZero(in.SourceNetworks)
	for _, c := range orZero(in.ConnectionTypes) {
		t.ConnectionTypes = append(t.ConnectionTypes, claims.ConnectionType(c))
	}
	t.TimeZone = orZero(in.TimeZone)
	for _, r := range orZero(in.Times) {
		t.Times = append(t.Times, claims.TimeRange{Start: r.Start, End: r.End})
	}
	spec := tenants.RoleSpec{Name: in.Name, Description: orZero(in.Description)}
	if l := in.Limits; l != nil && l.Subscriptions != nil {
		t.Subscriptions = *l.Subscriptions
	}
	if l := in.Limits; l != nil && l.PayloadBytes != nil {
		t.PayloadBytes = *l.PayloadBytes
	}
	if l := in.Limits; l != nil && l.ConnectionsPerUser != nil && *l.ConnectionsPerUser != claims.Unlimited {
		spec.ConnectionsPerUser = l.ConnectionsPerUser
	}
	var errs [3]error
	if p := in.Permissions; p != nil {
		var permissions claims.Permissions
		permissions, errs[0] = permissionsFrom("/permissions", *p)
		t.Publish, t.Subscribe, t.Responses = permissions.Publish, permissions.Subscribe, permissions.Responses
	}
	spec.DefaultCredentialLifetime, errs[1] = lifetime("/default_credential_lifetime", in.DefaultCredentialLifetime)
	spec.MaxCredentialLifetime, errs[2] = lifetime("/max_credential_lifetime", in.MaxCredentialLifetime)
	spec.Template = t
	return spec, errors.Join(errs[:]...)
}

func permissionsOf(p claims.Permissions) api.Permissions {
	out := api.Permissions{Publish: permissionOf(p.Publish), Subscribe: permissionOf(p.Subscribe)}
	if p.Responses != nil {
		out.Responses = &api.ResponsePermission{MaxMessages: p.Responses.MaxMessages, ExpiresIn: duration.Format(p.Responses.Expires)}
	}
	return out
}

func permissionsFrom(pointer string, in api.Permissions) (claims.Permissions, error) {
	out := claims.Permissions{Publish: permission(in.Publish), Subscribe: permission(in.Subscribe)}
	if in.Responses == nil {
		return out, nil
	}
	expires, err := parseDuration(pointer+"/responses/expires_in", in.Responses.ExpiresIn)
	out.Responses = &claims.ResponsePermission{MaxMessages: in.Responses.MaxMessages, Expires: expires}
	return out, err
}

func permissionOf(p claims.Permission) *api.Permission {
	var out api.Permission
	if len(p.Allow) > 0 {
		out.Allow = &p.Allow
	}
	if len(p.Deny) > 0 {
		out.Deny = &p.Deny
	}
	return &out
}

func permission(in *api.Permission) claims.Permission {
	if in == nil {
		return claims.Permission{}
	}
	return claims.Permission{Allow: orZero(in.Allow), Deny: orZero(in.Deny)}
}

// parseDuration reads an ISO 8601 duration that is not negative. One of more than
// 200 years is refused: time.Duration ends at 292, and wraps around.
func parseDuration(pointer, text string) (time.Duration, error) {
	d, err := duration.Parse(text)
	if err != nil || d.Negative {
		return 0, fault.Field(pointer, "must be an ISO 8601 duration, such as PT5S, PT1H or P1D")
	}
	const year = 365
	days := d.Years*year + d.Months*year/12 + d.Weeks*7 + d.Days + d.Hours/24 + d.Minutes/(24*60) + d.Seconds/(24*60*60)
	if !(days <= 200*year) { // nor is what is no number
		return 0, fault.Field(pointer, "a duration is 200 years at most")
	}
	return d.ToTimeDuration(), nil
}
