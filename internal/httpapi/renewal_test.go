package httpapi_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// prove asks for a nonce and signs it with the creds' seed.
func (t *tenant) prove(credential, creds string) api.CredentialRenew {
	s := t.owner.s
	s.t.Helper()
	var challenge api.RenewalChallenge
	caller{s: s}.do("POST", "/v1/credentials/"+credential+"/renewal-challenge", nil).want(200, &challenge)
	_, seed, err := claims.ParseCreds([]byte(creds))
	if err != nil {
		s.t.Fatal(err)
	}
	signature, err := seed.Sign([]byte(challenge.Nonce))
	if err != nil {
		s.t.Fatal(err)
	}
	return api.CredentialRenew{Nonce: challenge.Nonce, Signature: base64.RawURLEncoding.EncodeToString(signature)}
}

func TestCredentialRenewsItself(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner := s.signUp("Renewals")
	owner.furnish("renewals")
	nobody, id := caller{s: s}, owner.ids["credential"]
	proof := owner.prove(id, owner.creds)
	var renewed api.CredentialRenewed
	nobody.do("POST", "/v1/credentials/"+id+"/renew", proof).want(200, &renewed)
	if !strings.Contains(renewed.Creds, renewed.Jwt) || strings.Contains(renewed.Creds, "SEED") || renewed.CredentialId != id {
		t.Errorf("renewed = %+v", renewed)
	}
	if _, err := claims.DecodeUser(renewed.Jwt); err != nil {
		t.Error(err)
	}

	// What proves nothing hears the same, whatever is wrong.
	var words []string
	for name, a := range map[string]answer{
		"a nonce that was used":   nobody.do("POST", "/v1/credentials/"+id+"/renew", proof),
		"a nonce of another":      nobody.do("POST", "/v1/credentials/"+id+"/renew", owner.prove(string(tenants.NewID[tenants.CredentialID]("crd")), owner.creds)),
		"no nonce at all":         nobody.do("POST", "/v1/credentials/"+id+"/renew", api.CredentialRenew{Nonce: "bm9uY2U", Signature: proof.Signature}),
		"no signature":            nobody.do("POST", "/v1/credentials/"+id+"/renew", api.CredentialRenew{Nonce: owner.prove(id, owner.creds).Nonce, Signature: "%"}),
		"another's signature":     nobody.do("POST", "/v1/credentials/"+id+"/renew", api.CredentialRenew{Nonce: owner.prove(id, owner.creds).Nonce, Signature: proof.Signature}),
		"a credential that isn't": unknown(owner),
	} {
		a.want(401)
		p := a.problem()
		p.RequestId = ""
		words = append(words, p.Detail)
		if p.Detail != words[0] {
			t.Errorf("%s hears %q, another %q", name, p.Detail, words[0])
		}
	}
	var history api.CredentialHistoryPage
	owner.owner.do("GET", "/v1/credentials/"+id+"/history", nil).want(200, &history)
	if n := len(history.Items); n != 2 || history.Items[1].Event != api.CredentialHistoryItemEventRenewed || history.Items[1].By != id {
		t.Errorf("history = %+v, want one renewal by the credential itself", history.Items)
	}
}

// unknown tries to renew a credential that never was, with a proof that is right in all else.
func unknown(owner *tenant) answer {
	id := string(tenants.NewID[tenants.CredentialID]("crd"))
	return caller{s: owner.owner.s}.do("POST", "/v1/credentials/"+id+"/renew", owner.prove(id, owner.creds))
}

func TestRenewalsDoNotCountAgainstLogins(t *testing.T) {
	t.Parallel()
	s := setup(t)
	id := string(tenants.NewID[tenants.CredentialID]("crd"))
	var last answer
	for range 601 {
		last = caller{s: s}.do("POST", "/v1/credentials/"+id+"/renewal-challenge", nil)
	}
	last.want(429)
	s.signUp("In spite of that")
}
