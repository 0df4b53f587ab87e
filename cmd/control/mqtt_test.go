package main

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// things are the MQTT clients of an account, on mqtt.js and mosquitto.
type things struct {
	*stack
	*driver
	badge
	t *testing.T
}

// things are let in to the customer's account as MQTT clients are.
func (c *customer) things(s *stack, d *driver) *things {
	c.t.Helper()
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "things", "bearer": true, "connection_types": []string{"MQTT", "MQTT_WS"}}, &role)
	b := c.badge(c.account, role.ID)
	c.inForce()
	return &things{s, d, b, c.t}
}

// url is that of the broker's MQTT listener, or of its WebSocket.
func (x *things) url(overWS bool) string {
	if overWS {
		return x.ws + "/mqtt"
	}
	return "mqtt://127.0.0.1:" + x.ports[3]
}

// js connects a client on mqtt.js, whose name is the client id.
func (x *things) js(id string, more map[string]any) *foreign {
	x.t.Helper()
	request := map[string]any{"url": x.url(false), "jwt": x.jwt, "client_id": id}
	for name, value := range more {
		request[name] = value
	}
	return x.mustConnect(fmt.Sprintf("%s of %p", id, x), "mqtt.js", request)
}

func (x *things) args(more ...string) []string {
	return append([]string{"-h", "127.0.0.1", "-p", x.ports[3], "-u", "thing", "-P", x.jwt}, more...)
}

// sub is a running mosquitto_sub.
func (x *things) sub(args ...string) *mosquittoSub {
	x.t.Helper()
	sub, err := startMosquittoSub(x.t, x.args(args...)...)
	check(x.t, err)
	return sub
}

// pub publishes with mosquitto_pub, and returns when the broker has acknowledged it.
func (x *things) pub(args ...string) {
	x.t.Helper()
	if out, err := exec.CommandContext(x.t.Context(), "mosquitto_pub", x.args(args...)...).CombinedOutput(); err != nil {
		x.t.Fatalf("mosquitto_pub %v: %v\n%s", args, err, out)
	}
}

// next is what it hears next: QoS, retained, topic and text.
func (m *mosquittoSub) next(t *testing.T) string {
	t.Helper()
	select {
	case heard := <-m.heard:
		return heard
	case <-time.After(patience):
		t.Fatal("mosquitto_sub hears nothing")
		return ""
	}
}

// hears waits for as many messages as it wants, and says which those are.
func (f *foreign) hears(want ...string) {
	f.t.Helper()
	var got []string
	eventually(f.t, f.name+" to hear it", func() error {
		if got = f.heardMessages(); len(got) < len(want) {
			return fmt.Errorf("it heard %q", got)
		}
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" {
		f.t.Errorf("%s heard (-want +got):\n%s", f.name, diff)
	}
}

// heardMessages are messages as mosquitto_sub shows them here.
func (f *foreign) heardMessages() (all []string) {
	for _, m := range f.heard("message") {
		retained := 0
		if m.Retain {
			retained = 1
		}
		all = append(all, fmt.Sprintf("%d %d %s %s", m.QoS, retained, m.Topic, m.Data))
	}
	return all
}

func TestMQTTKeepsEachQualityOfService(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	x := s.signUp("qualities").things(s, startDriver(t, newAuthority(t)))
	for qos := range 3 {
		topic := fmt.Sprint("quality/", qos)
		tcp, ws := x.js(fmt.Sprint("tcp-", qos), nil), x.js(fmt.Sprint("ws-", qos), map[string]any{"url": x.url(true)})
		for _, f := range []*foreign{tcp, ws} {
			if granted := f.must("subscribe", map[string]any{"topic": topic, "qos": qos}).QoS; granted != qos {
				t.Errorf("%s: QoS %d is granted, want %d", f.name, granted, qos)
			}
		}
		sub := x.sub("-t", topic, "-q", fmt.Sprint(qos))
		tcp.must("publish", map[string]any{"topic": topic, "data": "from tcp", "qos": qos})
		if got, want := sub.next(t), fmt.Sprintf("%d 0 %s from tcp", qos, topic); got != want {
			t.Errorf("mosquitto_sub heard %q, want %q", got, want)
		}
		ws.must("publish", map[string]any{"topic": topic, "data": "from ws", "qos": qos})
		sub.next(t)
		x.pub("-t", topic, "-q", fmt.Sprint(qos), "-m", "from mosquitto")
		if got, want := sub.next(t), fmt.Sprintf("%d 0 %s from mosquitto", qos, topic); got != want {
			t.Errorf("mosquitto_sub heard %q, want %q", got, want)
		}
		for _, f := range []*foreign{tcp, ws} {
			f.hears(fmt.Sprintf("%d 0 %s from tcp", qos, topic), fmt.Sprintf("%d 0 %s from ws", qos, topic), fmt.Sprintf("%d 0 %s from mosquitto", qos, topic))
		}
	}
}

func TestMQTTKeepsRetainedMessagesUntilTheyAreTakenBack(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	x := s.signUp("retainer").things(s, startDriver(t, newAuthority(t)))
	x.js("publisher", nil).must("publish", map[string]any{"topic": "state/door", "data": "open", "qos": 1, "retain": true})
	x.pub("-t", "state/lamp", "-q", "1", "-r", "-m", "lit")
	late := x.js("late", nil)
	late.must("subscribe", map[string]any{"topic": "state/+", "qos": 1})
	eventually(t, "both", func() error {
		got := late.heardMessages()
		if slices.Sort(got); !slices.Equal(got, []string{"1 1 state/door open", "1 1 state/lamp lit"}) {
			return fmt.Errorf("it heard %q", got)
		}
		return nil
	})
	if got := x.sub("-t", "state/door", "-q", "1").next(t); got != "1 1 state/door open" {
		t.Errorf("mosquitto_sub heard %q", got)
	}
	x.pub("-t", "state/door", "-q", "1", "-r", "-n") // an empty one takes it back
	again := x.js("later", nil)
	again.must("subscribe", map[string]any{"topic": "state/+", "qos": 1})
	again.hears("1 1 state/lamp lit")
}

func TestMQTTWillIsSentWhenAClientVanishesAndOnlyThen(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	x := s.signUp("testator").things(s, startDriver(t, newAuthority(t)))
	heir := x.js("heir", nil)
	heir.must("subscribe", map[string]any{"topic": "wills/#", "qos": 1})
	will := func(id string) map[string]any {
		return map[string]any{"will": map[string]any{"topic": "wills/" + id, "payload": "gone", "qos": 1}}
	}
	x.js("polite", will("polite")).must("close", nil)
	x.js("broken", will("broken")).must("drop", nil)
	heir.hears("1 0 wills/broken gone")
	x.sub("-t", "anything", "-q", "1", "--will-topic", "wills/mosquitto", "--will-payload", "gone", "--will-qos", "1").end() // by SIGKILL
	heir.hears("1 0 wills/broken gone", "1 0 wills/mosquitto gone")
}

// A session with what waits in it is there after the broker was killed.
func TestMQTTSessionSurvivesItsBroker(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	x := s.signUp("sleeper").things(s, startDriver(t, newAuthority(t)))
	kept := map[string]any{"clean": false}
	sleeper := x.js("sleeper", kept)
	sleeper.must("subscribe", map[string]any{"topic": "post/one", "qos": 1})
	sleeper.must("subscribe", map[string]any{"topic": "post/two", "qos": 2})
	sleeper.must("close", nil)
	x.sub("-c", "-i", "dozer", "-t", "post/#", "-q", "1").end()
	var one, two, both []string
	for n := range 5 {
		text := fmt.Sprint("letter ", n)
		x.pub("-t", "post/one", "-q", "1", "-m", text)
		x.pub("-t", "post/two", "-q", "2", "-m", text)
		one, two = append(one, "1 0 post/one "+text), append(two, "2 0 post/two "+text)
		both = append(both, "1 0 post/one "+text, "1 0 post/two "+text)
	}

	s.broker.kill()
	s.startBroker()
	s.awaitBroker()

	awake := x.js("sleeper", kept)
	eventually(t, "all letters", func() error {
		if got := awake.heardMessages(); len(got) < len(one)+len(two) {
			return fmt.Errorf("it heard %q", got)
		}
		return nil
	})
	on := func(topic string) (some []string) {
		for _, m := range awake.heardMessages() {
			if strings.Contains(m, topic) {
				some = append(some, m)
			}
		}
		return some
	}
	if diff := cmp.Diff(one, on("post/one")); diff != "" {
		t.Errorf("with QoS 1 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(two, on("post/two")); diff != "" {
		t.Errorf("with QoS 2 (-want +got):\n%s", diff)
	}
	dozer := x.sub("-c", "-i", "dozer", "-t", "post/other", "-q", "1")
	var got []string
	for range both {
		got = append(got, dozer.next(t))
	}
	slices.Sort(got)
	slices.Sort(both)
	if diff := cmp.Diff(both, got); diff != "" {
		t.Errorf("mosquitto_sub heard (-want +got):\n%s", diff)
	}
}

// Two tenants' clients may have the same id: neither ends the other, nor hears
// of its messages, its retained ones, its session or its will.
func TestTwoTenantsUseOneMQTTClientID(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	d := startDriver(t, newAuthority(t))
	north, south := s.signUp("north").things(s, d), s.signUp("south").things(s, d)
	const id = "thermostat"
	sides := []*things{north, south}
	var clients []*foreign
	for i, x := range sides {
		f := x.js(id, map[string]any{"clean": false, "will": map[string]any{"topic": "will", "payload": fmt.Sprint("of ", i), "qos": 1}})
		f.must("subscribe", map[string]any{"topic": "#", "qos": 1})
		clients = append(clients, f)
	}
	for i, f := range clients {
		f.must("publish", map[string]any{"topic": "reading", "data": fmt.Sprint("from ", i), "qos": 1})
		f.must("publish", map[string]any{"topic": "kept", "data": fmt.Sprint("from ", i), "qos": 1, "retain": true})
	}
	for i, f := range clients {
		f.hears(fmt.Sprintf("1 0 reading from %d", i), fmt.Sprintf("1 0 kept from %d", i))
		select {
		case <-f.ended:
			t.Errorf("%s was thrown out", f.name)
		default:
		}
	}

	// One of them vanishes: its own people hear its will, and its session waits.
	watcher := south.js("watcher", nil)
	watcher.must("subscribe", map[string]any{"topic": "will", "qos": 1})
	clients[0].must("drop", nil)
	<-clients[0].ended
	north.pub("-t", "reading", "-q", "1", "-m", "waits for north")
	back := north.js(id, map[string]any{"clean": false})
	back.hears("1 0 will of 0", "1 0 reading waits for north")
	south.pub("-t", "reading", "-q", "1", "-m", "for south")
	clients[1].hears("1 0 reading from 1", "1 0 kept from 1", "1 0 reading for south")
	if got := watcher.heardMessages(); len(got) != 0 {
		t.Errorf("the other tenant hears %q", got)
	}
	select {
	case <-clients[1].ended:
		t.Error("the other tenant's client was thrown out")
	default:
	}
	late := south.sub("-t", "kept", "-q", "1")
	if got := late.next(t); got != "1 1 kept from 1" {
		t.Errorf("retained for the other tenant: %q", got)
	}
	if len(late.heard) != 0 {
		t.Error("there are two retained messages")
	}
	// With the first one's JWT the second's password is none.
	if _, err := d.connect("thief", "mqtt.js", map[string]any{"url": north.url(false), "jwt": south.jwt + "x", "client_id": id}); !errors.Is(refusedOr(err), errOut) {
		t.Errorf("a JWT that was tampered with: %v", err)
	}
}
