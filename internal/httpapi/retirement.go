package httpapi

import (
	"net/http"
	"time"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// Streams is what an operator's brokers say of what is stored in an account.
type Streams struct {
	Items    []Stream
	Asked    int // brokers enrolled
	Answered int // brokers that answered in time
}

// Stream is one stream of an account, in however many copies.
type Stream struct {
	Name      string
	Storage   string // file or memory
	Brokers   []string
	Messages  int64
	Bytes     int64 // of each copy
	Consumers int64
}

// undoWindow is nil when the request does not say.
func undoWindow(r *http.Request) (*time.Duration, error) {
	if !r.URL.Query().Has("undo") {
		return nil, nil
	}
	undo, err := parseDuration("?undo", r.URL.Query().Get("undo"))
	return &undo, err
}

func (s *Server) getRetirement(w http.ResponseWriter, r *http.Request) error {
	retirement, err := s.Tenants.Retirement(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"))
	if err != nil {
		return err
	}
	return s.answerRetirement(w, r, http.StatusOK, retirement)
}

func (s *Server) restoreAccount(w http.ResponseWriter, r *http.Request) error {
	wait, asked, err := waiting(r)
	if err != nil {
		return err
	}
	account, err := s.Tenants.RestoreAccount(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), ifMatch(r))
	if err != nil {
		return err
	}
	out := accountOf(account)
	if asked {
		proof := s.prove(r.Context(), account.Change(), wait)
		out.Proof = &proof
	}
	w.Header().Set("ETag", out.Etag)
	return answer(w, http.StatusOK, out)
}

func (s *Server) purgeAccount(w http.ResponseWriter, r *http.Request) error {
	var in api.AccountPurge
	if err := decode(r, &in); err != nil {
		return err
	}
	retirement, err := s.Tenants.PurgeAccount(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"), in.Name)
	if err != nil {
		return err
	}
	return s.answerRetirement(w, r, http.StatusAccepted, retirement)
}

// answerRetirement asks the brokers what there is now.
func (s *Server) answerRetirement(w http.ResponseWriter, r *http.Request, status int, t tenants.Retirement) error {
	connected, err := s.Connections(r.Context(), t.Account)
	if err != nil {
		return err
	}
	stored, err := s.Streams(r.Context(), t.Account)
	if err != nil {
		return err
	}
	return answer(w, status, api.Retirement{
		AccountId: string(t.Account.ID), Account: t.Account.Name, Phase: api.RetirementPhase(t.Phase),
		DeletingAt: utc(t.Account.DeletingAt), PurgeAt: utc(t.Account.PurgeAt), PurgedAt: utc(t.PurgedAt),
		Connections: len(connected.Items), BrokersAsked: stored.Asked, BrokersAnswered: stored.Answered,
		Streams: mapped(stored.Items, func(v Stream) api.RetiredStream {
			return api.RetiredStream{Name: v.Name, Storage: v.Storage, Brokers: v.Brokers, Messages: v.Messages, Bytes: v.Bytes, Consumers: v.Consumers}
		}),
		Brokers: mapped(t.Disks, func(d tenants.BrokerDisk) api.BrokerDisk {
			return api.BrokerDisk{Kind: api.RecipientKind(d.Kind), Broker: d.Broker, State: api.BrokerDiskState(t.State(d)),
				Bytes: d.Bytes, Error: orNil(d.Error), HeardAt: utc(d.HeardAt)}
		}),
	})
}
