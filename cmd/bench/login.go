package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// pair is one server of each side, with listeners for every kind of client, the
// same accounts and one client of each.
type pair struct {
	*installation
	stock, broker *node
	accounts      []*account
	clients       []credential // one of each
}

func (b *bench) newPair(ctx context.Context, name string, accounts int) (_ *pair, err error) {
	p := &pair{}
	if p.installation, err = b.install(ctx, name); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	p.everyWay = true
	if p.stock, err = p.newStock("stock", nil); err != nil {
		return nil, err
	}
	if p.broker, err = p.newBroker("broker", nil); err != nil {
		return nil, err
	}
	made, err := p.operator.newAccounts(accounts)
	if err != nil {
		return nil, err
	}
	p.accounts = made
	if p.clients, err = issueEach(made); err != nil {
		return nil, err
	}
	if err := p.insert(ctx, made); err != nil {
		return nil, err
	}
	if err := p.stock.storeJWTs(made); err != nil {
		return nil, err
	}
	return p, p.startBoth(ctx)
}

// startBoth returns when both servers let clients in and know all accounts.
func (p *pair) startBoth(ctx context.Context) error {
	if _, err := p.stock.startUp(ctx, p.clients[0]); err != nil {
		return err
	}
	if err := p.broker.start(); err != nil {
		return err
	}
	if err := p.catchesUp(ctx, p.broker); err != nil {
		return err
	}
	return p.broker.letsIn(ctx, p.clients[0])
}

// measureLogins logs in to accounts that are not there, to those in use, and to
// ones that nobody has used yet.
func (b *bench) measureLogins(ctx context.Context) error {
	p, err := b.newPair(ctx, "login", b.scale.loaded+b.scale.firsts)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.measureUnknown(ctx); err != nil {
		return err
	}
	if err := p.measureWarm(ctx); err != nil {
		return err
	}
	if err := p.measureDevices(ctx); err != nil {
		return err
	}
	return p.measureFirst(ctx)
}

func (p *pair) measureUnknown(ctx context.Context) error {
	refused := func(n *node) sample {
		return func() (float64, error) {
			stranger, err := p.operator.newAccount()
			if err != nil {
				return 0, err
			}
			client, err := stranger.issue()
			if err != nil {
				return 0, err
			}
			began := time.Now()
			err = n.refuses([]credential{client})
			return time.Since(began).Seconds(), err
		}
	}
	scale := p.bench.scale
	stock, ours, err := alternate(ctx, scale.unknowns, scale.stockUnknowns, seconds, refused(p.stock), refused(p.broker))
	if err != nil {
		return err
	}
	p.bench.add(row{Name: "refuse a client of an unknown account", Unit: seconds, Stock: stock, Signalbox: ours, Target: &target{Of: "p99", AtMost: 0.010}})
	return nil
}

// measureWarm logs in to accounts that have been used before, by many clients
// at the same time.
func (p *pair) measureWarm(ctx context.Context) error {
	scale := p.bench.scale
	clients := p.clients[:scale.warm]
	for _, n := range []*node{p.stock, p.broker} {
		if err := n.logInEach(clients, scale.clients); err != nil {
			return err
		}
	}
	logins := func(n *node) sample {
		return rate(func() (int, error) { return n.logInFor(scale.round, clients, scale.clients) })
	}
	stock, ours, err := alternate(ctx, scale.rounds, scale.rounds, perSecond, logins(p.stock), logins(p.broker))
	if err != nil {
		return err
	}
	p.bench.add(row{Name: fmt.Sprintf("logins, %d at a time, to %s accounts in use", scale.clients, count(scale.warm)),
		Unit: perSecond, Stock: stock, Signalbox: ours, Target: &target{Of: "ratio", AtLeast: 1.3}})
	return nil
}

// measureDevices logs in to the same accounts by passwords of device logins, beside
// creds, on the broker alone: the stock server has no such logins.
func (p *pair) measureDevices(ctx context.Context) error {
	scale := p.bench.scale
	accounts := p.accounts[:scale.warm]
	devices, err := p.giveDevices(ctx, accounts)
	if err != nil {
		return err
	}
	if err := p.catchesUp(ctx, p.broker); err != nil {
		return err
	}
	logins := func(who []credential) sample {
		return rate(func() (int, error) { return p.broker.logInFor(scale.round, who, scale.clients) })
	}
	creds, ours, err := alternate(ctx, scale.rounds, scale.rounds, perSecond, logins(p.clients[:scale.warm]), logins(devices))
	if err != nil {
		return err
	}
	p.bench.add(row{Name: fmt.Sprintf("logins by a device login's password, %d at a time, to %s accounts in use", scale.clients, count(scale.warm)),
		Unit: perSecond, Stock: creds, Signalbox: ours, Target: &target{Of: "ratio", AtLeast: 1},
		Note: "Device logins are Signalbox's: what stands in the stock server's place are logins by creds, on the same broker."})
	return nil
}

// measureFirst logs in to accounts for the first time, when many others are in use.
func (p *pair) measureFirst(ctx context.Context) error {
	scale := p.bench.scale
	for _, n := range []*node{p.stock, p.broker} {
		if err := n.logInEach(p.clients[:scale.loaded], scale.clients); err != nil {
			return err
		}
	}
	first := func(n *node) sample {
		fresh := p.clients[scale.loaded:]
		return func() (float64, error) {
			client := fresh[0]
			fresh = fresh[1:]
			return timeLogin(n.address, client)
		}
	}
	stock, ours, err := alternate(ctx, scale.firsts, scale.firsts, seconds, first(p.stock), first(p.broker))
	if err != nil {
		return err
	}
	p.bench.add(row{Name: fmt.Sprintf("first login to an account, %s others in use", count(scale.loaded)),
		Unit: seconds, Stock: stock, Signalbox: ours, Target: &target{Of: "median", AtMost: 0.005}})
	return nil
}

// logInEach logs each client in once, so many at the same time.
func (n *node) logInEach(clients []credential, workers int) error {
	return inParallel(len(clients), workers, func(i int) error {
		_, err := timeLogin(n.address, clients[i])
		return err
	})
}

// logInFor logs the clients in again and again, and returns how many logins it were.
func (n *node) logInFor(d time.Duration, clients []credential, workers int) (int, error) {
	var done atomic.Int64
	until := time.Now().Add(d)
	err := inParallel(workers, workers, func(int) error {
		for time.Now().Before(until) {
			next := int(done.Add(1))
			if _, err := timeLogin(n.address, clients[next%len(clients)]); err != nil {
				return err
			}
		}
		return nil
	})
	return int(done.Load()), err
}
