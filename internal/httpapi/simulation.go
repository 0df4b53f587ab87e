package httpapi

import (
	"net"
	"net/http"
	"strings"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

const (
	actionConnect = "connect"
	actionPublish = "publish"
)

func (s *Server) simulate(w http.ResponseWriter, r *http.Request) error {
	var in api.SimulationRequest
	if err := decode(r, &in); err != nil {
		return err
	}
	facts, err := s.Tenants.LoginFacts(r.Context(), actorOf(r), tenants.AccountID(in.AccountId), tenants.Subject{
		Credential: tenants.CredentialID(orZero(in.CredentialId)), User: tenants.UserID(orZero(in.UserId)), Role: tenants.RoleID(orZero(in.RoleId)),
		Name: orZero(in.Name), Tags: orZero(in.Tags),
	})
	if err != nil {
		return err
	}
	if err := checkSimulation(in); err != nil {
		return err
	}
	out, err := s.Simulate(facts, in)
	if err != nil {
		return err
	}
	if out.Reason != nil && out.Explanation == nil {
		text := tenants.Explain(*out.Reason)
		out.Explanation = &text
	}
	return answer(w, http.StatusOK, out)
}

// checkSimulation refuses what no client could try.
func checkSimulation(in api.SimulationRequest) error {
	subject, queue := orZero(in.Subject), orZero(in.Queue)
	mqtt := strings.HasPrefix(string(orZero(in.ConnectionType)), string(claims.MQTT))
	if in.Address != nil && net.ParseIP(*in.Address) == nil {
		return fault.Field("/address", "must be an IP address, such as 192.0.2.7 or 2001:db8::7")
	}
	switch {
	case in.Action == actionConnect && subject == "":
		return nil
	case in.Action == actionConnect:
		return fault.Field("/subject", "connecting has no subject")
	case subject == "":
		return fault.Field("/subject", "say which subject")
	}
	if err := claims.ValidateSubject(subject); err != nil {
		return fault.At("/subject", err)
	}
	if in.Action == actionPublish && wildcard(subject) {
		return fault.Field("/subject", "a message has one subject, without wildcards")
	}
	if queue == "" {
		return nil
	}
	if in.Action == actionPublish || mqtt {
		return fault.Field("/queue", "only a subscription has a queue group, and over MQTT not even that")
	}
	return fault.At("/queue", claims.ValidateSubject(queue))
}

func wildcard(subject string) bool {
	for token := range strings.SplitSeq(subject, ".") {
		if token == "*" || token == ">" {
			return true
		}
	}
	return false
}
