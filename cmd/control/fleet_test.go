//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// fleet is two replicas of control and clusters of three brokers. Everything
// that a broker and others say to each other goes over wires of the test's.
type fleet struct {
	*stack
	controls [2]*process
	urls     [2]string // of the replicas' APIs
	brokers  []*node
}

// node is one of the fleet's brokers.
type node struct {
	t          *testing.T
	name       string
	cluster    string
	nats       string   // where clients connect, over no wire
	ports      []string // of nats, cluster, metrics and monitoring
	dir        string
	process    *process
	fromPeers  []*wire // to this broker
	toPeers    []*wire
	control    []*wire       // between this broker and control, both ways
	controlURL string        // where control reaches the broker
	apiURL     string        // where the broker reaches control
	clock      time.Duration // by how much it is off
}

// nowhere is where brokers tell each other that they are, so that they do not
// find ways around the wires.
const nowhere = "127.0.0.1:1"

// startFleet starts that many clusters under one control.
func startFleet(t *testing.T, clusters int) *fleet {
	t.Helper()
	f := &fleet{stack: newStack(t)}
	f.urls[0] = f.url
	f.startControl()
	f.controls[0] = f.control
	f.urls[1] = "http://127.0.0.1:" + freePorts(t, 1)[0]
	f.controls[1] = f.startReplicaAt(f.urls[1], 0)
	for i := range clusters {
		f.brokers = append(f.brokers, f.newCluster(fmt.Sprint("c", i+1))...)
	}
	for _, n := range f.brokers {
		n.start()
	}
	for _, n := range f.brokers {
		n.awaitReady()
		n.awaitRouted()
	}
	return f
}

// startReplicaAt starts control at a URL, with a clock that is off by so much.
func (f *fleet) startReplicaAt(url string, by time.Duration) *process {
	f.t.Helper()
	binary, env := clockOff(f.t, "control", by)
	p := startProcess(f.t, append(env, f.env...), binary, "serve", "--listen", strings.TrimPrefix(url, "http://"))
	eventually(f.t, "a replica to be ready", func() error { return ready(url, http.StatusNoContent) })
	return p
}

func (f *fleet) newCluster(name string) []*node {
	f.t.Helper()
	nodes := make([]*node, 3)
	for i := range nodes {
		n := &node{t: f.t, name: fmt.Sprint(name, "-", i+1), cluster: name, ports: freePorts(f.t, 4)}
		n.dir, n.nats = filepath.Join(f.dir, n.name), "nats://127.0.0.1:"+n.ports[0]
		in, out := newWire(f.t, n.ports[0]), newWire(f.t, f.stack.ports[0])
		n.control, n.controlURL, n.apiURL = []*wire{in, out}, "nats://"+in.address(), "http://"+out.address()
		nodes[i] = n
	}
	for _, n := range nodes {
		for _, peer := range nodes {
			if peer != n {
				w := newWire(f.t, peer.ports[1])
				n.toPeers, peer.fromPeers = append(n.toPeers, w), append(peer.fromPeers, w)
			}
		}
	}
	for _, n := range nodes {
		n.configure()
	}
	return nodes
}

func (n *node) configure() {
	n.t.Helper()
	var routes []string
	for _, w := range n.toPeers {
		routes = append(routes, "nats://"+w.address())
	}
	text := fmt.Sprintf("server_name: %s\nlisten: 127.0.0.1:%s\nhttp: 127.0.0.1:%s\n"+
		"cluster { name: %s, listen: 127.0.0.1:%s, advertise: %q, no_advertise: true, routes: [%s] }\n",
		n.name, n.ports[0], n.ports[3], n.cluster, n.ports[1], nowhere, strings.Join(routes, ", "))
	if err := errors.Join(os.MkdirAll(n.dir, 0o700), os.WriteFile(n.file("nats.conf"), []byte(text), 0o600)); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) file(name string) string { return filepath.Join(n.dir, name) }

func (n *node) start() {
	n.t.Helper()
	binary, env := clockOff(n.t, "broker", n.clock)
	n.process = startProcess(n.t, append(env, "SIGNALBOX_TOKEN="+enrolment), binary,
		"--control", n.apiURL, "--data", n.dir, "-c", n.file("nats.conf"),
		"--control-address", n.controlURL, "--metrics", "127.0.0.1:"+n.ports[2])
}

func (n *node) awaitReady() {
	n.t.Helper()
	eventually(n.t, n.name+" to be ready", func() error { return ready("http://127.0.0.1:"+n.ports[2], http.StatusOK) })
}

// awaitRouted waits until the broker has all routes to its peers: before that, what is published at one
// may not be heard at another.
func (n *node) awaitRouted() {
	n.t.Helper()
	want := len(n.toPeers) * (server.DEFAULT_ROUTE_POOL_SIZE + 1) // and one for the system account
	eventually(n.t, n.name+" to have its routes", func() error {
		response, err := http.Get("http://127.0.0.1:" + n.ports[3] + "/routez")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		var routes server.Routez
		if err := json.NewDecoder(response.Body).Decode(&routes); err != nil || routes.NumRoutes < want {
			return fmt.Errorf("%d routes, want %d: %w", routes.NumRoutes, want, err)
		}
		return nil
	})
}

// between are all wires between the broker and its peers.
func (n *node) between() []*wire { return slices.Concat(n.toPeers, n.fromPeers) }

// pause stops the process where it is, as a machine that is suspended.
func (n *node) pause() {
	n.t.Helper()
	n.signal(syscall.SIGSTOP)
	n.t.Cleanup(func() { n.process.cmd.Process.Signal(syscall.SIGCONT) }) // or nobody could stop it
}

func (n *node) resume() {
	n.t.Helper()
	n.signal(syscall.SIGCONT)
}

func (n *node) signal(s os.Signal) {
	n.t.Helper()
	if err := n.process.cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

// fillDisk leaves the process's files a little room to grow, so that what it
// writes next is cut off in the middle, and then nothing gets written at all.
func (n *node) fillDisk() {
	n.t.Helper()
	largest := int64(0)
	for _, file := range n.storeFiles() {
		info, err := os.Stat(file)
		if err != nil {
			n.t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	n.limitFiles(fmt.Sprint(largest + 100))
}

func (n *node) emptyDisk() {
	n.t.Helper()
	n.limitFiles("unlimited")
}

func (n *node) limitFiles(size string) {
	n.t.Helper()
	out, err := exec.Command("prlimit", "--pid", fmt.Sprint(n.process.cmd.Process.Pid), "--fsize="+size+":").CombinedOutput()
	if err != nil {
		n.t.Fatalf("prlimit: %v\n%s", err, out)
	}
}

func (n *node) storeFiles() []string {
	n.t.Helper()
	files, err := filepath.Glob(n.file("accounts/*"))
	if err != nil || len(files) == 0 {
		n.t.Fatalf("the store of %s has the files %q, %v", n.name, files, err)
	}
	return files
}
