package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) listCertificateAuthorities(w http.ResponseWriter, r *http.Request) error {
	account, err := s.Tenants.Account(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"))
	if err != nil {
		return err
	}
	authorities, err := account.Settings.Authorities()
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.CertificateAuthorityList{Items: mapped(authorities, func(a tenants.Authority) api.CertificateAuthority {
		return api.CertificateAuthority{Pem: a.PEM, Subject: a.Subject, Fingerprint: a.Fingerprint, NotBefore: a.NotBefore.UTC(), NotAfter: a.NotAfter.UTC()}
	})})
}
