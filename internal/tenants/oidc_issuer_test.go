package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
)

// someKeySet, and the one after it, are what issuers have for keys.
const (
	someKeySet = `{"keys":[{"use":"sig","kty":"EC","kid":"one","crv":"P-256","alg":"ES256","x":"QDKSlcIwBLSHWsdD1CJwWiP1T_PBJ0QuMxFYXcRVHDU","y":"U_DNUBd1Q3WHUffGH0PqY10CtbcaK-sDV-l7VtctZD0"}]}`
	nextKeySet = `{"keys":[{"use":"sig","kty":"EC","kid":"two","crv":"P-256","alg":"ES256","x":"QDKSlcIwBLSHWsdD1CJwWiP1T_PBJ0QuMxFYXcRVHDU","y":"U_DNUBd1Q3WHUffGH0PqY10CtbcaK-sDV-l7VtctZD0"}]}`
)

func issuerSpec(url string, role RoleID) OIDCIssuerSpec {
	return OIDCIssuerSpec{URL: url, Audiences: []string{"nats"}, Rules: []OIDCRule{
		{Conditions: []claims.TrustCondition{{Claim: "sub", Match: "prefix", Value: "repo:acme/"}}, RoleID: role, Name: "ci-{{sub}}", MaxLifetime: time.Hour},
	}}
}

func (w *world) issuer(role Role) OIDCIssuer {
	w.t.Helper()
	return must(w.CreateOIDCIssuer(w.t.Context(), w.owner, role.AccountID, Once{}, issuerSpec("https://idp.example.org", role.ID)))(w.t)
}

// trust is what brokers are told that the account trusts.
func (w *world) trust() claims.Trust {
	w.t.Helper()
	hash := w.facts(w.account.PublicKey).Trust
	if hash == "" {
		return claims.Trust{}
	}
	page := must(w.Page(w.t.Context(), w.operator.ID, claims.PageName{Kind: claims.TrustKind, Hash: hash}))(w.t)
	return page.(claims.TrustPage).Trust()
}

func TestIssuersAreInTheTrustPage(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := w.role("pipelines")
	issuer := w.issuer(role)
	trust := w.trust()
	if len(trust.Issuers) != 1 {
		t.Fatalf("trust = %+v", trust)
	}
	got := trust.Issuers[0]
	if got.URL != issuer.URL || !sameJSON(got.Keys, json.RawMessage(someKeySet)) || got.Rules[0].Role != role.PublicKey || got.Rules[0].LifetimeSeconds != 3600 {
		t.Errorf("brokers are told %+v", got)
	}
	must(w.UpdateOIDCIssuer(t.Context(), w.owner, issuer.ID, "", func(s *OIDCIssuerSpec) error { s.Audiences = []string{"other"}; return nil }))(t)
	if got := w.trust().Issuers[0].Audiences; !slices.Equal(got, []string{"other"}) {
		t.Errorf("after an edit brokers are told %v", got)
	}
	if _, err := w.DeleteRole(t.Context(), w.owner, role.ID, ""); err != nil {
		t.Fatal(err)
	}
	if trust := w.trust(); len(trust.Issuers) > 0 {
		t.Errorf("a rule without a role is told: %+v", trust)
	}
	if err := w.DeleteOIDCIssuer(t.Context(), w.owner, issuer.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, err := w.OIDCIssuer(t.Context(), w.owner, issuer.ID)
	refused(t, err, fault.NotFound)
}

func TestRevokedSubjectsAreSigned(t *testing.T) {
	t.Parallel()
	w := setup(t)
	issuer := w.issuer(w.role("pipelines"))
	must(w.RevokeOIDCSubject(t.Context(), w.owner, issuer.ID, "repo:acme/shop", "in a log"))(t)
	again := must(w.RevokeOIDCSubject(t.Context(), w.owner, issuer.ID, "repo:acme/shop", "in a log"))(t)
	key := claims.TokenUser(w.account.PublicKey, issuer.URL, "repo:acme/shop")
	if at, ok := w.facts(w.account.PublicKey).Revoked[key]; !ok || len(again.Revoked) != 1 || again.Revoked[0].Reason != "in a log" || at.Unix() != again.Revoked[0].At.Unix() {
		t.Errorf("revoked are %v, signed %s", again.Revoked, at)
	}
	more := must(w.RevokeOIDCSubject(t.Context(), w.owner, issuer.ID, "repo:acme/site", ""))(t)
	if _, ok := w.facts(w.account.PublicKey).Revoked[claims.TokenUser(w.account.PublicKey, issuer.URL, "repo:acme/site")]; !ok || len(more.Revoked) != 2 {
		t.Errorf("with one more, revoked are %v", more.Revoked)
	}
	_, err := w.RevokeOIDCSubject(t.Context(), w.owner, issuer.ID, "", "")
	refused(t, err, fault.Invalid, "/subject")
}

// What was revoked stays so whatever becomes of the issuer, since its tokens may be good for longer.
func TestRevokedSubjectsStayRevokedWhenTheIssuerGoesAndComes(t *testing.T) {
	t.Parallel()
	const subject, elsewhere = "repo:acme/shop", "https://other.example.org"
	move := func(w *world, issuer OIDCIssuer, url string) OIDCIssuer {
		return must(w.UpdateOIDCIssuer(t.Context(), w.owner, issuer.ID, "", func(s *OIDCIssuerSpec) error { s.URL = url; return nil }))(t)
	}
	for name, again := range map[string]func(w *world, role Role, issuer OIDCIssuer) OIDCIssuer{
		"deleted and made again": func(w *world, role Role, issuer OIDCIssuer) OIDCIssuer {
			if err := w.DeleteOIDCIssuer(t.Context(), w.owner, issuer.ID, ""); err != nil {
				t.Fatal(err)
			}
			return w.issuer(role)
		},
		"moved, and another made in its place": func(w *world, role Role, issuer OIDCIssuer) OIDCIssuer {
			if moved := move(w, issuer, elsewhere); len(moved.Revoked) != 0 {
				t.Errorf("at another URL it has the revoked subjects %v", moved.Revoked)
			}
			return w.issuer(role)
		},
		"moved and back": func(w *world, _ Role, issuer OIDCIssuer) OIDCIssuer {
			return move(w, move(w, issuer, elsewhere), issuer.URL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			role := w.role("pipelines")
			issuer := must(w.RevokeOIDCSubject(t.Context(), w.owner, w.issuer(role).ID, subject, "in a log"))(t)
			issuer = again(w, role, issuer)
			key := claims.TokenUser(w.account.PublicKey, issuer.URL, subject)
			if at, ok := w.facts(w.account.PublicKey).Revoked[key]; !ok || len(issuer.Revoked) != 1 || at.Unix() != issuer.Revoked[0].At.Unix() {
				t.Errorf("revoked are %v, signed %s (%t)", issuer.Revoked, at, ok)
			}
			sibling := w.newAccount("sibling", 10)
			theirs := must(w.CreateRole(t.Context(), w.owner, sibling.ID, Once{}, RoleSpec{Name: "theirs", Template: claims.OpenTemplate()}))(t)
			if revoked := w.issuer(theirs).Revoked; len(revoked) != 0 {
				t.Errorf("another account's issuer has the revoked subjects %v", revoked)
			}
		})
	}
}

func TestBadIssuersAreRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := w.role("pipelines")
	head := w.head()
	for pointer, edit := range map[string]func(*OIDCIssuerSpec){
		"/audiences":                  func(s *OIDCIssuerSpec) { s.Audiences = nil },
		"/audiences/0":                func(s *OIDCIssuerSpec) { s.Audiences = []string{""} },
		"/rules":                      func(s *OIDCIssuerSpec) { s.Rules = nil },
		"/rules/0/conditions":         func(s *OIDCIssuerSpec) { s.Rules[0].Conditions = nil },
		"/rules/0/conditions/0/match": func(s *OIDCIssuerSpec) { s.Rules[0].Conditions[0].Match = "regexp" },
		"/rules/0/conditions/0/claim": func(s *OIDCIssuerSpec) { s.Rules[0].Conditions[0].Claim = "" },
		"/rules/0/conditions/0/value": func(s *OIDCIssuerSpec) { s.Rules[0].Conditions[0].Value = strings.Repeat("x", 257) },
		"/rules/0/role_id":            func(s *OIDCIssuerSpec) { s.Rules[0].RoleID = "rol_none" },
		"/rules/0/name":               func(s *OIDCIssuerSpec) { s.Rules[0].Name = "ci-{{sub" },
		"/rules/0/tags/0":             func(s *OIDCIssuerSpec) { s.Rules[0].Tags = []string{""} },
		"/rules/0/max_lifetime":       func(s *OIDCIssuerSpec) { s.Rules[0].MaxLifetime = 25 * time.Hour },
		"/description":                func(s *OIDCIssuerSpec) { s.Description = strings.Repeat("x", 600) },
	} {
		spec := issuerSpec("https://idp.example.org", role.ID)
		edit(&spec)
		_, err := w.CreateOIDCIssuer(t.Context(), w.owner, w.account.ID, Once{}, spec)
		refused(t, err, fault.Invalid, pointer)
	}
	if w.head() != head {
		t.Error("a refused issuer bumped the revision")
	}
	w.issuer(role)
	_, err := w.CreateOIDCIssuer(t.Context(), w.owner, w.account.ID, Once{}, issuerSpec("https://idp.example.org", role.ID))
	refused(t, err, fault.Conflict, "/url")
}

func TestIssuerThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := w.role("pipelines")
	w.IssuerKeys = func(context.Context, string) (json.RawMessage, error) { return nil, errors.New("it cannot be read") }
	_, err := w.CreateOIDCIssuer(t.Context(), w.owner, w.account.ID, Once{}, issuerSpec("https://idp.example.org", role.ID))
	refused(t, err, fault.Invalid, "/url")
}

func TestKeysOfIssuersAreReadAgain(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC()
	w.at(now)
	issuer := w.issuer(w.role("pipelines"))
	keys, failure, reads := someKeySet, error(nil), 0
	w.IssuerKeys = func(context.Context, string) (json.RawMessage, error) { reads++; return json.RawMessage(keys), failure }
	due := func(at time.Time, want int) {
		t.Helper()
		w.at(at)
		reads = 0
		if err := w.ReadDueKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		if reads != want {
			t.Errorf("%s after it was made: read %d times, want %d", at.Sub(now), reads, want)
		}
	}
	head := w.head()
	due(now.Add(time.Minute), 0)
	due(now.Add(16*time.Minute), 1)
	if w.head() != head {
		t.Error("the same keys bumped the revision")
	}
	keys = nextKeySet
	due(now.Add(32*time.Minute), 1)
	if w.head() == head || !sameJSON(w.trust().Issuers[0].Keys, json.RawMessage(nextKeySet)) {
		t.Error("brokers did not hear of other keys")
	}
	failure = errors.New("it cannot be read")
	due(now.Add(48*time.Minute), 1)
	if got := must(w.OIDCIssuer(t.Context(), w.owner, issuer.ID))(t); got.FetchError != "it cannot be read" || !sameJSON(got.Keys, json.RawMessage(nextKeySet)) {
		t.Errorf("after a failure: %q, %s", got.FetchError, got.Keys)
	}
	failure = nil
	due(now.Add(48*time.Minute+retryKeysAfter), 1)
	if got := must(w.OIDCIssuer(t.Context(), w.owner, issuer.ID))(t); got.FetchError != "" {
		t.Errorf("after it was mended: %q", got.FetchError)
	}

	// A broker that was shown an unknown key has them read at once, but not again and again.
	reported := now.Add(49 * time.Minute)
	report := func() {
		t.Helper()
		err := w.RecordRefusals(t.Context(), w.operator.ID, "UBROKER", []RefusalReport{{AccountKey: w.account.PublicKey, Reason: claims.ErrTokenKey.Reason, Count: 1}})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.at(reported.Add(hurryAfter))
	report()
	due(reported.Add(hurryAfter), 1)
	w.at(reported.Add(hurryAfter + time.Second))
	report()
	due(reported.Add(hurryAfter+time.Second), 0)
}

// An issuer that holds control up is waited for by its own tenant.
func TestIssuersThatAreSlowDelayNobodyElses(t *testing.T) {
	t.Parallel()
	w := setup(t)
	now := time.Now().UTC()
	w.at(now)
	slow := w.role("slow")
	for i := range 3 * KeyReaders / 4 {
		must(w.CreateOIDCIssuer(t.Context(), w.owner, w.account.ID, Once{}, issuerSpec(fmt.Sprintf("https://slow-%d.example.org", i), slow.ID)))(t)
	}
	other, _, theirs := w.found("Others")
	role := must(w.CreateRole(t.Context(), other, theirs.ID, Once{}, RoleSpec{Name: "pipelines", Template: claims.OpenTemplate()}))(t)
	must(w.CreateOIDCIssuer(t.Context(), other, theirs.ID, Once{}, issuerSpec("https://quick.example.org", role.ID)))(t)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var asked atomic.Int64
	read, waiting := make(chan string), make(chan struct{}, 3*KeyReaders)
	w.IssuerKeys = func(ctx context.Context, url string) (json.RawMessage, error) {
		if strings.Contains(url, "slow") {
			asked.Add(1)
			waiting <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		read <- url
		return json.RawMessage(someKeySet), nil
	}
	w.at(now.Add(16 * time.Minute))
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stop()
	for range KeyReaders {
		readers.Go(func() { _ = w.ReadDueKeys(ctx) }) // it ends by being stopped
	}
	<-waiting
	select {
	case url := <-read:
		if url != "https://quick.example.org" {
			t.Errorf("read %s", url)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it waits for another tenant's issuers")
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d issuers of one tenant were asked at once", n)
	}
}

// Keys that were to be read when their issuer was given up do not come back under the next one's name.
func TestKeysOfAnIssuerThatMovedAreNotKept(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"read": false, "not read": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			now := time.Now().UTC()
			w.at(now)
			issuer := w.issuer(w.role("pipelines"))
			w.IssuerKeys = func(ctx context.Context, url string) (json.RawMessage, error) {
				if url != issuer.URL {
					return json.RawMessage(nextKeySet), nil
				}
				_, err := w.UpdateOIDCIssuer(ctx, w.owner, issuer.ID, "", func(s *OIDCIssuerSpec) error { s.URL = "https://next.example.org"; return nil })
				if err != nil {
					t.Error(err)
				}
				if fails {
					return nil, errors.New("it cannot be read")
				}
				return json.RawMessage(someKeySet), nil
			}
			w.at(now.Add(16 * time.Minute))
			if err := w.ReadDueKeys(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := must(w.OIDCIssuer(t.Context(), w.owner, issuer.ID))(t)
			if got.URL != "https://next.example.org" || !sameJSON(got.Keys, json.RawMessage(nextKeySet)) || got.FetchError != "" {
				t.Errorf("%s has %s, %q", got.URL, got.Keys, got.FetchError)
			}
		})
	}
}

// Nobody has control read a URL who may not change the account.
func TestWhoMayNotChangeIssuersHasNoneRead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	role := w.role("pipelines")
	issuer, viewer := w.issuer(role), w.joined(Viewer)
	w.IssuerKeys = func(_ context.Context, url string) (json.RawMessage, error) {
		t.Errorf("%s was read", url)
		return json.RawMessage(someKeySet), nil
	}
	_, err := w.CreateOIDCIssuer(t.Context(), viewer, w.account.ID, Once{}, issuerSpec("https://other.example.org", role.ID))
	refused(t, err, fault.Forbidden)
	_, err = w.UpdateOIDCIssuer(t.Context(), viewer, issuer.ID, "", func(s *OIDCIssuerSpec) error { s.URL = "https://other.example.org"; return nil })
	refused(t, err, fault.Forbidden)
}
