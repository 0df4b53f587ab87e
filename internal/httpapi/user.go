package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) createUser(w http.ResponseWriter, r *http.Request) error {
	var in api.UserCreate
	if err := decode(r, &in); err != nil {
		return err
	}
	u, err := s.Tenants.CreateUser(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), once(r),
		tenants.UserSpec{Name: in.Name, RoleID: tenants.RoleID(orZero(in.RoleId))})
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

func userOf(u tenants.User) api.User {
	return api.User{
		Id:                string(u.ID),
		AccountId:         string(u.AccountID),
		RoleId:            string(u.RoleID),
		RoleName:          u.RoleName,
		Name:              u.Name,
		ActiveCredentials: u.ActiveCredentials,
		CreatedAt:         u.CreatedAt.UTC(),
		UpdatedAt:         u.UpdatedAt.UTC(),
		Etag:              tenants.ETag(u.Version),
	}
}
