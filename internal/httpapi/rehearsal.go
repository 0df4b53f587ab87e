package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/fault"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// Outlook is what an account's next claims would do to its connections, as its
// operator's brokers see it.
type Outlook struct {
	Brokers []BrokerOutlook // those that answered in time
	Asked   int
}

// BrokerOutlook is one broker's answer.
type BrokerOutlook struct {
	Broker        string
	Connected     int64
	Closed        int64
	Subscriptions int64
	Closing       []Closing // not all when there are many
}

// Closing is a connection that would be closed.
type Closing struct {
	ID             uint64 // on its broker
	UserPublicKey  string
	User           string
	ConnectionType string
	Address        string
	Name           string
	Subscriptions  int64
}

const (
	dryRunType     = "application/vnd.signalbox.dry-run+json"
	accountsInFull = 20 // of which a dry run asks brokers and shows the claims
)

// isDryRun says whether the operation is only to be tried. One that does not know
// of that must not be done instead, nor must any because of another spelling: the
// document's validator takes 1 and T for true as well, and nothing for neither.
func isDryRun(r *http.Request, op *openapi3.Operation) (bool, error) {
	values, asked := r.URL.Query()["dry_run"]
	switch {
	case !asked:
		return false, nil
	case op.Parameters.GetByInAndName(openapi3.ParameterInQuery, "dry_run") == nil:
		return false, fault.Field("?dry_run", "this operation has no dry run")
	case len(values) != 1 || values[0] != "true" && values[0] != "false":
		return false, fault.Field("?dry_run", "must be true or false, once")
	}
	return values[0] == "true", nil
}

// rehearse has the operation's own handler do all that it does, takes it back, and
// answers what it would have changed.
func (s *Server) rehearse(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("wait") {
		return fault.Field("?wait", "a dry run sends nothing, so there is nothing to wait for")
	}
	noted, err := s.Tenants.Rehearse(r.Context(), func(t *tenants.Service) error {
		shadow := *s
		shadow.Tenants = t
		shadow.BrokersMoved = func() {}
		return shadow.operations()[callOf(r).operation](unheard{http.Header{}}, r)
	})
	if err != nil {
		return err
	}
	out, err := s.dryRunOf(r.Context(), noted)
	if err != nil {
		return err
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode a dry run: %w", err)
	}
	w.Header().Set("Content-Type", dryRunType)
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(body)
	return err
}

// unheard takes a handler's answer, which is about what will not be.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header       { return u.header }
func (unheard) Write(p []byte) (int, error) { return len(p), nil }
func (unheard) WriteHeader(int)             {}

func (s *Server) dryRunOf(ctx context.Context, noted tenants.Rehearsal) (api.DryRun, error) {
	out := api.DryRun{
		Changes: []api.ClaimsChange{}, Warnings: []string{}, Claims: []api.ClaimsBeforeAfter{},
		Affected: api.Affected{ByBroker: []api.AffectedBroker{}, Closing: []api.ClosingConnection{}},
	}
	for i, account := range noted.Accounts {
		if i == accountsInFull {
			out.Warnings = append(out.Warnings, fmt.Sprintf("%d more accounts change; their claims and connections are not shown", len(noted.Accounts)-i))
			break
		}
		if err := s.addAccount(ctx, &out, account); err != nil {
			return api.DryRun{}, err
		}
	}
	for _, token := range noted.Issued {
		if err := addIssued(&out, token); err != nil {
			return api.DryRun{}, err
		}
	}
	if out.Affected.BrokersAnswered < out.Affected.BrokersAsked {
		out.Warnings = append(out.Warnings, "not all brokers answered: the connections there are not counted")
	}
	return out, nil
}

// addAccount adds what changes in an account, and whom that concerns.
func (s *Server) addAccount(ctx context.Context, out *api.DryRun, account tenants.RehearsedAccount) error {
	differences, err := claims.Diff(account.Before, account.After)
	if err != nil {
		return err
	}
	if len(differences) == 0 {
		return nil
	}
	out.Changes = append(out.Changes, mapped(differences, func(d claims.Difference) api.ClaimsChange {
		return api.ClaimsChange{AccountId: string(account.ID), Path: d.Path, From: d.From, To: d.To}
	})...)
	after, err := claims.Payload(account.After)
	if err != nil {
		return err
	}
	if err := addClaims(out, account, after); err != nil {
		return err
	}
	concerned, err := s.Tenants.ConcernedBy(ctx, account)
	if err != nil {
		return err
	}
	out.Affected.Users += concerned.Users
	out.Affected.Credentials += concerned.Credentials
	outlook, err := s.Foresee(ctx, account, after)
	if err != nil {
		return err
	}
	out.Affected.BrokersAsked = max(out.Affected.BrokersAsked, int64(outlook.Asked))
	out.Affected.BrokersAnswered = max(out.Affected.BrokersAnswered, int64(len(outlook.Brokers)))
	for _, b := range outlook.Brokers {
		addBroker(&out.Affected, b, concerned.Everybody)
	}
	return nil
}

func addClaims(out *api.DryRun, account tenants.RehearsedAccount, after []byte) error {
	shown := api.ClaimsBeforeAfter{AccountId: string(account.ID), Account: account.Name}
	if account.Before != "" {
		before, err := claims.Payload(account.Before)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(before, &shown.Before); err != nil {
			return fmt.Errorf("read the claims of before: %w", err)
		}
	}
	if err := json.Unmarshal(after, &shown.After); err != nil {
		return fmt.Errorf("read the claims of after: %w", err)
	}
	out.Claims = append(out.Claims, shown)
	return nil
}

func addBroker(out *api.Affected, b BrokerOutlook, others bool) {
	out.Connections += b.Connected
	out.ConnectionsClosed += b.Closed
	out.Subscriptions += b.Subscriptions
	if others {
		out.ConnectionsChanged += b.Connected - b.Closed
	}
	out.ByBroker = append(out.ByBroker, api.AffectedBroker{Broker: b.Broker, Connections: b.Connected, Closed: b.Closed})
	for _, c := range b.Closing {
		out.Closing = append(out.Closing, api.ClosingConnection{Broker: b.Broker, Id: int64(c.ID), UserPublicKey: c.UserPublicKey, User: c.User,
			ConnectionType: c.ConnectionType, Address: c.Address, Name: c.Name, Subscriptions: c.Subscriptions})
	}
}

// addIssued adds what a credential would say. Its JWT is not shown: no
// revocation would reach it.
func addIssued(out *api.DryRun, token string) error {
	payload, err := claims.Payload(token)
	if err != nil {
		return err
	}
	var said any
	if err := json.Unmarshal(payload, &said); err != nil {
		return fmt.Errorf("read the claims of a credential: %w", err)
	}
	out.Changes = append(out.Changes, api.ClaimsChange{Path: "/credential", To: said})
	return nil
}
