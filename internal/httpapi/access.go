package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signalbox-io/signalbox/internal/auth"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// sessionCookie holds a session's token.
const sessionCookie = "signalbox_session"

// access is an operation's x-access: who may call it. The router asks for the
// kind of caller; whether a member's role suffices, and whether the resource is
// theirs at all, tenants decides next to the row, in the same transaction.
type access struct {
	Who  string             `json:"who"`
	Role tenants.MemberRole `json:"role"` // the least role, for member; for person, if it is about a tenant's thing
	// Tries is how often a minute an address may call about one thing, for public, since
	// many tenants' machines share addresses; zero: as often as the installation says,
	// together with all that say nothing.
	Tries int `json:"tries"`
}

// Kinds of caller.
const (
	public     = "public"     // anyone
	person     = "person"     // a signed-in person, who with a role is a member of the resource's tenant
	member     = "member"     // a session or an API token, with a role in the resource's tenant
	staff      = "staff"      // a signed-in person of the installation's staff
	enrollment = "enrollment" // a broker that holds an enrolment token
	broker     = "broker"     // a broker that holds its own token
)

func accessOf(op *openapi3.Operation) (access, error) {
	raw, err := json.Marshal(op.Extensions["x-access"])
	if err != nil {
		return access{}, fmt.Errorf("read x-access: %w", err)
	}
	var a access
	if err := json.Unmarshal(raw, &a); err != nil {
		return access{}, fmt.Errorf("read x-access: %w", err)
	}
	switch a.Who {
	case public, person, staff, enrollment, broker:
		return a, nil
	case member:
		if !a.Role.Includes(tenants.Viewer) {
			return access{}, fmt.Errorf("x-access of %s: who member needs a role, has %q", op.OperationID, a.Role)
		}
		return a, nil
	}
	return access{}, fmt.Errorf("x-access of %s: who is %q, which nobody is", op.OperationID, a.Who)
}

// caller is who calls: an actor, the person behind a session, or a broker's bearer token.
type caller struct {
	actor   tenants.Actor
	me      *auth.Me // set for a session
	session string   // the session's token
	bearer  string   // for enrollment and broker: the token, which tenants judges
}

func (s *Server) identify(r *http.Request, a access) (caller, error) {
	switch a.Who {
	case public:
		return caller{}, nil
	case enrollment, broker:
		token := bearer(r)
		if token == "" {
			return caller{}, fault.New(fault.Unauthenticated, "this needs a broker's bearer token")
		}
		return caller{bearer: token}, nil
	case member:
		if token := bearer(r); token != "" {
			actor, err := s.Auth.APIToken(r.Context(), token)
			return caller{actor: actor}, err
		}
	}
	c, err := s.identifySession(r)
	if err != nil {
		return caller{}, err
	}
	if a.Who == staff && !c.actor.Staff {
		return caller{}, fault.New(fault.Forbidden, "this is for the staff of this installation")
	}
	return c, nil
}

func (s *Server) identifySession(r *http.Request) (caller, error) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || cookie.Value == "" {
		return caller{}, fault.New(fault.Unauthenticated, "log in first, or send an API token")
	}
	me, err := s.Auth.Session(r.Context(), cookie.Value)
	if err != nil {
		return caller{}, err
	}
	return caller{actor: me.Actor(), me: &me, session: cookie.Value}, nil
}

// bearer is the token of an Authorization: Bearer header, or empty.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
