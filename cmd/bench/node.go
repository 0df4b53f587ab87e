package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// node is a server of either side, running or not. What is configured is the
// same for both, but for what makes it a member of the operator.
type node struct {
	*process // nil: it does not run
	dir      string
	address  string // host:port of clients
	routes   string // host:port of routes; empty: it stands alone
	peers    []*node
	others   string // listeners beside that of clients, as the configuration has them
	command  []string
	env      []string
	jwts     string // of a stock server: the folder of its accounts
}

// cluster is servers that know each other. A nil one is none: its only server
// stands alone.
type cluster struct{ nodes []*node }

// newNode chooses ports, and joins the cluster.
func newNode(dir string, c *cluster) (*node, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	n := &node{dir: dir, address: "127.0.0.1:" + port}
	if c == nil {
		return n, nil
	}
	if port, err = freePort(); err != nil {
		return nil, err
	}
	n.routes, n.peers = "127.0.0.1:"+port, slices.Clone(c.nodes)
	c.nodes = append(c.nodes, n)
	return n, nil
}

// name is that of the server.
func (n *node) name() string { return filepath.Base(n.dir) }

// writeConfig writes the server's configuration file.
func (n *node) writeConfig(member string) (string, error) {
	config := fmt.Sprintf("server_name: %q\nlisten: %s\n", n.name(), n.address)
	if n.routes != "" {
		peers := make([]string, len(n.peers))
		for i, p := range n.peers {
			peers[i] = "nats://" + p.routes
		}
		config += fmt.Sprintf("cluster { name: bench, listen: %s, routes: [%s] }\n", n.routes, strings.Join(peers, ", "))
	}
	path := filepath.Join(n.dir, "nats.conf")
	return path, os.WriteFile(path, []byte(config+n.others+member), 0o600)
}

// listenEverywhere opens the listeners of every kind of client. What MQTT needs of JetStream comes with them.
func (n *node) listenEverywhere() error {
	var ports [3]any
	for i := range ports {
		port, err := freePort()
		if err != nil {
			return err
		}
		ports[i] = port
	}
	n.others = fmt.Sprintf("websocket { listen: \"127.0.0.1:%s\", no_tls: true }\nmqtt { listen: \"127.0.0.1:%s\" }\nleafnodes { listen: \"127.0.0.1:%s\" }\n", ports[:]...) +
		fmt.Sprintf("jetstream { store_dir: %q }\n", filepath.Join(n.dir, "jetstream"))
	return nil
}

// start runs the server; it may not accept connections yet.
func (n *node) start() error {
	p, err := startProcess(n.dir, n.name(), n.env, n.command[0], n.command[1:]...)
	n.process = p
	return err
}

// letsIn waits until a login works.
func (n *node) letsIn(ctx context.Context, c credential) error {
	return n.await(ctx, "a login", time.Millisecond, func() error {
		cl, err := dial(n.address, c)
		if err == nil {
			cl.hangUp()
		}
		return err
	})
}

// startUp runs the server and waits until it lets a client in. It returns how
// long that took, in seconds.
func (n *node) startUp(ctx context.Context, c credential) (float64, error) {
	began := time.Now()
	if err := n.start(); err != nil {
		return 0, err
	}
	err := n.letsIn(ctx, c)
	return time.Since(began).Seconds(), err
}

// refuses fails unless the credentials are all refused.
func (n *node) refuses(revoked []credential) error {
	for _, c := range revoked {
		cl, err := dial(n.address, c)
		if err == nil {
			cl.hangUp()
			return errors.New("a revoked client was let in")
		}
		if !errors.Is(err, errRefused) {
			return err
		}
	}
	return nil
}

// connect is an ordinary client.
func (n *node) connect(c credential) (*nats.Conn, error) {
	return nats.Connect("nats://"+n.address, nats.NoReconnect(), nats.Timeout(patience),
		nats.UserJWT(func() (string, error) { return c.jwt, nil }, c.seed.Sign))
}

// await waits until the servers have found each other, and returns a
// connection to one of them on the system account.
func (c *cluster) await(ctx context.Context, o *operator) (*nats.Conn, error) {
	nodes := c.nodes
	system, err := o.systemCredential()
	if err != nil {
		return nil, err
	}
	if err := nodes[0].letsIn(ctx, system); err != nil {
		return nil, err
	}
	nc, err := nodes[0].connect(system)
	if err != nil {
		return nil, err
	}
	err = nodes[0].await(ctx, "the cluster", 50*time.Millisecond, func() error { return countServers(nc, len(nodes)) })
	return nc, err
}

// countServers fails unless so many servers answer a ping.
func countServers(nc *nats.Conn, want int) error {
	inbox := nats.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer answers.Unsubscribe()
	if err := nc.PublishRequest("$SYS.REQ.SERVER.PING", inbox, nil); err != nil {
		return err
	}
	for range want {
		if _, err := answers.NextMsg(time.Second); err != nil {
			return fmt.Errorf("wait for %d servers: %w", want, err)
		}
	}
	return nil
}
