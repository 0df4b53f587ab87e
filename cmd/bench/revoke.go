package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/resolver"
)

// clusters are three servers of each side.
type clusters struct {
	*installation
	stocks, brokers cluster
	push            *nats.Conn // on the system account of the stock servers
}

func (b *bench) newClusters(ctx context.Context, name string) (_ *clusters, err error) {
	c := &clusters{}
	if c.installation, err = b.install(ctx, name); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	for i := range 3 {
		stock, err := c.newStock(fmt.Sprintf("stock-%d", i+1), &c.stocks)
		if err != nil {
			return nil, err
		}
		broker, err := c.newBroker(fmt.Sprintf("broker-%d", i+1), &c.brokers)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(stock.start(), broker.start()); err != nil {
			return nil, err
		}
	}
	if c.push, err = c.stocks.await(ctx, c.operator); err != nil {
		return nil, err
	}
	nc, err := c.brokers.await(ctx, c.operator)
	if err != nil {
		return nil, err
	}
	nc.Close()
	return c, nil
}

// measureRevocations revokes credentials that have a client at each of three servers.
func (b *bench) measureRevocations(ctx context.Context) error {
	c, err := b.newClusters(ctx, "revoke")
	if err != nil {
		return err
	}
	defer c.close()
	const name = "revoke, until the last of three servers has closed the connection"
	if err := c.measureRevocation(ctx, name, 0.025, b.scale.samples, nil); err != nil {
		return err
	}
	earlier := fmt.Sprintf("the same with %s earlier revocations", count(b.scale.revoked))
	if err := c.measureRevocation(ctx, earlier, 0.050, b.scale.stockSamples, c.revokeMany); err != nil {
		return err
	}
	others := fmt.Sprintf("the same with %s other clients of the account", count(b.scale.others))
	return c.measureRevocation(ctx, others, 0.050, b.scale.stockSamples, c.connectMany)
}

// twin is an account on each side that loses clients.
type twin struct {
	*account        // the stock servers'
	id       string // Signalbox's
	user     string
	others   []*client
}

// measureRevocation has prepare make the account what it is to be.
func (c *clusters) measureRevocation(ctx context.Context, name string, bound float64, ofStock int, prepare func(context.Context, *twin) error) error {
	s, err := c.newTwin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, other := range s.others {
			other.hangUp()
		}
	}()
	if prepare != nil {
		if err := prepare(ctx, s); err != nil {
			return err
		}
	}
	if err := c.settle(ctx, s); err != nil {
		return err
	}
	stock, ours, err := alternate(ctx, c.bench.scale.samples, ofStock, seconds,
		func() (float64, error) { return c.revokeStock(s) },
		func() (float64, error) { return c.revokeOurs(ctx, s) })
	if err != nil {
		return err
	}
	c.bench.add(row{Name: name, Unit: seconds, Stock: stock, Signalbox: ours, Target: &target{Of: "p99", AtMost: bound},
		Note: "Signalbox from the REST call on; the stock servers from the push of the signed JWT on, since they have no REST."})
	return nil
}

func (c *clusters) newTwin(ctx context.Context) (_ *twin, err error) {
	s := &twin{}
	if s.account, err = c.operator.newAccount(); err != nil {
		return nil, err
	}
	if s.id, err = c.create(ctx, "/v1/tenants/"+c.tenant+"/accounts", s.Name); err != nil {
		return nil, err
	}
	s.user, err = c.create(ctx, "/v1/accounts/"+s.id+"/users", "app")
	return s, err
}

// create makes what has a name, and returns its id.
func (i *installation) create(ctx context.Context, path, name string) (string, error) {
	var made struct{ ID string }
	err := i.call(ctx, "POST", path, map[string]string{"name": name}, &made)
	return made.ID, err
}

// issue makes a credential over REST, and returns its id with it.
func (i *installation) issue(ctx context.Context, user string) (id string, c credential, err error) {
	var made struct {
		Credential struct{ ID string }
		Creds      string
	}
	if err := i.call(ctx, "POST", "/v1/users/"+user+"/credentials", map[string]string{}, &made); err != nil {
		return "", credential{}, err
	}
	c.jwt, c.seed, err = claims.ParseCreds([]byte(made.Creds))
	return made.Credential.ID, c, err
}

// settle waits until all servers have the account as it is.
func (c *clusters) settle(ctx context.Context, s *twin) error {
	if err := c.pushStock(s); err != nil {
		return err
	}
	client, err := s.account.issue()
	if err != nil {
		return err
	}
	for _, n := range c.stocks.nodes {
		if err := n.letsIn(ctx, client); err != nil {
			return err
		}
	}
	for _, n := range c.brokers.nodes {
		if err := c.catchesUp(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// pushStock signs the account and sends it to the stock servers.
func (c *clusters) pushStock(s *twin) error {
	if err := c.operator.sign(s.account); err != nil {
		return err
	}
	if err := c.push.Publish(resolver.SubjectUpdate, []byte(s.jwt)); err != nil {
		return err
	}
	return c.push.Flush()
}

// revokeStock is the push alone: the JWT is signed before the clock starts.
func (c *clusters) revokeStock(s *twin) (float64, error) {
	client, err := s.account.issue()
	if err != nil {
		return 0, err
	}
	if err := s.revoke(client); err != nil {
		return 0, err
	}
	if err := c.operator.sign(s.account); err != nil {
		return 0, err
	}
	return c.stocks.untilClosed(client, func() error {
		if err := c.push.Publish(resolver.SubjectUpdate, []byte(s.jwt)); err != nil {
			return err
		}
		return c.push.Flush()
	})
}

// revokeOurs is the whole of it.
func (c *clusters) revokeOurs(ctx context.Context, s *twin) (float64, error) {
	id, client, err := c.issue(ctx, s.user)
	if err != nil {
		return 0, err
	}
	return c.brokers.untilClosed(client, func() error {
		return c.call(ctx, "POST", "/v1/credentials/"+id+"/revoke", nil, nil)
	})
}

// untilClosed connects a client to each server, revokes it, and returns how long
// it takes from there until the last connection is closed, in seconds.
func (c *cluster) untilClosed(who credential, revoke func() error) (float64, error) {
	clients := make([]*client, len(c.nodes))
	for i, n := range c.nodes {
		var err error
		if clients[i], err = dial(n.address, who); err != nil {
			return 0, err
		}
		clients[i].watch()
		defer clients[i].hangUp()
	}
	began := time.Now()
	if err := revoke(); err != nil {
		return 0, err
	}
	var took time.Duration
	for _, cl := range clients {
		closed, err := cl.wait()
		if err != nil {
			return 0, err
		}
		took = max(took, closed.Sub(began))
	}
	return took.Seconds(), nil
}

// revokeMany revokes credentials before the measured ones: on our side those of
// a user, by deleting it.
func (c *clusters) revokeMany(ctx context.Context, s *twin) error {
	user, err := c.create(ctx, "/v1/accounts/"+s.id+"/users", "earlier")
	if err != nil {
		return err
	}
	err = inParallel(c.bench.scale.revoked, c.bench.scale.clients, func(int) error {
		_, _, err := c.issue(ctx, user)
		return err
	})
	if err != nil {
		return err
	}
	if err := c.call(ctx, "DELETE", "/v1/users/"+user, nil, nil); err != nil {
		return err
	}
	for range c.bench.scale.revoked {
		client, err := s.account.issue()
		if err != nil {
			return err
		}
		if err := s.revoke(client); err != nil {
			return err
		}
	}
	return nil
}

// connectMany connects other clients of the account to all servers.
func (c *clusters) connectMany(ctx context.Context, s *twin) error {
	stays, err := s.account.issue()
	if err != nil {
		return err
	}
	_, staysOurs, err := c.issue(ctx, s.user)
	if err != nil {
		return err
	}
	if err := c.settle(ctx, s); err != nil {
		return err
	}
	for i := range c.bench.scale.others {
		stock, err := c.stocks.nodes[i%3].hold(stays)
		if err != nil {
			return err
		}
		ours, err := c.brokers.nodes[i%3].hold(staysOurs)
		if err != nil {
			return err
		}
		s.others = append(s.others, stock, ours)
	}
	return nil
}

// hold connects a client that stays.
func (n *node) hold(c credential) (*client, error) {
	cl, err := dial(n.address, c)
	if err == nil {
		cl.watch()
	}
	return cl, err
}
