package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
)

// subjectConnz asks every server who is connected to an account
// (nats-server's events.go, accReqs "CONNZ").
const subjectConnz = "$SYS.REQ.ACCOUNT.%s.CONNZ"

// BrokerConnections is one broker's answer to who is connected to an account.
type BrokerConnections struct {
	Broker      string // the server's name
	Connections []Connection
}

// Connection is a client of an account. User is whom it has proved to be; Name,
// Language and Version are what the client says of itself.
type Connection struct {
	User          claims.UserKey
	ClientType    string // nats, websocket or mqtt, as nats-server's client.go calls them
	Address       string
	Name          string
	Language      string
	Version       string
	ConnectedAt   time.Time
	Subscriptions int64
	MessagesIn    int64
	MessagesOut   int64
}

// Connections asks the operator's brokers who is connected to the account, at
// most limit connections each. It returns when expect brokers have answered or
// ctx ends, with the answers there are: fewer than expected is not an error.
func (h *Hub) Connections(ctx context.Context, operatorID, account string, limit, expect int) ([]BrokerConnections, error) {
	answers := make(chan *nats.Msg, 64)
	request := mustJSON(server.ConnzOptions{Username: true, Limit: limit})
	for _, l := range h.brokers() {
		if l.OperatorID != operatorID || !l.connected() {
			continue
		}
		sub, err := l.ask(fmt.Sprintf(subjectConnz, account), request, answers)
		if err != nil {
			return nil, err
		}
		defer sub.Unsubscribe()
	}
	var all []BrokerConnections
	for len(all) < expect {
		select {
		case m := <-answers:
			list, err := readConnz(m.Data)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(all, func(known BrokerConnections) bool { return known.Broker == list.Broker }) {
				all = append(all, list) // of a cluster that falls apart, two links may lead to one broker
			}
		case <-ctx.Done():
			return all, nil
		}
	}
	return all, nil
}

// ask publishes a request that many may answer; the answers go to the channel.
func (l *link) ask(subject string, request []byte, answers chan *nats.Msg) (*nats.Subscription, error) {
	nc := l.connection()
	if nc == nil {
		return nil, fmt.Errorf("not connected to cluster %s yet", l.Cluster)
	}
	inbox := nc.NewInbox()
	sub, err := nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, fmt.Errorf("listen for answers of cluster %s: %w", l.Cluster, err)
	}
	if err := nc.PublishRequest(subject, inbox, request); err != nil {
		sub.Unsubscribe()
		return nil, fmt.Errorf("ask cluster %s: %w", l.Cluster, err)
	}
	return sub, nil
}

func readConnz(data []byte) (BrokerConnections, error) {
	var answer server.ServerAPIConnzResponse
	if err := json.Unmarshal(data, &answer); err != nil {
		return BrokerConnections{}, fmt.Errorf("read a broker's connections: %w", err)
	}
	var list BrokerConnections
	if answer.Server != nil {
		list.Broker = answer.Server.Name
	}
	if answer.Data == nil {
		return list, nil
	}
	for _, c := range answer.Data.Conns {
		user, err := claims.ParseUserKey(c.AuthorizedUser)
		if err != nil {
			continue // not a client that logged in with creds
		}
		list.Connections = append(list.Connections, Connection{
			User: user, ClientType: c.Type,
			Address: c.IP, Name: c.Name, Language: c.Lang, Version: c.Version, ConnectedAt: c.Start,
			Subscriptions: int64(c.NumSubs), MessagesIn: c.InMsgs, MessagesOut: c.OutMsgs,
		})
	}
	return list, nil
}
