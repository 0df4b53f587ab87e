package httpapi

import (
	"net/http"
	"time"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/auth"
)

func (s *Server) signUp(w http.ResponseWriter, r *http.Request) error {
	var in api.SignUp
	if err := decode(r, &in); err != nil {
		return err
	}
	me, token, err := s.Auth.SignUp(r.Context(), auth.SignUp{Email: in.Email, Password: in.Password, TenantName: in.TenantName})
	if err != nil {
		return err
	}
	s.setSession(w, token, auth.SessionLife)
	return answer(w, http.StatusCreated, meOf(me))
}

func (s *Server) logIn(w http.ResponseWriter, r *http.Request) error {
	var in api.LogIn
	if err := decode(r, &in); err != nil {
		return err
	}
	me, token, err := s.Auth.LogIn(r.Context(), in.Email, in.Password)
	if err != nil {
		return err
	}
	s.setSession(w, token, auth.SessionLife)
	return answer(w, http.StatusCreated, meOf(me))
}

func (s *Server) logOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.Auth.LogOut(r.Context(), callOf(r).caller.session); err != nil {
		return err
	}
	s.setSession(w, "", -1)
	s.setConsole(w, "", -1)
	return noContent(w)
}

func (s *Server) getMe(w http.ResponseWriter, r *http.Request) error {
	return answer(w, http.StatusOK, meOf(*callOf(r).caller.me))
}

// setSession hands the browser its session; a negative life takes it away.
func (s *Server) setSession(w http.ResponseWriter, token string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name:     sessionCookie,
		Value:    token,
		Path:     "/",
		MaxAge:   maxAge(life),
		HttpOnly: true,
		Secure:   s.SecureCookies,
		SameSite: http.SameSiteLaxMode,
	})
}

func meOf(me auth.Me) api.Me {
	return api.Me{
		Person: api.Person{Id: string(me.ID), Email: me.Email, IsStaff: me.IsStaff, CreatedAt: me.CreatedAt.UTC()},
		Memberships: mapped(me.Memberships, func(m auth.Membership) api.Membership {
			return api.Membership{TenantId: string(m.TenantID), TenantName: m.TenantName, Role: api.MemberRole(m.Role)}
		}),
	}
}
