package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// subjectJsz asks every server what it stores of an account (nats-server's
// events.go, monAccSrvc "JSZ"). One that stores nothing of it answers with an error.
const subjectJsz = "$SYS.REQ.ACCOUNT.%s.JSZ"

// BrokerStreams is one broker's answer to what it stores of an account.
type BrokerStreams struct {
	Broker  string // the server's name
	Cluster string // empty: it stands alone
	Streams []Stream
}

// Stream is a broker's copy of a stream.
type Stream struct {
	Name      string
	Storage   string // file or memory
	Messages  int64
	Bytes     int64
	Consumers int64
	Leader    bool // the others may be behind; a broker that stands alone leads
}

// jszAnswer is what of nats-server's answer is needed.
type jszAnswer struct {
	Server *server.ServerInfo    `json:"server"`
	Data   *server.AccountDetail `json:"data"`
}

// Streams asks the operator's brokers what they store of the account. Like
// [Hub.Connections] it returns when expect brokers have answered or ctx ends.
func (h *Hub) Streams(ctx context.Context, operatorID, account string, expect int) ([]BrokerStreams, error) {
	answers := make(chan *nats.Msg, 64)
	request := mustJSON(server.JSzOptions{Streams: true, Config: true})
	for _, l := range h.brokers() {
		if l.OperatorID != operatorID || !l.connected() {
			continue
		}
		sub, err := l.ask(fmt.Sprintf(subjectJsz, account), request, answers)
		if err != nil {
			return nil, err
		}
		defer sub.Unsubscribe()
	}
	var all []BrokerStreams
	for len(all) < expect {
		select {
		case m := <-answers:
			list, err := readJsz(m.Data)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(all, func(known BrokerStreams) bool { return known.Broker == list.Broker }) {
				all = append(all, list)
			}
		case <-ctx.Done():
			return all, nil
		}
	}
	return all, nil
}

func readJsz(data []byte) (BrokerStreams, error) {
	var answer jszAnswer
	if err := json.Unmarshal(data, &answer); err != nil || answer.Server == nil {
		return BrokerStreams{}, fmt.Errorf("read what a broker stores: %w", err)
	}
	list := BrokerStreams{Broker: answer.Server.Name, Cluster: answer.Server.Cluster}
	if answer.Data == nil {
		return list, nil
	}
	for _, s := range answer.Data.Streams {
		stream := Stream{Name: s.Name, Messages: int64(s.State.Msgs), Bytes: int64(s.State.Bytes), Consumers: int64(s.State.Consumers),
			Leader: s.Cluster == nil || s.Cluster.Leader == list.Broker}
		if s.Config != nil {
			stream.Storage = strings.ToLower(s.Config.Storage.String())
		}
		list.Streams = append(list.Streams, stream)
	}
	return list, nil
}
