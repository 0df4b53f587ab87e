package main

import (
	"context"
	"fmt"
	"time"
)

// checked is how many of the accounts that were changed have a client tried.
const checked = 10

// revokeOneEach revokes a client of each account, and returns the clients. The
// stock server tells by the second which of two JWTs is newer, so it waits for
// the next one.
func (o *operator) revokeOneEach(ctx context.Context, accounts []*account) ([]credential, error) {
	now := time.Now()
	select {
	case <-time.After(now.Truncate(time.Second).Add(time.Second).Sub(now)):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	revoked, err := issueEach(accounts)
	if err != nil {
		return nil, err
	}
	for i, a := range accounts {
		if err := a.revoke(revoked[i]); err != nil {
			return nil, err
		}
		if err := o.sign(a); err != nil {
			return nil, err
		}
	}
	return revoked, nil
}

// measureMissed starts servers that missed changes, until these are in force.
func (b *bench) measureMissed(ctx context.Context, in *installation, broker *node, changing []*account) error {
	missed := func() (float64, error) { return in.missByBroker(ctx, broker, changing) }
	stockMissed := func() (float64, error) { return in.missByStock(ctx) }
	stocks, ours, err := alternate(ctx, b.scale.misses, 1, seconds, stockMissed, missed)
	if err != nil {
		return err
	}
	note := fmt.Sprintf("The stock server has %s accounts only, and a peer that is up to date", count(b.scale.stockMissed))
	if every := b.scale.stockCompare; every > 0 {
		note += fmt.Sprintf("; the two compare what they have every %v, instead of every minute as they do by default", every)
	}
	b.add(row{Name: fmt.Sprintf("%s changes missed among %s accounts, from the start until in force", count(len(changing)), count(b.scale.stored)),
		Unit: seconds, Stock: stocks, Signalbox: ours, Target: &target{Of: "median", AtMost: 1}, Note: note + "."})
	return nil
}

// missByBroker changes accounts while the broker does not run, and starts it.
func (i *installation) missByBroker(ctx context.Context, broker *node, changing []*account) (float64, error) {
	revoked, err := i.operator.revokeOneEach(ctx, changing)
	if err != nil {
		return 0, err
	}
	if err := i.update(ctx, changing); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := broker.start(); err != nil {
		return 0, err
	}
	defer broker.stop()
	if err := i.catchesUp(ctx, broker); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	return took, broker.refuses(revoked[:min(checked, len(revoked))])
}

// missByStock starts a stock server whose accounts are stale, beside one that
// has them as they are.
func (i *installation) missByStock(ctx context.Context) (float64, error) {
	accounts, err := i.operator.newAccounts(i.bench.scale.stockMissed)
	if err != nil {
		return 0, err
	}
	var both cluster
	fresh, err := i.newStock("stock-fresh", &both)
	if err != nil {
		return 0, err
	}
	stale, err := i.newStock("stock-stale", &both)
	if err != nil {
		return 0, err
	}
	if err := stale.storeJWTs(accounts); err != nil {
		return 0, err
	}
	changing := accounts[:min(i.bench.scale.missed, len(accounts))]
	client, err := changing[0].issue()
	if err != nil {
		return 0, err
	}
	revoked, err := i.operator.revokeOneEach(ctx, changing)
	if err != nil {
		return 0, err
	}
	if err := fresh.storeJWTs(accounts); err != nil {
		return 0, err
	}
	if _, err := fresh.startUp(ctx, client); err != nil {
		return 0, err
	}
	defer fresh.stop()
	began := time.Now()
	if err := stale.start(); err != nil {
		return 0, err
	}
	defer stale.stop()
	if err := stale.learns(ctx, changing); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	return took, stale.refuses(revoked[:min(checked, len(revoked))])
}

// learns waits until the stock server has stored the accounts as they are now.
func (n *node) learns(ctx context.Context, accounts []*account) error {
	return n.await(ctx, "what it missed", 20*time.Millisecond, func() error {
		for len(accounts) > 0 {
			known, err := n.holds(accounts[0])
			if err != nil {
				return err
			}
			if !known {
				return fmt.Errorf("%d accounts are stale", len(accounts))
			}
			accounts = accounts[1:]
		}
		return nil
	})
}
