package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"
)

type retirement struct {
	Phase       string
	PurgeAt     *time.Time `json:"purge_at"`
	PurgedAt    *time.Time `json:"purged_at"`
	Connections int
	Streams     []struct {
		Name      string
		Storage   string
		Brokers   []string
		Messages  int64
		Consumers int64
	}
	Brokers []struct {
		Broker string
		State  string
		Bytes  int64
		Error  *string
	}
}

func (c *customer) retirement(account string) retirement {
	c.t.Helper()
	var r retirement
	c.must("GET", "/v1/accounts/"+account+"/retirement", nil, &r)
	return r
}

func (c *customer) awaitPhase(account, phase string) retirement {
	c.t.Helper()
	var r retirement
	eventually(c.t, "the deletion to be "+phase, func() error {
		if r = c.retirement(account); r.Phase != phase {
			return fmt.Errorf("it is %s: %+v", r.Phase, r.Brokers)
		}
		return nil
	})
	return r
}

// publicKey is the account's, before it is gone.
func (c *customer) publicKey() string {
	c.t.Helper()
	var account resource
	c.must("GET", "/v1/accounts/"+c.account, nil, &account)
	return account.PublicKey
}

// files says whether the broker's disk holds anything of the account.
func (s *stack) files(publicKey string) bool {
	s.t.Helper()
	_, err := os.Stat(filepath.Join(s.dir, "jetstream", "jetstream", publicKey))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return err == nil
}

// treasure is what somebody has stored in an account, of every kind there is.
type treasure struct {
	t    *testing.T
	s    *stack
	file string // creds
	jwt  string // of an MQTT client
}

// store fills the account.
func (c *customer) store(s *stack) treasure {
	c.t.Helper()
	var role resource
	c.must("POST", "/v1/accounts/"+c.account+"/roles", map[string]any{"name": "things", "bearer": true}, &role)
	var thing struct{ JWT string }
	c.must("POST", "/v1/users/"+c.user("thing", role.ID).ID+"/credentials", map[string]any{}, &thing)
	v := treasure{c.t, s, c.issue(c.user("keeper", "").ID).file, thing.JWT}
	c.inForce()

	js := v.jetStream()
	for _, config := range []nats.StreamConfig{
		{Name: "FILE", Subjects: []string{"file"}},
		{Name: "MEMORY", Subjects: []string{"memory"}, Storage: nats.MemoryStorage, MaxBytes: 1 << 20},
	} {
		check(c.t, second(js.AddStream(&config)))
		for range 5 {
			check(c.t, second(js.Publish(config.Subjects[0], []byte("kept"))))
		}
		check(c.t, second(js.AddConsumer(config.Name, &nats.ConsumerConfig{Durable: "reader", AckPolicy: nats.AckExplicitPolicy})))
	}
	bucket, err := js.CreateKeyValue(&nats.KeyValueConfig{Bucket: "settings"})
	check(c.t, err)
	check(c.t, second(bucket.PutString("colour", "blue")))
	objects, err := js.CreateObjectStore(&nats.ObjectStoreConfig{Bucket: "files"})
	check(c.t, err)
	check(c.t, second(objects.PutBytes("picture", bytes.Repeat([]byte("p"), 200_000))))

	subscriber := v.mqtt("thing", nil)
	check(c.t, wait(subscriber.Subscribe("greetings", 1, nil)))
	subscriber.Disconnect(100)
	publisher := v.mqtt("publisher", nil)
	check(c.t, wait(publisher.Publish("greetings", 1, false, "while you were away")))
	publisher.Disconnect(100)
	return v
}

func (v treasure) jetStream() nats.JetStreamContext {
	v.t.Helper()
	js, err := mustConnect(v.t, v.s.nats, v.file).JetStream(nats.MaxWait(patience))
	check(v.t, err)
	return js
}

// mqtt connects a client whose session is kept.
func (v treasure) mqtt(id string, heard mqtt.MessageHandler) mqtt.Client {
	v.t.Helper()
	o := mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:" + v.s.ports[3]).SetClientID(id).SetCleanSession(false).
		SetUsername("thing").SetPassword(v.jwt).SetAutoReconnect(false).SetDefaultPublishHandler(heard)
	client := mqtt.NewClient(o)
	check(v.t, wait(client.Connect()))
	v.t.Cleanup(func() { client.Disconnect(0) })
	return client
}

func wait(token mqtt.Token) error {
	if !token.WaitTimeout(patience) {
		return errors.New("no answer")
	}
	return token.Error()
}

// wantWhole fails unless all is there, for the creds that were issued before.
func (v treasure) wantWhole() {
	v.t.Helper()
	js := v.jetStream()
	for _, stream := range []string{"FILE", "MEMORY"} {
		info, err := js.StreamInfo(stream)
		if err != nil || info.State.Msgs != 5 || info.State.Consumers != 1 {
			v.t.Errorf("stream %s: %+v, %v", stream, info, err)
		}
	}
	bucket, err := js.KeyValue("settings")
	check(v.t, err)
	if e, err := bucket.Get("colour"); err != nil || string(e.Value()) != "blue" {
		v.t.Errorf("key-value: %v, %v", e, err)
	}
	objects, err := js.ObjectStore("files")
	check(v.t, err)
	if picture, err := objects.GetBytes("picture"); err != nil || len(picture) != 200_000 {
		v.t.Errorf("object: %d bytes, %v", len(picture), err)
	}
	heard := make(chan string, 1)
	v.mqtt("thing", func(_ mqtt.Client, m mqtt.Message) { heard <- string(m.Payload()) })
	select {
	case text := <-heard:
		if text != "while you were away" {
			v.t.Errorf("the MQTT session held %q", text)
		}
	case <-time.After(patience):
		v.t.Error("the MQTT session has lost its message")
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestDeletingAnAccountCanBeUndoneWithAllThatIsStored(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("undoer")
	stored := c.store(s)
	stays := mustConnect(t, s.nats, stored.file)
	if before := c.retirement(c.account); before.Phase != "none" || before.Connections == 0 || len(before.Streams) < 5 {
		t.Errorf("what deleting would take: %+v", before)
	}

	var p proof
	c.must("DELETE", "/v1/accounts/"+c.account+"?wait=PT30S", nil, &p)
	if !p.InForce || p.Brokers[0].Milliseconds == nil {
		t.Fatalf("proof = %+v, want it in force", p)
	}
	t.Logf("everybody was out %.1f ms after the commit", *p.Brokers[0].Milliseconds)
	if client, err := connect(t, s.nats, stored.file); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("the first login after the proof: %v, %v", client, err)
	}
	wantThrownOut(t, stays)
	frozen := c.retirement(c.account)
	if frozen.Phase != "frozen" || frozen.Connections != 0 || frozen.Brokers[0].State != "kept" {
		t.Errorf("retirement = %+v", frozen)
	}
	for _, stream := range frozen.Streams {
		if stream.Name == "FILE" && (stream.Storage != "file" || stream.Messages != 5 || stream.Consumers != 1 || len(stream.Brokers) != 1) {
			t.Errorf("stream = %+v", stream)
		}
	}

	c.must("POST", "/v1/accounts/"+c.account+"/restore?wait=PT30S", nil, nil)
	stored.wantWhole()
	if r := c.retirement(c.account); r.Phase != "none" || r.PurgeAt != nil {
		t.Errorf("retirement = %+v", r)
	}
}

func TestFrozenAccountSurvivesItsBroker(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("survivor")
	file := c.issue(c.user("keeper", "").ID).file
	c.inForce()
	nc := mustConnect(t, s.nats, file)
	js, err := nc.JetStream()
	check(t, err)
	check(t, second(js.AddStream(&nats.StreamConfig{Name: "FILE", Subjects: []string{"file"}})))
	check(t, second(js.Publish("file", []byte("kept"))))
	c.must("DELETE", "/v1/accounts/"+c.account+"?wait=PT30S", nil, nil)
	s.broker.kill()
	s.startBroker()
	s.awaitBroker()
	wantRefused(t, s.nats, file)
	c.must("POST", "/v1/accounts/"+c.account+"/restore?wait=PT30S", nil, nil)
	js, err = mustConnect(t, s.nats, file).JetStream()
	check(t, err)
	if info, err := js.StreamInfo("FILE"); err != nil || info.State.Msgs != 1 {
		t.Errorf("stream: %+v, %v", info, err)
	}
}

func TestPurgeErasesAnAccountAndNoOther(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c, other := s.signUp("doomed"), s.signUp("other")
	stored, kept := c.store(s), other.store(s)
	key := c.publicKey()
	c.must("DELETE", "/v1/accounts/"+c.account, nil, nil)
	if status, body, err := c.call("POST", "/v1/accounts/"+c.account+"/purge", map[string]any{"name": "other"}); status != http.StatusBadRequest {
		t.Errorf("purge by another name: %d %s, %v", status, body, err)
	}
	start := time.Now()
	c.must("POST", "/v1/accounts/"+c.account+"/purge", map[string]any{"name": "doomed"}, nil)
	done := c.awaitPhase(c.account, "done")
	t.Logf("%d bytes were gone and that confirmed %v after the purge", done.Brokers[0].Bytes, time.Since(start))
	if done.PurgedAt == nil || done.Brokers[0].State != "erased" || done.Brokers[0].Bytes < 200_000 || len(done.Streams) != 0 {
		t.Errorf("retirement = %+v", done)
	}
	if s.files(key) {
		t.Error("files of the purged account are left")
	}
	wantRefused(t, s.nats, stored.file)
	if status, _, _ := c.call("POST", "/v1/accounts/"+c.account+"/restore", nil); status != http.StatusNotFound {
		t.Errorf("restoring what was purged: %d", status)
	}
	kept.wantWhole()

	var again resource
	c.must("POST", "/v1/tenants/"+c.tenant+"/accounts", map[string]any{"name": "doomed"}, &again)
	c.account = again.ID
	reborn := c.store(s) // the name is free, and nothing of the old account is in the new
	reborn.wantWhole()
}

// Whichever phase a deletion is in, neither control nor the broker going away
// for a while keeps it from its end.
func TestPurgeIsFinishedWhoeverIsKilledMeanwhile(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	for phase, meanwhile := range map[string]func(c *customer){
		"frozen": func(c *customer) {
			c.must("DELETE", "/v1/accounts/"+c.account+"?undo=PT2S", nil, nil)
			s.control.kill()
			s.startControl()
		},
		"draining": func(c *customer) {
			s.broker.kill()
			c.must("DELETE", "/v1/accounts/"+c.account+"?undo=PT0S", nil, nil)
			s.control.kill()
			s.startBroker()
			s.startControl()
		},
		"verifying": func(c *customer) {
			c.must("DELETE", "/v1/accounts/"+c.account+"?wait=PT30S", nil, nil)
			s.broker.kill()
			c.must("POST", "/v1/accounts/"+c.account+"/purge", map[string]any{"name": "verifying"}, nil)
			if r := c.awaitPhase(c.account, "verifying"); r.Brokers[0].State != "waiting" || r.PurgedAt != nil {
				c.t.Errorf("while its broker is down: %+v", r)
			}
			s.control.kill()
			s.startBroker() // which finds nobody to tell
			s.startControl()
		},
	} {
		c := s.signUp(phase)
		file := c.issue(c.user("keeper", "").ID).file
		c.inForce()
		js, err := eventuallyConnect(t, s.nats, file).JetStream()
		check(t, err)
		check(t, second(js.AddStream(&nats.StreamConfig{Name: "FILE", Subjects: []string{"file"}})))
		check(t, second(js.Publish("file", []byte("secret"))))
		key := c.publicKey()
		meanwhile(c)
		done := c.awaitPhase(c.account, "done")
		if s.files(key) || done.Brokers[0].State != "erased" {
			t.Errorf("killed while %s: files %t, %+v", phase, s.files(key), done)
		}
		s.awaitBroker()
		wantRefused(t, s.nats, file)
	}
}

func TestAttachedServersDiskIsNotVerified(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	c := s.signUp("attacher")
	operator := c.asStaff(s).ID
	st := s.startStation("edge-1", c.serverConfig(operator, "full"), "")
	c.attach(operator, "edge", st)
	file := c.issue(c.user("device", "").ID).file
	c.inForce()
	stays := mustConnect(t, st.url(), file)
	c.must("DELETE", "/v1/accounts/"+c.account+"?undo=PT0S", nil, nil)
	wantThrownOut(t, stays)
	done := c.awaitPhase(c.account, "done")
	var states []string
	for _, b := range done.Brokers {
		states = append(states, b.Broker+" "+b.State)
	}
	if got := strings.Join(states, ", "); got != "one erased, edge unverified" {
		t.Errorf("disks: %s", got)
	}
	c.awaitRecipient(operator, "edge", "the server to have the tombstone", upToDate)
	wantRefused(t, st.url(), file)
}
