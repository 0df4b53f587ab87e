package httpapi

import (
	"net/http"
	"time"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// Connections is what an operator's brokers say of an account's clients.
type Connections struct {
	Items    []Connection
	Asked    int // brokers enrolled
	Answered int // brokers that answered in time
}

// Connection is one client of an account, as its broker sees it.
type Connection struct {
	Broker        string
	ClientType    string // nats, websocket or mqtt
	UserPublicKey string // the credential's nkey, from the JWT that was verified
	User          string // the user's name in that JWT
	Name          string // what the client calls itself
	Address       string
	Language      string
	Version       string
	ConnectedAt   time.Time
	Subscriptions int64
	MessagesIn    int64 // published by the client
	MessagesOut   int64 // delivered to it
}

func (s *Server) listConnections(w http.ResponseWriter, r *http.Request) error {
	account, err := s.Tenants.Account(r.Context(), actorOf(r), pathID[tenants.AccountID](r, "account"))
	if err != nil {
		return err
	}
	found, err := s.Connections(r.Context(), account)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.ConnectionList{
		BrokersAsked:    found.Asked,
		BrokersAnswered: found.Answered,
		Items: mapped(found.Items, func(c Connection) api.Connection {
			return api.Connection{Broker: c.Broker, ClientType: c.ClientType, UserPublicKey: c.UserPublicKey, User: c.User,
				Name: c.Name, Address: c.Address, Language: c.Language, Version: c.Version, ConnectedAt: c.ConnectedAt.UTC(),
				Subscriptions: c.Subscriptions, MessagesIn: c.MessagesIn, MessagesOut: c.MessagesOut}
		}),
	})
}
