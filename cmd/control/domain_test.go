package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// edge is an unmodified nats-server at a tenant's: a leaf node with a JetStream
// domain of its own, which has the same name at everybody's.
type edge struct {
	*customer
	*server.Server
	cred    issued
	local   jetstream.JetStream // of a client at the edge
	cloud   jetstream.JetStream // of one at the broker, in the broker's own domain
	distant jetstream.JetStream // of that one, in the edge's domain
}

func (s *stack) startEdge(name string) *edge {
	t := s.t
	t.Helper()
	c := s.signUp(name)
	e := &edge{customer: c, cred: c.issue(c.user("edge", "").ID)}
	worker := c.issue(c.user("worker", "").ID)
	c.inForce()
	e.Server, _ = startLeaf(t, fmt.Sprintf("server_name: %s\njetstream { store_dir: %q, domain: edge, max_file_store: 1GB, max_memory_store: 1GB }\n"+
		"leafnodes { reconnect: 1, remotes [{ url: %q, credentials: %q }] }\n",
		name, filepath.Join(t.TempDir(), "jetstream"), "nats://127.0.0.1:"+s.ports[4], e.cred.file))
	here, err := nats.Connect(e.ClientURL())
	check(t, err)
	t.Cleanup(here.Close)
	there := mustConnect(t, s.nats, worker.file).Conn
	e.local, err = jetstream.New(here)
	check(t, err)
	e.cloud, err = jetstream.New(there)
	check(t, err)
	e.distant, err = jetstream.NewWithDomain(there, "edge")
	check(t, err)
	return e
}

// streams are the names in a domain.
func streams(ctx context.Context, js jetstream.JetStream) ([]string, error) {
	names, list := []string{}, js.StreamNames(ctx)
	for name := range list.Name() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, list.Err()
}

// readings publishes at the edge.
func (e *edge) readings(from, n int) {
	e.t.Helper()
	for i := range n {
		check(e.t, second(e.local.Publish(e.t.Context(), "readings.hall", fmt.Appendf(nil, "%d of %s", from+i, e.Server.Name()))))
	}
}

// awaitTexts waits until the stream holds as many messages as it wants, and says which those are.
func awaitTexts(t *testing.T, js jetstream.JetStream, name string, want []string) {
	t.Helper()
	var got []string
	eventually(t, "the messages of "+name, func() error {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			return err
		}
		if n := stream.CachedInfo().State.Msgs; n < uint64(len(want)) {
			return fmt.Errorf("it holds %d", n)
		}
		got = nil
		for i := range stream.CachedInfo().State.Msgs {
			m, err := stream.GetMsg(t.Context(), i+1)
			if err != nil {
				return err
			}
			got = append(got, string(m.Data))
		}
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s holds (-want +got):\n%s", name, diff)
	}
}

func texts(e *edge, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%d of %s", i, e.Server.Name()))
	}
	return all
}

// Two tenants' leaf nodes have the same JetStream domain with the same streams:
// each is reached, mirrored and sourced by its own account only. A leaf node whose
// credential is revoked is cut off and stays so, with all that it stores.
func TestLeafNodesWithTheSameJetStreamDomainNeverMeet(t *testing.T) {
	t.Parallel()
	s := startStackOn(t, func(s *stack) string {
		return fmt.Sprintf("server_name: one\nlisten: 127.0.0.1:%s\nleafnodes { listen: 127.0.0.1:%s }\n"+
			"jetstream { store_dir: %q, domain: cloud, max_file_store: 1TB, max_memory_store: 16GB }\n", s.ports[1], s.ports[4], filepath.Join(s.dir, "jetstream"))
	})
	north, south := s.startEdge("north"), s.startEdge("south")
	const before = 20
	for _, e := range []*edge{north, south} {
		_, err := e.local.CreateStream(t.Context(), jetstream.StreamConfig{Name: "READINGS", Subjects: []string{"readings.>"}})
		check(t, err)
		e.readings(0, before)
	}
	for _, e := range []*edge{north, south} {
		eventually(t, "the domain to be reached from the cloud", func() error {
			_, err := e.distant.AccountInfo(t.Context())
			return err
		})
		awaitTexts(t, e.distant, "READINGS", texts(e, before))
		_, err := e.cloud.CreateStream(t.Context(), jetstream.StreamConfig{Name: "MIRROR", Mirror: &jetstream.StreamSource{Name: "READINGS", Domain: "edge"}})
		check(t, err)
		_, err = e.cloud.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ALL", Sources: []*jetstream.StreamSource{{Name: "READINGS", Domain: "edge"}}})
		check(t, err)
	}
	// What only one of them has, the other has not.
	_, err := north.distant.CreateStream(t.Context(), jetstream.StreamConfig{Name: "NORTHERN", Subjects: []string{"northern.>"}})
	check(t, err)
	for _, e := range []*edge{north, south} {
		awaitTexts(t, e.cloud, "MIRROR", texts(e, before))
		awaitTexts(t, e.cloud, "ALL", texts(e, before))
		atEdge, err := streams(t.Context(), e.distant)
		check(t, err)
		want := []string{"READINGS"}
		if e == north {
			want = []string{"NORTHERN", "READINGS"}
		}
		if diff := cmp.Diff(want, atEdge); diff != "" {
			t.Errorf("in the domain at %s (-want +got):\n%s", e.Server.Name(), diff)
		}
		inCloud, err := streams(t.Context(), e.cloud)
		check(t, err)
		if diff := cmp.Diff([]string{"ALL", "MIRROR"}, inCloud); diff != "" {
			t.Errorf("in the cloud of %s (-want +got):\n%s", e.Server.Name(), diff)
		}
	}
	if err := north.distant.DeleteStream(t.Context(), "NORTHERN"); err != nil {
		t.Errorf("delete a stream at the edge from the cloud: %v", err)
	}

	began := time.Now()
	north.revokeAndWait(north.cred.ID, "PT30S").wantConfirmed(t, 1)
	eventually(t, "the leaf node to be cut off", func() error {
		if n := north.NumLeafNodes(); n != 0 {
			return errors.New("it is not")
		}
		return nil
	})
	took := time.Since(began)
	t.Logf("the leaf node was cut off after %v", took)
	if took > time.Second {
		t.Errorf("the leaf node was cut off after %v, want a second at most", took)
	}
	eventually(t, "it to have tried again, twice", func() error {
		for _, r := range north.refusals() {
			if r.Reason == "credential_revoked" && r.ConnectionType == "LEAFNODE" && r.Count >= 2 {
				return nil
			}
		}
		return fmt.Errorf("refusals = %+v", north.refusals())
	})
	if _, err := north.distant.AccountInfo(t.Context()); err == nil {
		t.Error("the domain is reached without its leaf node")
	}
	// It goes on by itself, and so does the other one with the cloud.
	north.readings(before, 5)
	south.readings(before, 5)
	awaitTexts(t, north.local, "READINGS", texts(north, before+5))
	awaitTexts(t, south.cloud, "MIRROR", texts(south, before+5))
	awaitTexts(t, north.cloud, "MIRROR", texts(north, before))
	if got := south.refusals(); len(got) != 0 {
		t.Errorf("the other tenant's logins were refused: %+v", got)
	}
}
