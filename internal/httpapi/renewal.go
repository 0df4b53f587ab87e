package httpapi

import (
	"net/http"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) extendCredential(w http.ResponseWriter, r *http.Request) error {
	var in api.CredentialExtend
	if err := decode(r, &in); err != nil {
		return err
	}
	life, err := lifeOf(in.ExpiresIn)
	if err != nil {
		return err
	}
	renewed, err := s.Tenants.ExtendCredential(r.Context(), actorOf(r), pathID[tenants.CredentialID](r, "credential"),
		tenants.CredentialLife{ExpiresAt: utc(in.ExpiresAt), ExpiresIn: life})
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.CredentialIssued{Credential: credentialOf(renewed.Credential), Jwt: renewed.JWT})
}

func (s *Server) challengeRenewal(w http.ResponseWriter, r *http.Request) error {
	c, err := s.Tenants.ChallengeRenewal(pathID[tenants.CredentialID](r, "credential"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.RenewalChallenge{Nonce: c.Nonce, ExpiresAt: c.ExpiresAt})
}

func (s *Server) renewCredential(w http.ResponseWriter, r *http.Request) error {
	var in api.CredentialRenew
	if err := decode(r, &in); err != nil {
		return err
	}
	renewed, err := s.Tenants.RenewCredential(r.Context(), pathID[tenants.CredentialID](r, "credential"),
		tenants.RenewalProof{Nonce: in.Nonce, Signature: in.Signature})
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.CredentialRenewed{CredentialId: string(renewed.ID), Jwt: renewed.JWT,
		Creds: string(claims.FormatCredsWithoutSeed(renewed.JWT)), ExpiresAt: utc(renewed.JWTExpires)})
}
