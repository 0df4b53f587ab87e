package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) createUser(w http.ResponseWriter, r *http.Request) error {
	var in api.UserCreate
	if err := decode(r, &in); err != nil {
		return err
	}
	spec, err := userSpec(in)
	if err != nil {
		return err
	}
	u, err := s.Tenants.CreateUser(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), once(r), spec)
	if err != nil {
		return err
	}
	out := userOf(u)
	w.Header().Set("ETag", out.Etag)
	return created(w, "/v1/users/"+out.Id, out)
}

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.Users(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.UserPage{Items: mapped(page.Items, userOf), NextCursor: orNil(page.Next)})
}

func (s *Server) getUser(w http.ResponseWriter, r *http.Request) error {
	u, err := s.Tenants.User(r.Context(), actorOf(r), pathID[tenants.UserID](r, "user"))
	if err != nil {
		return err
	}
	return answerUser(w, u)
}

func (s *Server) updateUser(w http.ResponseWriter, r *http.Request) error {
	edit := func(spec *tenants.UserSpec) error {
		view := userView(*spec)
		if err := mergePatch(r, &view); err != nil {
			return err
		}
		edited, err := userSpec(view)
		if err != nil {
			return err
		}
		*spec = edited
		return nil
	}
	u, err := s.Tenants.UpdateUser(r.Context(), actorOf(r), pathID[tenants.UserID](r, "user"), ifMatch(r), edit)
	if err != nil {
		return err
	}
	return answerUser(w, u)
}

func answerUser(w http.ResponseWriter, u tenants.User) error {
	out := userOf(u)
	w.Header().Set("ETag", out.Etag)
	return answer(w, http.StatusOK, out)
}

func (s *Server) deleteUser(w http.ResponseWriter, r *http.Request) error {
	wait, asked, err := waiting(r)
	if err != nil {
		return err
	}
	change, err := s.Tenants.DeleteUser(r.Context(), actorOf(r), pathID[tenants.UserID](r, "user"), ifMatch(r))
	if err != nil {
		return err
	}
	return s.answerDeleted(w, r, change, wait, asked)
}

// userView is what people choose about a user as the API takes it, every field
// that is set present: a merge patch applies to it.
func userView(spec tenants.UserSpec) api.UserCreate {
	role := string(spec.RoleID)
	tags := mapped(spec.Tags, func(t string) string { return t })
	types := mapped(spec.ConnectionTypes, func(t claims.ConnectionType) api.ConnectionType { return api.ConnectionType(t) })
	view := api.UserCreate{Name: spec.Name, RoleId: &role, Tags: &tags, Connections: spec.Connections, ConnectionTypes: &types}
	if spec.Permissions != nil {
		permissions := api.OwnPermissions(permissionsOf(*spec.Permissions))
		view.Permissions = &permissions
	}
	return view
}

func userSpec(in api.UserCreate) (tenants.UserSpec, error) {
	spec := tenants.UserSpec{Name: in.Name, RoleID: tenants.RoleID(orZero(in.RoleId)), Tags: orZero(in.Tags), Connections: in.Connections}
	spec.ConnectionTypes = mapped(orZero(in.ConnectionTypes), func(t api.ConnectionType) claims.ConnectionType { return claims.ConnectionType(t) })
	if in.Permissions == nil {
		return spec, nil
	}
	permissions, err := permissionsFrom("/permissions", api.Permissions(*in.Permissions))
	spec.Permissions = &permissions
	return spec, err
}

func userOf(u tenants.User) api.User {
	view := userView(u.Spec())
	return api.User{
		Id:                 string(u.ID),
		AccountId:          string(u.AccountID),
		RoleId:             string(u.RoleID),
		RoleName:           u.RoleName,
		Permissions:        view.Permissions,
		Name:               u.Name,
		Tags:               *view.Tags,
		Connections:        view.Connections,
		ConnectionTypes:    *view.ConnectionTypes,
		ActiveCredentials:  u.ActiveCredentials,
		ActiveDeviceLogins: u.ActiveDeviceLogins,
		MovedCredentials:   u.MovedCredentials,
		CreatedAt:          u.CreatedAt.UTC(),
		UpdatedAt:          u.UpdatedAt.UTC(),
		Etag:               tenants.ETag(u.Version),
	}
}
