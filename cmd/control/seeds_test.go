//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/signalbox-io/signalbox/api"
)

// turns are the URLs, each of them first once.
func turns(urls []string) (all [][]string) {
	for i := range urls {
		all = append(all, slices.Concat(urls[i:], urls[:i]))
	}
	return all
}

// What the API lists are seed URLs: a client that is given all of them gets in
// while any of the brokers is down, whichever it tries first.
func TestClientsWithAllURLsGetInWhileABrokerIsDown(t *testing.T) {
	t.Parallel()
	s, members := startCluster(t, "mqtt { listen: \"127.0.0.1:-1\" }\nleafnodes { listen: \"127.0.0.1:-1\" }")
	d := startDriver(t, newAuthority(t))
	c := s.signUp("seeds")
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "any", "bearer": true}, &role)
	p := c.badge(c.account, role.ID)
	c.inForce()
	var e api.Endpoints
	eventually(t, "three URLs of each kind", func() error {
		c.must("GET", "/v1/accounts/"+c.account+"/endpoints", nil, &e)
		for _, urls := range [][]string{e.Nats, e.Ws, e.Mqtt, e.MqttWs, e.Leafnode, e.LeafnodeWs} {
			if len(urls) != len(members) {
				return fmt.Errorf("%v", urls)
			}
		}
		return nil
	})
	overMQTT := func(name string, urls []string) mqtt.Client {
		o := mqtt.NewClientOptions().SetClientID(name).SetUsername("thing").SetPassword(p.jwt).SetConnectTimeout(patience).SetProtocolVersion(4)
		for _, u := range urls {
			o.AddBroker(strings.Replace(u, "mqtt:", "tcp:", 1))
		}
		client := mqtt.NewClient(o)
		if token := client.Connect(); !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatalf("MQTT at %v: %v", urls, token.Error())
		}
		return client
	}
	hub := mustConnect(t, members[1].nats, p.file)
	js, err := jetstream.New(hub.Conn)
	check(t, err)
	eventually(t, "a stream on three brokers", func() error {
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ROOM", Replicas: 3})
		return err
	})
	overMQTT("first", e.Mqtt).Disconnect(0) // which makes the streams of MQTT's sessions
	here, err := hub.SubscribeSync("here")
	check(t, err)
	check(t, hub.Flush())
	arrived := func(from string) {
		t.Helper()
		if m, err := here.NextMsg(patience); err != nil || string(m.Data) != from {
			t.Errorf("heard %+v, %v; want it from %s", m, err, from)
		}
	}

	members[0].kill()
	for i, urls := range slices.Concat(turns(e.Nats), turns(e.Ws)) {
		nc, err := nats.Connect(strings.Join(urls, ","), nats.UserCredentials(p.file), nats.DontRandomize(), nats.Timeout(patience))
		if err != nil {
			t.Errorf("nats.go at %v: %v", urls, err)
			continue
		}
		check(t, nc.Publish("here", []byte(nc.ConnectedUrl())))
		arrived(nc.ConnectedUrl())
		nc.Close()
		kind := "transport-node"
		if strings.HasPrefix(urls[0], "ws") {
			kind = "nats.ws"
		}
		f := d.mustConnect(fmt.Sprint(kind, i), kind, map[string]any{"url": urls, "creds": p.creds, "reconnect": true, "options": map[string]any{"noRandomize": true}})
		f.must("publish", map[string]any{"topic": "here", "data": kind})
		arrived(kind)
		f.must("close", nil)
	}
	eventually(t, "JetStream, which keeps MQTT's sessions, to have leaders again", func() error {
		for _, name := range []string{"$MQTT_sess", "$MQTT_msgs", "$MQTT_rmsgs"} {
			stream, err := js.Stream(t.Context(), name)
			if err != nil {
				return err
			}
			if leader := stream.CachedInfo().Cluster.Leader; leader == "" || leader == members[0].name {
				return fmt.Errorf("%s is led by %q", name, leader)
			}
		}
		return nil
	})
	for i, urls := range slices.Concat(turns(e.Mqtt), turns(e.MqttWs)) {
		client := overMQTT(fmt.Sprint("mqtt-", i), urls)
		if token := client.Publish("here", 1, false, urls[0]); !token.WaitTimeout(patience) || token.Error() != nil {
			t.Errorf("MQTT at %v: publish: %v", urls, token.Error())
		}
		arrived(urls[0])
		client.Disconnect(0)
	}
	for i, urls := range slices.Concat(turns(e.Leafnode), turns(e.LeafnodeWs)) {
		from := fmt.Sprint("leaf-", i)
		leaf, log := startLeaf(t, fmt.Sprintf("server_name: %s\nleafnodes { reconnect: 1, remotes [{ no_randomize: true, urls: [%q, %q, %q], credentials: %q }] }",
			from, urls[0], urls[1], urls[2], p.file))
		behind, err := nats.Connect(leaf.ClientURL())
		check(t, err)
		eventually(t, fmt.Sprint("a message through a leaf node at ", urls), func() error {
			check(t, behind.Publish("here", []byte(from)))
			for deadline := time.Now().Add(again); ; {
				m, err := here.NextMsg(time.Until(deadline))
				if err != nil {
					return fmt.Errorf("%w; the leaf node said: %s", err, log.said())
				}
				if string(m.Data) == from { // and not once more from the one before
					return nil
				}
			}
		})
		behind.Close()
		leaf.Shutdown()
		leaf.WaitForShutdown()
	}
}
