package httpapi

import (
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

func (s *Server) issueCredential(w http.ResponseWriter, r *http.Request) error {
	var in api.CredentialIssue
	if err := decode(r, &in); err != nil {
		return err
	}
	life, err := lifeOf(in.ExpiresIn)
	if err != nil {
		return err
	}
	spec := tenants.CredentialSpec{Name: orZero(in.Name), ExpiresAt: utc(in.ExpiresAt), ExpiresIn: life}
	if in.PublicKey != nil {
		key, err := claims.ParseUserKey(*in.PublicKey)
		if err != nil {
			return fault.At("/public_key", err)
		}
		spec.PublicKey = key
	}
	issued, err := s.Tenants.IssueCredential(r.Context(), actorOf(r), pathID[tenants.UserID](r, "user"), once(r), spec)
	if err != nil {
		return err
	}
	location := "/v1/credentials/" + string(issued.ID)
	if wantsFile(r) && issued.Creds != nil {
		w.Header().Set("Location", location)
		return answerCreds(w, http.StatusCreated, issued.FileName, issued.Creds)
	}
	out := api.CredentialIssued{Credential: credentialOf(issued.Credential), Jwt: issued.JWT}
	if issued.Creds != nil {
		creds := string(issued.Creds)
		out.Creds, out.FileName = &creds, &issued.FileName
	}
	if issued.Suspended {
		warning := "The account is suspended. Nobody gets in with these creds until it is resumed."
		out.Warning = &warning
	}
	return created(w, location, out)
}

// lifeOf is how long a credential was asked to live; nil: nothing was said.
func lifeOf(text *string) (*time.Duration, error) {
	if text == nil {
		return nil, nil
	}
	life, err := parseDuration("/expires_in", *text)
	return &life, err
}

// wantsFile reports whether the caller would rather have the creds file than JSON.
func wantsFile(r *http.Request) bool {
	for accept := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		switch media, _, _ := mime.ParseMediaType(accept); media {
		case "text/plain":
			return true
		case "application/json", "*/*":
			return false
		}
	}
	return false
}

func answerCreds(w http.ResponseWriter, status int, fileName string, creds []byte) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": fileName}))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(creds)
	return nil
}

func (s *Server) listCredentials(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.Credentials(r.Context(), actorOf(r), pathID[tenants.UserID](r, "user"), pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.CredentialPage{Items: mapped(page.Items, credentialOf), NextCursor: orNil(page.Next)})
}

func (s *Server) listAccountCredentials(w http.ResponseWriter, r *http.Request) error {
	filter, err := credentialFilter(r)
	if err != nil {
		return err
	}
	page, err := s.Tenants.AccountCredentials(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), filter, pageQuery(r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.CredentialPage{Items: mapped(page.Items, credentialOf), NextCursor: orNil(page.Next)})
}

func credentialFilter(r *http.Request) (tenants.CredentialFilter, error) {
	q := r.URL.Query()
	filter := tenants.CredentialFilter{Status: tenants.CredentialStatus(q.Get("status")), User: tenants.UserID(q.Get("user"))}
	if before := q.Get("expires_before"); before != "" {
		at, err := time.Parse(time.RFC3339, before)
		if err != nil {
			return tenants.CredentialFilter{}, fault.Field("?expires_before", "must be a time such as 2030-01-31T00:00:00Z")
		}
		filter.ExpiresBefore = &at
	}
	return filter, nil
}

// credentialEvents are what the audit's actions mean for a credential.
var credentialEvents = map[string]api.CredentialHistoryItemEvent{
	"issueCredential": api.CredentialHistoryItemEventIssued, "issueCredentialBatch": api.CredentialHistoryItemEventIssued,
	"renewCredential": api.CredentialHistoryItemEventRenewed, "extendCredential": api.CredentialHistoryItemEventRenewed,
	"revokeCredential":  api.CredentialHistoryItemEventRevoked,
	"createDeviceLogin": api.CredentialHistoryItemEventIssued, "revokeDeviceLogin": api.CredentialHistoryItemEventRevoked,
}

func (s *Server) listCredentialHistory(w http.ResponseWriter, r *http.Request) error {
	page, err := s.Tenants.CredentialHistory(r.Context(), actorOf(r), pathID[tenants.CredentialID](r, "credential"), pageQuery(r))
	if err != nil {
		return err
	}
	return answerHistory(w, page)
}

func answerHistory(w http.ResponseWriter, page tenants.Page[tenants.AuditEvent]) error {
	return answer(w, http.StatusOK, api.CredentialHistoryPage{NextCursor: orNil(page.Next),
		Items: mapped(page.Items, func(e tenants.AuditEvent) api.CredentialHistoryItem {
			return api.CredentialHistoryItem{Id: string(e.ID), Event: credentialEvents[e.Action], By: e.Actor, At: e.CreatedAt.UTC()}
		})})
}

func (s *Server) getCredential(w http.ResponseWriter, r *http.Request) error {
	c, err := s.Tenants.Credential(r.Context(), actorOf(r), pathID[tenants.CredentialID](r, "credential"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, credentialOf(c))
}

func (s *Server) revokeCredential(w http.ResponseWriter, r *http.Request) error {
	var in api.CredentialRevoke
	if err := decode(r, &in); err != nil {
		return err
	}
	wait, asked, err := waiting(r)
	if err != nil {
		return err
	}
	revoked, err := s.Tenants.RevokeCredential(r.Context(), actorOf(r), pathID[tenants.CredentialID](r, "credential"), orZero(in.Reason))
	if err != nil {
		return err
	}
	out := credentialOf(revoked.Credential)
	if asked {
		proof := s.prove(r.Context(), revoked.Change, wait)
		out.Proof = &proof
	}
	return answer(w, http.StatusOK, out)
}

func credentialOf(c tenants.Credential) api.Credential {
	return api.Credential{
		Id:           string(c.ID),
		AccountId:    string(c.AccountID),
		UserId:       string(c.UserID),
		User:         c.UserName,
		RoleId:       orNil(string(c.RoleID)),
		Tags:         mapped(c.Tags, func(t string) string { return t }),
		MovedAt:      utc(c.StaleSince),
		Name:         c.Name,
		PublicKey:    string(c.PublicKey),
		Status:       api.CredentialStatus(c.Status(time.Now())),
		IssuedBy:     c.IssuedBy,
		IssuedAt:     c.IssuedAt.UTC(),
		ExpiresAt:    utc(c.ExpiresAt),
		Renewals:     c.Renewals,
		RenewedAt:    utc(c.RenewedAt),
		RevokedAt:    utc(c.RevokedAt),
		RevokeReason: c.RevokeReason,
		LastSeen:     sightingOf(c.LastSeen),
	}
}

func sightingOf(s *tenants.Sighting) *api.CredentialSighting {
	if s == nil {
		return nil
	}
	return &api.CredentialSighting{At: s.At.UTC(), Address: s.Address, ConnectionType: s.ConnectionType, Client: s.Client, Broker: s.Broker}
}
