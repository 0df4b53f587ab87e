package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
)

// stockCommand makes this program a stock nats-server.
const stockCommand = "stock"

// runStock runs nats-server as its own program does, on a configuration file,
// until it is told to end.
func runStock(config string) error {
	o, err := server.ProcessConfigFile(config)
	if err != nil {
		return err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		return err
	}
	s.WaitForShutdown()
	return nil
}

// newStock is a stock server under the same operator that is not started yet. Its full
// resolver's folder is there, with the system account in it.
func (i *installation) newStock(name string, c *cluster) (*node, error) {
	dir, err := i.bench.folder(filepath.Join(filepath.Base(i.dir), name))
	if err != nil {
		return nil, err
	}
	n, err := i.newNode(dir, c)
	if err != nil {
		return nil, err
	}
	n.jwts = filepath.Join(dir, "jwt")
	if err := os.Mkdir(n.jwts, 0o700); err != nil {
		return nil, err
	}
	if err := n.storeJWT(string(i.operator.systemAccount), i.operator.systemJWT); err != nil {
		return nil, err
	}
	interval := ""
	if i.bench.scale.stockCompare > 0 {
		interval = fmt.Sprintf(", interval: %q", i.bench.scale.stockCompare)
	}
	member := fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: { type: full, dir: %q%s }\n", i.operator.jwt, i.operator.systemAccount, n.jwts, interval)
	config, err := n.writeConfig(member)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	n.command = []string{self, stockCommand, config}
	i.nodes = append(i.nodes, n)
	return n, err
}

// storeJWT writes an account's JWT as the full resolver does.
func (n *node) storeJWT(account, token string) error {
	return os.WriteFile(filepath.Join(n.jwts, account+".jwt"), []byte(token), 0o600)
}

// storeJWTs is storeJWT for many.
func (n *node) storeJWTs(accounts []*account) error {
	return inParallel(len(accounts), 4, func(i int) error {
		return n.storeJWT(string(accounts[i].Key), accounts[i].jwt)
	})
}

// holds says whether the server has this JWT on its disk.
func (n *node) holds(a *account) (bool, error) {
	text, err := os.ReadFile(filepath.Join(n.jwts, string(a.Key)+".jwt"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return string(text) == a.jwt, err
}
