package main

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

func TestUsageTellsWhatAnAccountStoresAndWhoIsConnected(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("storing")
	user := c.issue(c.user("device", "").ID)
	nc := mustConnect(t, s.nats, user.file)
	mustConnect(t, s.ws, user.file)
	js, err := jetstream.New(nc.Conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "orders.1", make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	type count struct{ Used, Limit int64 }
	var usage struct {
		Connections count
		Types       []struct {
			Type  string `json:"connection_type"`
			Used  int64
			Limit int64
		} `json:"connection_types"`
		JetStream struct {
			Total struct {
				DiskBytes count `json:"disk_bytes"`
				Streams   count
			}
		} `json:"jetstream"`
		Answered int `json:"brokers_answered"`
	}
	c.must("GET", "/v1/accounts/"+c.account+"/usage", nil, &usage)
	total := usage.JetStream.Total
	if usage.Answered != 1 || usage.Connections.Used != 2 || total.Streams.Used != 1 || total.DiskBytes.Used < 1000 || total.DiskBytes.Limit < total.DiskBytes.Used {
		t.Errorf("usage = %+v", usage)
	}
	if got, want := fmt.Sprint(usage.Types), "[{STANDARD 1 -1} {WEBSOCKET 1 -1}]"; got != want {
		t.Errorf("connection types = %s, want %s", got, want)
	}
	var silent struct {
		Connections count
	}
	other := s.signUp("silent")
	other.must("GET", "/v1/accounts/"+other.account+"/usage", nil, &silent)
	if silent.Connections.Used != 0 || silent.Connections.Limit == 0 {
		t.Errorf("another tenant's usage = %+v", silent)
	}
}
